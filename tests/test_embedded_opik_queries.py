"""Every field and operator of the SDK's query language finds what it asks for, or nothing, and is never refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import opik
import pytest
from embedded import PROJECT, a_score, a_span, a_trace, uid
from opik.api_objects import opik_query_language as oql
from opik.rest_api.types.experiment_item import ExperimentItem
from opik.rest_api.types.prompt_version_detail import PromptVersionDetail

from adapter.embedded_opik import EmbeddedOpik

VALUES = {
    "string": '"x"',
    "number": "1",
    "date_time": '"2026-01-01T00:00:00Z"',
    "list": '"x"',
    "enum": '"llm"',
    "dictionary": '"1"',
    "map": '"x"',
    "feedback_scores_number": "0.5",
}
KEYED = {"dictionary", "map", "feedback_scores_number"}
UNKNOWN = {"guardrails"}
"""Fields of what the store does not have."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[opik.Opik]:
    """Two rows of everything that can be asked for."""
    path: Path = tmp_path_factory.mktemp("queries") / "store.db"
    with pytest.MonkeyPatch.context() as patch, EmbeddedOpik(path) as store:
        patch.delenv("SSL_CERT_FILE", raising=False)
        sdk = opik.Opik(host=store.url, workspace="default", project_name=PROJECT, _show_misconfiguration_message=False)
        rest = sdk.rest_client
        failed = {"exception_type": "E", "traceback": "tb"}
        rest.traces.create_traces(
            traces=[
                a_trace("t1", thread_id="talk", environment="canary"),
                a_trace("t2", thread_id="other", tags=[], error_info=failed, end_time=None),
            ]
        )
        rest.spans.create_spans(
            spans=[a_span("s1"), a_span("s2", type="tool", usage=None, error_info=failed, environment="canary")]
        )
        rest.traces.score_batch_of_traces(scores=[a_score("t1", "reward", 1.0)])
        rest.spans.score_batch_of_spans(scores=[a_score("s1", "quality", 0.25), a_score("s2", "quality", 0.75)])
        sdk.create_dataset("d").insert([{"id": uid("i1"), "city": "Rome", "n": 1}, {"id": uid("i2"), "city": "Oslo"}])
        sdk.create_experiment("d", name="e", experiment_id=uid("e1"))
        item = ExperimentItem(experiment_id=uid("e1"), dataset_item_id=uid("i1"), trace_id=uid("t1"))
        rest.experiments.create_experiment_items(experiment_items=[item])
        rest.prompts.create_prompt_version(name="p", version=PromptVersionDetail(template="one"), project_name=PROJECT)
        queue = sdk.create_traces_annotation_queue("q")
        queue.add_traces(sdk.search_traces(filter_string='name = "t1"'))
        yield sdk
        sdk.end()


def _queries(config: oql.OQLConfig) -> Iterator[str]:
    """One query for every field and operator that the SDK lets through."""
    for column, kind in config.columns.items():
        if column in UNKNOWN:
            continue
        name = f"{column}.key" if kind in KEYED else column
        for operator in config.supported_operators.get(column, config.supported_operators["default"]):
            if operator in {"is_empty", "is_not_empty"}:
                yield f"{name} {operator}"
            elif operator in {"in", "not_in"}:
                yield f'{name} {operator} ("llm", "tool")'
            else:
                yield f"{name} {operator} {VALUES[kind]}"


SEARCHES: Mapping[str, tuple[oql.OQLConfig, Callable[[opik.Opik, str], object]]] = {
    "traces": (oql.TraceOQLConfig(), lambda sdk, query: sdk.search_traces(filter_string=query)),
    "spans": (oql.SpanOQLConfig(), lambda sdk, query: sdk.search_spans(filter_string=query)),
    "threads": (oql.ThreadOQLConfig(), lambda sdk, query: sdk.search_threads(filter_string=query)),
    "dataset items": (
        oql.DatasetItemOQLConfig(),
        lambda sdk, query: sdk.get_dataset("d").get_items(filter_string=query),
    ),
    "prompt versions": (
        oql.PromptVersionOQLConfig(),
        lambda sdk, query: sdk.get_prompt_history("p", filter_string=query),
    ),
}


@pytest.mark.parametrize("kind", SEARCHES)
def test_every_query_the_sdk_lets_through_is_answered(filled: opik.Opik, kind: str) -> None:
    config, search = SEARCHES[kind]
    queries = list(_queries(config))
    assert len(queries) > 40
    for query in queries:
        assert isinstance(search(filled, query), list), query


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("span_feedback_scores.quality = 0.5", ["t1"]),  # the mean of its spans
        ("span_feedback_scores.quality is_empty", ["t2"]),
        ("usage.total_tokens = 12 AND usage.prompt_tokens = 10 AND usage.completion_tokens < 3", ["t1"]),
        ("duration = 2000", ["t1"]),
        ("llm_span_count = 1", ["t1"]),
        ("llm_span_count = 0", ["t2"]),
        (f'experiment_id = "{uid("e1")}"', ["t1"]),
        (f'experiment_id != "{uid("e1")}"', ["t2"]),
        (f'experiment_id starts_with "{uid("e1")[:20]}"', ["t1"]),
        ("annotation_queue_ids is_empty", ["t2"]),
        ('environment = "canary"', ["t1"]),
        ('environment in ("canary", "x")', ["t1"]),
        ("error_info is_not_empty", ["t2"]),
        ("error_info is_empty", ["t1"]),
        ('input_json.task = "t2"', ["t2"]),
        ("total_estimated_cost > 0.4", ["t1"]),
        ("feedback_scores.reward >= 1", ["t1"]),
        ('thread_id contains "TAL"', ["t1"]),
    ],
)
def test_the_fields_of_traces_hold_what_their_names_say(filled: opik.Opik, query: str, names: list[str]) -> None:
    assert [trace.name for trace in filled.search_traces(filter_string=query)] == names


@pytest.mark.parametrize(
    ("query", "cities"),
    [
        ('data.city = "rome"', ["Rome"]),
        ('data.n = "1"', ["Rome"]),
        ('full_data contains "osl"', ["Oslo"]),
        (f'id = "{uid("i2")}"', ["Oslo"]),
        ('source = "sdk" AND tags is_empty', ["Oslo", "Rome"]),
        (f'created_at > "{datetime.max.replace(tzinfo=UTC, microsecond=0).isoformat()}"', []),
    ],
)
def test_dataset_items_are_filtered_where_they_are_read(filled: opik.Opik, query: str, cities: list[str]) -> None:
    dataset = filled.get_dataset("d")
    assert sorted(item["city"] for item in dataset.get_items(filter_string=query)) == cities
    chunks = dataset.stream_items(filter_string=query)
    assert sorted(item["city"] for chunk in chunks for item in chunk) == cities


def test_experiment_items_are_filtered_by_their_traces(filled: opik.Opik) -> None:
    client = filled.get_experiments_client()

    def found(query: str | None) -> list[str]:
        items = client.find_experiment_items_for_dataset("d", [uid("e1")], filter_string=query, project_name=PROJECT)
        return [item.trace_id for item in items]

    assert found(None) == [uid("t1")]
    assert found("feedback_scores.reward > 0.5 AND duration < 3000") == [uid("t1")]
    assert found("feedback_scores.reward > 1") == []
