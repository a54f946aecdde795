"""What finished runs say of a task: is it fast, does it end alike again, does it tell variants apart. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from views.statistics import wilson


@dataclass(frozen=True, slots=True)
class TaskHistory:
    """A task's attempts.

    Attributes:
        name: as the trials have it.
        results: of each variant, by its name, whether each attempt passed; at least one attempt each.
        seconds: wall time of each trial whose time is known, setup and verifier among it.
        category: what kind of task it is; None if not known.
    """

    name: str
    results: Mapping[str, tuple[bool, ...]]
    seconds: tuple[float, ...] = ()
    category: str | None = None

    def pass_share(self, variant: str) -> float:
        """The share of a variant's attempts that passed."""
        attempts = self.results[variant]
        return sum(attempts) / len(attempts)


@dataclass(frozen=True, slots=True)
class Flakiness:
    """The chance that two attempts of one variant at a task end differently.

    Attributes:
        value: the share of pairs that did; None where no variant made two attempts.
        low: of its 95 % interval.
        high: likewise.
        pairs: how many pairs there are.
    """

    value: float | None
    low: float | None
    high: float | None
    pairs: int


def flakiness(task: TaskHistory) -> Flakiness:
    """How often the same variant gives another result.

    The estimate is the share of unequal pairs among all pairs of attempts of the same variant. The interval is Wilson's
    for that share of as many pairs as can be formed without using an attempt twice, which are independent: the estimate
    from all pairs varies no more than one from these, so the interval errs on the careful side.
    """
    counts = [(sum(attempts), len(attempts)) for attempts in task.results.values()]
    pairs = sum(math.comb(tried, 2) for _, tried in counts)
    if not pairs:
        return Flakiness(None, None, None, 0)
    unequal = sum(passed * (tried - passed) for passed, tried in counts) / pairs
    low, high = wilson(unequal, sum(tried // 2 for _, tried in counts))
    return Flakiness(unequal, low, high, pairs)


def p90_seconds(task: TaskHistory) -> float | None:
    """The 90th percentile of the wall time of its trials, in seconds; None where no time is known."""
    return float(np.quantile(task.seconds, 0.9)) if task.seconds else None


def discriminations(tasks: Sequence[TaskHistory]) -> Mapping[str, float]:
    """How well each task tells good variants from poor ones, by the task's name.

    The item reliability index of test theory (Gulliksen, Theory of Mental Tests, 1950, chapter 21): the standard
    deviation of the variants' pass shares at the task, times their correlation with the variants' pass shares at all
    other tasks. It is 0 for a task at which all variants do alike, negative where the better variants do worse, and
    at most a half.

    Args:
        tasks: all of which the same variants tried, of which there are at least two.
    """
    variants = sorted(tasks[0].results) if tasks else []
    shares = np.array([[task.pass_share(variant) for variant in variants] for task in tasks])
    found: dict[str, float] = {}
    for place, task in enumerate(tasks):
        rest = shares.sum(axis=0) - shares[place]
        own = shares[place] - shares[place].mean()
        rest = rest - rest.mean()
        spread = float(np.sqrt((rest**2).mean()))
        # Sums of shares that are equal may differ in their last digits.
        found[task.name] = float((own * rest).mean()) / spread if spread > 1e-9 else 0.0
    return MappingProxyType(found)


def kendall(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Kendall's rank correlation tau-b of two rankings; None where one of them ranks nothing.

    Source: Kendall, The treatment of ties in ranking problems, Biometrika 33 (1945).
    """
    a, b = (np.sign(np.subtract.outer(one, one).round(9)) for one in (np.asarray(first), np.asarray(second)))
    both = math.sqrt(float((a * a).sum()) * float((b * b).sum()))
    return float((a * b).sum()) / both if both else None
