"""A stored trace as the record again: what `adapter.opik_rows` made rows of, and what `opik harbor run` logged live.

Pure: from the SDK's own types to a `Trial`. What Opik does not hold is a finding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from opik.rest_api.types import SpanPublic, TracePublic

from adapter.errors import UnreadableError
from adapter.live_record import is_live, live_trial
from adapter.loose import Json, count, mapping, moment, number, sequence, text
from adapter.opik_record import RECORD, message_in, step_in, trial_in
from adapter.opik_rows import KEY, LEFT_OUT, NO_TRACEBACK, STEPS, VERIFIER_OUTPUT, step_key
from adapter.trial import Finding, JsonValue, Severity, Step, ToolCall, Trial, TrialException


@dataclass(frozen=True, slots=True)
class StoredTrial:
    """A trial that was read from Opik, and where it stands there.

    Attributes:
        trial: the record.
        trace_id: its trace.
        span_ids: the span of each agent step, by the step's key.
    """

    trial: Trial
    trace_id: str
    span_ids: Mapping[str, str]


def stored_trial(trace: TracePublic, spans: Sequence[SpanPublic]) -> StoredTrial:
    """The trial that a trace and all its spans stand for.

    Raises:
        UnreadableError: it is no trial, or what is stored of it is damaged; the message says why.
    """
    metadata = as_json(trace.metadata)
    if RECORD in metadata:
        return _uploaded(trace, metadata, _by_key(spans))
    if KEY in metadata:
        raise UnreadableError("an older kilobench uploaded it: upload its job again")
    if is_live(trace):
        trial, ids = live_trial(trace, spans)
        return StoredTrial(trial, str(trace.id), {step_key(trial, number): one for number, one in ids.items()})
    raise UnreadableError("it is no trial that kilobench or `opik harbor run` stored")


def as_json(value: object) -> Json:
    """The JSON object that the SDK's types hold; an empty one where it is none."""
    return mapping(cast("JsonValue", value))


def _by_key(spans: Sequence[SpanPublic]) -> dict[str, SpanPublic]:
    """The spans that kilobench stored; of two under one key the older one counts."""
    found: dict[str, SpanPublic] = {}
    for span in sorted(spans, key=lambda one: str(one.id)):
        key = text(as_json(span.metadata).get(KEY))
        if key is not None:
            found.setdefault(key, span)
    return found


def _uploaded(trace: TracePublic, metadata: Json, spans: Mapping[str, SpanPublic]) -> StoredTrial:
    findings: list[Finding] = []
    steps: list[Step] = []
    for key, span in spans.items():
        if span.type == "llm":
            steps.extend(map(message_in, sequence(as_json(span.input).get("messages"))))
            steps.append(_step(key, span, spans, findings))
    steps.extend(map(message_in, sequence(as_json(trace.output).get("messages_after"))))
    steps.sort(key=lambda step: step.number)
    printed = as_json(trace.output).get(VERIFIER_OUTPUT)
    trial = trial_in(metadata.get(RECORD), steps, metadata.get("findings"), _exception(trace), printed)
    left_out = sum(count(as_json(one.metadata).get(LEFT_OUT)) or 0 for one in (trace, *spans.values()))
    if left_out:
        message = f"{left_out} characters were too many for Opik: they are in the trace's attachments only."
        findings.append(Finding("cut_in_opik", Severity.WARNING, message))
    expected = count(metadata.get(STEPS)) or 0
    if len(steps) < expected:
        what = "they were too many for Opik" if left_out else "upload the job again"
        message = f"{expected - len(steps)} of {expected} steps are not in Opik: {what}."
        findings.append(Finding("steps_not_in_opik", Severity.WARNING, message))
        trial = replace(trial, is_whole=False)
    ids = {key: str(span.id) for key, span in spans.items() if span.type == "llm"}
    return StoredTrial(trial.with_findings(*findings), str(trace.id), ids)


def _step(key: str, span: SpanPublic, spans: Mapping[str, SpanPublic], findings: list[Finding]) -> Step:
    output = as_json(span.output)
    named = sequence(output.get("tool_calls"))
    stored = [spans.get(f"{key}/{number}") for number in range(len(named))]
    calls = [_call(one) for one in stored if one is not None]
    step = step_in(as_json(span.metadata).get(RECORD), output, calls)
    if len(calls) < len(named):
        message = f"{len(named) - len(calls)} of {len(named)} tool calls are not in Opik: upload the job again."
        findings.append(Finding("calls_not_in_opik", Severity.WARNING, message, step.number))
    return step


def _call(span: SpanPublic) -> ToolCall:
    metadata, arguments = as_json(span.metadata), as_json(span.input)
    output = as_json(span.output).get("output")
    said = arguments.get("text")
    return ToolCall(
        name=span.name or "",
        arguments=said if metadata.get("arguments") == "text" and isinstance(said, str) else dict(arguments),
        output=output if isinstance(output, str) else None,
        id=text(metadata.get("call_id")),
        seconds=number(metadata.get("seconds")),
        started_at=moment(metadata.get("started_at")),
    )


def _exception(trace: TracePublic) -> TrialException | None:
    error = trace.error_info
    return (
        None
        if error is None
        else TrialException(
            error.exception_type, error.message or "", None if error.traceback == NO_TRACEBACK else error.traceback
        )
    )
