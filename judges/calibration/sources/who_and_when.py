"""Who&When (arXiv 2505.00212): one JSON file for each trace, which names the one step that decided its failure.

Its steps are the messages in `history`, counted from 0; here they are counted from 1. A trial is called by its folder
and file, such as `Hand-Crafted/9`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.errors import UnreadableError
from adapter.files import read_json
from adapter.loose import count, mapping, sequence
from judges.calibration.labels import DECISIVE, BadLine, Labels, StepLabel, gathered

if TYPE_CHECKING:
    from pathlib import Path

    from adapter.trial import JsonValue

ANNOTATOR = "who-and-when"


def load(path: Path) -> Labels:
    """The labels in a file, or in all files of a folder and its folders.

    Args:
        path: a `.json` file, or a folder.
    """
    files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    labels: list[StepLabel] = []
    bad: list[BadLine] = []
    lengths: dict[str, int] = {}
    for file in files:
        trial = f"{file.parent.name}/{file.stem}"
        try:
            said = mapping(read_json(file))
        except UnreadableError as error:
            bad.append(BadLine(trial, str(error)))
            continue
        steps = len(sequence(said.get("history")))
        step = whole(said.get("mistake_step"))
        if step is None:
            bad.append(BadLine(trial, "mistake_step is no number of a step"))
        elif steps and step >= steps:
            bad.append(BadLine(trial, f"mistake_step is {step}, and there are {steps} messages, from 0"))
        else:
            labels.append(StepLabel(trial, step + 1, DECISIVE, DECISIVE, ANNOTATOR))
            if steps:
                lengths[trial] = steps
    return gathered(labels, bad, lengths)


def whole(value: JsonValue) -> int | None:
    """A number of things, also where it is written as a text."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 10:
        return int(value)
    return count(value)
