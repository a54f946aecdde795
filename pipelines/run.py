"""The whole job: read, price, upload, judge, compare, save."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from adapter.errors import BadInputError, ExitCode
from adapter.jobs import find_jobs
from adapter.opik_connection import connect, home
from adapter.opik_store import OpikStore
from adapter.trial import Trial, TrialCost
from pipelines.compare import save_scores, save_views, variants_by_dataset
from pipelines.cost import price_trial
from pipelines.judge import judge_trials, store_verdicts
from pipelines.progress import Bars
from pipelines.read import ReadJobs, Skipped, read_jobs
from pipelines.results import (
    RowsWritten,
    RunResult,
    SkippedItem,
)
from pipelines.summary import finding_counts, report_of, totals, verdict_counts
from pipelines.tables import steps_table, trials_table, write_tables
from pipelines.upload import Uploaded, row_count, upload
from views.comparisons import compare
from views.report import write_report


@dataclass(frozen=True, slots=True)
class Options:
    """What `kilobench run` was told.

    Attributes:
        paths: job folders, or folders of them.
        project: the Opik project.
        opik: `embedded`, the address of an Opik, or None for the configured one.
        judge: whether to judge.
        report: folder for the report; None for none.
        tables: folder for the Parquet tables; None for none.
    """

    paths: tuple[Path, ...]
    project: str
    opik: str | None = None
    judge: bool = True
    report: Path | None = None
    tables: Path | None = None


def run(options: Options, bars: Bars) -> RunResult:
    """Does the whole job.

    Raises:
        BadInputError: what was given cannot be used; nothing was sent.
        IncompleteError: Opik does not answer or refuses; the same command takes it up again.
    """
    jobs = find_jobs(list(options.paths))
    for folder, option in ((options.report, "--report"), (options.tables, "--tables")):
        if folder is not None:
            with _writing(folder, option):
                pass  # Better told now than after the work.
    with connect(options.opik, options.project) as connection, _alone(connection.address), bars.showing():
        store = OpikStore(connection, options.project)
        read = read_jobs(jobs, bars.stage("Read", "trials", sum(len(job.trials) for job in jobs)))
        if not read.trials:
            reasons = "; ".join(f"{one.path}: {one.reason}" for one in read.skipped[:3])
            raise BadInputError(f"No trial could be read. {reasons}", "Give the folder of a finished Harbor job.")
        priced = _price(read.trials, bars)
        rows = sum(row_count(trial) for trial in read.trials)
        uploaded = upload(priced, store, bars.stage("Upload", "rows", rows))
        skipped = [*read.skipped, *_strangers(read, uploaded)]
        verdicts = None
        if options.judge:
            verdicts = judge_trials(read.trials, bars.stage("Judge", "trials", len(read.trials)))
            uploaded.written.scores += store_verdicts(read.trials, verdicts, uploaded, store)
        trials = trials_table(priced, verdicts)
        comparisons = compare(trials)
        bars.stage("Compare", "comparisons", len(comparisons))(len(comparisons))
        save_scores(trials, uploaded, store)
        saved = save_views(comparisons, uploaded, store, bars.stage("Save", "views", len(comparisons)))
        if options.tables is not None:
            with _writing(options.tables, "--tables"):
                write_tables(options.tables, {"trials": trials, "steps": steps_table(priced, verdicts)})
        variants = variants_by_dataset(trials)
        report = None
        if options.report is not None:
            page = report_of(read, skipped, trials, variants, saved, verdicts)
            with _writing(options.report, "--report"):
                report = write_report(options.report, page)
        return RunResult(
            project=options.project,
            opik=connection.address,
            embedded=connection.is_embedded,
            totals=totals(read, priced),
            variants=variants,
            comparisons=tuple(saved),
            findings=tuple(finding_counts(read.trials)),
            verdicts=None if verdicts is None else tuple(verdict_counts(verdicts)),
            skipped=tuple(SkippedItem(path=one.path, reason=one.reason) for one in skipped),
            written=_written(uploaded),
            report=None if report is None else _text(report),
            tables=None if options.tables is None else _text(options.tables),
            exit_code=ExitCode.INCOMPLETE if any(one.is_open for one in read.skipped) else ExitCode.DONE,
        )


def _text(path: Path) -> str:
    """A path as text, also where its bytes are none."""
    return str(path).encode("utf-8", "replace").decode()


@contextmanager
def _writing(folder: Path, option: str) -> Generator[None]:
    """Names the folder that cannot be written to, and the option that chose it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise BadInputError(
            f"{folder} cannot be written to: {error.strerror or error}.",
            f"Free some space or give another {option}; what was uploaded stays.",
        ) from error


@contextmanager
def _alone(address: str) -> Generator[None]:
    """One upload to one Opik at a time on this machine: two would send the same rows twice."""
    folder = home()
    name = "".join(character if character.isalnum() else "-" for character in address)
    with _writing(folder, "KILOBENCH_HOME"):
        lock = FileLock(folder / f"{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            Console(stderr=True).print("Waiting for another kilobench that uploads to the same Opik.")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _strangers(read: ReadJobs, uploaded: Uploaded) -> list[Skipped]:
    """Stored traces of these jobs that are of no trial which was read: they stay, and are not in the numbers."""
    return [
        Skipped(
            job.name, f"{count} trace(s) in Opik are of trials that are no longer there or not readable.", is_open=False
        )
        for job in read.jobs
        if (count := uploaded.strangers.get(job.id, 0))
    ]


def _price(trials: Sequence[Trial], bars: Bars) -> list[tuple[Trial, TrialCost]]:
    advance = bars.stage("Price", "trials", len(trials))
    priced: list[tuple[Trial, TrialCost]] = []
    for trial in trials:
        priced.append((trial, price_trial(trial)))
        advance(1)
    return priced


def _written(uploaded: Uploaded) -> RowsWritten:
    return RowsWritten(**asdict(uploaded.written))
