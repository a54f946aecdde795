"""Stages 5 and 6: compare the variants, and save each comparison as a dashboard in Opik."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import pandas as pd

from adapter.opik_store import OpikStore
from adapter.trial import Object
from pipelines.experiments import Experiment
from pipelines.progress import Advance
from pipelines.results import SavedComparison, SavedView
from pipelines.written import Written
from views.comparisons import NO_JUDGES
from views.dashboards import ExperimentRef, dashboard, experiment_scores
from views.error_rates import ErrorRates
from views.headline import headline
from views.metrics import by_dataset, variant_results, without_regrades
from views.results import Comparison, VariantResult


def variants_by_dataset(
    trials: pd.DataFrame, judges: Mapping[str, ErrorRates] = NO_JUDGES
) -> dict[str, tuple[VariantResult, ...]]:
    """Every variant on every dataset; a dataset that is there in several versions counts once for each."""
    return {dataset: tuple(variant_results(part, judges)) for dataset, part in by_dataset(trials).items()}


def save_scores(trials: pd.DataFrame, experiments: Sequence[Experiment], store: OpikStore, written: Written) -> None:
    """Sets on each experiment what its trials come to as a whole, where that differs from what is stored.

    The latest grade of a trial counts, also where another job gave it; an experiment of regrades alone has no scores.
    """
    for experiment in experiments:
        results = variant_results(_of(trials, experiment))
        scores = {name: round(value, 9) for one in results for name, value in experiment_scores(one).items()}
        if (experiment.metadata, scores) != experiment.stored:
            store.update_experiment(experiment.id, experiment.metadata, scores)
            written.experiments += not experiment.is_new


def _of(trials: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """The trials of an experiment."""
    return trials[
        (trials["job_id"] == experiment.job_id)
        & (trials["variant"] == experiment.variant)
        & (trials["dataset"] == experiment.dataset)
    ]


def save_views(
    comparisons: Sequence[Comparison],
    trials: pd.DataFrame,
    experiments: Sequence[Experiment],
    store: OpikStore,
    written: Written,
    advance: Advance,
) -> list[SavedComparison]:
    """One dashboard per comparison, found by name and set anew only where it says something else.

    Dashboards belong to the whole workspace: their names begin with the project's.

    Args:
        comparisons: what to save.
        trials: the table of trials.
        experiments: all that are stored. Those of regrades alone are in no view: their traces would count twice.
        store: where to.
        written: counts what is written.
        advance: told of each comparison that is saved.
    """
    counting = without_regrades(trials)
    shown = [one for one in experiments if len(_of(counting, one))]
    saved: list[SavedComparison] = []
    for comparison in comparisons:
        named = comparison.model_copy(update={"name": f"{store.project}: {comparison.name}"})
        spec = dashboard(named, _experiments(comparison, shown))
        view_id, wrote = store.save_dashboard(spec.name, spec.description, cast("list[Object]", spec.sections))
        written.dashboards += wrote
        view = SavedView(name=spec.name, id=view_id, url=store.connection.view_url(view_id))
        saved.append(SavedComparison(**dict(comparison), headline=headline(comparison), dashboards=(view,)))
        advance(1)
    return saved


def _experiments(comparison: Comparison, experiments: Sequence[Experiment]) -> dict[str, list[ExperimentRef]]:
    """The experiments behind a comparison, by variant."""
    names = {one.variant for one in comparison.variants}
    found: dict[str, list[ExperimentRef]] = {}
    for one in experiments:
        versioned = f"{one.dataset}@{one.metadata['dataset_version'] or 'unknown'}"
        if comparison.dataset in (one.dataset, versioned) and one.variant in names:
            found.setdefault(one.variant, []).append(ExperimentRef(one.id, one.name))
    return found
