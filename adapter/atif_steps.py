"""One step of an ATIF trajectory as its file has it, whatever its faults: nothing unreadable becomes a value."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from adapter.durations import OF_CALL, OF_STEP, ran, seconds
from adapter.errors import UnreadableError
from adapter.files import parse_json
from adapter.loose import EMPTY, Json, as_text, count, epoch, finite, mapping, moment, sequence, text
from adapter.service import read_service
from adapter.tokens import Convention, has_metrics, raw_numbers, read_metrics
from adapter.trial import Finding, JsonValue, Provenance, Service, Severity, Source, Tokens

_SOURCES = {
    "agent": Source.AGENT,
    "assistant": Source.AGENT,
    "model": Source.AGENT,
    "user": Source.USER,
    "human": Source.USER,
    "system": Source.SYSTEM,
}
_CALL_KEYS = ("api_call_id", "response_id", "message_id", "model_call_id", "generation_id", "request_id")
"""Where agents name the LLM call that a step comes from, in the step's `extra`."""
_LONGEST_ARGUMENTS = 1_000_000
"""Characters up to which arguments that are a JSON text are parsed."""
_OF_INTEREST = frozenset((*_CALL_KEYS, *OF_STEP, *OF_CALL))
_REASONING = ("reasoning", "reasoning_content")
"""Where a message holds its reasoning."""
_BESIDE_TEXT = (*_REASONING, "tool_calls")
"""What a message holds beside its text."""
_ARGUMENTS = ("input", "args", "parameters")
"""Where others than ATIF and OpenAI put a tool call's arguments."""
_OF_CALL = frozenset(("tool_call_id", "function_name", "name", "arguments", "extra"))
"""What a tool call may have and still be in ATIF's shape."""
_TRUE = (1, "true", "1", "yes")
_FALSE = (0, "false", "0", "no", "")
_LOOKED_AT = 1_000
"""Among how many findings of a file an earlier one of the same code is looked for."""


@dataclass(slots=True)
class CallDraft:
    """A tool call; its result may still be found in a later step.

    Attributes:
        started: references to the sub-agents that it started, as its result has them.
        seconds: how long it ran, as recorded.
        started_at: when it began, likewise.
    """

    name: str
    arguments: dict[str, JsonValue] | str
    id: str | None
    output: str | None = None
    started: list[Json] = field(default_factory=list[Json])
    seconds: float | None = None
    started_at: datetime | None = None

    def take_time(self, extra: JsonValue | Json) -> None:
        """Takes what the `extra` of the call or of its result says of when it ran; what is known already stays."""
        start, took = ran(extra)
        self.seconds = took if self.seconds is None else self.seconds
        self.started_at = self.started_at or start


@dataclass(slots=True)
class StepDraft:
    """One step as the file has it, before it gets its place in the trial.

    Attributes:
        position: its place in the file, from 1, which findings name.
        step_id: its number as the file has it.
        calls: how many LLM calls it comes from, as the producer says; 1 where it does not.
        is_dispatch: an agent's step that, as the producer says, was made without an LLM call.
        call_key: the producer's own name for the LLM call it comes from.
        asked: how many tool calls its message announces that steps of their own may hold.
        announced: these calls, where its own are fewer.
        duration: seconds it took, as recorded.
        model_seconds: seconds its LLM call took, likewise.
        service: how its LLM call was served.
        subagent: the sub-agent that acted, where its steps stand among the agent's own.
        started: references to sub-agents that none of its calls started.
    """

    position: int
    step_id: int
    source: Source
    message: str
    reasoning: str | None
    model: str | None
    effort: str | None
    timestamp: datetime | None
    is_copied: bool
    tokens: Tokens | None
    cost_usd: float | None
    cost_provenance: Provenance
    has_metrics: bool
    is_dispatch: bool
    calls: int
    call_key: str | None
    asked: int
    duration: float | None
    model_seconds: float | None
    service: Service | None
    subagent: str
    raw: dict[str, int | float]
    tool_calls: list[CallDraft]
    announced: tuple[CallDraft, ...] = ()
    observations: list[str] = field(default_factory=list[str])
    started: list[Json] = field(default_factory=list[Json])

    @property
    def says_nothing(self) -> bool:
        """Whether no text and no tool call stands in it."""
        return not (self.tool_calls or self.reasoning or self.message.strip())


def read_step(value: Json, position: int, findings: list[Finding], convention: Convention) -> StepDraft:
    """One step.

    Args:
        value: the step as the file has it.
        position: its place in the file, from 1; its number where it has none of its own.
        findings: is told of what is wrong with it.
        convention: how its token counts are to be taken.
    """
    get = value.get
    source = _source(get("source"))
    if source is None:
        message = f"`source` is {get('source')!r:.40}: read as system."
        findings.append(Finding("unknown_source", Severity.WARNING, message, position))
    effort, calls, message = get("reasoning_effort"), get("tool_calls"), get("message")
    reasoning, asked, inside, announced = None, 0, [], ()
    if not isinstance(message, str):
        said = _said(message, position, findings, of_agent=source is Source.AGENT)
        message, reasoning, asked, inside = said.text, said.reasoning, said.asked, said.calls
    own = _tool_calls(calls, position, findings) if calls else []
    if asked > len(own):
        announced = tuple(_tool_calls(inside, position, findings))
    stamp, copied = get("timestamp"), get("is_copied_context")
    timestamp = moment(stamp)
    if timestamp is None and stamp:
        timestamp = _odd_stamp(stamp, position, findings)
    if copied is not None and not isinstance(copied, bool):
        copied = _is_copied(copied, position, findings)
    metrics, extra = mapping(get("metrics")), mapping(get("extra"))
    tokens = cost = duration = of_model = None
    marked = False
    more: Json = EMPTY
    if metrics:
        tokens, cost = read_metrics(metrics, findings, position, convention)
        more = mapping(metrics.get("extra"))
        if not _OF_INTEREST.isdisjoint(more):
            duration, of_model = seconds(more, OF_STEP), seconds(more, OF_CALL)
        marked = more.get("cost_source") == "litellm_estimate"
    call_key, subagent = None, ""
    if extra:
        if extra.get("is_sidechain") is True:
            # Claude Code writes a sub-agent's steps among the agent's own.
            subagent = text(extra.get("agent_id")) or "sidechain"
        if not _OF_INTEREST.isdisjoint(extra):
            call_key = next((key for name in _CALL_KEYS if (key := text(extra.get(name)))), None)
            duration = seconds(extra, OF_STEP) or duration
            of_model = seconds(extra, OF_CALL) or of_model
    provenance = Provenance.UNKNOWN
    if cost is not None:
        provenance = Provenance.PRICED if marked else convention.habits.costs
    return StepDraft(
        position=position,
        step_id=count(get("step_id")) or position,
        source=source or Source.SYSTEM,
        message=message,
        reasoning=text(get("reasoning_content")) or reasoning,
        model=text(get("model_name")),
        effort=None if effort is None else as_text(effort),
        timestamp=timestamp,
        is_copied=copied is True,
        tokens=tokens,
        cost_usd=cost,
        cost_provenance=provenance,
        has_metrics=bool(metrics) and has_metrics(metrics),
        is_dispatch=_is_zero(get("llm_call_count")),
        calls=count(get("llm_call_count")) or 1,
        call_key=call_key,
        asked=asked,
        duration=duration,
        model_seconds=of_model,
        service=read_service(more, extra) if more or extra else None,
        subagent=subagent,
        raw=raw_numbers(metrics) if metrics else {},
        tool_calls=own,
        announced=announced,
    )


def _is_zero(value: JsonValue) -> bool:
    return value == 0 and value is not False


def _source(value: JsonValue) -> Source | None:
    return (_SOURCES.get(value) or _SOURCES.get(value.lower())) if isinstance(value, str) else None


def _once(findings: list[Finding], finding: Finding) -> None:
    """Adds a finding that is said once for a file."""
    if all(one.code != finding.code for one in islice(findings, _LOOKED_AT)):
        findings.append(finding)


def _odd_stamp(stamp: JsonValue, position: int, findings: list[Finding]) -> datetime | None:
    """A time stamp that is no ISO 8601 time."""
    found = epoch(stamp)
    if found is None:
        note = f"`timestamp` is {as_text(stamp):.40}: no time that can be read."
        findings.append(Finding("bad_timestamp", Severity.WARNING, note, position))
    else:
        note = "Time stamps are counts since 1970: read as UTC."
        _once(findings, Finding("epoch_timestamp", Severity.INFO, note, position))
    return found


def _is_copied(value: JsonValue, position: int, findings: list[Finding]) -> bool:
    """Whether a step is marked as copied context, by a mark that may be no boolean."""
    plain = value.strip().lower() if isinstance(value, str) else value
    is_copied = plain in _TRUE
    meaning = "true" if is_copied else "false" if plain in _FALSE else "no truth value: the step is taken as its own"
    note = f"`is_copied_context` is {as_text(value):.40}: read as {meaning}."
    _once(findings, Finding("copied_shape", Severity.INFO, note, position))
    return is_copied


@dataclass(frozen=True, slots=True)
class _Said:
    """What a message that is no plain text holds.

    Attributes:
        asked: how many tool calls it announces.
        calls: those of them that can be read, as they stand.
    """

    text: str = ""
    reasoning: str | None = None
    asked: int = 0
    calls: list[JsonValue] = field(default_factory=list["JsonValue"])


def _said(message: JsonValue, position: int, findings: list[Finding], *, of_agent: bool) -> _Said:
    """A step's text, and the reasoning and the calls that some producers put into the message itself."""
    if isinstance(message, dict):
        said, note = _object_said(message, of_agent=of_agent)
        findings.append(Finding("message_is_object", Severity.INFO, f"`message` is an object: {note}.", position))
        return said
    if not any("role" in mapping(part) for part in sequence(message)):
        return _Said(content_text(message))
    note = "`message` is a list of messages: their texts follow one another."
    findings.append(Finding("message_is_list", Severity.INFO, note, position))
    parts = sequence(message)
    if not of_agent:
        return _Said(_texts(parts))
    # What others said in the list was not thought by this agent now.
    own = [mapping(part) for part in parts if _source(mapping(part).get("role")) is Source.AGENT]
    reasoning = "\n".join(filter(None, map(_reasoning, own)))
    return _Said(_texts(parts, taken=_REASONING), reasoning or None)


def _object_said(message: Json, *, of_agent: bool) -> tuple[_Said, str]:
    """What a message that is an object holds, and what was made of it."""
    listed = message.get("tool_calls")
    announced = listed if isinstance(listed, list) else [listed] if listed else []
    # Only an agent's calls are calls, and only those that say of which tool; others stay in the text.
    calls: list[JsonValue] = [call for call in announced if of_agent and _tool_name(mapping(call))]
    taken = _BESIDE_TEXT if len(calls) == len(announced) else _REASONING
    left: dict[str, JsonValue] = {key: value for key, value in message.items() if key not in taken}
    texts: list[str] = []
    if message.get("content") is not None:
        texts.append(content_text(message["content"]))
        note = "its `content` is the text"
    elif isinstance(message.get("messages"), list):
        texts.append(_texts(sequence(message["messages"])))
        note = "the texts of its `messages` are the text"
    elif any(value for key, value in left.items() if key != "role"):
        return _Said(as_text(left), _reasoning(message), len(announced), calls), "it is kept as JSON"
    else:
        note = "it holds no text"
    if "tool_calls" in left and any(announced):
        texts.append(as_text({"tool_calls": left["tool_calls"]}))
    return _Said("\n".join(texts), _reasoning(message), len(announced), calls), note


def _texts(messages: Sequence[JsonValue], taken: Collection[str] = ()) -> str:
    """The texts of messages, and what else they hold as JSON, but for what was taken from the agent's own."""
    texts: list[str] = []
    for message in messages:
        fields = mapping(message)
        if "role" not in fields:
            texts.append(content_text([message]))
            continue
        is_own = _source(fields["role"]) is Source.AGENT
        own = {key: value for key, value in fields.items() if key not in taken or not is_own}
        is_text = isinstance(own.get("text"), str) or own.get("content") is not None
        beside = {key: own[key] for key in _BESIDE_TEXT if own.get(key)} if is_text else {}
        if is_text or any(value for key, value in own.items() if key != "role"):
            texts.append(content_text([own]))
        if beside:
            texts.append(as_text(beside))
    return "\n".join(texts)


def _reasoning(message: Json) -> str | None:
    """A message's reasoning; under two names that say the same it stands once."""
    found = [content_text(value) for name in _REASONING if (value := message.get(name))]
    return "\n".join(dict.fromkeys(found)).strip() or None


def content_text(content: JsonValue) -> str:
    """Text of a message or observation: parts one below the other, what is no text as a mark of its kind."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return as_text(content)
    parts: list[str] = []
    for part in content:
        fields = mapping(part)
        if isinstance(fields.get("text"), str):
            parts.append(as_text(fields["text"]))
        elif fields.get("type") in ("image", "audio"):
            parts.append(f"[{fields['type']}: {as_text(mapping(fields.get('source')).get('path')) or 'embedded'}]")
        elif fields.get("content") is not None:
            parts.append(content_text(fields["content"]))
        else:
            parts.append(as_text(part))
    return "\n".join(parts)


def _finite(arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Arguments without NaN and infinities; mostly they are texts, and stay as they are."""
    if all(type(value) is str for value in arguments.values()):
        return arguments
    return {key: finite(value) for key, value in arguments.items()}


def call_id(value: JsonValue) -> str | None:
    """What names a tool call: a text that is not blank, or a whole number as text."""
    if isinstance(value, str):
        return value if value.strip() else None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _tool_calls(calls: JsonValue, position: int, findings: list[Finding]) -> list[CallDraft]:
    """A step's tool calls, in whatever shape they stand there."""
    drafts: list[CallDraft] = []
    is_odd = not isinstance(calls, list)
    for call in calls if isinstance(calls, list) else [calls]:
        if isinstance(call, dict):
            name, raw, own = call.get("function_name"), call.get("arguments"), call.get("tool_call_id")
            if (
                isinstance(raw, dict)
                and isinstance(name, str)
                and isinstance(own, str)
                and name.strip()
                and own.strip()
            ):
                drafts.append(CallDraft(name, _finite(raw), own))
                if call.get("extra"):
                    drafts[-1].take_time(call["extra"])
                continue
        is_odd = _is_odd_call(call) or is_odd
        drafts.append(_other_call(call, position, findings))
        drafts[-1].take_time(mapping(call).get("extra"))
    if is_odd:
        note = "Tool calls are not in ATIF's shape: read as far as their shape is known."
        findings.append(Finding("tool_call_shape", Severity.INFO, note, position))
    return drafts


def _is_odd_call(call: JsonValue) -> bool:
    """Whether a call is in no shape of ATIF's, apart from what it lacks and from arguments that are no object."""
    own = mapping(call).get("tool_call_id")
    return not isinstance(call, dict) or not _OF_CALL.issuperset(call) or not (own is None or isinstance(own, str))


def _tool_name(call: Json) -> str | None:
    function = call.get("function")
    named = text(call.get("function_name")) or text(call.get("name"))
    return named or text(mapping(function).get("name")) or text(function)


def _other_call(call: JsonValue, position: int, findings: list[Finding]) -> CallDraft:
    """A tool call that lacks something, or has another shape: OpenAI's (`function`), Anthropic's (`input`), a text."""
    if not isinstance(call, dict):
        return CallDraft("unknown", as_text(call), None)
    name, own = _tool_name(call), call_id(call.get("tool_call_id")) or call_id(call.get("id"))
    held = (call.get("arguments"), mapping(call.get("function")).get("arguments"), *map(call.get, _ARGUMENTS))
    raw = next((value for value in held if value is not None), None)
    if raw is None and name is None:
        raw = {key: value for key, value in call.items() if key not in ("tool_call_id", "id") and value} or None
    if isinstance(raw, dict):
        return CallDraft(name or "unknown", _finite(raw), own)
    return CallDraft(name or "unknown", _arguments(raw, position, findings), own)


def _arguments(raw: JsonValue, position: int, findings: list[Finding]) -> dict[str, JsonValue] | str:
    """Arguments that are no object: those of a JSON text, else the text that stands there."""
    if raw is None:
        return ""
    note = "Tool arguments are no JSON object: kept as text."
    if isinstance(raw, str) and len(raw) > _LONGEST_ARGUMENTS:
        note = f"Tool arguments of {len(raw):,} characters are too long to be parsed: kept as text."
    elif isinstance(raw, str):
        parsed: JsonValue = None
        with suppress(UnreadableError):  # it is kept as the text that it is
            parsed = parse_json(raw.encode("utf-8", "replace"), "arguments")
        if isinstance(parsed, dict):
            note = "Tool arguments are a JSON text: parsed."
            findings.append(Finding("arguments_as_text", Severity.INFO, note, position))
            return _finite(parsed)
    findings.append(Finding("arguments_unparsable", Severity.WARNING, note, position))
    return as_text(raw)
