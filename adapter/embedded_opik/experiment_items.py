"""Experiment items: one per trial, linking an experiment, a dataset item and a trace."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from opik.rest_api.types.experiment_item import ExperimentItem
from pydantic import BaseModel, Field

from adapter.embedded_opik import dataset_items, filters, ids, projects, reading, schema, traces, wire
from adapter.embedded_opik.datasets import IdList
from adapter.embedded_opik.db import Store
from adapter.embedded_opik.errors import not_found
from adapter.embedded_opik.fields import TRACE_FIELDS
from adapter.embedded_opik.filters import Where

_COLUMNS = ("id", "experiment_id", "dataset_item_id", "trace_id", "created_at", "last_updated_at")
_KEY = ("id",)


class ItemBatch(BaseModel):
    """The body of `POST /experiments/items`."""

    experiment_items: Annotated[list[ExperimentItem], Field(min_length=1, max_length=wire.MAX_BATCH)]


class ItemStream(BaseModel):
    """The body of `POST /experiments/items/stream`."""

    experiment_name: Annotated[str, Field(min_length=1)]
    limit: Annotated[int, Field(ge=1, le=wire.MAX_STREAM)] = wire.DEFAULT_STREAM
    last_retrieved_id: str | None = None
    truncate: bool = True
    project_name: str | None = None


def write(store: Store, items: Sequence[ExperimentItem]) -> None:
    """Upsert items by their own id; one that is sent without an id is a new item each time, as in Opik."""
    now = store.clock()
    at = wire.stamp(now)
    rows = [
        (
            ids.mint(now) if item.id is None else ids.version7(item.id, "Experiment Item"),
            ids.version7(item.experiment_id, "Experiment Item experiment"),
            ids.version7(item.dataset_item_id, "Experiment Item dataset item"),
            ids.version7(item.trace_id, "Experiment Item trace"),
            at,
            at,
        )
        for item in items
    ]
    with store.write() as connection:
        store.upsert(connection, "experiment_items", _COLUMNS, _KEY, rows)


_SELECT = (
    "SELECT i.*, t.project_id, t.input, t.output, t.metadata AS trace_metadata, t.duration FROM experiment_items i "
    "LEFT JOIN traces t ON t.rowid = (SELECT rowid FROM traces WHERE id = i.trace_id "
    "ORDER BY last_updated_at DESC LIMIT 1)"
)


def encode(connection: sqlite3.Connection, rows: Sequence[sqlite3.Row], *, truncate: bool) -> list[bytes]:
    """Items with what `ExperimentItemCompare` shows of their traces: content, scores, cost, usage."""
    found = [row for row in rows if row["project_id"] is not None]
    keys = [{"project_id": row["project_id"], "id": row["trace_id"]} for row in found]
    extras = dict(
        zip((row["id"] for row in found), traces.extras(connection, keys), strict=True)  # one per item
    )
    encoded: list[bytes] = []
    for row in rows:
        plain: dict[str, object] = {name: row[name] for name in (*_COLUMNS, "project_id", "duration")}
        plain |= {"created_by": projects.AUTHOR, "last_updated_by": projects.AUTHOR}
        extra = extras.get(row["id"], {})
        plain |= {name: extra.get(name) for name in ("feedback_scores", "total_estimated_cost", "usage")}
        raw = {name: row[name] for name in ("input", "output", "trace_metadata")}
        encoded.append(wire.splice(plain, reading.shortened(raw) if truncate else raw))
    return encoded


def _compare(
    store: Store, dataset: str, experiments: list[str], matching: Where, page: int, size: int, *, truncate: bool
) -> Response:
    """A page of dataset items, each with the items of the experiments that ran it and whose trace matches."""
    wanted = json.dumps([ids.uuid_text(identifier, "Experiment") for identifier in experiments])
    found = "i.experiment_id IN (SELECT value FROM json_each(?))"
    if matching.sql != "1":
        found += f" AND EXISTS (SELECT 1 FROM traces e WHERE e.id = i.trace_id AND {matching.sql})"
    values = (wanted, *matching.values)
    within = f"FROM experiment_items i WHERE {found}"
    with store.read() as connection:
        total = connection.execute(f"SELECT count(DISTINCT i.dataset_item_id) {within}", values).fetchone()[0]
        shown = connection.execute(
            f"SELECT DISTINCT i.dataset_item_id AS id {within} ORDER BY id DESC LIMIT ? OFFSET ?",
            (*values, size, (page - 1) * size),
        ).fetchall()
        on_page = json.dumps([row["id"] for row in shown])
        rows = connection.execute(
            f"{_SELECT} WHERE {found} AND i.dataset_item_id IN (SELECT value FROM json_each(?)) ORDER BY i.id",
            (*values, on_page),
        ).fetchall()
        items: dict[str, list[str]] = {}
        for row, text in zip(rows, encode(connection, rows, truncate=truncate), strict=True):
            items.setdefault(row["dataset_item_id"], []).append(text.decode())
        known = {
            row["id"]: row
            for row in connection.execute(
                "SELECT * FROM dataset_items WHERE dataset_id = ? AND id IN (SELECT value FROM json_each(?)) "
                "ORDER BY valid_from",
                (dataset, on_page),
            )
        }
    content: list[bytes] = []
    for row in shown:
        identifier = row["id"]
        plain: dict[str, object] = {"id": identifier, "source": "sdk"}
        raw: dict[str, str | None] = {"data": "{}"}
        if identifier in known:
            plain, raw = dataset_items.public(known[identifier])
        content.append(wire.splice(plain, raw | {"experiment_items": f"[{','.join(items.get(identifier, []))}]"}))
    return wire.page_answer(page, total, content)


def add_dataset_routes(api: APIRouter, store: Store) -> None:
    """The comparison endpoint, on the datasets' router."""

    @api.get("/{identifier}/items/experiments/items", **schema.gives(200))
    def find_dataset_items_with_experiment_items(
        identifier: str,
        experiment_ids: str,
        filters_: filters.Parameter = None,
        truncate: bool = False,
        page: wire.Page = 1,
        size: Annotated[int, Query(ge=1, le=wire.MAX_STREAM)] = 10,
    ) -> Response:
        matching = filters.translate(filters.read_filters(filters_), TRACE_FIELDS)
        wanted = wire.string_list(experiment_ids, "experiment_ids")
        dataset = ids.uuid_text(identifier, "Dataset")
        return _compare(store, dataset, wanted, matching, page, size, truncate=truncate)


def add_routes(api: APIRouter, store: Store) -> None:
    """The endpoints of items, on the experiments' router (before its `/{identifier}`)."""

    @api.post("/items", **schema.takes(ItemBatch, 204))
    def create_experiment_items(body: wire.Body) -> Response:
        write(store, wire.parse(ItemBatch, body).experiment_items)
        return wire.no_content()

    @api.post("/items/delete", **schema.takes(IdList, 204))
    def delete_experiment_items(body: wire.Body) -> Response:
        values = [json.dumps([ids.uuid_text(i, "Experiment Item") for i in wire.parse(IdList, body).ids])]
        with store.write() as connection:
            store.execute(
                connection,
                "experiment_items",
                "deleted",
                "DELETE FROM experiment_items WHERE id IN (SELECT value FROM json_each(?))",
                values,
            )
        return wire.no_content()

    @api.post("/items/stream", **schema.takes(ItemStream, 200))
    def stream_experiment_items(body: wire.Body) -> Response:
        wanted = wire.parse(ItemStream, body)
        sql, values = "i.experiment_id IN (SELECT id FROM experiments WHERE name = ?)", [wanted.experiment_name]
        if wanted.last_retrieved_id is not None:
            sql, values = f"{sql} AND i.id < ?", [*values, ids.uuid_text(wanted.last_retrieved_id, "Experiment Item")]
        with store.read() as connection:
            rows = connection.execute(
                f"{_SELECT} WHERE {sql} ORDER BY i.id DESC LIMIT ?", (*values, wanted.limit)
            ).fetchall()
            lines = encode(connection, rows, truncate=wanted.truncate)
        return Response(b"".join(line + b"\n" for line in lines), media_type="application/octet-stream")

    @api.get("/items/{identifier}", **schema.gives(200, 404))
    def get_experiment_item_by_id(identifier: str) -> Response:
        with store.read() as connection:
            rows = connection.execute(
                f"{_SELECT} WHERE i.id = ?", (ids.uuid_text(identifier, "Experiment Item"),)
            ).fetchall()
            if not rows:
                raise not_found("Experiment item", identifier)
            return wire.answer(encode(connection, rows, truncate=False)[0])
