"""How a trial looks in Opik: one trace, an `llm` span per agent step, a `tool` span per tool call.

Pure: from the record and its cost to rows. Nothing of the record is lost that a judge or a cost needs
(`adapter.opik_traces` has it back): what the user or the system said before a step stands in its input, what the agent
said in its output, results in the `tool` spans, and the rest in the metadata. A sub-agent, and a step of a multi-step
trial, is a `general` span around its steps. A cost stands only on the step that spent it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from adapter.costs import StepCost, TrialCost
from adapter.opik_record import RECORD, findings_out, message_out, ran_out, step_rest, trial_rest
from adapter.opik_size import clip, fitted
from adapter.opik_usage import opik_provider, usage
from adapter.trial import Object, Step, Trial

JOB, KEY, DIGEST = "kilobench_job", "kilobench_key", "kilobench_digest"
"""Metadata keys by which a row is found again: its job, its own key, a hash of its content."""

STEPS, LEFT_OUT = "steps", "characters_left_out"
"""Metadata keys for how many steps a trial has, and for how much of a row's texts did not go up."""

VERIFIER_OUTPUT = "verifier_output"
"""Where a trace's output holds what the verifier printed."""

NOT_NEW = "not_new"
"""In place of a cost's provenance: what a regrade repeats was spent by the trial that it grades, and costs 0 here."""

NO_TRACEBACK = "not recorded"
"""Where there is none: Opik's own description asks for one."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""The start of what has no known time; such a row says so in its metadata."""


@dataclass(frozen=True, slots=True)
class Row:
    """One trace or span to be stored. `size` is its length in bytes as JSON, about."""

    key: str
    kind: Literal["trace", "general", "llm", "tool"]
    name: str
    start_time: datetime
    end_time: datetime | None
    input: Object
    output: Object
    metadata: Object
    digest: str
    size: int
    trace_key: str
    parent_key: str | None = None
    tags: tuple[str, ...] = ()
    model: str | None = None
    provider: str | None = None
    usage: dict[str, int] | None = None
    cost_usd: float | None = None
    error: tuple[str, str, str] | None = None
    """exception type, message, traceback"""


def without_files(trace: Row, names: Sequence[str]) -> Row:
    """A trace that says which of its trial's files Opik did not take; its digest is that of no complete one."""
    return replace(trace, metadata=trace.metadata | {"not_attached": list(names)}, digest=f"{trace.digest}-short")


def trial_key(trial: Trial) -> str:
    """The key of a trial's trace: job id and trial id."""
    return f"{trial.job_id}/{trial.trial_id}"


def trace_of(key: str) -> str:
    """The key of the trace that a row belongs to."""
    return "/".join(key.split("/", 2)[:2])


def step_key(trial: Trial, step: int) -> str:
    """The key of a step's span."""
    return f"{trial_key(trial)}/{step}"


def rows(trial: Trial, cost: TrialCost) -> Iterator[Row]:
    """The trial's rows: the trace first, and each span after the one that it stands under."""
    last = max((index for index, step in enumerate(trial.steps) if step.is_agent), default=-1)
    yield _trace(trial, cost, trial.steps[last + 1 :])
    costs = {one.step: one for one in cost.steps}
    times = _times(trial)
    groups = _groups(trial)
    before: list[Step] = []
    for step in trial.steps:
        if not step.is_agent:
            before.append(step)
            continue
        yield from (_group(trial, key, groups.pop(key), times) for key in _around(trial, step) if key in groups)
        yield _step(trial, step, costs[step.number], before, times[step.number])
        yield from (_call(trial, step, number, times[step.number]) for number in range(len(step.tool_calls)))
        before = []


@dataclass(frozen=True, slots=True)
class _Time:
    """When a step began, and ended; None where it is not known."""

    start: datetime | None
    end: datetime | None


def _times(trial: Trial) -> dict[int, _Time]:
    """Each step's time: it began when it is known to have, else at its stamp, else with the last one before it."""
    known = trial.agent_time.started_at or trial.time.started_at
    times: dict[int, _Time] = {}
    for step in trial.steps:
        end = step.time.finished_at
        known = step.time.started_at or (step.timestamp if end is None else None) or known
        times[step.number] = _Time(known, None if end is None or (known is not None and end < known) else end)
    return times


def row_of(*, input: Object, output: Object, metadata: Object, **rest: object) -> Row:  # noqa: A002  (Opik's own name for it)
    """A row with the digest and size of its content, which is cut to what one request can hold."""
    content = fitted(input, output, rest | {"metadata": metadata})
    if content.left_out:
        metadata = metadata | {LEFT_OUT: content.left_out}
    return Row(
        **rest,  # pyright: ignore[reportArgumentType]  # named by the callers below
        input=content.input,
        output=content.output,
        metadata=metadata,
        digest=content.digest,
        size=content.size,
    )


def _segment_key(trial: Trial, segment: str) -> str:
    return f"{trial_key(trial)}/step:{segment}"


def _agent_key(trial: Trial, subagent: str) -> str:
    return f"{trial_key(trial)}/agent:{subagent}"


def _around(trial: Trial, step: Step) -> list[str]:
    """The keys of the spans that stand around a step for its place in the run, the outermost first."""
    segment = [_segment_key(trial, step.segment)] if step.segment else []
    return segment + ([_agent_key(trial, step.subagent)] if step.subagent else [])


@dataclass(slots=True)
class _Group:
    """A sub-agent, or a step of a multi-step trial: its agent steps, and the key of the span it stands under."""

    kind: Literal["step", "sub-agent"]
    name: str
    under: str | None
    steps: list[Step] = field(default_factory=list[Step])


def _groups(trial: Trial) -> dict[str, _Group]:
    """The sub-agents and the multi-step trial's steps, by key."""
    groups: dict[str, _Group] = {}
    agents = {step.number: step for step in trial.agent_steps}
    for step in trial.agent_steps:
        if step.segment:
            key = _segment_key(trial, step.segment)
            groups.setdefault(key, _Group("step", step.segment, None)).steps.append(step)
        if step.subagent:
            under = _segment_key(trial, step.segment) if step.segment else None
            starter = None if step.parent is None else agents.get(step.parent)
            if starter is not None:
                under = _starter_key(trial, starter, step.parent_call)
            key = _agent_key(trial, step.subagent)
            groups.setdefault(key, _Group("sub-agent", step.subagent, under)).steps.append(step)
    return groups


def _starter_key(trial: Trial, starter: Step, call: int | None) -> str:
    """The key of the span that started a sub-agent: the tool call's, else its step's."""
    key = step_key(trial, starter.number)
    return f"{key}/{call}" if call is not None and call < len(starter.tool_calls) else key


def _group(trial: Trial, key: str, group: _Group, times: dict[int, _Time]) -> Row:
    spans = [times[step.number] for step in group.steps]
    starts = [one.start for one in spans if one.start is not None]
    ends = [one.end for one in spans if one.end is not None]
    said = [step.message for step in group.steps if step.message]
    return row_of(
        key=key,
        kind="general",
        name=group.name,
        start_time=min(starts, default=_EPOCH),
        end_time=max(ends) if len(ends) == len(spans) else None,
        input={group.kind: group.name},
        output={"message": said[-1] if said else None},
        metadata={JOB: trial.job_id, KEY: key, "trial": trial.name, STEPS: len(group.steps)},
        trace_key=trial_key(trial),
        parent_key=group.under,
    )


def _trace(trial: Trial, cost: TrialCost, after: tuple[Step, ...]) -> Row:
    said = [step for step in trial.steps if step.is_agent and step.message and not step.subagent]
    asked = next((step.message for step in trial.steps if step.source.value == "user"), None)
    start = trial.time.started_at or next((step.timestamp for step in trial.steps if step.timestamp), None)
    metadata: Object = {
        JOB: trial.job_id,
        KEY: trial_key(trial),
        "trial": trial.name,
        "task": trial.task,
        "task_checksum": trial.task_checksum,
        "dataset": trial.dataset,
        "dataset_version": trial.dataset_version,
        **trial.variant.fields(),
        "status": trial.status.value,
        "rewards": dict(trial.rewards),
        "atif_version": trial.atif_version,
        "cost_usd": cost.usd,
        "cost_provenance": cost.provenance.value if trial.source_trial_id is None else NOT_NEW,
        "cost_residual_usd": cost.residual_usd,
        "price": cost.price,
        "agent_seconds": trial.agent_seconds,
        "source_trial": trial.source_trial_id,
        STEPS: len(trial.steps),
        "findings": findings_out(trial),
        "time": "recorded" if start else "unknown",
        RECORD: trial_rest(trial),
    }
    error = trial.exception
    return row_of(
        key=trial_key(trial),
        kind="trace",
        name=trial.name,
        start_time=start or _EPOCH,
        end_time=trial.time.finished_at,
        input={"task": trial.task, "instruction": asked},
        output={
            "message": said[-1].message if said else None,
            "reward": trial.reward,
            "messages_after": [message_out(step) for step in after],
            **({} if trial.verifier_output is None else {VERIFIER_OUTPUT: trial.verifier_output}),
        },
        metadata=metadata,
        trace_key=trial_key(trial),
        tags=tuple(
            tag[:100] for tag in ("kilobench", f"job:{trial.job}", f"dataset:{trial.dataset}", f"status:{trial.status}")
        ),
        error=None if error is None else (error.type, clip(error.message), clip(error.traceback or NO_TRACEBACK)),
    )


def _step(trial: Trial, step: Step, cost: StepCost, before: Sequence[Step], time: _Time) -> Row:
    model, provider = _served(step, trial)
    is_new = trial.source_trial_id is None
    usd = cost.usd if is_new else 0.0
    around = _around(trial, step)
    return row_of(
        key=step_key(trial, step.number),
        kind="llm",
        name=f"step {step.number}",
        start_time=time.start or _EPOCH,
        end_time=time.end,
        input={"messages": [message_out(one) for one in before]},
        output={
            "message": step.message,
            "reasoning": step.reasoning,
            "tool_calls": [{"name": call.name, "id": call.id} for call in step.tool_calls],
            "observations": list(step.observations),
        },
        metadata={
            JOB: trial.job_id,
            KEY: step_key(trial, step.number),
            "trial": trial.name,
            "step": step.number,
            "call": step.call,
            "cost_provenance": cost.provenance.value if is_new else NOT_NEW,
            "price": cost.price,
            "time": "recorded" if step.timestamp else "unknown",
            RECORD: step_rest(step),
        },
        trace_key=trial_key(trial),
        parent_key=around[-1] if around else None,
        model=model,
        provider=provider,
        # What a regrade repeats was used by the trial that it grades: counted here, it would be there twice.
        usage=usage(step.tokens, provider, has_cost=usd is not None) if is_new else None,
        cost_usd=usd,
    )


def _served(step: Step, trial: Trial) -> tuple[str | None, str | None]:
    """The model of a step and its provider, as Opik's price table names them."""
    variant = trial.variant
    if step.model is None or step.model == variant.model:
        return variant.model, opik_provider(variant.provider, variant.model)
    provider, slash, name = step.model.partition("/")
    if not slash:
        return step.model, opik_provider(variant.provider, step.model)
    return name, opik_provider(provider, name)


def _call(trial: Trial, step: Step, number: int, time: _Time) -> Row:
    call = step.tool_calls[number]
    is_parsed = isinstance(call.arguments, dict)
    return row_of(
        key=f"{step_key(trial, step.number)}/{number}",
        kind="tool",
        name=call.name,
        start_time=time.start or _EPOCH,
        end_time=time.end,
        input=call.arguments if isinstance(call.arguments, dict) else {"text": call.arguments},
        output={"output": call.output},
        metadata={
            JOB: trial.job_id,
            KEY: f"{step_key(trial, step.number)}/{number}",
            "step": step.number,
            "call_id": call.id,
            "arguments": "parsed" if is_parsed else "text",
            "has_output": call.output is not None,
            **ran_out(call),
        },
        trace_key=trial_key(trial),
        parent_key=step_key(trial, step.number),
    )
