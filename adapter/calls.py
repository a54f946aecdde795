"""Which LLM call produced which step: some agents write one call as several steps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from adapter.atif import StepDraft
from adapter.trial import Source


def number_calls(steps: Sequence[StepDraft]) -> list[int | None]:
    """The LLM call of each step, counted from 1; None for steps that no call of their own produced.

    A step without metrics of its own belongs to the call of the agent step before it when both have the same
    reasoning, or the same time stamp and that call has metrics: agents that split a turn repeat these and put the
    metrics on its first step.

    No call of their own have: what others than the agent said; context that was carried over; empty steps, which some
    agents write as placeholders or to carry the results of earlier calls; and tool calls that were put at the end
    of the file because no result ever came, with time stamps from before steps whose metrics are known.
    """
    numbers: list[int | None] = []
    current = 0
    has_metrics = False
    before: StepDraft | None = None
    latest: datetime | None = None
    for step in steps:
        if step.source is not Source.AGENT or step.is_copied or step.is_dispatch:
            numbers.append(None)
            before = None
            continue
        if _is_empty(step):
            numbers.append(None)
            continue
        if before is None or not _continues(before, step, has_metrics):
            if not step.has_metrics and latest is not None and step.timestamp is not None and step.timestamp < latest:
                numbers.append(None)
                continue
            current += 1
            has_metrics = step.has_metrics
        numbers.append(current)
        before = step
        if step.has_metrics and step.timestamp is not None:
            latest = step.timestamp if latest is None else max(latest, step.timestamp)
    return numbers


def _is_empty(step: StepDraft) -> bool:
    return step.says_nothing and not step.observations and step.tokens is None and step.cost_usd is None


def _continues(before: StepDraft, step: StepDraft, has_metrics: bool) -> bool:
    """Whether a step belongs to the call of the one before it, whose first step has metrics or has none."""
    if step.has_metrics:
        return False
    same_time = has_metrics and step.timestamp is not None and step.timestamp == before.timestamp
    same_reasoning = bool(step.reasoning) and step.reasoning == before.reasoning
    return same_time or same_reasoning
