"""Stage 6: each comparison as a dashboard in Opik, beside views that stand and one of the steps over time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import quote

import pandas as pd

from adapter.opik_dashboards import ViewRefusedError
from adapter.opik_store import OpikStore
from adapter.trial import Object
from pipelines.compare import of_experiment
from pipelines.experiments import Experiment
from pipelines.progress import Advance
from pipelines.regrades import standing_key
from pipelines.results import SavedComparison, SavedView
from pipelines.written import Written
from views.dashboards import dashboard
from views.headline import headline
from views.metrics import attempts_of, without_regrades
from views.results import Comparison, VariantResult
from views.standing import Standing, standing_dashboard, standing_views, steps_dashboard
from views.view_text import ExperimentRef, Links
from views.widgets import MOST_EXPERIMENTS, DashboardSpec


@dataclass(frozen=True, slots=True)
class SavedViews:
    """What was saved.

    Attributes:
        comparisons: each with its own view, if Opik took it.
        others: the views that stand, and that of the steps.
        warnings: which views Opik did not take, and why.
    """

    comparisons: list[SavedComparison]
    others: list[SavedView]
    warnings: list[str] = field(default_factory=list[str])


def save_views(
    comparisons: Sequence[Comparison],
    variants: Mapping[str, Sequence[VariantResult]],
    trials: pd.DataFrame,
    experiments: Sequence[Experiment],
    traces: Mapping[str, str],
    store: OpikStore,
    written: Written,
    advance: Advance,
) -> SavedViews:
    """One dashboard per comparison, found by name and set anew only where it says something else.

    Dashboards belong to the whole workspace: their names begin with the project's.

    Args:
        comparisons: what to save.
        variants: all that were run, by dataset.
        trials: the table of trials.
        experiments: all that are stored. Those of regrades alone are in no view: their traces would count twice.
        traces: the ids of the trials' traces, by the trials' keys.
        store: where to.
        written: counts what is written.
        advance: told of each comparison that is saved.

    Raises:
        IncompleteError: Opik is in trouble. One that does not take a view as it is has it named in the warnings.
    """
    keeper = _Keeper(store, written)
    counting = without_regrades(trials)
    shown = [one for one in experiments if len(of_experiment(counting, one))]
    project_id = store.project_id()
    steps = None if project_id is None else keeper.save(steps_dashboard(store.project, project_id), project_id)
    own = sorted({str(name) for name in counting["dataset"].unique()})
    by_name = [(name, [one for key, few in variants.items() if _is_of(key, name) for one in few]) for name in own]
    standing = {one: keeper.save(standing_dashboard(store.project, one)) for one in standing_views(by_name)}
    urls = _trace_urls(trials, traces, store, project_id)
    compared = [name for name in own if any(_is_of(one.dataset, name) for one in comparisons)]
    ids = {name: store.dataset_id(name) for name in compared}
    every = {
        name: _compare_url(store, one, _experiments_of(store, one)) for name, one in ids.items() if one is not None
    }
    saved: list[SavedComparison] = []
    for comparison in comparisons:
        refs = _experiments(comparison, shown)
        dataset = next((name for name in own if _is_of(comparison.dataset, name)), comparison.dataset)
        agent = comparison.variants[0].agent
        stands = standing.get(Standing("version" if comparison.by == "version" else "model", dataset, agent))
        links = Links(
            compare=_compare_url(store, ids.get(dataset), (one.id for several in refs.values() for one in several)),
            dataset=every.get(dataset),
            standing=None if stands is None else stands.url,
            steps=None if steps is None else steps.url,
            traces=urls.get(comparison.dataset, {}),
            newest=_newest(trials, comparison),
        )
        named = comparison.model_copy(update={"name": f"{store.project}: {comparison.name}"})
        view = keeper.save(dashboard(named, refs, links))
        views = () if view is None else (view,)
        saved.append(SavedComparison(**dict(comparison), headline=headline(comparison), dashboards=views))
        advance(1)
    others = [one for one in (*standing.values(), steps) if one is not None]
    return SavedViews(saved, others, keeper.warnings)


class _Keeper:
    """Saves views, and remembers which Opik does not take."""

    def __init__(self, store: OpikStore, written: Written) -> None:
        self._store = store
        self._written = written
        self.warnings: list[str] = []

    def save(self, spec: DashboardSpec, project: str | None = None) -> SavedView | None:
        """The view as it is stored; None where Opik does not take it."""
        sections = cast("list[Object]", spec.sections)
        try:
            found, wrote = self._store.dashboards.save(spec.name, spec.description, sections, spec.kind, project)
        except ViewRefusedError as error:
            self.warnings.append(f"The view “{spec.name}” was not saved: {error}")
            return None
        self._written.dashboards += wrote
        return SavedView(name=spec.name, id=found, url=self._store.connection.view_url(found))


def _is_of(named: str, dataset: str) -> bool:
    """Whether a dataset, named with its version where there are several, is this one."""
    return named == dataset or named.startswith(f"{dataset}@")


def _experiments(comparison: Comparison, experiments: Sequence[Experiment]) -> dict[str, list[ExperimentRef]]:
    """The experiments behind a comparison, by variant."""
    names = {one.variant for one in comparison.variants}
    found: dict[str, list[ExperimentRef]] = {}
    for one in experiments:
        versioned = f"{one.dataset}@{one.metadata['dataset_version'] or 'unknown'}"
        if comparison.dataset in (one.dataset, versioned) and one.variant in names:
            found.setdefault(one.variant, []).append(ExperimentRef(one.id, one.name))
    return found


def _experiments_of(store: OpikStore, dataset: str) -> list[str]:
    """The ids of the newest experiments of a dataset, whoever compares which of them: as many as Opik shows."""
    found = store.rest.call(
        "the experiments of a dataset",
        lambda api: api.experiments.find_experiments(page=1, size=MOST_EXPERIMENTS, dataset_id=dataset),
    )
    return [one.id for one in found.content or [] if one.id is not None]


def _compare_url(store: OpikStore, dataset: str | None, experiments: Iterable[str]) -> str | None:
    """Opik's own page that compares these experiments, all of one dataset, which is given by its id."""
    ids = sorted(experiments)
    if dataset is None or not ids:
        return None
    listed = quote(json.dumps(ids, separators=(",", ":")))
    return f"{store.connection.root}/experiments/{dataset}/compare?experiments={listed}"


def _trace_urls(
    trials: pd.DataFrame, traces: Mapping[str, str], store: OpikStore, project_id: str | None
) -> dict[str, dict[tuple[str, str], list[str]]]:
    """The addresses of the attempts' traces, by dataset (with and without its version), variant and task."""
    found: dict[str, dict[tuple[str, str], list[str]]] = {}
    if project_id is None:
        return found
    columns = ["job_id", "trial_id", "dataset", "dataset_version", "variant", "task"]
    for row in attempts_of(trials).sort_values("trial")[columns].to_dict("records"):
        trace = traces.get(standing_key(row["job_id"], row["trial_id"]))
        if trace is None:
            continue
        url = store.connection.trace_url(project_id, trace)
        version = row["dataset_version"] if isinstance(row["dataset_version"], str) else "unknown"
        for dataset in (str(row["dataset"]), f"{row['dataset']}@{version}"):
            place = (str(row["variant"]), str(row["task"]))
            found.setdefault(dataset, {}).setdefault(place, []).append(url)
    return found


def _newest(trials: pd.DataFrame, comparison: Comparison) -> pd.Timestamp | None:
    """When the newest of its trials began; None where no time is known."""
    names = [one.variant for one in comparison.variants]
    versioned = trials["dataset"].str.cat(trials["dataset_version"].fillna("unknown"), sep="@")
    its = trials["variant"].isin(names) & (
        (trials["dataset"] == comparison.dataset) | (versioned == comparison.dataset)
    )
    times = trials.loc[its, "started_at"].dropna()
    return None if times.empty else times.max()
