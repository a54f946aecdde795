"""Stage 1: read every trial of the jobs; what cannot be read is named, and the rest go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from adapter.errors import UnreadableError
from adapter.harbor import read_trial
from adapter.jobs import Job, folder_name
from adapter.redact import redact_text
from adapter.status import BY_REWARD, Grading
from adapter.trial import Severity, Status, Trial
from pipelines.engine import IN_PROCESS, Engine
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


def read_trials(
    jobs: Iterable[Job],
    skipped: list[Skipped],
    advance: Advance,
    grading: Grading = BY_REWARD,
    engine: Engine = IN_PROCESS,
) -> Iterator[Trial]:
    """The trials of the jobs, one after the other, without the secrets that stood in them.

    Only the one that was yielded last is held, and the few that the engine has ready: texts may be megabytes.

    Args:
        jobs: the jobs to read.
        skipped: is told of what cannot be read.
        advance: is told of each trial that was looked at.
        grading: what decides whether a trial passed.
        engine: what reads them.
    """
    for job in jobs:
        reading = partial(read_one, without_trials(job), grading)
        for _, trial in each_trial(job, skipped, advance, engine, reading, lambda trial: trial):
            yield trial


def without_trials(job: Job) -> Job:
    """The job as each of its trials is read by it: what is sent along with one of ten thousand is short."""
    return replace(job, trials=(), left_out=(), findings=())


def read_one(job: Job, grading: Grading, folder: Path) -> Trial | str:
    """A trial; the reason where it cannot be read. A stage of one trial: see `pipelines.engine`."""
    try:
        return read_trial(job, folder, grading)
    except UnreadableError as error:
        return str(error)


def each_trial[R](
    job: Job,
    skipped: list[Skipped],
    advance: Advance,
    engine: Engine,
    function: Callable[[Path], R | str],
    trial_of: Callable[[R], Trial],
) -> Iterator[tuple[Path, R]]:
    """What a function makes of each trial of one job, with its folder: a trial's own name may be without a secret.

    Args:
        job: the job to read.
        skipped: is told of what cannot be read.
        advance: is told of each trial that was looked at.
        engine: what does it.
        function: of a trial's folder; it gives the reason where that cannot be read.
        trial_of: the trial in a result.
    """
    skipped.extend(_about(job))
    seen: dict[str, Path] = {}
    for folder, found in zip(job.trials, engine.map(function, job.trials), strict=True):
        name = place(job, folder)
        if isinstance(found, str):
            skipped.append(Skipped(name, found))
        else:
            first = seen.setdefault(trial_of(found).trial_id, folder)
            if first == folder:
                yield folder, found
            else:
                skipped.append(Skipped(name, f"It has the id of {place(job, first)}: a copy?", is_open=False))
        advance(1)


def place(job: Job, folder: Path) -> str:
    """`job/trial` for a trial that has no record, without the secrets that stand in it."""
    return redact_text(f"{job.name}/{folder_name(folder)}", Counter())


def why_not(trial: Trial) -> str | None:
    """Why a trial has no result that can be read; None where it has one."""
    if trial.status is Status.RUNNING:
        return "no result.json: still running or killed"
    if trial.status is Status.UNREADABLE:
        said = sorted(trial.findings, key=lambda finding: finding.severity is not Severity.ERROR)
        return said[0].message if said else "its result cannot be read"
    return None


def _about(job: Job) -> list[Skipped]:
    """What a job itself lacks: an end, or its own files."""
    found = [Skipped(job.name, finding.message) for finding in job.findings]
    if not job.trials and not job.findings:
        found.append(Skipped(job.name, "The job holds no trial."))
    if not job.is_finished:
        # Where its own files are damaged, the end may be what is lost.
        why = "still runs or was interrupted" if not job.findings else "still runs, was interrupted or lost it"
        of = "" if job.expected_trials is None else f" of {job.expected_trials}"
        found.append(
            Skipped(
                job.name,
                f"The job has no end: it {why} ({len(job.trials)}{of} trials are there). "
                "Run this again when it is done.",
            )
        )
    found += [Skipped(place(job, job.path / name), reason, is_open=False) for name, reason in job.left_out]
    if job.n_retries:
        lost = f"Harbor threw away {job.n_retries} retried attempt(s); what they cost is not known."
        found.append(Skipped(job.name, lost, is_open=False))
    return found
