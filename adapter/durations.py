"""How long something took, where an agent writes it down: the names that durations stand under, and their units."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from adapter.loose import Json, epoch, mapping, moment, number
from adapter.trial import JsonValue, Span

LONGEST = 7 * 24 * 3600.0
"""Seconds beyond which a recorded duration is not believed."""

OF_STEP: Mapping[str, float] = {
    "duration_seconds": 1.0,
    "duration_sec": 1.0,
    "duration_s": 1.0,
    "duration_ms": 0.001,
    "elapsed_ms": 0.001,
}
"""A step's duration, in its `extra` or its metrics' `extra`, and the unit in seconds."""
OF_CALL: Mapping[str, float] = {
    "llm_duration_seconds": 1.0,
    "llm_latency_seconds": 1.0,
    "llm_duration_ms": 0.001,
    "llm_latency_ms": 0.001,
    "api_duration_ms": 0.001,
    "duration_api_ms": 0.001,
}
"""Its LLM call's, at the same places. Names without a unit, or that may mean all of the step, are left out."""
_OF_TOOL: Mapping[str, float] = {
    **OF_STEP,
    "wall_time_seconds": 1.0,
    "durationSeconds": 1.0,
    "durationMs": 0.001,
    "totalDurationMs": 0.001,
}
"""A tool's, in the `extra` of its call or result. The last three are Claude Code's (web search; files, web; agents)."""
_STARTS = ("started_at", "start_time")
_ENDS = ("finished_at", "ended_at", "end_time")
_OF_INTEREST = frozenset((*_OF_TOOL, *_STARTS))
_CLAUDE_CODES = "tool_result_metadata"
_UNKNOWN = (None, None)

type Ran = tuple[datetime | None, float | None]
"""When a tool began, and for how many seconds it ran."""


def seconds(values: Json, names: Mapping[str, float]) -> float | None:
    """The first believable duration under these names, in seconds."""
    for name, unit in names.items():
        found = number(values.get(name))
        if found is not None and 0 <= found * unit <= LONGEST:
            return found * unit
    return None


def ran(extra: JsonValue | Json) -> Ran:
    """When a tool ran, by the `extra` of its call or its result: its duration, or else its start and its end.

    Claude Code's own account of a result stands one level deeper, where Harbor keeps it.
    """
    values = mapping(extra)
    if _CLAUDE_CODES in values:
        own = mapping(mapping(values[_CLAUDE_CODES]).get("tool_use_result"))
        return _UNKNOWN if _OF_INTEREST.isdisjoint(own) else (None, seconds(own, _OF_TOOL))
    if _OF_INTEREST.isdisjoint(values):
        return _UNKNOWN
    start = _first_moment(values, _STARTS)
    took = seconds(values, _OF_TOOL)
    if took is None:
        took = Span(start, _first_moment(values, _ENDS)).seconds
    return start, took if took is None or took <= LONGEST else None


def _first_moment(values: Json, names: tuple[str, ...]) -> datetime | None:
    found = [one for name in names if (one := moment(value := values.get(name)) or epoch(value)) is not None]
    return found[0] if found else None
