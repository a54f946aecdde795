"""Feedback scores of traces, spans and threads: one row per entity, project, author and name; the last one wins.

The project of a score is the one it names, not the one its trace or span is in: as in Opik, a score that
names another project makes that project and belongs to nothing there, without an error.
"""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi.responses import Response
from opik.rest_api.types.feedback_score import FeedbackScore
from opik.rest_api.types.feedback_score_batch_item import FeedbackScoreBatchItem
from pydantic import BaseModel, Field

from adapter.embedded_opik import ids, projects, schema, wire
from adapter.embedded_opik.db import Store
from adapter.embedded_opik.errors import RefusedError, not_found

type Entity = Literal["trace", "span", "thread"]

_LIMIT = 999_999_999.999999999
_COLUMNS = (
    "entity_type", "entity_id", "project_id", "author", "name", "value", "category_name", "reason", "source",
    "created_at", "last_updated_at",
)  # fmt: skip
_KEY = ("entity_type", "entity_id", "project_id", "author", "name")


class ScoreBatch(BaseModel):
    """The body of `PUT .../feedback-scores`."""

    scores: Annotated[list[FeedbackScoreBatchItem], Field(min_length=1, max_length=wire.MAX_BATCH)]


class ScoreDelete(BaseModel):
    """The body that deletes one score of one entity."""

    name: Annotated[str, Field(min_length=1)]
    author: str | None = None


def load(
    connection: sqlite3.Connection, entity: Entity, keys: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], list[dict[str, object]]]:
    """The scores of (project id, entity id) pairs, as `FeedbackScorePublic` has them, in the order of names."""
    wanted = set(keys)
    found: dict[tuple[str, str], list[dict[str, object]]] = {}
    rows = connection.execute(
        "SELECT * FROM feedback_scores WHERE entity_type = ? AND entity_id IN (SELECT value FROM json_each(?)) "
        "ORDER BY name",
        (entity, json.dumps(sorted({key[1] for key in wanted}))),
    )
    for row in rows:
        key = row["project_id"], row["entity_id"]
        if key in wanted:
            found.setdefault(key, []).append(_public(row))
    return found


def _public(row: sqlite3.Row) -> dict[str, object]:
    said = {
        name: row[name]
        for name in ("value", "reason", "category_name", "source", "last_updated_at")
        if row[name] is not None
    }
    return {
        "name": row["name"],
        "created_at": row["created_at"],
        "created_by": row["author"],
        "last_updated_by": row["author"],
        "value_by_author": {row["author"]: said},
        **said,
    }


def write(store: Store, entity: Entity, scores: Sequence[FeedbackScoreBatchItem]) -> None:
    """Store scores; the author is the server's user, whatever a score says."""
    for score in scores:
        if not score.name:
            raise RefusedError(422, "scores name must not be empty")
        if not -_LIMIT <= score.value <= _LIMIT:
            raise RefusedError(422, f"scores value of '{score.name[:64]}' must be between -{_LIMIT} and {_LIMIT}")
    identifiers = [ids.version7(score.id, entity) for score in scores]
    now = wire.stamp(store.clock())
    with store.write() as connection:
        by_name = projects.get_or_create(store, connection, [s.project_name for s in scores if s.project_id is None])
        rows = [
            (
                entity,
                identifier,
                ids.uuid_text(score.project_id, "Project") if score.project_id else by_name[score.project_name],
                projects.AUTHOR,
                score.name,
                score.value,
                score.category_name,
                score.reason,
                score.source,
                now,
                now,
            )
            for score, identifier in zip(scores, identifiers, strict=True)
        ]
        store.upsert(connection, "feedback_scores", _COLUMNS, _KEY, rows)


def add_routes(api: APIRouter, store: Store, entity: Entity) -> None:
    """The score endpoints of traces or spans, on their router."""

    @api.put("/feedback-scores", **schema.takes(ScoreBatch, 204))
    def score_batch(body: wire.Body) -> Response:
        write(store, entity, wire.parse(ScoreBatch, body).scores)
        return wire.no_content()

    @api.put("/{identifier}/feedback-scores", **schema.takes(FeedbackScore, 204, 404))
    def score_one(identifier: str, body: wire.Body) -> Response:
        score = wire.parse(FeedbackScore, body)
        with store.read() as connection:
            row = connection.execute(
                f"SELECT project_id FROM {entity}s WHERE id = ?", (ids.uuid_text(identifier, entity),)
            ).fetchone()
        if row is None:
            raise not_found(entity.capitalize(), identifier)
        item = FeedbackScoreBatchItem(
            id=identifier,
            project_id=row["project_id"],
            name=score.name,
            value=score.value,
            category_name=score.category_name,
            reason=score.reason,
            source=score.source,
        )
        write(store, entity, [item])
        return wire.no_content()

    @api.post("/{identifier}/feedback-scores/delete", **schema.takes(ScoreDelete, 204))
    def delete_score(identifier: str, body: wire.Body) -> Response:
        wanted = wire.parse(ScoreDelete, body)
        values = [entity, ids.uuid_text(identifier, entity), wanted.name]
        author = ""
        if wanted.author is not None:
            author = " AND author = ?"
            values.append(wanted.author)
        with store.write() as connection:
            store.execute(
                connection,
                "feedback_scores",
                "deleted",
                f"DELETE FROM feedback_scores WHERE entity_type = ? AND entity_id = ? AND name = ?{author}",
                values,
            )
        return wire.no_content()
