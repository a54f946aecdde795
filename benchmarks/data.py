"""What the benchmarks work on: real runs where they lie beside the checkout, else the examples."""

from __future__ import annotations

from pathlib import Path

from adapter.costs import TrialCost
from adapter.harbor import read_trial
from adapter.jobs import find_jobs
from adapter.redact import redact
from adapter.trial import Trial
from pipelines.cost import price_trial

REPOSITORY = Path(__file__).parents[1]
REAL = REPOSITORY.parent / "shared" / "data" / "codetracer"


def folder() -> Path:
    """The job folder to measure on."""
    return REAL if REAL.is_dir() else REPOSITORY / "examples" / "jobs"


def trials() -> list[tuple[Trial, TrialCost]]:
    """Its trials, read and priced."""
    read = [redact(read_trial(job, path)) for job in find_jobs([folder()]) for path in job.trials]
    return [(trial, price_trial(trial)) for trial in read]
