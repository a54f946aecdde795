"""The embedded store's filters find what Opik's query language asks for, and nothing else."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import opik
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opik import id_helpers
from opik.rest_api.types.experiment_item import ExperimentItem
from opik.rest_api.types.feedback_score_batch_item import FeedbackScoreBatchItem
from opik.rest_api.types.span_write import SpanWrite
from opik.rest_api.types.trace_write import TraceWrite

from adapter.embedded_opik import EmbeddedOpik
from adapter.embedded_opik.errors import RefusedError
from adapter.embedded_opik.fields import SPAN_FIELDS
from adapter.embedded_opik.filters import Field, Filter, Kind, json_path, translate

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PROJECT = "demo"
IDS = {key: id_helpers.generate_id(T0) for key in ("t1", "t2", "t3", "s1", "s2", "e1", "d1", "i1")}


def _trace(key: str, **more: object) -> TraceWrite:
    values: dict[str, object] = {"id": IDS[key], "project_name": PROJECT, "name": key, "tags": ["kilobench"]}
    times = {"start_time": T0, "end_time": T0 + timedelta(seconds=2)}
    return TraceWrite.model_validate(values | times | more)


def _score(key: str, name: str, value: float) -> FeedbackScoreBatchItem:
    return FeedbackScoreBatchItem(id=IDS[key], name=name, value=value, source="sdk", project_name=PROJECT)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[opik.Opik]:
    """Three traces and two spans that differ in every field the queries name."""
    path: Path = tmp_path_factory.mktemp("filters") / "store.db"
    with pytest.MonkeyPatch.context() as patch, EmbeddedOpik(path) as store:
        # With it, the SDK hands httpx a deprecated argument, and warnings are errors here.
        patch.delenv("SSL_CERT_FILE", raising=False)
        sdk = opik.Opik(host=store.url, workspace="default", _show_misconfiguration_message=False)
        _fill(sdk)
        yield sdk
        sdk.end()


def _fill(sdk: opik.Opik) -> None:
    rest = sdk.rest_client
    later = {"start_time": T0 + timedelta(days=1), "end_time": T0 + timedelta(days=1)}
    error = {"exception_type": "E", "traceback": "tb"}
    rest.traces.create_traces(
        traces=[
            _trace("t1", metadata={"kilobench_job": "job-1", "n": 2, "flag": True}),
            _trace("t2", metadata={"kilobench_job": "job-1", "n": 2.5, "deep": {"key": "V"}}),
            _trace("t3", metadata={"kilobench_job": "job-2", "n": "9"}, tags=[], error_info=error, **later),
        ]
    )
    common: dict[str, object] = {"project_name": PROJECT, "start_time": T0, "model": "m-1", "input": {"message": "hi"}}
    known: dict[str, object] = {"provider": "openai", "usage": {"prompt_tokens": 10, "total_tokens": 12}}
    known |= {"total_estimated_cost": 0.25, "type": "llm", "output": {"text": "it is ok"}}
    rest.spans.create_spans(
        spans=[
            SpanWrite.model_validate(common | known | {"id": IDS["s1"], "trace_id": IDS["t1"], "name": "s1"}),
            SpanWrite.model_validate(common | {"id": IDS["s2"], "trace_id": IDS["t2"], "name": "s2", "type": "tool"}),
        ]
    )
    rest.spans.score_batch_of_spans(scores=[_score("s1", "tool", 0.5)])
    rest.traces.score_batch_of_traces(scores=[_score("t1", "reward", 1.0), _score("t2", "reward", 0.0)])
    item = ExperimentItem(id=IDS["i1"], experiment_id=IDS["e1"], dataset_item_id=IDS["d1"], trace_id=IDS["t2"])
    rest.experiments.create_experiment_items(experiment_items=[item])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('metadata.kilobench_job = "job-1"', {"t1", "t2"}),
        ('metadata.kilobench_job = "JOB-2"', {"t3"}),
        ('metadata.kilobench_job = "job-1" AND metadata.flag = "true"', {"t1"}),
        ('metadata.kilobench_job != "job-1"', {"t3"}),
        ('metadata."deep.key" = "v"', {"t2"}),
        ("metadata.n > 2", {"t2"}),
        ("metadata.n <= 2", {"t1"}),
        ('metadata.n = "9"', {"t3"}),
        ('tags contains "kilo"', {"t1", "t2"}),
        ('tags not_contains "kilo"', {"t3"}),
        ('name starts_with "T" AND name ends_with "3"', {"t3"}),
        ('start_time >= "2026-03-02T00:00:00Z"', {"t3"}),
        ("feedback_scores.reward > 0.5", {"t1"}),
        ("feedback_scores.reward != 1", {"t2", "t3"}),
        ("feedback_scores.reward is_empty", {"t3"}),
        ("feedback_scores.reward is_not_empty", {"t1", "t2"}),
        ("span_feedback_scores.tool = 0.5", {"t1"}),
        ("total_estimated_cost >= 0.25", {"t1"}),
        ("llm_span_count = 1", {"t1"}),
        ("usage.total_tokens = 12", {"t1"}),
        ("error_info is_not_empty", {"t3"}),
        ("duration > 0", {"t1", "t2"}),
        ('experiment_id = "{e1}"', {"t2"}),
        ('id = "{t1}"', {"t1"}),
    ],
)
def test_the_query_language_finds_traces(client: opik.Opik, query: str, expected: set[str]) -> None:
    found = client.search_traces(project_name=PROJECT, filter_string=query.format(**IDS))
    assert {trace.name for trace in found} == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('type = "tool"', {"s2"}),
        ('type in ("tool", "llm")', {"s1", "s2"}),
        ('model contains "M-"', {"s1", "s2"}),
        ('provider != "openai"', {"s2"}),
        ('trace_id = "{t2}"', {"s2"}),
        ("usage.prompt_tokens >= 10", {"s1"}),
        ("total_estimated_cost = 0.25", {"s1"}),
        ('input_json.message = "hi"', {"s1", "s2"}),
        ('output contains "OK"', {"s1"}),
        ("feedback_scores.tool = 0.5", {"s1"}),
    ],
)
def test_the_query_language_finds_spans(client: opik.Opik, query: str, expected: set[str]) -> None:
    found = client.search_spans(project_name=PROJECT, filter_string=query.format(**IDS))
    assert {span.name for span in found} == expected


JOB = translate([Filter(field="metadata", key="kilobench_job", operator="=", value="j")], SPAN_FIELDS)


@pytest.mark.parametrize(
    ("condition", "plan"),
    [
        (JOB.sql, "INDEX spans_job (project_id=? AND kilobench_job=? AND id<?)"),
        ("e.trace_id = ?", "INDEX spans_key (project_id=? AND trace_id=? AND id<?)"),
        ("?", "INDEX spans_project (project_id=? AND id<?)"),
    ],
)
def test_what_an_upload_asks_for_is_looked_up_by_an_index(tmp_path: Path, condition: str, plan: str) -> None:
    with EmbeddedOpik(tmp_path / "s.db") as store, store.app.state.store.read() as connection:
        steps = connection.execute(
            f"EXPLAIN QUERY PLAN SELECT * FROM spans e WHERE e.project_id = ? AND {condition} AND e.id < ? "
            "ORDER BY e.id DESC LIMIT 10",
            ("p", 1, "x"),
        ).fetchall()
    assert steps[0]["detail"] == f"SEARCH e USING {plan}"


@pytest.mark.parametrize("key", ['a"b', "a[*]", "", "$", "a..b", "[", "a['x']"])
def test_a_key_that_is_no_path_is_refused(key: str) -> None:
    with pytest.raises(RefusedError):
        json_path(key, "metadata")


@pytest.mark.parametrize(
    ("key", "path"),
    [("a", '$."a"'), ("$.a.b", '$."a"."b"'), ("a[2].c d", '$."a"[2]."c d"'), ('a."b.c"', '$."a"."b.c"')],
)
def test_a_key_becomes_a_quoted_path(key: str, path: str) -> None:
    assert json_path(key, "metadata") == path


# Plain Python for the same operators: text without regard to ASCII case, numbers only where both are numbers.
def _lower(text: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in text)


TEXT = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "contains": lambda a, b: b in a,
    "not_contains": lambda a, b: b not in a,
    "starts_with": lambda a, b: a.startswith(b),
    "ends_with": lambda a, b: a.endswith(b),
}
NUMBER = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}
FIELDS = {
    "name": Field(Kind.STRING, "e.name"),
    "size": Field(Kind.NUMBER, "e.size"),
    "tags": Field(Kind.LIST, "e.tags"),
    "metadata": Field(Kind.DICTIONARY, "e.metadata"),
}
# No NUL: SQLite's text functions end at it.
words = st.text(st.sampled_from("aAbB%_'\"\\ .é"), max_size=4)
numbers = st.integers(-5, 5) | st.floats(-5, 5, allow_nan=False)


def _matches(name: str | None, size: float | None, tags: list[str] | None, data: Any, item: Filter) -> bool:
    row = sqlite3.connect(":memory:")
    try:
        row.execute("CREATE TABLE t (name, size, tags, metadata)")
        row.execute(
            "INSERT INTO t VALUES (?, ?, ?, ?)",
            (name, size, None if tags is None else json.dumps(tags), None if data is None else json.dumps(data)),
        )
        where = translate([item], FIELDS)
        return bool(row.execute(f"SELECT count(*) FROM t e WHERE {where.sql}", where.values).fetchone()[0])
    finally:
        row.close()


@given(st.none() | words, st.sampled_from(sorted(TEXT)), words)
def test_text_filters_say_what_plain_python_says(name: str | None, operator: str, value: str) -> None:
    item = Filter(field="name", operator=operator, value=value)
    assert _matches(name, None, None, None, item) == TEXT[operator](_lower(name or ""), _lower(value))


@given(st.none() | numbers, st.sampled_from(sorted(NUMBER)), numbers)
def test_number_filters_never_match_the_unknown(size: float | None, operator: str, value: float) -> None:
    item = Filter(field="size", operator=operator, value=value)
    assert _matches(None, size, None, None, item) == (size is not None and NUMBER[operator](size, value))


@given(st.none() | st.lists(words, max_size=3), st.sampled_from(["contains", "not_contains", "=", "!="]), words)
def test_list_filters_look_at_every_element(tags: list[str] | None, operator: str, value: str) -> None:
    item = Filter(field="tags", operator=operator, value=value)
    if operator in {"=", "!="}:
        inside = value in (tags or [])
    else:
        inside = any(_lower(value) in _lower(tag) for tag in tags or [])
    assert _matches(None, None, tags, None, item) == (inside != (operator in {"not_contains", "!="}))


@given(
    st.none() | st.dictionaries(st.sampled_from(["a", "b c"]), words | st.integers(-5, 5) | st.booleans() | st.none()),
    st.sampled_from(["a", "b c"]),
    st.sampled_from(sorted(TEXT)),
    words,
)
def test_metadata_filters_read_absent_keys_as_empty_text(
    data: dict[str, Any] | None, key: str, operator: str, value: str
) -> None:
    held = (data or {}).get(key)
    text = "" if held is None else str(held).lower() if isinstance(held, bool) else str(held)
    item = Filter(field="metadata", key=key, operator=operator, value=value)
    assert _matches(None, None, None, data, item) == TEXT[operator](_lower(text), _lower(value))
