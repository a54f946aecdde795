"""Reading one ATIF trajectory file, whatever its version and its faults.

Harbor's own strict model says whether the file keeps the schema; what it refuses is read all the same, and named.
Nothing readable is dropped, nothing unreadable becomes a number.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from harbor.models.trajectories import Trajectory as StrictTrajectory
from pydantic import ValidationError
from pydantic_core import from_json

from adapter.errors import UnreadableError
from adapter.loose import Json, as_text, count, mapping, moment, read_json, sequence, text
from adapter.tokens import has_metrics, prompts_exclude_cache, read_metrics, read_totals
from adapter.trial import Finding, JsonValue, Severity, Source, Tokens

_PRICED_BY_HARBOR = frozenset({"codex"})
"""Agents whose step costs Harbor computes from LiteLLM's prices without saying so on each of them."""
_TURNS = 3
"""From so many agent steps on, metrics on the last one alone are not that step's."""
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
    cost_is_estimate: bool
    has_metrics: bool
    is_dispatch: bool
    """an agent step that the producer says was made without an LLM call"""
    tool_calls: list[CallDraft] = field(default_factory=list[CallDraft])
    observations: list[str] = field(default_factory=list[str])

    @property
    def says_nothing(self) -> bool:
        """Whether no text and no tool call stands in it."""
        return not (self.message.strip() or self.reasoning or self.tool_calls)


@dataclass(frozen=True, slots=True)
class TrajectoryFile:
    """What one trajectory file says. Findings name steps by `step_id`.

    Attributes:
        is_whole: whether the run is all in this file; False when parts of it lie elsewhere.
        excludes_cache: whether its prompt counts do not hold cached tokens.
    """

    version: str | None
    agent: str | None
    agent_version: str | None
    model: str | None
    steps: tuple[StepDraft, ...]
    tokens: Tokens | None
    cost_usd: float | None
    is_whole: bool
    excludes_cache: bool
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
    raw = [mapping(step) for step in sequence(value.get("steps"))]
    agent, final = mapping(value.get("agent")), mapping(value.get("final_metrics"))
    excludes_cache = prompts_exclude_cache(mapping(step.get("metrics")) for step in raw)
    steps = tuple(_step(step, position, findings, excludes_cache) for position, step in enumerate(raw, 1))
    if text(agent.get("name")) in _PRICED_BY_HARBOR:
        for step in steps:
            step.cost_is_estimate = step.cost_usd is not None
    findings.extend(_give_all_results(steps, raw))
    findings.extend(_time_findings(value, steps))
    elsewhere = list(_parts_elsewhere(value, raw))
    findings.extend(elsewhere)
    tokens, cost = read_totals(final, excludes_cache=excludes_cache)
    totals = _step_with_totals(steps, tokens, cost)
    if totals is not None:
        message = "Only the last step has metrics: they are the run's totals, and its own are not known."
        findings.append(Finding("metrics_are_totals", Severity.WARNING, message, totals.step_id))
        tokens, cost = tokens or totals.tokens, cost if cost is not None else totals.cost_usd
        totals.tokens, totals.cost_usd, totals.cost_is_estimate, totals.has_metrics = None, None, False, False
    return TrajectoryFile(
        version=text(value.get("schema_version")),
        agent=text(agent.get("name")),
        agent_version=text(agent.get("version")),
        model=text(agent.get("model_name")),
        steps=steps,
        tokens=_with_hour_writes(tokens, steps),
        cost_usd=cost,
        is_whole=not elsewhere,
        excludes_cache=excludes_cache,
        findings=tuple(findings),
    )


def _parts_elsewhere(value: Json, steps: list[Json]) -> Iterator[Finding]:
    """One finding for each kind of reference to a part of the run that is not among the file's steps."""
    found = [key for key in ("subagent_trajectories", "continued_trajectory_ref") if value.get(key)]
    results = (mapping(one) for step in steps for one in sequence(mapping(step.get("observation")).get("results")))
    if any(result.get("subagent_trajectory_ref") for result in results):
        found.append("subagent_trajectory_ref")
    for key in found:
        yield Finding(f"{key}_not_read", Severity.WARNING, f"The run goes on under `{key}`, which is not read.")


def _step_with_totals(steps: tuple[StepDraft, ...], tokens: Tokens | None, cost: float | None) -> StepDraft | None:
    """The last step where the run's totals stand on it, else None.

    It is so where it alone of several turns has metrics, and the file's totals (`tokens`, `cost`) say nothing else.
    """
    turns = [step for step in steps if step.source is Source.AGENT and not step.is_copied]
    with_metrics = [step for step in turns if step.has_metrics]
    if sum(not step.says_nothing for step in turns) < _TURNS or with_metrics != turns[-1:]:
        return None
    last = turns[-1]
    if last.tokens is None and last.cost_usd is None:
        return None
    same_tokens = None in (tokens, last.tokens) or _sent_and_returned(tokens) == _sent_and_returned(last.tokens)
    same_cost = cost is None or last.cost_usd is None or math.isclose(cost, last.cost_usd)
    return last if same_tokens and same_cost else None


def _sent_and_returned(tokens: Tokens | None) -> tuple[int | None, int | None] | None:
    return None if tokens is None else (tokens.prompt, tokens.output)


def _with_hour_writes(tokens: Tokens | None, steps: tuple[StepDraft, ...]) -> Tokens | None:
    """The totals with the steps' one-hour cache writes, which producers leave out of totals."""
    of_steps = [step.tokens.cache_write_1h for step in steps if step.tokens is not None]
    known = [found for found in of_steps if found is not None]
    if tokens is None or tokens.cache_write_1h is not None or not known:
        return tokens
    return replace(tokens, cache_write_1h=sum(known))


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


def _step(value: Json, position: int, findings: list[Finding], excludes_cache: bool) -> StepDraft:
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
    metrics = mapping(value.get("metrics"))
    tokens, cost = read_metrics(metrics, findings, step_id, excludes_cache=excludes_cache)
    effort = value.get("reasoning_effort")
    return StepDraft(
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
        cost_is_estimate=cost is not None and mapping(metrics.get("extra")).get("cost_source") == "litellm_estimate",
        has_metrics=has_metrics(metrics),
        is_dispatch=value.get("llm_call_count") == 0 and value.get("llm_call_count") is not False,
        tool_calls=[_tool_call(mapping(call), step_id, findings) for call in sequence(value.get("tool_calls"))],
    )


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


def _give_all_results(steps: Sequence[StepDraft], raw: Sequence[Json]) -> Iterator[Finding]:
    """Gives each result to its call; a call's result may stand in a later step, which then names the call."""
    waiting: dict[str, list[CallDraft]] = defaultdict(list)
    late = 0
    for step, value in zip(steps, raw, strict=True):
        late += _give_results(step, value, waiting)
        for call in step.tool_calls:
            if call.id is not None and call.output is None:
                waiting[call.id].append(call)
    if late:
        message = f"{late} results stand in a later step than their call: given to the call."
        yield Finding("result_in_later_step", Severity.INFO, message)


def _give_results(step: StepDraft, value: Json, waiting: Mapping[str, list[CallDraft]]) -> int:
    """Gives each result to the call it names, here or else the latest that waits for it, or to the only one here.

    A result that finds no call is the step's own. Returns how many went to calls of earlier steps.
    """
    late = 0
    of_step = text(mapping(value.get("extra")).get("tool_call_id"))
    for result in map(mapping, sequence(mapping(value.get("observation")).get("results"))):
        content = content_text(result.get("content"))
        own = text(result.get("source_call_id")) or text(mapping(result.get("extra")).get("tool_call_id"))
        named = own or of_step
        here = [call for call in step.tool_calls if call.output is None]
        chosen = next((call for call in here if call.id is not None and call.id == named), None)
        if chosen is None and named is not None and waiting.get(named):
            chosen = waiting[named].pop()
            late += 1
        if chosen is None and own is None and len(step.tool_calls) == 1 and here:
            chosen = here[0]
        if chosen is not None:
            chosen.output = content
        elif content:
            step.observations.append(content)
    return late
