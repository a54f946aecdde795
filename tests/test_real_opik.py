"""What a real Opik does and the embedded store does not do by itself: each is put before the upload by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from builder import JobBuilder, agent_step, read_one, user_step
from opik.rest_api.core.api_error import ApiError
from opik.rest_api.types import FeedbackScoreBatchItem

from adapter import opik_rest
from adapter.embedded_opik import EmbeddedOpik
from adapter.opik_connection import Connection
from adapter.opik_store import OpikStore
from adapter.opik_stored import FoundRow, by_key
from adapter.trial import Trial
from judges.criteria import criteria
from pipelines import upload as stage
from pipelines.cost import price_trial
from pipelines.doubles import sort_out
from pipelines.judge import judge_trial, store_verdicts
from pipelines.upload import Uploaded

NOW = datetime.now(UTC)
READ = ("Read", {"file_path": "a.py"}, "x = 1")


def store_trial(trial: Trial, store: OpikStore, age: timedelta = timedelta(0)) -> Uploaded:
    priced = (trial, price_trial(trial))
    return stage.upload(
        trial.job_id, [priced], lambda _: priced, store, lambda _: None, clock=lambda: datetime.now(UTC) + age
    )


def wasteful(job: JobBuilder) -> Trial:
    """A trial that reads one file twice: its step 3 is flagged."""
    return read_one(job, job.trial(steps=[user_step(), agent_step("", READ), agent_step("", READ)]))


def test_a_trace_that_is_named_once_for_each_of_its_experiments_is_one_row() -> None:
    row = FoundRow.model_validate({"id": "t", "start_time": NOW, "metadata": {"kilobench_key": "j/t"}})
    traces = by_key([row, row.model_copy()])
    assert traces["j/t"].twins == ()
    assert sort_out(traces, {}).strays == frozenset()


@pytest.mark.parametrize("age", [timedelta(0), timedelta(days=30)], ids=["fresh", "old"])
def test_a_span_that_stands_under_another_now_is_there_once(
    tmp_path: Any, server: EmbeddedOpik, connection: Connection, age: timedelta
) -> None:
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial(steps=[user_step(), agent_step("One.", cost=0.5), agent_step("Two.", cost=0.25)]))
    store = OpikStore(connection, "test")
    store_trial(trial, store)
    moved = replace(trial, steps=tuple(replace(step, segment="draft") for step in trial.steps))
    store_trial(moved, store, age)
    spans = connection.client.search_spans(project_name="test", max_results=100)
    (draft,) = [span for span in spans if span.name == "draft"]
    assert [span.parent_span_id for span in spans if span.type == "llm"] == [draft.id, draft.id]
    (trace,) = connection.client.search_traces(project_name="test")
    assert trace.total_estimated_cost == 0.75


def test_an_update_that_names_another_parent_is_refused_as_by_opik(tmp_path: Any, connection: Connection) -> None:
    job = JobBuilder(tmp_path)
    store_trial(wasteful(job), OpikStore(connection, "test"))
    spans = connection.client.search_spans(project_name="test")
    (tool, *_) = [span for span in spans if span.type == "tool"]
    (other,) = [span for span in spans if span.type == "llm" and span.id != tool.parent_span_id]
    with pytest.raises(ApiError) as refused:
        connection.client.rest_client.spans.update_span(
            str(tool.id), trace_id=str(tool.trace_id), parent_span_id=other.id, project_name="test"
        )
    assert refused.value.status_code == 409


def scored(connection: Connection, name: str) -> list[tuple[float, str | None]]:
    spans = connection.client.search_spans(project_name="test")
    return [(one.value, one.source) for span in spans for one in span.feedback_scores or [] if one.name == name]


def test_what_a_person_scored_under_a_judges_name_stays(tmp_path: Any, connection: Connection) -> None:
    trial = wasteful(JobBuilder(tmp_path))
    store = OpikStore(connection, "test")
    first = store_trial(trial, store)
    flagged = first.spans[f"{trial.job_id}/{trial.trial_id}/3"]
    label = FeedbackScoreBatchItem(id=flagged.id, project_name="test", name="efficiency", value=1.0, source="ui")
    connection.client.rest_client.spans.score_batch_of_spans(scores=[label])
    again = store_trial(trial, store)
    judgement = judge_trial(trial)
    assert {score.key for score in judgement.on_spans} == {f"{trial.job_id}/{trial.trial_id}/3"}
    store_verdicts([judgement], again.traces, again.spans, store)
    assert scored(connection, "efficiency") == [(1.0, "ui")]


def test_a_verdict_is_taken_away_for_its_author_alone(tmp_path: Any, connection: Connection) -> None:
    trial = wasteful(JobBuilder(tmp_path))
    store = OpikStore(connection, "test")
    uploaded = store_trial(trial, store)
    store_verdicts([judge_trial(trial)], uploaded.traces, uploaded.spans, store)
    stored = store_trial(trial, store).spans.values()
    (verdict,) = [score for row in stored for scores in row.scores.values() for score in scores]
    assert verdict.author == "admin"
    store.delete_span_score(replace(verdict, author="somebody else"))
    assert len(scored(connection, "efficiency")) == 1
    store.delete_span_score(verdict)
    assert scored(connection, "efficiency") == []


def test_more_tokens_than_a_score_can_hold_are_no_score(tmp_path: Any, connection: Connection) -> None:
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial(steps=[agent_step("x", tokens=(2_000_000_000, 5, 0)) for _ in range(2)]))
    store = OpikStore(connection, "test")
    store_trial(trial, store)
    assert store.refused == {}
    (trace,) = connection.client.search_traces(project_name="test")
    assert "tokens" not in {score.name for score in trace.feedback_scores or []}


def test_a_dataset_of_another_project_keeps_its_items(
    tmp_path: Any, server: EmbeddedOpik, connection: Connection
) -> None:
    trial = wasteful(JobBuilder(tmp_path))
    assert store_trial(trial, OpikStore(connection, "first")).written.dataset_items == 1
    second = OpikStore(connection, "second")
    assert store_trial(trial, second).written.dataset_items == 0
    assert store_trial(trial, second).written.dataset_items == 0
    assert len(connection.client.get_dataset("set", project_name="first").get_items()) == 1


def test_a_prompt_that_opik_does_not_take_is_named_and_the_rest_is_stored(
    tmp_path: Any, server: EmbeddedOpik, kilobench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opik_rest, "sleep", lambda _: None)
    job = JobBuilder(tmp_path)
    job.trial()

    def taken(*_: object, **__: object) -> None:
        raise ApiError(status_code=409, body="Prompt id or name already exists")

    monkeypatch.setattr("opik.rest_api.prompts.client.PromptsClient.create_prompt_version", taken)
    result = kilobench("run", job.path, "--opik", server.url, "--json")
    assert result.code == 3
    assert {one["path"] for one in result.json["skipped"]} == {f"prompt kilobench.{name}" for name in criteria()}
    assert result.json["written"]["traces"] == 1
