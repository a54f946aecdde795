"""Experiments: created once, patched, listed with the aggregates of their traces."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from opik.rest_api.experiments.types.experiment_write_evaluation_method import ExperimentWriteEvaluationMethod
from opik.rest_api.experiments.types.experiment_write_status import ExperimentWriteStatus
from opik.rest_api.experiments.types.experiment_write_type import ExperimentWriteType
from opik.rest_api.types.experiment_score import ExperimentScore
from opik.rest_api.types.json_list_string_write import JsonListStringWrite
from opik.rest_api.types.prompt_version_link_write import PromptVersionLinkWrite
from pydantic import BaseModel, Field

from adapter.embedded_opik import datasets, filters, ids, patching, projects, schema, wire
from adapter.embedded_opik.aggregates import aggregate
from adapter.embedded_opik.datasets import IdList
from adapter.embedded_opik.db import Store, Value
from adapter.embedded_opik.errors import RefusedError, not_found
from adapter.embedded_opik.fields import EXPERIMENT_FIELDS

MAX_TAGS = 50
type _Tag = Annotated[str, Field(max_length=100)]
type _Tags = Annotated[list[_Tag], Field(max_length=MAX_TAGS)]


class ExperimentIn(BaseModel):
    """The body that creates an experiment (`experiments.create_experiment`)."""

    id: str | None = None
    dataset_name: datasets.Name
    project_id: str | None = None
    project_name: str | None = None
    name: str | None = None
    metadata: JsonListStringWrite | None = None
    tags: _Tags | None = None
    type: ExperimentWriteType | None = None
    evaluation_method: ExperimentWriteEvaluationMethod | None = None
    status: ExperimentWriteStatus | None = None
    experiment_scores: list[ExperimentScore] | None = None
    prompt_version: PromptVersionLinkWrite | None = None
    prompt_versions: list[PromptVersionLinkWrite] | None = None
    dataset_version_id: str | None = None


class ExperimentPatch(BaseModel):
    """The body that changes an experiment; what is absent stays."""

    name: str | None = None
    metadata: JsonListStringWrite | None = None
    tags: _Tags | None = None
    tags_to_add: _Tags | None = None
    tags_to_remove: list[str] | None = None
    type: ExperimentWriteType | None = None
    status: ExperimentWriteStatus | None = None
    experiment_scores: list[ExperimentScore] | None = None


class ExperimentStream(BaseModel):
    """The body of `POST /experiments/stream`."""

    name: Annotated[str, Field(min_length=1)]
    limit: Annotated[int, Field(ge=1, le=wire.MAX_STREAM)] = wire.DEFAULT_STREAM
    last_retrieved_id: str | None = None
    project_name: str | None = None


_PLAIN = (
    "id", "name", "dataset_id", "dataset_name", "project_id", "project_name", "type", "evaluation_method",
    "status", "dataset_version_id", "created_at", "last_updated_at",
)  # fmt: skip
_JSON = ("metadata", "tags", "experiment_scores", "prompt_versions", "prompt_version", "dataset_version_summary")


def select(
    connection: sqlite3.Connection, where: filters.Where, limit: int = 1, offset: int = 0
) -> list[tuple[dict[str, object], dict[str, str | None]]]:
    """Matching experiments, newest first, as the values and the JSON columns of `ExperimentPublic`."""
    rows = connection.execute(
        "SELECT e.*, (SELECT name FROM datasets WHERE id = e.dataset_id) AS dataset_name, "
        "(SELECT name FROM projects WHERE id = e.project_id) AS project_name, "
        "json_extract(e.prompt_versions, '$[0]') AS prompt_version, "
        "(SELECT json_object('id', v.id, 'version_hash', v.version_hash, 'version_name', 'v' || v.number) "
        "FROM dataset_versions v WHERE v.id = e.dataset_version_id) AS dataset_version_summary "
        f"FROM experiments e WHERE {where.sql} ORDER BY e.id DESC LIMIT ? OFFSET ?",
        (*where.values, limit, offset),
    ).fetchall()
    sums = aggregate(connection, [row["id"] for row in rows])
    by = {"created_by": projects.AUTHOR, "last_updated_by": projects.AUTHOR}
    return [
        ({name: row[name] for name in _PLAIN} | by | sums[row["id"]], {name: row[name] for name in _JSON})
        for row in rows
    ]


def create(store: Store, experiment: ExperimentIn) -> str:
    """Create an experiment; one that exists is left as it is, and its id is the answer, as in Opik."""
    now = store.clock()
    identifier = ids.mint(now) if experiment.id is None else ids.version7(experiment.id, "Experiment")
    versions = experiment.prompt_versions or ([experiment.prompt_version] if experiment.prompt_version else [])
    with store.write() as connection:
        if connection.execute("SELECT 1 FROM experiments WHERE id = ?", (identifier,)).fetchone() is not None:
            return identifier
        dataset = datasets.get_or_create(store, connection, experiment.dataset_name, experiment.project_name)
        project = None
        if experiment.project_id is not None:
            project = ids.uuid_text(experiment.project_id, "Project")
        elif experiment.project_name is not None:
            project = projects.get_or_create(store, connection, [experiment.project_name])[experiment.project_name]
        row: dict[str, Value] = {
            "id": identifier,
            "name": experiment.name or f"experiment-{identifier[-12:]}",
            "dataset_id": dataset,
            "project_id": project,
            "metadata": wire.dumps(experiment.metadata),
            "tags": wire.dumps(experiment.tags),
            "type": experiment.type or "regular",
            "evaluation_method": experiment.evaluation_method or "dataset",
            "status": experiment.status,
            "experiment_scores": wire.dumps(experiment.experiment_scores),
            "prompt_versions": wire.dumps(_links(connection, [version.id for version in versions]) or None),
            "dataset_version_id": experiment.dataset_version_id,
            "created_at": wire.stamp(now),
            "last_updated_at": wire.stamp(now),
        }
        store.insert(connection, "experiments", row)
    return identifier


def _links(connection: sqlite3.Connection, versions: Sequence[str]) -> list[dict[str, str]]:
    """Prompts' versions as an experiment names them; 409 for one that is not there, as in Opik."""
    links: list[dict[str, str]] = []
    for identifier in dict.fromkeys(ids.uuid_text(version, "Prompt version") for version in versions):
        row = connection.execute(
            "SELECT v.id, v.commit_hash, p.id AS prompt_id, p.name FROM prompt_versions v "
            "JOIN prompts p ON p.id = v.prompt_id WHERE v.id = ?",
            (identifier,),
        ).fetchone()
        if row is None:
            raise RefusedError(409, "Prompt version not found")
        # Opik's answer has the id as `id`, the SDK's type as `prompt_version_id`.
        links.append(
            {
                "id": row["id"],
                "prompt_version_id": row["id"],
                "commit": row["commit_hash"],
                "prompt_id": row["prompt_id"],
                "prompt_name": row["name"],
            }
        )
    return links


def patch(store: Store, identifier: str, update: ExperimentPatch) -> None:
    """Change an experiment; `experiment_scores` and `tags` replace what is there."""
    identifier = ids.uuid_text(identifier, "Experiment")
    changes: dict[str, Value] = {"last_updated_at": wire.stamp(store.clock())}
    for name in ("name", "type", "status"):
        if getattr(update, name) is not None:
            changes[name] = getattr(update, name)
    for name in ("metadata", "experiment_scores"):
        if getattr(update, name) is not None:
            changes[name] = wire.dumps(getattr(update, name))
    with store.write() as connection:
        row = connection.execute("SELECT tags FROM experiments WHERE id = ?", (identifier,)).fetchone()
        if row is None:
            raise not_found("Experiment", identifier)
        tags = patching.merged_tags(wire.loads(row["tags"]), update.tags, update.tags_to_add, update.tags_to_remove)
        if tags is not None:
            if len(tags) > MAX_TAGS:
                raise RefusedError(422, f"tags: an experiment has at most {MAX_TAGS}")
            changes["tags"] = wire.dumps(tags)
        store.update(connection, "experiments", changes, identifier)


def _delete(store: Store, identifiers: Sequence[str]) -> None:
    with store.write() as connection:
        for identifier in (ids.uuid_text(i, "Experiment") for i in identifiers):
            store.execute(
                connection,
                "experiment_items",
                "deleted",
                "DELETE FROM experiment_items WHERE experiment_id = ?",
                [identifier],
            )
            store.execute(connection, "experiments", "deleted", "DELETE FROM experiments WHERE id = ?", [identifier])


def router(store: Store) -> APIRouter:
    """The endpoints of experiments themselves; those of their items come first, in `experiment_items`."""
    api = APIRouter(prefix=f"{wire.API}/experiments")

    @api.post("", **schema.takes(ExperimentIn, 201, 409))
    def create_experiment(body: wire.Body, request: Request) -> Response:
        return wire.created(request, create(store, wire.parse(ExperimentIn, body)))

    lacking = wire.lacks("optimization_id", "dataset_deleted", "project_deleted")

    @api.get("", dependencies=[Depends(wire.unsorted), Depends(lacking)], **schema.gives(200, 501))
    def find_experiments(
        name: str | None = None,
        dataset_id: Annotated[str | None, Query(alias="datasetId")] = None,
        project_id: str | None = None,
        prompt_id: str | None = None,
        types: str | None = None,
        filters_: Annotated[str | None, Query(alias="filters")] = None,
        experiment_ids: str | None = None,
        page: wire.Page = 1,
        size: Annotated[int, Query(ge=1, le=1000)] = 10,
    ) -> Response:
        condition = filters.translate(filters.read_filters(filters_), EXPERIMENT_FIELDS)
        sql, values = condition.sql, list[str | float | int](condition.values)
        if name:
            sql, values = f"{sql} AND instr(lower(e.name), lower(?)) > 0", [*values, name]
        if dataset_id is not None:
            sql, values = f"{sql} AND e.dataset_id = ?", [*values, ids.uuid_text(dataset_id, "Dataset")]
        if project_id is not None:
            sql, values = f"{sql} AND e.project_id = ?", [*values, ids.uuid_text(project_id, "Project")]
        if prompt_id is not None:
            linked = f"EXISTS (SELECT 1 FROM json_each({EXPERIMENT_FIELDS['prompt_ids'].sql}) WHERE value = ?)"
            sql, values = f"{sql} AND {linked}", [*values, ids.uuid_text(prompt_id, "Prompt")]
        for column, text in (("type", types), ("id", experiment_ids)):
            if text:
                sql += f" AND e.{column} IN (SELECT value FROM json_each(?))"
                values.append(wire.dumps(wire.string_list(text, column)) or "[]")
        where = filters.Where(sql, tuple(values))
        with store.read() as connection:
            total = connection.execute(f"SELECT count(*) FROM experiments e WHERE {sql}", values).fetchone()[0]
            found = select(connection, where, size, (page - 1) * size)
        return wire.page_answer(page, total, [wire.splice(*one) for one in found])

    @api.post("/stream", **schema.takes(ExperimentStream, 200))
    def stream_experiments(body: wire.Body) -> Response:
        wanted = wire.parse(ExperimentStream, body)
        sql, values = "instr(lower(e.name), lower(?)) > 0", [wanted.name]
        if wanted.last_retrieved_id is not None:
            sql, values = f"{sql} AND e.id < ?", [*values, ids.uuid_text(wanted.last_retrieved_id, "Experiment")]
        with store.read() as connection:
            if wanted.project_name is not None:
                project = projects.find(connection, projects.clean_name(wanted.project_name))
                sql, values = f"{sql} AND e.project_id = ?", [*values, project or ""]
            found = select(connection, filters.Where(sql, tuple(values)), wanted.limit)
        lines = b"".join(wire.splice(*one) + b"\n" for one in found)
        return Response(lines, media_type="application/octet-stream")

    @api.post("/finish", **schema.takes(IdList, 204))
    def finish_experiments(body: wire.Body) -> Response:
        # In Opik this only sends alerts; here there is nothing to send.
        for identifier in wire.parse(IdList, body).ids:
            ids.uuid_text(identifier, "Experiment")
        return wire.no_content()

    @api.post("/delete", **schema.takes(IdList, 204))
    def delete_experiments_by_id(body: wire.Body) -> Response:
        _delete(store, wire.parse(IdList, body).ids)
        return wire.no_content()

    @api.get("/{identifier}", **schema.gives(200, 404))
    def get_experiment_by_id(identifier: str) -> Response:
        key = ids.uuid_text(identifier, "Experiment")
        with store.read() as connection:
            found = select(connection, filters.Where("e.id = ?", (key,)))
        if not found:
            raise not_found("Experiment", identifier)
        return wire.answer(wire.splice(*found[0]))

    @api.patch("/{identifier}", **schema.takes(ExperimentPatch, 204, 404))
    def update_experiment(identifier: str, body: wire.Body) -> Response:
        patch(store, identifier, wire.parse(ExperimentPatch, body))
        return wire.no_content()

    return api
