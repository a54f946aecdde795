"""Stage 1: read every trial of the jobs; what cannot be read is named, and the rest go on."""

from __future__ import annotations

from dataclasses import dataclass

from adapter.errors import UnreadableError
from adapter.harbor import read_trial
from adapter.jobs import Job, folder_name
from adapter.redact import redact
from adapter.trial import Trial
from pipelines.progress import Advance


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that was asked for and is not in the result.

    Attributes:
        path: `job/trial`, or the job.
        reason: why not.
        is_open: whether something is left to do; False for what is lost for good.
    """

    path: str
    reason: str
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class ReadJobs:
    """What was read, without the secrets that stood in it."""

    jobs: tuple[Job, ...]
    trials: tuple[Trial, ...]
    skipped: tuple[Skipped, ...]


def read_jobs(jobs: list[Job], advance: Advance) -> ReadJobs:
    """Reads all trials of the jobs."""
    trials: list[Trial] = []
    skipped: list[Skipped] = []
    for job in jobs:
        skipped.extend(_about(job))
        seen: dict[str, str] = {}
        for folder in job.trials:
            name = f"{job.name}/{folder_name(folder)}"
            try:
                trial = redact(read_trial(job, folder))
            except UnreadableError as error:
                skipped.append(Skipped(name, str(error)))
            else:
                first = seen.setdefault(trial.trial_id, name)
                if first == name:
                    trials.append(trial)
                else:
                    skipped.append(Skipped(name, f"It has the id of {first}: a copy?", is_open=False))
            advance(1)
    return ReadJobs(tuple(jobs), tuple(trials), tuple(skipped))


def _about(job: Job) -> list[Skipped]:
    """What a job itself lacks: an end, or its own files."""
    found = [Skipped(job.name, finding.message) for finding in job.findings]
    if not job.trials:
        found.append(Skipped(job.name, "The job holds no trial."))
    if not job.is_finished and not job.findings:
        of = "" if job.expected_trials is None else f" of {job.expected_trials}"
        found.append(
            Skipped(
                job.name,
                f"The job has no end: it still runs or was interrupted ({len(job.trials)}{of} trials are there). "
                "Run this again when it is done.",
            )
        )
    if job.n_retries:
        lost = f"Harbor threw away {job.n_retries} retried attempt(s); what they cost is not known."
        found.append(Skipped(job.name, lost, is_open=False))
    return found
