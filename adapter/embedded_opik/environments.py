"""Environments: the workspace's names for where something runs, to which versions of prompts are pinned."""

from __future__ import annotations

import json
import sqlite3
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from adapter.embedded_opik import ids, projects, schema, wire
from adapter.embedded_opik.datasets import IdList
from adapter.embedded_opik.db import Store, Value
from adapter.embedded_opik.errors import RefusedError

MAX = 20
"""How many environments the workspace may have (Opik's default)."""

type _Name = Annotated[str, Field(min_length=1, max_length=150)]


class EnvironmentIn(BaseModel):
    """The body that creates an environment."""

    name: _Name
    id: str | None = None
    description: str | None = None
    color: str | None = None
    position: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None


class EnvironmentUpdate(BaseModel):
    """The body that changes an environment; what is absent stays."""

    name: _Name | None = None
    description: str | None = None
    color: str | None = None
    position: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None


def exists(connection: sqlite3.Connection, name: str) -> bool:
    """Whether there is an environment of this name."""
    return connection.execute("SELECT 1 FROM environments WHERE name = ?", (name,)).fetchone() is not None


def _encode(row: sqlite3.Row) -> bytes:
    return wire.splice(dict(row) | projects.BY, {})


def _refuse_taken(connection: sqlite3.Connection, name: str) -> None:
    if exists(connection, name):
        raise RefusedError(409, f"Environment with name '{name}' already exists in the workspace")


def _create(store: Store, environment: EnvironmentIn) -> str:
    now = store.clock()
    identifier = ids.mint(now) if environment.id is None else ids.version7(environment.id, "environment")
    row: dict[str, Value] = {
        "id": identifier,
        "name": environment.name,
        "description": environment.description,
        "color": environment.color,
        "position": environment.position or 0,
        "created_at": wire.stamp(now),
        "last_updated_at": wire.stamp(now),
    }
    with store.write() as connection:
        _refuse_taken(connection, environment.name)
        if connection.execute("SELECT 1 FROM environments WHERE id = ?", (identifier,)).fetchone() is not None:
            raise RefusedError(409, "Environment already exists")
        if connection.execute("SELECT count(*) FROM environments").fetchone()[0] >= MAX:
            raise RefusedError(409, f"Workspace already has the maximum of {MAX} environments")
        store.insert(connection, "environments", row)
    return identifier


def _update(store: Store, identifier: str, update: EnvironmentUpdate) -> None:
    changes: dict[str, Value] = dict(update.model_dump(exclude_none=True))
    changes["last_updated_at"] = wire.stamp(store.clock())
    with store.write() as connection:
        row = _find(connection, identifier)
        if update.name is not None and update.name != row["name"]:
            _refuse_taken(connection, update.name)
            renamed: dict[str, Value] = {"environment": update.name}
            store.update(connection, "prompt_environments", renamed, row["name"], "environment")
        store.update(connection, "environments", changes, row["id"])


def _delete(store: Store, wanted: IdList) -> None:
    keys = [ids.uuid_text(i, "Environment") for i in wanted.ids]
    with store.write() as connection:
        known = "SELECT name FROM environments WHERE id IN (SELECT value FROM json_each(?))"
        names = [row["name"] for row in connection.execute(known, (json.dumps(keys),))]
        store.delete(connection, "prompt_environments", names, "environment")
        store.delete(connection, "environments", keys)


def _find(connection: sqlite3.Connection, identifier: str) -> sqlite3.Row:
    row = connection.execute(
        "SELECT * FROM environments WHERE id = ?", (ids.uuid_text(identifier, "Environment"),)
    ).fetchone()
    if row is None:
        raise RefusedError(404, "Environment not found")
    return row


def router(store: Store) -> APIRouter:
    """The environment endpoints."""
    api = APIRouter(prefix=f"{wire.API}/environments")

    @api.get("", **schema.gives(200))
    def find_environments() -> Response:
        with store.read() as connection:
            rows = connection.execute("SELECT * FROM environments ORDER BY position, created_at, id").fetchall()
        return wire.page_answer(1, len(rows), [_encode(row) for row in rows])

    @api.post("", **schema.takes(EnvironmentIn, 201, 409))
    def create_environment(body: wire.Body, request: Request) -> Response:
        return wire.created(request, _create(store, wire.parse(EnvironmentIn, body)))

    @api.post("/delete", **schema.takes(IdList, 204))
    def delete_environments_batch(body: wire.Body) -> Response:
        _delete(store, wire.parse(IdList, body))
        return wire.no_content()

    @api.get("/{identifier}", **schema.gives(200, 404))
    def get_environment_by_id(identifier: str) -> Response:
        with store.read() as connection:
            return wire.answer(_encode(_find(connection, identifier)))

    @api.patch("/{identifier}", **schema.takes(EnvironmentUpdate, 204, 404, 409))
    def update_environment(identifier: str, body: wire.Body) -> Response:
        _update(store, identifier, wire.parse(EnvironmentUpdate, body))
        return wire.no_content()

    return api
