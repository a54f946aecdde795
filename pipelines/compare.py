"""Stages 5 and 6: compare the variants, and save each comparison as a dashboard in Opik."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from adapter.opik_store import OpikStore
from pipelines.experiments import Experiment
from pipelines.written import Written
from views.comparisons import NO_JUDGES
from views.dashboards import experiment_scores
from views.error_rates import ErrorRates
from views.metrics import by_dataset, variant_results
from views.results import VariantResult


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
        results = variant_results(of_experiment(trials, experiment))
        scores = {name: round(value, 9) for one in results for name, value in experiment_scores(one).items()}
        if (experiment.metadata, scores) != experiment.stored:
            store.update_experiment(experiment.id, experiment.metadata, scores)
            written.experiments += not experiment.is_new


def of_experiment(trials: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """The trials of an experiment."""
    return trials[
        (trials["job_id"] == experiment.job_id)
        & (trials["variant"] == experiment.variant)
        & (trials["dataset"] == experiment.dataset)
    ]
