"""Dashboards, Opik's saved views. Their names are not unique, as in Opik."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import re
import sqlite3
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import Response
from opik.rest_api.types.dashboard_public_type import DashboardPublicType
from opik.rest_api.types.json_node_public import JsonNodePublic
from pydantic import BaseModel, Field

from adapter.embedded_opik import filters, ids, listing, projects, schema, wire
from adapter.embedded_opik.datasets import IdList
from adapter.embedded_opik.db import Store, Value
from adapter.embedded_opik.errors import not_found
from adapter.embedded_opik.fields import DASHBOARD_FIELDS

WORKSPACE_ID = "0190babc-62a0-71d2-832a-0feffa4676eb"
"""The id of the one workspace (Opik's own default workspace)."""

_SORTABLE = ("id", "name", "description", "type", "created_at", "last_updated_at")

type _Name = Annotated[str, Field(min_length=1, max_length=120)]
type _Description = Annotated[str, Field(max_length=1000)]


class DashboardIn(BaseModel):
    """The body that creates a dashboard."""

    name: _Name
    config: JsonNodePublic
    project_id: str | None = None
    project_name: str | None = None
    type: DashboardPublicType | None = None
    description: _Description | None = None


class DashboardUpdate(BaseModel):
    """The body that changes a dashboard; what is absent stays."""

    name: _Name | None = None
    config: JsonNodePublic | None = None
    type: DashboardPublicType | None = None
    description: _Description | None = None


def _encode(row: sqlite3.Row) -> bytes:
    plain: dict[str, object] = {
        name: row[name] for name in ("id", "name", "project_id", "type", "description", "created_at", "last_updated_at")
    }
    plain |= {
        "slug": re.sub(r"[^a-z0-9]+", "-", row["name"].lower()).strip("-"),
        "workspace_id": WORKSPACE_ID,
        "scope": "workspace",
        "created_by": projects.AUTHOR,
        "last_updated_by": projects.AUTHOR,
    }
    return wire.splice(plain, {"config": row["config"]})


def find(connection: sqlite3.Connection, identifier: str) -> sqlite3.Row:
    """One dashboard; 404 where there is none."""
    row = connection.execute(
        "SELECT * FROM dashboards WHERE id = ?", (ids.uuid_text(identifier, "Dashboard"),)
    ).fetchone()
    if row is None:
        raise not_found("Dashboard", identifier)
    return row


def _delete(store: Store, identifiers: list[str]) -> None:
    with store.write() as connection:
        for identifier in identifiers:
            values = [ids.uuid_text(identifier, "Dashboard")]
            store.execute(connection, "dashboards", "deleted", "DELETE FROM dashboards WHERE id = ?", values)


def router(store: Store) -> APIRouter:
    """The dashboard endpoints."""
    api = APIRouter(prefix=f"{wire.API}/dashboards")

    @api.get("", **schema.gives(200))
    def find_dashboards(
        name: str | None = None,
        project_id: str | None = None,
        sorting: str | None = None,
        filters_: filters.Parameter = None,
        page: wire.Page = 1,
        size: listing.Size = 10,
    ) -> Response:
        where = listing.condition(filters_, DASHBOARD_FIELDS, name, project_id)
        order = listing.read_sorting(sorting, {column: f"e.{column}" for column in _SORTABLE})
        with store.read() as connection:
            total, rows = listing.page(connection, "dashboards", where, page, size, order=order)
        return wire.page_answer(page, total, [_encode(row) for row in rows])

    @api.post("", **schema.takes(DashboardIn, 201))
    def create_dashboard(body: wire.Body) -> Response:
        dashboard = wire.parse(DashboardIn, body)
        now = store.clock()
        identifier = ids.mint(now)
        with store.write() as connection:
            project = None
            if dashboard.project_id is not None:
                project = ids.uuid_text(dashboard.project_id, "Project")
            elif dashboard.project_name is not None:
                found = projects.get_or_create(store, connection, [dashboard.project_name])
                project = found[dashboard.project_name]
            store.execute(
                connection,
                "dashboards",
                "new",
                "INSERT INTO dashboards (id, name, project_id, type, description, config, created_at, "
                "last_updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    identifier,
                    dashboard.name,
                    project,
                    dashboard.type or "multi_project",
                    dashboard.description,
                    wire.dumps(dashboard.config),
                    wire.stamp(now),
                    wire.stamp(now),
                ),
            )
            return wire.answer(_encode(find(connection, identifier)), 201)

    @api.post("/delete-batch", **schema.takes(IdList, 204))
    def delete_dashboards_batch(body: wire.Body) -> Response:
        _delete(store, wire.parse(IdList, body).ids)
        return wire.no_content()

    @api.get("/{identifier}", **schema.gives(200, 404))
    def get_dashboard_by_id(identifier: str) -> Response:
        with store.read() as connection:
            return wire.answer(_encode(find(connection, identifier)))

    @api.patch("/{identifier}", **schema.takes(DashboardUpdate, 200, 404))
    def update_dashboard(identifier: str, body: wire.Body) -> Response:
        update = wire.parse(DashboardUpdate, body)
        changes: dict[str, Value] = {
            name: value
            for name, value in (
                ("name", update.name),
                ("type", update.type),
                ("description", update.description),
                ("config", wire.dumps(update.config)),
            )
            if value is not None
        }
        changes["last_updated_at"] = wire.stamp(store.clock())
        with store.write() as connection:
            row = find(connection, identifier)
            store.execute(
                connection,
                "dashboards",
                "updated",
                f"UPDATE dashboards SET {', '.join(f'{name} = ?' for name in changes)} WHERE id = ?",
                (*changes.values(), row["id"]),
            )
            return wire.answer(_encode(find(connection, identifier)))

    @api.delete("/{identifier}", **schema.gives(204))
    def delete_dashboard(identifier: str) -> Response:
        _delete(store, [identifier])
        return wire.no_content()

    return api
