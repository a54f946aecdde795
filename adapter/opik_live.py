"""What the live integration of `opik harbor run` has put into Opik, found in a fixed number of requests per job."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from opik.rest_api.client import OpikApi
from opik.rest_api.types import TraceFilterPublic

from adapter.live_traces import CREATED_FROM, LIVE
from adapter.loose import mapping, text
from adapter.opik_rest import Identified, if_there
from adapter.opik_rows import KEY
from adapter.opik_store import OpikStore
from adapter.trial import JsonValue

_PAGE = 100


@dataclass(frozen=True, slots=True)
class LiveTrace:
    """A trace that the live integration made and that is not yet one of ours.

    Attributes:
        id: its id.
        trial: the name of the trial that it is of.
        start_time: when that trial started.
        has_steps: whether spans of steps may hang on it.
    """

    id: str
    trial: str
    start_time: datetime
    has_steps: bool


@dataclass(frozen=True, slots=True)
class LiveExperiment:
    """An experiment that the live integration made.

    Attributes:
        id: its id.
        name: its name, the same for all datasets of a job and for each time that it was taken up again.
        project: the project that it is in, where Opik says.
        traces: the ids of its traces.
    """

    id: str
    name: str
    project: str | None
    traces: frozenset[str]


class _FoundTrace(Identified):
    start_time: datetime
    input: JsonValue = None
    metadata: JsonValue = None
    llm_span_count: int | None = None


def find_live_traces(store: OpikStore, since: datetime | None, until: datetime | None) -> list[LiveTrace]:
    """The project's live traces that started within some time, in one search.

    Args:
        store: the project.
        since: the earliest start; None for any.
        until: the latest start; None for any.
    """
    asked = [TraceFilterPublic(field="metadata", operator="=", key=CREATED_FROM, value=LIVE)]
    if since is not None:
        asked.append(TraceFilterPublic(field="start_time", operator=">=", value=_zulu(since)))
    if until is not None:
        asked.append(TraceFilterPublic(field="start_time", operator="<=", value=_zulu(until)))

    def page(api: OpikApi, size: int, after: str | None) -> Iterator[bytes]:
        def search() -> list[bytes]:
            return list(
                api.traces.search_traces(
                    project_name=store.project,
                    filters=asked,
                    limit=size,
                    last_retrieved_id=after,
                    truncate=False,
                    exclude=["output", "feedback_scores", "span_feedback_scores"],
                )
            )

        return iter(if_there(search) or ())  # Before the first upload there is no project.

    live: list[LiveTrace] = []
    for one in store.rest.rows("the search for live traces", _FoundTrace, page):
        trial = text(mapping(one.input).get("trial_name"))
        if trial is not None and KEY not in mapping(one.metadata):
            live.append(LiveTrace(one.id, trial, one.start_time, one.llm_span_count != 0))
    return live


def _zulu(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def find_live_experiments(store: OpikStore, job_id: str) -> list[LiveExperiment]:
    """The live experiments of a job, by the name that the integration gives them; other jobs' may have the same."""
    name = f"harbor-job-{job_id[:8]}"
    found: list[tuple[str, str | None]] = []
    for page in itertools.count(1):
        answer = store.rest.call(
            "the search for live experiments",
            lambda api, page=page: api.experiments.find_experiments(page=page, size=_PAGE, name=name),
        )
        found += [
            (one.id, one.project_name)
            for one in answer.content or []
            if one.id is not None
            and one.name == name
            and mapping(cast("JsonValue", one.metadata)).get(CREATED_FROM) == LIVE
        ]
        if len(answer.content or []) < _PAGE:
            break
    return [
        LiveExperiment(one, name, project, frozenset(store.experiment_items(name, one).values()))
        for one, project in found
    ]
