"""What of the record has no place of its own in Opik: it goes along in the metadata, and the record can be had back.

A row's texts stand where Opik shows them, in its input and output. The rest of a step or a trial is under `record` in
the metadata: the record's own fields, those at their defaults left out. Pure, in both directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from pydantic import TypeAdapter, ValidationError

from adapter.errors import UnreadableError
from adapter.loose import Json, mapping, moment, number, sequence, text
from adapter.trial import Finding, JsonValue, Object, Step, ToolCall, Trial, TrialException

RECORD = "record"
"""The metadata key."""

_MADE_ANEW = frozenset({"raw", "rewards", "origins"})
"""Fields whose default is an empty dictionary."""

_STEP = TypeAdapter(Step)
_TRIAL = TypeAdapter(Trial)
_FINDING = TypeAdapter(Finding)


def step_rest(step: Step) -> Object:
    """A step without its texts."""
    return _rest(_STEP, replace(step, message="", reasoning=None, tool_calls=(), observations=()))


def trial_rest(trial: Trial) -> Object:
    """A trial without its steps, findings, exception and verifier's output: each of them has a place of its own."""
    return _rest(_TRIAL, replace(trial, steps=(), findings=(), exception=None, verifier_output=None))


def findings_out(trial: Trial) -> list[JsonValue]:
    """The findings as JSON."""
    return [cast("JsonValue", _FINDING.dump_python(one, mode="json")) for one in trial.findings]


def step_in(rest: JsonValue, texts: Json, calls: Sequence[ToolCall]) -> Step:
    """The step that `step_rest` was made of.

    Args:
        rest: what it made.
        texts: `message`, `reasoning` and `observations`.
        calls: the step's tool calls.

    Raises:
        UnreadableError: it is no such thing.
    """
    step = _validated(_STEP, rest)
    return replace(
        step,
        message=_plain(texts.get("message")),
        reasoning=one if isinstance(one := texts.get("reasoning"), str) else None,
        tool_calls=tuple(calls),
        observations=tuple(_plain(one) for one in sequence(texts.get("observations"))),
    )


def trial_in(
    rest: JsonValue,
    steps: Sequence[Step],
    findings: JsonValue,
    exception: TrialException | None,
    verifier_output: JsonValue,
) -> Trial:
    """The trial that `trial_rest` was made of, with what has a place of its own.

    Raises:
        UnreadableError: it is no such thing.
    """
    trial = _validated(_TRIAL, rest)
    noticed = tuple(_validated(_FINDING, one) for one in sequence(findings))
    printed = verifier_output if isinstance(verifier_output, str) else None
    return replace(trial, steps=tuple(steps), findings=noticed, exception=exception, verifier_output=printed)


def message_out(step: Step) -> Object:
    """A step that is not the agent's own action, as part of the next action's input."""
    said: Object = {"role": step.source.value, "step": step.number, "content": step.message}
    if step.reasoning is not None:
        said["reasoning"] = step.reasoning
    if step.observations:
        said["observations"] = list(step.observations)
    if step.tool_calls:
        said["tool_calls"] = [
            {"name": call.name, "arguments": call.arguments, "output": call.output, "id": call.id, **ran_out(call)}
            for call in step.tool_calls
        ]
    said[RECORD] = step_rest(step)
    return said


def ran_out(call: ToolCall) -> Object:
    """When a tool ran, as far as it is known: a row without it is the one that it was before this was recorded."""
    known: Object = {} if call.seconds is None else {"seconds": call.seconds}
    return known if call.started_at is None else known | {"started_at": call.started_at.isoformat()}


def message_in(value: JsonValue) -> Step:
    """The step that `message_out` was made of.

    Raises:
        UnreadableError: it is no such thing.
    """
    said = mapping(value)
    calls = [
        ToolCall(
            name=_plain(call.get("name")),
            arguments=arguments if isinstance(arguments := call.get("arguments"), dict | str) else {},
            output=output if isinstance(output := call.get("output"), str) else None,
            id=text(call.get("id")),
            seconds=number(call.get("seconds")),
            started_at=moment(call.get("started_at")),
        )
        for call in map(mapping, sequence(said.get("tool_calls")))
    ]
    texts: Object = {"message": said.get("content")}
    texts |= {name: said[name] for name in ("reasoning", "observations") if name in said}
    return step_in(said.get(RECORD), texts, calls)


def _rest[T](adapter: TypeAdapter[T], value: T) -> Object:
    dumped = cast("Object", adapter.dump_python(value, mode="json", exclude_defaults=True))
    # A default that is made anew each time is not known to be one.
    return {name: one for name, one in dumped.items() if one != {} or name not in _MADE_ANEW}


def _validated[T](adapter: TypeAdapter[T], value: JsonValue) -> T:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "all of it"
        raise UnreadableError(f"its record is damaged ({where}: {error.errors()[0]['msg']})") from error


def _plain(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""
