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

from adapter.embedded_opik import dataset_versions, datasets, filters, ids, listing, projects, schema, wire
from adapter.embedded_opik.db import Store
from adapter.embedded_opik.errors import RefusedError, not_found
from adapter.embedded_opik.fields import DATASET_ITEM_FIELDS

_COLUMNS = (
    "dataset_id", "id", "valid_from", "source", "data", "description", "tags", "trace_id", "span_id",
    "evaluators", "execution_policy", "created_at", "last_updated_at",
)  # fmt: skip
_KEY = ("dataset_id", "id", "valid_from")
_AT_VERSION = "e.dataset_id = ? AND e.valid_from <= ? AND (e.valid_to IS NULL OR e.valid_to > ?)"
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
                wire.dumps(item.evaluators),
                wire.dumps(item.execution_policy),
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
    return plain | by, {name: row[name] for name in ("data", "tags", "evaluators", "execution_policy")}


def _at(connection: sqlite3.Connection, dataset: str, version: str | None, text: str | None) -> filters.Where:
    """The condition for the items of one version that the filters find."""
    number = dataset_versions.number(connection, dataset, version)
    where = filters.translate(filters.read_filters(text), DATASET_ITEM_FIELDS)
    return listing.narrowed(where, _AT_VERSION, dataset, number, number)


def _stream(store: Store, where: filters.Where, limit: int) -> Iterator[bytes]:
    with store.read() as connection:
        rows = connection.execute(
            f"SELECT e.* FROM dataset_items e WHERE {where.sql} ORDER BY e.id DESC LIMIT ?", (*where.values, limit)
        )
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

    @api.post("/items/stream", **schema.takes(ItemStream, 200, 404))
    def stream_dataset_items(body: wire.Body) -> Response:
        wanted = wire.parse(ItemStream, body)
        with store.read() as connection:
            dataset = datasets.find(connection, wanted.dataset_name)
            if dataset is None:
                raise RefusedError(404, "Dataset not found")
            where = _at(connection, dataset, wanted.dataset_version, wanted.filters)
        if wanted.last_retrieved_id is not None:
            where = listing.narrowed(where, "e.id < ?", ids.uuid_text(wanted.last_retrieved_id, "dataset_item"))
        return StreamingResponse(_stream(store, where, wanted.steam_limit), media_type="application/octet-stream")

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

    @api.get("/{identifier}/items", **schema.gives(200, 404))
    def get_dataset_items(
        identifier: str,
        version: str | None = None,
        filters_: filters.Parameter = None,
        page: wire.Page = 1,
        size: Annotated[int, Query(ge=1, le=_STREAM_LIMIT)] = 10,
    ) -> Response:
        dataset = ids.uuid_text(identifier, "Dataset")
        with store.read() as connection:
            where = _at(connection, dataset, version, filters_)
            total, rows = listing.page(connection, "dataset_items", where, page, size)
        return wire.page_answer(page, total, [wire.splice(*public(row)) for row in rows])
