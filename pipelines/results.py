"""What `kilobench run` found, did and left out: the models behind its `--json`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from adapter.errors import ExitCode
from views.results import Comparison, Spread, VariantResult


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SavedView(_Result):
    """A dashboard in Opik; `url` is what a browser opens."""

    name: str
    id: str
    url: str


class SavedComparison(Comparison):
    """A comparison with its answer in one sentence and its saved views."""

    headline: str
    dashboards: tuple[SavedView, ...] = ()
    fingerprints: dict[str, dict[str, Spread]] = Field(default_factory=dict[str, dict[str, Spread]])
    """How each variant works (`views.tables.BEHAVIOUR`), by its name; empty where that was not asked for."""


class SkippedItem(_Result):
    """Something that was asked for and is not in the numbers."""

    path: str
    reason: str


class FindingCount(_Result):
    """All findings with one code: how many, and one of them."""

    code: str
    severity: str
    count: int
    trial: str
    step: int | None
    message: str


class VerdictCount(_Result):
    """How many steps one rule flagged by one criterion."""

    criterion: str
    category: str
    by: str
    count: int


class Totals(_Result):
    """What was read, in all.

    `cost_usd` sums the `cost_known` trials whose cost is known; None when none is. `residual_usd` sums what the runs'
    own totals have over (or under) their steps, where both are known; None when nowhere. `regrades` of the trials only
    graded another again: their costs are not new and counted neither as known nor as unknown, and their steps count
    with the trial that they graded, where it was read. `retries_lost` counts attempts that Harbor threw away and
    tried again: they are not among the trials, and their costs are unknown.
    """

    jobs: int
    trials: int
    steps: int
    agent_steps: int
    tool_calls: int
    cost_usd: float | None
    cost_known: int
    cost_unknown: int
    residual_usd: float | None
    regrades: int
    retries_lost: int


class RowsWritten(_Result):
    """How many rows this run wrote to Opik, by kind; a second run on the same jobs writes none."""

    traces: int
    spans: int
    scores: int
    dataset_items: int
    experiments: int
    experiment_items: int
    dashboards: int
    prompts: int


class RunResult(_Result):
    """The whole of it. `exit_code` is 0, or 3 when something is left to do and named in `skipped`.

    `views` are those beside the comparisons' own: the standing ones, and that of the steps over time. `warnings` name
    the views that Opik did not take.
    """

    project: str
    opik: str
    embedded: bool
    totals: Totals
    variants: dict[str, tuple[VariantResult, ...]]
    comparisons: tuple[SavedComparison, ...]
    views: tuple[SavedView, ...]
    warnings: tuple[str, ...]
    findings: tuple[FindingCount, ...]
    verdicts: tuple[VerdictCount, ...] | None
    skipped: tuple[SkippedItem, ...]
    written: RowsWritten
    report: str | None
    tables: str | None
    exit_code: ExitCode
