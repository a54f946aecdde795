"""A message of Kilo's as steps of ATIF: an answer of the model, which is one LLM call, is one step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from harbor.models.trajectories import Metrics, Observation, Step

from adapter.kilo.records import Message, Part, moment_of
from adapter.kilo.times import iso
from adapter.kilo.tools import tool_calls
from adapter.kilo.usage import Usage, sum_of, usage_of
from adapter.loose import Json, mapping, number, text
from adapter.prices import is_free

_KNOWN = frozenset(
    (
        "agent",
        "compaction",
        "file",
        "patch",
        "reasoning",
        "retry",
        "snapshot",
        "step-finish",
        "step-start",
        "subtask",
        "text",
        "tool",
    )
)
"""All kinds of parts that Kilo is known to write; some hold nothing that belongs into a trajectory."""
_BILLED_ELSEWHERE = ("kilo", "openrouter")
"""Providers that say themselves what a call cost."""
_LONGEST = 1e10
"""Milliseconds that a call is believed to have taken at most."""


def steps_of(message: Message, variant: str | None = None) -> list[Step]:
    """A message as steps, numbered anew by whoever puts them together; none where nothing was said.

    Args:
        message: the message.
        variant: the reasoning effort of its session.
    """
    if message.role == "assistant":
        return [_agent_step(message, variant)] if _was_called(message) else []
    return list(_other_steps(message))


def unknown_kinds(message: Message) -> list[str]:
    """The kinds of its parts that this converter knows nothing of, and leaves out."""
    return [part.kind for part in message.parts if part.kind not in _KNOWN]


def usage_in(message: Message) -> Usage | None:
    """What an answer used; None where no LLM call of it ended."""
    return sum_of(usage_of(part.data) for part in message.parts if part.kind == "step-finish")


def _was_called(message: Message) -> bool:
    """Whether an answer says anything: that it came, that it failed, or that it was still being waited for.

    Where a prompt was too long for the model, Kilo leaves an answer without any part, ended and without an error.
    """
    is_open = mapping(message.data.get("time")).get("completed") is None
    return bool(message.parts) or message.failure is not None or is_open


def _agent_step(message: Message, variant: str | None) -> Step:
    calls, results = tool_calls(message.parts)
    return Step(
        step_id=1,
        timestamp=iso(message.created),
        source="agent",
        model_name=message.model,
        reasoning_effort=text(message.data.get("variant")) or variant,
        message="\n\n".join(_texts(message.parts)),
        reasoning_content="\n\n".join(_said(message.parts, "reasoning")) or None,
        tool_calls=calls or None,
        observation=Observation(results=results) if results else None,
        metrics=_metrics(message),
        llm_call_count=max(1, sum(part.kind == "step-finish" for part in message.parts)),
        extra=_extra(message),
    )


def _said(parts: Iterable[Part], kind: str) -> list[str]:
    return [said for part in parts if part.kind == kind and (said := text(part.data.get("text"))) is not None]


def _texts(parts: Iterable[Part], *, synthetic: bool = False) -> list[str]:
    """What was said: by Kilo itself (`synthetic`), or by the user or the model; notices for the screen are neither."""
    wanted = (
        part
        for part in parts
        if part.data.get("ignored") is not True and (part.data.get("synthetic") is True) is synthetic
    )
    return _said(wanted, "text")


def _extra(message: Message) -> dict[str, Any]:
    """What ATIF has no field for."""
    finishes = [part.data for part in message.parts if part.kind == "step-finish"]
    usage = usage_in(message)
    notices = _said((part for part in message.parts if part.data.get("ignored") is True), "text")
    retries = sum(part.kind == "retry" for part in message.parts)
    known: dict[str, Any] = {
        "message_id": message.id,
        "agent": text(message.data.get("agent")) or text(message.data.get("mode")),
        "finish_reason": text(finishes[-1].get("reason")) if finishes else None,
        "duration_ms": _duration(message, finishes),
        "compaction_summary": message.data.get("summary") is True or None,
        "error": None if message.failure is None else message.failure.fields(),
        "incomplete": (not finishes and message.failure is None) or None,
        "usage_missing": (usage is not None and usage.is_empty) or None,
        "retries": retries or None,
        "notices": notices or None,
    }
    return {key: value for key, value in known.items() if value is not None}


def _duration(message: Message, finishes: list[Json]) -> int | None:
    """Milliseconds of a call with its tools: as Kilo measured them, else from the message's begin to its end."""
    measured = [number(mapping(one.get("time")).get("elapsed")) for one in finishes]
    known = [one for one in measured if one is not None and 0 <= one <= _LONGEST]
    if known:
        return round(sum(known))
    ended = moment_of(mapping(message.data.get("time")).get("completed"))
    if not finishes or ended is None or message.created is None or ended < message.created:
        return None
    return ended - message.created


def _metrics(message: Message) -> Metrics | None:
    """Tokens and cost; None where none were counted.

    The names under `extra` say what is part of what: cache writes of the prompt, reasoning of the completion.
    """
    usage = usage_in(message)
    if usage is None or usage.is_empty:
        return None
    provider, _, model = (message.model or "").partition("/")
    # Kilo writes 0 where it knows no price.
    cost = usage.cost if usage.cost or (model and is_free(provider, model)) else None
    extra: dict[str, Any] = {
        "reasoning_output_tokens": usage.reasoning,
        "cache_write_input_tokens": usage.cache_write,
    }
    if usage.reasoning_in_output and cost and provider not in _BILLED_ELSEWHERE:
        extra["reasoning_charged_twice"] = True
    return Metrics(
        prompt_tokens=usage.prompt,
        completion_tokens=usage.completion,
        cached_tokens=usage.cache_read,
        cost_usd=cost,
        extra=extra,
    )


def _other_steps(message: Message) -> Iterator[Step]:
    """What the user said, and what Kilo said to the model itself."""
    at = iso(message.created)
    for part in message.parts:
        if part.kind == "compaction":
            how = {key: True for key in ("auto", "overflow") if part.data.get(key) is True}
            said = "[Kilo: the context is compacted: the next answer is a summary of it.]"
            yield Step(step_id=1, timestamp=at, source="system", message=said, extra={"kind": "compaction", **how})
    files = [f"[file: {name}]" for part in message.parts if part.kind == "file" and (name := _file_name(part))]
    if asked := [*_texts(message.parts), *files]:
        extra = {"message_id": message.id}
        source = "user" if message.role == "user" else "system"
        yield Step(step_id=1, timestamp=at, source=source, message="\n\n".join(asked), extra=extra)
    if added := _texts(message.parts, synthetic=True):
        extra = {"kind": "synthetic", "message_id": message.id}
        yield Step(step_id=1, timestamp=at, source="system", message="\n\n".join(added), extra=extra)


def _file_name(part: Part) -> str | None:
    return text(part.data.get("filename")) or text(part.data.get("mime"))
