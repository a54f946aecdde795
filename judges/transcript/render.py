"""The prompt that asks for verdicts on a window of steps: a pure function of the trial, the window and the criteria.

It is laid out so that what many calls share comes first, byte for byte. The system prompt is the same for all trials.
Then, in the user's message, come the task, and the earlier steps in groups that only ever grow at the end: each group
is written once, and begins every later window's prompt in the same words. After it stands the window in full, and last
what is asked. Older steps become one line each, and the oldest of very long runs are left out with a mark, so that the
prompt of a late window is not a multiple of an early one's.

What came after the window is not there, nor is the reward, the status, or anything else that tells how it ended.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from adapter.trial import Source, Trial
from judges.llm.call import Part
from judges.plain import plain
from judges.transcript.clip import TASK, Marks
from judges.transcript.fence import boundary
from judges.verdict import Category
from prompts import system_prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from adapter.trial import Step
    from prompts import Criterion

GROUP = 10
"""Earlier steps that are written together: a group is whole, or not there yet."""
_SHORT = 40
"""So many steps before the window are told in some lines each, and up to twice as many while a group of them fills."""
_BRIEF = 240
"""So many before those are told in one line each; what is older is left out."""
_FAULT = 400
"""Characters of one complaint."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt.

    Attributes:
        system: instructions; nothing of a trajectory stands in them.
        parts: the user's message; the stable parts first.
    """

    system: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Transcript:
    """A trial as judges read it, with what its windows share.

    Attributes:
        trial: the trial.
        boundary: stands in each mark, and nowhere in the trial.
    """

    trial: Trial
    boundary: str
    _marks: Marks = field(repr=False, compare=False)
    _task: tuple[Step, ...] = field(repr=False, compare=False)
    _steps: tuple[Step, ...] = field(repr=False, compare=False)
    _told: dict[tuple[str, int], str] = field(init=False, repr=False, compare=False)
    """Short and brief forms that a window has needed, for the windows after it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_told", {})

    @classmethod
    def of(cls, trial: Trial, shared: str | None = None, run: str = "") -> Transcript:
        """The transcript of a trial.

        Args:
            trial: the trial.
            shared: the boundary where it is shown beside something else; None for its own.
            run: which of several runs it is.
        """
        found = boundary(trial) if shared is None else shared
        task = tuple(itertools.takewhile(lambda step: step.source is not Source.AGENT, trial.steps))
        return cls(trial, found, Marks(found, run), task, trial.steps[len(task) :])

    def opening(self) -> str:
        """What every prompt about this trial begins with: its boundary, and the task."""
        marks = self._marks
        lines = [f"Marks in this message begin with [{self.boundary}.", marks.mark("trajectory begins")]
        for step in self._task:
            who = "copied context" if step.is_copied else step.source.value
            lines += [marks.mark(f"task: {who}"), marks.clipped(step.message, TASK)]
        if not self._task:
            lines.append(marks.mark("task: none is recorded"))
        return "\n".join(lines) + "\n"

    def earlier(self, before: int) -> Iterator[tuple[str, bool]]:
        """The steps before a step, in short: texts, each with whether later prompts repeat it (a whole group)."""
        steps = [step for step in self._steps if step.number < before]
        # In jumps of a whole stretch, so that most windows find all before them as the last one left it.
        brief = max(0, len(steps) - _SHORT) // _SHORT * _SHORT
        left_out = max(0, brief - _BRIEF)
        if left_out:
            yield (
                f"{self._marks.mark(f'steps {steps[0].number} to {steps[left_out - 1].number} are not shown')}\n",
                True,
            )
        for group in itertools.batched(steps[left_out:brief], GROUP):
            yield "".join(self._once(self._marks.brief, step) for step in group), True
        for group in itertools.batched(steps[brief:], GROUP):
            yield "".join(self._once(self._marks.short, step) for step in group), len(group) == GROUP

    def _once(self, form: Callable[[Step], str], step: Step) -> str:
        key = form.__name__, step.number
        if key not in self._told:
            self._told[key] = form(step)
        return self._told[key]

    def full(self, first: int, last: int) -> str:
        """These steps and all between them, in full."""
        steps = [step for step in self._steps if first <= step.number <= last]
        return "".join(map(self._marks.full, steps, [None, *steps]))

    def told(self, full: Collection[int]) -> str:
        """All steps: these in full, some next to them in short, others in a line each, the furthest not at all."""
        places = [place for place, step in enumerate(self._steps) if step.number in full]
        away = sorted(
            (min((abs(place - one) for one in places), default=len(self._steps) - place), place)
            for place, step in enumerate(self._steps)
            if step.number not in full
        )
        forms = dict.fromkeys(places, self._marks.full)
        forms |= {place: self._marks.short for _, place in away[:_SHORT]}
        forms |= {place: self._marks.brief for _, place in away[_SHORT : _SHORT + _BRIEF]}
        lines: list[str] = []
        for is_told, several in itertools.groupby(range(len(self._steps)), forms.__contains__):
            stretch = list(several)
            if is_told:
                lines += [forms[place](self._steps[place]) for place in stretch]
            else:
                first, last = self._steps[stretch[0]].number, self._steps[stretch[-1]].number
                lines.append(f"{self._marks.mark(f'steps {first} to {last} are not shown')}\n")
        return "".join(lines)

    def question(self, asked: Sequence[tuple[int, str]], complaints: Sequence[str]) -> str:
        """What is asked, below the end of the trajectory."""
        by_step: dict[int, list[str]] = {}
        for step, criterion in asked:
            by_step.setdefault(step, []).append(criterion)
        marks = self._marks
        lines = [marks.mark("trajectory ends"), "Judge these steps by these criteria:"]
        lines += [f"step {step}: {', '.join(names)}" for step, names in by_step.items()]
        lines += self.faults(complaints, "Answer again, for these steps and criteria alone.")
        lines.append("Answer with the JSON object alone.")
        return "\n".join(lines) + "\n"

    def faults(self, complaints: Sequence[str], again: str) -> list[str]:
        """The lines that say what was wrong with the answer before; none where it is asked for the first time."""
        if not complaints:
            return []
        begin, end = self._marks.mark("faults begin"), self._marks.mark("faults end")
        listed = [f"- {self._fault(one)}" for one in complaints]
        return ["You were asked this before, and these answers could not be used:", begin, *listed, end, again]

    def _fault(self, complaint: str) -> str:
        # It may repeat words of the judge's, and they words of the trajectory's, or one of our marks.
        return " ".join(plain(complaint).split()).replace(self.boundary, "…")[:_FAULT]


def render(
    transcript: Transcript,
    window: Sequence[int],
    asked: Sequence[tuple[int, str]],
    criteria: Mapping[str, Criterion],
    complaints: Sequence[str] = (),
) -> Rendered:
    """The prompt for one window.

    Args:
        transcript: of the trial.
        window: the steps that are shown in full, by number, in order.
        asked: steps of the window and criteria.
        criteria: those in force, by identifier.
        complaints: what was wrong with the answer before, one sentence each; without any, the judge is asked first.
    """
    parts = [Part(transcript.opening(), is_stable=True)]
    parts += [Part(text, is_stable) for text, is_stable in transcript.earlier(window[0])]
    rest = transcript.full(window[0], window[-1]) + transcript.question(asked, complaints)
    return Rendered(system_text(tuple(criteria.values())), (*parts, Part(rest)))


@lru_cache(maxsize=16)
def system_text(criteria: tuple[Criterion, ...]) -> str:
    """The system prompt for these criteria."""
    return system_prompt().filled(
        criteria="\n\n".join(map(_criterion, criteria)),
        categories="\n".join(f"- {category.value}: {category.meaning}" for category in Category),
    )


def _criterion(criterion: Criterion) -> str:
    labels = [f"- `{label.label}`: {label.meaning}" for label in criterion.labels]
    return "\n".join([f"## {criterion.criterion}: {criterion.question}", *labels, criterion.rubric])
