"""Costs and flagged shares of a candidate against a baseline: t intervals over tasks.

Amounts are compared by the mean of the tasks' log-ratios: on that scale one dear task does not outweigh all others.
What a success costs is one number of all tasks, the mean cost over the mean pass rate: the logarithm of the two sides'
ratio has the spread of its linear approximation, task by task (the delta method). What tasks differ by is part of the
spread; as the tasks are fixed that is more than there is, which errs on the careful side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from views.resampling import MIN_TASKS, ROUNDING, SAME, Floats, t_quantile

FEW_TASKS = f"fewer than {MIN_TASKS} tasks"


@dataclass(frozen=True, slots=True)
class Amount:
    """An increase of the candidate over the baseline, before its bounds are taken.

    Attributes:
        baseline: the mean over the tasks.
        candidate: the same.
        centre: the increase; of ratios its logarithm.
        error: its standard error.
        tasks: how many there are.
        by_ratio: whether it is a logarithm.
        reason: why it has no bounds, or what is to be said of them.
    """

    baseline: float | None = None
    candidate: float | None = None
    centre: float | None = None
    error: float | None = None
    tasks: int = 0
    by_ratio: bool = True
    reason: str | None = None

    @property
    def value(self) -> float | None:
        """The increase: relative where it is by ratio."""
        return None if self.centre is None else self._shown(self.centre)

    def bounds(self, alpha: float, times: float = 1.0) -> tuple[float, float] | None:
        """The one-sided bounds, each with an error of `alpha`; None where there are none.

        Args:
            alpha: from 0 to 0.5, without these.
            times: with so many times the attempts, were the rest as it is.
        """
        if self.centre is None or self.error is None:
            return None
        reach = t_quantile(self.tasks - 1, 1 - alpha) * self.error / math.sqrt(times)
        return self._shown(self.centre - reach), self._shown(self.centre + reach)

    def _shown(self, value: float) -> float:
        return math.expm1(min(value, 700.0)) if self.by_ratio else value


def difference(baseline: Sequence[float], candidate: Sequence[float], attempts: tuple[int, int]) -> Amount:
    """The increase of a share, from 0 to 1.

    As for the pass rate, no spread at all is no certainty: one more attempt on each side, wholly flagged, might have
    been.

    Args:
        baseline: one mean per task.
        candidate: the same, the tasks in the same order.
        attempts: of all tasks together, on each side.
    """
    before, after = np.array(baseline), np.array(candidate)
    apart = after - before
    unseen = sum(1 / size**2 for size in attempts if size)
    return _amount(before, after, apart, by_ratio=False, unseen=unseen)


def ratio(baseline: Sequence[float], candidate: Sequence[float]) -> Amount:
    """The relative increase of an amount, its geometric mean over the tasks.

    Args:
        baseline: one mean per task.
        candidate: the same, the tasks in the same order.
    """
    before, after = np.array(baseline), np.array(candidate)
    if (before <= 0).any() or (after <= 0).any():
        if len(before) and not before.any() and not after.any():
            return Amount(0.0, 0.0, 0.0, 0.0, len(before), reason="free on every task")
        return Amount(*_means(before, after), tasks=len(before), reason="no ratio to or of an amount of 0")
    return _amount(before, after, np.log(after) - np.log(before))


def to_complete(
    costs: tuple[Sequence[float], Sequence[float]],
    passes: tuple[Sequence[float], Sequence[float]],
    attempts: tuple[int, int],
) -> Amount:
    """The relative increase of what a success costs.

    Args:
        costs: of the baseline and of the candidate, the mean cost of an attempt at each task.
        passes: the share of attempts that passed, likewise.
        attempts: of all tasks together, on each side.
    """
    (before, after), (passed, passed_after) = (tuple(map(np.array, one)) for one in (costs, passes))
    tasks = len(before)
    if not tasks:
        return Amount()
    for share, side in ((passed, "baseline"), (passed_after, "candidate")):
        if not share.sum():
            return Amount(tasks=tasks, reason=f"no success with the {side}")
    values = float(before.sum() / passed.sum()), float(after.sum() / passed_after.sum())
    if not all(values):
        return Amount(*values, tasks=tasks, reason="no ratio to or of an amount of 0")
    centre = math.log(values[1]) - math.log(values[0])
    influence = after / after.sum() - before / before.sum() - passed_after / passed_after.sum() + passed / passed.sum()
    unseen = sum(
        (tasks / (size * share.sum())) ** 2 for size, share in zip(attempts, (passed, passed_after), strict=True)
    )
    return _spread(values, centre, influence * tasks, by_ratio=True, unseen=float(unseen))


def _amount(before: Floats, after: Floats, apart: Floats, *, by_ratio: bool = True, unseen: float = 0.0) -> Amount:
    if not len(before):
        return Amount(by_ratio=by_ratio)
    apart[np.abs(apart) <= ROUNDING] = 0
    return _spread(
        _means(before, after), math.fsum(apart.tolist()) / len(apart), apart, by_ratio=by_ratio, unseen=unseen
    )


def _spread(values: tuple[float, float], centre: float, apart: Floats, *, by_ratio: bool, unseen: float) -> Amount:
    """The amount with its standard error, from one number per task."""
    tasks = len(apart)
    if tasks < MIN_TASKS:
        return Amount(*values, centre, tasks=tasks, by_ratio=by_ratio, reason=FEW_TASKS)
    # Sorted, so that the order of the tasks changes nothing.
    variance = float(np.var(np.sort(apart), ddof=1)) / tasks
    reason = SAME if variance <= ROUNDING**2 and not unseen else None
    return Amount(*values, centre, math.sqrt(variance + unseen), tasks, by_ratio, reason)


def _means(before: Floats, after: Floats) -> tuple[float, float]:
    return (math.fsum(before.tolist()) / len(before), math.fsum(after.tolist()) / len(after)) if len(before) else (0, 0)
