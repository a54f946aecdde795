"""From finished jobs to the tasks of a gate."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from pathlib import Path

from adapter.errors import BadInputError, ExitCode
from adapter.status import BY_REWARD, Grading
from pipelines.categories import load_categories
from pipelines.progress import Bars
from pipelines.results import SkippedItem
from pipelines.select.reading import read_history
from pipelines.select.results import Power, SelectedTask, SelectResult
from pipelines.select.subset_file import write_subset
from views.gate_power import power
from views.selection import Choice, Wanted, select

MOST_ATTEMPTS = 5
"""Attempts per task up to which the power is told."""


@dataclass(frozen=True, slots=True)
class SelectRequest:
    """What `kilobench select` was told.

    Attributes:
        paths: job folders, or folders of them.
        wanted: of the subset.
        dataset: whose tasks; None where the jobs are of one.
        drop: the drop of the pass rate whose power is told, from 0 to 1.
        categories: a file of tasks' categories; None for the tasks' own metadata.
        grading: what decides whether a trial passed.
        subset: the file that is written.
    """

    paths: tuple[Path, ...]
    wanted: Wanted = field(default_factory=Wanted)
    dataset: str | None = None
    drop: float = 0.2
    categories: Path | None = None
    grading: Grading = BY_REWARD
    subset: Path = Path("subset.toml")


def select_tasks(request: SelectRequest, bars: Bars) -> SelectResult:
    """Chooses the tasks and writes the subset's file.

    Raises:
        BadInputError: the history cannot be chosen from, or the file cannot be written.
    """
    categories = load_categories(request.categories)
    history = read_history(request.paths, request.dataset, request.grading, categories, bars)
    variants = sorted({variant for task in history.tasks for variant in task.results})
    if len(variants) < 2:
        named = ", ".join(variants) or "none"
        raise BadInputError(
            f"The history is of one variant only ({named}): nothing says which tasks tell variants apart.",
            "Give jobs of other models, versions or agents on the same tasks, too.",
        )
    found = select(history.tasks, request.wanted)
    if not found.chosen:
        reasons = "; ".join(f"{one.task.name}: {one.why}" for one in found.choices[:3])
        raise BadInputError(
            f"No task is fit for a gate ({reasons}).",
            "Allow more with --max-minutes or --max-flaky, or give more jobs.",
        )
    reference = max(
        variants,
        key=lambda one: statistics.fmean(task.pass_share(one) for task in history.tasks if one in task.results),
    )
    rates = [one.task.pass_share(reference) for one in found.chosen]
    times = [one.p90_seconds for one in found.chosen if one.p90_seconds is not None]
    result = SelectResult(
        dataset=history.dataset,
        subset=request.subset,
        variants=found.variants,
        tasks=tuple(_said(one) for one in found.choices),
        minutes=sum(times) / 60,
        rank_correlation=found.rank_correlation,
        left_out_error=found.left_out_error,
        reference=reference,
        drop=request.drop,
        power=tuple(Power(attempts=n, power=power(rates, request.drop, n)) for n in range(1, MOST_ATTEMPTS + 1)),
        older=history.older,
        skipped=tuple(SkippedItem(path=one.path, reason=one.reason) for one in history.skipped),
        exit_code=ExitCode.DONE,
    )
    write_subset(result)
    return result


def _said(one: Choice) -> SelectedTask:
    attempts = [passed for tried in one.task.results.values() for passed in tried]
    return SelectedTask(
        task=one.task.name,
        chosen=one.is_chosen,
        why=one.why,
        category=one.task.category,
        attempts=len(attempts),
        pass_rate=sum(attempts) / len(attempts),
        p90_seconds=one.p90_seconds,
        flaky=one.flakiness.value,
        flaky_low=one.flakiness.low,
        flaky_high=one.flakiness.high,
        pairs=one.flakiness.pairs,
        discrimination=one.discrimination,
    )
