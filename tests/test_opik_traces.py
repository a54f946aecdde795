"""A trial that is read back from Opik is the trial that was uploaded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import records
from builder import JobBuilder, agent_step, codes, read_one
from hypothesis import HealthCheck, given, settings
from opik.rest_api.types import SpanPublic, TracePublic

from adapter.embedded_opik import EmbeddedOpik
from adapter.errors import UnreadableError
from adapter.jobs import find_jobs
from adapter.opik_connection import Connection, connect
from adapter.opik_ids import mint
from adapter.opik_rows import rows, trial_key
from adapter.opik_store import OpikStore
from adapter.opik_traces import stored_trial
from adapter.trial import Trial
from judges.rules import judge
from pipelines.cost import price_trial
from pipelines.read import read_trials, why_not


@pytest.fixture(scope="module")
def opik(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """One store for many trials."""
    folder = tmp_path_factory.mktemp("opik")
    with EmbeddedOpik(folder / "opik.db") as server, connect(server.url, "test") as connection:
        yield connection


def stored(trial: Trial, connection: Connection) -> tuple[TracePublic, list[SpanPublic]]:
    """The trial's rows as the SDK reads them back."""
    store = OpikStore(connection, "test")
    made = list(rows(trial, price_trial(trial)))
    ids = {row.key: mint(row.key, datetime.now(UTC)) for row in made}
    store.send_traces([(ids[made[0].key], made[0])])
    store.send_spans([(ids[row.key], row) for row in made[1:]], ids)
    trace = connection.client.get_trace_content(ids[trial_key(trial)])
    return trace, connection.client.search_spans(
        project_name="test", trace_id=str(trace.id), max_results=100_000, truncate=False
    )


@given(trial=records.trials())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_trial_comes_back_from_opik_as_it_went(trial: Trial, opik: Connection) -> None:
    back = stored_trial(*stored(trial, opik))
    assert back.trial == trial
    assert price_trial(back.trial) == price_trial(trial)
    assert len(back.span_ids) == len(trial.agent_steps)


def real_trials(shared_data: Path) -> Iterator[Trial]:
    """Every trial of the real jobs that has a result."""
    for job in find_jobs([shared_data / name for name in ("harbor-jobs", "codetracer", "atif")]):
        for trial in read_trials([job], [], lambda _: None):
            if why_not(trial) is None:
                yield trial


@pytest.mark.slow
def test_real_trials_come_back_as_they_went(shared_data: Path, opik: Connection) -> None:
    number = 0
    for trial in real_trials(shared_data):
        back = stored_trial(*stored(trial, opik))
        assert back.trial == trial
        assert judge(back.trial) == judge(trial)
        number += 1
    assert number > 100


def test_what_was_too_long_for_opik_is_a_finding(tmp_path: Path, opik: Connection) -> None:
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial(steps=[agent_step("x", ("bash", {"command": "cat"}, "a" * 5_000_000))]))
    back = stored_trial(*stored(trial, opik)).trial
    (finding,) = set(back.findings) - set(trial.findings)
    assert finding.code == "cut_in_opik"
    assert "4000000 characters" in finding.message
    assert len(back.steps[0].tool_calls[0].output or "") < 1_001_000


def test_a_step_that_opik_lacks_is_a_finding_and_the_trial_not_whole(tmp_path: Path, opik: Connection) -> None:
    job = JobBuilder(tmp_path)
    steps = [agent_step(str(place), ("bash", {"command": "ls"}, "a")) for place in range(3)]
    trial = read_one(job, job.trial(steps=steps))
    trace, spans = stored(trial, opik)
    without_step = [span for span in spans if span.name != "step 2"]
    back = stored_trial(trace, without_step).trial
    assert {finding.code for finding in back.findings} - codes(trial) == {"steps_not_in_opik"}
    assert (len(back.steps), back.is_whole) == (2, False)
    without_call = [span for span in spans if span.type != "tool"]
    assert "calls_not_in_opik" in codes(stored_trial(trace, without_call).trial)


def test_of_two_spans_under_one_key_the_older_one_counts(tmp_path: Path, opik: Connection) -> None:
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial("twin__1", steps=[agent_step("The first.")]))
    trace, spans = stored(trial, opik)
    (span,) = spans
    later = span.model_copy(
        update={"id": mint("later", datetime(2100, 1, 1, tzinfo=UTC)), "output": {"message": "No."}}
    )
    found = stored_trial(trace, [later, span])
    assert found.trial.steps[0].message == "The first."
    assert list(found.span_ids.values()) == [span.id]


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        (None, "it is no trial"),
        ({"kilobench_key": "a/b"}, "an older kilobench uploaded it"),
        ({"record": {"job": 5}}, "its record is damaged"),
    ],
)
def test_what_is_no_trial_says_why(metadata: dict[str, object] | None, reason: str) -> None:
    trace = TracePublic(id="x", start_time=datetime.now(UTC), metadata=metadata)
    with pytest.raises(UnreadableError, match=reason):
        stored_trial(trace, [])
