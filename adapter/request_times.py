"""How long LLM calls took, where an agent keeps it in Harbor's result alone: Terminus and Computer 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from adapter.durations import LONGEST
from adapter.loose import Json, count, mapping, number, sequence, text
from adapter.trial import Finding, JsonValue, Severity, Step, Timing

_KEY = "api_request_times_msec"
_SUMMARIES = ("summarization_count", "compaction_count")
_SKEW = 1.0
"""Seconds by which a call may seem to take longer than its step."""


def with_request_times(steps: tuple[Step, ...], result: Json, findings: list[Finding]) -> tuple[Step, ...]:
    """The steps with the times of their LLM calls.

    The agent adds a time for each request that was answered, in order, those of its summaries among them, and names
    none of them. They are taken for the calls only where there are as many times as calls, and no call would have
    taken longer than its step: a request whose answer became no step (a time-out, a short summary) is counted too,
    and from there on each time would stand at another call.

    Args:
        steps: of the trial.
        result: its `result.json`.
        findings: is told of requests that became no step, and of contexts that were summarised: a run's total may
            hold calls that its steps do not.
    """
    contexts = {"": result} | {
        text(one.get("step_name")) or "": one for one in map(mapping, sequence(result.get("step_results")))
    }
    found: dict[int, float] = {}
    for segment, context in contexts.items():
        metadata = mapping(mapping(context.get("agent_result")).get("metadata"))
        summaries = next((one for key in _SUMMARIES if (one := count(metadata.get(key)))), None)
        if summaries is not None:
            message = f"The agent says that it summarised its context {summaries} times."
            findings.append(Finding("context_summarised", Severity.INFO, message))
        if metadata.get(_KEY):
            own = [step for step in steps if step.segment == segment]
            found |= _of_calls(own, sequence(metadata[_KEY]), findings)
    if not found:
        return steps
    return tuple([replace(step, model_seconds=found.get(step.number, step.model_seconds)) for step in steps])


def _of_calls(steps: Sequence[Step], recorded: Sequence[JsonValue], findings: list[Finding]) -> dict[int, float]:
    """Seconds by the number of the first step of each call; nothing where they do not fit."""
    first: dict[int, Step] = {}
    for step in steps:
        if step.call is not None:
            first.setdefault(step.call, step)
    times = [one / 1000 for value in recorded if (one := number(value)) is not None and 0 <= one <= LONGEST * 1000]
    if len(times) > len(first) > 0:
        message = f"{len(times) - len(first)} of {len(times)} requests that were answered became no step."
        findings.append(Finding("requests_without_step", Severity.INFO, message))
    if not len(times) == len(recorded) == len(first):
        return {}
    pairs = list(zip(first.values(), times, strict=True))
    return {step.number: took for step, took in pairs} if all(_fits(*pair) for pair in pairs) else {}


def _fits(step: Step, took: float) -> bool:
    within = step.time.seconds if step.timing is not Timing.UNKNOWN else None
    return step.model_seconds is None and (within is None or took <= within + _SKEW)
