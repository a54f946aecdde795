"""A verdict agrees with its criterion, and every quote in it stands in the step it names."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from adapter.trial import Source, Status, Step, ToolCall, Trial, Variant
from judges.criteria import criteria
from judges.verdict import Category, Quote, Verdict, check_evidence, check_label

STEP = Step(
    number=2,
    step_id=2,
    source=Source.AGENT,
    message="I run  the\ntests.",
    reasoning="They may fail.",
    tool_calls=(ToolCall("Bash", {"command": "pytest -q", "options": [{"note": "deep"}]}, "1 failed"),),
    observations=("a note",),
)
TRIAL = Trial("j", "t", "job", "trial", "task", "set", Variant("agent"), Status.FAILED, (STEP,))


def verdict(**changes) -> Verdict:
    fields = {
        "trial": "job/trial",
        "step": 2,
        "criterion": "tool_choice",
        "label": "wrong",
        "value": 0,
        "explanation": "It failed.",
        "better_action": "Bash pytest",
        "by": "rule:test",
    }
    return Verdict.model_validate({**fields, **changes})


def test_there_are_twelve_categories() -> None:
    assert len(Category) == 12


def test_a_verdict_is_written_as_documented() -> None:
    written = verdict(evidence=[{"step": 2, "quote": "pytest"}], category="ignored error").model_dump(mode="json")
    assert written == {
        "trial": "job/trial",
        "step": 2,
        "criterion": "tool_choice",
        "label": "wrong",
        "value": 0.0,
        "explanation": "It failed.",
        "evidence": [{"step": 2, "quote": "pytest"}],
        "better_action": "Bash pytest",
        "category": "ignored error",
        "confidence": None,
        "by": "rule:test",
        "prompt_version": None,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"value": 1.5},
        {"value": float("nan")},
        {"confidence": -0.1},
        {"step": 0},
        {"category": "bad luck"},
        {"explanation": " \n"},
        {"evidence": [{"step": 2, "quote": "  "}]},
        {"score": 1},
    ],
)
def test_a_malformed_verdict_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        verdict(**changes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, None),
        ({"label": "acceptable", "value": 0.5, "better_action": None}, None),
        ({"criterion": "reasoning_quality", "label": "not visible", "value": None}, None),
        ({"label": "redundant"}, "no label of tool_choice"),
        ({"value": 0.5}, "value of 'wrong' is 0"),
        ({"value": None}, "value of 'wrong' is 0"),
        ({"better_action": None}, "needs a better action"),
    ],
)
def test_a_verdict_is_held_against_its_criterion(changes: dict[str, object], problem: str | None) -> None:
    judged = verdict(**changes)
    found = check_label(judged, criteria()[judged.criterion])
    assert (problem is None and not found) or (problem is not None and problem in " ".join(found))


def test_a_verdict_is_not_held_against_another_criterion() -> None:
    assert "not 'efficiency'" in check_label(verdict(), criteria()["efficiency"])[0]


@pytest.mark.parametrize(
    ("step", "quote", "found"),
    [
        (2, "run the tests", True),
        (2, "run  the\ntests", True),
        (2, "may fail", True),
        (2, "Bash", True),
        (2, "pytest -q", True),
        (2, "deep", True),
        (2, "1 failed", True),
        (2, "a note", True),
        (2, "run the test.", False),
        (2, "Run the tests", False),
        (2, "pytest -q 1 failed", False),
        (2, "command", False),
        (3, "run", False),
    ],
)
def test_a_quote_stands_word_for_word_in_the_step_it_names(step: int, quote: str, found: bool) -> None:
    problems = check_evidence(TRIAL, verdict(evidence=[Quote(step=step, quote=quote)]))
    assert (problems == []) is found
    assert all(f"step {step}" in problem.lower() for problem in problems)
