"""Datasets: found by name, deleted whole. Their items and versions are in `dataset_items`."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from opik.rest_api.datasets.types.dataset_write_type import DatasetWriteType
from opik.rest_api.datasets.types.dataset_write_visibility import DatasetWriteVisibility
from pydantic import BaseModel, Field

from adapter.embedded_opik import ids, projects, schema, wire
from adapter.embedded_opik.db import Store, Value
from adapter.embedded_opik.errors import RefusedError, not_found

type Name = Annotated[str, Field(min_length=1)]


class DatasetIn(BaseModel):
    """The body that creates a dataset (`datasets.create_dataset`)."""

    id: str | None = None
    name: Name
    project_id: str | None = None
    project_name: str | None = None
    type: DatasetWriteType | None = None
    visibility: DatasetWriteVisibility | None = None
    tags: list[str] | None = None
    description: Annotated[str, Field(max_length=255)] | None = None


class DatasetRef(BaseModel):
    """The body that names a dataset."""

    dataset_name: Name


class IdList(BaseModel):
    """A body that lists ids."""

    ids: Annotated[list[str], Field(min_length=1, max_length=wire.MAX_BATCH)]


def find(connection: sqlite3.Connection, name: str) -> str | None:
    """The id of the dataset with this name (case does not count)."""
    row = connection.execute("SELECT id FROM datasets WHERE lower(name) = lower(?)", (name,)).fetchone()
    return None if row is None else row["id"]


def get_or_create(store: Store, connection: sqlite3.Connection, name: str, project_name: str | None) -> str:
    """The dataset of this name, made where there is none, as Opik does for items and experiments."""
    return find(connection, name) or insert(store, connection, DatasetIn(name=name, project_name=project_name))


def insert(store: Store, connection: sqlite3.Connection, dataset: DatasetIn) -> str:
    """A new dataset; 409 where its name or its id is taken."""
    now = store.clock()
    identifier = ids.mint(now) if dataset.id is None else ids.version7(dataset.id, "Dataset")
    if find(connection, dataset.name) is not None or _select(connection, "d.id = ?", (identifier,)):
        raise RefusedError(409, "Dataset already exists")
    project = None
    if dataset.project_id is not None:
        project = ids.uuid_text(dataset.project_id, "Project")
    elif dataset.project_name is not None:
        project = projects.get_or_create(store, connection, [dataset.project_name])[dataset.project_name]
    store.execute(
        connection,
        "datasets",
        "new",
        "INSERT INTO datasets (id, name, project_id, type, visibility, description, tags, created_at, "
        "last_updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            identifier,
            dataset.name,
            project,
            dataset.type or "dataset",
            dataset.visibility or "private",
            dataset.description,
            wire.dumps(dataset.tags),
            wire.stamp(now),
            wire.stamp(now),
        ),
    )
    return identifier


def delete(store: Store, connection: sqlite3.Connection, identifier: str) -> None:
    """A dataset with its items and versions; experiments keep their items, as in Opik."""
    store.execute(
        connection, "dataset_items", "deleted", "DELETE FROM dataset_items WHERE dataset_id = ?", [identifier]
    )
    store.execute(
        connection, "dataset_versions", "deleted", "DELETE FROM dataset_versions WHERE dataset_id = ?", [identifier]
    )
    store.execute(connection, "datasets", "deleted", "DELETE FROM datasets WHERE id = ?", [identifier])


_PLAIN = (
    "id", "name", "project_id", "type", "visibility", "description", "created_at", "last_updated_at",
    "dataset_items_count", "experiment_count", "most_recent_experiment_at",
)  # fmt: skip


def _select(
    connection: sqlite3.Connection, where: str, values: Sequence[Value], limit: int = 1, offset: int = 0
) -> list[bytes]:
    """Matching datasets as `DatasetPublic` JSON, newest first."""
    rows = connection.execute(
        "SELECT d.*, "
        "(SELECT count(*) FROM dataset_items i WHERE i.dataset_id = d.id AND i.valid_to IS NULL) "
        "AS dataset_items_count, "
        "(SELECT count(*) FROM experiments x WHERE x.dataset_id = d.id) AS experiment_count, "
        "(SELECT max(created_at) FROM experiments x WHERE x.dataset_id = d.id) AS most_recent_experiment_at, "
        "(SELECT json_object('id', v.id, 'version_hash', v.version_hash, 'version_name', 'v' || v.number, "
        "'tags', json_array('latest')) FROM dataset_versions v WHERE v.dataset_id = d.id "
        "ORDER BY v.number DESC LIMIT 1) AS latest_version "
        f"FROM datasets d WHERE {where} ORDER BY d.id DESC LIMIT ? OFFSET ?",
        (*values, limit, offset),
    )
    return [
        wire.splice(
            {name: row[name] for name in _PLAIN} | {"created_by": projects.AUTHOR, "last_updated_by": projects.AUTHOR},
            {"tags": row["tags"], "latest_version": row["latest_version"]},
        )
        for row in rows
    ]


def router(store: Store) -> APIRouter:
    """The endpoints of datasets themselves."""
    api = APIRouter(prefix=f"{wire.API}/datasets")

    lacking = wire.lacks("filters", "prompt_id", "with_experiments_only", "with_optimizations_only")

    @api.get("", dependencies=[Depends(wire.unsorted), Depends(lacking)], **schema.gives(200, 501))
    def find_datasets(
        name: str | None = None,
        project_id: str | None = None,
        page: wire.Page = 1,
        size: Annotated[int, Query(ge=1, le=1000)] = 10,
    ) -> Response:
        where, values = "1", list[Value]()
        if name:
            where, values = f"{where} AND instr(lower(d.name), lower(?)) > 0", [*values, name]
        if project_id is not None:
            where, values = f"{where} AND d.project_id = ?", [*values, ids.uuid_text(project_id, "Project")]
        with store.read() as connection:
            total = connection.execute(f"SELECT count(*) FROM datasets d WHERE {where}", values).fetchone()[0]
            return wire.page_answer(page, total, _select(connection, where, values, size, (page - 1) * size))

    @api.post("", **schema.takes(DatasetIn, 201, 409))
    def create_dataset(body: wire.Body, request: Request) -> Response:
        dataset = wire.parse(DatasetIn, body)
        with store.write() as connection:
            return wire.created(request, insert(store, connection, dataset))

    @api.post("/retrieve", **schema.takes(DatasetRef, 200, 404))
    def get_dataset_by_identifier(body: wire.Body) -> Response:
        name = wire.parse(DatasetRef, body).dataset_name
        with store.read() as connection:
            found = _select(connection, "lower(d.name) = lower(?)", (name,))
        if not found:
            raise RefusedError(404, "Dataset not found")
        return wire.answer(found[0])

    @api.post("/delete", **schema.takes(DatasetRef, 204, 404))
    def delete_dataset_by_name(body: wire.Body) -> Response:
        name = wire.parse(DatasetRef, body).dataset_name
        with store.write() as connection:
            identifier = find(connection, name)
            if identifier is None:
                raise RefusedError(404, "Dataset not found")
            delete(store, connection, identifier)
        return wire.no_content()

    @api.post("/delete-batch", **schema.takes(IdList, 204))
    def delete_datasets_batch(body: wire.Body) -> Response:
        with store.write() as connection:
            for identifier in wire.parse(IdList, body).ids:
                delete(store, connection, ids.uuid_text(identifier, "Dataset"))
        return wire.no_content()

    @api.get("/{identifier}", **schema.gives(200, 404))
    def get_dataset_by_id(identifier: str) -> Response:
        with store.read() as connection:
            found = _select(connection, "d.id = ?", (ids.uuid_text(identifier, "Dataset"),))
        if not found:
            raise not_found("Dataset", identifier)
        return wire.answer(found[0])

    @api.delete("/{identifier}", **schema.gives(204))
    def delete_dataset(identifier: str) -> Response:
        with store.write() as connection:
            delete(store, connection, ids.uuid_text(identifier, "Dataset"))
        return wire.no_content()

    return api
