"""What a run came to: the totals, what regrades need said, and the report's content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

import pandas as pd

from adapter.jobs import Job
from adapter.trial import Severity
from pipelines.all_tables import Tables
from pipelines.notes import Notes
from pipelines.read import Skipped
from pipelines.regrades import Standing
from pipelines.results import SavedComparison, Totals
from views.metrics import without_regrades
from views.report_model import FindingGroup, LeftOut, Report, ReportComparison
from views.results import VariantResult
from views.variants import behaviour_of


def totals(jobs: Sequence[Job], trials: pd.DataFrame) -> Totals:
    """What was read, in all. The steps of a regrade are those of the trial that it grades: they count once."""
    attempts = without_regrades(trials)
    known = int(attempts["cost_usd"].notna().sum())
    return Totals(
        jobs=len(jobs),
        trials=len(trials),
        steps=int(attempts["steps"].sum()),
        agent_steps=int(attempts["agent_steps"].sum()),
        tool_calls=int(attempts["tool_calls"].sum()),
        cost_usd=_sum(attempts["cost_usd"]),
        cost_known=known,
        cost_unknown=len(attempts) - known,
        residual_usd=_sum(attempts["residual_usd"]),
        regrades=len(trials) - len(attempts),
        retries_lost=retries_lost(jobs),
    )


def _sum(values: pd.Series[float]) -> float | None:
    """The sum of what is known; None where nothing is."""
    known = values.dropna()
    return float(known.sum()) if len(known) else None


def retries_lost(jobs: Sequence[Job]) -> int:
    """How many attempts Harbor threw away: nobody knows what they cost."""
    return sum(job.n_retries for job in jobs)


def without_source(standing: Mapping[str, Standing]) -> list[Skipped]:
    """The regrades that stand for an attempt which was not read: it is missing from the numbers."""
    reason = (
        "It only grades again a trial that was not read: its grade stands for that attempt, whose cost is not known. "
        "Give that trial's job as well."
    )
    return [Skipped(one.name, reason, is_open=False) for one in standing.values() if one.stands_for_source]


def report_of(
    jobs: Sequence[str],
    notes: Notes,
    skipped: Sequence[Skipped],
    tables: Tables,
    variants: dict[str, tuple[VariantResult, ...]],
    saved: Sequence[SavedComparison],
    lost: int = 0,
) -> Report:
    """What the report shows.

    Args:
        jobs: the names of the jobs that the trials are of.
        notes: what was noted of their trials.
        skipped: what is not in the numbers.
        tables: all of them.
        variants: by dataset.
        saved: the comparisons with their saved views.
        lost: attempts that Harbor threw away and tried again.
    """
    names = ", ".join(jobs[:3]) + (" …" if len(jobs) > 3 else "")
    return Report(
        title=f"kilobench: {names}",
        trials=tables.trials,
        jobs=tuple(jobs),
        variants=variants,
        comparisons=tuple(
            ReportComparison(one, one.headline, next((view.url for view in one.dashboards), None)) for one in saved
        ),
        findings=tuple(
            FindingGroup(one.code, Severity(one.severity), one.count, one.message, one.trial, one.step)
            for one in notes.findings.counts()
        ),
        left_out=tuple(LeftOut(one.path, one.reason) for one in skipped),
        verdicts=tuple(notes.verdicts.totals()),
        spending=tables.spending(),
        behaviour=behaviour_of(tables.variants),
        retries_lost=lost,
        product_version=version("kilobench"),
        made_at=datetime.now(UTC),
    )
