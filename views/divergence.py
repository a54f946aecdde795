"""Where two runs of one task part, and which of these places had consequences: pure functions on their courses.

The first difference is noise: repeats of one configuration part within a few calls. What is looked for is the earliest
place at which the runs differ and after which the failing one holds a judge's worst label, or never gets done what the
other did there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from adapter.trial import Status
from views.alignment import Column, Match, align, similarity
from views.course import Act, Course, Fault
from views.milestones import is_reached


class Kind(StrEnum):
    """How two runs differ at a place."""

    TOOL = "other tool"
    ARGUMENTS = "other arguments"
    INSERTED = "inserted"
    MISSING = "missing"
    OBSERVATION = "same action, other observation"
    STOPPED = "stopped early"


_EFFICIENCY = "efficiency"
_KINDS = {
    Match.TOOL: Kind.TOOL,
    Match.ARGUMENTS: Kind.ARGUMENTS,
    Match.INSERTED: Kind.INSERTED,
    Match.MISSING: Kind.MISSING,
}


@dataclass(frozen=True, slots=True)
class Divergence:
    """A place at which two runs differ.

    Attributes:
        step_failing: the failing run's step there. Where it lacks an act, the step at which it went on without it, or
            its last; None for a run without steps.
        step_against: the other run's, likewise.
        place: the column of the alignment.
        is_consequential: whether it had consequences, which `why` names.
        missed: what the failing run never got done after it, and the other did there.
        fault: the judge's word on the failing run's step, where it rests on that.
    """

    step_failing: int | None
    step_against: int | None
    place: int
    kind: Kind
    is_consequential: bool
    why: str
    missed: str | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Parted:
    """Two runs side by side.

    Attributes:
        columns: the alignment of their acts, the failing run's first.
        similarity: the share of equal acts in the same order, from 0 to 1.
        first: the first place at which they differ; None for runs that are the same, act by act.
        divergence: the earliest with consequences; without one, the last at which the failing run changed something
            otherwise than the other, which is what both are graded by; without that, the first call that failed in it
            alone and was not tried again; else None.
    """

    columns: tuple[Column, ...]
    similarity: float
    first: Divergence | None
    divergence: Divergence | None


def part(failing: Course, against: Course) -> Parted:
    """Where a failing run parts from another of its task, and where that had consequences.

    Raises:
        ValueError: the runs are of different tasks.
    """
    if (failing.dataset, failing.task) != (against.dataset, against.task):
        raise ValueError(f"{failing.trial} and {against.trial} are runs of different tasks")
    columns = align(failing.signatures, against.signatures)
    pair = _Pair(failing, against, columns)
    first = next((place for place in range(len(columns)) if pair.kind(place) is not None), None)
    found = [*pair.missed(), *pair.failing_on(), *pair.faults()]
    return Parted(
        columns=tuple(columns),
        similarity=similarity(failing.signatures, against.signatures),
        first=None if first is None else pair.at(first, "the first difference", is_consequential=False),
        divergence=min(
            found, key=lambda one: (one.place, one.missed is None), default=pair.last_change() or pair.ignored()
        ),
    )


class _Pair:
    def __init__(self, failing: Course, against: Course, columns: Sequence[Column]) -> None:
        self._failing, self._against, self._columns = failing, against, columns
        self._of_failing = {column.a: place for place, column in enumerate(columns) if column.a is not None}
        self._of_against = {column.b: place for place, column in enumerate(columns) if column.b is not None}

    def kind(self, place: int) -> Kind | None:
        """How the runs differ at a place; None where they do not."""
        column = self._columns[place]
        if column.a is None or column.b is None or column.match not in (Match.EQUAL, Match.SWAPPED):
            is_end = column.match is Match.MISSING and all(one.a is None for one in self._columns[place:])
            return Kind.STOPPED if is_end else _KINDS[column.match]
        mine, yours = self._failing.acts[column.a], self._against.acts[column.b]
        if mine.content is not None and yours.content is not None and mine.content != yours.content:
            return Kind.ARGUMENTS
        # Some harnesses say only what failed.
        return Kind.OBSERVATION if (mine.failed is True) != (yours.failed is True) else None

    def at(
        self,
        place: int,
        why: str,
        *,
        is_consequential: bool = True,
        missed: str | None = None,
        fault: Fault | None = None,
        kind: Kind | None = None,
    ) -> Divergence:
        """The divergence at a place."""
        found = kind or self.kind(place) or Kind.OBSERVATION
        mine = _step_at(self._failing, [one.a for one in self._columns], place)
        return Divergence(
            step_failing=self._failing.last_step if found is Kind.STOPPED else mine,
            step_against=_step_at(self._against, [one.b for one in self._columns], place),
            place=place,
            kind=found,
            is_consequential=is_consequential,
            why=why,
            missed=missed,
            fault=fault,
        )

    def last_change(self) -> Divergence | None:
        """The last place at which the failing run writes what the other does not."""
        for place in reversed(range(len(self._columns))):
            act = self._columns[place].a
            if act is None or self._failing.acts[act].content is None or self.kind(place) in (None, Kind.OBSERVATION):
                continue
            why = "the last that this run changed otherwise than the other; no difference had a consequence that shows"
            return self.at(place, why, is_consequential=False)
        return None

    def ignored(self) -> Divergence | None:
        """The first place at which a call of the failing run fails and the other run's does not, with no second try."""
        for place, column in enumerate(self._columns):
            if column.a is None or self.kind(place) is not Kind.OBSERVATION or not self._failing.acts[column.a].failed:
                continue
            act = self._failing.acts[column.a]
            later = [one for one in self._failing.acts[column.a + 1 :] if one.signature == act.signature]
            if not later:
                why = f"{act.signature} fails at step {act.step} and not in the other run, and is not tried again"
                return self.at(place, why, is_consequential=False)
        return None

    def missed(self) -> list[Divergence]:
        """Where the other run did what the failing one never got done."""
        found: list[Divergence] = []
        for name, step in self._against.reached.items():
            if not self._columns or "*" in name or is_reached(name, self._failing.reached):
                continue
            place = self._done_at(step)
            why = f"the other run reaches “{name}” at its step {step}, and this one never does"
            if self.kind(place) in (None, Kind.OBSERVATION):
                # The same act, and nothing came of it: what parted them lies before, if anything does.
                before = (one for one in range(place, -1, -1) if self._may_cause(one, place))
                place = next(before, place)
            if self.kind(place) is not None:
                found.append(self.at(place, why, missed=name))
        return found

    def failing_on(self) -> list[Divergence]:
        """Where the runs differ before a call that fails for good in the failing one, and not in the other."""
        found: list[Divergence] = []
        for place, column in enumerate(self._columns):
            if column.a is None or self.kind(place) is not Kind.OBSERVATION:
                continue
            act = self._failing.acts[column.a]
            later = [one for one in self._failing.acts[column.a + 1 :] if one.signature == act.signature]
            before = next((one for one in range(place, -1, -1) if self._may_cause(one, place)), None)
            if act.failed and all(one.failed for one in later) and before is not None:
                why = f"{act.signature} fails at step {act.step} and ever after, and does not in the other run"
                found.append(self.at(before, why))
        return found

    def _may_cause(self, before: int, place: int) -> bool:
        """Whether a difference may be why the same act came out otherwise later: more tries of that act are none."""
        if self.kind(before) in (None, Kind.OBSERVATION):
            return False
        tried = {act.signature for act in self._acts(place)}
        return any(act.signature not in tried for act in self._acts(before))

    def _acts(self, place: int) -> list[Act]:
        column = self._columns[place]
        mine = [] if column.a is None else [self._failing.acts[column.a]]
        return mine if column.b is None else [*mine, self._against.acts[column.b]]

    def _done_at(self, step: int) -> int:
        """Where the other run's step stands, at that of its acts in whose place the failing run did something else."""
        places = [self._of_against[at] for at, act in enumerate(self._against.acts) if act.step == step]
        order = (Match.ARGUMENTS, Match.TOOL)
        return min(
            places,
            key=lambda place: order.index(match) if (match := self._columns[place].match) in order else len(order),
            default=len(self._columns) - 1,
        )

    def faults(self) -> list[Divergence]:
        """Where the failing run did what a judge gives the worst label, and the other run did not do the same."""
        found: list[Divergence] = []
        for step, fault in self._failing.faults.items():
            if fault.criterion == _EFFICIENCY and self._failing.status != Status.TIMED_OUT.value:
                # What was needless costs money, and lets no run fail that has time enough.
                continue
            place = self._place_of(step, self._failing, self._of_failing)
            is_last = step == self._failing.last_step
            if place is None and is_last and self._columns:
                place = len(self._columns) - 1
            if place is None or (self.kind(place) is None and not is_last):
                continue
            said = fault.category or fault.label
            why = f"a judge calls step {step} {fault.label} ({said}): {fault.explanation}"
            kind = Kind.STOPPED if is_last and self.kind(place) is None else None
            found.append(self.at(place, why, fault=fault, kind=kind))
        return found

    def _place_of(self, step: int, run: Course, places: dict[int, int]) -> int | None:
        """Where the acts of a step begin; None where it has none."""
        return next((places[at] for at, act in enumerate(run.acts) if act.step == step), None)


def _step_at(run: Course, acts: Sequence[int | None], place: int) -> int | None:
    """The step of a run at a place of the alignment; where it has no act there, the one with which it goes on."""
    return next((run.acts[act].step for act in acts[place:] if act is not None), run.last_step)


def nearest(failing: Course, runs: Sequence[Course]) -> Course | None:
    """The run whose acts are most like the failing one's; of several the first by name. None where there is none."""
    mine = failing.signatures
    return max(sorted(runs, key=lambda one: one.trial), key=lambda one: similarity(mine, one.signatures), default=None)


def furthest(runs: Sequence[Course]) -> Course | None:
    """The run that got most done."""
    return max(sorted(runs, key=lambda one: one.trial), key=lambda one: (len(one.reached), len(one.acts)), default=None)


def noise_floor(runs: Sequence[Course]) -> float | None:
    """How unlike repeats of one variant at one task are: the mean of 1 less their similarity, over all pairs.

    None where no variant tried the task twice.
    """
    apart = [
        1 - similarity(one.signatures, other.signatures)
        for one, other in combinations(runs, 2)
        if one.variant == other.variant
    ]
    return sum(apart) / len(apart) if apart else None


def shared_path(parted: Parted, against: Course, passing: Sequence[Course]) -> tuple[int, int]:
    """How many of the passing runs do what the other run does at the divergence, of how many there are."""
    if parted.divergence is None:
        return 0, len(passing)
    act = parted.columns[parted.divergence.place].b
    if act is None:
        return 0, len(passing)
    taken = against.acts[act].signature
    return sum(taken in run.signatures for run in passing), len(passing)
