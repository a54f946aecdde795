"""What the judge of root causes is given, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from judges.verdict import Category

if TYPE_CHECKING:
    from adapter.trial import Trial
    from judges.verdict import Quote

CRITERION = "root_cause"
"""By which its calls are kept."""

LEFT_OUT = "needed step left out"
CATEGORIES: Mapping[str, str] = {
    **{one.value: one.meaning for one in Category},
    LEFT_OUT: "not doing what the task needed and the agent could have known, where no other category says why",
}
"""The kinds of causes, with what they mean: those of verdicts, and one for what was not done."""


@dataclass(frozen=True, slots=True)
class Lead:
    """A step that rules, verdicts or the comparison point at."""

    step: int
    category: str
    explanation: str


@dataclass(frozen=True, slots=True)
class Case:
    """A failing run, and what is known of it.

    Attributes:
        failing: the run.
        outcome: how it ended, in a line: its status and what the verifier gave.
        against: another run of its task; None where there is none.
        against_passed: whether that one passed.
        parts_at: the failing run's step at which they part; None where they do not.
        other_at: the other run's step there.
        difference: how they part, in a line.
        leads: the likeliest first.
    """

    failing: Trial
    outcome: str
    against: Trial | None = None
    against_passed: bool | None = None
    parts_at: int | None = None
    other_at: int | None = None
    difference: str = ""
    leads: tuple[Lead, ...] = ()

    @property
    def about(self) -> int:
        """The step that the question is kept under: where the runs part, else the agent's last. It has made one."""
        return self.failing.agent_steps[-1].number if self.parts_at is None else self.parts_at


@dataclass(frozen=True, slots=True)
class Blamed:
    """A step that a judge names.

    Attributes:
        step: its number in the failing run.
        category: one of `CATEGORIES`.
        evidence: words that stand in the failing run.
        better_action: the tool and the arguments that would have been better.
        confidence: how sure the judge says it is, from 0 to 1; None where it does not say.
    """

    step: int
    category: str
    explanation: str
    evidence: tuple[Quote, ...] = ()
    better_action: str | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """A judge's answer: the decisive step, and the one that it would name next."""

    first: Blamed
    runner_up: Blamed | None
    by: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """There is no answer, and why."""

    reason: str
