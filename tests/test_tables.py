"""Every column of every table says what it is, and a table comes back from Parquet as it was written."""

from __future__ import annotations

import gc
from pathlib import Path

import pandas as pd
import pandera.errors
import pandera.pandas as pa
import pytest
from tabled import action, actions, call, calls, step, steps, trial, trials

from adapter.errors import BadInputError
from views.fingerprint import fingerprints, fingerprints_of
from views.spending import spending, spent_on
from views.tables import ACTIONS, CALLS, FINGERPRINTS, PARTS, STEPS, TRIALS, VARIANTS, Parts, frame, joined, read_table
from views.variants import variants_of, variants_table

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
    for name, table in tables.items():
        table.to_parquet(tmp_path / f"{name}.parquet", index=False)
        back = read_table(tmp_path, name)
        pd.testing.assert_frame_equal(SCHEMAS[name].validate(back), table)


DETAILS = {name: SCHEMAS[name] for name in ("steps", "calls", "actions")}
RUNS = [f"job/{place:04}" for place in range(1, 8)]


def filled(part_rows: int) -> Parts:
    """Seven runs of different lengths, the fifth of which left nothing."""
    parts = Parts(DETAILS, part_rows)
    for place, name in enumerate(RUNS):
        if place == 4:
            continue
        counted = range(1, place + 2)
        parts.add(
            {
                "steps": [step(n, name, model_seconds=1.0, tool_seconds=float(n)) for n in counted],
                "calls": [call(n, name, output=10 * n, prompt=100 * n, message_usd=0.01 * n) for n in counted],
                "actions": [
                    action("edit" if n % 2 else "read", name, file="a", step=n) | {"action": 1} for n in counted
                ],
            }
        )
    return parts


@pytest.mark.parametrize(("part_rows", "files"), [(1000, 1), (5, 3), (1, 6)])
def test_views_say_the_same_of_tables_in_one_part_and_in_many(tmp_path: Path, part_rows: int, files: int) -> None:
    parts, whole = filled(part_rows), filled(1000)
    (together,) = whole
    some = trials(*(trial("ab"[n % 2], ("passed", "failed")[n % 3 == 0], version=f"{n % 2}") for n in range(len(RUNS))))
    prints = fingerprints(some, together["steps"], together["calls"], together["actions"])
    in_parts = fingerprints_of(some, parts).set_index("trial").loc[some["trial"]].reset_index()
    pd.testing.assert_frame_equal(in_parts, prints)
    pd.testing.assert_frame_equal(variants_of(some, in_parts), variants_of(some, prints))
    assert spending(some, spent_on(part["calls"] for part in parts)) == spending(some, spent_on([together["calls"]]))
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / "part-00099.parquet").write_text("of an earlier run")
    parts.write(tmp_path)
    for name in DETAILS:
        pd.testing.assert_frame_equal(parts.whole(name), together[name])
        pd.testing.assert_frame_equal(read_table(tmp_path, name), together[name])
    assert sum(path.suffix == ".parquet" for path in tmp_path.rglob("steps*/*" if files > 1 else "steps*")) == files


def test_written_parts_are_joined_as_a_table_of_dasks(tmp_path: Path) -> None:
    filled(5).write(tmp_path)
    table = joined(tmp_path, "calls")
    assert table.npartitions == 3
    assert table["output"].sum().compute() == sum(10 * n for place in (0, 1, 2, 3, 5, 6) for n in range(1, place + 2))
    back = read_table(tmp_path, "calls")
    pd.testing.assert_frame_equal(table.compute().reset_index(drop=True), back, check_dtype=False)  # Dask's own strings


def test_parts_hold_whole_trials_and_leave_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    parts = filled(5)
    runs = [list(dict.fromkeys(part["steps"]["trial"])) for part in parts]
    assert runs == [RUNS[:3], [RUNS[3], RUNS[5]], [RUNS[6]]]
    assert list(tmp_path.iterdir())
    del parts
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_the_table_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="holds no table steps"):
        read_table(tmp_path, "steps")
