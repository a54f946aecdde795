"""Projects: named containers of traces. A name that a batch mentions and nobody made is made."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from opik.rest_api.types.project_detailed import ProjectDetailed
from opik.rest_api.types.project_public import ProjectPublic
from pydantic import BaseModel, Field

from adapter.embedded_opik import ids, schema, wire
from adapter.embedded_opik.db import Store
from adapter.embedded_opik.errors import RefusedError, not_found

DEFAULT_PROJECT = "Default Project"
AUTHOR = "admin"
"""The user of a self-hosted Opik without authentication, and so the author of everything here."""
BY: Final[dict[str, object]] = {"created_by": AUTHOR, "last_updated_by": AUTHOR}


class ProjectIn(BaseModel):
    """The body that creates a project (`projects.create_project`)."""

    name: Annotated[str, Field(min_length=1)]
    description: Annotated[str, Field(max_length=255)] | None = None
    visibility: str | None = None


class ProjectRetrieve(BaseModel):
    """The body that looks a project up by name."""

    name: Annotated[str, Field(min_length=1)]


def clean_name(name: str | None) -> str:
    """A project name as Opik reads it: blanks around it do not count, none at all is the default project."""
    if name is None:
        return DEFAULT_PROJECT
    if not name.strip():
        raise RefusedError(422, "project_name must not be blank")
    return name.strip()


def find(connection: sqlite3.Connection, name: str) -> str | None:
    """The id of the project with this name (case does not count), None where there is none."""
    row = connection.execute("SELECT id FROM projects WHERE lower(name) = lower(?)", (name,)).fetchone()
    return None if row is None else row["id"]


def get_or_create(store: Store, connection: sqlite3.Connection, names: Iterable[str | None]) -> dict[str | None, str]:
    """The project id of every name, made where it does not exist."""
    found: dict[str | None, str] = {}
    for name in dict.fromkeys(names):
        clean = clean_name(name)
        identifier = find(connection, clean)
        if identifier is None:
            identifier = _insert(store, connection, ProjectIn(name=clean))
        found[name] = identifier
    return found


def resolve(connection: sqlite3.Connection, project_id: str | None, project_name: str | None) -> str | None:
    """The project a search names: None where the name is unknown (an empty answer), 404 for an unknown id."""
    if project_id is not None:
        identifier = ids.uuid_text(project_id, "Project")
        if connection.execute("SELECT 1 FROM projects WHERE id = ?", (identifier,)).fetchone() is None:
            raise not_found("Project", identifier)
        return identifier
    if project_name is None:
        raise RefusedError(400, "Either 'project_name' or 'project_id' query params must be provided")
    return find(connection, clean_name(project_name))


def _insert(store: Store, connection: sqlite3.Connection, project: ProjectIn) -> str:
    now = store.clock()
    identifier = ids.mint(now)
    store.execute(
        connection,
        "projects",
        "new",
        "INSERT INTO projects (id, name, description, visibility, created_at, last_updated_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            identifier,
            project.name,
            project.description,
            project.visibility or "private",
            wire.stamp(now),
            wire.stamp(now),
        ),
    )
    return identifier


_SELECT = "SELECT *, (SELECT max(last_updated_at) FROM traces WHERE project_id = p.id) AS traced FROM projects p"


def _fields(row: sqlite3.Row) -> dict[str, object]:
    fields: dict[str, object] = {name: row[name] for name in row.keys() if name != "traced"}  # noqa: SIM118 - Row iterates values
    return fields | {"created_by": AUTHOR, "last_updated_by": AUTHOR, "last_updated_trace_at": row["traced"]}


def router(store: Store) -> APIRouter:
    """The project endpoints."""
    api = APIRouter(prefix=f"{wire.API}/projects")

    @api.get("", dependencies=[Depends(wire.unsorted)], **schema.gives(200, 501))
    def find_projects(
        name: str | None = None,
        page: wire.Page = 1,
        size: Annotated[int, Query(ge=1, le=1000)] = 10,
    ) -> Response:
        with store.read() as connection:
            where, values = ("instr(lower(name), lower(?)) > 0", [name]) if name else ("1", [])
            total = connection.execute(f"SELECT count(*) FROM projects WHERE {where}", values).fetchone()[0]
            rows = connection.execute(
                f"{_SELECT} WHERE {where} ORDER BY id DESC LIMIT ? OFFSET ?", [*values, size, (page - 1) * size]
            )
            content = [wire.dump(ProjectPublic.model_validate(_fields(row))) for row in rows]
        return wire.page_answer(page, total, content)

    @api.post("", **schema.takes(ProjectIn, 201, 409))
    def create_project(body: wire.Body, request: Request) -> Response:
        project = wire.parse(ProjectIn, body)
        with store.write() as connection:
            project = project.model_copy(update={"name": clean_name(project.name)})
            if find(connection, project.name) is not None:
                raise RefusedError(409, "Project already exists")
            return wire.created(request, _insert(store, connection, project))

    @api.post("/retrieve", **schema.takes(ProjectRetrieve, 200, 404))
    def retrieve_project(body: wire.Body) -> Response:
        wanted = wire.parse(ProjectRetrieve, body)
        with store.read() as connection:
            row = connection.execute(f"{_SELECT} WHERE lower(name) = lower(?)", (clean_name(wanted.name),)).fetchone()
        if row is None:
            raise RefusedError(404, "Project not found")
        return wire.model_answer(ProjectDetailed.model_validate(_fields(row)))

    @api.get("/{identifier}", **schema.gives(200, 404))
    def get_project(identifier: str) -> Response:
        with store.read() as connection:
            row = connection.execute(f"{_SELECT} WHERE id = ?", (ids.uuid_text(identifier, "Project"),)).fetchone()
        if row is None:
            raise not_found("Project", identifier)
        return wire.model_answer(ProjectPublic.model_validate(_fields(row)))

    return api
