"""The page that says what every column of the tables means, from the tables' schemas."""

from __future__ import annotations

import re

import pandera.pandas as pa

from views.tables import ACTIONS, CALLS, FINGERPRINTS, STEPS, TRIALS, VARIANTS

TABLES = {
    "trials": TRIALS,
    "steps": STEPS,
    "calls": CALLS,
    "actions": ACTIONS,
    "fingerprints": FINGERPRINTS,
    "variants": VARIANTS,
}
SPREAD = ("sd", "q25", "median", "q75", "n", "missing")
"""What stands beside a mean over attempts, in columns of its own."""

HEAD = """# The tables

Generated from the schemas in `views/tables` by `make docs`. pandas frames in memory, Parquet where they are written.

A missing value is one that is not known (`<NA>`, null in Parquet); it is never written as 0 or NaN. `trial` is
`job/trial` everywhere, and joins the tables.
"""
SPREAD_NOTE = """
A row with `…` stands for seven columns: the mean over the attempts for which the quantity is known, under the name that
is given; `_sd`, their standard deviation (n - 1; missing for a single one); `_q25`, `_median` and `_q75`, their
quartiles; `_n`, how many they are; `_missing`, for how many attempts it is not known.
"""


def page() -> str:
    """The page."""
    return HEAD + "".join(_section(name, schema) for name, schema in TABLES.items())


def _section(name: str, schema: pa.DataFrameSchema) -> str:
    keys = ", ".join(f"`{key}`" for key in schema.unique or ())
    spreads = {one for one in schema.columns if f"{one}_q25" in schema.columns}
    beside = {f"{one}_{suffix}" for one in spreads for suffix in SPREAD}
    rows = [
        _row(f"`{column}` …" if column in spreads else f"`{column}`", schema.columns[column])
        for column in schema.columns
        if column not in beside
    ]
    return "\n".join(
        [
            f"\n## {name}\n",
            f"{schema.description} Key: {keys}.",
            *([SPREAD_NOTE.rstrip()] if spreads else []),
            "\n| column | dtype | unit | may be missing | meaning |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _row(name: str, column: pa.Column) -> str:
    unit = (column.metadata or {}).get("unit")
    meaning = (column.description or "").removesuffix(f" [{unit}]").replace("|", "\\|")
    # pandas' name of the dtype, without how it is stored.
    dtype = re.sub(r"\[pyarrow\]", "", str(column.dtype))
    return f"| {name} | {dtype} | {unit or ''} | {'yes' if column.nullable else 'no'} | {meaning} |"
