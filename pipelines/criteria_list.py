"""`kilobench judge --list-criteria`: what steps are judged by."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict
from rich.console import Console

from adapter.errors import BadInputError
from judges.criteria import in_force
from pipelines.terminal import line
from prompts import CriterionError, system_prompt


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ListedLabel(_Result):
    """A label of a criterion; `value` is None for one that is no mark."""

    label: str
    value: float | None
    meaning: str


class ListedCriterion(_Result):
    """A criterion in force."""

    criterion: str
    prompt_version: str
    name: str
    question: str
    applies_to: str
    labels: tuple[ListedLabel, ...]


class CriteriaList(_Result):
    """What `kilobench judge --list-criteria` says; `system` is the version of what every judge is told."""

    system: str
    criteria: tuple[ListedCriterion, ...]


def criteria_list(folder: Path | None) -> CriteriaList:
    """The criteria in force.

    Raises:
        BadInputError: a file of the user's own cannot be used.
    """
    try:
        found = in_force(folder)
    except CriterionError as error:
        raise BadInputError(str(error), "See docs/criteria.md for what a criterion's file holds.") from error
    return CriteriaList(
        system=system_prompt().prompt_version,
        criteria=tuple(
            ListedCriterion(
                criterion=one.criterion,
                prompt_version=one.prompt_version,
                name=one.name,
                question=one.question,
                applies_to=one.applies_to.value,
                labels=tuple(ListedLabel(**label.model_dump()) for label in one.labels),
            )
            for one in found.values()
        ),
    )


def show_criteria(result: CriteriaList, console: Console) -> None:
    """Prints the criteria."""
    for one in result.criteria:
        console.print(line(f"{one.prompt_version}: ", f"{one.question} ({one.applies_to.replace('_', ' ')})"))
        for label in one.labels:
            value = "no mark" if label.value is None else f"{label.value:g}"
            console.print(line(f"  {label.label} ", f"({value}): {label.meaning}"))
    console.print(line("system prompt: ", result.system))
