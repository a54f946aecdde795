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


def history(jobs: Path, more: Sequence[Path], book: PriceBook, bars: Bars) -> list[Spent]:
    """The attempts of finished jobs whose cost is known; what the infrastructure failed is no attempt.

    Args:
        jobs: a folder of jobs, which may hold none yet.
        more: other jobs, or folders of them.
        book: where prices are looked up.
        bars: where progress is shown.

    Raises:
        BadInputError: one of `more` is no job and holds none.
    """
    try:
        there = find_jobs([jobs, *more])
    except BadInputError:
        there = find_jobs(list(more)) if more else []
    skipped: list[Skipped] = []
    found: list[Spent] = []
    with bars.showing():
        for trial in read_trials(there, skipped, bars.stage("Read", "trials", sum(len(one.trials) for one in there))):
            cost = price_trial(trial, book).usd
            if cost is None or not trial.status.counts or trial.source_trial_id is not None:
                continue
            variant = trial.variant
            found.append(Spent(variant.agent, variant.model_name, variant.effort, trial.dataset, trial.task, cost))
    return found
