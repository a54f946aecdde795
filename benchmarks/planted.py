"""Passing runs with one step made wrong, and the rest made to follow from it: where the fault is, is known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from adapter.actions import Verb, effects, verb
from adapter.trial import Step, ToolCall, Trial

_CLAIM = "All done: the task is complete."


@dataclass(frozen=True, slots=True)
class Planted:
    """A run with a fault: its kind, and the number of the step at which it is."""

    trial: Trial
    kind: str
    step: int


def planted(trial: Trial, rng: np.random.Generator) -> Iterator[Planted]:
    """One run with each kind of fault that the run has a place for."""
    changing = [step for step in trial.agent_steps if any(effects(call).file for call in step.tool_calls)]
    if not changing:
        return
    at = changing[int(rng.integers(len(changing)))]
    yield _wrong_file(trial, at)
    yield _error_ignored(trial, at)
    if _is_only_change(trial, at):
        yield _left_out(trial, at)
    yield _stopped(trial, changing[0])


def with_detours(trial: Trial, rng: np.random.Generator) -> Trial:
    """The same run with some looks around put in and left out: another run that passes, too."""
    steps: list[Step] = []
    for step in trial.steps:
        only_looks = step.is_agent and step.tool_calls and all(effects(call).reads for call in step.tool_calls)
        if only_looks and rng.random() < 0.2:
            continue
        steps.append(step)
        if step.is_agent and rng.random() < 0.2:
            call = ToolCall("read", {"filePath": f"notes-{rng.integers(5)}.md"}, "some notes")
            steps.append(replace(step, message="", reasoning=None, tool_calls=(call,), tokens=None, call=None))
    return _numbered(trial, steps)


def _wrong_file(trial: Trial, at: Step) -> Planted:
    def elsewhere(call: ToolCall) -> ToolCall:
        file = effects(call).file
        if file is None:
            return call
        if isinstance(call.arguments, str):
            return replace(call, arguments=call.arguments.replace(file, f"other/{file}"))
        changed = {
            name: value.replace(file, f"other/{file}") if isinstance(value, str) else value
            for name, value in call.arguments.items()
        }
        return replace(call, arguments=changed)

    return Planted(_failing_after(_with(trial, at, elsewhere), at.number), "wrong file edited", at.number)


def _error_ignored(trial: Trial, at: Step) -> Planted:
    def fails(call: ToolCall) -> ToolCall:
        if effects(call).file is None:
            return call
        said = "<tool_use_error>Permission denied" if verb(call) is not Verb.SH else "Permission denied\n[exit_code] 1"
        return replace(call, output=said)

    # The step that fails is no mistake; going on as if it had not is.
    following = next((step.number for step in trial.agent_steps if step.number > at.number), at.number)
    return Planted(_failing_after(_with(trial, at, fails), at.number), "error ignored", following)


def _left_out(trial: Trial, at: Step) -> Planted:
    steps = [step for step in trial.steps if step.number != at.number]
    place = sum(step.number < at.number for step in trial.steps) + 1
    return Planted(_failing_after(_numbered(trial, steps), place - 1), "needed step left out", place)


def _stopped(trial: Trial, at: Step) -> Planted:
    kept = [step for step in trial.steps if step.number < at.number]
    last = replace(at, message=_CLAIM, tool_calls=(), observations=())
    made = _numbered(trial, [*kept, last])
    return Planted(made, "premature stop", len(made.steps))


def _is_only_change(trial: Trial, at: Step) -> bool:
    """Whether no other step changes what this one changes."""
    files = {effects(call).file for call in at.tool_calls} - {None}
    others = {effects(call).file for step in trial.agent_steps if step is not at for call in step.tool_calls}
    return files.isdisjoint(others)


def _with(trial: Trial, at: Step, change: Callable[[ToolCall], ToolCall]) -> Trial:
    changed = replace(at, tool_calls=tuple(change(call) for call in at.tool_calls))
    return replace(trial, steps=tuple(changed if step is at else step for step in trial.steps))


def _failing_after(trial: Trial, number: int) -> Trial:
    """The tests that ran after a step fail."""

    def fails(call: ToolCall) -> ToolCall:
        if verb(call) is not Verb.SH or not effects(call).is_test or call.output is None:
            return call
        said = re.sub(r"(?im)^OK$|\b\d+ passed\b", "FAILED (failures=1)", call.output)
        said = re.sub(r"(?i)(exit.?code\W+)0", r"\g<1>1", said)
        return replace(
            call, output=said if said != call.output else f"{call.output}\nFAILED (failures=1)\nExit code: 1"
        )

    steps = (
        replace(step, tool_calls=tuple(map(fails, step.tool_calls))) if step.number > number and step.is_agent else step
        for step in trial.steps
    )
    return replace(trial, steps=tuple(steps))


def _numbered(trial: Trial, steps: list[Step]) -> Trial:
    return replace(trial, steps=tuple(replace(step, number=number) for number, step in enumerate(steps, 1)))
