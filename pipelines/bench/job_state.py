"""How far a variant's job is, as its folder says; and the attempts that were put aside to be tried again."""

from __future__ import annotations

import shutil
from pathlib import Path

from adapter.errors import UnreadableError
from adapter.harbor import read_trial
from adapter.jobs import Job, read_job
from adapter.prices import PriceBook
from adapter.trial import Status
from pipelines.bench.budget import spent_usd
from pipelines.bench.harbor_process import shown
from pipelines.bench.matrix import PLUGIN, Planned
from pipelines.bench.results import BenchJob, State
from pipelines.bench.spending import costs

KEPT = ".kept-attempts"
"""The folder, beside the jobs, of attempts that were tried again: hidden, so that nobody takes it for a job."""

_NO_USE = frozenset({"AgentAuthenticationError", "AuthenticationError", "ModelNotFoundError", "ApiUsageLimitError"})
"""After one of these, another try ends as the one before."""


def look_at(one: Planned, jobs: Path) -> BenchJob:
    """How far a variant's job is.

    Args:
        one: the variant.
        jobs: the folder of jobs.
    """
    folder = jobs / one.name
    job = _job(folder)
    ended = 0 if job is None else sum((path / "result.json").is_file() for path in job.trials)
    if job is None:
        state = State.NEW
    elif job.is_finished and ended and ended == (job.expected_trials or ended):
        state = State.FINISHED
    else:
        state = State.UNFINISHED
    return BenchJob(
        variant=one.label,
        job=one.name,
        folder=folder,
        state=state,
        command=shown(arguments(one, jobs, state)),
        trials=ended,
        expected=None if job is None else job.expected_trials,
        kept=len(_kept(one, jobs)),
    )


def arguments(one: Planned, jobs: Path, state: State) -> list[str]:
    """What `opik harbor` is given to begin a variant's job or to take it up again."""
    if state is State.UNFINISHED:
        return ["job", "resume", "-p", str(jobs / one.name), "--plugin", PLUGIN]
    return one.arguments(jobs)


def spent(one: Planned, jobs: Path, book: PriceBook) -> tuple[list[float | None], list[float | None]]:
    """What a variant's attempts cost: those that ended in its job, and those that were put aside (`spending.costs`)."""
    job = _job(jobs / one.name)
    if job is None:
        return [], []
    return costs(job, job.trials, book), _kept_costs(one, jobs, job, book)


def kept_usd(one: Planned, jobs: Path, book: PriceBook) -> float | None:
    """What a variant's attempts that were put aside cost together, in US dollars; None where that is not known."""
    job = _job(jobs / one.name)
    return None if job is None else spent_usd(_kept_costs(one, jobs, job, book), None)


def _kept_costs(one: Planned, jobs: Path, job: Job, book: PriceBook) -> list[float | None]:
    return costs(job, _kept(one, jobs), book)


def to_try_again(one: Planned, jobs: Path) -> list[Path]:
    """The trials of a variant's job that the infrastructure failed, and that may end otherwise the next time."""
    job = _job(jobs / one.name)
    return [] if job is None else [path for path in job.trials if _may_be_tried_again(job, path)]


def put_aside(trials: list[Path], one: Planned, jobs: Path) -> None:
    """Moves trials out of their job, so that Harbor runs them again.

    Harbor's own retries delete what failed, and what it cost with it.
    """
    kept = jobs / KEPT / one.name
    for path in trials:
        kept.mkdir(parents=True, exist_ok=True)
        number = sum(1 for _ in kept.glob(f"{path.name}.*")) + 1
        shutil.move(path, kept / f"{path.name}.{number}")


def _kept(one: Planned, jobs: Path) -> list[Path]:
    return sorted((jobs / KEPT / one.name).glob("*"))


def _job(folder: Path) -> Job | None:
    """The job in a folder; None where Harbor has not begun one there."""
    if not (folder / "config.json").is_file():
        return None
    try:
        return read_job(folder)
    except UnreadableError:
        return None


def _may_be_tried_again(job: Job, path: Path) -> bool:
    try:
        trial = read_trial(job, path)
    except UnreadableError:
        return False
    kind = None if trial.exception is None else trial.exception.type
    return trial.status is Status.INFRASTRUCTURE_ERROR and kind not in _NO_USE
