"""The versions of datasets: which one a write goes to, which one a read names, and their pages."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from opik.rest_api.types.dataset_version_public import DatasetVersionPublic
from pydantic import BaseModel, Field

from adapter.embedded_opik import ids, projects, schema, wire
from adapter.embedded_opik.db import Store
from adapter.embedded_opik.errors import RefusedError

LATEST = "latest"
"""The tag that is always on the newest version, and on no other."""

type _Tag = Annotated[str, Field(min_length=1, max_length=100)]


class VersionRef(BaseModel):
    """The body that names a version (`v1`)."""

    version_name: str


class VersionTag(BaseModel):
    """The body that gives a version a tag."""

    tag: _Tag


class VersionUpdate(BaseModel):
    """The body that changes what is said about a version; its items never change."""

    change_description: str | None = None
    tags_to_add: list[_Tag] | None = None


class Restore(BaseModel):
    """The body that names the version whose items are to be the latest again."""

    version_ref: str


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
    """A version's number from its hash, name, id or tag; the latest where none is named."""
    if version is None or version == LATEST:
        row = connection.execute(
            "SELECT coalesce(max(number), 0) FROM dataset_versions WHERE dataset_id = ?", (dataset,)
        ).fetchone()
        return row[0]
    row = connection.execute(
        "SELECT number FROM dataset_versions WHERE dataset_id = ? AND (? IN (version_hash, 'v' || number, id) "
        "OR EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)) ORDER BY number DESC LIMIT 1",
        (dataset, version, version),
    ).fetchone()
    if row is None:
        raise RefusedError(404, f"Dataset version not found: {version[:64]}")
    return row["number"]


def _existing(connection: sqlite3.Connection, dataset: str, version: str) -> int:
    """A version's number as `number` has it; 404 also for the latest of a dataset that has none."""
    found = number(connection, dataset, version)
    if not found:
        raise RefusedError(404, f"Dataset version not found: {version[:64]}")
    return found


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
    scope = "" if name is None else " AND ? IN ('v' || v.number, v.version_hash)"
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
                tags=[*(wire.loads(row["tags"]) or ()), *([LATEST] if row["latest"] else ())],
                change_description=row["change_description"],
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


def _set_tags(
    store: Store, connection: sqlite3.Connection, dataset: str, number: int, change: Callable[[list[str]], list[str]]
) -> None:
    of = "dataset_id = ? AND number = ?"
    row = connection.execute(f"SELECT tags FROM dataset_versions WHERE {of}", (dataset, number)).fetchone()
    tags = wire.dumps(change(wire.loads(row["tags"]) or []))
    sql = f"UPDATE dataset_versions SET tags = ? WHERE {of}"
    store.execute(connection, "dataset_versions", "updated", sql, (tags, dataset, number))


def _add_tags(store: Store, connection: sqlite3.Connection, dataset: str, number: int, tags: Sequence[str]) -> None:
    """Tags for a version; 409 for one that stands on a version of this dataset already."""
    for tag in tags:
        taken = connection.execute(
            "SELECT 1 FROM dataset_versions v, json_each(v.tags) t WHERE v.dataset_id = ? AND t.value = ?",
            (dataset, tag),
        ).fetchone()
        if tag == LATEST or taken is not None:
            raise RefusedError(409, f"Tag already exists for this dataset: {tag}")
        _set_tags(store, connection, dataset, number, lambda old, tag=tag: [*old, tag])


def _restore(store: Store, connection: sqlite3.Connection, dataset: str, reference: str) -> int:
    """A new version that holds what the named one held; rows that are the same stay as they are."""
    old = _existing(connection, dataset, reference)
    new = writable(store, connection, dataset, ids.mint(store.clock()))
    store.execute(
        connection,
        "dataset_items",
        "updated",
        "UPDATE dataset_items SET valid_to = ? WHERE dataset_id = ? AND valid_to IS NULL AND valid_from > ?",
        (new, dataset, old),
    )
    columns = (
        "dataset_id, id, source, data, description, tags, trace_id, span_id, evaluators, execution_policy, "
        "created_at, last_updated_at"
    )
    store.execute(
        connection,
        "dataset_items",
        "new",
        f"INSERT INTO dataset_items ({columns}, valid_from) SELECT {columns}, ? FROM dataset_items "
        "WHERE dataset_id = ? AND valid_from <= ? AND valid_to > ? AND valid_to <= ?",
        (new, dataset, old, old, new),
    )
    return new


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

    @api.post("/{identifier}/versions/restore", **schema.takes(Restore, 200, 404))
    def restore_dataset_version(identifier: str, body: wire.Body) -> Response:
        reference = wire.parse(Restore, body).version_ref
        dataset = ids.uuid_text(identifier, "Dataset")
        with store.write() as connection:
            new = _restore(store, connection, dataset, reference)
            return wire.answer(_select(connection, dataset, f"v{new}")[0])

    @api.patch("/{identifier}/versions/hash/{version_hash}", **schema.takes(VersionUpdate, 200, 404, 409))
    def update_dataset_version(identifier: str, version_hash: str, body: wire.Body) -> Response:
        update = wire.parse(VersionUpdate, body)
        dataset = ids.uuid_text(identifier, "Dataset")
        with store.write() as connection:
            found = _existing(connection, dataset, version_hash)
            _add_tags(store, connection, dataset, found, update.tags_to_add or ())
            if update.change_description is not None:
                sql = "UPDATE dataset_versions SET change_description = ? WHERE dataset_id = ? AND number = ?"
                values = (update.change_description, dataset, found)
                store.execute(connection, "dataset_versions", "updated", sql, values)
            return wire.answer(_select(connection, dataset, f"v{found}")[0])

    @api.post("/{identifier}/versions/hash/{version_hash}/tags", **schema.takes(VersionTag, 204, 404, 409))
    def create_version_tag(identifier: str, version_hash: str, body: wire.Body) -> Response:
        tag = wire.parse(VersionTag, body).tag
        dataset = ids.uuid_text(identifier, "Dataset")
        with store.write() as connection:
            _add_tags(store, connection, dataset, _existing(connection, dataset, version_hash), [tag])
        return wire.no_content()

    @api.delete("/{identifier}/versions/{version_hash}/tags/{tag}", **schema.gives(204, 404))
    def delete_version_tag(identifier: str, version_hash: str, tag: str) -> Response:
        dataset = ids.uuid_text(identifier, "Dataset")
        with store.write() as connection:
            found = _existing(connection, dataset, version_hash)
            _set_tags(store, connection, dataset, found, lambda old: [one for one in old if one != tag])
        return wire.no_content()
