"""The page of one task: all attempts side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from views import format as fmt
from views.pages.comparison import outcome
from views.pages.html import render
from views.pages.places import INDEX, task_place
from views.pages.rows import Row, Tally
from views.tables import CRITERIA


@dataclass(frozen=True, slots=True)
class _Side:
    """A variant with its trials at the task."""

    name: str
    tally: Tally
    cost: str
    seconds: str


def task_page(
    dataset: str,
    task: str,
    rows: Sequence[Row],
    names: Mapping[str, str],
    comparisons: Sequence[tuple[str, str]],
    trial_page: Callable[[str], str | None],
) -> str:
    """The page.

    Args:
        dataset: the task's dataset, with its version where there are several.
        task: the task.
        rows: its trials, by variant.
        names: short ones, by variant.
        comparisons: those in which the task is: each one's name and page.
        trial_page: the page of a trial, by its name.
    """
    variants: dict[str, list[Row]] = {}
    for row in rows:
        if row["regrade_of"] is None:
            variants.setdefault(row["variant"], []).append(row)
    return render(
        "task.html",
        task_place(dataset, task),
        title=task,
        home=INDEX,
        dataset=dataset,
        task=task,
        category=next((row["category"] for row in rows if row["category"]), None),
        checksums=sorted({row["task_checksum"] for row in rows if row["task_checksum"]}),
        sides=[_side(names.get(name, name), several) for name, several in variants.items()],
        comparisons=comparisons,
        criteria=[name for name in CRITERIA if any(row[f"flagged_{name}"] is not None for row in rows)],
        trial_page=trial_page,
        outcome=outcome,
    )


def _side(name: str, rows: Sequence[Row]) -> _Side:
    costs = [row["cost_usd"] for row in rows if row["passed"] is not None and row["cost_usd"] is not None]
    times = [row["seconds"] for row in rows if row["passed"] is not None and row["seconds"] is not None]
    return _Side(
        name=name,
        tally=Tally(tuple(rows)),
        cost=fmt.money(sum(costs) / len(costs)) if costs else fmt.UNKNOWN,
        seconds=fmt.seconds(sum(times) / len(times)) if times else fmt.UNKNOWN,
    )
