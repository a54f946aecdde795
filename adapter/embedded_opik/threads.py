"""Threads: the traces of a project that share a `thread_id`, read as one conversation.

A thread is no row of its own: it is there as long as one of its traces is. Its `thread_model_id`, by which
scores and annotation queues know it, follows from its project and its name.
"""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter
from fastapi.responses import Response
from opik.rest_api.types.feedback_score_batch_item import FeedbackScoreBatchItem
from opik.rest_api.types.feedback_score_batch_item_thread import FeedbackScoreBatchItemThread
from pydantic import BaseModel, Field

from adapter.embedded_opik import filters, ids, listing, projects, reading, schema, scores, wire
from adapter.embedded_opik.db import Store
from adapter.embedded_opik.errors import RefusedError
from adapter.embedded_opik.fields import THREAD_FIELDS
from adapter.embedded_opik.filters import Filter, Where


class Search(BaseModel):
    """The body of `POST /traces/threads/search`."""

    project_name: str | None = None
    project_id: str | None = None
    filters: list[Filter] | None = None
    last_retrieved_thread_model_id: str | None = None
    limit: Annotated[int, Field(ge=1, le=wire.MAX_STREAM)] = wire.DEFAULT_STREAM
    truncate: bool = True


class ThreadRef(BaseModel):
    """The body that names one thread."""

    thread_id: Annotated[str, Field(min_length=1)]
    project_name: str | None = None
    project_id: str | None = None
    truncate: bool = True


class ScoreBatch(BaseModel):
    """The body of `PUT /traces/threads/feedback-scores`."""

    scores: Annotated[list[FeedbackScoreBatchItemThread], Field(min_length=1, max_length=wire.MAX_BATCH)]


class ScoresDelete(BaseModel):
    """The body that deletes scores of one thread."""

    project_name: str
    thread_id: Annotated[str, Field(min_length=1)]
    names: list[str]
    author: str | None = None


def _message(column: str, order: str) -> str:
    """The input or output of a thread's first or last trace."""
    return (
        f"(SELECT {column} FROM traces m WHERE m.project_id = t.project_id AND m.thread_id = t.thread_id "
        f"ORDER BY m.start_time {order}, m.id {order} LIMIT 1)"
    )


_THREADS: Final = (
    "(SELECT t.project_id, t.thread_id AS id, thread_model_id(t.project_id, t.thread_id) AS thread_model_id, "
    "min(t.start_time) AS start_time, max(t.end_time) AS end_time, "
    "round((julianday(max(t.end_time)) - julianday(min(t.start_time))) * 86400000.0) AS duration, "
    "count(*) * 2 AS number_of_messages, min(t.created_at) AS created_at, "
    f"max(t.last_updated_at) AS last_updated_at, {_message('m.input', 'ASC')} AS first_message, "
    f"{_message('m.output', 'DESC')} AS last_message, {_message('m.environment', 'DESC')} AS environment, "
    "(SELECT sum(s.total_estimated_cost) FROM traces m JOIN spans s ON s.project_id = m.project_id "
    "AND s.trace_id = m.id WHERE m.project_id = t.project_id AND m.thread_id = t.thread_id) AS total_estimated_cost "
    "FROM traces t WHERE t.project_id = ? AND t.thread_id IS NOT NULL AND t.thread_id != '' "
    "GROUP BY t.project_id, t.thread_id) e"
)
_PLAIN = (
    "id", "project_id", "thread_model_id", "start_time", "end_time", "duration", "number_of_messages",
    "total_estimated_cost", "environment", "created_at", "last_updated_at",
)  # fmt: skip


def _select(connection: sqlite3.Connection, project: str, where: Where, limit: int, *, truncate: bool) -> list[bytes]:
    """The matching threads of a project, by descending `thread_model_id`, as `TraceThread`."""
    rows = connection.execute(
        f"SELECT * FROM {_THREADS} WHERE {where.sql} ORDER BY e.thread_model_id DESC LIMIT ?",
        (project, *where.values, limit),
    ).fetchall()
    found = scores.load(connection, "thread", [(project, row["thread_model_id"]) for row in rows])
    usage = _usage(connection, project, [row["id"] for row in rows])
    encoded: list[bytes] = []
    for row in rows:
        plain: dict[str, object] = {name: row[name] for name in _PLAIN} | projects.BY
        plain["status"] = "active"
        plain |= {"feedback_scores": found.get((project, row["thread_model_id"])), "usage": usage.get(row["id"])}
        raw = {name: row[name] for name in ("first_message", "last_message")}
        encoded.append(wire.splice(plain, reading.shortened(raw) if truncate else raw))
    return encoded


def _usage(connection: sqlite3.Connection, project: str, threads: Sequence[str]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in connection.execute(
        "SELECT m.thread_id, u.key, sum(u.value) AS total FROM traces m JOIN spans s ON s.project_id = m.project_id "
        "AND s.trace_id = m.id JOIN json_each(s.usage) u WHERE m.project_id = ? "
        "AND m.thread_id IN (SELECT value FROM json_each(?)) GROUP BY 1, 2",
        (project, json.dumps(threads)),
    ):
        found.setdefault(row["thread_id"], {})[row["key"]] = row["total"]
    return found


def _cursor(connection: sqlite3.Connection, project: str, given: str) -> str:
    """The `thread_model_id` of the last thread the client has: it may send the thread's own id, as the SDK does."""
    named = connection.execute(
        "SELECT 1 FROM traces WHERE project_id = ? AND thread_id = ?", (project, given)
    ).fetchone()
    return ids.uuid_text(given, "Thread model") if named is None else ids.thread_model_id(project, given)


def _search(store: Store, wanted: Search) -> list[bytes]:
    where = filters.translate(wanted.filters or (), THREAD_FIELDS)
    with store.read() as connection:
        project = projects.resolve(connection, wanted.project_id, wanted.project_name)
        if project is None:
            return []
        after = wanted.last_retrieved_thread_model_id
        if after is not None:
            where = listing.narrowed(where, "e.thread_model_id < ?", _cursor(connection, project, after))
        return _select(connection, project, where, wanted.limit, truncate=wanted.truncate)


def _score(store: Store, batch: ScoreBatch) -> None:
    with store.write() as connection:
        by_name = projects.get_or_create(store, connection, [score.project_name for score in batch.scores])
    items = [
        FeedbackScoreBatchItem(
            id=ids.thread_model_id(by_name[score.project_name], score.thread_id),
            project_id=by_name[score.project_name],
            name=score.name,
            value=score.value,
            category_name=score.category_name,
            reason=score.reason,
            source=score.source,
        )
        for score in batch.scores
    ]
    scores.write(store, "thread", items)


def _delete_scores(store: Store, wanted: ScoresDelete) -> None:
    with store.write() as connection:
        project = projects.find(connection, projects.clean_name(wanted.project_name))
        if project is None:
            return
        sql = (
            "DELETE FROM feedback_scores WHERE entity_type = 'thread' AND entity_id = ? AND project_id = ? "
            "AND name IN (SELECT value FROM json_each(?)) AND (? IS NULL OR author = ?)"
        )
        thread = ids.thread_model_id(project, wanted.thread_id)
        values = (thread, project, json.dumps(wanted.names), wanted.author, wanted.author)
        store.execute(connection, "feedback_scores", "deleted", sql, values)


def router(store: Store) -> APIRouter:
    """The endpoints of threads (before those of traces, whose ids stand where `threads` does)."""
    api = APIRouter(prefix=f"{wire.API}/traces/threads")

    @api.post("/search", **schema.takes(Search, 200, 404))
    def search_trace_threads(body: wire.Body) -> Response:
        lines = _search(store, wire.parse(Search, body))
        return Response(b"".join(line + b"\n" for line in lines), media_type="application/octet-stream")

    @api.post("/retrieve", **schema.takes(ThreadRef, 200, 404))
    def get_trace_thread(body: wire.Body) -> Response:
        wanted = wire.parse(ThreadRef, body)
        with store.read() as connection:
            project = projects.resolve(connection, wanted.project_id, wanted.project_name)
            where = Where("e.id = ?", (wanted.thread_id,))
            found = _select(connection, project or "", where, 1, truncate=wanted.truncate)
        if not found:
            raise RefusedError(404, "Trace thread not found")
        return wire.answer(found[0])

    @api.put("/feedback-scores", **schema.takes(ScoreBatch, 204))
    def score_batch_of_threads(body: wire.Body) -> Response:
        _score(store, wire.parse(ScoreBatch, body))
        return wire.no_content()

    @api.post("/feedback-scores/delete", **schema.takes(ScoresDelete, 204))
    def delete_thread_feedback_scores(body: wire.Body) -> Response:
        _delete_scores(store, wire.parse(ScoresDelete, body))
        return wire.no_content()

    return api
