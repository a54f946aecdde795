"""Intervals agree with scipy and statsmodels, and never say more than the data do."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import ttest_1samp
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from views import paired, resampling, statistics
from views.results import Estimate

amounts = st.just(0.0) | st.floats(1e-9, 1e9)


def close(value: float | None, expected: float) -> bool:
    return value is not None and math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-9)


def known_numbers(estimate: Estimate) -> list[float]:
    return [number for number in (estimate.value, estimate.low, estimate.high) if number is not None]


@pytest.mark.parametrize(
    ("passed", "tried", "rate", "low", "high"),
    [(37, 88, 42.0, 32.3, 52.5), (50, 89, 56.2, 45.8, 66.0), (4, 88, 4.5, 1.8, 11.1)],
)
def test_public_jobs_get_the_published_wilson_intervals(
    passed: int, tried: int, rate: float, low: float, high: float
) -> None:
    found = statistics.pass_rate([1] * passed + [0] * (tried - passed), [1] * tried)
    assert [round(100 * number, 1) for number in known_numbers(found)] == [rate, low, high]
    assert found.n == tried


@pytest.mark.parametrize("passed", range(13))
def test_one_attempt_per_task_is_wilson_as_in_scipy_and_statsmodels(passed: int) -> None:
    found = statistics.pass_rate([1] * passed + [0] * (12 - passed), [1] * 12)
    scipy = stats.binomtest(passed, 12).proportion_ci(method="wilson")
    assert close(found.low, scipy.low)
    assert close(found.high, scipy.high)
    low, high = proportion_confint(passed, 12, method="wilson")
    assert close(found.low, low)
    assert close(found.high, high)


def test_wilson_takes_an_effective_sample_size_as_statsmodels_does() -> None:
    assert statistics.wilson(0.3, 7.5) == pytest.approx(proportion_confint(0.3 * 7.5, 7.5, method="wilson"), abs=1e-9)


def test_several_attempts_shrink_the_sample_to_its_effective_size() -> None:
    """By hand: six tasks are 1.5 passes off the 1.5 expected, two are 0.5 off."""
    passes, attempts = [3, 3, 3, 2, 1, 0, 0, 0], [3] * 8
    found = statistics.pass_rate(passes, attempts)
    variance = (6 * 1.5**2 + 2 * 0.5**2) / 24**2
    effective = 0.25 / variance * (stats.t.ppf(0.975, 23) / stats.t.ppf(0.975, 7)) ** 2
    low, high = proportion_confint(0.5 * effective, effective, method="wilson")
    assert close(found.value, 0.5)
    assert close(found.low, low)
    assert close(found.high, high)
    assert found.n == 24
    independent = statistics.pass_rate([1] * 12 + [0] * 12, [1] * 24)
    assert (found.low or 0) < (independent.low or 0)


@pytest.mark.parametrize(("passes", "share"), [([3] * 5, 1.0), ([0] * 5, 0.0), ([1] * 5, 1 / 3)])
def test_where_all_tasks_are_alike_a_task_counts_once(passes: list[int], share: float) -> None:
    found = statistics.pass_rate(passes, [3] * 5)
    low, high = proportion_confint(share * 5, 5, method="wilson")
    assert close(found.low, max(low, 0))
    assert close(found.high, min(high, 1))


@pytest.mark.parametrize("attempts", [[], [0, 0]])
def test_no_attempt_has_no_pass_rate(attempts: list[int]) -> None:
    found = statistics.pass_rate([0] * len(attempts), attempts)
    assert (found.value, found.low, found.high) == (None, None, None)
    assert found.reason


def test_a_mean_has_the_cluster_robust_error_of_statsmodels() -> None:
    values = [[1.0, 2.0, 4.0], [0.5], [3.0, 3.5], [8.0], [2.0, 2.5, 2.0, 1.0]]
    flat = np.concatenate([np.array(task) for task in values])
    groups = np.repeat(np.arange(5), [len(task) for task in values])
    model = OLS(flat, np.ones(len(flat))).fit(cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False})
    reach = stats.t.ppf(0.975, 4) * float(model.bse[0]) * math.sqrt(5 / 4)
    found = statistics.mean(values)
    assert close(found.value, flat.mean())
    assert close(found.low, flat.mean() - reach)
    assert close(found.high, flat.mean() + reach)
    assert found.n == 11


def test_a_mean_of_single_attempts_has_the_ordinary_t_interval() -> None:
    values = [4.0, 5.5, 3.0, 6.0]
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    found = statistics.mean([[value] for value in values])
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("values", "value"),
    [([], None), ([[], []], None), ([[1.0, 9.0]], 5.0), ([[0.1]] * 7, 0.1), ([[0.0], [0.0]], 0.0)],
)
def test_a_mean_without_spread_between_tasks_has_no_interval(values: list[list[float]], value: float | None) -> None:
    found = statistics.mean(values)
    assert found.value == (None if value is None else pytest.approx(value))
    assert (found.low, found.high) == (None, None)
    assert found.reason


def test_a_mean_of_shares_stays_a_share() -> None:
    found = statistics.mean([[0.0], [1.0]], highest=1.0)
    assert (found.low, found.high) == (0.0, 1.0)


def test_cost_to_complete_agrees_with_the_percentile_bootstrap_of_scipy() -> None:
    rng = np.random.default_rng(5)
    spend, successes = rng.gamma(2, 1, 60), rng.binomial(3, 0.6, 60).astype(float)
    found = statistics.ratio(list(spend), list(successes))
    scipy = stats.bootstrap(
        (spend, successes),
        lambda above, below, axis: above.sum(axis=axis) / below.sum(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=9999,
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert close(found.value, spend.sum() / successes.sum())
    # Two draws of 9,999 resamples differ a little.
    assert (found.low, found.high) == pytest.approx((scipy.low, scipy.high), rel=0.02)


def test_a_rare_success_leaves_cost_to_complete_without_an_upper_bound() -> None:
    found = statistics.ratio([1.0] * 10, [1.0] + [0.0] * 9)
    assert close(found.value, 10.0)
    assert found.low is not None
    assert found.high is None
    assert "no upper bound" in (found.reason or "")


@pytest.mark.parametrize(
    ("spend", "successes", "value"),
    [([], [], None), ([1.0, 2.0], [0.0, 0.0], None), ([1.0, 2.0], [1.0, 1.0], 1.5), ([2.0] * 9, [1.0] * 9, 2.0)],
)
def test_cost_to_complete_says_why_a_number_is_missing(
    spend: list[float], successes: list[float], value: float | None
) -> None:
    found = statistics.ratio(spend, successes)
    assert (found.value, found.low, found.high) == (value, None, None)
    assert found.reason


def test_a_paired_difference_is_the_bca_interval_of_scipy() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.binomial(5, 0.4, 40) / 5, rng.binomial(5, 0.6, 40) / 5
    found = paired.paired_difference(list(a), list(b))
    differences = np.sort(b - a)
    scipy = stats.bootstrap(
        (differences,),
        np.mean,
        method="BCa",
        n_resamples=resampling.RESAMPLES,
        rng=np.random.default_rng(resampling.SEED),
    ).confidence_interval
    assert close(found.value, differences.mean())
    assert close(found.low, scipy.low)
    assert close(found.high, scipy.high)


def test_the_permutation_test_is_exact_for_few_tasks() -> None:
    """Of the 2⁶ sign patterns of six equal differences, two are as extreme as the one observed."""
    found = paired.paired_difference([0.0] * 6, [1.0, 1.0, 1.0, 1.0, 1.0, 0.5])
    assert close(found.p, 2 / 64)


def test_the_same_difference_on_every_task_has_a_p_but_no_interval() -> None:
    found = paired.paired_difference([0.1] * 10, [0.4] * 10)
    assert close(found.value, 0.3)
    assert (found.low, found.high) == (None, None)
    assert close(found.p, 2 / 1024)
    assert found.reason == "the same on every task"


@pytest.mark.parametrize(("tasks", "reason"), [(0, "no task in common"), (5, "fewer than 6 tasks in common")])
def test_too_few_tasks_have_no_interval(tasks: int, reason: str) -> None:
    found = paired.paired_difference([0.0] * tasks, [1.0] * tasks)
    assert (found.low, found.high, found.p, found.reason) == (None, None, None, reason)
    assert found.value == (1.0 if tasks else None)


def test_a_difference_by_rounding_alone_is_none() -> None:
    a = [0.1 + 0.2, 0.7 + 0.1, 0.3, 0.8, 1.1, 2.2]
    b = [0.3, 0.8, 0.1 + 0.2, 0.7 + 0.1, 1.1, 2.2]
    found = paired.paired_difference(a, b)
    assert (found.value, found.low, found.high, found.p) == (0.0, None, None, 1.0)


def test_a_bound_that_is_zero_but_for_rounding_is_zero() -> None:
    """Thirds that cancel leave 1e-17, which is no evidence of a difference."""
    thirds = [1 / 3, 1 / 3, -1 / 3, -1 / 3, 1 / 3, 0.0, 0.0, 0.0]
    found = paired.paired_difference([0.0] * 8, thirds)
    for bound in (found.low, found.high):
        assert bound == 0 or abs(bound or 0) > 1e-9


def test_equal_variants_are_rarely_called_different() -> None:
    """A against A, 300 times, on 12 tasks with dear outliers: the interval alone is wrong too often."""
    rng = np.random.default_rng(11)
    by_interval = by_rule = 0
    for _ in range(300):
        scale = rng.lognormal(0, 1, 12)
        a, b = (list(scale * rng.lognormal(0, 0.7, 12)) for _ in range(2))
        found = paired.paired_difference(a, b)
        assert found.low is not None
        assert found.high is not None
        assert found.p is not None
        shown = not found.low <= 0 <= found.high
        by_interval += shown
        by_rule += shown and found.p < 0.05
    most = stats.binom.ppf(0.999, 300, 0.05)
    assert by_rule <= most < by_interval


@settings(deadline=None)
@given(st.lists(st.integers(1, 6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1))
def test_a_pass_rate_lies_inside_its_interval(tasks: list[tuple[int, int]]) -> None:
    found = statistics.pass_rate([passed for passed, _ in tasks], [tried for _, tried in tasks])
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


@settings(deadline=None)
@given(st.lists(st.lists(amounts, max_size=4), max_size=12))
def test_a_mean_is_never_nan_and_lies_inside_its_interval(values: list[list[float]]) -> None:
    found = statistics.mean(values)
    assert all(math.isfinite(number) for number in known_numbers(found))
    if found.value is not None and found.low is not None and found.high is not None:
        assert 0 <= found.low <= found.value <= found.high
    assert found.low is not None or found.reason


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(amounts, st.integers(0, 3).map(float)), max_size=12))
def test_cost_to_complete_is_never_nan_and_knows_no_order(tasks: list[tuple[float, float]]) -> None:
    found = statistics.ratio([spend for spend, _ in tasks], [successes for _, successes in tasks])
    assert all(math.isfinite(number) for number in known_numbers(found))
    if found.value is not None:
        assert found.low is None or found.low <= found.value
        assert found.high is None or found.high >= found.value
    turned = tasks[::-1]
    assert found == statistics.ratio([spend for spend, _ in turned], [successes for _, successes in turned])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(amounts, amounts), max_size=12))
def test_a_paired_difference_is_never_nan_and_knows_no_order(tasks: list[tuple[float, float]]) -> None:
    found = paired.paired_difference([a for a, _ in tasks], [b for _, b in tasks])
    assert all(math.isfinite(number) for number in (found.value, found.low, found.high, found.p) if number is not None)
    if found.value is not None and found.low is not None and found.high is not None:
        assert found.low <= found.value <= found.high
    turned = tasks[::-1]
    assert found == paired.paired_difference([a for a, _ in turned], [b for _, b in turned])
    copy = paired.paired_difference([a for a, _ in tasks], [a for a, _ in tasks])
    assert copy.value in (0.0, None)
    assert copy.p in (1.0, None)


def values(found: dict[int, Estimate]) -> dict[int, float | None]:
    return {k: one.value for k, one in found.items()}


def test_the_interval_of_pass_at_k_is_the_bca_interval_of_scipy_over_tasks() -> None:
    passes, attempts = [0, 1, 3, 2, 3, 1, 0, 2], [3] * 8
    at_two = statistics.pass_at_k(passes, attempts)[2]
    per_task = np.array(sorted(1 - math.comb(3 - c, 2) / 3 for c in passes))
    rng = np.random.default_rng(resampling.SEED)
    expected = stats.bootstrap((per_task,), np.mean, n_resamples=9_999, method="BCa", rng=rng).confidence_interval
    assert close(at_two.low, expected.low)
    assert close(at_two.high, expected.high)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
@settings(deadline=None, max_examples=20)
def test_all_of_k_is_never_likelier_than_one_of_k(passes: list[int]) -> None:
    one, every = (chance(passes, [3] * len(passes)) for chance in (statistics.pass_at_k, statistics.pass_hat_k))
    assert one[1].value == every[1].value
    for k in (2, 3):
        assert (
            (every[k].value or 0) <= (every[k - 1].value or 0) <= (one[k - 1].value or 0) <= (one[k].value or 0) + 1e-12
        )
        for found in (one[k], every[k]):
            assert found.low is None or 0 <= found.low <= (found.value or 0) <= (found.high or 0) <= 1


PASS_AT_K = [
    ([], [], {}),
    ([1], [1], {1: 1.0}),
    ([1, 0], [2, 2], {1: 0.25, 2: 0.5}),
    ([1], [4], {1: 0.25, 2: 0.5, 3: 0.75, 4: 1.0}),
    ([2, 0], [3, 2], {1: 1 / 3, 2: 0.5}),
]


@pytest.mark.parametrize(("passes", "attempts", "expected"), PASS_AT_K)
def test_pass_at_k_is_the_chance_that_one_of_k_attempts_passes(
    passes: list[int], attempts: list[int], expected: dict[int, float]
) -> None:
    assert values(statistics.pass_at_k(passes, attempts)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("c", "n", "k"), [(c, n, k) for n in range(1, 6) for c in range(n + 1) for k in range(1, n + 1)]
)
def test_pass_at_k_and_pass_hat_k_are_shares_of_all_ways_to_draw_k_attempts(c: int, n: int, k: int) -> None:
    drawn = list(itertools.combinations([True] * c + [False] * (n - c), k))
    assert values(statistics.pass_at_k([c], [n]))[k] == pytest.approx(sum(map(any, drawn)) / len(drawn))
    assert values(statistics.pass_hat_k([c], [n]))[k] == pytest.approx(sum(map(all, drawn)) / len(drawn))


@pytest.mark.parametrize(("gained", "lost"), [(17, 5), (13, 13), (9, 20), (2, 48), (0, 7), (1, 0)])
def test_with_one_attempt_the_test_is_the_exact_one_of_mcnemar(gained: int, lost: int) -> None:
    """17 to 5, 13 to 13, 9 to 20 and 2 to 48 are counts of published runs."""
    same = 40
    a = [0.0] * gained + [1.0] * lost + [1.0] * same
    b = [1.0] * gained + [0.0] * lost + [1.0] * same
    expected = mcnemar([[same, lost], [gained, 0]], exact=True).pvalue
    assert paired.paired_difference(a, b).p == pytest.approx(min(1.0, expected), abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=6, max_size=9))
def test_the_exact_test_is_the_share_of_all_choices_of_signs(differences: list[float]) -> None:
    signs = itertools.product([-1, 1], repeat=len(differences))
    sums = [abs(sum(sign * one for sign, one in zip(choice, differences, strict=True))) for choice in signs]
    expected = sum(one >= abs(sum(differences)) for one in sums) / len(sums)
    found = paired.paired_difference([0.0] * len(differences), differences)
    assert found.p == pytest.approx(expected, abs=1e-9)


def test_holm_is_worked_by_hand() -> None:
    assert paired.holm([0.01, 0.04, None, 0.03]) == pytest.approx([0.03, 0.06, None, 0.06])
    assert paired.holm([]) == []
    assert paired.holm([None]) == [None]


@pytest.mark.parametrize("count", [1, 2, 3, 6, 15])
def test_holm_is_that_of_statsmodels(count: int) -> None:
    ps = [*np.random.default_rng(count).uniform(0, 0.2, size=count), 0.05, 0.05]
    expected = multipletests(ps, method="holm")[1]
    assert paired.holm(ps) == pytest.approx(list(expected), abs=1e-9)


def test_the_smallest_visible_difference_is_shown_in_four_of_five_cases() -> None:
    """Simulated: 30 tasks whose differences spread by 1, moved by what is said to be visible."""
    draws = np.random.default_rng(7).normal(size=(4_000, 30))
    visible = np.mean([paired.smallest_visible(draw) for draw in draws])
    shown = ttest_1samp(draws + visible, 0.0, axis=1).pvalue < resampling.ALPHA
    assert shown.mean() == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(
    ("flip", "p"), [((0, 1, 1, 1), 1.0), ((0, 5, 5, 5), 2 / 252), ((1, 3, 3, 3), 0.4), ((0, 3, 3, 3), 0.1)]
)
def test_a_flip_is_as_likely_as_all_ways_to_deal_its_passes_say(flip: tuple[int, int, int, int], p: float) -> None:
    assert paired.flip_p(*flip) == pytest.approx(p, abs=1e-9)
