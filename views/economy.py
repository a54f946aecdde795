"""What attempts take, and what a success takes: the formulas, for dollars, tokens and seconds alike.

As KiloBench defines them for dollars: cost per attempt; cost to complete (all that was spent over the successes); and
what a percentage point of pass rate costs, from which the efficiency ratio of two variants is made.

Amounts are arrays with one entry per attempt. Within them NaN is an amount that is not known; no result is NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Attempts:
    """The attempts of one variant: what each took of one thing, at which task, and whether it passed."""

    amounts: Floats
    tasks: NDArray[np.int64]
    passed: NDArray[np.bool_]

    def at(self, tasks: NDArray[np.int64]) -> Attempts:
        """Those at these tasks."""
        among = np.isin(self.tasks, tasks)
        return Attempts(self.amounts[among], self.tasks[among], self.passed[among])

    def known_tasks(self) -> NDArray[np.int64]:
        """The tasks with at least one attempt whose amount is known, each once, in order."""
        return np.unique(self.tasks[~np.isnan(self.amounts)])


@dataclass(frozen=True, slots=True)
class Economy:
    """What attempts took of one thing; None for what is not known.

    Attributes:
        known: attempts whose amount is known; `missing` counts the others, which are left out.
        tasks: tasks with a known amount.
        total: sum of the known amounts.
        of_task_set: sum over the tasks of the mean amount of an attempt at it: one attempt at each. A lower bound,
            as is `per_point`, where no amount is known for one of the tasks.
        to_complete: the total over the successes; infinite without one.
        at_least: whether that is a lower bound, because an amount is not known.
        per_point: `of_task_set` over the pass rate in percentage points; infinite without a success.
    """

    known: int
    missing: int
    tasks: int
    total: float | None
    of_task_set: float | None
    to_complete: float | None
    at_least: bool
    per_point: float | None


def economy(attempts: Attempts) -> Economy:
    """What these attempts took."""
    is_known = ~np.isnan(attempts.amounts)
    amounts, tasks = attempts.amounts[is_known], attempts.tasks[is_known]
    known, passes, tried = len(amounts), int(attempts.passed.sum()), len(attempts.passed)
    missing = tried - known
    if not known:
        nothing = math.inf if tried and not passes else None
        return Economy(0, missing, 0, None, None, nothing, at_least=False, per_point=None)
    total = float(amounts.sum())
    _, places, counts = np.unique(tasks, return_inverse=True, return_counts=True)
    of_task_set = float((np.bincount(places, amounts) / counts).sum())
    return Economy(
        known=known,
        missing=missing,
        tasks=len(counts),
        total=total,
        of_task_set=of_task_set,
        to_complete=quotient(total, passes),
        at_least=missing > 0 and passes > 0,
        per_point=per_point(of_task_set, passes / tried),
    )


def quotient(above: float, below: float) -> float:
    """One total over another; infinite where the other is 0: without a success, whatever was spent bought none."""
    return above / below if below else math.inf


def per_point(amount: float, pass_rate: float) -> float:
    """What a percentage point of pass rate takes, where so much was taken for that rate (0 to 1)."""
    return quotient(amount, 100 * pass_rate)


def ratio(baseline: float | None, own: float | None) -> float | None:
    """How many times as efficient as the baseline something is, by what a point takes with each.

    Above 1 where it takes less than the baseline, 0 where it never succeeds; None where the baseline never does, where
    both take nothing, or where one is not known.
    """
    if baseline is None or own is None or math.isinf(baseline) or baseline == own == 0:
        return None
    return 0.0 if math.isinf(own) else quotient(baseline, own)


def efficiency(baseline: Attempts, own: Attempts) -> float | None:
    """How many times as efficient as the baseline a variant is, on the tasks that are known for both."""
    shared = np.intersect1d(baseline.known_tasks(), own.known_tasks(), assume_unique=True)
    return ratio(economy(baseline.at(shared)).per_point, economy(own.at(shared)).per_point)
