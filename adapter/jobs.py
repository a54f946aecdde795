"""Finding Harbor's jobs, and reading what a job says of itself.

The layout is Harbor 0.24's and 0.25's. A symbolic link is never followed.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from adapter.bare import bare_files
from adapter.errors import BadInputError, UnreadableError
from adapter.files import is_there, read_json
from adapter.layout import children, folder_name, is_empty_job, is_job, is_surely_trial, is_trial, linked
from adapter.loose import EMPTY, Json, count, local, mapping, sequence, text
from adapter.redact import redact_text
from adapter.remote import RemotePath, look_ahead
from adapter.remote_store import StoreError
from adapter.trial import Finding, JsonValue, Severity

_DEEPEST = 3
"""How many levels below a folder jobs and bare trajectories are looked for."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job folder.

    Attributes:
        path: the folder.
        name: the folder's name; with the start of the id where several jobs that were asked for share one.
        id: the job's UUID, from its result or else its trials; else a stand-in made from the folder's name.
        is_finished: False while Harbor has not written the job's end: still running, or interrupted.
        expected_trials: how many trials it was to have; None when not known.
        n_retries: attempts that Harbor threw away, with what they cost.
        dataset_versions: dataset name to version, from the job's settings.
        agents: the settings of each agent that the job ran (`config.json`).
        local_time: start and end as Harbor writes them for a job: naive, in the local time of the machine it ran on.
        datasets: the names of the datasets that its settings name; None where they name single tasks, too.
        trials: the trial folders, by name; of a bare job the trajectories' files.
        left_out: folders in it that are no trials, each with the reason.
        is_bare: whether it is no job of Harbor's, but a folder of trajectories.
    """

    path: Path
    name: str
    id: str
    trials: tuple[Path, ...] = ()
    is_finished: bool = True
    expected_trials: int | None = None
    n_retries: int = 0
    dataset_versions: dict[str, str] = field(default_factory=dict[str, str])
    datasets: tuple[str, ...] | None = ()
    agents: tuple[Json, ...] = ()
    local_time: tuple[datetime | None, datetime | None] = (None, None)
    left_out: tuple[tuple[str, str], ...] = ()
    findings: tuple[Finding, ...] = ()
    is_bare: bool = False

    @property
    def only_dataset(self) -> str | None:
        """The dataset that all of its trials are of; None where its settings name several, or none, or tasks."""
        return self.datasets[0] if self.datasets is not None and len(self.datasets) == 1 else None


def find_jobs(paths: list[Path]) -> list[Job]:
    """The jobs at these paths: each is a job folder, a folder of jobs (some levels deep), or one of bare trajectories.

    What lies beside the jobs and is not read is a job without trials that says why: a folder that cannot be looked
    into, a trial that is in no job.

    Raises:
        BadInputError: a path is not there, cannot be read, is no job, or its job holds no trial; or one job is
            there twice.
    """
    found: dict[Path, Job] = {}
    for path in paths:
        try:
            for job in _jobs_at(path.listed() if isinstance(path, RemotePath) else path):
                found.setdefault(job.path.resolve(), _alone(job))
        except OSError as error:
            raise _unreadable(path, error) from error
    return _distinct(list(found.values()))


def _alone(job: Job) -> Job:
    """The job without the listings that it was found by: they are old when its trials are read."""
    if not isinstance(job.path, RemotePath):
        return job
    trials = tuple(one.alone() for one in job.trials if isinstance(one, RemotePath))
    return replace(job, path=job.path.alone(), trials=trials)


def _jobs_at(path: Path) -> list[Job]:
    if not path.exists():
        raise BadInputError(f"{path} does not exist.", "Give the folder of a finished Harbor job (jobs/NAME).")
    if path.is_file():
        raise BadInputError(f"{path} is a file.", "Give the job's folder, not a file in it.")
    if is_job(path):
        return [read_job(path)]
    hint = "Give the job's folder: it holds result.json, config.json and one folder per trial."
    if is_trial(path):
        raise BadInputError(f"{path} is a trial or an empty job, not a job with trials.", hint)
    jobs, others, plain = _search(path)
    bare = {folder: bare_files(folder) for folder in plain}
    has_bare = any(is_bare for _, is_bare in bare.values())
    if not jobs and not has_bare:
        if others and others[0][1] is not None:
            raise others[0][1]
        raise BadInputError(f"{path} is no Harbor job and holds none.", hint)
    # Files that are no trajectories are named in an archive, and are nobody's business beside Harbor's jobs.
    found = [folder for folder, (files, is_bare) in bare.items() if is_bare or (files and not jobs)]
    read = [read_job(folder) for folder in jobs] + [_bare_job(folder, bare[folder][0]) for folder in found]
    read += [_unread_job(folder, error) for folder, error in others]
    return sorted(read, key=lambda job: job.path)


def _search(path: Path) -> tuple[list[Path], list[tuple[Path, OSError | None]], list[Path]]:
    """The jobs below a folder, empty ones among them; what is not read, with its error; the folders that are neither.

    What is not read without an error is a trial in no job.
    """
    jobs: list[Path] = []
    others: list[tuple[Path, OSError | None]] = []
    plain: list[Path] = []
    waiting = [(path, 0)]
    while waiting:
        folder, depth = waiting.pop()
        try:
            if depth and (is_job(folder) or is_empty_job(folder)):
                jobs.append(folder)
                continue
            if depth and is_surely_trial(folder):
                others.append((folder, None))
                continue
            below = children(folder)
            look_ahead(below if depth < _DEEPEST else ())
        except OSError as error:
            if not depth:
                raise
            others.append((folder, error))
            continue
        plain.append(folder)
        if depth < _DEEPEST:
            waiting += [(child, depth + 1) for child in below]
    return jobs, others, plain


def _unread_job(folder: Path, error: OSError | None) -> Job:
    name = folder_name(folder)
    why = "is a trial in no job: give it with its job" if error is None else f"cannot be looked into: {error.strerror}"
    finding = Finding("not_read", Severity.ERROR, f"{name} {why}.")
    return Job(
        path=folder,
        name=name,
        id=stable_uuid(f"job:{folder_name(folder.parent)}/{name}"),
        findings=(finding,),
    )


def _bare_job(folder: Path, trials: tuple[Path, ...]) -> Job:
    return Job(
        path=folder,
        name=folder_name(folder),
        id=stable_uuid(f"trajectories:{folder_name(folder.parent)}/{folder_name(folder)}"),
        trials=trials,
        is_bare=True,
    )


def _unreadable(path: Path, error: OSError) -> BadInputError:
    """`path` is what was asked for; the error may name a folder below it."""
    hint = error.hint if isinstance(error, StoreError) else "Check the folder's name and permissions."
    return BadInputError(f"{error.filename or path} cannot be read: {error.strerror}.", hint)


def _distinct(jobs: list[Job]) -> list[Job]:
    """The jobs under names that tell them apart.

    Raises:
        BadInputError: two folders hold the same job, which must not count twice.
    """
    by_id: dict[str, Job] = {}
    jobs = [replace(job, name=redact_text(job.name, Counter())) for job in jobs]
    for job in jobs:
        if job.id in by_id:
            raise BadInputError(f"{by_id[job.id].path} and {job.path} are the same job.", "Give one of these folders.")
        by_id[job.id] = job
    uses = Counter(job.name for job in jobs)
    return [replace(job, name=f"{job.name}@{job.id[:8]}") if uses[job.name] > 1 else job for job in jobs]


def read_job(folder: Path) -> Job:
    """Reads a job's own files; its trials are only listed.

    Raises:
        BadInputError: the folder cannot be read.
    """
    try:
        below = children(folder)
        links = linked(folder)
    except OSError as error:
        raise _unreadable(folder, error) from error
    look_ahead(below)
    trials = tuple(child for child in below if is_trial(child))
    findings: list[Finding] = []
    result, config = (read_object(folder / name, folder, findings) for name in ("result.json", "config.json"))
    datasets = [mapping(dataset) for dataset in sequence(config.get("datasets"))]
    versions: dict[str, str] = {}
    for dataset in datasets:
        name, version = text(dataset.get("name")), text(dataset.get("version")) or text(dataset.get("ref"))
        if name is not None and version is not None:
            versions[name] = version
    left_out = [(folder_name(child), "no trial: it holds none of a trial's files") for child in below]
    left_out = [one for one, child in zip(left_out, below, strict=True) if child not in trials]
    left_out += [(name, "a symbolic link, and symbolic links are not followed") for name in links]
    return Job(
        path=folder,
        name=folder_name(folder),
        id=as_uuid(result.get("id")) or _id_from_trials(trials) or _stand_in(folder, trials),
        # Harbor always writes the key: a result without it was written by somebody else, when all was done.
        is_finished=bool(result) and ("finished_at" not in result or result["finished_at"] is not None),
        expected_trials=count(result.get("n_total_trials")),
        n_retries=count(mapping(result.get("stats")).get("n_retries")) or 0,
        dataset_versions=versions,
        agents=tuple(map(mapping, sequence(config.get("agents")))),
        local_time=(local(result.get("started_at")), local(result.get("finished_at"))),
        datasets=None if config.get("tasks") else tuple(name for one in datasets if (name := text(one.get("name")))),
        trials=trials,
        left_out=tuple(left_out),
        findings=tuple(findings),
    )


def _stand_in(folder: Path, trials: Sequence[Path]) -> str:
    """An id for a job that has none, the same wherever it lies: from its name and its trials' (which are random)."""
    return stable_uuid(f"job:{folder_name(folder)}:{[folder_name(trial) for trial in trials]}")


def _id_from_trials(trials: Sequence[Path]) -> str | None:
    """The job's id as its trials know it, for a job whose own result is damaged or not there."""
    for folder in trials:
        for name, keys in (("result.json", ("config", "job_id")), ("config.json", ("job_id",))):
            value = read_object(folder / name, folder.parent, [])
            for key in keys[:-1]:
                value = mapping(value.get(key))
            found = as_uuid(value.get(keys[-1]))
            if found is not None:
                return found
    return None


def as_uuid(value: JsonValue) -> str | None:
    """The UUID that a text is; None for anything else: what is none is no one's own."""
    try:
        return str(uuid.UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def stable_uuid(name: str) -> str:
    """The UUID that a text is; else one made from it, always the same."""
    return as_uuid(name) or str(uuid.uuid5(uuid.NAMESPACE_URL, f"kilobench:{name}"))


def read_object(path: Path, within: Path, findings: list[Finding]) -> Json:
    """A JSON object from a file below a folder; an empty one, with a finding, where it cannot be read."""
    if not is_there(path):
        findings.append(Finding("file_missing", Severity.WARNING, f"There is no {path.name}."))
        return EMPTY
    try:
        return mapping(read_json(path, within, findings))
    except UnreadableError as error:
        findings.append(Finding("file_unreadable", Severity.WARNING, f"{error}."))
        return EMPTY
