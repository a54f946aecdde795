"""Versions of datasets and bulk uploads of experiments, through the SDK's public methods."""

from __future__ import annotations

from datetime import timedelta

import httpx
import opik
import pytest
from embedded import PROJECT, T0, a_trace, uid
from opik.api_objects.experiment import bulk_item
from opik.rest_api.core.api_error import ApiError
from opik.rest_api.types.dataset_item_write import DatasetItemWrite
from opik.rest_api.types.evaluator_item_write import EvaluatorItemWrite
from opik.rest_api.types.execution_policy_write import ExecutionPolicyWrite

from adapter.embedded_opik import EmbeddedOpik

ITEM: dict[str, object] = {"dataset_item_id": uid("i1")}


def _cities(sdk: opik.Opik, version: str) -> list[str]:
    return sorted(item["city"] for item in sdk.get_dataset("d").get_version_view(version).get_items())


@pytest.fixture
def versions(sdk: opik.Opik) -> opik.Opik:
    """A dataset of three versions: Rome; Rome and Oslo; Oslo and a changed Rome."""
    sdk.rest_client.datasets.create_dataset(name="d", project_name=PROJECT, tags=["cities"])
    dataset = sdk.get_dataset("d")
    dataset.insert([{"id": uid("i1"), "city": "Rome"}])
    dataset.insert([{"id": uid("i2"), "city": "Oslo"}])
    dataset.update([{"id": uid("i1"), "city": "Roma"}])
    return sdk


def test_a_view_of_a_version_shows_the_items_of_then(versions: opik.Opik) -> None:
    assert [_cities(versions, name) for name in ("v1", "v2", "v3")] == [["Rome"], ["Oslo", "Rome"], ["Oslo", "Roma"]]
    view = versions.get_dataset("d").get_version_view("v2")
    assert (view.version_name, view.items_total, view.items_added, view.items_modified) == ("v2", 2, 1, 0)
    assert (view.tags, view.is_latest) == ([], False)
    latest = versions.get_dataset("d").get_version_view("v3")
    assert (latest.tags, latest.is_latest, latest.items_modified) == (["latest"], True, 1)
    assert versions.get_dataset("d").get_tags() == ["cities"]


def test_an_experiment_on_a_version_names_it(versions: opik.Opik) -> None:
    view = versions.get_dataset("d").get_version_view("v2")
    data = versions.create_experiment("d", name="run", dataset_version_id=view.version_id).get_experiment_data()
    assert data.dataset_version_id == view.version_id
    assert data.dataset_version_summary is not None
    assert data.dataset_version_summary.version_name == "v2"
    assert data.dataset_version_summary.version_hash == view.version_hash


def test_a_version_is_found_by_the_tag_it_was_given(versions: opik.Opik, server: EmbeddedOpik) -> None:
    rest, dataset = versions.rest_client.datasets, versions.get_dataset("d").id
    first = str(versions.get_dataset("d").get_version_view("v1").version_hash)
    rest.create_version_tag(dataset, first, tag="baseline")
    changed = rest.update_dataset_version(dataset, first, change_description="the first", tags_to_add=["old"])
    assert (changed.tags, changed.change_description) == (["baseline", "old"], "the first")
    items = rest.get_dataset_items(dataset, version="baseline").content or []
    assert [item.data for item in items] == [{"city": "Rome"}]
    for taken in ("baseline", "latest"):
        second = str(versions.get_dataset("d").get_version_view("v2").version_hash)
        with pytest.raises(ApiError) as refused:
            rest.create_version_tag(dataset, second, tag=taken)
        assert refused.value.status_code == 409
    rest.delete_version_tag(dataset, first, "baseline")
    assert versions.get_dataset("d").get_version_view("v1").tags == ["old"]
    answer = httpx.get(f"{server.url}/v1/private/datasets/{dataset}/items", params={"version": "baseline"})
    assert answer.status_code == 404


def test_a_restored_version_is_a_new_one_with_the_items_of_then(versions: opik.Opik) -> None:
    rest, dataset = versions.rest_client.datasets, versions.get_dataset("d").id
    restored = rest.restore_dataset_version(dataset, version_ref="v2")
    assert (restored.version_name, restored.items_total, restored.is_latest) == ("v4", 2, True)
    assert (restored.items_added, restored.items_modified, restored.items_deleted) == (0, 1, 0)
    assert [_cities(versions, name) for name in ("v3", "v4")] == [["Oslo", "Roma"], ["Oslo", "Rome"]]
    versions.get_dataset("d").clear()
    assert _cities(versions, "v5") == []
    rest.restore_dataset_version(dataset, version_ref="v1")
    assert [_cities(versions, name) for name in ("v4", "v6")] == [["Oslo", "Rome"], ["Rome"]]


def test_a_dataset_without_versions_has_no_latest_one(sdk: opik.Opik) -> None:
    dataset, rest = sdk.create_dataset("d").id, sdk.rest_client.datasets
    for ask in (
        lambda: rest.create_version_tag(dataset, "latest", tag="x"),
        lambda: rest.delete_version_tag(dataset, "latest", "x"),
        lambda: rest.update_dataset_version(dataset, "latest", change_description="x"),
        lambda: rest.restore_dataset_version(dataset, version_ref="latest"),
    ):
        with pytest.raises(ApiError) as refused:
            ask()
        assert refused.value.status_code == 404
    assert sdk.get_dataset("d").get_version_info() is None


def test_an_item_keeps_what_a_test_suite_asks_of_it(sdk: opik.Opik) -> None:
    dataset = sdk.create_dataset("d")
    item = DatasetItemWrite(
        id=uid("i1"),
        source="sdk",
        data={"city": "Rome"},
        evaluators=[EvaluatorItemWrite(name="judge", type="llm_judge", config={"assertions": ["is a city"]})],
        execution_policy=ExecutionPolicyWrite(runs_per_item=3, pass_threshold=2),
    )
    sdk.rest_client.datasets.create_or_update_dataset_items(dataset_name="d", items=[item])
    (read,) = sdk.rest_client.datasets.get_dataset_items(dataset.id).content or []
    assert read.evaluators is not None
    assert (read.evaluators[0].name, read.evaluators[0].config) == ("judge", {"assertions": ["is a city"]})
    assert read.execution_policy is not None
    assert (read.execution_policy.runs_per_item, read.execution_policy.pass_threshold) == (3, 2)


def test_dashboards_are_listed_in_the_order_asked_for(sdk: opik.Opik) -> None:
    for name in ("b", "c", "a"):
        sdk.create_dashboard(name, type="experiments")
    assert [view.name for view in sdk.get_dashboards()] == ["a", "c", "b"]
    assert [v.name for v in sdk.get_dashboards(sorting='[{"field": "name", "direction": "DESC"}]')] == ["c", "b", "a"]
    chosen = '[{"field": "name", "operator": "!=", "value": "c"}]'
    assert [v.name for v in sdk.get_dashboards(sorting='[{"field": "name"}]', filters=chosen)] == ["a", "b"]
    for unread in ("{", '[{"field": "config"}]', '[{"field": "name", "direction": "UP"}]'):
        with pytest.raises(ApiError) as refused:
            sdk.get_dashboards(sorting=unread)
        assert refused.value.status_code == 400


def _record(key: str, **more: object) -> bulk_item.ExperimentItemBulkRecord:
    return bulk_item.ExperimentItemBulkRecord(dataset_item_id=uid(key), **more)  # pyright: ignore[reportArgumentType]


def test_a_bulk_upload_stores_traces_spans_scores_and_items(sdk: opik.Opik, server: EmbeddedOpik) -> None:
    sdk.create_dataset("d").insert([{"id": uid("i1"), "city": "Rome"}, {"id": uid("i2"), "city": "Oslo"}])
    experiment = sdk.create_experiment("d", name="run")
    trace = bulk_item.ExperimentItemBulkTrace(
        id=uid("t1"), name="trial", start_time=T0, end_time=T0 + timedelta(seconds=1), input={"a": 1}
    )
    span = bulk_item.ExperimentItemBulkSpan(
        name="step", type="llm", start_time=T0, usage={"total_tokens": 5}, total_estimated_cost=0.5
    )
    experiment.batch_upload_items(
        [
            _record("i1", trace=trace, spans=[span], feedback_scores=[{"name": "reward", "value": 1.0}]),
            _record("i2", evaluate_task_result={"answer": "no"}),
        ]
    )
    items = {item.dataset_item_id: item for item in experiment.get_items()}
    assert items[uid("i1")].trace_id == uid("t1")
    assert [(s["name"], s["value"]) for s in items[uid("i1")].feedback_scores] == [("reward", 1.0)]
    assert items[uid("i2")].evaluation_task_output == {"answer": "no"}
    shown = sdk.get_trace_content(uid("t1"))
    assert (shown.source, shown.total_estimated_cost, shown.usage) == ("experiment", 0.5, {"total_tokens": 5})
    assert [one.source for one in sdk.search_spans(trace_id=uid("t1"))] == ["experiment"]
    data = experiment.get_experiment_data()
    assert (data.trace_count, data.dataset_item_count, data.total_estimated_cost) == (2, 2, 0.5)
    # Again: the trace is the same one, the items are new, as in Opik.
    experiment.batch_upload_items([_record("i1", trace=trace)])
    assert server.app.state.rows_written["experiment_items", "new"] == 3
    assert experiment.get_experiment_data().trace_count == 2


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"items": []}, 422),
        ({"dataset_name": "other"}, 409),
        (
            {"items": [ITEM | {"trace": {"start_time": "2026-01-01T00:00:00Z", "project_name": "x"}}]},
            400,
        ),
        (
            {"items": [ITEM | {"trace": {"start_time": "2026-01-01T00:00:00Z"}, "evaluate_task_result": {}}]},
            422,
        ),
    ],
)
def test_a_bulk_upload_that_contradicts_itself_is_refused(
    sdk: opik.Opik, server: EmbeddedOpik, change: dict[str, object], status: int
) -> None:
    sdk.create_experiment("d", name="run", experiment_id=uid("e1"))
    body: dict[str, object] = {
        "experiment_id": uid("e1"),
        "experiment_name": "run",
        "dataset_name": "d",
        "project_name": PROJECT,
        "items": [ITEM | {"evaluate_task_result": {"a": 1}}],
    }
    answer = httpx.put(f"{server.url}/v1/private/experiments/items/bulk", json=body | change)
    assert answer.status_code == status
    assert server.app.state.rows_written["traces", "new"] == 0


def test_traces_are_copied_to_another_project(sdk: opik.Opik) -> None:
    sdk.rest_client.traces.create_traces(traces=[a_trace("t1")])
    sdk.copy_traces(PROJECT, "copy")
    assert sdk.flush()
    assert [trace.name for trace in sdk.search_traces(project_name="copy")] == ["t1"]
