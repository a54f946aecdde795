"""What trials that ended cost, as a cap counts it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from adapter.errors import UnreadableError
from adapter.harbor import read_trial
from adapter.jobs import Job
from adapter.prices import PriceBook
from adapter.trial import Trial
from pipelines.cost import price_trial


def costs(job: Job, trials: Iterable[Path], book: PriceBook) -> list[float | None]:
    """What each trial that ended cost, in US dollars; None where that is not known.

    One whose agent did not come to start (its environment failed before, say) spent nothing and is left out.

    Args:
        job: whose trials they are.
        trials: their folders, wherever they lie now.
        book: where prices are looked up.
    """
    found: list[float | None] = []
    for path in trials:
        if not (path / "result.json").is_file():
            continue
        try:
            trial = read_trial(job, path)
        except UnreadableError:
            found.append(None)
            continue
        if not _never_began(trial):
            found.append(price_trial(trial, book).usd)
    return found


def _never_began(trial: Trial) -> bool:
    """Whether the agent was not started, and so spent nothing: its environment failed before, say."""
    return trial.agent_time.started_at is None and not trial.steps and trial.source_trial_id is None
