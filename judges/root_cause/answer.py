"""The answer of the judge of root causes, read: a step of the failing run, with words that stand in it; or a reason."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field, ValidationError

from judges.loose_answer import (
    SHOWN,
    TRAJECTORY,
    Action,
    Confidence,
    Evidence,
    Number,
    Said,
    SaidQuote,
    Text,
    better,
    clean,
    none_if_empty,
    parsed,
    quotes,
)
from judges.root_cause.case import CATEGORIES, Blamed, Decided
from judges.transcript.schema import strict_object
from judges.verdict import Category, check_quotes

if TYPE_CHECKING:
    from adapter.trial import Object
    from judges.root_cause.case import Case


class _RunnerUp(Said):
    explanation: Annotated[Text, Field(pattern=r"\S")]
    step: Number
    category: Text


class _Answer(Said):
    explanation: Annotated[Text, Field(pattern=r"\S")]
    step: Number
    category: Text
    evidence: Evidence = Field(default_factory=list[SaidQuote])
    better_action: Action = None
    confidence: Confidence = None
    runner_up: Annotated[object, BeforeValidator(none_if_empty)] = None


@cache
def schema_text() -> str:
    """The schema of an answer as JSON, in what OpenAI's strict mode takes; the explanation comes before the step."""
    category: Object = {"type": "string", "enum": [*CATEGORIES]}
    text: Object = {"type": "string"}
    number: Object = {"type": "integer"}
    quote = strict_object({"step": number, "quote": text})
    action = strict_object({"tool": text, "arguments": text})
    runner_up = strict_object({"explanation": text, "step": number, "category": category})
    return json.dumps(
        strict_object(
            {
                TRAJECTORY: text,
                "explanation": text,
                "step": number,
                "category": category,
                "evidence": {"type": "array", "items": quote},
                "better_action": {"anyOf": [action, {"type": "null"}]},
                "confidence": {"anyOf": [{"type": "number"}, {"type": "null"}]},
                "runner_up": {"anyOf": [runner_up, {"type": "null"}]},
            }
        )
    )


def read_answer(text: str, case: Case, boundary: str, by: str) -> Decided | str:
    """The answer of one call, or what is wrong with it, in a sentence.

    A runner-up that cannot be used is left out: nothing rests on it.

    Args:
        text: as the model gave it.
        case: what it was asked about: quotes are looked up in the whole of the failing run.
        boundary: of its excerpt.
        by: the model's name.
    """
    found = parsed(text.strip())
    if found is None:
        return "The answer is empty." if not text.strip() else "The answer is no JSON object, or was cut."
    if found.get(TRAJECTORY) != boundary:
        return f"The answer's `{TRAJECTORY}` is not {boundary}."
    try:
        said = _Answer.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"`{'.'.join(map(str, first['loc']))}`: {first['msg']}."
    problem = _problem(said, case)
    if problem is not None:
        return problem
    evidence, problem = quotes(said.evidence)
    if problem is None and not evidence:
        problem = "`evidence` is empty: give a quote, word for word, from a step of the failing run."
    problems = [problem] if problem is not None else check_quotes(case.failing, evidence)
    if problems:
        return clean(problems[0])
    first = Blamed(
        step=said.step,
        category=said.category,
        explanation=clean(said.explanation.strip()),
        evidence=evidence,
        better_action=better(said.better_action),
        confidence=said.confidence,
    )
    return Decided(first, _runner_up(said, case), by)


def _problem(said: _Answer, case: Case) -> str | None:
    """What is wrong with the step, the category or the action."""
    if said.step not in {step.number for step in case.failing.agent_steps}:
        return f"Step {said.step} is no step of the agent in the failing run."
    if said.category not in CATEGORIES:
        return clean(f"`{said.category[:SHOWN]}` is no category.")
    if said.category != Category.ENVIRONMENT_FAULT.value and better(said.better_action) is None:
        return f"`{said.category}` needs a better action: the tool and its arguments."
    return None


def _runner_up(said: _Answer, case: Case) -> Blamed | None:
    try:
        other = None if said.runner_up is None else _RunnerUp.model_validate(said.runner_up)
    except ValidationError:
        return None
    if other is None or other.step == said.step or other.category not in CATEGORIES:
        return None
    if other.step not in {step.number for step in case.failing.agent_steps}:
        return None
    return Blamed(other.step, other.category, clean(other.explanation.strip()))
