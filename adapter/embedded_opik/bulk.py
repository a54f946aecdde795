"""Experiment items in bulk: an experiment, its traces with their spans and scores, and its items, in one request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import Response
from opik.rest_api.types.experiment_item import ExperimentItem
from opik.rest_api.types.experiment_item_bulk_record_experiment_item_bulk_write_view import (
    ExperimentItemBulkRecordExperimentItemBulkWriteView as Record,
)
from opik.rest_api.types.feedback_score_batch_item import FeedbackScoreBatchItem
from opik.rest_api.types.span_write import SpanWrite
from opik.rest_api.types.trace_write import TraceWrite
from pydantic import BaseModel, Field

from adapter.embedded_opik import datasets, experiment_items, experiments, ids, schema, scores, spans, traces, wire
from adapter.embedded_opik.db import Store
from adapter.embedded_opik.errors import RefusedError

_SOURCE = "experiment"
"""Where such traces come from, whatever they say, as in Opik."""


class BulkIn(BaseModel):
    """The body of `PUT /experiments/items/bulk`."""

    experiment_name: Annotated[str, Field(min_length=1)]
    dataset_name: datasets.Name
    items: Annotated[list[Record], Field(min_length=1, max_length=wire.MAX_BATCH)]
    experiment_id: str | None = None
    project_name: str | None = None


def write(store: Store, bulk: BulkIn, window: timedelta | None) -> None:
    """Store what the records hold; the items themselves are new ones each time, as in Opik.

    Raises:
        RefusedError: 400 where a record has both a trace and a result, or a trace of another project than the
            request; 409 where the experiment is of another dataset.
    """
    identifier = bulk.experiment_id or ids.mint(store.clock())
    known = _project_of(store, identifier, bulk.dataset_name)
    project = bulk.project_name or known
    traced = [_trace(store, record, project, bulk.project_name) for record in bulk.items]
    experiments.create(
        store,
        experiments.ExperimentIn(
            id=identifier, name=bulk.experiment_name, dataset_name=bulk.dataset_name, project_name=project
        ),
    )
    traces.write(store, traced, window)
    keyed = list(zip(bulk.items, traced, strict=True))
    made = [span for record, trace in keyed for span in _spans(record, trace)]
    if made:
        spans.write(store, made, window)
    given = [score for record, trace in keyed for score in _scores(record, trace)]
    if given:
        scores.write(store, "trace", given)
    experiment_items.write(
        store,
        [
            ExperimentItem(experiment_id=identifier, dataset_item_id=record.dataset_item_id, trace_id=trace.id or "")
            for record, trace in keyed
        ],
    )


def _project_of(store: Store, experiment: str, dataset: str) -> str | None:
    """The project of the experiment, if it is there, else of its dataset; None for the default one."""
    with store.read() as connection:
        row = connection.execute(
            "SELECT (SELECT name FROM datasets WHERE id = e.dataset_id) AS dataset, p.name AS project "
            "FROM experiments e LEFT JOIN projects p ON p.id = e.project_id WHERE e.id = ?",
            (ids.version7(experiment, "Experiment"),),
        ).fetchone()
        if row is not None and row["dataset"] is not None and row["dataset"].lower() != dataset.lower():
            raise RefusedError(
                409, f"Experiment '{experiment}' belongs to dataset '{row['dataset']}', not to '{dataset}'"
            )
        if row is not None and row["project"] is not None:
            return row["project"]
        of_dataset = connection.execute(
            "SELECT p.name FROM datasets d JOIN projects p ON p.id = d.project_id WHERE lower(d.name) = lower(?)",
            (dataset,),
        ).fetchone()
    return None if of_dataset is None else of_dataset["name"]


def _trace(store: Store, record: Record, project: str | None, named: str | None) -> TraceWrite:
    now = store.clock()
    if record.trace is None:
        return TraceWrite(
            id=ids.mint(now),
            project_name=project,
            start_time=now,
            end_time=now,
            output=record.evaluate_task_result,
            source=_SOURCE,
        )
    if record.evaluate_task_result is not None:
        raise RefusedError(422, "cannot provide both evaluate_task_result and trace, use one of them")
    own = record.trace.project_name
    if named is not None and own is not None and own.lower() != named.lower():
        raise RefusedError(400, f"trace.project_name '{own}' does not match the project_name '{named}'")
    values = record.trace.model_dump(exclude_none=True)
    return TraceWrite.model_validate(
        values | {"id": record.trace.id or ids.mint(now), "project_name": own or project, "source": _SOURCE}
    )


def _spans(record: Record, trace: TraceWrite) -> Sequence[SpanWrite]:
    known = {"trace_id": trace.id, "project_name": trace.project_name, "source": _SOURCE}
    return [SpanWrite.model_validate(span.model_dump(exclude_none=True) | known) for span in record.spans or ()]


def _scores(record: Record, trace: TraceWrite) -> Sequence[FeedbackScoreBatchItem]:
    return [
        FeedbackScoreBatchItem(
            id=trace.id or "",
            project_name=trace.project_name,
            name=score.name,
            value=score.value,
            category_name=score.category_name,
            reason=score.reason,
            source=score.source,
        )
        for score in record.feedback_scores or ()
    ]


def add_routes(api: APIRouter, store: Store, window: timedelta | None) -> None:
    """The endpoint, on the experiments' router."""

    @api.put("/items/bulk", **schema.takes(BulkIn, 204, 409))
    def experiment_items_bulk(body: wire.Body) -> Response:
        write(store, wire.parse(BulkIn, body), window)
        return wire.no_content()
