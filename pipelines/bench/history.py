"""What the attempts of finished jobs cost, for a forecast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adapter.errors import BadInputError
from adapter.jobs import find_jobs
from adapter.prices import PriceBook
from pipelines.bench.forecast import Spent
from pipelines.cost import price_trial
from pipelines.progress import Bars
from pipelines.read import Skipped, read_trials


def history(folders: Sequence[Path], book: PriceBook, bars: Bars) -> list[Spent]:
    """The attempts in some folders of jobs whose cost is known; what the infrastructure failed is no attempt.

    Raises:
        BadInputError: a folder that was named holds no job.
    """
    jobs = find_jobs(list(folders)) if folders else []
    skipped: list[Skipped] = []
    found: list[Spent] = []
    with bars.showing():
        for trial in read_trials(jobs, skipped, bars.stage("Read", "trials", sum(len(one.trials) for one in jobs))):
            cost = price_trial(trial, book).usd
            if cost is None or not trial.status.counts or trial.source_trial_id is not None:
                continue
            variant = trial.variant
            found.append(Spent(variant.agent, variant.model_name, variant.effort, trial.dataset, trial.task, cost))
    return found


def folders_of(jobs: Path, more: Sequence[Path]) -> list[Path]:
    """Where history is: the folder of jobs, where it holds any yet, and what was named."""
    try:
        find_jobs([jobs])
    except BadInputError:
        return list(more)
    return [jobs, *more]
