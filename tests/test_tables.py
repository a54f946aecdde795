"""Every column of every table says what it is, and a table comes back from Parquet as it was written."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pandera.errors
import pandera.pandas as pa
import pytest
from tabled import action, actions, call, calls, step, steps, trial, trials

from pipelines.tables import write_tables
from views.fingerprint import fingerprints
from views.tables import ACTIONS, CALLS, FINGERPRINTS, PARTS, STEPS, TRIALS, VARIANTS, frame
from views.variants import variants_table

SCHEMAS = {
    "trials": TRIALS,
    "steps": STEPS,
    "calls": CALLS,
    "actions": ACTIONS,
    "fingerprints": FINGERPRINTS,
    "variants": VARIANTS,
}
DTYPES = {"string", "string[pyarrow]", "boolean", "Int64", "Float64", "datetime64[us, UTC]"}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_every_column_has_a_meaning_a_unit_and_a_dtype_that_can_be_missing(schema: pa.DataFrameSchema) -> None:
    assert schema.strict
    assert schema.ordered
    assert schema.description
    for name, column in schema.columns.items():
        assert str(column.dtype) in DTYPES, name
        assert column.description, name
        unit = (column.metadata or {})["unit"]
        assert unit is None or f"[{unit}]" in column.description, name
        is_money = "usd" in name.split("_") and not name.endswith(("_n", "_missing"))
        assert (unit == "US dollars") is is_money, name


def test_the_parts_of_a_cost_are_the_same_columns_for_steps_and_calls_and_only_one_may_be_negative() -> None:
    assert set(PARTS) <= set(STEPS.columns)
    assert set(PARTS) <= set(CALLS.columns)
    for name in PARTS:
        row = step(1) | {name: -0.5}
        if name == "unexplained_usd":
            assert steps(row)[name].to_list() == [-0.5]
        else:
            with pytest.raises(pandera.errors.SchemaError):
                steps(row)


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_table_without_rows_has_all_columns(schema: pa.DataFrameSchema) -> None:
    assert list(frame([], schema).columns) == list(schema.columns)


def test_a_verb_that_there_is_not_is_refused() -> None:
    with pytest.raises(pandera.errors.SchemaError):
        actions(action("dance"))


def test_a_row_that_is_there_twice_is_refused() -> None:
    for twice in (lambda: steps(step(1), step(1)), lambda: calls(call(1), call(1))):
        with pytest.raises(pandera.errors.SchemaError):
            twice()


def test_tables_come_back_from_parquet_as_they_were(tmp_path: Path) -> None:
    some = trials(trial("a", "failed", cost_usd=None), trial("b", "failed"), trial("c", agent_steps=2, tool_calls=1))
    others = steps(step(1)), calls(call(1, unexplained_usd=-1.0)), actions(action(failed=None), action(failed=True))
    tables = dict(zip(SCHEMAS, (some, *others, fingerprints(some, *others)), strict=False))
    tables["variants"] = variants_table(trials(trial("a", "failed"), trial("a", version="2.0")), *others)
    write_tables(tmp_path, tables)
    for name, table in tables.items():
        back = pd.read_parquet(tmp_path / f"{name}.parquet")
        pd.testing.assert_frame_equal(SCHEMAS[name].validate(back), table)
