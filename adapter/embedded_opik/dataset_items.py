"""Dataset items. An item row is valid from one version until another replaces it."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from opik.rest_api.types.dataset_item_write import DatasetItemWrite
from pydantic import BaseModel, Field

from adapter.embedded_opik import dataset_versions, datasets, ids, projects, schema, wire
from adapter.embedded_opik.db import Store, Value
from adapter.embedded_opik.errors import RefusedError, not_found

_COLUMNS = (
    "dataset_id", "id", "valid_from", "source", "data", "description", "tags", "trace_id", "span_id",
    "created_at", "last_updated_at",
)  # fmt: skip
_KEY = ("dataset_id", "id", "valid_from")
_AT_VERSION = "dataset_id = ? AND valid_from <= ? AND (valid_to IS NULL OR valid_to > ?)"
_STREAM_LIMIT = 2000


class ItemBatch(BaseModel):
    """The body of `PUT /datasets/items`."""

    dataset_name: datasets.Name | None = None
    dataset_id: str | None = None
    project_name: str | None = None
    items: Annotated[list[DatasetItemWrite], Field(min_length=1, max_length=wire.MAX_BATCH)]
    batch_group_id: str | None = None
    copy_from_dataset_id: str | None = None


class ItemDelete(BaseModel):
    """The body of `POST /datasets/items/delete`."""

    item_ids: Annotated[list[str], Field(min_length=1, max_length=wire.MAX_BATCH)]
    batch_group_id: str | None = None


class ItemStream(BaseModel):
    """The body of `POST /datasets/items/stream` (`steam_limit` is Opik's own spelling)."""

    dataset_name: datasets.Name
    last_retrieved_id: str | None = None
    steam_limit: Annotated[int, Field(ge=1, le=_STREAM_LIMIT)] = wire.DEFAULT_STREAM
    dataset_version: str | None = None
    filters: str | None = None


def write(store: Store, batch: ItemBatch) -> None:
    """Upsert items by id into the version their batch group makes."""
    if batch.copy_from_dataset_id is not None:
        raise RefusedError(501, "copy_from_dataset_id is not in the embedded store")
    now = store.clock()
    at = wire.stamp(now)
    identifiers = [ids.mint(now) if i.id is None else ids.version7(i.id, "dataset_item") for i in batch.items]
    with store.write() as connection:
        dataset = _dataset(store, connection, batch)
        version = dataset_versions.writable(store, connection, dataset, batch.batch_group_id)
        known = json.dumps(identifiers)
        since = dict(
            connection.execute(
                "SELECT id, min(created_at) FROM dataset_items WHERE dataset_id = ? "
                "AND id IN (SELECT value FROM json_each(?)) GROUP BY id",
                (dataset, known),
            ).fetchall()
        )
        _close(connection, dataset, identifiers, version)
        rows = [
            (
                dataset,
                identifier,
                version,
                item.source,
                wire.dumps(item.data),
                item.description,
                wire.dumps(item.tags),
                item.trace_id,
                item.span_id,
                since.get(identifier, at),
                at,
            )
            for item, identifier in zip(batch.items, identifiers, strict=True)
        ]
        store.upsert(connection, "dataset_items", _COLUMNS, _KEY, rows)


def _dataset(store: Store, connection: sqlite3.Connection, batch: ItemBatch) -> str:
    if batch.dataset_id is not None:
        identifier = ids.uuid_text(batch.dataset_id, "Dataset")
        if connection.execute("SELECT 1 FROM datasets WHERE id = ?", (identifier,)).fetchone() is None:
            raise not_found("Dataset", identifier)
        return identifier
    if batch.dataset_name is None:
        raise RefusedError(422, "Either 'dataset_name' or 'dataset_id' must be provided")
    return datasets.get_or_create(store, connection, batch.dataset_name, batch.project_name)


def _close(connection: sqlite3.Connection, dataset: str, identifiers: Sequence[str], version: int) -> None:
    """End the validity of these items' current rows, where those began in an earlier version."""
    connection.execute(
        "UPDATE dataset_items SET valid_to = ? WHERE dataset_id = ? AND valid_to IS NULL AND valid_from < ? "
        "AND id IN (SELECT value FROM json_each(?))",
        (version, dataset, version, json.dumps(identifiers)),
    )


def _delete(store: Store, wanted: ItemDelete) -> None:
    identifiers = [ids.uuid_text(i, "dataset_item") for i in wanted.item_ids]
    with store.write() as connection:
        owners = connection.execute(
            "SELECT DISTINCT dataset_id FROM dataset_items WHERE valid_to IS NULL "
            "AND id IN (SELECT value FROM json_each(?))",
            (json.dumps(identifiers),),
        ).fetchall()
        for owner in owners:
            version = dataset_versions.writable(store, connection, owner["dataset_id"], wanted.batch_group_id)
            _close(connection, owner["dataset_id"], identifiers, version)
            store.execute(
                connection,
                "dataset_items",
                "deleted",
                "DELETE FROM dataset_items WHERE dataset_id = ? AND valid_from = ? "
                "AND id IN (SELECT value FROM json_each(?))",
                (owner["dataset_id"], version, json.dumps(identifiers)),
            )


def public(row: sqlite3.Row) -> tuple[dict[str, object], dict[str, str | None]]:
    """An item's values and JSON columns, in the shape of `DatasetItemPublic`."""
    plain: dict[str, object] = {
        name: row[name]
        for name in (
            "id",
            "dataset_id",
            "source",
            "description",
            "trace_id",
            "span_id",
            "created_at",
            "last_updated_at",
        )
    }
    by = {"created_by": projects.AUTHOR, "last_updated_by": projects.AUTHOR, "dataset_item_id": row["id"]}
    return plain | by, {"data": row["data"], "tags": row["tags"]}


def _stream(store: Store, where: str, values: Sequence[Value]) -> Iterator[bytes]:
    with store.read() as connection:
        rows = connection.execute(f"SELECT * FROM dataset_items WHERE {where} ORDER BY id DESC LIMIT ?", values)
        while portion := rows.fetchmany(100):
            yield b"".join(wire.splice(*public(row)) + b"\n" for row in portion)


def add_routes(api: APIRouter, store: Store) -> None:
    """The endpoints of items, on the datasets' router (before its `/{identifier}`)."""

    @api.put("/items", **schema.takes(ItemBatch, 204, 404, 501))
    def create_or_update_dataset_items(body: wire.Body) -> Response:
        write(store, wire.parse(ItemBatch, body))
        return wire.no_content()

    @api.post("/items/delete", **schema.takes(ItemDelete, 204))
    def delete_dataset_items(body: wire.Body) -> Response:
        _delete(store, wire.parse(ItemDelete, body))
        return wire.no_content()

    @api.post("/items/stream", **schema.takes(ItemStream, 200, 404, 501))
    def stream_dataset_items(body: wire.Body) -> Response:
        wanted = wire.parse(ItemStream, body)
        _no_filters(wanted.filters)
        with store.read() as connection:
            dataset = datasets.find(connection, wanted.dataset_name)
            if dataset is None:
                raise RefusedError(404, "Dataset not found")
            number = dataset_versions.number(connection, dataset, wanted.dataset_version)
        where, values = _AT_VERSION, list[Value]([dataset, number, number])
        if wanted.last_retrieved_id is not None:
            where, values = f"{where} AND id < ?", [*values, ids.uuid_text(wanted.last_retrieved_id, "dataset_item")]
        lines = _stream(store, where, [*values, wanted.steam_limit])
        return StreamingResponse(lines, media_type="application/octet-stream")

    @api.get("/items/{identifier}", **schema.gives(200, 404))
    def get_dataset_item(identifier: str) -> Response:
        with store.read() as connection:
            row = connection.execute(
                "SELECT * FROM dataset_items WHERE id = ? AND valid_to IS NULL",
                (ids.uuid_text(identifier, "dataset_item"),),
            ).fetchone()
        if row is None:
            raise not_found("Dataset item", identifier)
        return wire.answer(wire.splice(*public(row)))

    @api.get("/{identifier}/items", **schema.gives(200, 404, 501))
    def get_dataset_items(
        identifier: str,
        version: str | None = None,
        filters: str | None = None,
        page: wire.Page = 1,
        size: Annotated[int, Query(ge=1, le=_STREAM_LIMIT)] = 10,
    ) -> Response:
        _no_filters(filters)
        dataset = ids.uuid_text(identifier, "Dataset")
        with store.read() as connection:
            number = dataset_versions.number(connection, dataset, version)
            at = (dataset, number, number)
            total = connection.execute(f"SELECT count(*) FROM dataset_items WHERE {_AT_VERSION}", at).fetchone()[0]
            rows = connection.execute(
                f"SELECT * FROM dataset_items WHERE {_AT_VERSION} ORDER BY id DESC LIMIT ? OFFSET ?",
                (*at, size, (page - 1) * size),
            )
            content = [wire.splice(*public(row)) for row in rows]
        return wire.page_answer(page, total, content)


def _no_filters(filters: str | None) -> None:
    if filters and filters != "[]":
        raise RefusedError(501, "filters on dataset items are not in the embedded store")
