"""The prompt that asks for a root cause: both runs, in full where they part, with what the verifier said.

This judge has the outcome in view, and what came after each step: it is not asked whether a step was right by what was
known then, but which one decided how it ended.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from judges.llm.call import Part
from judges.root_cause.case import CATEGORIES
from judges.transcript.clip import Marks
from judges.transcript.fence import boundary
from judges.transcript.render import Rendered, Transcript
from prompts import root_cause_prompt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from adapter.trial import Trial
    from judges.root_cause.case import Case

_VERIFIER = (1_500, 6_000)
"""Characters of the verifier's output: what failed is told at its end."""
_LINE = (400, 100)
_ALL = 12
"""A run of so few steps is told in full."""
_LEADS = 4


class Excerpt:
    """A case as the judge reads it.

    Args:
        case: the case.
        narrow: tells less in full, for a model whose context the usual excerpt does not fit.

    Attributes:
        boundary: stands in each mark, and in no text of the case.
        is_narrow: whether it is the shorter one.
    """

    def __init__(self, case: Case, *, narrow: bool = False) -> None:
        self.case = case
        self.is_narrow = narrow
        failing, against = case.failing, case.against
        self._leads = case.leads[:_LEADS]
        beside = [failing.verifier_output or "", case.outcome, case.difference]
        beside += [text for one in self._leads for text in (one.category, one.explanation)]
        trials = (failing,) if against is None else (failing, against)
        self.boundary = boundary(*trials, beside=beside)
        self._failing = Transcript.of(failing, self.boundary)
        self._against = None if against is None else Transcript.of(against, self.boundary, "other run")

    def rendered(self, complaints: Sequence[str] = ()) -> Rendered:
        """The prompt.

        Args:
            complaints: what was wrong with the answer before, one sentence each.
        """
        return Rendered(_system(), (Part(self._body(), is_stable=True), Part(self._question(complaints))))

    def _body(self) -> str:
        case, marks = self.case, Marks(self.boundary)
        lines = [marks.mark("how the failing run ended"), marks.clipped(case.outcome, _LINE)]
        if case.failing.verifier_output is None:
            lines.append(marks.mark("what the verifier printed is not recorded"))
        else:
            lines += [
                marks.mark("what the verifier printed about the failing run"),
                marks.clipped(case.failing.verifier_output, _VERIFIER),
            ]
        lines.append(marks.mark("the failing run"))
        told = self._failing.opening() + "\n".join(lines) + "\n" + self._failing.told(self._in_full(case.failing))
        if self._against is not None and case.against is not None:
            how = "passed" if case.against_passed else "did not pass either"
            told += f"{marks.mark(f'the other run, which {how}')}\n"
            told += self._against.told(self._others_in_full(case.against))
        return told + "\n".join(self._pointed_at(marks))

    def _pointed_at(self, marks: Marks) -> list[str]:
        case = self.case
        lines: list[str] = []
        if case.difference:
            lines += [marks.mark("where a program finds that they part"), marks.clipped(case.difference, _LINE)]
        if self._leads:
            lines.append(marks.mark("leads of that program"))
            lines += [
                f"- step {one.step}, {one.category}: {' '.join(marks.clipped(one.explanation, _LINE).split())}"
                for one in self._leads
            ]
        return [*lines, ""]

    def _question(self, complaints: Sequence[str]) -> str:
        marks = Marks(self.boundary)
        numbers = [step.number for step in self.case.failing.agent_steps]
        lines = [
            marks.mark("trajectory ends"),
            f"Which step of the failing run decided that it failed? Its agent's steps are {_listed(numbers)}.",
            *self._failing.faults(complaints, "Answer again."),
            "Answer with the JSON object alone.",
        ]
        return "\n".join(lines) + "\n"

    def _in_full(self, trial: Trial) -> set[int]:
        around, after = (1, 1) if self.is_narrow else (2, 4)
        numbers = [step.number for step in trial.steps]
        if len(numbers) <= _ALL and not self.is_narrow:
            return set(numbers)
        case = self.case
        found = _around(numbers, [case.parts_at], around, after)
        beside = 0 if self.is_narrow else 1
        return (
            found
            | _around(numbers, (one.step for one in self._leads), beside, beside)
            | set(numbers[-1 if self.is_narrow else -2 :])
        )

    def _others_in_full(self, trial: Trial) -> set[int]:
        numbers = [step.number for step in trial.steps]
        if len(numbers) <= _ALL and not self.is_narrow:
            return set(numbers)
        return _around(numbers, [self.case.other_at], 0 if self.is_narrow else 1, 1 if self.is_narrow else 4)


def _around(numbers: Sequence[int], wanted: Iterable[int | None], before: int, after: int) -> set[int]:
    """These steps, with so many before and after each."""
    places = {number: place for place, number in enumerate(numbers)}
    found: set[int] = set()
    for one in wanted:
        if one in places:
            place = places[one]
            found.update(numbers[max(0, place - before) : place + after + 1])
    return found


def _listed(numbers: Sequence[int]) -> str:
    """Numbers, those that follow each other as a range."""
    parts: list[str] = []
    start = 0
    for place in range(1, len(numbers) + 1):
        if place == len(numbers) or numbers[place] != numbers[place - 1] + 1:
            first, last = numbers[start], numbers[place - 1]
            parts.append(str(first) if first == last else f"{first} to {last}")
            start = place
    return ", ".join(parts)


@cache
def _system() -> str:
    return root_cause_prompt().filled(
        categories="\n".join(f"- {name}: {meaning}" for name, meaning in CATEGORIES.items())
    )
