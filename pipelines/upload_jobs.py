"""`kilobench upload`: jobs into Opik, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from adapter.errors import ExitCode
from adapter.jobs import find_jobs
from adapter.opik_connection import connect
from adapter.opik_store import OpikStore
from adapter.prices import BUNDLED, PriceBook
from adapter.status import Grading
from pipelines.alone import alone
from pipelines.compare import save_scores
from pipelines.engine import IN_PROCESS, Engine
from pipelines.live import project_of
from pipelines.progress import Bars
from pipelines.results import RowsWritten, SkippedItem
from pipelines.store_jobs import store_jobs
from pipelines.stored_results import StoredExperimentItem, UploadResult
from pipelines.summary import totals


def upload_jobs(
    paths: Sequence[Path],
    project: str | None,
    opik: str | None,
    grading: Grading,
    bars: Bars,
    book: PriceBook = BUNDLED,
    engine: Engine = IN_PROCESS,
) -> UploadResult:
    """Stores the trials of jobs as traces, with their scores and experiments.

    Args:
        paths: job folders, or folders of them.
        project: the Opik project; None for the one that holds the jobs' live traces, else the default.
        opik: `embedded`, the address of an Opik, or None for the configured one.
        grading: what decides whether a trial passed.
        bars: shows how far it is.
        book: where prices are looked up.
        engine: what works on each trial before it is stored.

    Raises:
        BadInputError: what was given cannot be used.
        IncompleteError: Opik does not answer or refuses; the same command takes it up again.
    """
    jobs = find_jobs(list(paths))
    name = project_of(jobs, project)
    with connect(opik, name) as connection, alone(connection.address), bars.showing():
        store = OpikStore(connection, name)
        done = store_jobs(jobs, grading, store, bars, is_judged=False, book=book, engine=engine)
        trials = done.notes.trials(done.notes.standings())
        save_scores(trials, done.experiments, store, done.written)
        return UploadResult(
            project=store.project,
            opik=connection.address,
            embedded=connection.is_embedded,
            totals=totals(jobs, trials),
            traces=done.rows.traces,
            spans=done.rows.spans,
            experiments=tuple(StoredExperimentItem(name=one.name, id=one.id) for one in done.experiments),
            findings=tuple(done.notes.findings.counts()),
            skipped=tuple(SkippedItem(path=one.path, reason=one.reason) for one in done.skipped),
            written=RowsWritten(**asdict(done.written)),
            exit_code=ExitCode.INCOMPLETE if any(one.is_open for one in done.skipped) else ExitCode.DONE,
        )
