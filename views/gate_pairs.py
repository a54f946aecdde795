"""The attempts of a baseline and of a candidate, task by task: what is compared, and what is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from views.gate_interval import Passes
from views.metrics import Attempt
from views.pairs import differs

CHANGED = "the task itself differs: other task checksums"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: all that one variant tried.

    Attributes:
        tasks: the attempts that count, by task; a task without any is not there.
        excluded: by task, how many trials do not count, by status.
    """

    tasks: Mapping[str, tuple[Attempt, ...]]
    excluded: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])

    @property
    def tried(self) -> frozenset[str]:
        """The tasks that it tried, whatever came of it."""
        return frozenset(self.tasks) | frozenset(self.excluded)


@dataclass(frozen=True, slots=True)
class TaskPair:
    """The attempts of both sides at one task that count: at least one each."""

    task: str
    baseline: tuple[Attempt, ...]
    candidate: tuple[Attempt, ...]

    @property
    def passes(self) -> Passes:
        """How many of them passed."""
        first, second = (sum(one.passed for one in side) for side in (self.baseline, self.candidate))
        return Passes(first, len(self.baseline), second, len(self.candidate))


@dataclass(frozen=True, slots=True)
class Compared:
    """What is compared, and what is not.

    Attributes:
        pairs: by task, in the tasks' order.
        left_out: the tasks that are not compared, each with the reason.
        lost: how many of these both sides tried, and one has no attempt at that counts.
        tried: the trials of each side at the tasks both tried.
        excluded: those of them that do not count, by status, of each side.
    """

    pairs: tuple[TaskPair, ...]
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])
    lost: int = 0
    tried: tuple[int, int] = (0, 0)
    excluded: tuple[Mapping[str, int], Mapping[str, int]] = field(default=({}, {}))


def pair_up(baseline: Side, candidate: Side) -> Compared:
    """The attempts of two sides at the tasks that both tried."""
    both = sorted(baseline.tried & candidate.tried)
    left_out = {
        task: f"not run by the {'candidate' if task in baseline.tried else 'baseline'}"
        for task in baseline.tried ^ candidate.tried
    }
    pairs: list[TaskPair] = []
    lost = 0
    for task in both:
        first, second = (side.tasks.get(task, ()) for side in (baseline, candidate))
        if not first or not second:
            lost += 1
            sides = [name for name, side in (("baseline", first), ("candidate", second)) if not side]
            left_out[task] = f"no attempt of the {' nor the '.join(sides)} counts"
        elif differs(first, second):
            left_out[task] = CHANGED
        else:
            pairs.append(TaskPair(task, first, second))
    excluded = [_excluded(side, both) for side in (baseline, candidate)]
    tried = [sum(len(side.tasks.get(task, ())) for task in both) for side in (baseline, candidate)]
    return Compared(
        pairs=tuple(pairs),
        left_out=dict(sorted(left_out.items())),
        lost=lost,
        tried=(tried[0] + sum(excluded[0].values()), tried[1] + sum(excluded[1].values())),
        excluded=(excluded[0], excluded[1]),
    )


def _excluded(side: Side, tasks: list[str]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for task in tasks:
        counts.update(side.excluded.get(task, {}))
    return dict(sorted(counts.items()))
