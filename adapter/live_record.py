"""What `opik harbor run` logged live of a trial, as the record: for what it holds, with findings for what it lacks.

The integration makes a span of each ATIF step as it is constructed (`opik.integrations.harbor`): without an end,
without cached tokens, and once more each time the agent's log is converted again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from opik.rest_api.types import SpanPublic, TracePublic

from adapter.jobs import stable_uuid
from adapter.live_traces import CREATED_FROM, LIVE
from adapter.loose import Json, as_text, mapping, number, sequence, text
from adapter.models import explicit
from adapter.status import BY_REWARD, status
from adapter.trial import (
    Finding,
    JsonValue,
    Provenance,
    Severity,
    Source,
    Span,
    Step,
    ToolCall,
    Trial,
    TrialException,
    Variant,
)

JOB_NAME = "live"
"""The trace does not tell the job."""
_STEP = "step_"


def is_live(trace: TracePublic) -> bool:
    """Whether the live integration made a trace."""
    return _json(trace.metadata).get(CREATED_FROM) == LIVE


def live_trial(trace: TracePublic, spans: Sequence[SpanPublic]) -> tuple[Trial, dict[int, str]]:
    """The trial, and the span of each of its agent steps by the step's number.

    Tokens are kept as recorded numbers only: without the cached part they cannot be priced. A cost of 0 is not known.
    """
    asked, got = _json(trace.input), _json(trace.output)
    agent, task = mapping(asked.get("agent")), mapping(asked.get("task"))
    model = text(agent.get("model"))
    named = None if model is None else explicit(model)
    name = text(asked.get("trial_name")) or trace.name or str(trace.id)
    kept = _without_repeats([span for span in spans if (span.name or "").startswith(_STEP)])
    steps = [_step(place, span) for place, span in enumerate(kept, 1)]
    rewards = {key: value for key, one in mapping(got.get("rewards")).items() if (value := number(one)) is not None}
    reward = rewards.get(BY_REWARD.key or (next(iter(rewards)) if len(rewards) == 1 else "reward"))
    error = trace.error_info
    exception = None if error is None else TrialException(error.exception_type, error.message or "", error.traceback)
    repeats = sum((span.name or "").startswith(_STEP) for span in spans) - len(kept)
    trial = Trial(
        job_id=stable_uuid(f"live:{trace.project_id}"),
        trial_id=str(trace.id),
        job=JOB_NAME,
        trial=name,
        task=text(got.get("task_name")) or text(task.get("name")) or name.rsplit("__", 1)[0],
        dataset=text(task.get("source")) or "adhoc",
        variant=Variant(
            text(agent.get("name")) or "unknown",
            model=None if named is None else named.name,
            provider=None if named is None else named.provider,
        ),
        status=status(
            reward, None if exception is None else exception.type, is_ungraded=True, pass_at=BY_REWARD.pass_at
        ),
        steps=tuple(steps),
        reward=reward,
        rewards=rewards,
        exception=exception,
        time=Span(trace.start_time, trace.end_time),
        is_whole=False,
    )
    ids = {step.number: str(span.id) for step, span in zip(steps, kept, strict=True) if step.is_agent}
    return trial.with_findings(*_lacks(steps, repeats, has_exception=exception is not None)), ids


def _json(value: object) -> Json:
    return mapping(cast("JsonValue", value))


def _without_repeats(spans: Sequence[SpanPublic]) -> list[SpanPublic]:
    """Each step once, in order: of those that say the same, the one that was logged last."""
    last: dict[str, SpanPublic] = {}
    for span in sorted(spans, key=lambda one: str(one.id)):
        said = as_text({"name": span.name, "input": cast("JsonValue", span.input), "of": dict(_json(span.metadata))})
        last[said] = span
    return sorted(last.values(), key=lambda span: (span.start_time, _place(span), str(span.id)))


def _place(span: SpanPublic) -> int:
    digits = (span.name or "").removeprefix(_STEP)
    return int(digits) if digits.isdecimal() and len(digits) < len(str(2**31)) else 0


def _step(place: int, span: SpanPublic) -> Step:
    metadata, said = _json(span.metadata), _json(span.input)
    source = text(metadata.get("source"))
    results = [_content(mapping(one)) for one in sequence(_json(span.output).get("results"))]
    calls = [mapping(one) for one in sequence(said.get("tool_calls"))]
    # Which result is which call's is not logged: where there are as many, they come in the calls' order.
    is_paired = len(results) == len(calls)
    cost = number(span.total_estimated_cost)
    counts = {
        name: value for name, value in (span.usage or {}).items() if name in ("prompt_tokens", "completion_tokens")
    }
    is_agent = source == Source.AGENT.value
    return Step(
        number=place,
        step_id=_place(span) or place,
        source=Source(source) if source in set(Source) else Source.SYSTEM,
        message=as_text(said.get("message")),
        reasoning=text(metadata.get("reasoning")),
        tool_calls=tuple(
            ToolCall(
                name=text(call.get("function_name")) or "",
                arguments=arguments if isinstance(arguments := call.get("arguments"), dict | str) else {},
                output=results[number] if is_paired else None,
                id=text(call.get("tool_call_id")),
            )
            for number, call in enumerate(calls)
        ),
        observations=() if is_paired else tuple(results),
        call=place if is_agent else None,
        recorded_cost_usd=cost or None,
        cost_provenance=Provenance.RECORDED if cost else Provenance.UNKNOWN,
        raw=dict(counts),
        timestamp=span.start_time,
    )


def _content(result: Json) -> str:
    return as_text(result.get("content"))


def _lacks(steps: Sequence[Step], repeats: int, *, has_exception: bool) -> list[Finding]:
    """What the live integration leaves out."""
    found = [
        Finding(
            "live_trace",
            Severity.WARNING,
            "It was logged live by `opik harbor run`: when steps ended, cached tokens, the agent's version, sub-agents "
            "and what only the trajectory says are not in it. Run `kilobench run` on its job to replace it.",
        )
    ]
    if steps and not any(step.recorded_cost_usd is not None for step in steps):
        message = "No step of it has a cost, and without the cached tokens none can be priced: its cost is not known."
        found.append(Finding("live_cost_unknown", Severity.WARNING, message))
    if repeats:
        message = f"{repeats} spans repeat a step that was logged before: each step counts once."
        found.append(Finding("live_repeats", Severity.INFO, message))
    if not steps:
        message = "No step was logged live: what the agent did is not known."
        found.append(Finding("live_without_steps", Severity.WARNING, message))
    if not has_exception:
        message = "Whether an exception ended the trial is not logged."
        found.append(Finding("live_exception_unknown", Severity.INFO, message))
    return found
