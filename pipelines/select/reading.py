"""The history of a dataset's tasks, from finished jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from adapter.errors import BadInputError
from adapter.jobs import find_jobs
from adapter.prices import BUNDLED
from adapter.status import Grading
from pipelines.categories import Categories
from pipelines.cost import price_trial
from pipelines.notes import Notes
from pipelines.progress import Bars
from pipelines.read import Skipped, read_trials
from views import metrics
from views.task_history import TaskHistory


@dataclass(frozen=True, slots=True)
class History:
    """What finished jobs say of one dataset's tasks.

    Attributes:
        dataset: with its version where the jobs hold several.
        tasks: with the attempts at the version that was tried last.
        older: how many attempts at older versions were left out.
        skipped: what could not be read.
    """

    dataset: str
    tasks: tuple[TaskHistory, ...]
    older: int = 0
    skipped: tuple[Skipped, ...] = field(default=())


def read_history(
    paths: Sequence[Path], dataset: str | None, grading: Grading, categories: Categories, bars: Bars
) -> History:
    """Reads the jobs.

    Args:
        paths: job folders, or folders of them.
        dataset: whose tasks are wanted; None where the jobs are of one.
        grading: what decides whether a trial passed.
        categories: what decides a task's category.
        bars: where progress is shown.

    Raises:
        BadInputError: a path is no job, or no dataset, or several, are in question.
    """
    jobs = find_jobs(list(paths))
    skipped: list[Skipped] = []
    notes = Notes(reward=grading.key, categories=categories)
    seconds: dict[str, float | None] = {}
    with bars.showing():
        advance = bars.stage("Read", "trials", sum(len(job.trials) for job in jobs))
        for trial in read_trials(jobs, skipped, advance, grading):
            notes.add(trial, price_trial(trial, BUNDLED), None)
            seconds[trial.name] = trial.time.seconds
    if not notes:
        raise BadInputError("No trial could be read.", "kilobench inspect says why.")
    parts = metrics.by_dataset(notes.trials(notes.standings()))
    name = _chosen(dataset, sorted(parts))
    trials = metrics.attempts_of(parts[name])
    now = _newest(trials)
    tasks = tuple(_history(str(task), part, seconds) for task, part in now.groupby("task"))
    return History(name, tasks, len(trials) - len(now), tuple(skipped))


def _chosen(wanted: str | None, there: Sequence[str]) -> str:
    if wanted is None and len(there) == 1:
        return there[0]
    if wanted is not None and wanted in there:
        return wanted
    named = ", ".join(there)
    if wanted is None:
        raise BadInputError(f"The jobs are of several datasets: {named}.", "Name one with --dataset.")
    raise BadInputError(f"No job is of the dataset {wanted}.", f"--dataset can be {named}.")


def _newest(trials: pd.DataFrame) -> pd.DataFrame:
    """The attempts at the version of each task that was tried last: other versions are other tasks."""
    ordered = trials.sort_values(["started_at", "trial"], na_position="first")
    last = ordered.groupby("task")["task_checksum"].last()
    checksum = trials["task"].map(last)
    return trials[(trials["task_checksum"] == checksum).fillna(value=False) | checksum.isna()]


def _history(task: str, part: pd.DataFrame, seconds: dict[str, float | None]) -> TaskHistory:
    results = {
        str(variant): tuple(bool(passed) for passed in rows.sort_values("trial")["passed"])
        for variant, rows in part.groupby("variant")
    }
    times = sorted(known for trial in part["trial"] if (known := seconds.get(str(trial))) is not None)
    categories = sorted({str(one) for one in part["category"].dropna()})
    return TaskHistory(task, results, tuple(times), categories[0] if categories else None)
