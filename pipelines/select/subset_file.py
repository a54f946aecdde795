"""The subset as a file, `subset.toml`, that `bench` and `gate` take. The same result is the same file."""

from __future__ import annotations

import json

from adapter.errors import BadInputError
from pipelines.select.results import SelectedTask, SelectResult
from views import format as fmt


def subset_text(result: SelectResult) -> str:
    """The file's text."""
    lines = [
        "# The tasks of a gate, chosen by `kilobench select`. What is not chosen stands here with the reason; set",
        "# `chosen` yourself to overrule it.",
        f"dataset = {_text(result.dataset)}",
        f"variants = [{', '.join(_text(one) for one in result.variants)}]",
    ]
    for task in result.tasks:
        lines += ["", "[[task]]", *_task(task)]
    return "\n".join(lines) + "\n"


def write_subset(result: SelectResult) -> None:
    """Writes it where the result says.

    Raises:
        BadInputError: it cannot be written.
    """
    try:
        result.subset.write_text(subset_text(result), encoding="utf-8")
    except OSError as error:
        what = f"{result.subset} cannot be written: {error.strerror}."
        raise BadInputError(what, "Give another file with -o.") from error


def _task(task: SelectedTask) -> list[str]:
    said = [
        f"name = {_text(task.task)}",
        f"chosen = {str(task.chosen).lower()}",
        f"why = {_text(task.why)}",
    ]
    if task.category is not None:
        said.append(f"category = {_text(task.category)}")
    if task.p90_seconds is not None:
        said.append(f"p90_seconds = {task.p90_seconds:.1f}")
    return said


def _text(value: str) -> str:
    """A text of TOML: a JSON text is one, but for the character DEL."""
    return json.dumps(fmt.one_line(value), ensure_ascii=False).replace("\x7f", "\\u007f")
