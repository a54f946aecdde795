"""What is in Opik after an upload, read back with the SDK itself: the job, once, whatever happened on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, user_step

from adapter.costs import TrialCost
from adapter.embedded_opik import EmbeddedOpik
from adapter.errors import IncompleteError
from adapter.harbor import read_trial
from adapter.jobs import read_job
from adapter.opik_connection import Connection, connect
from adapter.opik_rows import Row, rows, trial_key
from adapter.opik_store import BATCH_ROWS, OpikStore, Score, Stored
from adapter.trial import Finding, Severity, Trial
from pipelines import upload as stage
from pipelines.cost import price_trial
from pipelines.judge import judge_trial, store_verdicts
from pipelines.upload import Uploaded, Written

NOTHING = Written()


def nothing(_: int) -> None:
    """No progress bar."""


def upload(trials: list[tuple[Trial, TrialCost]], store: OpikStore, *more: Any, **options: Any) -> Uploaded:
    """Stores the trials of one job; what is asked for again comes from the same list."""
    by_key = {trial_key(trial): (trial, cost) for trial, cost in trials}
    return stage.upload(trials[0][0].job_id, trials, by_key.__getitem__, store, *more, **options)


def priced(job: JobBuilder) -> list[tuple[Trial, TrialCost]]:
    read = read_job(job.path)
    trials = [read_trial(read, folder) for folder in read.trials]
    return [(trial, price_trial(trial)) for trial in trials]


@pytest.fixture
def job(tmp_path: Path) -> JobBuilder:
    """Two models on two tasks: a pass, a crash that passed, a timeout without steps, a run of several steps."""
    made = JobBuilder(tmp_path)
    made.trial("a__1", steps=[user_step("Fix a."), agent_step("Done.", ("bash", {"command": "ls"}, "a.py"), cost=0.25)])
    made.trial("b__1", exception="NonZeroAgentExitCodeError")
    made.trial("a__2", model="anthropic/claude-sonnet-4-5", reward=0.0, exception="AgentTimeoutError", steps=[])
    made.trial(
        "b__2",
        model="anthropic/claude-sonnet-4-5",
        steps=[
            user_step("Fix b."),
            agent_step(
                "Look.",
                ("Read", {"file_path": "b.py"}, "x"),
                ("Bash", {"command": "id"}, None),
                at="2026-03-01T10:01:00Z",
            ),
            agent_step("Fixed.", tokens=None, at="2026-03-01T10:02:00Z", reasoning="It was simple."),
            user_step("Thanks."),
        ],
    )
    return made


def test_every_row_of_a_job_is_stored_with_what_it_says(job: JobBuilder, connection: Connection) -> None:
    store = OpikStore(connection, "test")
    uploaded = upload(priced(job), store, nothing)
    assert uploaded.written == Written(traces=4, spans=8, scores=11, dataset_items=2, experiments=2, experiment_items=4)

    traces = {trace.name: trace for trace in connection.client.search_traces(project_name="test", truncate=False)}
    assert set(traces) == {"job/a__1", "job/b__1", "job/a__2", "job/b__2"}
    timeout = traces["job/a__2"]
    assert timeout.error_info is not None
    assert (timeout.error_info.exception_type, timeout.error_info.message) == ("AgentTimeoutError", "it broke")
    assert {score.name: score.value for score in timeout.feedback_scores or []} == {"reward": 0}
    good = traces["job/a__1"]
    assert {score.name: score.value for score in good.feedback_scores or []} == {
        "reward": 1,
        "cost_usd": 0.25,
        "steps": 1,
        "tokens": 1050,
    }
    assert isinstance(good.metadata, dict)
    assert (good.metadata["variant"], good.metadata["status"]) == ("toy@1.0/openai/gpt-5-mini", "passed")
    assert isinstance(good.input, dict)
    assert good.input["instruction"] == "Fix a."

    spans = connection.client.search_spans(project_name="test", truncate=False)
    of_good = {span.type: span for span in spans if span.trace_id == good.id}
    llm, tool = of_good["llm"], of_good["tool"]
    assert (llm.model, llm.provider, llm.total_estimated_cost) == ("gpt-5-mini", "openai", 0.25)
    assert llm.usage is not None
    assert (llm.usage["prompt_tokens"], llm.usage["completion_tokens"], llm.usage["total_tokens"]) == (1000, 50, 1050)
    assert (llm.start_time, llm.end_time) == (
        datetime(2026, 3, 1, 10, 1, tzinfo=UTC),
        datetime(2026, 3, 1, 10, 5, tzinfo=UTC),
    )
    assert (tool.parent_span_id, tool.name, tool.input, tool.output) == (
        llm.id,
        "bash",
        {"command": "ls"},
        {"output": "a.py"},
    )


def test_where_the_cost_is_unknown_opik_gets_nothing_to_make_one_up_from(
    tmp_path: Path, connection: Connection
) -> None:
    job = JobBuilder(tmp_path)
    job.trial(model="nobody/knows-this", steps=[agent_step("x")])
    upload(priced(job), OpikStore(connection, "test"), nothing)
    (span,) = connection.client.search_spans(project_name="test")
    assert span.total_estimated_cost is None
    assert span.usage is not None
    assert not any("prompt" in key or "completion" in key or key.startswith("original_usage") for key in span.usage)


def test_experiments_hold_one_item_per_trial_and_one_dataset_item_per_task(
    job: JobBuilder, connection: Connection
) -> None:
    upload(priced(job), OpikStore(connection, "test"), nothing)
    items = connection.client.get_dataset("set", project_name="test").get_items()
    assert sorted(str(item["task"]) for item in items) == ["a", "b"]
    found = connection.client.rest_client.experiments.find_experiments(size=10).content or []
    assert {one.name: one.trace_count for one in found} == {
        "set/toy@1.0/openai/gpt-5-mini/job": 2,
        "set/toy@1.0/anthropic/claude-sonnet-4-5/job": 2,
    }
    for one in found:
        assert isinstance(one.metadata, dict)
        assert one.metadata["agent_version"] == "1.0"
        assert one.metadata["dataset_version"] == "2.0"


def test_a_second_upload_changes_nothing_and_sends_nothing(
    job: JobBuilder, server: EmbeddedOpik, connection: Connection
) -> None:
    store = OpikStore(connection, "test")
    first = upload(priced(job), store, nothing)
    before = writes(server)
    second = upload(priced(job), store, nothing)
    assert second.written == NOTHING
    assert writes(server) == before
    assert (second.traces, second.spans.keys()) == (
        {key: replace(row, scores=second.traces[key].scores) for key, row in first.traces.items()},
        first.spans.keys(),
    )
    assert {row.id for row in second.spans.values()} == {row.id for row in first.spans.values()}


READS = ("search", "stream", "retrieve")


def writes(server: EmbeddedOpik) -> int:
    """How many requests the server got that write."""
    return sum(
        number
        for (method, path, _), number in server.app.state.requests.items()
        if method != "GET" and not path.endswith(READS)
    )


def test_another_machine_with_no_local_state_finds_the_same_rows(
    job: JobBuilder, server: EmbeddedOpik, connection: Connection
) -> None:
    first = upload(priced(job), OpikStore(connection, "test"), nothing)
    with connect(server.url, "test") as other:
        later = upload(
            priced(job), OpikStore(other, "test"), nothing, clock=lambda: datetime.now(UTC) + timedelta(days=9)
        )
    assert later.written == NOTHING
    assert {row.id for row in later.traces.values()} == {row.id for row in first.traces.values()}


def changed(job: list[tuple[Trial, TrialCost]]) -> list[tuple[Trial, TrialCost]]:
    """The same job after its reader has learnt something new about the first trial."""
    (trial, cost), *rest = job
    step, *steps = reversed(trial.steps)
    new = replace(trial, steps=(*reversed(steps), replace(step, message="Read better.")))
    return [(new.with_findings(Finding("new", Severity.INFO, "Noticed.")), cost), *rest]


@pytest.mark.parametrize("age", [timedelta(0), timedelta(days=30)], ids=["fresh", "older than Opik takes as new"])
def test_a_row_that_differs_is_changed_in_place(
    job: JobBuilder, server: EmbeddedOpik, connection: Connection, age: timedelta
) -> None:
    store = OpikStore(connection, "test")
    first = upload(priced(job), store, nothing)
    second = upload(changed(priced(job)), store, nothing, clock=lambda: datetime.now(UTC) + age)
    assert (second.written.traces, second.written.spans) == (1, 1)
    assert {row.id for row in second.spans.values()} == {row.id for row in first.spans.values()}
    said = [span.output for span in connection.client.search_spans(project_name="test", truncate=False)]
    assert sum(isinstance(output, dict) and output.get("message") == "Read better." for output in said) == 1
    assert upload(changed(priced(job)), store, nothing).written == NOTHING


def test_a_job_of_last_year_is_taken_by_an_opik_that_refuses_old_ids(tmp_path: Path, job: JobBuilder) -> None:
    with (
        EmbeddedOpik(tmp_path / "strict.db", ingestion_window=timedelta(hours=24)) as strict,
        connect(strict.url, "test") as open_connection,
    ):
        assert upload(priced(job), OpikStore(open_connection, "test"), nothing).written.spans == 8


class Dying(OpikStore):
    """A store whose connection dies after some calls that write."""

    calls_left = 0

    def _use(self) -> None:
        if self.calls_left == 0:
            raise IncompleteError("The connection is gone.", "Run it again.")
        self.calls_left -= 1


def _dying(name: str) -> Callable[..., object]:
    def call(self: Dying, *args: object) -> object:
        self._use()
        return getattr(OpikStore, name)(self, *args)

    return call


WRITING = (
    "send_traces",
    "send_spans",
    "dataset",
    "send_dataset_items",
    "create_experiment",
    "send_experiment_items",
    "score_traces",
)
for _name in WRITING:
    setattr(Dying, _name, _dying(_name))


@pytest.mark.parametrize("calls", range(9))
def test_an_upload_that_stopped_anywhere_is_completed_by_the_next(
    job: JobBuilder, connection: Connection, calls: int
) -> None:
    dying = Dying(connection, "test")
    dying.calls_left = calls
    with pytest.raises(IncompleteError):
        upload(priced(job), dying, nothing)
    store = OpikStore(connection, "test")
    completed = upload(priced(job), store, nothing)
    assert (len(completed.traces), len(completed.spans), len(completed.experiments)) == (4, 8, 2)
    assert len(connection.client.search_spans(project_name="test", max_results=100)) == 8
    found = connection.client.rest_client.experiments.find_experiments(size=10).content or []
    assert sorted(one.trace_count or 0 for one in found) == [2, 2]
    assert upload(priced(job), store, nothing).written == NOTHING


class Forgetful(OpikStore):
    """A store that says it took spans and keeps none."""

    def send_spans(self, *_: object) -> None:
        """Takes them."""


def test_rows_that_were_taken_and_are_not_there_end_the_command_with_their_trials_named(
    job: JobBuilder, connection: Connection
) -> None:
    with pytest.raises(
        IncompleteError, match=r"does not hold them as they were sent \(trials job/a__1, job/b__1, job/b__2\)"
    ):
        upload(priced(job), Forgetful(connection, "test"), nothing, patience=(0,))


class Slow(OpikStore):
    """A store that shows what it took only at the third look."""

    looks = 0

    def find_spans(self, job_id: str) -> dict[str, Stored]:
        """Nothing at first."""
        self.looks += 1
        return super().find_spans(job_id) if self.looks > 3 else {}


def test_rows_that_appear_a_little_later_are_waited_for_and_not_sent_again(
    job: JobBuilder, server: EmbeddedOpik, connection: Connection
) -> None:
    assert upload(priced(job), Slow(connection, "test"), nothing, patience=(0, 0, 0)).written.spans == 8
    sent = sum(number for (_, path, _), number in server.app.state.requests.items() if path.endswith("spans/batch"))
    assert sent == 1


def test_a_request_holds_at_most_a_thousand_rows_and_four_megabytes(
    tmp_path: Path, server: EmbeddedOpik, connection: Connection
) -> None:
    job = JobBuilder(tmp_path)
    steps = [agent_step("x", tokens=None) for _ in range(2 * BATCH_ROWS)]
    steps += [agent_step("y" * 1_000_000) for _ in range(5)]
    job.trial(steps=steps)
    upload(priced(job), OpikStore(connection, "test"), nothing)
    requests = server.app.state.requests
    assert (
        sum(
            number
            for (method, path, _), number in requests.items()
            if method == "POST" and path.endswith("spans/batch")
        )
        == 4
    )
    assert len(connection.client.search_spans(project_name="test", max_results=10_000)) == 2 * BATCH_ROWS + 5


def loop_trial(job: JobBuilder) -> None:
    """A trial in which the same file is read three times, with nothing changed between."""
    read = ("Read", {"file_path": "a.py"}, "x = 1")
    job.trial("c__1", steps=[user_step(), *(agent_step("", read) for _ in range(3)), agent_step("Done.")])


def scores_of(connection: Connection, name: str) -> list[tuple[float, str | None, str | None]]:
    spans = connection.client.search_spans(project_name="test", max_results=100)
    return [
        (score.value, score.category_name, score.reason)
        for span in spans
        for score in span.feedback_scores or []
        if score.name == name
    ]


def stored(job: JobBuilder, connection: Connection) -> tuple[Uploaded, int]:
    store = OpikStore(connection, "test")
    trials = priced(job)
    uploaded = upload(trials, store, nothing)
    return uploaded, store_verdicts([judge_trial(trial) for trial, _ in trials], uploaded.traces, uploaded.spans, store)


def test_verdicts_are_scores_with_reasons_on_spans_and_shares_on_the_trace(
    tmp_path: Path, connection: Connection
) -> None:
    job = JobBuilder(tmp_path)
    loop_trial(job)
    stored(job, connection)
    flagged = scores_of(connection, "efficiency")
    assert len(flagged) == 2
    value, label, reason = flagged[0]
    assert (value, label) == (0, "redundant")
    assert reason is not None
    assert "x = 1" in reason
    (trace,) = connection.client.search_traces(project_name="test")
    shares = {score.name: score.value for score in trace.feedback_scores or []}
    assert shares["efficiency_flagged"] == 0.5
    assert shares["tool_choice_flagged"] == 0


def test_judging_again_writes_nothing_and_takes_away_what_no_longer_holds(
    tmp_path: Path, connection: Connection
) -> None:
    job = JobBuilder(tmp_path)
    loop_trial(job)
    stored(job, connection)
    uploaded, written = stored(job, connection)
    assert written == 0
    step = max(uploaded.spans.values(), key=lambda row: row.id)
    store = OpikStore(connection, "test")
    others = Score(min(row.id for row in uploaded.spans.values()), "tool_choice", 0.5, None, "A script of ours.")
    mended = Score(step.id, "tool_choice", 0.0, "wrong", "It was taken for a mistake.\n[wrong tool; by rule:mended]")
    store.score_spans([mended, others])
    assert len(scores_of(connection, "tool_choice")) == 2
    assert stored(job, connection)[1] == 1
    assert scores_of(connection, "tool_choice") == [(0.5, None, "A script of ours.")]


def test_rows_depend_on_nothing_but_the_record(job: JobBuilder) -> None:
    def made() -> list[Row]:
        return [row for trial, cost in priced(job) for row in rows(trial, cost)]

    assert made() == made()
    assert len({row.key for row in made()}) == len(made())
