"""Which LLM call produced which step: some agents write one call as several steps."""

from __future__ import annotations

from collections.abc import Sequence

from adapter.atif import StepDraft
from adapter.trial import Source


def number_calls(steps: Sequence[StepDraft]) -> list[int | None]:
    """The LLM call of each step, counted from 1; None for steps that no call produced.

    A step without metrics of its own belongs to the call of the agent step before it when both have the same time
    stamp or the same reasoning: agents that split a turn repeat these and put the metrics on its first step.
    """
    numbers: list[int | None] = []
    current = 0
    before: StepDraft | None = None
    for step in steps:
        if step.source is not Source.AGENT or step.is_copied or step.is_dispatch:
            numbers.append(None)
            before = None
            continue
        if before is None or not _continues(before, step):
            current += 1
        numbers.append(current)
        before = step
    return numbers


def _continues(before: StepDraft, step: StepDraft) -> bool:
    if step.has_metrics:
        return False
    same_time = step.timestamp is not None and step.timestamp == before.timestamp
    same_reasoning = bool(step.reasoning) and step.reasoning == before.reasoning
    return same_time or same_reasoning
