"""AgentRx (arXiv 2602.02475): lists of failed runs, each with its failures, one of which is the root cause.

The step of the root cause is the decisive one; steps are counted from 1. A trial is called by its file and its id, such
as `magentic_one/<id>` or `tau/2`. How long a run is stands in other files, and is taken from there where they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.errors import UnreadableError
from adapter.files import read_json
from adapter.loose import mapping, sequence
from judges.calibration.labels import DECISIVE, BadLine, Labels, StepLabel, gathered
from judges.calibration.sources.who_and_when import whole

if TYPE_CHECKING:
    from pathlib import Path

    from adapter.loose import Json
    from adapter.trial import JsonValue

ANNOTATOR = "agentrx"
_ENDING = "_ground_truth"


def load(path: Path) -> Labels:
    """The labels in a file of AgentRx's ground truth, or in all of them below a folder.

    Args:
        path: a `.json` file, or a folder in which those that end in `_ground_truth.json` count.
    """
    files = sorted(path.rglob(f"*{_ENDING}.json")) if path.is_dir() else [path]
    labels: list[StepLabel] = []
    bad: list[BadLine] = []
    lengths: dict[str, int] = {}
    for file in files:
        dataset = file.stem.removesuffix(_ENDING)
        try:
            runs = sequence(read_json(file))
        except UnreadableError as error:
            bad.append(BadLine(file.name, str(error)))
            continue
        if not runs:
            bad.append(BadLine(file.name, "it is no list of runs"))
        known = _lengths(file.parent.parent, bad)
        for place, run in enumerate(runs):
            said = mapping(run)
            name = _id(said.get("trajectory_id"))
            if name is None:
                bad.append(BadLine(f"{file.name}, run {place + 1}", "it has no trajectory_id"))
                continue
            trial = f"{dataset}/{name}"
            step, steps = _root_cause(said), known.get(name)
            if step is None or step < 1:
                bad.append(BadLine(trial, "no step of it is the root cause"))
            elif steps is not None and step > steps:
                bad.append(BadLine(trial, f"its root cause is in step {step}, and there are {steps}"))
            else:
                labels.append(StepLabel(trial, step, DECISIVE, DECISIVE, ANNOTATOR))
                if steps is not None:
                    lengths[trial] = steps
    return gathered(labels, bad, lengths)


def _root_cause(run: Json) -> int | None:
    """The step of the failure that is the root cause."""
    wanted = _id(mapping(run.get("root_cause")).get("failure_id"))
    for one in sequence(run.get("failures")):
        failure = mapping(one)
        if wanted is not None and _id(failure.get("failure_id")) == wanted:
            return whole(failure.get("step_number"))
    return None


def _id(value: JsonValue) -> str | None:
    """An id, which may be a number or a text."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None


def _lengths(root: Path, bad: list[BadLine]) -> dict[str, int]:
    """How many steps each run has, by its id, from the files that lie where AgentRx's repository has them."""
    found: dict[str, int] = {}
    for file in sorted((*root.glob("*/steps_by_id.json"), *root.glob("*/tau_dataset_*.json"))):
        try:
            value = read_json(file)
        except UnreadableError as error:
            bad.append(BadLine(file.name, str(error)))
            continue
        for name, steps in mapping(value).items():
            if (number := whole(steps)) is not None:
                found[name] = number
        for one in sequence(value):
            run = mapping(one)
            name, steps = _id(run.get("task_id")), len(sequence(run.get("traj")))
            if name is not None and steps:
                found[name] = steps
    return found
