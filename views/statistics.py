"""Estimates with 95 % intervals: pure functions on arrays.

The task is the unit that is drawn at random (`views.resampling`): every interval is clustered by task. What cannot be
had, a number or a bound, is None with the reason; nothing here returns NaN or infinity.

Sources: clustered standard errors after Miller, "Adding Error Bars to Evals" (arXiv 2411.00640); the Wilson
interval on the effective sample size after Korn and Graubard (1998) and Dean and Pagano (2015); the BCa bootstrap
is scipy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from views.economy import quotient
from views.resampling import (
    ALPHA,
    MIN_TASKS,
    ROUNDING,
    SAME,
    Floats,
    all_equal,
    bca,
    normal_quantile,
    over_draws,
    percentiles,
    t_quantile,
)
from views.results import Estimate

_Z = normal_quantile(1 - ALPHA / 2)
_ONE_TASK = "one task only"


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
    if variance <= ROUNDING:
        return tasks
    few_tasks = (t_quantile(size - 1) / t_quantile(tasks - 1)) ** 2
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
    if error <= ROUNDING * float(np.abs(flat).max()):
        return Estimate(value=value, n=n, reason=SAME)
    reach = t_quantile(tasks - 1) * error
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
    if all_equal(values):
        return Estimate(value=value, n=tasks, reason=SAME)
    low, high = bca(values)
    return Estimate(value=value, low=max(0.0, min(low, value)), high=min(1.0, max(high, value)), n=tasks)


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
    if all_equal(above) and all_equal(below):
        return Estimate(value=value, n=len(above), reason=SAME)
    low, high = percentiles(over_draws(len(above), lambda draws: totals_ratio(draws @ above, draws @ below)))
    finite = math.isfinite(high)
    return Estimate(
        value=value,
        low=min(float(low), value) if math.isfinite(low) else None,
        high=max(float(high), value) if finite else None,
        n=len(above),
        reason=None if finite else "no upper bound: too few tasks have a success",
    )


def totals_ratio(above: Floats, below: Floats) -> Floats:
    """Ratios of totals, such as spend over successes; infinite where there is nothing below."""
    return np.divide(above, below, out=np.full(len(above), np.inf), where=below > 0)
