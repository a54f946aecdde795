"""People's part: feedback definitions, annotation queues and threads, through the SDK's public methods."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import opik
import pytest
from embedded import PROJECT, T0, a_score, a_span, a_trace, uid
from opik import exceptions
from opik.rest_api.core.api_error import ApiError
from opik.rest_api.types.boolean_feedback_detail_create import BooleanFeedbackDetailCreate
from opik.rest_api.types.categorical_feedback_detail_create import CategoricalFeedbackDetailCreate
from opik.rest_api.types.feedback_create import (
    FeedbackCreate_Boolean,
    FeedbackCreate_Categorical,
    FeedbackCreate_Numerical,
)
from opik.rest_api.types.feedback_update import FeedbackUpdate_Numerical
from opik.rest_api.types.numerical_feedback_detail_create import NumericalFeedbackDetailCreate
from opik.rest_api.types.numerical_feedback_detail_update import NumericalFeedbackDetailUpdate

from adapter.embedded_opik import EmbeddedOpik


def test_feedback_definitions_of_every_kind_are_made_found_changed_and_deleted(sdk: opik.Opik) -> None:
    rest = sdk.rest_client.feedback_definitions
    rest.create_feedback_definition(
        request=FeedbackCreate_Numerical(
            name="quality", description="of a step", details=NumericalFeedbackDetailCreate(min=0, max=1)
        )
    )
    rest.create_feedback_definition(
        request=FeedbackCreate_Categorical(
            name="kind", details=CategoricalFeedbackDetailCreate(categories={"good": 1, "bad": 0})
        )
    )
    rest.create_feedback_definition(
        request=FeedbackCreate_Boolean(
            name="solved", details=BooleanFeedbackDetailCreate(true_label="yes", false_label="no")
        )
    )
    boolean, categorical, numerical = rest.find_feedback_definitions().content or []
    assert (numerical.name, numerical.type, numerical.description) == ("quality", "numerical", "of a step")
    assert numerical.details is not None
    assert (numerical.details.min, numerical.details.max) == (0, 1)  # pyright: ignore[reportAttributeAccessIssue]
    assert categorical.details is not None
    assert categorical.details.categories == {"good": 1.0, "bad": 0.0}  # pyright: ignore[reportAttributeAccessIssue]
    assert boolean.details is not None
    assert (boolean.details.true_label, boolean.details.false_label) == ("yes", "no")  # pyright: ignore[reportAttributeAccessIssue]

    assert [one.name for one in rest.find_feedback_definitions(name="QUAL").content or []] == ["quality"]
    assert [one.name for one in rest.find_feedback_definitions(type="boolean").content or []] == ["solved"]
    rest.update_feedback_definition(
        str(numerical.id),
        request=FeedbackUpdate_Numerical(name="grade", details=NumericalFeedbackDetailUpdate(min=1, max=5)),
    )
    changed = rest.get_feedback_definition_by_id(str(numerical.id))
    assert (changed.name, changed.description) == ("grade", None)
    assert changed.details is not None
    assert changed.details.max == 5  # pyright: ignore[reportAttributeAccessIssue]
    rest.delete_feedback_definition_by_id(str(numerical.id))
    rest.delete_feedback_definitions_batch(ids=[str(boolean.id), uid("none")])
    assert [one.name for one in rest.find_feedback_definitions().content or []] == ["kind"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "a", "type": "numerical", "details": {"min": 0}}, 422),
        ({"name": "a", "type": "numerical"}, 422),
        ({"name": "a", "type": "smoke", "details": {}}, 400),
        ({"name": "a", "details": {"min": 0, "max": 1}}, 400),
        ({"name": "", "type": "numerical", "details": {"min": 0, "max": 1}}, 422),
        ({"name": "a", "type": "categorical", "details": {"categories": {"one": 1}}}, 422),
        ({"name": "taken", "type": "numerical", "details": {"min": 0, "max": 1}}, 409),
    ],
)
def test_what_is_no_feedback_definition_is_refused(server: EmbeddedOpik, body: object, status: int) -> None:
    url = f"{server.url}/v1/private/feedback-definitions"
    taken = {"name": "taken", "type": "boolean", "details": {"trueLabel": "y", "falseLabel": "n"}}
    assert httpx.post(url, json=taken).status_code == 201
    assert httpx.post(url, json=body).status_code == status
    assert httpx.put(f"{url}/{uid('none')}", json=taken).status_code == 404
    assert httpx.get(url).json()["total"] == 1


def test_traces_are_queued_for_annotation_and_found_by_their_queue(sdk: opik.Opik, server: EmbeddedOpik) -> None:
    sdk.rest_client.traces.create_traces(traces=[a_trace(key) for key in ("t1", "t2", "t3")])
    queue = sdk.create_traces_annotation_queue(
        "look", description="d", instructions="i", comments_enabled=True, feedback_definition_names=["quality"]
    )
    traces = {trace.name: trace for trace in sdk.search_traces()}
    queue.add_traces([traces["t1"], traces["t2"]])
    queue.add_traces([traces["t2"]])  # again: once is enough
    assert queue.items_count == 2
    assert sorted(str(trace.name) for trace in queue.get_items()) == ["t1", "t2"]
    found = sdk.search_traces(filter_string=f'annotation_queue_ids not_contains "{queue.id}"')
    assert [trace.name for trace in found] == ["t3"]

    sdk.rest_client.traces.score_batch_of_traces(
        scores=[
            a_score("t1", "quality", 1),
            a_score("t2", "quality", 0.5),
            a_score("t1", "other", 0),
            a_score("t3", "quality", 0),
        ]
    )
    shown = sdk.rest_client.annotation_queues.get_annotation_queue_by_id(queue.id)
    assert (shown.project_name, shown.scope, shown.instructions) == (PROJECT, "trace", "i")
    assert [(s.name, s.value) for s in shown.feedback_scores or []] == [("quality", 0.75)]

    queue.remove_traces([traces["t2"]])
    assert [trace.name for trace in queue.get_items()] == ["t1"]
    sdk.rest_client.traces.delete_traces(ids=[uid("t1")])
    again = sdk.get_traces_annotation_queue(queue.id)
    assert (again.items_count, again.name, again.feedback_definition_names) == (0, "look", ["quality"])
    assert server.app.state.rows_written["annotation_queue_items", "new"] == 2


def test_queues_are_listed_by_project_and_scope_changed_and_deleted(sdk: opik.Opik) -> None:
    sdk.rest_client.projects.create_project(name="other")
    sdk.rest_client.projects.create_project(name=PROJECT)
    first = sdk.create_traces_annotation_queue("first")
    second = sdk.create_threads_annotation_queue("second")
    third = sdk.create_traces_annotation_queue("third", project_name="other")
    assert [queue.id for queue in sdk.get_traces_annotation_queues()] == [first.id]
    assert [queue.id for queue in sdk.get_threads_annotation_queues()] == [second.id]
    assert [queue.id for queue in sdk.get_traces_annotation_queues(project_name="other")] == [third.id]
    with pytest.raises(exceptions.OpikException, match="not a threads queue"):
        sdk.get_threads_annotation_queue(first.id)
    first.update(name="renamed", comments_enabled=True, feedback_definition_names=["a", "b"])
    changed = sdk.get_traces_annotation_queue(first.id)
    assert (changed.name, changed.comments_enabled, changed.feedback_definition_names) == ("renamed", True, ["a", "b"])
    first.delete()
    sdk.delete_annotation_queue(second.id)
    with pytest.raises(exceptions.OpikException, match="not found"):
        sdk.get_traces_annotation_queue(first.id)
    assert [q.name for q in sdk.rest_client.annotation_queues.find_annotation_queues(name="THI").content or []] == [
        "third"
    ]


def test_threads_are_read_scored_and_queued(sdk: opik.Opik) -> None:
    later = {"start_time": T0 + timedelta(seconds=10), "end_time": T0 + timedelta(seconds=12.5)}
    sdk.rest_client.traces.create_traces(
        traces=[
            a_trace("t1", thread_id="talk", input={"q": 1}, output={"a": 1}, environment="canary"),
            a_trace("t2", thread_id="talk", input={"q": 2}, output={"a": 2}, **later),
            a_trace("t3", thread_id="other"),
            a_trace("t4"),
        ]
    )
    sdk.rest_client.spans.create_spans(spans=[a_span("s1", "t1"), a_span("s2", "t2")])
    threads = {str(thread.id): thread for thread in sdk.search_threads()}
    assert sorted(threads) == ["other", "talk"]
    talk = threads["talk"]
    assert (talk.first_message, talk.last_message, talk.number_of_messages) == ({"q": 1}, {"a": 2}, 4)
    assert (talk.duration, talk.total_estimated_cost) == (12500.0, 0.5)
    assert talk.usage == {"prompt_tokens": 20, "completion_tokens": 4, "total_tokens": 24}

    sdk.log_threads_feedback_scores([{"id": "talk", "name": "tone", "value": 0.75, "reason": "kind"}])
    assert sdk.flush()
    for query, names in (
        ('id = "talk"', ["talk"]),
        ("feedback_scores.tone > 0.5", ["talk"]),
        ("feedback_scores.tone is_empty", ["other"]),
        ("number_of_messages > 2", ["talk"]),
        ("duration > 2000", ["talk"]),
        ('status = "active" AND first_message contains "t3"', ["other"]),
        (f'start_time > "{T0.isoformat()}"', []),
    ):
        assert [thread.id for thread in sdk.search_threads(filter_string=query)] == names, query
    (scored,) = sdk.search_threads(filter_string='id = "talk"')
    assert [(s.name, s.value, s.reason) for s in scored.feedback_scores or []] == [("tone", 0.75, "kind")]

    queue = sdk.create_threads_annotation_queue("look")
    queue.add_threads([talk])
    assert [thread.id for thread in queue.get_items()] == ["talk"]
    assert queue.items_count == 1
    queue.remove_threads([talk])
    assert queue.get_items() == []
    sdk.rest_client.traces.delete_thread_feedback_scores(project_name=PROJECT, thread_id="talk", names=["tone"])
    assert sdk.rest_client.traces.get_trace_thread(thread_id="talk", project_name=PROJECT).feedback_scores is None
    with pytest.raises(ApiError) as missing:
        sdk.rest_client.traces.get_trace_thread(thread_id="none", project_name=PROJECT)
    assert missing.value.status_code == 404


def test_threads_come_page_by_page_with_either_id_as_the_cursor(sdk: opik.Opik, server: EmbeddedOpik) -> None:
    sdk.rest_client.traces.create_traces(traces=[a_trace(f"t{n}", thread_id=f"thread {n}") for n in range(5)])
    url = f"{server.url}/v1/private/traces/threads/search"
    for cursor in ("id", "thread_model_id"):
        seen: list[str] = []
        after: dict[str, str] = {}
        while True:
            body = {"project_name": PROJECT, "limit": 2, **after}
            page = [json.loads(line) for line in httpx.post(url, json=body).text.splitlines()]
            if not page:
                break
            seen += [thread["id"] for thread in page]
            after = {"last_retrieved_thread_model_id": page[-1][cursor]}
        assert sorted(seen) == [f"thread {n}" for n in range(5)]
    assert httpx.post(url, json={"project_name": PROJECT, "last_retrieved_thread_model_id": "none"}).status_code == 400


def test_the_author_of_a_score_is_the_user_and_only_a_delete_asks_for_one(sdk: opik.Opik) -> None:
    sdk.rest_client.traces.create_traces(traces=[a_trace("t1")])
    for author, value in (("somebody", 1.0), ("else", 0.5)):
        score = a_score("t1", "quality", value).model_copy(update={"author": author})
        sdk.rest_client.traces.score_batch_of_traces(scores=[score])
    (shown,) = sdk.get_trace_content(uid("t1")).feedback_scores or []
    assert (shown.value, shown.created_by) == (0.5, "admin")
    assert list(shown.value_by_author or {}) == ["admin"]
    sdk.rest_client.traces.delete_trace_feedback_score(uid("t1"), name="quality", author="somebody")
    assert sdk.get_trace_content(uid("t1")).feedback_scores is not None
    sdk.delete_trace_feedback_score(uid("t1"), "quality")
    assert sdk.get_trace_content(uid("t1")).feedback_scores is None


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "", {"name": "q", "scope": "span", "project_id": uid("p")}, 400),
        ("POST", "", {"name": "q", "scope": "trace", "project_id": uid("none")}, 404),
        ("POST", f"/{uid('q')}/items/add", {"ids": [uid("t")]}, 404),
        ("POST", f"/{uid('q')}/items/add", {"ids": []}, 422),
        ("PATCH", f"/{uid('q')}", {"name": "x"}, 404),
        ("PATCH", f"/{uid('q')}", {"automation": {"enabled": True}}, 501),
    ],
)
def test_what_is_no_queue_is_refused(server: EmbeddedOpik, method: str, path: str, body: object, status: int) -> None:
    answer = httpx.request(method, f"{server.url}/v1/private/annotation-queues{path}", json=body)
    assert answer.status_code == status
