"""Whatever happened to a job since its last upload, Opik then holds what a fresh upload would: no more, no less."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, user_step

from adapter.embedded_opik import EmbeddedOpik
from adapter.harbor import read_trial
from adapter.jobs import read_job
from adapter.opik_connection import connect
from adapter.opik_rows import KEY, trial_key
from adapter.opik_store import OpikStore
from adapter.trial import Trial
from pipelines.cost import price_trial
from pipelines.judge import judge_trial, store_verdicts
from pipelines.upload import Uploaded, now, upload

READ = ("Read", {"file_path": "a.py"}, "x = 1")


@pytest.fixture
def job(tmp_path: Path) -> JobBuilder:
    """Two trials with costs, tokens, rewards, an exception and flagged steps."""
    made = JobBuilder(tmp_path)
    for name in ("a__1", "b__1"):
        made.trial(
            name,
            exception="AgentTimeoutError",
            reward=0.0,
            steps=[
                user_step(),
                agent_step("One.", READ, cost=0.5),
                agent_step("Two.", READ, cost=0.25, at="2026-03-01T10:02:00Z"),
            ],
        )
    return made


def read(job: JobBuilder) -> list[Trial]:
    found = read_job(job.path)
    return [read_trial(found, folder) for folder in found.trials]


def store_job(trials: list[Trial], store: OpikStore, clock: Callable[[], datetime] = now) -> Uploaded:
    """Uploads and judges, as a run does."""
    priced = {trial_key(trial): (trial, price_trial(trial)) for trial in trials}
    again = priced.__getitem__
    uploaded = upload(trials[0].job_id, priced.values(), again, store, lambda _: None, clock, (0.0,))
    uploaded.written.scores += store_verdicts(
        [judge_trial(trial) for trial in trials], uploaded.traces, uploaded.spans, store
    )
    return uploaded


@contextmanager
def opened(path: Path) -> Iterator[OpikStore]:
    with EmbeddedOpik(path) as server, connect(server.url, "test") as connection:
        yield OpikStore(connection, "test")


def contents(store: OpikStore) -> dict[str, Any]:
    """All that is stored of ours, by key and name in place of ids."""
    client = store.connection.client
    traces = client.search_traces(project_name="test", max_results=1000, truncate=False)
    spans = client.search_spans(project_name="test", max_results=1000, truncate=False)
    rows = [row for row in [*traces, *spans] if isinstance(row.metadata, dict) and KEY in row.metadata]
    keys = {row.id: row.metadata[KEY] for row in rows}

    def content(row: Any) -> dict[str, Any]:
        names = ("name", "type", "start_time", "end_time", "input", "output", "metadata", "model", "provider", "usage")
        found = {name: getattr(row, name, None) for name in (*names, "error_info")}
        found["cost"] = None if row.total_estimated_cost is None else round(row.total_estimated_cost, 9)
        found["parent"] = keys.get(getattr(row, "parent_span_id", None))
        found["trace"] = keys.get(getattr(row, "trace_id", None))
        found["tags"] = sorted(row.tags or [])
        found["scores"] = {one.name: (one.value, one.category_name, one.reason) for one in row.feedback_scores or []}
        return found

    experiments = client.rest_client.experiments.find_experiments(size=100).content or []
    assert len({keys[row.id] for row in rows}) == len(rows), "a key is stored twice"
    return {
        "rows": {keys[row.id]: content(row) for row in rows},
        "experiments": {
            one.name: sorted(keys[trace] for trace in store.experiment_items(str(one.name), str(one.id)).values())
            for one in experiments
        },
        "items": {
            name: sorted((item["task"], item["instruction"]) for item in store.dataset(name).values())
            for name in {str(one.dataset_name) for one in experiments}
        },
    }


def edit(job: JobBuilder, name: str, change: Callable[[dict[str, Any]], None], file: str = "result.json") -> None:
    path = job.path / name / file
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def edit_steps(job: JobBuilder, change: Callable[[list[dict[str, Any]]], None]) -> None:
    edit(job, "a__1", lambda value: change(value["steps"]), "agent/trajectory.json")


def no_costs(steps: list[dict[str, Any]]) -> None:
    for step in steps:
        step.pop("metrics", None)


CHANGES: dict[str, Callable[[JobBuilder], None]] = {
    "nothing": lambda _: None,
    "the reward flips": lambda job: edit(job, "a__1", lambda it: it.update(verifier_result={"rewards": {"reward": 1}})),
    "the reward is gone": lambda job: edit(job, "a__1", lambda it: it.update(verifier_result=None)),
    "a reward key is gone": lambda job: (
        edit(job, "a__1", lambda it: it["verifier_result"]["rewards"].update(other=1)),
        edit(job, "a__1", lambda it: it["verifier_result"]["rewards"].pop("other")),
    )[-1],
    "the exception is gone": lambda job: edit(job, "a__1", lambda it: it.update(exception_info=None)),
    "the end is gone": lambda job: edit(job, "a__1", lambda it: it.update(finished_at=None, agent_execution=None)),
    "the costs are gone": lambda job: edit_steps(job, no_costs),
    "a step is gone": lambda job: edit_steps(job, lambda steps: steps.pop()),
    "a step has come": lambda job: edit_steps(job, lambda steps: steps.append({"step_id": 4} | agent_step("Three."))),
    "a message changed": lambda job: edit_steps(job, lambda steps: steps[1].update(message="Better read.")),
    "a time changed": lambda job: edit_steps(job, lambda steps: steps[1].update(timestamp="2026-03-01T10:01:30Z")),
    "a tool call is gone": lambda job: edit_steps(
        job, lambda steps: (steps[2].pop("tool_calls"), steps[2].pop("observation"))[0]
    ),
    "the trajectory is gone": lambda job: (job.path / "a__1" / "agent" / "trajectory.json").unlink(),
    "the model was another": lambda job: edit(
        job, "a__1", lambda it: it["agent_info"].update(model_info={"name": "gpt-5", "provider": "openai"})
    ),
    "the dataset was another": lambda job: edit(job, "a__1", lambda it: it.update(source="other")),
    "a trial has come": lambda job: (job.trial("c__1"), None)[-1],
}


@pytest.mark.parametrize("age", [timedelta(0), timedelta(days=30)], ids=["today", "a month ago"])
@pytest.mark.parametrize("change", CHANGES)
def test_after_a_change_opik_holds_what_a_fresh_upload_would(
    tmp_path: Path, job: JobBuilder, change: str, age: timedelta
) -> None:
    with opened(tmp_path / "used.db") as used, opened(tmp_path / "fresh.db") as fresh:
        store_job(read(job), used, clock=lambda: datetime.now(UTC) - age)
        CHANGES[change](job)
        store_job(read(job), used)
        store_job(read(job), fresh)
        found, expected = contents(used), contents(fresh)
        # What a dataset knows of its tasks stays: other jobs may rest on it.
        del found["items"], expected["items"]
        assert found == expected
        again = store_job(read(job), used).written
        assert not any(getattr(again, name) for name in again.__slots__)


def test_rows_keep_their_ids_when_they_only_change(tmp_path: Path, job: JobBuilder) -> None:
    with opened(tmp_path / "opik.db") as store:
        first = store_job(read(job), store, clock=lambda: datetime.now(UTC) - timedelta(days=30))
        edit_steps(job, lambda steps: steps[1].update(message="Better read."))
        second = store_job(read(job), store)
        assert {row.id for row in second.spans.values()} == {row.id for row in first.spans.values()}


def test_a_trial_that_cannot_be_read_this_time_loses_nothing_in_opik(tmp_path: Path, job: JobBuilder) -> None:
    with opened(tmp_path / "opik.db") as store:
        trials = read(job)
        store_job(trials, store)
        before = contents(store)
        uploaded = store_job(trials[:1], store)
        assert contents(store) == before
        assert uploaded.strangers == 1


def test_a_persons_label_is_never_touched(tmp_path: Path, job: JobBuilder) -> None:
    with opened(tmp_path / "opik.db") as store:
        uploaded = store_job(read(job), store)
        key = next(key for key, row in uploaded.spans.items() if "efficiency" not in row.scores and key.count("/") == 2)
        store.connection.client.rest_client.spans.add_span_feedback_score(
            uploaded.spans[key].id, name="tool_choice", value=1.0, source="ui", category_name="correct"
        )
        assert store_job(read(job), store).written.scores == 0
        scores = contents(store)["rows"][key]["scores"]
        assert scores["tool_choice"] == (1.0, "correct", None)


class Slow(OpikStore):
    """Shows no span before the second round, hours later."""

    looks = 0

    def find_spans(self, job_id: str) -> dict[str, Any]:
        """Nothing at first."""
        self.looks += 1
        return super().find_spans(job_id) if self.looks > 2 else {}


def test_what_is_sent_a_second_time_has_the_ids_of_the_first(tmp_path: Path, job: JobBuilder) -> None:
    times = iter(datetime(2026, 3, 1, 5, 59, 59, tzinfo=UTC) + timedelta(hours=hour) for hour in range(9))
    with opened(tmp_path / "opik.db") as store:
        store_job(read(job), Slow(store.connection, "test"), clock=lambda: next(times))
        assert len(store.connection.client.search_spans(project_name="test", max_results=100)) == 8


def test_a_project_is_the_same_in_any_case(tmp_path: Path, job: JobBuilder) -> None:
    with opened(tmp_path / "opik.db") as store:
        store_job(read(job), store)
        other = OpikStore(store.connection, "TEST")
        assert other.project == "test"
        written = store_job(read(job), other).written
        assert not any(getattr(written, name) for name in written.__slots__)


def test_a_task_keeps_the_instruction_that_one_of_its_trials_knows(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    job.trial("a__1", steps=[user_step("Fix it.")])
    job.trial("a__2", steps=[])
    with opened(tmp_path / "opik.db") as store:
        store_job(read(job), store)
        assert contents(store)["items"] == {"set": [("a", "Fix it.")]}


def test_a_text_too_long_to_send_goes_up_without_its_middle(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    info = {"exception_type": "E", "exception_message": "m", "exception_traceback": "t" * 1_000_001}
    steps = [agent_step("x", ("bash", {"command": "cat"}, "a" * 3_000_000 + "end"))]
    job.trial(steps=steps, exception_info=info)
    with opened(tmp_path / "opik.db") as store:
        store_job(read(job), store)
        found = contents(store)["rows"].values()
    (tool,) = [row for row in found if row["type"] == "tool"]
    (trace,) = [row for row in found if row["type"] is None]
    output = tool["output"]["output"]
    assert output.endswith("aend")
    assert "[... 2000003 characters left out by kilobench: " in output
    assert "characters left out" in trace["error_info"].traceback
    assert len(output) < 1_000_100
