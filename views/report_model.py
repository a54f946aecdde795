"""What the report is written from: everything it shows, put together by whoever has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd

from adapter.trial import Severity
from views.results import Comparison, Spread, VariantResult
from views.spending import Spending


@dataclass(frozen=True, slots=True)
class ReportComparison:
    """A comparison with its answer.

    Attributes:
        headline: the answer in one sentence.
        url: address of the view saved in Opik; None when it was not saved.
    """

    comparison: Comparison
    headline: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """All findings with one code.

    Attributes:
        message: what one of them says.
        trial: `job/trial` where that one was made.
        step: its step; None when it is about the whole trial.
    """

    code: str
    severity: Severity
    count: int
    message: str
    trial: str | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that was asked for and is not in the numbers, with the reason."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class VerdictTotal:
    """How many steps one rule (or category of a judge) flagged.

    Attributes:
        example: one of its explanations, with where it was given.
    """

    criterion: str
    category: str
    count: int
    example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything the page shows.

    Attributes:
        title: heading of the page.
        trials: one row per trial that was read (`views.tables.TRIALS`).
        jobs: names or paths of the job folders; only the last part of a path is shown.
        variants: the variants of each dataset, by the dataset's name.
        findings: about the data, grouped by code.
        left_out: what is not in the numbers, and why.
        verdicts: totals per criterion and rule; empty when nothing was judged or nothing flagged.
        spending: what attempts were spent on, by dataset and variant; empty where that was not asked for.
        behaviour: how the variants work (`views.tables.BEHAVIOUR`), by dataset and variant; likewise.
        retries_lost: attempts that Harbor threw away and tried again: what they cost is not known.
        product_version: of the product that wrote the page.
        made_at: when the page was made.
    """

    title: str
    trials: pd.DataFrame
    jobs: tuple[str, ...] = ()
    variants: Mapping[str, tuple[VariantResult, ...]] = field(default_factory=dict[str, tuple[VariantResult, ...]])
    comparisons: tuple[ReportComparison, ...] = ()
    findings: tuple[FindingGroup, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    verdicts: tuple[VerdictTotal, ...] = ()
    spending: Mapping[str, Mapping[str, Spending]] = field(default_factory=dict[str, dict[str, Spending]])
    behaviour: Mapping[str, Mapping[str, Mapping[str, Spread]]] = field(
        default_factory=dict[str, dict[str, dict[str, Spread]]]
    )
    retries_lost: int = 0
    product_version: str = ""
    made_at: datetime | None = None
