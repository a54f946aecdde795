"""Feedback definitions: which values a person may choose from when scoring. They do not bind what is sent as scores."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, RootModel
from pydantic.alias_generators import to_camel

from adapter.embedded_opik import ids, listing, projects, schema, wire
from adapter.embedded_opik.datasets import IdList
from adapter.embedded_opik.db import Store, Value
from adapter.embedded_opik.errors import RefusedError

type _Kind = Literal["numerical", "categorical", "boolean"]
type _Label = Annotated[str, Field(min_length=1)]


class NumericalDetails(BaseModel):
    """The bounds of a number, both of them allowed."""

    min: float
    max: float


class CategoricalDetails(BaseModel):
    """Labels, and the number each stands for."""

    categories: Annotated[dict[str, float], Field(min_length=2)]


class BooleanDetails(BaseModel):
    """What 1 and 0 are called."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)

    true_label: _Label
    false_label: _Label


class _Definition(BaseModel):
    id: str | None = None
    name: Annotated[str, Field(min_length=1)]
    description: Annotated[str, Field(max_length=255)] | None = None


class Numerical(_Definition):
    """A definition whose scores are numbers within bounds."""

    type: Literal["numerical"]
    details: NumericalDetails


class Categorical(_Definition):
    """A definition whose scores are one of some labels."""

    type: Literal["categorical"]
    details: CategoricalDetails


class Boolean(_Definition):
    """A definition whose scores are yes or no."""

    type: Literal["boolean"]
    details: BooleanDetails


class DefinitionIn(RootModel[Annotated[Numerical | Categorical | Boolean, Field(discriminator="type")]]):
    """The body that creates a definition, or replaces one."""


def _encode(row: sqlite3.Row) -> bytes:
    plain: dict[str, object] = {
        name: row[name] for name in ("id", "name", "description", "type", "created_at", "last_updated_at")
    }
    return wire.splice(plain | projects.BY, {"details": row["details"]})


def _find(connection: sqlite3.Connection, identifier: str) -> sqlite3.Row:
    key = ids.uuid_text(identifier, "Feedback definition")
    row = connection.execute("SELECT * FROM feedback_definitions WHERE id = ?", (key,)).fetchone()
    if row is None:
        raise RefusedError(404, "Feedback definition not found")
    return row


def _columns(connection: sqlite3.Connection, body: bytes, identifier: str | None, now: str) -> dict[str, Value]:
    """The columns that a body sets; 409 where another definition has its name."""
    definition = wire.parse(DefinitionIn, body).root
    taken = connection.execute(
        "SELECT 1 FROM feedback_definitions WHERE name = ? AND id IS NOT ?", (definition.name, identifier)
    ).fetchone()
    if taken is not None:
        raise RefusedError(409, "Feedback already exists")
    return {
        "id": identifier or definition.id,
        "name": definition.name,
        "description": definition.description,
        "type": definition.type,
        "details": wire.dump(definition.details).decode(),
        "last_updated_at": now,
    }


def _create(store: Store, body: bytes) -> str:
    now = store.clock()
    with store.write() as connection:
        row = _columns(connection, body, None, wire.stamp(now)) | {"created_at": wire.stamp(now)}
        given = row["id"]
        identifier = ids.version7(given, "feedback definition") if isinstance(given, str) else ids.mint(now)
        row["id"] = identifier
        if connection.execute("SELECT 1 FROM feedback_definitions WHERE id = ?", (identifier,)).fetchone() is not None:
            raise RefusedError(409, "Feedback already exists")
        store.insert(connection, "feedback_definitions", row)
    return identifier


def _update(store: Store, identifier: str, body: bytes) -> None:
    with store.write() as connection:
        key = _find(connection, identifier)["id"]
        changes = _columns(connection, body, key, wire.stamp(store.clock()))
        store.update(connection, "feedback_definitions", changes, key)


def _delete(store: Store, identifiers: Sequence[str]) -> None:
    keys = [ids.uuid_text(i, "Feedback definition") for i in identifiers]
    with store.write() as connection:
        store.delete(connection, "feedback_definitions", keys)


def router(store: Store) -> APIRouter:
    """The endpoints of feedback definitions."""
    api = APIRouter(prefix=f"{wire.API}/feedback-definitions")

    @api.get("", **schema.gives(200))
    def find_feedback_definitions(
        name: str | None = None,
        kind: Annotated[_Kind | None, Query(alias="type")] = None,
        page: wire.Page = 1,
        size: listing.Size = 10,
    ) -> Response:
        where = listing.condition(None, {}, name)
        if kind is not None:
            where = listing.narrowed(where, "e.type = ?", kind)
        with store.read() as connection:
            total, rows = listing.page(connection, "feedback_definitions", where, page, size)
        return wire.page_answer(page, total, [_encode(row) for row in rows])

    @api.post("", **schema.takes(DefinitionIn, 201, 409))
    def create_feedback_definition(body: wire.Body, request: Request) -> Response:
        return wire.created(request, _create(store, body))

    @api.post("/delete", **schema.takes(IdList, 204))
    def delete_feedback_definitions_batch(body: wire.Body) -> Response:
        _delete(store, wire.parse(IdList, body).ids)
        return wire.no_content()

    @api.get("/{identifier}", **schema.gives(200, 404))
    def get_feedback_definition_by_id(identifier: str) -> Response:
        with store.read() as connection:
            return wire.answer(_encode(_find(connection, identifier)))

    @api.put("/{identifier}", **schema.takes(DefinitionIn, 204, 404, 409))
    def update_feedback_definition(identifier: str, body: wire.Body) -> Response:
        _update(store, identifier, body)
        return wire.no_content()

    @api.delete("/{identifier}", **schema.gives(204))
    def delete_feedback_definition_by_id(identifier: str) -> Response:
        _delete(store, [identifier])
        return wire.no_content()

    return api
