"""The whole job: read, price, upload, judge, compare, save."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout
from rich.console import Console

from adapter.errors import BadInputError, ExitCode
from adapter.jobs import find_jobs
from adapter.opik_connection import connect, home
from adapter.opik_store import OpikStore
from adapter.trial import Finding, Severity, Trial, TrialCost
from judges.verdict import Verdict
from pipelines.compare import save_scores, save_views, variants_by_dataset
from pipelines.cost import price_trial
from pipelines.judge import judge_trials, store_verdicts
from pipelines.progress import Bars
from pipelines.read import ReadJobs, Skipped, read_jobs
from pipelines.results import (
    FindingCount,
    RowsWritten,
    RunResult,
    SavedComparison,
    SkippedItem,
    Totals,
    VerdictCount,
)
from pipelines.tables import steps_table, trials_table, write_tables
from pipelines.upload import Uploaded, row_count, upload
from views.comparisons import compare
from views.report import write_report
from views.report_model import FindingGroup, LeftOut, Report, ReportComparison, VerdictTotal
from views.results import VariantResult


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
            page = _report(read, skipped, trials, variants, saved, verdicts)
            with _writing(options.report, "--report"):
                report = write_report(options.report, page)
        return RunResult(
            project=options.project,
            opik=connection.address,
            embedded=connection.is_embedded,
            totals=_totals(read, priced),
            variants=variants,
            comparisons=tuple(saved),
            findings=tuple(_findings(read.trials)),
            verdicts=None if verdicts is None else tuple(_verdicts(verdicts)),
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


def _totals(read: ReadJobs, priced: Sequence[tuple[Trial, TrialCost]]) -> Totals:
    known = [cost.usd for _, cost in priced if cost.usd is not None]
    residuals = [cost.residual_usd for _, cost in priced if cost.residual_usd is not None]
    return Totals(
        jobs=len(read.jobs),
        trials=len(read.trials),
        steps=sum(len(trial.steps) for trial in read.trials),
        agent_steps=sum(len(trial.agent_steps) for trial in read.trials),
        tool_calls=sum(len(step.tool_calls) for trial in read.trials for step in trial.agent_steps),
        cost_usd=sum(known) if known else None,
        cost_known=len(known),
        cost_unknown=len(priced) - len(known),
        residual_usd=sum(residuals) if residuals else None,
    )


def _findings(trials: Sequence[Trial]) -> list[FindingCount]:
    """Findings by code, the most frequent of the most severe first."""
    count: Counter[str] = Counter()
    example: dict[str, tuple[str, Finding]] = {}
    for trial in trials:
        for finding in trial.findings:
            count[finding.code] += 1
            example.setdefault(finding.code, (trial.name, finding))
    order = ["error", "warning", "info"]
    groups = [
        FindingCount(
            code=code,
            severity=finding.severity.value,
            count=count[code],
            trial=name,
            step=finding.step,
            message=finding.message,
        )
        for code, (name, finding) in example.items()
    ]
    return sorted(groups, key=lambda one: (order.index(one.severity), -one.count, one.code))


def _verdicts(verdicts: Mapping[str, Sequence[Verdict]]) -> list[VerdictCount]:
    count = Counter(
        (verdict.criterion, "" if verdict.category is None else verdict.category.value, verdict.by)
        for given in verdicts.values()
        for verdict in given
        if verdict.value is not None and verdict.value < 1
    )
    return [
        VerdictCount(criterion=criterion, category=category, by=by, count=number)
        for (criterion, category, by), number in sorted(count.items())
    ]


def _report(
    read: ReadJobs,
    skipped: Sequence[Skipped],
    trials: pd.DataFrame,
    variants: dict[str, tuple[VariantResult, ...]],
    saved: Sequence[SavedComparison],
    verdicts: Mapping[str, Sequence[Verdict]] | None,
) -> Report:
    example = {
        (verdict.criterion, verdict.by): f"{name}, step {verdict.step}: {verdict.explanation}"
        for name, given in (verdicts or {}).items()
        for verdict in reversed(given)
    }
    names = ", ".join(job.name for job in read.jobs[:3]) + (" …" if len(read.jobs) > 3 else "")
    return Report(
        title=f"kilobench: {names}",
        trials=trials,
        jobs=tuple(job.name for job in read.jobs),
        variants=variants,
        comparisons=tuple(
            ReportComparison(one, one.headline, next((view.url for view in one.dashboards), None)) for one in saved
        ),
        findings=tuple(
            FindingGroup(one.code, Severity(one.severity), one.count, one.message, one.trial, one.step)
            for one in _findings(read.trials)
        ),
        left_out=tuple(LeftOut(one.path, one.reason) for one in skipped),
        verdicts=tuple(
            VerdictTotal(one.criterion, f"{one.category} ({one.by})", one.count, example[one.criterion, one.by])
            for one in _verdicts(verdicts or {})
        ),
        product_version=version("kilobench"),
        made_at=datetime.now(UTC),
    )


def _written(uploaded: Uploaded) -> RowsWritten:
    return RowsWritten(**asdict(uploaded.written))
