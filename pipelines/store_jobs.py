"""Jobs into Opik, one after the other: read, priced, judged and uploaded."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from adapter.errors import BadInputError
from adapter.jobs import Job
from adapter.opik_store import OpikStore
from adapter.prices import BUNDLED, PriceBook
from adapter.status import Grading
from pipelines.engine import IN_PROCESS, Engine
from pipelines.experiments import Experiment
from pipelines.notes import Notes
from pipelines.one_job import OneJob
from pipelines.progress import Bars
from pipelines.prompt_library import store_prompts
from pipelines.read import Skipped
from pipelines.reward_keys import check_first
from pipelines.worker_reading import check_reading
from pipelines.worker_upload import check_reach
from pipelines.written import Written


@dataclass(frozen=True, slots=True)
class StoredJobs:
    """What is left of the jobs once all their trials are in Opik.

    Attributes:
        notes: of each trial.
        skipped: what was asked for and is not stored.
        experiments: all of theirs.
        written: what this run wrote.
        traces: the ids of the stored traces, by the trial's key.
        rows: how many traces and spans Opik holds of them, whoever wrote them.
    """

    notes: Notes
    skipped: list[Skipped]
    experiments: list[Experiment]
    written: Written
    rows: Rows
    traces: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class Rows:
    """Counts of stored rows."""

    traces: int = 0
    spans: int = 0


def store_jobs(
    jobs: Sequence[Job],
    grading: Grading,
    store: OpikStore,
    bars: Bars,
    *,
    is_judged: bool,
    details: Collection[str] = (),
    book: PriceBook = BUNDLED,
    engine: Engine = IN_PROCESS,
) -> StoredJobs:
    """Reads, prices, judges and uploads the jobs, one after the other.

    Args:
        jobs: what to store.
        grading: what decides whether a trial passed.
        store: where to.
        bars: shows how far it is.
        is_judged: whether to judge the trials.
        details: which of `pipelines.notes.DETAILS` are wanted.
        book: where prices are looked up.
        engine: what works on each trial before it is stored.

    Raises:
        BadInputError: no trial could be read: nothing was sent. Or none has the reward that was to decide.
        IncompleteError: Opik refuses, does not answer, or does not hold what it took.
    """
    check_first(jobs, grading.key)
    check_reading(engine, jobs)
    check_reach(engine, store)
    done = StoredJobs(Notes(details=details, reward=grading.key), [], [], Written(), Rows())
    prompts = store_prompts(store, done.written) if is_judged else None
    strangers: list[Skipped] = []
    on_trial = bars.stage("Read", "trials", sum(len(job.trials) for job in jobs))
    on_row = bars.stage("Upload", "rows", None)
    for job in jobs:
        one = OneJob(job, grading, prompts=prompts, notes=done.notes, skipped=done.skipped, book=book, engine=engine)
        uploaded = one.store(store, on_trial, on_row)
        if is_judged:
            done.notes.take_shares(uploaded.traces)
        done.experiments.extend(uploaded.experiments)
        done.written.add(uploaded.written)
        done.rows.traces += len(uploaded.traces)
        done.traces.update((key, row.id) for key, row in uploaded.traces.items())
        done.rows.spans += len(uploaded.spans)
        if uploaded.strangers:
            reason = f"{uploaded.strangers} trace(s) in Opik are of trials that are no longer there or not readable."
            reason = f"{reason} They stay, also in their experiments, and are not in these numbers."
            strangers.append(Skipped(job.name, reason, is_open=False))
        if uploaded.removed:
            reason = f"{uploaded.removed} spans were removed from Opik: the job's files do not hold them any more."
            strangers.append(Skipped(job.name, reason, is_open=False))
    if not done.notes:
        reasons = "; ".join(f"{one.path}: {one.reason}" for one in done.skipped[:3])
        raise BadInputError(f"No trial could be read. {reasons}", "Give the folder of a finished Harbor job.")
    done.notes.reward_keys.check()
    done.skipped.extend(strangers)
    return done
