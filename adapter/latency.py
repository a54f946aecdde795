"""How long a step took, and how much of that its LLM call and its tools took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adapter.trial import Span, Step, Timing, ToolCall

_ROUNDING = 0.05
"""Seconds by which recorded times of one step may miss each other."""


@dataclass(frozen=True, slots=True)
class StepLatency:
    """How long a step took, in seconds.

    Attributes:
        seconds: the whole of it; None when not known.
        timing: where that comes from.
        model: its LLM call, as recorded, or what the tools leave of a recorded duration that holds them.
        tools: its tools, a sub-agent's whole run among them; 0 where it called none.
    """

    seconds: float | None
    timing: Timing
    model: float | None
    tools: float | None


def step_latency(step: Step) -> StepLatency:
    """How long a step took.

    Several tool calls may have run at the same time. With all of their starts known, what counts is the time in which
    any of them ran; without, it is known only where at most one of them took any time at all.

    The model's part is what was recorded of it. Else it is what is left of a recorded duration without the tools, where
    these began and ended within that duration, so that it holds them. The gap to a neighbouring time stamp
    (`Timing.GAP`) holds waiting too, and is not shared out.
    """
    tools = _tools(step)
    seconds = step.time.seconds
    model = step.model_seconds
    if model is None and all(_within(call, step.time) for call in step.tool_calls):
        model = left_by_tools(step)
    return StepLatency(seconds, step.timing, model, tools)


def left_by_tools(step: Step) -> float | None:
    """What its tools leave of a step's recorded duration, for one that holds them; None where either is not known."""
    seconds, tools = step.time.seconds, _tools(step)
    if step.timing is not Timing.RECORDED or seconds is None or tools is None or seconds < tools - _ROUNDING:
        return None
    return max(0.0, seconds - tools)


def _tools(step: Step) -> float | None:
    calls = step.tool_calls
    if not calls:
        # Results without a call are those of something that ran, for a time that nothing tells.
        return None if step.observations else 0.0
    lengths = [call.seconds for call in calls if call.seconds is not None]
    if len(lengths) < len(calls):
        return None
    if sum(length > 0 for length in lengths) <= 1:
        return max(lengths)
    starts = [call.started_at for call in calls if call.started_at is not None]
    return _together(starts, lengths) if len(starts) == len(calls) else None


def _together(starts: Sequence[datetime], lengths: Sequence[float]) -> float:
    """Seconds in which any of these was running."""
    # Counted from the first of them: after a time at the end of the calendar there is none.
    first = min(starts)
    begun = [(at - first).total_seconds() for at in starts]
    total = until = 0.0
    for start, length in sorted(zip(begun, lengths, strict=True)):
        end = start + length
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def _within(call: ToolCall, time: Span) -> bool:
    """Whether a call ran within this time, as far as its start shows; one that took no time did."""
    if not call.seconds:
        return True
    if call.started_at is None or time.started_at is None or time.finished_at is None:
        return False
    before = (time.started_at - call.started_at).total_seconds()
    after = (call.started_at - time.finished_at).total_seconds() + call.seconds
    return before <= _ROUNDING and after <= _ROUNDING
