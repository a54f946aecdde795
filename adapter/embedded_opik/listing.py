"""One page of a list of rows, newest id first, with how many there are in all."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import sqlite3
from typing import Annotated

from fastapi import Query

from adapter.embedded_opik.filters import Where

type Size = Annotated[int, Query(ge=1, le=1000)]


def narrowed(where: Where, sql: str, *values: str | float) -> Where:
    """The condition with one more, which holds too."""
    return Where(f"{where.sql} AND {sql}", (*where.values, *values))


def page(
    connection: sqlite3.Connection, table: str, where: Where, number: int, size: int, columns: str = "e.*"
) -> tuple[int, list[sqlite3.Row]]:
    """How many rows of the table (as `e`) match, and those of one page (from 1)."""
    total = connection.execute(f"SELECT count(*) FROM {table} e WHERE {where.sql}", where.values).fetchone()[0]
    rows = connection.execute(
        f"SELECT {columns} FROM {table} e WHERE {where.sql} ORDER BY e.id DESC LIMIT ? OFFSET ?",
        (*where.values, size, (number - 1) * size),
    ).fetchall()
    return total, rows
