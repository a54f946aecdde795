"""Reading traces and spans back: one row as JSON, a page of them, a stream of them in descending id."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field
from pydantic_core import to_json

from adapter.embedded_opik import filters, ids, projects, wire
from adapter.embedded_opik.db import Store
from adapter.embedded_opik.errors import not_found
from adapter.embedded_opik.filters import Field as FilterField
from adapter.embedded_opik.filters import Filter

TRUNCATED = 10_001
"""Characters of a field that are kept where a client asks for truncated content (Opik's default)."""

_PORTION_ROWS = 200
_PORTION_CHARACTERS = 4_000_000
_LONG = ("input", "output", "metadata", "trace_metadata")

type SpanType = Literal["general", "tool", "llm", "guardrail"]
type Row = sqlite3.Row | Mapping[str, str]
type Extras = Callable[[sqlite3.Connection, Sequence[sqlite3.Row]], list[dict[str, object]]]
"""What a row's own columns do not hold (scores, sums over spans), for several rows at once."""


@dataclass(frozen=True, slots=True)
class Table:
    """How one kind of row is read: its table, what Opik calls it, its columns, and what is added to them."""

    name: str
    kind: str
    plain: tuple[str, ...]
    json: tuple[str, ...]
    fields: Mapping[str, FilterField]
    extras: Extras


class Search(BaseModel):
    """The body of `POST .../search` (the SDK's `search_traces` and `search_spans`).

    `trace_id` and `type` are of spans only; with traces they are ignored, as every unknown field is.
    """

    project_name: str | None = None
    project_id: str | None = None
    trace_id: str | None = None
    type: SpanType | None = None
    filters: list[Filter] | None = None
    last_retrieved_id: str | None = None
    limit: Annotated[int, Field(ge=1, le=wire.MAX_STREAM)] = wire.DEFAULT_STREAM
    truncate: bool = True
    exclude: list[str] | None = None
    from_time: datetime | None = None
    to_time: datetime | None = None


def encode(table: Table, row: sqlite3.Row, extra: Mapping[str, object], view: Search) -> bytes:
    """One row in the shape of the SDK's public type."""
    left_out = set(view.exclude or ())
    plain: dict[str, object] = {name: row[name] for name in table.plain if name not in left_out}
    plain |= {name: value for name, value in extra.items() if name not in left_out}
    plain |= {"created_by": projects.AUTHOR, "last_updated_by": projects.AUTHOR}
    raw: dict[str, str | None] = {name: row[name] for name in table.json if name not in left_out}
    return wire.splice(plain, shortened(raw) if view.truncate else raw)


def shortened(raw: Mapping[str, str | None]) -> dict[str, str | None]:
    """JSON columns with the long ones cut, as Opik does: what is cut becomes a text, no longer an object."""
    return {
        name: to_json(text[:TRUNCATED]).decode()
        if text is not None and len(text) > TRUNCATED and name in _LONG
        else text
        for name, text in raw.items()
    }


def where(store: Store, table: Table, search: Search) -> filters.Where | None:
    """The condition of a search; None where its project does not exist, so that nothing can match."""
    condition = filters.translate(search.filters or (), table.fields)
    with store.read() as connection:
        project = projects.resolve(connection, search.project_id, search.project_name)
    if project is None:
        return None
    sql, values = f"e.project_id = ? AND {condition.sql}", [project, *condition.values]
    if search.trace_id is not None and "trace_id" in table.plain:
        sql, values = f"{sql} AND e.trace_id = ?", [*values, ids.uuid_text(search.trace_id, "Trace")]
    if search.type is not None and "type" in table.plain:
        sql, values = f"{sql} AND e.type = ?", [*values, search.type]
    for operator, moment in ((">=", search.from_time), ("<=", search.to_time)):
        text = wire.iso(moment)
        if text is not None:
            sql, values = f"{sql} AND e.start_time {operator} ?", [*values, text]
    return filters.Where(sql, tuple(values))


def stream(store: Store, table: Table, search: Search) -> Response:
    """The matching rows after the cursor as NDJSON, read and sent portion by portion."""
    condition = where(store, table, search)
    if condition is None:
        return Response(b"", media_type="application/octet-stream")
    if search.last_retrieved_id is not None:
        cursor = ids.uuid_text(search.last_retrieved_id, table.kind)
        condition = filters.Where(f"{condition.sql} AND e.id < ?", (*condition.values, cursor))
    return StreamingResponse(_portions(store, table, condition, search), media_type="application/octet-stream")


def _portions(store: Store, table: Table, condition: filters.Where, search: Search) -> Iterator[bytes]:
    with store.read() as connection:
        rows = connection.execute(
            f"SELECT {_columns(table)} FROM {table.name} e WHERE {condition.sql} ORDER BY e.id DESC LIMIT ?",
            (*condition.values, search.limit),
        )
        while portion := _take(table, rows):
            extras = table.extras(connection, portion)
            yield b"".join(
                encode(table, row, extra, search) + b"\n" for row, extra in zip(portion, extras, strict=True)
            )


def _take(table: Table, rows: sqlite3.Cursor) -> list[sqlite3.Row]:
    """The next rows, few enough that memory stays flat however large they are."""
    portion: list[sqlite3.Row] = []
    size = 0
    for row in rows:
        portion.append(row)
        size += sum(len(row[name] or "") for name in table.json)
        if len(portion) >= _PORTION_ROWS or size >= _PORTION_CHARACTERS:
            break
    return portion


def page(store: Store, table: Table, search: Search, number: int) -> Response:
    """One page (from 1) of the matching rows, newest id first, with their number in all."""
    condition = where(store, table, search)
    if condition is None:
        return wire.page_answer(number, 0, [])
    with store.read() as connection:
        total = connection.execute(
            f"SELECT count(*) FROM {table.name} e WHERE {condition.sql}", condition.values
        ).fetchone()[0]
        rows = connection.execute(
            f"SELECT {_columns(table)} FROM {table.name} e WHERE {condition.sql} ORDER BY e.id DESC LIMIT ? OFFSET ?",
            (*condition.values, search.limit, (number - 1) * search.limit),
        ).fetchall()
        extras = table.extras(connection, rows)
    content = [encode(table, row, extra, search) for row, extra in zip(rows, extras, strict=True)]
    return wire.page_answer(number, total, content)


def one(store: Store, table: Table, identifier: str) -> Response:
    """One row by id, the one written last where several projects hold the id; 404 where there is none."""
    identifier = ids.uuid_text(identifier, table.kind)
    with store.read() as connection:
        row = connection.execute(
            f"SELECT {_columns(table)} FROM {table.name} e WHERE e.id = ? ORDER BY e.last_updated_at DESC LIMIT 1",
            (identifier,),
        ).fetchone()
        if row is None:
            raise not_found(table.kind, identifier)
        extra = table.extras(connection, [row])[0]
    return wire.answer(encode(table, row, extra, Search(truncate=False)))


def _columns(table: Table) -> str:
    return ", ".join(f"e.{name}" for name in (*table.plain, *table.json))
