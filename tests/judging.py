"""What tests of judge models share: answers that are as they should be, until a test says otherwise."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripted_judge import Answer, Asked, ScriptedJudge

MODEL, OTHER, THIRD = "openai/gpt-4.1-mini", "openai/gpt-4.1", "openai/gpt-4o"
"""Names that LiteLLM knows, with a price; a scripted server answers for them."""
UNPRICED = "openai/scripted"
BEST = {"tool_choice": "correct", "reasoning_quality": "sound", "efficiency": "necessary"}
type Pair = tuple[int, str]


def pairs(asked: Asked) -> list[Pair]:
    """What a request asks for: steps and criteria."""
    question = asked.text.rsplit("trajectory ends]", 1)[1]
    return [
        (int(step), name)
        for step, names in re.findall(r"^step (\d+): (.+)$", question, re.MULTILINE)
        for name in names.split(", ")
    ]


def verdict(step: int, criterion: str, label: str | None = None, **fields: Any) -> dict[str, Any]:
    """A verdict as a judge writes it; the best one, if nothing else is said."""
    return {
        "step": step,
        "criterion": criterion,
        "explanation": "It follows from what was known.",
        "evidence": [],
        "label": label or BEST[criterion],
        "better_action": None,
        "category": None,
        "confidence": 0.8,
    } | fields


def bad(step: int, criterion: str, label: str, quote: str, *, at: int | None = None, **fields: Any) -> dict[str, Any]:
    """A verdict below the best, with all that it needs."""
    return verdict(
        step,
        criterion,
        label,
        evidence=[{"step": at or step, "quote": quote}],
        better_action={"tool": "Bash", "arguments": "ls"},
        category="repeated action",
        **fields,
    )


def said(*verdicts: dict[str, Any], **fields: Any) -> Answer:
    """An answer with these verdicts."""
    return Answer(json.dumps({"trajectory": "BOUNDARY", "verdicts": verdicts}), **fields)


def command(kilobench: Any, job: Path, opik: str) -> Callable[..., Any]:
    """Runs `kilobench judge` on a job, with scripted models; further arguments are the command's."""

    def call(judge: ScriptedJudge, *arguments: object, models: tuple[str, ...] = (MODEL,)) -> Any:
        named = [one for model in models for one in ("--judge-model", model)]
        return kilobench("judge", job, *named, "--judge-api-base", judge.url, "--opik", opik, "--json", *arguments)

    return call


def good(asked: Asked) -> Answer:
    """The best verdict on everything."""
    return said(*(verdict(*pair) for pair in pairs(asked)))


def instead(changed: dict[Pair, dict[str, Any] | None]) -> Callable[[Asked], Answer]:
    """The best verdict on everything but these; None leaves one out."""

    def answer(asked: Asked) -> Answer:
        given = [changed.get(pair, verdict(*pair)) for pair in pairs(asked)]
        return said(*(one for one in given if one is not None))

    return answer
