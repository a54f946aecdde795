"""One page of a list of rows, in the order asked for, with how many there are in all."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from fastapi import Query
from pydantic import BaseModel, TypeAdapter, ValidationError

from adapter.embedded_opik import ids
from adapter.embedded_opik.errors import RefusedError
from adapter.embedded_opik.filters import Field, Where, read_filters, translate

NEWEST: Final = "e.id DESC"
"""The order of lists where none is asked for."""

type Size = Annotated[int, Query(ge=1, le=1000)]


def condition(
    text: str | None, fields: Mapping[str, Field], name: str | None = None, project_id: str | None = None
) -> Where:
    """What the parameters of a list ask for: its `filters`, a part of the name, a project."""
    where = translate(read_filters(text), fields)
    if name:
        where = narrowed(where, "instr(lower(e.name), lower(?)) > 0", name)
    if project_id is not None:
        where = narrowed(where, "e.project_id = ?", ids.uuid_text(project_id, "Project"))
    return where


def narrowed(where: Where, sql: str, *values: str | float) -> Where:
    """The condition with one more, which holds too."""
    return Where(f"{where.sql} AND {sql}", (*where.values, *values))


class Sorting(BaseModel):
    """One of the orders a list is asked for in."""

    field: str
    direction: Literal["ASC", "DESC"] = "ASC"


_SORTINGS = TypeAdapter(list[Sorting])


def read_sorting(text: str | None, columns: Mapping[str, str]) -> str:
    """The `sorting` query parameter as SQL, the newest id last of all; 400 for a column the list has not."""
    try:
        orders = _SORTINGS.validate_json(text) if text else []
    except ValidationError as error:
        raise RefusedError(400, f"Invalid sorting query parameter '{(text or '')[:200]}'") from error
    for order in orders:
        if order.field not in columns:
            raise RefusedError(400, f"Invalid sorting field '{order.field[:64]}'")
    return ", ".join([*(f"{columns[order.field]} {order.direction}" for order in orders), NEWEST])


def page(
    connection: sqlite3.Connection,
    table: str,
    where: Where,
    number: int,
    size: int,
    columns: str = "e.*",
    order: str = NEWEST,
) -> tuple[int, list[sqlite3.Row]]:
    """How many rows of the table (as `e`) match, and those of one page (from 1)."""
    total = connection.execute(f"SELECT count(*) FROM {table} e WHERE {where.sql}", where.values).fetchone()[0]
    rows = connection.execute(
        f"SELECT {columns} FROM {table} e WHERE {where.sql} ORDER BY {order} LIMIT ? OFFSET ?",
        (*where.values, size, (number - 1) * size),
    ).fetchall()
    return total, rows
