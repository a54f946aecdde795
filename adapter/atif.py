"""Reading one ATIF trajectory file, whatever its version and its faults.

Harbor's own strict model says whether the file keeps the schema; what it refuses is read all the same, and named.
Nothing readable is dropped, nothing unreadable becomes a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from harbor.models.trajectories import Trajectory as StrictTrajectory
from pydantic import ValidationError
from pydantic_core import from_json

from adapter.errors import UnreadableError
from adapter.loose import Json, as_text, count, mapping, moment, read_json, sequence, text
from adapter.tokens import read_metrics, read_totals
from adapter.trial import Finding, JsonValue, Severity, Source, Tokens

_SOURCES = {"agent": Source.AGENT, "assistant": Source.AGENT, "user": Source.USER, "system": Source.SYSTEM}


@dataclass(slots=True)
class CallDraft:
    """A tool call; its result may still be found in a later step."""

    name: str
    arguments: dict[str, JsonValue] | str
    id: str | None
    output: str | None = None


@dataclass(slots=True)
class StepDraft:
    """One step as the file has it, before it gets its place in the trial."""

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
    has_metrics: bool
    is_dispatch: bool
    """an agent step that the producer says was made without an LLM call"""
    tool_calls: list[CallDraft] = field(default_factory=list[CallDraft])
    observations: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class TrajectoryFile:
    """What one trajectory file says. Findings name steps by `step_id`."""

    version: str | None
    agent: str | None
    agent_version: str | None
    model: str | None
    steps: tuple[StepDraft, ...]
    tokens: Tokens | None
    cost_usd: float | None
    findings: tuple[Finding, ...]


def read_trajectory(path: Path) -> TrajectoryFile:
    """Reads a trajectory file.

    Raises:
        UnreadableError: it is no JSON object; the message says why.
    """
    value = read_json(path)
    if not isinstance(value, Mapping):
        raise UnreadableError(f"{path.name} holds no JSON object")
    findings = list(_schema_findings(value))
    steps = tuple(
        _step(mapping(step), position, findings) for position, step in enumerate(sequence(value.get("steps")), 1)
    )
    findings.extend(_time_findings(value, steps))
    findings.extend(
        Finding(f"{key}_not_read", Severity.WARNING, f"The run goes on under `{key}`, which is not read.")
        for key in ("subagent_trajectories", "continued_trajectory_ref")
        if value.get(key)
    )
    agent = mapping(value.get("agent"))
    tokens, cost = read_totals(mapping(value.get("final_metrics")))
    return TrajectoryFile(
        version=text(value.get("schema_version")),
        agent=text(agent.get("name")),
        agent_version=text(agent.get("version")),
        model=text(agent.get("model_name")),
        steps=steps,
        tokens=tokens,
        cost_usd=cost,
        findings=tuple(findings),
    )


def _schema_findings(value: Json) -> Iterator[Finding]:
    """What Harbor's strict model has against the file, in one finding."""
    try:
        StrictTrajectory.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the trajectory"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        yield Finding("off_schema", Severity.INFO, f"Harbor's model refuses {place}: {first['msg']}{more}.")
    if not sequence(value.get("steps")):
        yield Finding("no_steps", Severity.WARNING, "The trajectory holds no steps.")


def _time_findings(value: Json, steps: tuple[StepDraft, ...]) -> Iterator[Finding]:
    stamps = [mapping(step).get("timestamp") for step in sequence(value.get("steps"))]
    if any(isinstance(stamp, str) and _is_naive(stamp) for stamp in stamps):
        yield Finding("naive_timestamp", Severity.INFO, "Time stamps without a zone are taken as UTC.")
    known = [step.timestamp for step in steps if step.timestamp is not None]
    if any(later < earlier for earlier, later in pairwise(known)):
        yield Finding("timestamps_backward", Severity.INFO, "Time stamps go backward from one step to the next.")
    if steps and len(known) < len(steps):
        yield Finding(
            "no_timestamp",
            Severity.INFO,
            f"{len(steps) - len(known)} of {len(steps)} steps have no time stamp.",
        )


def _is_naive(stamp: str) -> bool:
    try:
        return datetime.fromisoformat(stamp).tzinfo is None
    except ValueError:
        return False


def _step(value: Json, position: int, findings: list[Finding]) -> StepDraft:
    step_id = count(value.get("step_id")) or position
    source = _SOURCES.get(str(value.get("source")).lower())
    if source is None:
        findings.append(
            Finding(
                "unknown_source",
                Severity.WARNING,
                f"`source` is {value.get('source')!r:.40}: read as system.",
                step_id,
            )
        )
    message, reasoning = _message(value, step_id, findings)
    tokens, cost = read_metrics(mapping(value.get("metrics")), findings, step_id)
    effort = value.get("reasoning_effort")
    step = StepDraft(
        step_id=step_id,
        source=source or Source.SYSTEM,
        message=message,
        reasoning=text(value.get("reasoning_content")) or reasoning,
        model=text(value.get("model_name")),
        effort=None if effort is None else as_text(effort),
        timestamp=moment(value.get("timestamp")),
        is_copied=value.get("is_copied_context") is True,
        tokens=tokens,
        cost_usd=cost,
        has_metrics=bool(value.get("metrics")),
        is_dispatch=value.get("llm_call_count") == 0 and value.get("llm_call_count") is not False,
        tool_calls=[_tool_call(mapping(call), step_id, findings) for call in sequence(value.get("tool_calls"))],
    )
    _give_results(step, mapping(value.get("observation")))
    return step


def _message(value: Json, step_id: int, findings: list[Finding]) -> tuple[str, str | None]:
    """The text of a step, and the reasoning that some producers put into the message itself."""
    message = value.get("message")
    if isinstance(message, str) or message is None:
        return message or "", None
    if isinstance(message, Mapping):
        findings.append(
            Finding(
                "message_is_object",
                Severity.INFO,
                "`message` is an object: its `content` is the text.",
                step_id,
            )
        )
        content = message.get("content")
        return content_text(content if content is not None else ""), text(message.get("reasoning"))
    return content_text(message), None


def content_text(content: JsonValue) -> str:
    """Text of a message or observation: parts one below the other, what is no text as a mark of its kind."""
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


def _tool_call(value: Json, step_id: int, findings: list[Finding]) -> CallDraft:
    raw = value.get("arguments")
    arguments: dict[str, JsonValue] | str
    if isinstance(raw, Mapping):
        arguments = dict(raw)
    else:
        arguments = as_text(raw)
        try:
            parsed: JsonValue = from_json(arguments) if isinstance(raw, str) else None
        except ValueError:
            parsed = None
        if isinstance(parsed, dict):
            arguments = parsed
            findings.append(
                Finding("arguments_as_text", Severity.INFO, "Tool arguments are a JSON text: parsed.", step_id)
            )
        elif raw is not None:
            findings.append(
                Finding(
                    "arguments_unparsable",
                    Severity.WARNING,
                    "Tool arguments are no JSON object: kept as text.",
                    step_id,
                )
            )
    name = text(value.get("function_name")) or text(value.get("name")) or "unknown"
    return CallDraft(name, arguments, text(value.get("tool_call_id")))


def _give_results(step: StepDraft, observation: Json) -> None:
    """Gives each result to the call it names, or to the only call there is; else it is the step's own."""
    for result in map(mapping, sequence(observation.get("results"))):
        content = content_text(result.get("content"))
        named = text(result.get("source_call_id")) or text(mapping(result.get("extra")).get("tool_call_id"))
        waiting = [call for call in step.tool_calls if call.output is None]
        chosen = next((call for call in waiting if call.id is not None and call.id == named), None)
        if chosen is None and named is None and len(step.tool_calls) == 1 and waiting:
            chosen = waiting[0]
        if chosen is not None:
            chosen.output = content
        elif content:
            step.observations.append(content)
