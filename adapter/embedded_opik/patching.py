"""PATCH of one trace or span: only what is sent changes, and a row that is not there yet is begun."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime

from opik.rest_api.types.span_update import SpanUpdate
from opik.rest_api.types.trace_update import TraceUpdate

from adapter.embedded_opik import ids, projects, wire
from adapter.embedded_opik.db import Store, Value
from adapter.embedded_opik.errors import RefusedError, not_found

PARTIAL = "1970-01-01T00:00:00.000000Z"
"""The start of a row that only a PATCH has made, as in Opik; the create that follows replaces it."""

_TEXTS = ("name", "type", "model", "provider", "thread_id", "source", "environment", "total_estimated_cost", "ttft")
_JSON = ("input", "output", "metadata", "error_info", "usage")


def patch(
    store: Store,
    connection: sqlite3.Connection,
    table: str,
    update: TraceUpdate | SpanUpdate,
    key: Mapping[str, str],
) -> None:
    """Apply an update to the row of this key.

    Raises:
        RefusedError: 409 where the row is in another project than the update names (the default one if none).
    """
    project = _project(store, connection, update)
    scope = " AND ".join(f"{name} = ?" for name in key)
    row = connection.execute(
        f"SELECT rowid, project_id, start_time, tags FROM {table} WHERE {scope} "
        "ORDER BY project_id = ? DESC, last_updated_at DESC LIMIT 1",
        (*key.values(), project),
    ).fetchone()
    if row is not None and row["project_id"] != project:
        raise RefusedError(409, f"Project name and workspace name do not match the existing {table[:-1]}")
    now = wire.stamp(store.clock())
    changes: dict[str, Value] = {"last_updated_at": now}
    # Only fields of the type itself: the SDK's types keep whatever else was sent as well.
    for name in type(update).model_fields:
        value = getattr(update, name)
        if value is not None and name in _TEXTS:
            changes[name] = value
        elif value is not None and name in _JSON:
            changes[name] = wire.dumps(value)
    if update.end_time is not None:
        changes["end_time"] = wire.iso(update.end_time, "end_time")
        start = PARTIAL if row is None else row["start_time"]
        if start != PARTIAL:
            changes["duration"] = wire.milliseconds(datetime.fromisoformat(start), update.end_time)
    tags = merged_tags(
        wire.loads(None if row is None else row["tags"]), update.tags, update.tags_to_add, update.tags_to_remove
    )
    if tags is not None:
        changes["tags"] = wire.dumps(tags)
    if row is None:
        begun = {**key, "project_id": project, "start_time": PARTIAL, "created_at": now, **changes}
        store.insert(connection, table, begun)
        return
    store.update(connection, table, changes, row["rowid"], "rowid")


def merged_tags(
    old: list[str] | None, tags: list[str] | None, add: list[str] | None, remove: list[str] | None
) -> list[str] | None:
    """The tags after an update: `tags` replaces all, else some are added and removed; None for no change."""
    if tags is not None:
        return list(dict.fromkeys(tags))
    if add is None and remove is None:
        return None
    gone = set(remove or ())
    return [tag for tag in dict.fromkeys([*(old or ()), *(add or ())]) if tag not in gone]


def _project(store: Store, connection: sqlite3.Connection, update: TraceUpdate | SpanUpdate) -> str:
    if update.project_id is None:
        return projects.get_or_create(store, connection, [update.project_name])[update.project_name]
    project = ids.uuid_text(update.project_id, "Project")
    if connection.execute("SELECT 1 FROM projects WHERE id = ?", (project,)).fetchone() is None:
        raise not_found("Project", project)
    return project
