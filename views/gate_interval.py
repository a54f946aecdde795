"""How far a candidate's pass rate is from the baseline's on these very tasks: bounds, and an exact test.

The tasks are fixed, and what is left to chance are the attempts: a release gate asks about these tasks. So only the
spread of attempts within tasks counts. It is estimated from both sides of a task together, as they are alike where
nothing has changed; where they are not, that overstates it, which errs on the careful side.

The bounds are those of Tango (1998, "Equivalence test and confidence interval for the difference in proportions for
the paired-sample design"), for as many pairs as there are attempts, with the discordance that the spread within tasks
comes to. With one attempt per task they are Tango's own. A quarter of a unit is taken off for continuity. Where, at
each of the tasks, all attempts end alike, they do not collapse to a point: failures that are rare enough to have gone
unseen are not refuted, and how rare that is is known exactly (of 60 attempts, 4.9 %).

The test is exact: given how many of a task's attempts passed on both sides together, those of the candidate are
hypergeometric if nothing changed. With one attempt per task it is the one-sided exact test of McNemar (1947).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from views.resampling import ALPHA, ROUNDING, Floats, normal_quantile

_CONTINUITY = 0.25
"""Of a unit, which is one attempt per task more or less: it holds the false passes at 5 % also with few attempts."""
_FINEST = 5040
"""Steps between 0 and 1 of the grid on which the exact distribution is made, where the attempts have no coarser one."""
_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Passes:
    """What came of one task: attempts that count, of which there is at least one on each side, and how many passed."""

    baseline: int
    baseline_attempts: int
    candidate: int
    candidate_attempts: int

    @property
    def difference(self) -> float:
        """The candidate's share less the baseline's."""
        return self.candidate / self.candidate_attempts - self.baseline / self.baseline_attempts


@dataclass(frozen=True, slots=True)
class Spread:
    """What the bounds are made of.

    Attributes:
        difference: the mean over the tasks of the candidate's share less the baseline's.
        variance: of that difference, by the spread of attempts within tasks.
        attempts: as how many pairs of attempts they count.
    """

    difference: float
    variance: float
    attempts: float

    def grown(self, times: float) -> Spread:
        """What would be seen with so many times the attempts, were the rates as they are now."""
        return Spread(self.difference, self.variance / times, self.attempts * times)


@dataclass(frozen=True, slots=True)
class Bounds:
    """A difference with its one-sided bounds, each at the level that was asked for."""

    value: float
    low: float
    high: float


def spread(tasks: Sequence[Passes]) -> Spread:
    """The difference and its spread.

    Args:
        tasks: at least one.
    """
    passes, first, second = _columns(tasks)
    both = first + second
    pooled = passes / both
    variances = both / (both - 1) * pooled * (1 - pooled) * (1 / first + 1 / second)
    difference = math.fsum(one.difference for one in tasks) / len(tasks)
    return Spread(
        0.0 if abs(difference) <= ROUNDING else difference,
        math.fsum(variances.tolist()) / len(tasks) ** 2,
        _pairs(tuple(sorted(np.minimum(first, second).tolist()))),
    )


def bounds(tasks: Sequence[Passes], alpha: float) -> Bounds:
    """The difference with its lower and its upper bound, each one-sided with an error of `alpha`.

    A bound lies beyond 0 only where the exact test agrees.

    Args:
        tasks: at least one.
        alpha: from 0 to 0.5, without these.
    """
    found = score_bounds(spread(tasks), alpha)
    low, high = found.low, found.high
    if high < 0 and exact_p(tasks) > alpha:
        high = 0.0
    if low > 0 and exact_p([_swapped(one) for one in tasks]) > alpha:
        low = 0.0
    return Bounds(found.value, low, high)


def score_bounds(found: Spread, alpha: float) -> Bounds:
    """`bounds` without the exact test."""
    z, n = normal_quantile(1 - alpha), found.attempts
    if not found.variance and not found.difference:
        # No attempt went another way than its task's others. What may still differ, unseen, is known exactly.
        unseen = -math.expm1(math.log(alpha) / n)
        return Bounds(0.0, -unseen, unseen)
    # In units of one pair: as many discordant ones as the variance says, and never fewer than the difference takes.
    discordant = max(found.variance * n * n, n * abs(found.difference))
    up, down = (discordant + n * found.difference) / 2, (discordant - n * found.difference) / 2
    low, high = (-_reach(*sides, n, z) for sides in ((up, down), (down, up)))
    return Bounds(found.difference, low, -high)


def _reach(up: float, down: float, n: float, z: float) -> float:
    """The largest true drop that what was seen does not refute, by the score test of Tango.

    Args:
        up: pairs of which the candidate alone passed.
        down: pairs of which the baseline alone passed.
        n: all pairs.
        z: the quantile that refutes.
    """

    def is_refuted(drop: float) -> bool:
        b = -up - down - (2 * n - up + down) * drop
        root = math.sqrt(max(b * b - 8 * n * down * drop * (1 + drop), 0.0))
        variance = n * ((root - b) / (2 * n) - drop * (1 + drop))
        return up - down + n * drop - _CONTINUITY > z * math.sqrt(max(variance, 0.0))

    refuted, standing = 1.0, (down - up) / n
    for _ in range(_HALVINGS):
        middle = (refuted + standing) / 2
        refuted, standing = (middle, standing) if is_refuted(middle) else (refuted, middle)
    return refuted


def exact_p(tasks: Sequence[Passes]) -> float:
    """The chance of so large a drop, or a larger one, if no task's rate has changed: one-sided and exact.

    Where tasks have so many different numbers of attempts that their differences share no grid of `_FINEST` steps, they
    are put on that, and what this moves is counted as if it made the drop as likely as it can.

    Args:
        tasks: at least one.
    """
    passes, first, second = _columns(tasks)
    varies = (passes > 0) & (passes < first + second)
    if not varies.any():
        return 1.0
    # What does not vary adds the same to all outcomes: it is left out on both sides.
    steps = min(math.lcm(*(int(one) for side in (first, second) for one in side[varies])), _FINEST)
    is_exact = all(steps % int(one) == 0 for side in (first, second) for one in side[varies])
    seen, chances, lowest = 0, np.ones(1), 0
    for task, is_open in zip(tasks, varies, strict=True):
        if not is_open:
            continue
        grid, chance = _outcomes(task.baseline + task.candidate, task.baseline_attempts, task.candidate_attempts, steps)
        seen += round(task.difference * steps)
        grown = np.zeros(len(chances) + int(grid[-1] - grid[0]))
        for at, weight in zip(grid - grid[0], chance, strict=True):
            grown[at : at + len(chances)] += weight * chances
        chances, lowest = grown, lowest + int(grid[0])
    slack = 0 if is_exact else int(varies.sum())
    return min(1.0, float(chances[: max(0, seen - lowest + slack + 1)].sum()))


@lru_cache(maxsize=4096)
def _outcomes(passes: int, first: int, second: int, steps: int) -> tuple[NDArray[np.int64], Floats]:
    """The differences that one task allows, in steps and ascending, each with its chance if nothing has changed."""
    own = np.arange(max(0, passes - first), min(second, passes) + 1)
    differences = np.rint((own / second - (passes - own) / first) * steps).astype(np.int64)
    return differences, stats.hypergeom.pmf(own, first + second, passes, second)


def _columns(tasks: Sequence[Passes]) -> tuple[Floats, Floats, Floats]:
    passes = np.array([one.baseline + one.candidate for one in tasks], dtype=float)
    first = np.array([one.baseline_attempts for one in tasks], dtype=float)
    second = np.array([one.candidate_attempts for one in tasks], dtype=float)
    return passes, first, second


def _swapped(one: Passes) -> Passes:
    return Passes(one.candidate, one.candidate_attempts, one.baseline, one.baseline_attempts)


@lru_cache(maxsize=1024)
def _pairs(attempts: tuple[float, ...]) -> float:
    """As how many attempts, spread evenly, these count: those that could leave as many failures unseen.

    Where all of a task's m attempts pass, its rate of failures may still be f with a chance of (1 - f)^m. The largest
    mean of f over the tasks that has a chance of 5 % in all has 1 - f = c m wherever that is below 1 (Lagrange).

    Args:
        attempts: at each task, the fewer of the two sides', ascending.
    """
    sizes = np.array(attempts)
    if sizes[0] == sizes[-1]:
        return float(sizes.sum())
    low, high = 0.0, 1 / sizes[0]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        chance = float((sizes * np.log(np.minimum(1.0, middle * sizes))).sum())
        low, high = (middle, high) if chance < math.log(ALPHA) else (low, middle)
    unseen = float((1 - np.minimum(1.0, high * sizes)).mean())
    return math.log(ALPHA) / math.log1p(-unseen)
