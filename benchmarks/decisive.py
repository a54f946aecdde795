"""The ranking without a model on traces of others, whose decisive step people marked: Who&When and AgentRx.

These are conversations, mostly of several agents, not jobs: each message is a step, and what a terminal answers to an
agent's code is that step's tool call. No other run of the task is there to compare with, so only the judges' rules
speak.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from adapter.files import read_json
from adapter.loose import Json, mapping, sequence, text
from adapter.trial import JsonValue, Object, Source, Status, Step, ToolCall, Trial, Variant
from benchmarks.data import REPOSITORY
from judges.calibration.sources import agentrx, who_and_when
from views.root_cause import causes

LABELS = REPOSITORY.parent / "shared" / "data" / "labels"
WITHIN = (0, 1, 3, 5)
_ERROR = re.compile(r"traceback|\berror\b|exitcode: [1-9]|execution failed|exception", re.IGNORECASE)
_CODE = re.compile(r"```(?:python|sh|bash)?\n(.*?)```", re.DOTALL)


def conversation(name: str, messages: Sequence[object]) -> Trial:
    """A conversation as a trial: a step for each message, counted from 1."""
    said = [
        (text(one.get("name")) or text(one.get("role")) or "", text(one.get("content")) or "")
        for one in map(mapping, messages)
    ]  # pyright: ignore[reportArgumentType]
    steps: list[Step] = []
    for number, (who, content) in enumerate(said, 1):
        is_agent = who.lower() not in ("human", "user", "system", "computer_terminal", "computerterminal", "tool")
        code = "\n".join(_CODE.findall(content))
        answer = said[number] if number < len(said) else ("", "")
        calls: tuple[ToolCall, ...] = ()
        if is_agent and code and "terminal" in answer[0].lower():
            status = re.search(r"exitcode: (\d+)", answer[1])
            ending = f"\nExit code: {status[1]}" if status else ""
            calls = (ToolCall("bash", {"command": code}, f"{answer[1]}{ending}"),)
        source = Source.AGENT if is_agent else Source.USER
        steps.append(Step(number, number, source, content, tool_calls=calls, call=number if is_agent else None))
    return _trial(name, steps)


def tool_run(name: str, messages: Sequence[JsonValue]) -> Trial:
    """Messages in OpenAI's form as a trial: a step for each, counted from 1; a call holds what its tool answered."""
    said = [mapping(one) for one in messages]
    answers = {text(one.get("tool_call_id")): text(one.get("content")) or "" for one in said}
    steps: list[Step] = []
    for number, one in enumerate(said, 1):
        is_agent = one.get("role") == "assistant"
        calls: list[ToolCall] = []
        for call in map(mapping, sequence(one.get("tool_calls"))):
            asked = mapping(call.get("function"))
            id_ = text(call.get("id"))
            calls.append(ToolCall(text(asked.get("name")) or "", _arguments(asked), answers.get(id_), id_))
        source = Source.AGENT if is_agent else Source.USER
        said_there = text(one.get("content")) or ""
        number_of_call = number if is_agent else None
        steps.append(Step(number, number, source, said_there, tool_calls=tuple(calls), call=number_of_call))
    return _trial(name, steps)


def _arguments(asked: Json) -> Object | str:
    written = text(asked.get("arguments")) or ""
    try:
        value: JsonValue = json.loads(written)
    except ValueError:
        return written
    return value if isinstance(value, dict) else written


def _trial(name: str, steps: Sequence[Step]) -> Trial:
    return Trial(
        job_id="labels",
        trial_id=name,
        job="labels",
        trial=name,
        task=name,
        dataset="labels",
        variant=Variant("several"),
        status=Status.FAILED,
        steps=tuple(steps),
    )


def of_who_and_when() -> Iterator[tuple[Trial, int]]:
    """Each trace with its decisive step."""
    folder = LABELS / "who_and_when"
    steps = {label.trial: label.step for label in who_and_when.load(folder).labels}
    for file in sorted(folder.rglob("*.json")):
        name = f"{file.parent.name}/{file.stem}"
        if name in steps:
            yield conversation(name, sequence(mapping(read_json(file)).get("history"))), steps[name]


def of_agentrx() -> Iterator[tuple[Trial, int]]:
    """The traces of Magentic-One, conversations of several agents, and of tau, each with its decisive step."""
    folder = LABELS / "agentrx"
    steps = {label.trial: label.step for label in agentrx.load(folder).labels}
    for file in sorted((folder / "magentic_dataset").glob("*.json")):
        name = f"magentic_one/{file.stem}"
        if name in steps:
            yield conversation(name, sequence(read_json(file))), steps[name]
    for run in map(mapping, sequence(read_json(folder / "tau_retail" / "tau_dataset_failed.json"))):
        name = f"tau/{run.get('task_id')}"
        if name in steps:
            yield tool_run(name, sequence(run.get("traj"))), steps[name]


def measure(name: str, traces: list[tuple[Trial, int]]) -> None:
    """Prints how often the ranking and some trivial guesses name the step."""
    from benchmarks.root_cause import course

    rng = np.random.default_rng(50)

    def ranked(trial: Trial) -> int | None:
        found = causes(course(trial, passed=False), None)
        return found[0].step if found else None

    def first_error(trial: Trial) -> int | None:
        return next((step.number for step in trial.steps if _ERROR.search(step.message)), None)

    guesses: dict[str, Callable[[Trial], int | None]] = {
        "the ranking": ranked,
        "the last step": lambda trial: trial.steps[-1].number,
        "the first error message": first_error,
        "a step at random": lambda trial: int(rng.integers(1, len(trial.steps) + 1)),
    }
    for guess, say in guesses.items():
        answers = [(say(trial), right) for trial, right in traces if trial.steps]
        hits = [
            sum(said is not None and abs(said - right) <= off for said, right in answers) / len(answers)
            for off in WITHIN
        ]
        silent = sum(said is None for said, _ in answers)
        shares = ", ".join(
            f"{'exact' if not off else f'within {off}'} {hit:.1%}" for off, hit in zip(WITHIN, hits, strict=True)
        )
        quiet = f"; silent on {silent}" if silent else ""
        print(f"decisive step, {name} ({len(answers)} traces): {guess}: {shares}{quiet}")


def main() -> None:
    """Prints both collections, where they are."""
    if not Path(LABELS).is_dir():
        print("decisive step: ../shared/data/labels is not here, so nothing was measured")
        return
    measure("Who&When", list(of_who_and_when()))
    measure("AgentRx", list(of_agentrx()))


if __name__ == "__main__":
    main()
