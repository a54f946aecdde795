"""Spans: the same endpoints as traces, with the trace and the parent in their identity. No single delete."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from opik.rest_api.types.span_update import SpanUpdate
from opik.rest_api.types.span_write import SpanWrite
from pydantic import BaseModel, Field

from adapter.embedded_opik import filters, ids, patching, projects, reading, schema, scores, wire
from adapter.embedded_opik.db import Store, Value
from adapter.embedded_opik.errors import RefusedError
from adapter.embedded_opik.fields import SPAN_FIELDS

_COLUMNS = (
    "project_id", "trace_id", "parent_span_id", "id", "name", "type", "start_time", "end_time", "duration",
    "input", "output", "metadata", "model", "provider", "tags", "usage", "error_info", "total_estimated_cost",
    "total_estimated_cost_version", "ttft", "source", "environment", "created_at", "last_updated_at",
)  # fmt: skip
_KEY = ("project_id", "trace_id", "parent_span_id", "id")
_INT32 = 2**31


class SpanBatch(BaseModel):
    """The body of `POST /spans/batch`."""

    spans: Annotated[list[SpanWrite], Field(min_length=1, max_length=wire.MAX_BATCH)]


def _extras(connection: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> list[dict[str, object]]:
    keys = [(row["project_id"], row["id"]) for row in rows]
    found = scores.load(connection, "span", keys)
    # '' in the table stands for "no parent": SQLite holds two NULLs in a unique key to be different.
    return [
        {"feedback_scores": found.get(key), "parent_span_id": row["parent_span_id"] or None}
        for key, row in zip(keys, rows, strict=True)
    ]


SPANS = reading.Table(
    name="spans",
    kind="Span",
    plain=(
        "id", "project_id", "trace_id", "parent_span_id", "name", "type", "start_time", "end_time", "duration",
        "model", "provider", "total_estimated_cost", "total_estimated_cost_version", "ttft", "source",
        "environment", "created_at", "last_updated_at",
    ),
    json=("input", "output", "metadata", "tags", "usage", "error_info"),
    fields=SPAN_FIELDS,
    extras=_extras,
)  # fmt: skip


def write(store: Store, spans: Sequence[SpanWrite], window: timedelta | None, *, create: bool = False) -> list[str]:
    """Store spans whole, replacing what is there; with `create`, one that exists is left as it is (as Opik)."""
    now = store.clock()
    identifiers = [ids.mint(now) if s.id is None else ids.version7(s.id, "Span") for s in spans]
    for identifier in identifiers:
        ids.check_window(identifier, window, now)
    contents = [(_references(span), _content(span, wire.stamp(now))) for span in spans]
    with store.write() as connection:
        by_name = projects.get_or_create(store, connection, [s.project_name for s in spans])
        rows = [
            (by_name[span.project_name], *references, identifier, *content)
            for span, identifier, (references, content) in zip(spans, identifiers, contents, strict=True)
        ]
        if create and _exists(connection, identifiers[0], rows[0][0]):
            return identifiers
        store.upsert(connection, "spans", _COLUMNS, _KEY, rows)
    return identifiers


def _references(span: SpanWrite) -> tuple[str, str]:
    if span.trace_id is None:
        raise RefusedError(422, "trace_id must not be null")
    parent = "" if span.parent_span_id is None else ids.version7(span.parent_span_id, "Parent span")
    return ids.version7(span.trace_id, "Trace"), parent


def _check_numbers(span: SpanWrite | SpanUpdate) -> None:
    cost = span.total_estimated_cost
    if cost is not None and not 0 <= cost < float("inf"):
        raise RefusedError(422, "total_estimated_cost must be greater than or equal to 0.0")
    if span.usage and any(not -_INT32 <= value < _INT32 for value in span.usage.values()):
        raise RefusedError(400, "usage has a number that is out of the range of a 32 bit integer")


def _content(span: SpanWrite, now: str) -> tuple[Value, ...]:
    _check_numbers(span)
    return (
        span.name,
        span.type or "general",
        wire.iso(span.start_time, "start_time"),
        wire.iso(span.end_time, "end_time"),
        wire.milliseconds(span.start_time, span.end_time),
        wire.dumps(span.input),
        wire.dumps(span.output),
        wire.dumps(span.metadata),
        span.model,
        span.provider,
        wire.dumps(span.tags),
        wire.dumps(span.usage),
        wire.dumps(span.error_info),
        span.total_estimated_cost,
        span.total_estimated_cost_version,
        span.ttft,
        span.source or "sdk",
        span.environment,
        now,
        now,
    )


def _exists(connection: sqlite3.Connection, identifier: str, project_id: Value) -> bool:
    row = connection.execute("SELECT project_id, start_time FROM spans WHERE id = ?", (identifier,)).fetchone()
    if row is None:
        return False
    if row["project_id"] != project_id:
        raise RefusedError(409, "Project name and workspace name do not match the existing span")
    return row["start_time"] != patching.PARTIAL


def _refuse_moved(connection: sqlite3.Connection, key: dict[str, str]) -> None:
    """Refuses, as Opik does, an update that names another trace or parent than the span has."""
    rows = connection.execute("SELECT trace_id, parent_span_id FROM spans WHERE id = ?", (key["id"],)).fetchall()
    for name in ("trace_id", "parent_span_id"):
        if name in key and rows and all(row[name] != key[name] for row in rows):
            raise RefusedError(409, f"{name} does not match the existing span")


def router(store: Store, window: timedelta | None) -> APIRouter:
    """The span endpoints."""
    api = APIRouter(prefix=f"{wire.API}/spans")

    @api.post("/batch", **schema.takes(SpanBatch, 204))
    def create_spans(body: wire.Body) -> Response:
        write(store, wire.parse(SpanBatch, body).spans, window)
        return wire.no_content()

    @api.post("", **schema.takes(SpanWrite, 201, 409))
    def create_span(body: wire.Body, request: Request) -> Response:
        return wire.created(request, write(store, [wire.parse(SpanWrite, body)], window, create=True)[0])

    @api.post("/search", **schema.takes(reading.Search, 200, 404))
    def search_spans(body: wire.Body) -> Response:
        return reading.stream(store, SPANS, wire.parse(reading.Search, body))

    scores.add_routes(api, store, "span")

    @api.get("", dependencies=[Depends(wire.unsorted)], **schema.gives(200, 404, 422, 501))
    def get_spans_by_project(
        project_name: str | None = None,
        project_id: str | None = None,
        trace_id: str | None = None,
        type_: Annotated[reading.SpanType | None, Query(alias="type")] = None,
        filters_: Annotated[str | None, Query(alias="filters")] = None,
        truncate: bool = False,
        exclude: str | None = None,
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        page: wire.Page = 1,
        size: Annotated[int, Query(ge=1, le=wire.MAX_STREAM)] = 10,
    ) -> Response:
        search = reading.Search(
            project_name=project_name,
            project_id=project_id,
            trace_id=trace_id,
            type=type_,
            filters=filters.read_filters(filters_),
            truncate=truncate,
            exclude=wire.string_list(exclude, "exclude"),
            from_time=from_time,
            to_time=to_time,
            limit=size,
        )
        return reading.page(store, SPANS, search, page)

    @api.get("/{identifier}", **schema.gives(200, 404))
    def get_span(identifier: str) -> Response:
        return reading.one(store, SPANS, identifier)

    @api.patch("/{identifier}", **schema.takes(SpanUpdate, 204, 404, 409))
    def update_span(identifier: str, body: wire.Body) -> Response:
        update = wire.parse(SpanUpdate, body)
        _check_numbers(update)
        key = {"id": ids.version7(identifier, "Span"), "trace_id": ids.version7(update.trace_id, "Trace")}
        if update.parent_span_id is not None:
            key["parent_span_id"] = ids.version7(update.parent_span_id, "Parent span")
        with store.write() as connection:
            _refuse_moved(connection, key)
            patching.patch(store, connection, "spans", update, key)
        return wire.no_content()

    return api
