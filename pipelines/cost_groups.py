"""What many trials cost together: by variant, and by kind of task and variant."""

from __future__ import annotations

from typing import Literal

import pandas as pd
from pydantic import RootModel

from pipelines.all_tables import variants_frame
from pipelines.cost import attribution as cost
from pipelines.cost_results import CostModel, CostOfCalls, CostOfSteps, CostOfTrials, CostShares, Ending
from pipelines.costed import cost_shares
from views.metrics import attempts_of, by_dataset, variant_results
from views.results import Estimate, VariantCost, VariantResult
from views.tables import PARTS, Parts
from views.variants import variant_costs

_SAME = (
    *("variant", "agent", "agent_version", "model", "provider", "effort", "digest"),
    *("tasks", "attempts", "passes"),
)
"""What a category's row has of the variant's result on its tasks."""


class Intervals(CostModel):
    """A variant's main numbers with their 95 % intervals, clustered by task (`views.statistics`)."""

    pass_rate: Estimate
    cost_per_attempt_usd: Estimate
    cost_to_complete_usd: Estimate
    tokens_per_attempt: Estimate
    seconds_per_attempt: Estimate


class CostedVariant(VariantCost):
    """What a variant costs on one dataset, and how it works.

    `intervals` are those of the main numbers; `shares` is what the money of its attempts went for, over the calls that
    have a breakdown.
    """

    intervals: Intervals
    shares: CostShares | None


class CostOfVariants(Ending):
    """`kilobench cost --by variant --json`."""

    by: Literal["variant"]
    variants: tuple[CostedVariant, ...]
    """By dataset, then by name."""


class CategoryCost(CostModel):
    """One variant on the tasks of one category of one dataset."""

    dataset: str
    category: str | None
    """None for the tasks that have none."""
    variant: str
    agent: str
    agent_version: str | None
    model: str | None
    provider: str | None
    effort: str | None
    digest: str | None
    tasks: int
    """With an attempt."""
    attempts: int
    passes: int
    excluded: int
    """Trials that are no attempts of the agent, and are in no other number."""
    cost_usd: float | None
    """What the attempts cost whose cost is known; None when there is none."""
    intervals: Intervals


class CostOfCategories(Ending):
    """`kilobench cost --by task-category --json`."""

    by: Literal["task-category"]
    categories: tuple[CategoryCost, ...]
    """By dataset, then by category (the tasks that have none last), then by variant."""


class CostResult(RootModel[CostOfSteps | CostOfCalls | CostOfTrials | CostOfVariants | CostOfCategories]):
    """What `kilobench cost --json` prints: which of these, `by` says."""


def costed_variants(trials: pd.DataFrame, details: Parts, baseline: str | None) -> tuple[CostedVariant, ...]:
    """Each variant on each dataset; see `pipelines.all_tables.variants_frame`."""
    results = {
        (dataset, one.variant): one for dataset, part in by_dataset(trials).items() for one in variant_results(part)
    }
    spent = pd.concat([_by_trial(part["calls"]) for part in details])
    shares = {
        (dataset, str(name)): cost_shares(_spent_on(rows, spent))
        for dataset, part in by_dataset(trials).items()
        for name, rows in part.groupby("variant")
    }
    return tuple(
        CostedVariant(
            **dict(one),
            intervals=_intervals(results[one.dataset, one.variant]),
            shares=shares[one.dataset, one.variant],
        )
        for one in variant_costs(variants_frame(trials, details, baseline))
    )


def costed_categories(trials: pd.DataFrame) -> tuple[CategoryCost, ...]:
    """Each variant on each kind of task of each dataset."""
    return tuple(
        _category(dataset, category if isinstance(category, str) else None, one, rows)
        for dataset, part in by_dataset(trials).items()
        for category, rows in part.groupby("category", dropna=False)
        for one in variant_results(rows)
    )


def _category(dataset: str, category: str | None, one: VariantResult, rows: pd.DataFrame) -> CategoryCost:
    spent = attempts_of(rows[rows["variant"] == one.variant])["cost_usd"].dropna()
    return CategoryCost(
        dataset=dataset,
        category=category,
        **{name: getattr(one, name) for name in _SAME},
        excluded=sum(one.excluded.values()),
        cost_usd=float(spent.sum()) if len(spent) else None,
        intervals=_intervals(one),
    )


def _intervals(one: VariantResult) -> Intervals:
    return Intervals(**{name: getattr(one, name) for name in Intervals.model_fields})


def _by_trial(calls: pd.DataFrame) -> pd.DataFrame:
    """The breakdown of each trial's calls, as far as they have one; a part that none of them has is missing."""
    known = calls[calls["unexplained_usd"].notna()]
    return known.groupby("trial", sort=False)[list(PARTS)].sum(min_count=1)


def _spent_on(trials: pd.DataFrame, by_trial: pd.DataFrame) -> cost.Parts:
    """The breakdown of all calls of the attempts among these trials."""
    sums = by_trial[by_trial.index.isin(attempts_of(trials)["trial"])].sum(min_count=1)
    return cost.Parts(
        **{str(name).removesuffix("_usd"): None if pd.isna(value) else float(value) for name, value in sums.items()}
    )
