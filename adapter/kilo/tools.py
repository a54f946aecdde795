"""A tool call of Kilo's, with what came back, as ATIF has it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harbor.models.trajectories import ObservationResult, SubagentTrajectoryRef, ToolCall

from adapter.kilo.records import Part, moment_of
from adapter.kilo.times import iso
from adapter.loose import Json, as_text, count, finite, mapping, sequence, text
from adapter.trial import JsonValue

_DEEPEST = 100
"""How deep arguments may be, so that the trajectory that holds them stays within what a reader of JSON takes."""
_MOST = 2**32
"""No exit code is so large."""


def tool_calls(parts: Iterable[Part]) -> tuple[list[ToolCall], list[ObservationResult]]:
    """A message's tool calls in the order in which they were begun, and what came back of each that says anything."""
    calls: list[ToolCall] = []
    results: list[ObservationResult] = []
    taken: set[str] = set()
    for part in parts:
        if part.kind != "tool":
            continue
        id_ = text(part.data.get("callID")) or part.id
        if id_ in taken:  # some models number their calls anew in every answer
            id_ = f"{id_}:{part.id}"
        taken.add(id_)
        state = mapping(part.data.get("state"))
        calls.append(_call(id_, part, state))
        # Of a sub-agent, the call names the session.
        child = text(mapping(state.get("metadata")).get("sessionId")) if part.data.get("tool") == "task" else None
        if (result := _result(id_, state, child)) is not None:
            results.append(result)
    return calls, results


def _call(id_: str, part: Part, state: Json) -> ToolCall:
    given, metadata, time = state.get("input"), mapping(state.get("metadata")), mapping(state.get("time"))
    begun, ended = moment_of(time.get("start")), moment_of(time.get("end"))
    known: dict[str, Any] = {
        "status": text(state.get("status")),
        "exit_code": _exit_code(metadata.get("exit")),
        "started_at": iso(begun),
        "duration_ms": ended - begun if begun and ended and ended >= begun else None,
        "truncated": metadata.get("truncated") is True or None,
    }
    return ToolCall(
        tool_call_id=id_,
        function_name=text(part.data.get("tool")) or "unknown",
        arguments=_arguments(given),
        extra={key: value for key, value in known.items() if value is not None} or None,
    )


def _arguments(given: JsonValue) -> dict[str, JsonValue]:
    """What a call was given; what is no object stands under `value`, where Kilo itself puts what it cannot parse."""
    if given is None:
        return {}
    if _is_deep(given, _DEEPEST):
        return {"value": as_text(given)}
    return {key: finite(value) for key, value in given.items()} if isinstance(given, dict) else {"value": finite(given)}


def _is_deep(value: JsonValue, left: int) -> bool:
    """Whether lists and objects stand in each other more than so many levels deep."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (left == 0 and isinstance(value, dict | list)) or any(_is_deep(one, left - 1) for one in inner)


def _exit_code(value: JsonValue) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MOST:
        return None
    return value


def _result(id_: str, state: Json, child: str | None) -> ObservationResult | None:
    """Its output, its error, or what a call that never ended had printed; None where there is none of them."""
    status, metadata = text(state.get("status")), mapping(state.get("metadata"))
    printed = metadata.get("output")
    extra: dict[str, Any] = {}
    if status == "completed":
        content = state.get("output")
    elif status == "error":
        extra["is_error"] = True
        # A tool that was stopped has an error, and beside it what it had printed.
        texts = [as_text(one) for one in (printed, state.get("error")) if one]
        content = "\n".join(texts)
    else:
        extra["incomplete"] = True
        content = printed
    if files := [_file(mapping(one)) for one in sequence(state.get("attachments"))]:
        extra["attachments"] = files
    if content is None and child is None:
        return None
    references = [SubagentTrajectoryRef(trajectory_id=child, session_id=child)] if child else None
    return ObservationResult(
        source_call_id=id_,
        content=None if content is None else as_text(content),
        subagent_trajectory_ref=references,
        extra=extra or None,
    )


def _file(attachment: Json) -> dict[str, str | int]:
    """What is known of an attached file, without what is in it."""
    url = text(attachment.get("url")) or ""
    names = {key: found for key in ("mime", "filename") if (found := text(attachment.get(key))) is not None}
    return {**names, "characters": count(len(url)) or 0}
