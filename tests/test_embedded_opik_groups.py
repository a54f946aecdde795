"""Experiments in groups: what the SDK's group endpoints answer, with sums that can be done by hand."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import opik
import pytest
from embedded import PROJECT, T0, a_score, a_span, a_trace, uid
from opik.rest_api.types.aggregation_data import AggregationData
from opik.rest_api.types.experiment_item import ExperimentItem
from opik.rest_api.types.experiment_score import ExperimentScore

from adapter.embedded_opik import EmbeddedOpik

BY_MODEL = {"field": "metadata", "type": "dictionary", "key": "model"}
BY_DATASET = {"field": "dataset_id", "type": "string"}
BY_PROJECT = {"field": "project_id", "type": "string"}
BY_TAG = {"field": "tags", "type": "list"}


@pytest.fixture
def filled(sdk: opik.Opik) -> opik.Opik:
    """Three experiments: two of model a (1 and 2 traces), one of model b without a known cost."""
    rest = sdk.rest_client
    seconds = {"t1": 1, "t2": 3, "t3": 5, "t4": 10}
    rest.traces.create_traces(
        traces=[a_trace(key, end_time=T0 + timedelta(seconds=length)) for key, length in seconds.items()]
    )
    costs = {"t1": 1.0, "t2": 2.0, "t3": 4.0, "t4": None}
    rest.spans.create_spans(spans=[a_span(f"s-{t}", t, total_estimated_cost=cost) for t, cost in costs.items()])
    rest.traces.score_batch_of_traces(
        scores=[a_score(t, "reward", value) for t, value in (("t1", 1.0), ("t2", 0.0), ("t3", 0.5), ("t4", 1.0))]
    )
    for name, model, dataset, tags, traces in (
        ("e1", "a", "d1", ["job:1", "x"], ["t1"]),
        ("e2", "a", "d2", ["job:1"], ["t2", "t3"]),
        ("e3", "b", "d1", [], ["t4"]),
    ):
        experiment = sdk.create_experiment(
            dataset, name=name, experiment_config={"model": model, "n": 1}, tags=tags, experiment_id=uid(name)
        )
        rest.experiments.create_experiment_items(
            experiment_items=[
                ExperimentItem(experiment_id=experiment.id, dataset_item_id=uid(f"i-{t}"), trace_id=uid(t))
                for t in traces
            ]
        )
    rest.experiments.update_experiment(uid("e1"), experiment_scores=[ExperimentScore(name="pass@1", value=0.5)])
    return sdk


def _sums(sdk: opik.Opik, groups: list[dict[str, str]], **more: str) -> dict[str, AggregationData]:
    """The aggregations of the first level, by label."""
    answer = sdk.rest_client.experiments.find_experiment_groups_aggregations(groups=json.dumps(groups), **more)  # pyright: ignore[reportArgumentType]
    found = answer.content or {}
    return {str(one.label): one.aggregations for one in found.values() if one.aggregations is not None}


def test_a_group_counts_each_of_its_experiments_once(filled: opik.Opik) -> None:
    sums = _sums(filled, [BY_MODEL])
    a, b = sums["a"], sums["b"]
    assert (a.experiment_count, a.trace_count, a.total_estimated_cost) == (2, 3, 7.0)
    assert a.total_estimated_cost_avg == 2.0  # of 1 and (2 + 4) / 2, not of the three traces
    assert a.feedback_scores is not None
    assert [(s.name, s.value) for s in a.feedback_scores] == [("reward", 0.625)]
    assert a.experiment_scores is not None
    assert [(s.name, s.value) for s in a.experiment_scores] == [("pass@1", 0.5)]  # only the one that has it
    assert a.duration is not None
    assert a.duration.p50 == 2500.0
    assert (b.experiment_count, b.trace_count) == (1, 1)
    assert (b.total_estimated_cost, b.total_estimated_cost_avg, b.experiment_scores) == (None, None, None)


def test_groups_lie_within_groups_and_carry_the_names_of_datasets_and_projects(filled: opik.Opik) -> None:
    rest = filled.rest_client.experiments
    answer = rest.find_experiment_groups(groups=json.dumps([BY_MODEL, BY_DATASET]))
    datasets = {name: filled.get_dataset(name).id for name in ("d1", "d2")}
    assert answer.content is not None
    shape = {key: sorted(one.groups) for key, one in answer.content.items()}  # pyright: ignore[reportAttributeAccessIssue]
    assert shape == {"a": sorted(datasets.values()), "b": [datasets["d1"]]}
    assert answer.content["a"].label is None
    assert answer.content["b"].groups[datasets["d1"]]["label"] == "d1"  # pyright: ignore[reportAttributeAccessIssue]
    assert answer.details is not None
    assert answer.details.groups_details is not None
    assert [one.group_sorting for one in answer.details.groups_details] == [["b", "a"], ["d1", "d2"]]

    sums = rest.find_experiment_groups_aggregations(groups=json.dumps([BY_PROJECT, BY_MODEL])).content or {}
    (project,) = sums.values()
    assert project.label == PROJECT
    assert project.aggregations is not None
    assert (project.aggregations.experiment_count, project.aggregations.total_estimated_cost) == (3, 7.0)
    assert project.groups["b"]["aggregations"]["experiment_count"] == 1  # pyright: ignore[reportAttributeAccessIssue]


def test_an_experiment_is_in_the_group_of_each_of_its_tags(filled: opik.Opik) -> None:
    sums = _sums(filled, [BY_TAG])
    assert {tag: one.experiment_count for tag, one in sums.items()} == {"job:1": 2, "x": 1, "": 1}
    # The group around two of its tags holds it twice, as in Opik.
    assert _sums(filled, [BY_MODEL, BY_TAG])["a"].experiment_count == 3


def test_a_group_of_what_is_gone_says_so(filled: opik.Opik) -> None:
    filled.delete_dataset("d2")
    assert {label: one.experiment_count for label, one in _sums(filled, [BY_DATASET]).items()} == {
        "d1": 2,
        "__DELETED": 1,
    }


def _filter(field: str, operator: str, value: str, key: str = "") -> str:
    return json.dumps([{"field": field, "operator": operator, "key": key, "value": value}])


def test_filters_choose_the_experiments_of_the_groups_and_of_the_list(filled: opik.Opik) -> None:
    prompt = filled.create_prompt("rubric", "one")
    filled.create_experiment("d1", name="e4", experiment_config={"model": "c"}, prompts=[prompt])
    linked = str(prompt.__internal_api__prompt_id__)
    project = filled.rest_client.projects.retrieve_project(name=PROJECT).id
    dataset = filled.get_dataset("d2").id
    for chosen, names in (
        (_filter("tags", "contains", "job:1"), ["e2", "e1"]),
        (_filter("metadata", "=", "b", "model"), ["e3"]),
        (_filter("dataset_id", "=", dataset), ["e2"]),
        (_filter("project_id", "=", str(project)), ["e4", "e3", "e2", "e1"]),
        (_filter("feedback_scores", ">", "0.3", "reward"), ["e3", "e1"]),
        (_filter("experiment_scores", "=", "0.5", "pass@1"), ["e1"]),
        (_filter("prompt_ids", "contains", linked), ["e4"]),
        (_filter("prompt_ids", "contains", uid("none")), []),
    ):
        found = filled.rest_client.experiments.find_experiments(filters=chosen, size=100).content or []
        by_name = {one.name for one in found}
        assert by_name == set(names), chosen
        counted = sum(one.experiment_count or 0 for one in _sums(filled, [BY_MODEL], filters=chosen).values())
        assert counted == len(names), chosen
    assert [one.name for one in filled.rest_client.experiments.find_experiments(prompt_id=linked).content or []] == [
        "e4"
    ]
    assert list(_sums(filled, [BY_MODEL], name="E3")) == ["b"]
    assert list(_sums(filled, [BY_MODEL], types='["trial"]')) == []
    assert list(_sums(filled, [BY_MODEL], project_id=uid("none"))) == []


@pytest.mark.parametrize("path", ["groups", "groups/aggregations"])
@pytest.mark.parametrize(
    "groups",
    [None, "", "[]", "{", '[{"field": "name"}]', '[{"field": "metadata", "key": " "}]', json.dumps([BY_TAG] * 6)],
)
def test_groups_that_are_none_are_refused(server: EmbeddedOpik, path: str, groups: str | None) -> None:
    given = {} if groups is None else {"groups": groups}
    answer = httpx.get(f"{server.url}/v1/private/experiments/{path}", params=given)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("metadata", "key", "text"),
    [
        ({"a": "x"}, "a", "x"),
        ({"a": {"b": 2}}, "$.a.b", "2"),
        ({"a": [{"b": "y"}]}, "a[0].b", "y"),
        ({"a": True}, "a", "true"),
        ({"a": None}, "a", ""),
        ({"a": {"b": 1}}, "a", ""),
        (None, "a", ""),
    ],
)
def test_a_group_by_metadata_is_of_the_scalars_text(
    sdk: opik.Opik, metadata: dict[str, object] | None, key: str, text: str
) -> None:
    sdk.create_experiment("d", experiment_config=metadata)
    assert list(_sums(sdk, [BY_MODEL | {"key": key}])) == [text]
