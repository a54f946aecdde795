"""Traces: written whole in batches, patched, searched, deleted with everything that hangs on them."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from opik.rest_api.types.trace_update import TraceUpdate
from opik.rest_api.types.trace_write import TraceWrite
from pydantic import BaseModel, Field

from adapter.embedded_opik import filters, ids, patching, projects, reading, schema, scores, wire
from adapter.embedded_opik.db import Store, Value
from adapter.embedded_opik.errors import RefusedError
from adapter.embedded_opik.fields import TRACE_FIELDS

_COLUMNS = (
    "project_id", "id", "name", "start_time", "end_time", "duration", "input", "output", "metadata", "tags",
    "error_info", "ttft", "thread_id", "source", "environment", "created_at", "last_updated_at",
)  # fmt: skip
_KEY = ("project_id", "id")


class TraceBatch(BaseModel):
    """The body of `POST /traces/batch`."""

    traces: Annotated[list[TraceWrite], Field(min_length=1, max_length=wire.MAX_BATCH)]


class DeleteTraces(BaseModel):
    """The body of `POST /traces/delete`."""

    ids: Annotated[list[str], Field(min_length=1, max_length=wire.MAX_BATCH)]
    project_id: str | None = None


def extras(connection: sqlite3.Connection, rows: Sequence[reading.Row]) -> list[dict[str, object]]:
    """What a trace shows of its spans and scores; a sum over nothing known stays unknown."""
    keys = [(row["project_id"], row["id"]) for row in rows]
    found = scores.load(connection, "trace", keys)
    wanted = json.dumps([{"p": project, "t": trace} for project, trace in keys])
    mine = (
        "(SELECT json_extract(value, '$.p') AS p, json_extract(value, '$.t') AS t FROM json_each(?)) k "
        "CROSS JOIN spans s ON s.project_id = k.p AND s.trace_id = k.t"
    )
    shown: dict[tuple[str, str], dict[str, object]] = {
        key: {"span_count": 0, "llm_span_count": 0, "has_tool_spans": False} for key in keys
    }
    for row in connection.execute(
        "SELECT k.p, k.t, count(*) AS spans, total(s.type = 'llm') AS llm, total(s.type = 'tool') AS tool, "
        "sum(s.total_estimated_cost) AS cost, group_concat(DISTINCT s.provider) AS providers "
        f"FROM {mine} GROUP BY k.p, k.t",
        (wanted,),
    ):
        shown[row["p"], row["t"]] |= {
            "span_count": row["spans"],
            "llm_span_count": int(row["llm"]),
            "has_tool_spans": row["tool"] > 0,
            "total_estimated_cost": row["cost"],
            "providers": sorted(row["providers"].split(",")) if row["providers"] else None,
        }
    usage: dict[tuple[str, str], dict[str, int]] = {}
    for row in connection.execute(
        f"SELECT k.p, k.t, u.key, sum(u.value) AS total FROM {mine} CROSS JOIN json_each(s.usage) u GROUP BY 1, 2, 3",
        (wanted,),
    ):
        usage.setdefault((row["p"], row["t"]), {})[row["key"]] = row["total"]
    for row in connection.execute(
        f"SELECT k.p, k.t, f.name, avg(f.value) AS value, max(f.last_updated_at) AS at FROM {mine} "
        "CROSS JOIN feedback_scores f ON f.entity_type = 'span' AND f.entity_id = s.id AND f.project_id = s.project_id "
        "GROUP BY 1, 2, 3 ORDER BY 3",
        (wanted,),
    ):
        means = shown[row["p"], row["t"]].setdefault("span_feedback_scores", [])
        assert isinstance(means, list)  # noqa: S101 - only this loop writes the key
        means.append({"name": row["name"], "value": row["value"], "source": "sdk", "last_updated_at": row["at"]})
    return [shown[key] | {"feedback_scores": found.get(key), "usage": usage.get(key)} for key in keys]


TRACES = reading.Table(
    name="traces",
    kind="Trace",
    plain=(
        "id", "project_id", "name", "start_time", "end_time", "duration", "ttft", "thread_id", "source",
        "environment", "created_at", "last_updated_at",
    ),
    json=("input", "output", "metadata", "tags", "error_info"),
    fields=TRACE_FIELDS,
    extras=extras,
)  # fmt: skip


def write(store: Store, traces: Sequence[TraceWrite], window: timedelta | None, *, create: bool = False) -> list[str]:
    """Store traces whole, replacing what is there; with `create`, a trace that exists is refused with 409."""
    now = store.clock()
    identifiers = [ids.mint(now) if t.id is None else ids.version7(t.id, "Trace") for t in traces]
    for identifier in identifiers:
        ids.check_window(identifier, window, now)
    contents = [_content(trace, wire.stamp(now)) for trace in traces]
    with store.write() as connection:
        by_name = projects.get_or_create(store, connection, [t.project_name for t in traces])
        rows = [
            (by_name[trace.project_name], identifier, *content)
            for trace, identifier, content in zip(traces, identifiers, contents, strict=True)
        ]
        if create:
            _refuse_existing(connection, identifiers[0], rows[0][0])
        store.upsert(connection, "traces", _COLUMNS, _KEY, rows)
    return identifiers


def _content(trace: TraceWrite, now: str) -> tuple[Value, ...]:
    return (
        trace.name,
        wire.iso(trace.start_time, "start_time"),
        wire.iso(trace.end_time, "end_time"),
        wire.milliseconds(trace.start_time, trace.end_time),
        wire.dumps(trace.input),
        wire.dumps(trace.output),
        wire.dumps(trace.metadata),
        wire.dumps(trace.tags),
        wire.dumps(trace.error_info),
        trace.ttft,
        trace.thread_id,
        trace.source or "sdk",
        trace.environment,
        now,
        now,
    )


def _refuse_existing(connection: sqlite3.Connection, identifier: str, project_id: Value) -> None:
    row = connection.execute("SELECT project_id, start_time FROM traces WHERE id = ?", (identifier,)).fetchone()
    if row is None:
        return
    if row["project_id"] != project_id:
        raise RefusedError(409, "Project name and workspace name do not match the existing trace")
    if row["start_time"] != patching.PARTIAL:
        raise RefusedError(409, "Trace already exists")


def router(store: Store, window: timedelta | None) -> APIRouter:
    """The trace endpoints."""
    api = APIRouter(prefix=f"{wire.API}/traces")

    @api.post("/batch", **schema.takes(TraceBatch, 204))
    def create_traces(body: wire.Body) -> Response:
        write(store, wire.parse(TraceBatch, body).traces, window)
        return wire.no_content()

    @api.post("", **schema.takes(TraceWrite, 201, 409))
    def create_trace(body: wire.Body, request: Request) -> Response:
        return wire.created(request, write(store, [wire.parse(TraceWrite, body)], window, create=True)[0])

    @api.post("/search", **schema.takes(reading.Search, 200, 404))
    def search_traces(body: wire.Body) -> Response:
        return reading.stream(store, TRACES, wire.parse(reading.Search, body))

    @api.post("/delete", **schema.takes(DeleteTraces, 204))
    def delete_traces(body: wire.Body) -> Response:
        wanted = wire.parse(DeleteTraces, body)
        project = None if wanted.project_id is None else ids.uuid_text(wanted.project_id, "Project")
        _delete(store, [ids.uuid_text(i, "Trace") for i in wanted.ids], project)
        return wire.no_content()

    scores.add_routes(api, store, "trace")

    @api.get("", dependencies=[Depends(wire.unsorted)], **schema.gives(200, 404, 422, 501))
    def get_traces_by_project(
        project_name: str | None = None,
        project_id: str | None = None,
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
            filters=filters.read_filters(filters_),
            truncate=truncate,
            exclude=wire.string_list(exclude, "exclude"),
            from_time=from_time,
            to_time=to_time,
            limit=size,
        )
        return reading.page(store, TRACES, search, page)

    @api.get("/{identifier}", **schema.gives(200, 404))
    def get_trace(identifier: str) -> Response:
        return reading.one(store, TRACES, identifier)

    @api.patch("/{identifier}", **schema.takes(TraceUpdate, 204, 404, 409))
    def update_trace(identifier: str, body: wire.Body) -> Response:
        update = wire.parse(TraceUpdate, body)
        identifier = ids.version7(identifier, "Trace")
        with store.write() as connection:
            patching.patch(store, connection, "traces", update, {"id": identifier})
        return wire.no_content()

    @api.delete("/{identifier}", **schema.gives(204))
    def delete_trace(identifier: str) -> Response:
        _delete(store, [ids.uuid_text(identifier, "Trace")], None)
        return wire.no_content()

    return api


def _delete(store: Store, identifiers: list[str], project_id: str | None) -> None:
    """Traces with their spans and the scores and attachments of both, in one project or wherever they are.

    With a project the spans go also where their trace is not there; without one, only traces that are there are found.
    """
    scope = "" if project_id is None else " AND project_id = ?"
    owners = "SELECT project_id FROM traces WHERE id = ?" if project_id is None else "SELECT ? AS project_id"
    spans = f"trace_id = ? AND project_id IN ({owners})"
    of_spans = f"entity_type = 'span' AND (entity_id, project_id) IN (SELECT id, project_id FROM spans WHERE {spans})"
    of_trace = f"entity_type = 'trace' AND entity_id = ?{scope}"
    with store.write() as connection:
        for identifier in identifiers:
            values = (identifier,) if project_id is None else (identifier, project_id)
            below = (identifier, values[-1])
            for table in ("feedback_scores", "attachments"):
                store.execute(connection, table, "deleted", f"DELETE FROM {table} WHERE {of_spans}", below)
                store.execute(connection, table, "deleted", f"DELETE FROM {table} WHERE {of_trace}", values)
            queued = f"SELECT id FROM annotation_queues WHERE scope = 'trace'{scope}"
            sql = f"DELETE FROM annotation_queue_items WHERE item_id = ? AND queue_id IN ({queued})"
            store.execute(connection, "annotation_queue_items", "deleted", sql, values)
            store.execute(connection, "spans", "deleted", f"DELETE FROM spans WHERE {spans}", below)
            store.execute(connection, "traces", "deleted", f"DELETE FROM traces WHERE id = ?{scope}", values)
