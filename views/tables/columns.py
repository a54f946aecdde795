"""Columns with what is to be known about each of them, and tables that are filled row by row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd
import pandera.pandas as pa

USD = "US dollars"
SECONDS = "seconds"
TOKENS = "tokens"
SHARE = "share, 0 to 1"


def column(
    dtype: str, meaning: str, *, unit: str | None = None, required: bool = False, checks: list[pa.Check] | None = None
) -> pa.Column:
    """A column: its dtype, what it means, in which unit, and whether a value may be missing.

    The description says all that is to be known in words; the unit alone stands in the metadata, too.
    """
    return pa.Column(
        dtype,
        description=meaning if unit is None else f"{meaning} [{unit}]",
        metadata={"unit": unit},
        nullable=not required,
        checks=checks,
    )


def text(meaning: str, *, required: bool = False, among: Iterable[str] | None = None) -> pa.Column:
    """A text; one of some, where these are given."""
    return column("string", meaning, required=required, checks=None if among is None else [pa.Check.isin(list(among))])


def flag(meaning: str, *, required: bool = False) -> pa.Column:
    """True or false."""
    return column("boolean", meaning, required=required)


def count(meaning: str, *, unit: str | None = None, required: bool = False, least: int = 0) -> pa.Column:
    """A whole number, never below `least`."""
    return column("Int64", meaning, unit=unit, required=required, checks=[pa.Check.ge(least)])


def tokens(meaning: str) -> pa.Column:
    """A number of tokens."""
    return count(meaning, unit=TOKENS)


def amount(meaning: str, unit: str | None) -> pa.Column:
    """A number that is never below 0."""
    return column("Float64", meaning, unit=unit, checks=[pa.Check.ge(0)])


def signed(meaning: str, unit: str | None) -> pa.Column:
    """A number that may be below 0."""
    return column("Float64", meaning, unit=unit)


def share(meaning: str) -> pa.Column:
    """A share of a whole."""
    return column("Float64", meaning, unit=SHARE, checks=[pa.Check.in_range(0, 1)])


def time(meaning: str) -> pa.Column:
    """A point in time."""
    return column("datetime64[us, UTC]", meaning)


def schema(columns: Mapping[str, pa.Column], key: tuple[str, ...], meaning: str) -> pa.DataFrameSchema:
    """A table of exactly these columns in this order.

    Args:
        columns: by name.
        key: the columns that together tell one row from every other.
        meaning: what a row is.
    """
    return pa.DataFrameSchema(dict(columns), strict=True, ordered=True, unique=list(key), description=meaning)


class Columns:
    """A table that rows are added to one by one, and that keeps none of them: only the columns' values.

    Args:
        schema: of the table.
    """

    def __init__(self, schema: pa.DataFrameSchema) -> None:
        self._schema = schema
        self._values: dict[str, list[object]] = {name: [] for name in schema.columns}

    def add(self, row: Mapping[str, object]) -> None:
        """Adds a row; a column that it does not name is missing there."""
        for name, values in self._values.items():
            values.append(row.get(name))

    def __len__(self) -> int:
        return len(next(iter(self._values.values()), ()))

    def frame(self) -> pd.DataFrame:
        """The rows as a checked table with the schema's columns, order and dtypes.

        Raises:
            pandera.errors.SchemaError: a value breaks the schema, which is a defect of the caller.
        """
        columns = {
            name: pd.Series(values, dtype=str(self._schema.columns[name].dtype))
            for name, values in self._values.items()
        }
        return self._schema.validate(pd.DataFrame(columns))


def frame(rows: Iterable[Mapping[str, object]], schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Rows as a checked table; see `Columns`."""
    columns = Columns(schema)
    for row in rows:
        columns.add(row)
    return columns.frame()
