"""Annotation queues: traces or threads of a project that people are asked to look at."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from adapter.embedded_opik import filters, ids, listing, projects, schema, wire
from adapter.embedded_opik.datasets import IdList
from adapter.embedded_opik.db import Store, Value
from adapter.embedded_opik.errors import RefusedError
from adapter.embedded_opik.fields import QUEUE_FIELDS

type _Name = Annotated[str, Field(min_length=1)]
type _Count = Annotated[int, Field(ge=1, le=2**31 - 1)]


class _Queue(BaseModel):
    description: str | None = None
    instructions: str | None = None
    comments_enabled: bool | None = None
    feedback_definition_names: list[str] | None = None
    annotators_per_item: _Count | None = None
    lock_timeout_seconds: _Count | None = None
    automation: dict[str, object] | None = None


class QueueIn(_Queue):
    """The body that creates a queue."""

    project_id: str
    name: _Name
    scope: Literal["trace", "thread"]
    id: str | None = None


class QueueBatch(BaseModel):
    """The body that creates several queues."""

    annotation_queues: Annotated[list[QueueIn], Field(min_length=1, max_length=wire.MAX_BATCH)]


class QueueUpdate(_Queue):
    """The body that changes a queue; what is absent stays."""

    name: _Name | None = None


_SELECT: Final = (
    "e.*, (SELECT name FROM projects WHERE id = e.project_id) AS project_name, "
    "(SELECT count(*) FROM annotation_queue_items WHERE queue_id = e.id) AS items_count, "
    "(SELECT json_group_array(json_object('name', name, 'value', value)) FROM "
    "(SELECT f.name, avg(f.value) AS value FROM annotation_queue_items i JOIN feedback_scores f "
    "ON f.entity_type = e.scope AND f.entity_id = i.item_id AND f.project_id = e.project_id "
    "WHERE i.queue_id = e.id AND f.name IN (SELECT value FROM json_each(e.feedback_definition_names)) "
    "GROUP BY f.name ORDER BY f.name)) AS feedback_scores"
)


def _encode(row: sqlite3.Row) -> bytes:
    plain: dict[str, object] = {
        name: row[name]
        for name in (
            "id", "project_id", "project_name", "name", "description", "instructions", "scope", "annotators_per_item",
            "lock_timeout_seconds", "items_count", "created_at", "last_updated_at",
        )
    }  # fmt: skip
    plain |= {
        "comments_enabled": bool(row["comments_enabled"]),
        "feedback_scores": wire.loads(row["feedback_scores"]) or None,
        **projects.BY,
    }
    return wire.splice(plain, {"feedback_definition_names": row["feedback_definition_names"]})


def _find(connection: sqlite3.Connection, identifier: str) -> sqlite3.Row:
    key = ids.uuid_text(identifier, "Annotation queue")
    row = connection.execute(f"SELECT {_SELECT} FROM annotation_queues e WHERE e.id = ?", (key,)).fetchone()
    if row is None:
        raise RefusedError(404, f"Annotation queue not found: {key}")
    return row


def _refuse_automation(automation: dict[str, object] | None) -> None:
    if automation is not None:
        raise RefusedError(501, "the automation of annotation queues is not in the embedded store")


def _create(store: Store, queues: Sequence[QueueIn]) -> list[str]:
    """New queues, and their ids; one whose id is there already is left as it is."""
    now = store.clock()
    made: list[str] = []
    with store.write() as connection:
        for queue in queues:
            _refuse_automation(queue.automation)
            identifier = ids.mint(now) if queue.id is None else ids.version7(queue.id, "annotation queue")
            row: dict[str, Value] = {
                "id": identifier,
                "project_id": projects.resolve(connection, queue.project_id, None),
                "name": queue.name,
                "description": queue.description,
                "instructions": queue.instructions,
                "scope": queue.scope,
                "comments_enabled": queue.comments_enabled or False,
                "feedback_definition_names": wire.dumps(queue.feedback_definition_names),
                "annotators_per_item": queue.annotators_per_item,
                "lock_timeout_seconds": queue.lock_timeout_seconds,
                "created_at": wire.stamp(now),
                "last_updated_at": wire.stamp(now),
            }
            store.insert(connection, "annotation_queues", row, "ON CONFLICT (id) DO NOTHING")
            made.append(identifier)
    return made


def _update(store: Store, identifier: str, update: QueueUpdate) -> None:
    _refuse_automation(update.automation)
    changes: dict[str, Value] = {"last_updated_at": wire.stamp(store.clock())}
    for name, value in update.model_dump(exclude_none=True).items():
        changes[name] = wire.dumps(value) if isinstance(value, list) else value
    with store.write() as connection:
        store.update(connection, "annotation_queues", changes, _find(connection, identifier)["id"])


def _delete(store: Store, identifiers: Sequence[str]) -> None:
    keys = [ids.uuid_text(i, "Annotation queue") for i in identifiers]
    with store.write() as connection:
        store.delete(connection, "annotation_queue_items", keys, "queue_id")
        store.delete(connection, "annotation_queues", keys)


def _add_items(store: Store, identifier: str, wanted: IdList) -> None:
    items = dict.fromkeys(ids.uuid_text(i, "Item") for i in wanted.ids)
    now = wire.stamp(store.clock())
    with store.write() as connection:
        queue = _find(connection, identifier)["id"]
        for item in items:
            row: dict[str, Value] = {"queue_id": queue, "item_id": item, "created_at": now}
            store.insert(connection, "annotation_queue_items", row, "ON CONFLICT (queue_id, item_id) DO NOTHING")


def _remove_items(store: Store, identifier: str, wanted: IdList) -> None:
    items = json.dumps([ids.uuid_text(i, "Item") for i in wanted.ids])
    with store.write() as connection:
        queue = _find(connection, identifier)["id"]
        sql = "DELETE FROM annotation_queue_items WHERE queue_id = ? AND item_id IN (SELECT value FROM json_each(?))"
        store.execute(connection, "annotation_queue_items", "deleted", sql, (queue, items))


def router(store: Store) -> APIRouter:
    """The endpoints of annotation queues and their items."""
    api = APIRouter(prefix=f"{wire.API}/annotation-queues")

    @api.get("", **schema.gives(200, 501))
    def find_annotation_queues(
        name: str | None = None,
        filters_: filters.Parameter = None,
        sorting: str | None = None,
        page: wire.Page = 1,
        size: listing.Size = 10,
    ) -> Response:
        wire.unsorted(sorting)
        where = listing.condition(filters_, QUEUE_FIELDS, name)
        with store.read() as connection:
            total, rows = listing.page(connection, "annotation_queues", where, page, size, _SELECT)
        return wire.page_answer(page, total, [_encode(row) for row in rows])

    @api.post("", **schema.takes(QueueIn, 201, 404, 501))
    def create_annotation_queue(body: wire.Body, request: Request) -> Response:
        return wire.created(request, _create(store, [wire.parse(QueueIn, body)])[0])

    @api.post("/batch", **schema.takes(QueueBatch, 204, 404, 501))
    def create_annotation_queue_batch(body: wire.Body) -> Response:
        _create(store, wire.parse(QueueBatch, body).annotation_queues)
        return wire.no_content()

    @api.post("/delete", **schema.takes(IdList, 204))
    def delete_annotation_queue_batch(body: wire.Body) -> Response:
        _delete(store, wire.parse(IdList, body).ids)
        return wire.no_content()

    @api.get("/{identifier}", **schema.gives(200, 404))
    def get_annotation_queue_by_id(identifier: str) -> Response:
        with store.read() as connection:
            return wire.answer(_encode(_find(connection, identifier)))

    @api.patch("/{identifier}", **schema.takes(QueueUpdate, 204, 404, 501))
    def update_annotation_queue(identifier: str, body: wire.Body) -> Response:
        _update(store, identifier, wire.parse(QueueUpdate, body))
        return wire.no_content()

    @api.post("/{identifier}/items/add", **schema.takes(IdList, 204, 404))
    def add_items_to_annotation_queue(identifier: str, body: wire.Body) -> Response:
        _add_items(store, identifier, wire.parse(IdList, body))
        return wire.no_content()

    @api.post("/{identifier}/items/delete", **schema.takes(IdList, 204, 404))
    def remove_items_from_annotation_queue(identifier: str, body: wire.Body) -> Response:
        _remove_items(store, identifier, wire.parse(IdList, body))
        return wire.no_content()

    return api
