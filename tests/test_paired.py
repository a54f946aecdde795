"""Ratios, totals and the adjustment of many tests, against scipy, by enumeration and by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from views import paired, resampling
from views.paired import Totals

COSTS = [
    ([1.0, 2.0, 4.0, 0.5, 8.0, 1.5, 3.0, 2.5], [1.5, 1.9, 6.5, 0.9, 9.1, 2.6, 2.0, 4.4]),
    ([0.1, 0.1, 0.2, 0.4, 0.1, 0.3, 0.2], [0.1, 0.2, 0.2, 0.9, 0.3, 0.3, 0.5]),
]


@pytest.mark.parametrize(("a", "b"), COSTS)
def test_a_ratio_is_the_geometric_mean_with_the_interval_and_test_of_scipy(a: list[float], b: list[float]) -> None:
    found = paired.paired_ratio(a, b)
    logs = np.sort(np.log(b) - np.log(a))
    rng = np.random.default_rng(resampling.SEED)
    expected = stats.bootstrap((logs,), np.mean, n_resamples=resampling.RESAMPLES, method="BCa", rng=rng)
    assert found.value == pytest.approx(stats.gmean(np.array(b) / np.array(a)), abs=1e-9)
    assert found.low == pytest.approx(math.exp(expected.confidence_interval.low), abs=1e-9)
    assert found.high == pytest.approx(math.exp(expected.confidence_interval.high), abs=1e-9)
    assert found.p == pytest.approx(stats.wilcoxon(logs).pvalue, abs=1e-9)


def test_wilcoxons_test_is_worked_by_hand() -> None:
    """Six tasks that all became dearer: of 2⁶ choices of signs two are as extreme."""
    found = paired.paired_ratio([1.0] * 6, [1.1, 1.2, 1.3, 1.4, 1.5, 1.6])
    assert found.p == pytest.approx(2 / 64)


def test_one_dear_task_sways_a_difference_but_not_a_ratio() -> None:
    before, after = [1.0] * 11 + [100.0], [1.1] * 11 + [50.0]
    assert (paired.paired_difference(before, after).value or 0) < 0
    assert (paired.paired_ratio([1.0] * 11, [1.1] * 11).value or 0) == pytest.approx(1.1)


@pytest.mark.parametrize(
    ("a", "b", "value", "reason"),
    [
        ([], [], None, "no task in common"),
        ([1.0] * 5, [2.0] * 5, 2.0, "fewer than 6 tasks in common"),
        ([1.0] * 7, [2.0] * 7, 2.0, "the same on every task"),
        ([1.0] * 6 + [0.0], [2.0] * 7, None, "no ratio to or of an amount of 0"),
    ],
)
def test_a_ratio_that_cannot_be_had_says_why(a: list[float], b: list[float], value: float | None, reason: str) -> None:
    found = paired.paired_ratio(a, b)
    assert found.value == (None if value is None else pytest.approx(value))
    assert (found.low, found.high, found.reason) == (None, None, reason)


def test_what_a_success_costs_is_compared_by_totals() -> None:
    """a: 12 dollars for 4 successes, b: 6 dollars for 6: a third of the cost, 2 dollars less."""
    a = Totals([2.0] * 6, [1.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    b = Totals([1.0] * 6, [1.0] * 6)
    difference, ratio = paired.totals_between(a, b)
    assert (difference.value, ratio.value) == (-2.0, pytest.approx(1 / 3))
    assert difference.low is not None
    assert difference.low <= -2.0


def test_the_test_of_totals_is_the_share_of_all_exchanges_of_tasks() -> None:
    rng = np.random.default_rng(4)
    spend_a, spend_b = rng.lognormal(size=7), rng.lognormal(size=7)
    passes_a, passes_b = rng.integers(0, 3, 7).astype(float), rng.integers(1, 3, 7).astype(float)

    def log_ratio(exchanged: tuple[int, ...]) -> float:
        kept = np.array(exchanged) == 0
        costs = [
            np.where(kept, *spends).sum() / np.where(kept, *passes).sum()
            for spends, passes in (
                ((spend_a, spend_b), (passes_a, passes_b)),
                ((spend_b, spend_a), (passes_b, passes_a)),
            )
        ]
        return abs(math.log(costs[1] / costs[0]))

    every = [log_ratio(choice) for choice in itertools.product((0, 1), repeat=7)]
    expected = sum(one >= log_ratio((0,) * 7) - 1e-12 for one in every) / len(every)
    found, _ = paired.totals_between(Totals(list(spend_a), list(passes_a)), Totals(list(spend_b), list(passes_b)))
    assert found.p == pytest.approx(expected, abs=1e-9)


NO_TOTALS = [
    ([1.0] * 6, [0.0] * 6, "no success with a on the tasks both ran"),
    ([0.0] * 6, [1.0] * 6, "no ratio to or of an amount of 0"),
    ([1.0] * 3, [1.0] * 3, "fewer than 6 tasks in common"),
    ([], [], "no task in common"),
]


@pytest.mark.parametrize(("spend", "successes", "reason"), NO_TOTALS)
def test_a_cost_to_complete_that_cannot_be_compared_says_why(
    spend: list[float], successes: list[float], reason: str
) -> None:
    tasks = len(spend)
    for found in paired.totals_between(Totals(spend, successes), Totals([1.0] * tasks, [1.0] * tasks)):
        assert (found.low, found.high, found.p, found.reason) == (None, None, None, reason)


amounts = st.floats(0, 1e6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(amounts, st.integers(0, 2), amounts, st.integers(0, 2)), max_size=9))
def test_totals_are_never_nan_and_know_no_order(tasks: list[tuple[float, int, float, int]]) -> None:
    def found(rows: list[tuple[float, int, float, int]]) -> tuple[paired.Between, paired.Between]:
        a, b = ([(row[at], float(row[at + 1])) for row in rows] for at in (0, 2))
        return paired.totals_between(*(Totals([x for x, _ in side], [y for _, y in side]) for side in (a, b)))

    for one in found(tasks):
        known = [number for number in (one.value, one.low, one.high, one.p) if number is not None]
        assert all(math.isfinite(number) for number in known)
        assert one.low is None or one.low <= (one.value or 0)
        assert one.high is None or one.high >= (one.value or 0)
        assert one.p is None or 0 <= one.p <= 1
        assert one.reason or None not in (one.low, one.high)
    assert found(tasks) == found(tasks[::-1])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(amounts, amounts), max_size=12))
@example([(1.0, 2.225073858507203e-309)])
@example([(1.0, 5e-324)] * 6 + [(1e300, 1e-300)])
def test_a_ratio_is_never_nan_and_turns_over_with_its_sides(tasks: list[tuple[float, float]]) -> None:
    found = paired.paired_ratio([a for a, _ in tasks], [b for _, b in tasks])
    known = [number for number in (found.value, found.low, found.high, found.p) if number is not None]
    assert all(math.isfinite(number) for number in known)
    turned = paired.paired_ratio([b for _, b in tasks], [a for a, _ in tasks])
    assert turned.p == (None if found.p is None else pytest.approx(found.p))
    if found.value is not None and turned.value is not None:
        assert found.value * turned.value == pytest.approx(1)


def test_the_false_discovery_rate_is_worked_by_hand() -> None:
    assert paired.benjamini_hochberg([0.01, 0.04, None, 0.03]) == pytest.approx([0.03, 0.04, None, 0.04])
    assert paired.benjamini_hochberg([]) == []
    assert paired.benjamini_hochberg([None]) == [None]


def test_drawing_tasks_with_all_their_attempts_has_the_spread_of_new_samples() -> None:
    """Attempts drawn again within drawn tasks would count the spread within tasks twice.

    2,000 samples of 30 tasks with 4 attempts each, of which the spread within tasks is most.
    """
    rng = np.random.default_rng(5)
    true = (rng.normal(size=(2_000, 30, 1)) * 0.5 + rng.normal(size=(2_000, 30, 4)) * 2).mean(axis=(1, 2)).std()
    sample = rng.normal(size=(30, 1)) * 0.5 + rng.normal(size=(30, 4)) * 2
    estimates = {"tasks": list[float](), "tasks, then attempts": list[float]()}
    for _ in range(60):
        sample = rng.normal(size=(30, 1)) * 0.5 + rng.normal(size=(30, 4)) * 2
        drawn = sample[rng.integers(0, 30, (400, 30))]
        again = np.take_along_axis(drawn, rng.integers(0, 4, drawn.shape), axis=2)
        estimates["tasks"].append(drawn.mean(axis=(1, 2)).std())
        estimates["tasks, then attempts"].append(again.mean(axis=(1, 2)).std())
    assert np.mean(estimates["tasks"]) == pytest.approx(true, rel=0.05)
    assert np.mean(estimates["tasks, then attempts"]) > 1.2 * true
