"""The embedded store answers the real Opik SDK over HTTP as Opik does."""

from __future__ import annotations

import gzip
import json
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import opik
import pytest
from embedded import PROJECT, T0, a_score, a_span, a_trace, uid
from opik.api_objects.dashboard import types as dashboard_types
from opik.rest_api.core.api_error import ApiError
from opik.rest_api.types.experiment_item import ExperimentItem
from opik.rest_api.types.experiment_public import ExperimentPublic
from opik.rest_api.types.experiment_score import ExperimentScore
from opik.rest_api.types.span_public import SpanPublic
from opik.rest_api.types.trace_public import TracePublic

from adapter.embedded_opik import EmbeddedOpik, PortInUseError, StoreError, create_app
from adapter.embedded_opik.db import Store, migrations


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedOpik]:
    with EmbeddedOpik(tmp_path / "home" / "store.db") as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedOpik]:
    """One store for the tests that leave nothing in it."""
    with EmbeddedOpik(tmp_path_factory.mktemp("shared") / "store.db") as running:
        yield running


@pytest.fixture
def client(store: EmbeddedOpik, monkeypatch: pytest.MonkeyPatch) -> Iterator[opik.Opik]:
    # With it, the SDK hands httpx a deprecated argument, and warnings are errors here.
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    sdk = opik.Opik(host=store.url, workspace="default", project_name=PROJECT, _show_misconfiguration_message=False)
    yield sdk
    sdk.end()


def test_a_trace_shows_the_sums_of_its_spans_and_the_scores_of_both(client: opik.Opik) -> None:
    rest = client.rest_client
    rest.traces.create_traces(traces=[a_trace("t1"), a_trace("t2")])
    rest.spans.create_spans(
        spans=[
            a_span("s1"),
            a_span("s2", parent_span_id=uid("s1"), total_estimated_cost=0.5, provider="anthropic"),
            a_span("s3", type="tool", usage=None, total_estimated_cost=None, provider=None),
        ]
    )
    rest.traces.score_batch_of_traces(scores=[a_score("t1", "reward", 1.0)])
    rest.spans.score_batch_of_spans(scores=[a_score("s1", "tool_choice", 0.0), a_score("s2", "tool_choice", 1.0)])

    one = rest.traces.get_trace_by_id(uid("t1"))
    assert (one.span_count, one.llm_span_count, one.has_tool_spans) == (3, 2, True)
    assert one.total_estimated_cost == 0.75
    assert one.usage == {"prompt_tokens": 20, "completion_tokens": 4, "total_tokens": 24}
    assert one.providers == ["anthropic", "openai"]
    assert one.duration == 2000.0
    assert one.start_time == T0
    assert one.feedback_scores is not None
    assert [(s.name, s.value, s.reason) for s in one.feedback_scores] == [("reward", 1.0, "because")]
    assert one.span_feedback_scores is not None
    assert [(s.name, s.value) for s in one.span_feedback_scores] == [("tool_choice", 0.5)]

    other = rest.traces.get_trace_by_id(uid("t2"))
    assert (other.span_count, other.total_estimated_cost, other.usage, other.feedback_scores) == (0, None, None, None)


def test_the_sdk_searches_page_by_page_and_reads_every_field_back(client: opik.Opik, store: EmbeddedOpik) -> None:
    rest = client.rest_client
    rest.traces.create_traces(traces=[a_trace("t1", output={"text": "x" * 20_000, "nothing": None})])
    rest.spans.create_spans(spans=[a_span(f"s{i}") for i in range(450)])

    spans = client.search_spans(project_name=PROJECT, trace_id=uid("t1"), max_results=10_000, max_batch_size=100)
    assert len({span.id for span in spans}) == 450
    assert [span.id for span in spans] == sorted((span.id or "" for span in spans), reverse=True)
    assert all(span.total_estimated_cost == 0.25 and span.parent_span_id is None for span in spans)
    whole = client.search_traces(project_name=PROJECT, truncate=False)[0]
    assert whole.output == {"text": "x" * 20_000, "nothing": None}
    cut = client.search_traces(project_name=PROJECT, truncate=True)[0]
    assert isinstance(cut.output, str)
    assert len(cut.output) == 10_001
    assert client.search_traces(project_name="never heard of") == []
    one = client.rest_client.spans.get_spans_by_project(project_name=PROJECT, page=2, size=200, exclude='["input"]')
    assert (one.total, one.page, len(one.content or []), (one.content or [])[0].input) == (450, 2, 200, None)
    odd = {"project_name": PROJECT, "trace_id": uid("t1"), "type": "llm"}
    assert httpx.post(f"{store.url}/v1/private/traces/search", json=odd).status_code == 200


def test_rows_have_no_field_that_the_sdks_types_do_not_have(client: opik.Opik, store: EmbeddedOpik) -> None:
    rest = client.rest_client
    rest.traces.create_traces(traces=[a_trace("t1", error_info={"exception_type": "E", "traceback": "tb"})])
    rest.spans.create_spans(spans=[a_span("s1")])
    rest.spans.score_batch_of_spans(scores=[a_score("s1", "x", 1)])
    rest.experiments.create_experiment(id=uid("e1"), dataset_name="d", name="e", metadata={"a": None}, tags=["x"])
    for path, model in (
        (f"traces/{uid('t1')}", TracePublic),
        (f"spans/{uid('s1')}", SpanPublic),
        (f"experiments/{uid('e1')}", ExperimentPublic),
    ):
        parsed = model.model_validate_json(httpx.get(f"{store.url}/v1/private/{path}").content)
        assert parsed.model_extra == {}, path


def test_sending_again_replaces_the_row_whole_and_counts_it_as_an_update(
    client: opik.Opik, store: EmbeddedOpik
) -> None:
    rest = client.rest_client
    for name in ("first", "second"):
        rest.traces.create_traces(traces=[a_trace("t1", name=name, output={"o": 1} if name == "first" else None)])
        rest.spans.create_spans(spans=[a_span("s1", name=name)])
        rest.traces.score_batch_of_traces(scores=[a_score("t1", "reward", 1.0 if name == "first" else 0.0)])
    [one] = client.search_traces(project_name=PROJECT)
    assert (one.name, one.output) == ("second", None)
    assert one.feedback_scores is not None
    assert [score.value for score in one.feedback_scores] == [0.0]
    rows = store.app.state.rows_written
    assert {key: rows[key] for key in rows if key[0] != "projects"} == {
        ("traces", "new"): 1,
        ("traces", "updated"): 1,
        ("spans", "new"): 1,
        ("spans", "updated"): 1,
        ("feedback_scores", "new"): 1,
        ("feedback_scores", "updated"): 1,
    }
    asked = store.app.state.requests
    assert asked["POST", "/api/v1/private/spans/batch", 204] == 2
    assert asked["PUT", "/api/v1/private/traces/feedback-scores", 204] == 2


def test_the_identity_of_a_span_includes_its_parent(client: opik.Opik) -> None:
    client.rest_client.spans.create_spans(spans=[a_span("s1")])
    client.rest_client.spans.create_spans(spans=[a_span("s1", parent_span_id=uid("s0"))])
    assert len(client.search_spans(project_name=PROJECT)) == 2


def test_a_score_that_names_another_project_is_an_orphan_there_and_no_error(client: opik.Opik) -> None:
    rest = client.rest_client
    rest.traces.create_traces(traces=[a_trace("t1")])
    rest.traces.score_batch_of_traces(scores=[a_score("t1", "reward", 1.0, project="elsewhere")])
    assert rest.traces.get_trace_by_id(uid("t1")).feedback_scores is None
    assert rest.projects.retrieve_project(name="elsewhere").name == "elsewhere"


def test_patches_change_only_what_they_name_and_begin_a_row_that_is_not_there(client: opik.Opik) -> None:
    rest = client.rest_client
    rest.traces.create_traces(traces=[a_trace("t1", end_time=None)])
    rest.traces.update_trace(
        uid("t1"), project_name=PROJECT, end_time=T0 + timedelta(seconds=5), tags_to_add=["late"], output={"o": 1}
    )
    one = rest.traces.get_trace_by_id(uid("t1"))
    assert (one.name, one.duration, one.tags, one.output) == ("t1", 5000.0, ["kilobench", "late"], {"o": 1})

    rest.spans.update_span(uid("s1"), trace_id=uid("t1"), project_name=PROJECT, model="m-2")
    begun = rest.spans.get_span_by_id(uid("s1"))
    assert (begun.model, begun.start_time.year, begun.duration) == ("m-2", 1970, None)
    rest.spans.create_spans(spans=[a_span("s1")])
    assert rest.spans.get_span_by_id(uid("s1")).model == "m-1"

    with pytest.raises(ApiError) as refused:
        rest.traces.update_trace(uid("t1"), project_name="another", name="x")
    assert refused.value.status_code == 409


def test_a_patch_of_a_trace_leaves_out_what_a_trace_does_not_have(client: opik.Opik, store: EmbeddedOpik) -> None:
    client.rest_client.traces.create_traces(traces=[a_trace("t1")])
    body = {"project_name": PROJECT, "name": "new", "type": "llm", "model": "m", "usage": {"total_tokens": 1}}
    assert httpx.patch(f"{store.url}/v1/private/traces/{uid('t1')}", json=body).status_code == 204
    assert client.get_trace_content(uid("t1")).name == "new"


def test_deleting_a_trace_takes_its_spans_and_scores_along(client: opik.Opik) -> None:
    rest = client.rest_client
    rest.traces.create_traces(traces=[a_trace("t1"), a_trace("t2")])
    rest.spans.create_spans(spans=[a_span("s1"), a_span("s2", "t2")])
    rest.traces.score_batch_of_traces(scores=[a_score("t1", "reward", 1.0)])
    rest.traces.delete_trace_feedback_score(uid("t1"), name="reward")
    assert rest.traces.get_trace_by_id(uid("t1")).feedback_scores is None
    rest.traces.delete_traces(ids=[uid("t1")])
    assert [t.id for t in client.search_traces(project_name=PROJECT)] == [uid("t2")]
    assert [s.id for s in client.search_spans(project_name=PROJECT)] == [uid("s2")]


def test_datasets_are_found_by_name_and_each_insert_is_a_version(client: opik.Opik) -> None:
    rest = client.rest_client
    with pytest.raises(ApiError) as refused:
        rest.datasets.get_dataset_by_identifier(dataset_name="tasks")
    assert refused.value.status_code == 404
    dataset = client.get_or_create_dataset("tasks", description="d", project_name=PROJECT)
    dataset.insert([{"id": uid("a"), "task": "a"}, {"id": uid("b"), "task": "b"}], deduplication=False)
    dataset.insert([{"id": uid("a"), "task": "a2"}, {"id": uid("c"), "task": "c"}], deduplication=False)
    assert {item["id"]: item["task"] for item in dataset.get_items()} == {uid("a"): "a2", uid("b"): "b", uid("c"): "c"}
    again = client.get_or_create_dataset("tasks", project_name=PROJECT)
    assert again.id == dataset.id
    versions = rest.datasets.list_dataset_versions(dataset.id).content or []
    assert [(v.version_name, v.items_total, v.items_added, v.items_modified) for v in versions] == [
        ("v2", 3, 1, 1),
        ("v1", 2, 2, 0),
    ]
    first = dataset.get_version_view("v1")
    assert {item["task"] for item in first.get_items()} == {"a", "b"}
    dataset.delete([uid("b")])
    assert {item["task"] for item in dataset.get_items()} == {"a2", "c"}
    with pytest.raises(ApiError) as taken:
        rest.datasets.create_dataset(name="tasks")
    assert taken.value.status_code == 409


def test_an_experiment_aggregates_the_trace_scores_only(client: opik.Opik) -> None:
    rest = client.rest_client
    dataset = client.get_or_create_dataset("tasks", project_name=PROJECT)
    dataset.insert([{"id": uid("d1"), "task": "one"}], deduplication=False)
    rest.traces.create_traces(traces=[a_trace("t1"), a_trace("t2", end_time=T0 + timedelta(seconds=4)), a_trace("t3")])
    rest.spans.create_spans(spans=[a_span("s1"), a_span("s2", "t2", total_estimated_cost=0.75)])
    rest.spans.score_batch_of_spans(scores=[a_score("s1", "tool_choice", 1.0)])
    rest.traces.score_batch_of_traces(scores=[a_score("t1", "reward", 1.0), a_score("t2", "reward", 0.0)])
    made = client.create_experiment(
        "tasks",
        name="exp",
        experiment_config={"model": "m-1"},
        tags=["a"],
        project_name=PROJECT,
        experiment_id=uid("e1"),
    )
    items = [
        ExperimentItem(id=uid(f"i{n}"), experiment_id=uid("e1"), dataset_item_id=uid("d1"), trace_id=uid(f"t{n}"))
        for n in (1, 2)
    ]
    rest.experiments.create_experiment_items(experiment_items=items)
    rest.experiments.create_experiment_items(experiment_items=items)
    rest.experiments.update_experiment(
        uid("e1"), tags_to_add=["b"], experiment_scores=[ExperimentScore(name="pass_rate", value=0.5)]
    )
    client.create_experiment("tasks", name="ignored", project_name=PROJECT, experiment_id=uid("e1"))

    one = rest.experiments.get_experiment_by_id(uid("e1"))
    assert (one.name, one.dataset_name, one.dataset_id, one.metadata) == ("exp", "tasks", dataset.id, {"model": "m-1"})
    assert (one.trace_count, one.dataset_item_count, one.tags) == (2, 1, ["a", "b"])
    assert one.feedback_scores is not None
    assert [(s.name, s.value) for s in one.feedback_scores] == [("reward", 0.5)]
    assert (one.total_estimated_cost, one.total_estimated_cost_avg) == (1.0, 0.5)
    assert one.duration is not None
    assert one.duration.p50 == 3000.0
    assert one.experiment_scores is not None
    assert [(s.name, s.value) for s in one.experiment_scores] == [("pass_rate", 0.5)]

    content = made.get_items()
    assert {(i.dataset_item_id, i.trace_id) for i in content} == {(uid("d1"), uid("t1")), (uid("d1"), uid("t2"))}
    assert {i.feedback_scores[0]["value"] for i in content} == {0.0, 1.0}
    assert client.get_experiment_by_id(uid("e1")).name == "exp"
    assert [e.id for e in client.get_experiments_by_name("exp")] == [uid("e1")]
    by_model = json.dumps(
        [{"field": "metadata", "type": "dictionary", "operator": "=", "key": "model", "value": "m-1"}]
    )
    assert [e.id for e in rest.experiments.find_experiments(filters=by_model).content or []] == [uid("e1")]
    assert rest.experiments.find_experiments(name="nothing like it").content == []
    rest.experiments.finish_experiments(ids=[uid("e1")])
    rest.experiments.delete_experiments_by_id(ids=[uid("e1")])
    with pytest.raises(ApiError) as gone:
        rest.experiments.get_experiment_by_id(uid("e1"))
    assert gone.value.status_code == 404


def test_dashboards_are_saved_found_by_name_changed_and_deleted(client: opik.Opik) -> None:
    made = client.create_dashboard("model vs model", type="experiments", project_name=PROJECT)
    made.add_widget(dashboard_types.DashboardWidget(type="text_markdown", title="note", config={"content": "**hi**"}))
    client.create_dashboard("model vs model", type="experiments", project_name=PROJECT)
    found = client.get_dashboards(name="model vs")
    assert [d.name for d in found] == ["model vs model", "model vs model"]
    kept = client.get_dashboard(made.id)
    assert kept.config["sections"][0]["widgets"][0]["config"] == {"content": "**hi**"}
    client.delete_dashboard(made.id)
    assert [d.id for d in client.get_dashboards(name="model vs")] == [d.id for d in found if d.id != made.id]


def test_projects_are_found_by_part_of_their_name_and_made_once(client: opik.Opik) -> None:
    rest = client.rest_client
    rest.traces.create_traces(
        traces=[a_trace("t1"), a_trace("t2", project_name="DEMO"), a_trace("t3", project_name="x")]
    )
    assert [p.name for p in rest.projects.find_projects(name="em").content or []] == [PROJECT]
    with pytest.raises(ApiError) as taken:
        rest.projects.create_project(name="Demo")
    assert taken.value.status_code == 409
    with pytest.raises(ApiError) as missing:
        rest.projects.retrieve_project(name="nowhere")
    assert missing.value.status_code == 404


def test_the_sdks_own_logging_and_links_work(client: opik.Opik, store: EmbeddedOpik) -> None:
    client.auth_check()
    trace = client.trace(name="logged", input={"q": 1})
    trace.span(name="inner", type="llm", usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2})
    trace.log_feedback_score("reward", 1.0)
    trace.end()
    assert client.flush()
    [found] = client.search_traces(project_name=PROJECT)
    assert (found.name, found.span_count) == ("logged", 1)
    assert found.feedback_scores is not None
    link = f"{store.url}/v1/session/redirect/projects/?trace_id={found.id}&path=x"
    page = httpx.get(link, follow_redirects=True)
    assert (page.status_code, f"<h1>{PROJECT}</h1>" in page.text) == (200, True)


TRACE = {"id": uid("t"), "start_time": "2026-03-01T12:00:00Z"}
SPAN = {"id": uid("s"), "trace_id": uid("t"), "start_time": "2026-03-01T12:00:00Z"}
ITEM = {"id": uid("i"), "experiment_id": uid("e"), "dataset_item_id": uid("d"), "trace_id": uid("t")}
SCORE = {"id": uid("t"), "name": "n", "value": 1, "source": "sdk"}
V4 = str(uuid.UUID(int=7, version=4))
DEEP = '{"traces": [{"metadata": ' + '{"a":' * 900 + "1" + "}" * 900 + "}]}"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("POST", "traces/batch", {"traces": [TRACE | {"id": V4}]}, 400, "version 7"),
        ("POST", "traces/batch", {"traces": [TRACE | {"id": "no-uuid"}]}, 400, "Unable to process JSON"),
        ("POST", "spans/batch", {"spans": [SPAN | {"id": V4}]}, 400, "version 7"),
        ("POST", "spans/batch", {"spans": [SPAN | {"trace_id": V4}]}, 400, "version 7"),
        ("POST", "spans/batch", {"spans": [SPAN | {"type": "banana"}]}, 400, "banana"),
        ("POST", "spans/batch", {"spans": [SPAN | {"usage": {"prompt_tokens": "many"}}]}, 400, "usage"),
        ("POST", "spans/batch", {"spans": [SPAN | {"usage": {"prompt_tokens": 2**31}}]}, 400, "32 bit"),
        ("POST", "spans/batch", {"spans": [SPAN | {"total_estimated_cost": -1}]}, 422, "total_estimated_cost"),
        ("POST", "spans/batch", {"spans": [SPAN | {"start_time": "yesterday"}]}, 400, "start_time"),
        ("POST", "spans/batch", {"spans": [SPAN | {"start_time": "2026-03-01T12:00:00"}]}, 400, "time zone"),
        ("POST", "spans/batch", {"spans": [{"id": uid("s"), "trace_id": uid("t")}]}, 422, "start_time"),
        ("POST", "spans/batch", {"spans": [SPAN | {"start_time": None}]}, 422, "start_time"),
        ("POST", "spans/batch", {"spans": [{k: v for k, v in SPAN.items() if k != "trace_id"}]}, 422, "trace_id"),
        ("POST", "spans/batch", {"spans": [SPAN | {"metadata": {"x": float("nan")}}]}, 400, "Unable"),
        ("POST", "spans/batch", {"spans": []}, 422, "spans"),
        ("POST", "spans/batch", {"spans": [SPAN] * 1001}, 422, "spans"),
        ("POST", "traces/batch", {"traces": [TRACE | {"project_name": "  "}]}, 422, "project_name"),
        ("POST", "traces/batch", "{", 400, "Unable"),
        ("POST", "traces/batch", [], 400, "Unable"),
        ("PUT", "traces/feedback-scores", {"scores": [SCORE | {"source": "guess"}]}, 400, "guess"),
        ("PUT", "traces/feedback-scores", {"scores": [SCORE | {"value": 1e10}]}, 422, "value"),
        ("PUT", "traces/feedback-scores", {"scores": [SCORE | {"id": V4}]}, 400, "version 7"),
        ("PUT", "spans/feedback-scores", {"scores": [SCORE | {"name": ""}]}, 422, "name"),
        ("POST", "experiments", {"id": V4, "dataset_name": "d"}, 400, "version 7"),
        ("POST", "experiments", {"dataset_name": "d", "type": "odd"}, 400, "odd"),
        ("POST", "experiments", {"dataset_name": "d", "tags": ["x" * 101]}, 422, "tags"),
        ("POST", "experiments", {"dataset_name": "d", "tags": [str(n) for n in range(51)]}, 422, "tags"),
        ("POST", "experiments", {"name": "x"}, 422, "dataset_name"),
        ("POST", "experiments/items", {"experiment_items": [ITEM | {"id": V4}]}, 400, "version 7"),
        ("POST", "experiments/items", {"experiment_items": [ITEM | {"trace_id": V4}]}, 400, "version 7"),
        ("PATCH", f"experiments/{uid('none')}", {"name": "x"}, 404, "not found"),
        ("PUT", "datasets/items",
         {"dataset_name": "d", "items": [{"id": V4, "source": "sdk", "data": {}}]}, 400, "version 7"),
        ("PUT", "datasets/items", {"dataset_name": "d", "items": [{"source": "sky", "data": {}}]}, 400, "sky"),
        ("POST", "dashboards", {"name": "", "config": {}}, 422, "name"),
        ("PATCH", f"dashboards/{uid('none')}", {"name": "x"}, 404, "not found"),
        ("POST", "spans/search", {}, 400, "project_name"),
        ("POST", "spans/search", {"project_name": "p", "limit": 2001}, 422, "limit"),
        ("POST", "spans/search", {"project_name": "p", "filters": [{"field": "shoe", "operator": "="}]}, 400, "shoe"),
        ("POST", "spans/search",
         {"project_name": "p", "filters": [{"field": "name", "operator": "~", "value": "x"}]}, 400, "operator"),
        ("POST", "spans/search",
         {"project_name": "p", "filters": [{"field": "duration", "operator": ">", "value": "x"}]}, 400, "number"),
        ("GET", "spans/not-a-uuid", None, 400, "Unable"),
        ("GET", f"spans/{uid('none')}", None, 404, "not found"),
        ("GET", "traces?project_name=p&page=0", None, 400, "page"),
        ("GET", "experiments?filters=nonsense", None, 400, "filters"),
        ("DELETE", f"spans/{uid('s')}", None, 501, f"DELETE /v1/private/spans/{uid('s')} is not in the embedded store"),
        ("GET", "spans?project_name=p&page=99999999999999999999", None, 400, "page"),
        ("GET", "spans?project_name=p&sorting=[{}]", None, 501, "sorting"),
        ("GET", "experiments?dataset_deleted=true", None, 501, "dataset_deleted"),
        ("GET", "experiments/groups?groups=[]&project_deleted=true", None, 501, "project_deleted"),
        ("GET", "datasets?with_experiments_only=true", None, 501, "with_experiments_only"),
        ("POST", "traces/batch", DEEP, 400, "recursion"),
        ("GET", "alerts", None, 501, "GET /v1/private/alerts is not in the embedded store"),
    ],
)  # fmt: skip
def test_what_opik_refuses_is_refused_with_the_same_status(
    shared: EmbeddedOpik, method: str, path: str, body: object, status: int, says: str
) -> None:
    content = body if isinstance(body, str) else None if body is None else json.dumps(body)
    answer = httpx.request(method, f"{shared.url}/v1/private/{path}", content=content)
    assert (answer.status_code, says in answer.text) == (status, True), answer.text
    assert answer.json().keys() in ({"errors"}, {"code", "message", "details"})
    assert shared.app.state.rows_written == {}


def test_a_refused_batch_stores_nothing_of_itself(client: opik.Opik) -> None:
    with pytest.raises(ApiError):
        client.rest_client.spans.create_spans(spans=[a_span("s1"), a_span("s2", type="banana")])
    assert client.search_spans(project_name=PROJECT) == []


@pytest.mark.parametrize(
    ("age", "status"), [(timedelta(hours=23), 204), (timedelta(hours=25), 400), (timedelta(hours=-25), 400)]
)
def test_the_ingestion_window_refuses_ids_that_are_too_old_or_of_the_future(
    tmp_path: Path, age: timedelta, status: int
) -> None:
    with EmbeddedOpik(tmp_path / "s.db", ingestion_window=timedelta(hours=24), clock=lambda: T0) as store:
        for path, body in (
            ("traces/batch", {"traces": [TRACE | {"id": uid("t", T0 - age)}]}),
            ("spans/batch", {"spans": [SPAN | {"id": uid("s", T0 - age)}]}),
        ):
            answer = httpx.post(f"{store.url}/v1/private/{path}", json=body)
            assert answer.status_code == status
            assert ("allowed ingestion window of 'PT24H'" in answer.text) == (status == 400)


def test_the_window_is_off_by_default_and_old_ids_are_taken(client: opik.Opik) -> None:
    client.rest_client.traces.create_traces(traces=[a_trace("t1", id=uid("t1", datetime(2020, 1, 1, tzinfo=UTC)))])
    assert len(client.search_traces(project_name=PROJECT)) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1:9"}, 200),
        ({"host": "localhost"}, 200),
        ({"host": "[::1]:80"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": ""}, 403),
        ({"host": "localhost", "origin": "http://localhost"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, 403),
    ],
)
def test_only_this_machine_may_ask(shared: EmbeddedOpik, headers: dict[str, str], status: int) -> None:
    assert httpx.get(f"{shared.url}/v1/private/projects", headers=headers).status_code == status


def test_the_files_are_the_users_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "store.db"
    with EmbeddedOpik(path) as store:
        httpx.post(f"{store.url}/v1/private/traces/batch", json={"traces": [TRACE]})
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_a_store_that_is_opened_again_still_holds_its_rows_and_two_servers_share_one_file(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    search = {"project_name": "Default Project"}
    with EmbeddedOpik(path) as one, EmbeddedOpik(path) as two:
        for number in range(20):
            server = (one, two)[number % 2]
            body = {"traces": [TRACE | {"id": uid(f"t{number}")}]}
            assert httpx.post(f"{server.url}/v1/private/traces/batch", json=body).status_code == 204
        for server in (one, two):
            assert len(httpx.post(f"{server.url}/v1/private/traces/search", json=search).text.splitlines()) == 20
    with EmbeddedOpik(path) as again:
        assert len(httpx.post(f"{again.url}/v1/private/traces/search", json=search).text.splitlines()) == 20


def test_a_port_in_use_is_named_with_what_to_do(tmp_path: Path, store: EmbeddedOpik) -> None:
    with pytest.raises(PortInUseError, match=f"Port {store.port} is in use") as error:
        EmbeddedOpik(tmp_path / "other.db", port=store.port).start()
    assert "--port" in error.value.hint


def test_files_that_are_not_a_store_are_refused_in_words(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"no database at all" * 100)
    foreign = tmp_path / "foreign.db"
    newer = tmp_path / "newer.db"
    with EmbeddedOpik(newer):
        pass
    for path, script in ((foreign, "CREATE TABLE x (y)"), (newer, "PRAGMA user_version = 999")):
        connection = sqlite3.connect(path)
        connection.execute(script)
        connection.close()
    for path, says in (
        (garbage, "not a database"),
        (foreign, "another program"),
        (newer, "newer kilobench"),
        (tmp_path, "cannot be opened"),
    ):
        with pytest.raises(StoreError, match=says) as error:
            create_app(path)
        assert error.value.hint


def test_a_full_disk_is_answered_with_507_and_leaves_the_rows_whole(store: EmbeddedOpik) -> None:
    batch = {"traces": [TRACE | {"input": {"x": "y" * 500_000}}]}
    with store.app.state.store.write() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    answer = httpx.post(f"{store.url}/v1/private/traces/batch", json=batch)
    assert (answer.status_code, "full" in answer.json()["errors"][0]) == (507, True)
    assert httpx.post(f"{store.url}/v1/private/traces/search", json={"project_name": "Default Project"}).text == ""
    with store.app.state.store.write() as connection:
        connection.execute("PRAGMA max_page_count = 1000000")
    assert httpx.post(f"{store.url}/v1/private/traces/batch", json=batch).status_code == 204


def test_several_programs_may_make_one_new_store_at_once(tmp_path: Path) -> None:
    for attempt in range(5):
        gate = threading.Barrier(4)

        def opened(path: Path, gate: threading.Barrier) -> int:
            gate.wait()
            store = Store(path)
            with store.read() as connection:
                version = connection.execute("PRAGMA user_version").fetchone()[0]
            store.close()
            return version

        with ThreadPoolExecutor(4) as pool:
            futures = [pool.submit(opened, tmp_path / f"{attempt}.db", gate) for _ in range(4)]
            assert [future.result() for future in futures] == [migrations()[-1][0]] * 4


def test_numbers_too_large_for_json_come_back_unknown(store: EmbeddedOpik) -> None:
    body = (
        json.dumps({"traces": [TRACE | {"metadata": {"x": 0}}]})
        .replace('"x": 0', '"x": 1e999')
        .replace('"metadata"', '"ttft": 1e999, "metadata"')
    )
    assert httpx.post(f"{store.url}/v1/private/traces/batch", content=body).status_code == 204
    answer = httpx.get(f"{store.url}/v1/private/traces/{uid('t')}").text
    assert "Infinity" not in answer
    assert json.loads(answer)["metadata"] == {"x": None}


def test_a_gzipped_body_is_read_and_a_damaged_or_endless_one_refused(shared: EmbeddedOpik) -> None:
    url, headers = f"{shared.url}/v1/private/projects/retrieve", {"content-encoding": "gzip"}
    for content, status in (
        (gzip.compress(b'{"name": "nowhere"}'), 404),
        (gzip.compress(b'{"name": "nowhere"}')[:-9], 400),
        (b"not gzip", 400),
        (gzip.compress(b" " * 80_000_000), 413),
    ):
        assert httpx.post(url, content=content, headers=headers).status_code == status


def test_serve_runs_until_ctrl_c(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = "import pathlib, sys, adapter.embedded_opik as e; e.serve(pathlib.Path(sys.argv[1]), int(sys.argv[2]))"
    command = [sys.executable, "-c", code, str(tmp_path / "s.db"), str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    transport = httpx.HTTPTransport(retries=12)
    with process, httpx.Client(transport=transport) as browser:
        answer = browser.get(f"http://127.0.0.1:{port}/api/is-alive/ping")
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)[1]
    assert (answer.status_code, process.returncode, said) == (200, 0, "")
