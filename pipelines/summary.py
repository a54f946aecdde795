"""What a run came to: the totals, the findings and verdicts by kind, and the report's content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

import pandas as pd

from adapter.trial import Finding, Severity, Trial, TrialCost
from judges.verdict import Verdict
from pipelines.read import ReadJobs, Skipped
from pipelines.results import FindingCount, SavedComparison, Totals, VerdictCount
from views.report_model import FindingGroup, LeftOut, Report, ReportComparison, VerdictTotal
from views.results import VariantResult


def totals(read: ReadJobs, priced: Sequence[tuple[Trial, TrialCost]]) -> Totals:
    """What was read, in all."""
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


def finding_counts(trials: Sequence[Trial]) -> list[FindingCount]:
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


def verdict_counts(verdicts: Mapping[str, Sequence[Verdict]]) -> list[VerdictCount]:
    """Flagged steps by criterion, category and who flagged them."""
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


def report_of(
    read: ReadJobs,
    skipped: Sequence[Skipped],
    trials: pd.DataFrame,
    variants: dict[str, tuple[VariantResult, ...]],
    saved: Sequence[SavedComparison],
    verdicts: Mapping[str, Sequence[Verdict]] | None,
) -> Report:
    """What the report shows.

    Args:
        read: the jobs that were read.
        skipped: what is not in the numbers.
        trials: the table of trials.
        variants: by dataset.
        saved: the comparisons with their saved views.
        verdicts: by trial; None when nothing was judged.
    """
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
            for one in finding_counts(read.trials)
        ),
        left_out=tuple(LeftOut(one.path, one.reason) for one in skipped),
        verdicts=tuple(
            VerdictTotal(one.criterion, f"{one.category} ({one.by})", one.count, example[one.criterion, one.by])
            for one in verdict_counts(verdicts or {})
        ),
        product_version=version("kilobench"),
        made_at=datetime.now(UTC),
    )
