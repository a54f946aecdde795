"""The bounds of the gate: what they rest on, what leaves them alone, and that they err no oftener than they say."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from gate_releases import SHAPES, counts, dropped
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import stats

from views.gate_interval import Passes, bounds, exact_p, score_bounds, spread
from views.gate_sequential import Look, level, levels, spent

TIMES = 400


@some.composite
def passes(draw: some.DrawFn, most: int = 5) -> Passes:
    first, second = draw(some.integers(1, most)), draw(some.integers(1, most))
    return Passes(draw(some.integers(0, first)), first, draw(some.integers(0, second)), second)


several = some.lists(passes(), min_size=1, max_size=12)


def mirrored(one: Passes) -> Passes:
    return Passes(one.candidate, one.candidate_attempts, one.baseline, one.baseline_attempts)


@settings(deadline=None)
@given(several)
def test_the_bounds_hold_the_difference_and_stay_within_what_is_possible(tasks: list[Passes]) -> None:
    found = bounds(tasks, 0.05)
    assert -1 <= found.low <= found.value <= found.high <= 1


@settings(deadline=None)
@given(several)
def test_with_the_sides_exchanged_the_bounds_are_mirrored(tasks: list[Passes]) -> None:
    found, other = bounds(tasks, 0.05), bounds([mirrored(one) for one in tasks], 0.05)
    assert (other.low, other.value, other.high) == pytest.approx((-found.high, -found.value, -found.low), abs=1e-12)


@settings(deadline=None)
@given(several, some.randoms())
def test_the_order_of_the_tasks_changes_nothing(tasks: list[Passes], random: object) -> None:
    moved = tasks.copy()
    random.shuffle(moved)  # type: ignore[attr-defined]
    before, after = bounds(tasks, 0.05), bounds(moved, 0.05)
    assert (after.low, after.value, after.high) == pytest.approx((before.low, before.value, before.high), abs=1e-9)


@settings(deadline=None)
@given(several, some.floats(0.001, 0.2), some.floats(0.21, 0.49))
def test_a_smaller_error_makes_the_bounds_wider(tasks: list[Passes], small: float, large: float) -> None:
    wide, narrow = bounds(tasks, small), bounds(tasks, large)
    assert wide.low <= narrow.low + 1e-12
    assert wide.high >= narrow.high - 1e-12


@settings(deadline=None)
@given(some.lists(passes(3), min_size=1, max_size=4))
def test_the_exact_test_counts_all_ways_in_which_the_passes_could_have_fallen(tasks: list[Passes]) -> None:
    ways: list[list[tuple[float, float]]] = []
    for one in tasks:
        total, first, second = one.baseline + one.candidate, one.baseline_attempts, one.candidate_attempts
        own = range(max(0, total - first), min(second, total) + 1)
        chance = stats.hypergeom(first + second, total, second)
        ways.append([(k / second - (total - k) / first, float(chance.pmf(k))) for k in own])
    seen = math.fsum(one.difference for one in tasks)
    outcomes = [(math.fsum(x for x, _ in way), math.prod(p for _, p in way)) for way in product(*ways)]
    assert exact_p(tasks) == pytest.approx(math.fsum(p for x, p in outcomes if x <= seen + 1e-9), abs=1e-9)


def test_with_one_attempt_per_task_the_exact_test_is_mcnemars() -> None:
    tasks = [Passes(1, 1, 0, 1)] * 6 + [Passes(0, 1, 1, 1)] * 1 + [Passes(1, 1, 1, 1)] * 5
    assert exact_p(tasks) == pytest.approx(stats.binomtest(1, 7, alternative="less").pvalue)


def test_with_one_attempt_per_task_the_bounds_are_tangos_less_a_quarter_of_a_pair() -> None:
    # Tango (1998), example: 44 pairs, of which 0 and 1 are discordant. 95 %, two-sided: -0.1183 to 0.0601 there.
    pairs = [Passes(1, 1, 0, 1)] * 1 + [Passes(1, 1, 1, 1)] * 43
    found = score_bounds(spread(pairs), 0.025)
    assert found.low == pytest.approx(-0.1183, abs=0.02)
    assert found.high == pytest.approx(0.0601, abs=0.02)
    assert found.low < -0.1183
    assert found.high > 0.0601


def test_many_different_numbers_of_attempts_are_put_on_a_grid_and_never_make_a_drop_less_likely() -> None:
    tasks = [Passes(a, a, b // 2, b) for a, b in ((7, 11), (13, 17), (19, 23))]
    exact = 0.0
    seen = math.fsum(one.difference for one in tasks)
    ways: list[list[tuple[float, float]]] = []
    for one in tasks:
        total, first, second = one.baseline + one.candidate, one.baseline_attempts, one.candidate_attempts
        chance = stats.hypergeom(first + second, total, second)
        own = range(max(0, total - first), min(second, total) + 1)
        ways.append([(k / second - (total - k) / first, float(chance.pmf(k))) for k in own])
    for way in product(*ways):
        exact += math.prod(p for _, p in way) if math.fsum(x for x, _ in way) <= seen + 1e-12 else 0
    assert exact <= exact_p(tasks) <= exact * 1.5


@pytest.mark.parametrize("passed", [0, 5])
def test_where_all_attempts_end_alike_the_bounds_are_no_point(passed: int) -> None:
    found = bounds([Passes(passed, 5, passed, 5)] * 12, 0.05)
    # Of 60 attempts, a rate of failures of 4.87 % leaves none with a chance of 5 %.
    assert (found.low, found.high) == (pytest.approx(-0.0487, abs=1e-4), pytest.approx(0.0487, abs=1e-4))


def test_one_task_with_few_attempts_leaves_more_unseen_than_its_share() -> None:
    even = bounds([Passes(5, 5, 5, 5)] * 12, 0.05)
    uneven = bounds([Passes(5, 5, 1, 1)] + [Passes(5, 5, 5, 5)] * 11, 0.05)
    assert uneven.low < 1.7 * even.low
    assert uneven.low > -0.1


def test_a_collapse_is_one_and_so_is_its_mirror() -> None:
    collapsed = bounds([Passes(5, 5, 0, 5)] * 12, 0.05)
    assert collapsed.value == -1
    assert collapsed.low == pytest.approx(-1)
    assert -1 < collapsed.high < -0.8


@pytest.mark.slow
@pytest.mark.parametrize("attempts", [1, 2, 5])
@pytest.mark.parametrize("name", SHAPES)
def test_an_unchanged_release_is_a_regression_at_most_one_time_in_twenty(name: str, attempts: int) -> None:
    rng = np.random.default_rng(5)
    before = SHAPES[name]
    wrong = sum(bounds(counts(before, before, attempts, rng), 0.05).high < 0 for _ in range(TIMES))
    assert stats.binomtest(wrong, TIMES, 0.05, alternative="greater").pvalue > 0.001


@pytest.mark.slow
@pytest.mark.parametrize("spread_out", [True, False])
@pytest.mark.parametrize("attempts", [1, 2, 5])
@pytest.mark.parametrize("name", SHAPES)
def test_a_drop_of_the_margin_passes_at_most_one_time_in_twenty(name: str, attempts: int, spread_out: bool) -> None:
    rng = np.random.default_rng(6)
    before = SHAPES[name]
    after = dropped(before, 0.1, spread=spread_out)
    wrong = sum(bounds(counts(before, after, attempts, rng), 0.05).low > -0.1 for _ in range(TIMES))
    assert stats.binomtest(wrong, TIMES, 0.05, alternative="greater").pvalue > 0.001


@pytest.mark.parametrize("name", SHAPES)
def test_a_drop_of_twenty_points_is_caught_in_most_cases(name: str) -> None:
    rng = np.random.default_rng(7)
    before = SHAPES[name]
    after = dropped(before, 0.2)
    caught = sum(bounds(counts(before, after, 5, rng), 0.05).high < 0 for _ in range(100))
    assert caught >= 60


def test_one_look_has_the_whole_level_and_many_share_it() -> None:
    assert levels(1) == (pytest.approx(0.05),)
    for looks in (2, 5, 20):
        found = levels(looks)
        assert list(found) == sorted(found)
        assert found[0] == pytest.approx(spent(1 / looks))
        assert 0.02 < found[-1] < 0.05 < sum(found) + 1e-9
    assert level(Look(3, 5)) == levels(5)[2]


def test_the_looks_together_cross_as_often_as_one_would() -> None:
    rng = np.random.default_rng(8)
    for looks in (2, 5, 10):
        motion = np.cumsum(rng.normal(size=(200_000, looks)), axis=1) / np.sqrt(np.arange(1, looks + 1))
        crossed = (motion > stats.norm.ppf(1 - np.array(levels(looks)))).any(axis=1).mean()
        assert crossed == pytest.approx(0.05, abs=0.002)


@pytest.mark.slow
@pytest.mark.parametrize("drop", [0.0, 0.1])
@pytest.mark.parametrize("name", ["five of twelve flaky", "each a coin", "all sure"])
def test_looking_after_each_attempt_errs_at_most_one_time_in_twenty(name: str, drop: float) -> None:
    rng = np.random.default_rng(9)
    before, planned = SHAPES[name], levels(5)
    after = dropped(before, drop)
    wrong = 0
    for _ in range(300):
        first = np.cumsum(rng.random((5, 12)) < before, axis=0)
        second = np.cumsum(rng.random((5, 12)) < after, axis=0)
        for place, alpha in enumerate(planned):
            tasks = [
                Passes(int(x), place + 1, int(y), place + 1) for x, y in zip(first[place], second[place], strict=True)
            ]
            found = bounds(tasks, alpha)
            if found.high < 0 or found.low > -0.1:
                wrong += found.high < 0 if not drop else found.low > -0.1
                break
    assert stats.binomtest(wrong, 300, 0.05, alternative="greater").pvalue > 0.001
