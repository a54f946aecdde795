"""Estimates with 95 % intervals, and paired differences: pure functions on arrays.

The task is the unit that is drawn at random: attempts at one task resemble each other, so every interval is
clustered by task. Whatever resamples does so with a fixed seed: the same input gives the same output. What
cannot be had, a number or a bound, is None with the reason; nothing here returns NaN or infinity.

Sources: clustered standard errors after Miller, "Adding Error Bars to Evals" (arXiv 2411.00640); the Wilson
interval on the effective sample size after Korn and Graubard (1998) and Dean and Pagano (2015); BCa bootstrap
and permutation test are scipy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from views.economy import quotient
from views.results import Estimate

type Floats = NDArray[np.float64]

MIN_TASKS = 6
"""Fewest tasks for a resampled interval or a verdict. With 5, even five differences in one direction reach no
more than p = 2/32 = 0.0625."""

ALPHA = 0.05
POWER = 0.8
RESAMPLES = 9_999

_SEED = 20_250_101
_Z = float(special.ndtri(1 - ALPHA / 2))
# Values this close to each other, relative to the largest of them, differ by rounding only.
_ROUNDING = 1e-12
# Numbers that one batch of resamples may hold, to bound memory (32 MB).
_BATCH = 4_000_000

_SAME = "the same on every task"
_ONE_TASK = "one task only"


class Difference(NamedTuple):
    """Mean of paired differences with its 95 % interval and the permutation test's p.

    `value` and `p` are None without tasks; `low` and `high` are None where `reason` says why. `smallest_visible` is
    the smallest difference that so many tasks would have shown (`smallest_visible`); None where there are too few or
    they are all alike.
    """

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    reason: str | None
    smallest_visible: float | None = None


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % score interval.

    Args:
        share: observed share, 0 to 1.
        n: sample size, more than 0; an effective one need not be whole.
    """
    spread = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    centre, scale = share + _Z**2 / (2 * n), 1 + _Z**2 / n
    # The interval always holds the share; rounding must not put a bound beyond it, nor beyond 0 and 1.
    return max(0.0, min((centre - spread) / scale, share)), min(1.0, max((centre + spread) / scale, share))


def pass_rate(passes: Sequence[int], attempts: Sequence[int]) -> Estimate:
    """Share of attempts that passed, with Wilson's interval on the effective sample size.

    With one attempt per task that size is the number of tasks: the plain Wilson interval. With several it is
    the one at which independent attempts would have the clustered standard error, p(1 - p) / SE², times
    (t of n - 1 over t of tasks - 1)² for few tasks, and never more than the attempts. Where the clustered
    error is 0 (all tasks alike) it says nothing, and the size is the number of tasks, which is conservative.

    Args:
        passes: passed attempts, one entry per task.
        attempts: attempts that count, one entry per task, in the same order; tasks with none are left out.
    """
    passed = np.array([p for p, n in zip(passes, attempts, strict=True) if n], dtype=float)
    tried = np.array([n for n in attempts if n], dtype=float)
    if not tried.size:
        return Estimate(value=None, reason="no attempt that counts")
    share, size = float(passed.sum() / tried.sum()), float(tried.sum())
    low, high = wilson(share, _effective_size(passed, tried, share))
    return Estimate(value=share, low=low, high=high, n=int(size))


def _effective_size(passed: Floats, tried: Floats, share: float) -> float:
    size, tasks = float(tried.sum()), len(tried)
    if size == tasks:
        return size
    variance = float(np.square(passed - share * tried).sum()) / size**2
    if variance <= _ROUNDING:
        return tasks
    few_tasks = (_t(size - 1) / _t(tasks - 1)) ** 2
    return min(size, share * (1 - share) / variance * few_tasks)


def mean(values: Sequence[Sequence[float]], *, highest: float = math.inf) -> Estimate:
    """Mean over attempts of a quantity that is never negative, with a t interval clustered by task.

    The standard error is the cluster-robust one with the factor tasks / (tasks - 1); with one attempt per
    task that is the ordinary error of a mean. The interval is cut at 0 and at `highest`.

    Args:
        values: the known values of each task's attempts; a task with none is left out.
        highest: the largest possible value.
    """
    known = [np.array(task, dtype=float) for task in values if len(task)]
    if not known:
        return Estimate(value=None, reason="not known for any attempt")
    flat = np.concatenate(known)
    n, tasks, value = len(flat), len(known), float(flat.mean())
    if tasks == 1:
        return Estimate(value=value, n=n, reason=_ONE_TASK)
    off = np.array([float((task - value).sum()) for task in known])
    error = math.sqrt(tasks / (tasks - 1) * float(np.square(off).sum())) / n
    if error <= _ROUNDING * float(np.abs(flat).max()):
        return Estimate(value=value, n=n, reason=_SAME)
    reach = _t(tasks - 1) * error
    return Estimate(value=value, low=max(0.0, value - reach), high=min(highest, value + reach), n=n)


def pass_at_k(passes: Sequence[int], attempts: Sequence[int]) -> dict[int, Estimate]:
    """The chance that at least one of k attempts at a task passes, its mean over the tasks, for every k.

    The unbiased estimate 1 - C(n - c, k) / C(n, k) of a task with c passes in n attempts (Chen et al. 2021, Evaluating
    Large Language Models Trained on Code), for each k from 1 to the number of attempts that every task has, with a BCa
    bootstrap interval over tasks.

    Args:
        passes: of each task.
        attempts: of each task, in the same order, at least one each.
    """
    return _for_every_k(passes, attempts, lambda c, n, k: (math.comb(n, k) - math.comb(n - c, k)) / math.comb(n, k))


def pass_hat_k(passes: Sequence[int], attempts: Sequence[int]) -> dict[int, Estimate]:
    """pass^k: the chance that all of k attempts at a task pass, as `pass_at_k`.

    The unbiased estimate is C(c, k) / C(n, k) (Yao et al. 2024, tau-bench).
    """
    return _for_every_k(passes, attempts, lambda c, n, k: math.comb(c, k) / math.comb(n, k))


def _for_every_k(
    passes: Sequence[int], attempts: Sequence[int], chance: Callable[[int, int, int], float]
) -> dict[int, Estimate]:
    # Resampling depends on the order of the tasks.
    tasks = sorted(zip(passes, attempts, strict=True))
    return {
        k: _share_of_tasks(np.array([chance(c, n, k) for c, n in tasks]))
        for k in range(1, min(attempts, default=0) + 1)
    }


def _share_of_tasks(values: Floats) -> Estimate:
    """The mean of one value per task, each from 0 to 1, with its BCa bootstrap interval."""
    value, tasks = float(values.mean()), len(values)
    if tasks < MIN_TASKS:
        return Estimate(value=value, n=tasks, reason=f"fewer than {MIN_TASKS} tasks")
    if _all_equal(values):
        return Estimate(value=value, n=tasks, reason=_SAME)
    low, high = _bca(values)
    return Estimate(value=value, low=max(0.0, min(low, value)), high=min(1.0, max(high, value)), n=tasks)


def _bca(values: Floats) -> tuple[float, float]:
    """The bias-corrected and accelerated bootstrap interval of a mean (Efron 1987)."""
    bounds = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, _BATCH // len(values)),
        confidence_level=1 - ALPHA,
        method="BCa",
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    return float(bounds.low), float(bounds.high)


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Estimate:
    """Ratio of two totals, such as spend over successes, with a percentile bootstrap interval over tasks.

    Infinite (and so None, marked as such) where the denominators are 0.
    A resample without a success makes the ratio infinite; where that reaches the upper bound, there is none.

    Args:
        numerators: total of each task, never negative.
        denominators: total of each task, in the same order, never negative.
    """
    pairs = sorted(zip(numerators, denominators, strict=True))  # resampling depends on the order of the tasks
    above, below = (np.array(side, dtype=float) for side in (list(zip(*pairs, strict=True)) or [(), ()]))
    if not below.sum():
        return Estimate(value=None, n=len(below), infinite=bool(len(below)), reason="no success")
    value = quotient(float(above.sum()), float(below.sum()))
    if len(above) < MIN_TASKS:
        return Estimate(value=value, n=len(above), reason=f"fewer than {MIN_TASKS} tasks")
    if _all_equal(above) and _all_equal(below):
        return Estimate(value=value, n=len(above), reason=_SAME)
    drawn = np.concatenate([_totals_ratio(above, below, draws) for draws in _task_draws(len(above))])
    # An observed quantile, not one between two: between a finite and an infinite value there is no number.
    low, high = np.quantile(drawn, [ALPHA / 2, 1 - ALPHA / 2], method="inverted_cdf")
    finite = math.isfinite(high)
    return Estimate(
        value=value,
        low=min(float(low), value) if math.isfinite(low) else None,
        high=max(float(high), value) if finite else None,
        n=len(above),
        reason=None if finite else "no upper bound: too few tasks have a success",
    )


def _task_draws(tasks: int) -> Iterator[NDArray[np.int64]]:
    """How often each task is drawn in each resample, batch by batch: arrays of resamples x tasks."""
    rng = np.random.default_rng(_SEED)
    batch = max(1, _BATCH // tasks)
    for start in range(0, RESAMPLES, batch):
        yield rng.multinomial(tasks, np.full(tasks, 1 / tasks), size=min(batch, RESAMPLES - start))


def _totals_ratio(above: Floats, below: Floats, draws: NDArray[np.int64]) -> Floats:
    spent, succeeded = draws @ above, draws @ below
    return np.divide(spent, succeeded, out=np.full(len(draws), np.inf), where=succeeded > 0)


def paired_difference(a: Sequence[float], b: Sequence[float]) -> Difference:
    """Mean of b - a over tasks, with a BCa bootstrap interval and a two-sided sign-flip permutation test.

    The test is exact where 2 to the number of tasks is at most `RESAMPLES`, and where all differences that are not 0
    have one size, as those of pass rates with one attempt per task have: it then is the exact test of McNemar (1947).
    Else it samples.

    Args:
        a: one value per task.
        b: one value per task, the tasks in the same order. Another order of tasks gives the same result.
    """
    before, after = np.array(a, dtype=float), np.array(b, dtype=float)
    differences = after - before
    tasks = len(differences)
    if not tasks:
        return Difference(None, None, None, None, "no task in common")
    differences[np.abs(differences) <= _ROUNDING * np.maximum(np.abs(before), np.abs(after))] = 0
    # BCa cubes them: tiny ones would underflow, at size 1 they do not. Resampling depends on their order.
    scale = float(np.abs(differences).max()) or 1.0
    scaled = np.sort(differences / scale)
    value = _no_rounding(float(scaled.mean())) * scale
    if tasks < MIN_TASKS:
        return Difference(value, None, None, None, f"fewer than {MIN_TASKS} tasks in common")
    p = _permutation_p(scaled)
    if _all_equal(scaled):
        return Difference(value, None, None, p, _SAME)
    low, high = (_no_rounding(bound) * scale for bound in _bca(scaled))
    return Difference(value, min(low, value), max(high, value), p, None, smallest_visible(scaled) * scale)


def smallest_visible(differences: Sequence[float] | Floats) -> float:
    """The smallest true mean that a two-sided test at 5 % shows with a chance of 80 %, in the differences' own unit.

    (t(0.975) + t(0.8)) sd / sqrt(n), with n - 1 degrees of freedom: the minimum detectable effect of Bloom (1995),
    "Minimum Detectable Effects", with the spread that was observed.

    Args:
        differences: of two tasks or more.
    """
    values = np.asarray(differences, dtype=float)
    degrees = len(values) - 1
    reach = _t(degrees) + float(special.stdtrit(degrees, POWER))
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


def flip_p(a_passes: int, a_attempts: int, b_passes: int, b_attempts: int) -> float:
    """The chance of a difference at least so unlikely where both pass a task equally often (Fisher, two-sided)."""
    table = [[a_passes, a_attempts - a_passes], [b_passes, b_attempts - b_passes]]
    return float(stats.fisher_exact(table).pvalue)


def _permutation_p(differences: Floats) -> float:
    sizes = np.abs(differences[differences != 0])
    if not len(sizes) or _all_equal(sizes):
        # Every choice of signs is as likely as any other, and only how many are positive matters.
        return float(stats.binomtest(int((differences > 0).sum()), len(sizes), 0.5).pvalue) if len(sizes) else 1.0
    tested = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        batch=max(1, _BATCH // len(differences)),
        vectorized=True,
        rng=np.random.default_rng(_SEED),
    )
    return float(tested.pvalue)


def _no_rounding(number: float) -> float:
    """0 for what differs from it by rounding only: a bound of 1e-17 would otherwise show a difference."""
    return 0.0 if abs(number) <= _ROUNDING else number


def _all_equal(values: Floats) -> bool:
    return float(np.ptp(values)) <= _ROUNDING * float(np.abs(values).max())


def _t(degrees: float) -> float:
    return float(special.stdtrit(degrees, 1 - ALPHA / 2))
