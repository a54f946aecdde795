"""The versions of datasets: which one a write goes to, which one a read names, and their pages."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import hashlib
import sqlite3
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from opik.rest_api.types.dataset_version_public import DatasetVersionPublic
from pydantic import BaseModel

from adapter.embedded_opik import ids, projects, schema, wire
from adapter.embedded_opik.db import Store
from adapter.embedded_opik.errors import RefusedError


class VersionRef(BaseModel):
    """The body that names a version (`v1`)."""

    version_name: str


def writable(store: Store, connection: sqlite3.Connection, dataset: str, group: str | None) -> int:
    """The version a write goes to: one per batch group; without a group, the latest one changes in place."""
    latest = connection.execute(
        "SELECT number, batch_group_id FROM dataset_versions WHERE dataset_id = ? ORDER BY number DESC LIMIT 1",
        (dataset,),
    ).fetchone()
    if latest is not None and (group is None or latest["batch_group_id"] == group):
        return latest["number"]
    now = store.clock()
    number = 1 if latest is None else latest["number"] + 1
    identifier = ids.mint(now)
    store.execute(
        connection,
        "dataset_versions",
        "new",
        "INSERT INTO dataset_versions (id, dataset_id, number, version_hash, batch_group_id, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            identifier,
            dataset,
            number,
            hashlib.sha256(identifier.encode()).hexdigest()[:16],
            group,
            wire.stamp(now),
        ),
    )
    return number


def number(connection: sqlite3.Connection, dataset: str, version: str | None) -> int:
    """A version's number from its hash, name or id; the latest where none is named."""
    if version is None or version == "latest":
        row = connection.execute(
            "SELECT coalesce(max(number), 0) FROM dataset_versions WHERE dataset_id = ?", (dataset,)
        ).fetchone()
        return row[0]
    row = connection.execute(
        "SELECT number FROM dataset_versions WHERE dataset_id = ? AND ? IN (version_hash, 'v' || number, id)",
        (dataset, version),
    ).fetchone()
    if row is None:
        raise RefusedError(404, f"Dataset version not found: {version[:64]}")
    return row["number"]


_ITEMS = "(SELECT count(*) FROM dataset_items i WHERE i.dataset_id = v.dataset_id AND"
_VERSIONS = (
    "SELECT v.*, v.number = (SELECT max(number) FROM dataset_versions WHERE dataset_id = v.dataset_id) AS latest, "
    f"{_ITEMS} i.valid_from <= v.number AND (i.valid_to IS NULL OR i.valid_to > v.number)) AS total, "
    f"{_ITEMS} i.valid_from = v.number) AS begun, "
    f"{_ITEMS} i.valid_to = v.number) AS ended, "
    f"{_ITEMS} i.valid_from = v.number AND EXISTS (SELECT 1 FROM dataset_items o "
    "WHERE o.dataset_id = i.dataset_id AND o.id = i.id AND o.valid_to = v.number)) AS modified "
    "FROM dataset_versions v WHERE v.dataset_id = ?"
)


def _select(
    connection: sqlite3.Connection, dataset: str, name: str | None = None, limit: int = 1, offset: int = 0
) -> list[bytes]:
    scope = "" if name is None else " AND 'v' || v.number = ?"
    rows = connection.execute(
        _VERSIONS + f"{scope} ORDER BY v.number DESC LIMIT ? OFFSET ?",
        (dataset, *(() if name is None else (name,)), limit, offset),
    )
    return [
        wire.dump(
            DatasetVersionPublic(
                id=row["id"],
                dataset_id=dataset,
                version_hash=row["version_hash"],
                version_name=f"v{row['number']}",
                tags=["latest"] if row["latest"] else [],
                is_latest=bool(row["latest"]),
                items_total=row["total"],
                items_added=row["begun"] - row["modified"],
                items_modified=row["modified"],
                items_deleted=row["ended"] - row["modified"],
                created_at=row["created_at"],
                created_by=projects.AUTHOR,
            )
        )
        for row in rows
    ]


def add_routes(api: APIRouter, store: Store) -> None:
    """The endpoints of versions, on the datasets' router (before its `/{identifier}`)."""

    @api.get("/{identifier}/versions", **schema.gives(200))
    def list_dataset_versions(
        identifier: str,
        page: wire.Page = 1,
        size: Annotated[int, Query(ge=1, le=1000)] = 10,
    ) -> Response:
        dataset = ids.uuid_text(identifier, "Dataset")
        with store.read() as connection:
            total = connection.execute(
                "SELECT count(*) FROM dataset_versions WHERE dataset_id = ?", (dataset,)
            ).fetchone()[0]
            content = _select(connection, dataset, None, size, (page - 1) * size)
        return wire.page_answer(page, total, content)

    @api.post("/{identifier}/versions/retrieve", **schema.takes(VersionRef, 200, 404))
    def retrieve_dataset_version(identifier: str, body: wire.Body) -> Response:
        name = wire.parse(VersionRef, body).version_name
        with store.read() as connection:
            found = _select(connection, ids.uuid_text(identifier, "Dataset"), name)
        if not found:
            raise RefusedError(404, f"Dataset version not found: {name[:64]}")
        return wire.answer(found[0])
