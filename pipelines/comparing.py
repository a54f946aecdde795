"""`kilobench compare`: every comparison that some trials allow, saved in Opik, as pages and as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd

from adapter.errors import BadInputError, ExitCode
from adapter.jobs import find_jobs
from adapter.opik_connection import connect
from adapter.opik_store import OpikStore
from adapter.prices import PriceBook
from adapter.status import BY_REWARD, Grading
from pipelines.all_tables import Tables, all_tables
from pipelines.alone import alone
from pipelines.compare import save_scores, variants_by_dataset
from pipelines.compare_results import CompareResult
from pipelines.engine import IN_PROCESS, Engine
from pipelines.folders import writing_to
from pipelines.gather import Gathered, gather_jobs, gather_stored
from pipelines.known_errors import known_errors
from pipelines.live import project_of
from pipelines.progress import Bars
from pipelines.results import RowsWritten, SavedComparison, SkippedItem
from pipelines.saved_views import save_views
from pipelines.summary import report_of, without_source
from pipelines.trial_view import TrialViews, traces_by_name
from views.charts import write_charts
from views.comparisons import KINDS, NO_JUDGES, compare
from views.error_rates import ErrorRates
from views.flat import csv_tables
from views.headline import nothing_compared
from views.markdown import markdown
from views.report import Look, Pages, Site, write_report
from views.results import By, Comparison, VariantResult
from views.variants import behaviour_of

_STAYS = "; what was saved in Opik stays"


@dataclass(frozen=True, slots=True)
class Files:
    """What is to be written beside the saved views; None for what is not.

    Attributes:
        report: the folder of the pages; `pages` says which tasks and trials have one.
        csv: a folder for the results as CSV.
        tables: a folder for the tables as Parquet.
        markdown: a file for the summary.
        charts: a folder for the charts as Vega-Lite specs.
    """

    report: Path | None = None
    pages: Pages = "flips"
    csv: Path | None = None
    tables: Path | None = None
    markdown: Path | None = None
    charts: Path | None = None

    def check(self) -> None:
        """Raises `BadInputError` where one of them cannot be written: better told before the work than after it."""
        for one in fields(self):
            path: object = getattr(self, one.name)
            if isinstance(path, Path):
                with writing_to(path.parent if one.name == "markdown" else path, f"--{one.name}"):
                    pass


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """What `kilobench compare` was told.

    Attributes:
        paths: job folders, or folders of them.
        experiments: names of stored experiments; without these and paths, all of the project's.
        project: the Opik project; None for the one that holds the jobs' live traces, else the default one.
        opik: `embedded`, the address of an Opik, or None for the configured one.
        by: what is compared; None for all that can be.
        allow_unequal: whether verdicts are given where variants were not run alike.
        files: what is to be written.
        grading: what decides whether a trial of a job folder passed.
        prices: the user's own prices; None for those in kilobench's home, if any.
    """

    paths: tuple[Path, ...] = ()
    experiments: tuple[str, ...] = ()
    project: str | None = None
    opik: str | None = None
    by: By | None = None
    allow_unequal: bool = False
    files: Files = Files()
    grading: Grading = BY_REWARD
    prices: Path | None = None

    def check(self) -> None:
        """Raises `BadInputError` where options do not go together."""
        if self.paths and self.experiments:
            raise BadInputError(
                "Both job folders and --experiment were given.", "Give one of them: experiments are read from Opik."
            )
        if not self.paths and self.grading != BY_REWARD:
            raise BadInputError(
                "--reward and --pass-at are for job folders: a stored trial has the grade that it was stored with.",
                "Give the job folders.",
            )
        self.files.check()


def compare_all(request: CompareRequest, bars: Bars, engine: Engine = IN_PROCESS) -> CompareResult:
    """Makes every comparison, and saves it.

    Args:
        request: what was asked for.
        bars: where progress is shown.
        engine: what works on the trials of job folders.

    Raises:
        BadInputError: what was given cannot be used.
        IncompleteError: Opik does not answer or refuses; the same command takes it up again.
    """
    request.check()
    jobs = find_jobs(list(request.paths)) if request.paths else []
    book, judges = PriceBook.of(request.prices), known_errors()
    project = project_of(jobs, request.project)
    with connect(request.opik, project) as connection, alone(connection.address), bars.showing():
        store = OpikStore(connection, project)
        if jobs:
            found = gather_jobs(jobs, request.grading, book, store, bars, engine)
        else:
            found = gather_stored(request.experiments, project, book, connection, bars)
        kinds = KINDS if request.by is None else (request.by,)
        done = compared(found, kinds=kinds, allow_unequal=request.allow_unequal, judges=judges)
        trials, variants, comparisons, tables = done.trials, done.variants, done.comparisons, done.tables
        bars.stage("Compare", "comparisons", len(comparisons))(len(comparisons))
        if jobs:
            save_scores(trials, found.experiments, store, found.written)
        saving = bars.stage("Save", "views", len(comparisons))
        views = save_views(comparisons, variants, trials, found.experiments, found.traces, store, found.written, saving)
        saved = with_fingerprints(views.comparisons, tables.variants)
        look = TrialViews(traces_by_name(trials, found.traces), connection, book)
        report = _write(request.files, found, variants, saved, tables, look)
        return CompareResult(
            project=project,
            opik=connection.address,
            embedded=connection.is_embedded,
            jobs=tuple(found.jobs),
            trials=len(trials),
            variants=variants,
            comparisons=tuple(saved),
            views=tuple(views.others),
            warnings=tuple(views.warnings),
            skipped=tuple(SkippedItem(path=one.path, reason=one.reason) for one in found.skipped),
            written=RowsWritten(**asdict(found.written)),
            report=_text(report),
            csv=_text(request.files.csv),
            tables=_text(request.files.tables),
            markdown=_text(request.files.markdown),
            charts=_text(request.files.charts),
            exit_code=ExitCode.INCOMPLETE if any(one.is_open for one in found.skipped) else ExitCode.DONE,
        )


@dataclass(frozen=True, slots=True)
class Compared:
    """What some trials come to.

    Attributes:
        variants: by dataset.
        comparisons: all that they allow.
        tables: all tables, that of the trials among them.
    """

    variants: dict[str, tuple[VariantResult, ...]]
    comparisons: list[Comparison]
    tables: Tables

    @property
    def trials(self) -> pd.DataFrame:
        """The table of trials."""
        return self.tables.trials


def compared(
    found: Gathered,
    *,
    kinds: Sequence[By] = KINDS,
    allow_unequal: bool = False,
    judges: Mapping[str, ErrorRates] = NO_JUDGES,
) -> Compared:
    """Makes every comparison that the trials allow. Regrades whose attempt is missing are named among the skipped.

    Args:
        found: the trials.
        kinds: what is compared.
        allow_unequal: whether verdicts are given where variants were not run alike.
        judges: how often each judge errs.
    """
    standing = found.notes.standings()
    found.skipped.extend(without_source(standing))
    trials = found.notes.trials(standing)
    return Compared(
        variants=variants_by_dataset(trials, judges),
        comparisons=compare(trials, kinds=kinds, allow_unequal=allow_unequal, judges=judges),
        tables=all_tables(found.notes, trials),
    )


def with_fingerprints(saved: Sequence[SavedComparison], variants: pd.DataFrame) -> list[SavedComparison]:
    """The comparisons with how each of their variants works.

    Args:
        saved: the comparisons.
        variants: rows of `views.tables.VARIANTS`.
    """
    prints = behaviour_of(variants)
    return [
        one.model_copy(
            update={
                "fingerprints": {
                    result.variant: found
                    for result in one.variants
                    if (found := prints.get(one.dataset, {}).get(result.variant)) is not None
                }
            }
        )
        for one in saved
    ]


def _write(
    files: Files,
    found: Gathered,
    variants: dict[str, tuple[VariantResult, ...]],
    saved: Sequence[SavedComparison],
    tables: Tables,
    look: Look,
) -> Path | None:
    """Writes what was asked for; the path of the report's first page."""
    if files.tables is not None:
        with writing_to(files.tables, "--tables", _STAYS):
            tables.write(files.tables)
    if files.csv is not None:
        with writing_to(files.csv, "--csv", _STAYS):
            for name, table in csv_tables(variants, saved).items():
                table.to_csv(files.csv / f"{name}.csv", index=False)
    if files.markdown is not None:
        with writing_to(files.markdown.parent, "--markdown", _STAYS):
            views = {one.name: one.dashboards[0].url for one in saved if one.dashboards}
            files.markdown.write_text(markdown(saved, views) or f"{nothing_compared(variants)}\n", encoding="utf-8")
    if files.charts is not None:
        with writing_to(files.charts, "--charts", _STAYS):
            write_charts(files.charts, variants, tables.spending())
    if files.report is None:
        return None
    report = report_of(found.jobs, found.notes, found.skipped, tables, variants, saved, found.lost)
    with writing_to(files.report, "--report", _STAYS):
        return write_report(files.report, Site(report, look, files.pages))


def _text(path: Path | None) -> str | None:
    """A path as text, also where its bytes are none."""
    return None if path is None else str(path).encode("utf-8", "replace").decode()
