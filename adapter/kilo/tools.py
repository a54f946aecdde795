"""A tool call of Kilo's, with what came back, as ATIF has it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harbor.models.trajectories import ObservationResult, SubagentTrajectoryRef, ToolCall

from adapter.kilo.records import Part, moment_of
from adapter.kilo.times import iso
from adapter.loose import Json, as_text, count, finite, mapping, sequence, text
from adapter.trial import JsonValue


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
        if (result := _result(id_, state)) is not None:
            results.append(result)
    return calls, results


def started(state: Json) -> str | None:
    """The session of the sub-agent that a call started, else None."""
    return text(mapping(state.get("metadata")).get("sessionId"))


def _call(id_: str, part: Part, state: Json) -> ToolCall:
    """Arguments that are no object stand under `value`, where Kilo itself puts those that it cannot parse."""
    given, metadata, time = state.get("input"), mapping(state.get("metadata")), mapping(state.get("time"))
    begun, ended = moment_of(time.get("start")), moment_of(time.get("end"))
    known: dict[str, Any] = {
        "status": text(state.get("status")),
        "exit_code": _exit_code(metadata.get("exit")),
        "started_at": iso(begun),
        "duration_ms": ended - begun if begun and ended and ended >= begun else None,
        "truncated": metadata.get("truncated") is True or None,
    }
    arguments = _finite(given) if isinstance(given, dict) else {} if given is None else {"value": finite(given)}
    return ToolCall(
        tool_call_id=id_,
        function_name=text(part.data.get("tool")) or "unknown",
        arguments=arguments,
        extra={key: value for key, value in known.items() if value is not None} or None,
    )


def _finite(given: Json) -> dict[str, JsonValue]:
    return {key: finite(value) for key, value in given.items()}


def _exit_code(value: JsonValue) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _result(id_: str, state: Json) -> ObservationResult | None:
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
    session = started(state)
    if content is None and session is None:
        return None
    references = [SubagentTrajectoryRef(trajectory_id=session, session_id=session)] if session else None
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
