"""The trials that are compared, from job folders or from Opik, as notes: each is read once and forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from adapter.errors import BadInputError
from adapter.jobs import Job
from adapter.opik_connection import Connection
from adapter.opik_rows import JOB
from adapter.opik_store import OpikStore, StoredExperiment
from adapter.prices import PriceBook
from adapter.status import Grading
from adapter.trial import Variant
from pipelines.cost import price_trial
from pipelines.engine import IN_PROCESS, Engine
from pipelines.experiments import Experiment
from pipelines.judge_request import Which
from pipelines.judged import judged
from pipelines.notes import DETAILS, Notes
from pipelines.progress import Bars
from pipelines.read import Skipped
from pipelines.store_jobs import store_jobs
from pipelines.summary import retries_lost
from pipelines.to_judge import FromOpik
from pipelines.written import Written

_FIELDS = ("agent", "agent_version", "model", "provider", "effort", "digest")


@dataclass(frozen=True, slots=True)
class Gathered:
    """What is compared.

    Attributes:
        notes: of each trial, with all details.
        experiments: those that hold the trials.
        jobs: the names of the trials' jobs.
        skipped: what was asked for and is not among them.
        written: what was stored on the way.
        traces: the ids of the trials' traces, by their keys.
        lost: attempts that Harbor threw away and tried again, as far as their jobs' folders say.
    """

    notes: Notes
    experiments: list[Experiment]
    jobs: list[str]
    skipped: list[Skipped]
    written: Written = field(default_factory=Written)
    lost: int = 0
    traces: dict[str, str] = field(default_factory=dict[str, str])


def gather_jobs(
    jobs: Sequence[Job], grading: Grading, book: PriceBook, store: OpikStore, bars: Bars, engine: Engine = IN_PROCESS
) -> Gathered:
    """The trials of job folders, which are stored in Opik first where they are not there yet.

    Raises:
        BadInputError: no trial could be read, or none has the reward that was to decide.
        IncompleteError: Opik refuses, does not answer, or does not hold what it took.
    """
    done = store_jobs(jobs, grading, store, bars, is_judged=True, details=DETAILS, book=book, engine=engine)
    names = [job.name for job in jobs]
    return Gathered(done.notes, done.experiments, names, done.skipped, done.written, retries_lost(jobs), done.traces)


def gather_stored(
    experiments: Sequence[str], project: str, book: PriceBook, connection: Connection, bars: Bars
) -> Gathered:
    """The trials of stored experiments.

    Args:
        experiments: their names; without any, all of the project's trials.
        project: the project.
        book: where prices are looked up.
        connection: to the Opik that holds them.
        bars: shows how far it is.

    Raises:
        BadInputError: there is no such experiment or project, or it holds no trial.
        IncompleteError: Opik refuses, or does not answer.
    """
    which = Which(experiments=tuple(experiments)) if experiments else Which(project=project)
    source = FromOpik(which, connection)
    notes = Notes(details=DETAILS)
    found: dict[str, str] = {}
    projects: set[str] = set()
    traces: dict[str, str] = {}
    for one in source.trials(bars.stage("Read", "trials", None)):
        notes.add(one.trial, price_trial(one.trial, book), judged(one.trial))
        notes.take_shares(one.trace)
        found[one.trial.job_id] = one.trial.job
        traces.update((key, row.id) for key, row in one.trace.items())
        if one.project is not None:
            projects.add(one.project)
    if not notes:
        where = ", ".join(experiments) if experiments else f"project {project}"
        raise BadInputError(f"Opik holds no trial in {where}.", "Store some with `kilobench run JOB`, or name another.")
    wanted = {one.id for one in source.experiments}
    held: list[Experiment] = []
    for name in sorted(projects):
        store = OpikStore(connection, name)
        for job_id in found:
            held += [_experiment(one) for one in store.find_experiments(job_id).values()]
    if wanted:
        held = [one for one in held if one.id in wanted]
    return Gathered(notes, held, sorted(set(found.values())), list(source.skipped), traces=traces)


def _experiment(one: StoredExperiment) -> Experiment:
    told = {name: value if isinstance(value := one.metadata.get(name), str) else None for name in _FIELDS}
    told["agent"] = told["agent"] or "unknown"
    variant = Variant(**told)  # pyright: ignore[reportArgumentType]  # the agent is there
    return Experiment(
        id=one.id,
        name=one.name,
        job_id=str(one.metadata.get(JOB)),
        variant=variant.name,
        dataset=str(one.metadata.get("dataset")),
        metadata=one.metadata,
        is_new=False,
        stored=(one.metadata, one.scores),
        stored_name=one.name,
    )
