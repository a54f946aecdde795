"""Verdicts: what a judge, be it a rule or a model, says about one step by one criterion."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from judges.plain import folded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter.trial import JsonValue, Step, Trial
    from prompts import Criterion

type Text = Annotated[str, StringConstraints(pattern=r"\S")]
type Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Category(StrEnum):
    """The kinds of mistakes that are told apart. A verdict has at most one: the one that explains it best.

    Attributes:
        meaning: when it is the one, in a phrase; judges are told it.
    """

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """A category by its name and its meaning."""
        made = str.__new__(cls, value)
        made._value_ = value
        made.meaning = meaning
        return made

    WRONG_TOOL = "wrong tool", "a tool that does not exist or cannot do what was wanted"
    WRONG_ARGUMENTS = (
        "wrong arguments",
        "the right tool with arguments that contradict what had been seen or that it cannot accept",
    )
    IGNORED_ERROR = "ignored error", "going on, or trying the same again, as if an error that was shown had not been"
    REPEATED_ACTION = "repeated action", "doing again what was already done, with nothing changed in between"
    UNSUPPORTED_CLAIM = (
        "unsupported claim",
        "stating as a fact what nothing that was seen supports, or what it contradicts",
    )
    MISREAD_OUTPUT = "misread output", "taking from an output something other than what it says"
    LOST_GOAL = "lost goal", "working on something that the task did not ask for, or against what it asked for"
    PREMATURE_STOP = "premature stop", "ending, or giving up, before what the task asked for was done or checked"
    UNSAFE_ACTION = "unsafe action", "destroying, exposing or changing what the task gave no leave to touch"
    NEEDLESS_EXPLORATION = (
        "needless exploration",
        "looking at, or trying out, what was already known or could not matter",
    )
    FORMAT_ERROR = "format error", "a call or an answer that its receiver could not parse"
    ENVIRONMENT_FAULT = "environment fault", "the machine, the network or a service failed, not the agent"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Quote(_Model):
    """Words that stand in a step."""

    step: int = Field(ge=1)
    """Number of the step they stand in."""
    quote: Text
    """The words, verbatim; white space may be folded."""


class Verdict(_Model):
    """One criterion's judgement of one step."""

    trial: Text
    """`job/trial`."""
    step: int = Field(ge=1)
    criterion: Text
    label: Text
    value: Share | None
    """The label's value; None for a label that is no mark."""
    explanation: Text
    evidence: tuple[Quote, ...] = ()
    better_action: Text | None = None
    """The tool and arguments that would have been better; there for the worst label at least."""
    category: Category | None = None
    confidence: Share | None = None
    """How sure the judge says it is; None where it does not say. A rule does not."""
    by: Text
    """`rule:<name>` or the name of a model."""
    prompt_version: Text | None = None
    """Which text the judge was given; None for a rule."""


class FailedVerdict(_Model):
    """A verdict that was asked for and that there is none of. It is never taken for a good one, nor for a bad one."""

    trial: Text
    """`job/trial`."""
    step: int = Field(ge=1)
    criterion: Text
    reason: Text
    """One sentence: what was wrong with the answers, or why there is none."""
    model: Text
    """Who was asked."""


def check_label(verdict: Verdict, criterion: Criterion) -> list[str]:
    """What in a verdict does not agree with its criterion, one sentence each; empty when all does."""
    if verdict.criterion != criterion.criterion:
        return [f"It judges {verdict.criterion!r}, not {criterion.criterion!r}."]
    label = criterion.label(verdict.label)
    if label is None:
        known = ", ".join(repr(label.label) for label in criterion.labels)
        return [f"{verdict.label!r} is no label of {criterion.criterion}; its labels are {known}."]
    problems: list[str] = []
    if verdict.value != label.value:
        problems.append(f"The value of {verdict.label!r} is {label.value}, not {verdict.value}.")
    if label == criterion.worst and verdict.better_action is None:
        problems.append(f"{verdict.label!r} needs a better action.")
    return problems


def check_evidence(trial: Trial, verdict: Verdict) -> list[str]:
    """Which quotes of a verdict are not in the step they name, one sentence each; empty when all are.

    A quote must stand within one text of its step: the message, the reasoning, a tool's name, a text in its
    arguments, an output or an observation. White space is folded on both sides, and what cannot be seen is left out.
    """
    return check_quotes(trial, verdict.evidence)


def check_quotes(trial: Trial, quotes: Sequence[Quote]) -> list[str]:
    """Which quotes are not in the step they name, as `check_evidence` says."""
    steps = {step.number: step for step in trial.steps}
    problems: list[str] = []
    for quote in quotes:
        step = steps.get(quote.step)
        if step is None:
            problems.append(f"There is no step {quote.step} to quote from.")
        elif not _stands_in(quote.quote, step):
            problems.append(f"Step {quote.step} does not hold the quote {quote.quote[:80]!r}.")
    return problems


def _stands_in(quote: str, step: Step) -> bool:
    if any(quote in text for text in texts_in(step)):
        return True
    wanted = folded(quote)
    return bool(wanted) and any(wanted in folded(text) for text in texts_in(step))


def texts_in(step: Step) -> Iterator[str]:
    """All texts of a step that may be shown to a judge, and quoted."""
    yield step.message
    if step.reasoning is not None:
        yield step.reasoning
    for call in step.tool_calls:
        yield call.name
        yield from texts_of(call.arguments)
        if call.output is not None:
            yield call.output
    yield from step.observations


def texts_of(value: JsonValue) -> Iterator[str]:
    """All texts in a JSON value, in its order."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            waiting.extend(reversed(item))
        elif isinstance(item, dict):
            waiting.extend(reversed(item.values()))
