"""The whole of it: job by job, read, price, judge and upload; then compare all of them, and save.

One trial at a time is held: what the comparison needs of the others is in the notes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from adapter.errors import ExitCode
from adapter.jobs import find_jobs
from adapter.opik_connection import connect
from adapter.opik_store import OpikStore
from adapter.prices import PriceBook
from adapter.status import BY_REWARD, Grading
from pipelines.all_tables import all_tables
from pipelines.alone import alone
from pipelines.compare import save_scores, variants_by_dataset
from pipelines.engine import IN_PROCESS, Engine
from pipelines.folders import writing_to
from pipelines.known_errors import known_errors
from pipelines.live import project_of
from pipelines.notes import DETAILS
from pipelines.progress import Bars
from pipelines.results import RowsWritten, RunResult, SkippedItem
from pipelines.saved_views import save_views
from pipelines.store_jobs import store_jobs
from pipelines.summary import report_of, retries_lost, totals, without_source
from pipelines.trial_view import TrialViews, traces_by_name
from views.comparisons import compare
from views.report import Pages, Site, write_report

_STAYS = "; what was uploaded stays"


@dataclass(frozen=True, slots=True)
class Options:
    """What `kilobench run` was told.

    Attributes:
        paths: job folders, or folders of them.
        project: the Opik project; None for the one that holds the jobs' live traces, else the default one.
        opik: `embedded`, the address of an Opik, or None for the configured one.
        judge: whether to judge.
        report: folder for the report; None for none.
        pages: which tasks and trials have pages in it.
        tables: folder for the Parquet tables; None for none.
        grading: what decides whether a trial passed.
        prices: the user's own prices; None for those in kilobench's home, if any.
        allow_unequal: whether verdicts are given where variants were not run alike.
    """

    paths: tuple[Path, ...]
    project: str | None = None
    opik: str | None = None
    judge: bool = True
    report: Path | None = None
    pages: Pages = "flips"
    tables: Path | None = None
    grading: Grading = BY_REWARD
    prices: Path | None = None
    allow_unequal: bool = False


def run(options: Options, bars: Bars, engine: Engine = IN_PROCESS) -> RunResult:
    """Does the whole job.

    Args:
        options: what was told.
        bars: where progress is shown.
        engine: what works on each trial before it is stored.

    Raises:
        BadInputError: what was given cannot be used.
        IncompleteError: Opik does not answer or refuses; the same command takes it up again.
    """
    jobs = find_jobs(list(options.paths))
    book, judges = PriceBook.of(options.prices), known_errors()
    for folder, option in ((options.report, "--report"), (options.tables, "--tables")):
        if folder is not None:
            with writing_to(folder, option, _STAYS):
                pass  # Better told now than after the work.
    project = project_of(jobs, options.project)
    with connect(options.opik, project) as connection, alone(connection.address), bars.showing():
        store = OpikStore(connection, project)
        done = store_jobs(
            jobs,
            options.grading,
            store,
            bars,
            is_judged=options.judge,
            details=() if options.tables is None and options.report is None else DETAILS,
            book=book,
            engine=engine,
        )
        notes, written = done.notes, done.written
        standing = notes.standings()
        skipped = [*done.skipped, *without_source(standing)]
        trials = notes.trials(standing)
        comparisons = compare(trials, allow_unequal=options.allow_unequal, judges=judges)
        bars.stage("Compare", "comparisons", len(comparisons))(len(comparisons))
        save_scores(trials, done.experiments, store, written)
        saving = bars.stage("Save", "views", len(comparisons))
        variants = variants_by_dataset(trials, judges)
        views = save_views(comparisons, variants, trials, done.experiments, done.traces, store, written, saving)
        saved = views.comparisons
        tables = None if options.tables is None and options.report is None else all_tables(notes, trials)
        if options.tables is not None and tables is not None:
            with writing_to(options.tables, "--tables", _STAYS):
                tables.write(options.tables)
        report = None
        if options.report is not None and tables is not None:
            names, lost = [job.name for job in jobs], retries_lost(jobs)
            shown = report_of(names, notes, skipped, tables, variants, saved, lost)
            look = TrialViews(traces_by_name(trials, done.traces), connection, book)
            with writing_to(options.report, "--report", _STAYS):
                report = write_report(options.report, Site(shown, look, options.pages))
        return RunResult(
            project=project,
            opik=connection.address,
            embedded=connection.is_embedded,
            totals=totals(jobs, trials),
            variants=variants,
            comparisons=tuple(saved),
            views=tuple(views.others),
            warnings=tuple(views.warnings),
            findings=tuple(notes.findings.counts()),
            verdicts=tuple(notes.verdicts.counts()) if options.judge else None,
            skipped=tuple(SkippedItem(path=one.path, reason=one.reason) for one in skipped),
            written=RowsWritten(**asdict(written)),
            report=None if report is None else _text(report),
            tables=None if options.tables is None else _text(options.tables),
            exit_code=ExitCode.INCOMPLETE if any(one.is_open for one in skipped) else ExitCode.DONE,
        )


def _text(path: Path) -> str:
    """A path as text, also where its bytes are none."""
    return str(path).encode("utf-8", "replace").decode()
