"""One variant against another on the tasks both ran: differences, ratios, tests, and what adjusts them.

Each takes one value per task, and the same tasks in another order give the same result. What cannot be had is None
with the reason; nothing here returns NaN or infinity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from views.resampling import (
    BATCH,
    MIN_TASKS,
    RESAMPLES,
    ROUNDING,
    SAME,
    SEED,
    Floats,
    all_equal,
    bca,
    no_rounding,
    over_draws,
    percentiles,
    t_quantile,
)
from views.statistics import totals_ratio

POWER = 0.8

NO_TASK = "no task in common"
FEW_TASKS = f"fewer than {MIN_TASKS} tasks in common"


@dataclass(frozen=True, slots=True)
class Between:
    """What lies between two variants: a difference (b - a) or a ratio (b / a), with its 95 % interval and a test's p.

    `value` and `p` are None where there is nothing to compare or too few tasks; `low` and `high` where `reason` says
    why. `smallest_visible`, of differences, is None where there are too few tasks or they are all alike.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    reason: str | None = None
    smallest_visible: float | None = None


def paired_difference(a: Sequence[float], b: Sequence[float]) -> Between:
    """Mean of b - a over tasks, with a BCa bootstrap interval and a two-sided sign-flip permutation test.

    The test is exact where 2 to the number of tasks is at most `RESAMPLES`, and where all differences that are not 0
    have one size, as those of pass rates with one attempt per task have: it then is the exact test of McNemar (1947).
    Else it samples.

    Args:
        a: one value per task.
        b: one value per task, the tasks in the same order.
    """
    before, after = np.array(a, dtype=float), np.array(b, dtype=float)
    differences = after - before
    tasks = len(differences)
    if not tasks:
        return Between(reason=NO_TASK)
    differences[np.abs(differences) <= ROUNDING * np.maximum(np.abs(before), np.abs(after))] = 0
    # BCa cubes them: tiny ones would underflow, at size 1 they do not. Resampling depends on their order.
    scale = float(np.abs(differences).max()) or 1.0
    scaled = np.sort(differences / scale)
    value = no_rounding(float(scaled.mean())) * scale
    if tasks < MIN_TASKS:
        return Between(value, reason=FEW_TASKS)
    p = _permutation_p(scaled)
    if all_equal(scaled):
        return Between(value, p=p, reason=SAME)
    low, high = (no_rounding(bound) * scale for bound in bca(scaled))
    return Between(value, min(low, value), max(high, value), p, smallest_visible=smallest_visible(scaled) * scale)


_MOST_LOG = 700.0
"""The logarithm of the largest ratio, up or down, of which no mean overflows."""


def paired_ratio(a: Sequence[float], b: Sequence[float]) -> Between:
    """Geometric mean of b / a over tasks, with a BCa interval of the mean log-ratio, and Wilcoxon's signed-rank test.

    Amounts with a heavy tail, such as costs, are compared by their ratio: on the scale of logarithms one dear task
    does not outweigh all others. The test (Wilcoxon 1945, two-sided) is that of the log-ratios' ranks; it is exact for
    up to 50 tasks without ties.

    Args:
        a: one amount per task, never negative.
        b: one amount per task, the tasks in the same order.
    """
    before, after = np.array(a, dtype=float), np.array(b, dtype=float)
    if not len(before):
        return Between(reason=NO_TASK)
    if not (before > 0).all() or not (after > 0).all():
        return Between(reason="no ratio to or of an amount of 0")
    logs = np.sort(np.log(after) - np.log(before))
    logs[np.abs(logs) <= ROUNDING] = 0
    if np.abs(logs).max() > _MOST_LOG:
        return Between(reason="a ratio beyond what a number can hold")
    value = math.exp(no_rounding(float(logs.mean())))
    if len(logs) < MIN_TASKS:
        return Between(value, reason=FEW_TASKS)
    p = float(stats.wilcoxon(logs).pvalue) if logs.any() else 1.0
    if all_equal(logs):
        return Between(value, p=p, reason=SAME)
    low, high = (math.exp(no_rounding(bound)) for bound in bca(logs))
    return Between(value, min(low, value), max(high, value), p)


@dataclass(frozen=True, slots=True)
class Totals:
    """A variant's spend and successes by task, the tasks in an order that its counterpart shares."""

    spend: Sequence[float]
    successes: Sequence[float]


def totals_between(a: Totals, b: Totals) -> tuple[Between, Between]:
    """What a success costs with b less what it costs with a, and over it: totals over all tasks, not means of tasks.

    Both have percentile intervals of a bootstrap over tasks, and one p: of the permutation test that exchanges the
    two variants' whole tasks, on the logarithm of the ratio. It is exact for up to 13 tasks, else it samples.

    Returns:
        The difference and the ratio.
    """
    rows = np.array(sorted(zip(a.spend, a.successes, b.spend, b.successes, strict=True)), dtype=float)
    if not len(rows):
        return Between(reason=NO_TASK), Between(reason=NO_TASK)
    spend_a, successes_a, spend_b, successes_b = rows.T
    for successes, name in ((successes_a, "a"), (successes_b, "b")):
        if not successes.sum():
            none = Between(reason=f"no success with {name} on the tasks both ran")
            return none, none
    cost_a, cost_b = spend_a.sum() / successes_a.sum(), spend_b.sum() / successes_b.sum()
    difference = float(cost_b - cost_a)
    if not cost_a or not cost_b:
        return Between(difference, reason="no ratio to or of an amount of 0"), Between(
            reason="no ratio to or of an amount of 0"
        )
    ratio = float(cost_b / cost_a)
    if len(rows) < MIN_TASKS:
        return Between(difference, reason=FEW_TASKS), Between(ratio, reason=FEW_TASKS)
    p = _exchange_p(rows)
    drawn = over_draws(len(rows), lambda draws: _ratios(draws, rows))
    apart = over_draws(len(rows), lambda draws: _differences(draws, rows))
    return _drawn(difference, apart, p), _drawn(ratio, drawn, p)


def _costs(draws: Floats, rows: Floats) -> tuple[Floats, Floats]:
    return totals_ratio(draws @ rows[:, 0], draws @ rows[:, 1]), totals_ratio(draws @ rows[:, 2], draws @ rows[:, 3])


def _ratios(draws: Floats, rows: Floats) -> Floats:
    before, after = _costs(draws, rows)
    both = np.isinf(before) & np.isinf(after)
    with np.errstate(divide="ignore", invalid="ignore"):
        # A draw in which neither has a success says nothing of either: it lies on no side.
        return np.where(both, 1.0, np.where(before == 0, np.where(after == 0, 1.0, np.inf), after / before))


def _differences(draws: Floats, rows: Floats) -> Floats:
    before, after = _costs(draws, rows)
    both = np.isinf(before) & np.isinf(after)
    with np.errstate(invalid="ignore"):
        return np.where(both, 0.0, after - before)


def _drawn(value: float, drawn: Floats, p: float) -> Between:
    if all_equal(np.nan_to_num(drawn - value, posinf=1.0, neginf=-1.0)) and np.isfinite(drawn).all():
        return Between(value, p=p, reason=SAME)
    low, high = percentiles(drawn)
    is_bounded = math.isfinite(low) and math.isfinite(high)
    return Between(
        value,
        min(no_rounding(low), value) if math.isfinite(low) else None,
        max(no_rounding(high), value) if math.isfinite(high) else None,
        p,
        None if is_bounded else "a bound is infinite: too few tasks have a success",
    )


def _exchange_p(rows: Floats) -> float:
    """The share of all ways to exchange a and b within tasks whose log-ratio of costs is at least so far from 0."""
    tasks = len(rows)
    is_exact = 2**tasks <= RESAMPLES
    if is_exact:
        numbers = np.arange(2**tasks)
        choices = ((numbers[:, None] >> np.arange(tasks)) & 1).astype(float)
    else:
        choices = np.random.default_rng(SEED).integers(0, 2, size=(RESAMPLES, tasks)).astype(float)
    moved = choices @ (rows[:, 2:] - rows[:, :2])
    before, after = rows[:, :2].sum(axis=0) + moved, rows[:, 2:].sum(axis=0) - moved
    # Sums that come to 0 may miss it by rounding.
    before, after = (np.where(side <= ROUNDING * rows.sum(), 0.0, side) for side in (before, after))
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(totals_ratio(after[:, 0], after[:, 1])) - np.log(totals_ratio(before[:, 0], before[:, 1]))
    far = np.abs(np.nan_to_num(logs, nan=0.0, posinf=np.inf, neginf=-np.inf))
    seen = abs(math.log(rows[:, 2].sum() / rows[:, 3].sum()) - math.log(rows[:, 0].sum() / rows[:, 1].sum()))
    as_far = int((far >= seen - ROUNDING).sum())
    return as_far / len(far) if is_exact else (as_far + 1) / (len(far) + 1)


def smallest_visible(differences: Sequence[float] | Floats) -> float:
    """The smallest true mean that a two-sided test at 5 % shows with a chance of 80 %, in the differences' own unit.

    (t(0.975) + t(0.8)) sd / sqrt(n), with n - 1 degrees of freedom: the minimum detectable effect of Bloom (1995),
    "Minimum Detectable Effects", with the spread that was observed.

    Args:
        differences: of two tasks or more.
    """
    values = np.asarray(differences, dtype=float)
    degrees = len(values) - 1
    reach = t_quantile(degrees) + t_quantile(degrees, POWER)
    return reach * float(values.std(ddof=1)) / math.sqrt(len(values))


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """P values adjusted for each other by the method of Holm (1979), which holds whatever their dependence.

    The i-th smallest of m is multiplied by m - i + 1, and is never less than one before it, nor more than 1.

    Args:
        ps: in any order; None for what was not tested, which stays None and does not count.
    """
    tested = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = [None] * len(ps)
    highest = 0.0
    for rank, (p, place) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - rank) * p))
        adjusted[place] = highest
    return adjusted


def benjamini_hochberg(ps: Sequence[float | None]) -> list[float | None]:
    """P values adjusted by the method of Benjamini and Hochberg (1995), which bounds the rate of false discoveries.

    For exploration: of what is marked at 0.05, one in twenty is expected to be chance, where the tests are independent
    or positively dependent.

    Args:
        ps: in any order; None for what was not tested, which stays None and does not count.
    """
    tested = [(place, p) for place, p in enumerate(ps) if p is not None]
    adjusted: list[float | None] = [None] * len(ps)
    if tested:
        found = stats.false_discovery_control([p for _, p in tested], method="bh")
        for (place, _), q in zip(tested, found, strict=True):
            adjusted[place] = float(q)
    return adjusted


def flip_p(a_passes: int, a_attempts: int, b_passes: int, b_attempts: int) -> float:
    """The chance of a difference at least so unlikely where both pass a task equally often (Fisher, two-sided)."""
    table = [[a_passes, a_attempts - a_passes], [b_passes, b_attempts - b_passes]]
    return float(stats.fisher_exact(table).pvalue)


def _permutation_p(differences: Floats) -> float:
    sizes = np.abs(differences[differences != 0])
    if not len(sizes) or all_equal(sizes):
        # Every choice of signs is as likely as any other, and only how many are positive matters.
        return float(stats.binomtest(int((differences > 0).sum()), len(sizes), 0.5).pvalue) if len(sizes) else 1.0
    tested = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        batch=max(1, BATCH // len(differences)),
        vectorized=True,
        rng=np.random.default_rng(SEED),
    )
    return float(tested.pvalue)
