"""`opik harbor run`, with our plugin and without it: one trace per trial, and the same as an ordinary upload."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opik_harbor import MODELS, PLUGIN, harbor, harbor_run, write_tasks
from test_changes import contents, opened

from adapter.embedded_opik import EmbeddedOpik
from adapter.live_traces import read_notes
from adapter.opik_connection import Connection, store_path
from adapter.opik_rows import KEY
from adapter.opik_store import OpikStore

pytestmark = pytest.mark.slow

TASKS = ("a-passes", "b-crashes", "c-hangs")


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """One task that is solved, one at which the agent crashes, one at which it runs out of time."""
    return write_tasks(tmp_path, TASKS)


@pytest.fixture
def ordinary(kilobench: Any, tmp_path: Path) -> Callable[[Path], dict[str, Any]]:
    """What another store holds after an ordinary upload of a copy of a job that never ran under Opik."""

    def upload(job: Path) -> dict[str, Any]:
        copy = tmp_path / "copy" / job.name
        shutil.copytree(job, copy, ignore=shutil.ignore_patterns("kilobench-*"))
        with EmbeddedOpik(tmp_path / "ordinary.db") as other:
            assert kilobench("run", copy, "--project", "test", "--opik", other.url).code in (0, 3)
        with opened(tmp_path / "ordinary.db") as store:
            return contents(store) | totals(store)

    return upload


def totals(store: OpikStore) -> dict[str, Any]:
    """What Opik sums up over the spans of each trace, by its key."""
    found = store.connection.client.search_traces(project_name="test", max_results=1000)
    return {
        "totals": {
            trace.metadata[KEY]: (trace.llm_span_count, trace.has_tool_spans, trace.usage, trace.providers)
            for trace in found
            if isinstance(trace.metadata, dict) and KEY in trace.metadata
        }
    }


def stored(connection: Connection) -> dict[str, Any]:
    store = OpikStore(connection, "test")
    return contents(store) | totals(store)


def traces(connection: Connection) -> list[Any]:
    return connection.client.search_traces(project_name="test", max_results=1000)


def test_with_the_plugin_each_live_trace_becomes_its_trials(
    tasks: Path, server: EmbeddedOpik, connection: Connection, ordinary: Any
) -> None:
    job, done = harbor_run(tasks, *PLUGIN, opik=server.url)
    assert done.returncode == 0, done.stderr
    assert len(stored(connection)["experiments"]) == 2
    assert stored(connection) == ordinary(job)
    assert {trace.id for trace in traces(connection)} == {one.trace_id for one in read_notes(job)}
    assert len(traces(connection)) == 6
    assert "saved as http" in done.stderr
    assert "Traceback" not in done.stderr
    spans = connection.client.search_spans(project_name="test", max_results=1000)
    assert not [span.name for span in spans if (span.name or "").startswith("step_")]


def test_without_the_plugin_a_later_run_replaces_the_live_traces(
    tasks: Path, server: EmbeddedOpik, connection: Connection, ordinary: Any, kilobench: Any
) -> None:
    job, done = harbor_run(tasks, opik=server.url)
    assert done.returncode == 0, done.stderr
    assert len(traces(connection)) == 6
    result = kilobench("run", job, "--project", "test", "--opik", server.url, "--json")
    assert result.code == 0
    assert result.json["skipped"] == []
    assert stored(connection) == ordinary(job)
    assert len(traces(connection)) == 6
    again = kilobench("run", job, "--project", "test", "--opik", server.url, "--json")
    assert set(again.json["written"].values()) == {0}


@pytest.mark.parametrize("when", ["at once", "flushed"])
def test_after_a_kill_a_run_does_the_rest_in_the_live_traces_project(
    tmp_path: Path, server: EmbeddedOpik, connection: Connection, ordinary: Any, kilobench: Any, when: str
) -> None:
    tasks = write_tasks(tmp_path, ("a-passes", "b-kills"))
    job, done = harbor_run(tasks, *PLUGIN, opik=server.url, LIVE_KILL=when)
    assert done.returncode == -signal.SIGKILL
    assert len(list(job.glob("*/result.json"))) == 2
    assert len(read_notes(job)) == 3
    result = kilobench("run", job, "--opik", server.url, "--json")
    assert (result.code, result.json["project"]) == (3, "test")
    assert stored(connection) == ordinary(job)
    ours = [trace for trace in traces(connection) if KEY in trace.metadata]
    kept = {trace.id for trace in ours} & {one.trace_id for one in read_notes(job)}
    assert (len(ours), len(kept)) == (2, 2 if when == "flushed" else len(kept))
    # The trial that was running has no result: its trace, where it was sent, stays until Harbor has run it again.
    others = [trace for trace in traces(connection) if KEY not in trace.metadata]
    assert all("b-kills" in trace.name for trace in others)
    assert len(others) == (when == "flushed")

    done = harbor("job", "resume", "-p", job, *PLUGIN, "-y", cwd=tmp_path, opik=server.url)
    assert done.returncode == 0, done.stderr
    assert len(list(job.glob("*/result.json"))) == 4
    shutil.rmtree(tmp_path / "copy")
    (tmp_path / "ordinary.db").unlink()
    assert stored(connection) == ordinary(job)
    assert len(traces(connection)) == 4


def test_after_ctrl_c_a_run_does_the_rest(
    tmp_path: Path, server: EmbeddedOpik, connection: Connection, ordinary: Any, kilobench: Any
) -> None:
    tasks = write_tasks(tmp_path, ("a-passes", "b-kills"))
    job, done = harbor_run(tasks, *PLUGIN, opik=server.url, models=MODELS[:1], LIVE_KILL="interrupted")
    assert done.returncode == 130, done.stderr
    assert "kilobench" not in done.stderr
    assert kilobench("run", job, "--opik", server.url).code == 3  # the job has no end
    assert stored(connection) == ordinary(job)
    assert {trace.id for trace in traces(connection)} == {one.trace_id for one in read_notes(job)}
    assert {str(trace.error_info and trace.error_info.exception_type) for trace in traces(connection)} == {
        "None",
        "CancelledError",
    }


def test_the_whole_job_is_there_also_where_the_live_integration_loses_it(
    tasks: Path, server: EmbeddedOpik, connection: Connection, ordinary: Any
) -> None:
    agent = ("--agent-import-path", "live_agent:LiveAgent")
    job, done = harbor_run(tasks, *PLUGIN, opik=server.url, agent=agent)
    assert done.returncode == 0, done.stderr
    assert "saved as http" in done.stderr
    assert "kilobench: " not in done.stderr
    assert stored(connection) == ordinary(job)
    assert len(traces(connection)) == 6


@pytest.mark.parametrize("plugin", [PLUGIN, ()], ids=["with the plugin", "without it"])
def test_attempts_that_harbor_threw_away_leave_no_trace(
    tmp_path: Path, server: EmbeddedOpik, connection: Connection, ordinary: Any, kilobench: Any, plugin: tuple[str, ...]
) -> None:
    tasks = write_tasks(tmp_path, ("a-flaky",))
    job, done = harbor_run(tasks, *plugin, "-r", "1", opik=server.url, models=MODELS[:1])
    assert done.returncode == 0, done.stderr
    said = done.stderr if plugin else kilobench("run", job, "--project", "test", "--opik", server.url).out
    assert "1 live trace(s) of attempts that Harbor threw away were removed" in " ".join(said.split())
    assert stored(connection) == ordinary(job)
    assert len(traces(connection)) == 1


def test_a_job_that_began_without_the_plugin_is_taken_up_with_it(
    tmp_path: Path, server: EmbeddedOpik, connection: Connection, ordinary: Any
) -> None:
    tasks = write_tasks(tmp_path, ("a-passes", "b-kills"))
    job, done = harbor_run(tasks, opik=server.url, LIVE_KILL="flushed")
    assert done.returncode == -signal.SIGKILL
    assert len(traces(connection)) == 3
    done = harbor("job", "resume", "-p", job, *PLUGIN, "-y", cwd=tmp_path, opik=server.url)
    assert done.returncode == 0, done.stderr
    assert stored(connection) == ordinary(job)
    assert len(traces(connection)) == 5  # of which one is of a trial that nobody knows any more


def test_a_plain_harbor_run_with_the_plugin_is_an_ordinary_run(tmp_path: Path, ordinary: Any) -> None:
    tasks = write_tasks(tmp_path, ("a-passes",))
    job, done = harbor_run(tasks, *PLUGIN, "--pk", "project=test", opik=None, program=("harbor",))
    assert done.returncode == 0, done.stderr
    assert read_notes(job) == ()
    with opened(store_path()) as store:
        assert contents(store) | totals(store) == ordinary(job)


def test_where_no_opik_is_configured_the_job_is_in_the_embedded_store(tmp_path: Path, ordinary: Any) -> None:
    tasks = write_tasks(tmp_path, ("a-passes",))
    # Whatever this machine's network is like, nothing reaches what the SDK takes for its own when it is told nothing.
    asked = (*PLUGIN, "--pk", "project=test")
    job, done = harbor_run(tasks, *asked, opik=None, models=MODELS[:1], HTTPS_PROXY="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert "no Opik is configured: the live traces went nowhere" in done.stderr
    with opened(store_path()) as store:
        assert contents(store) | totals(store) == ordinary(job)


def test_a_run_that_is_sent_elsewhere_says_where_the_live_traces_are(
    tmp_path: Path, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    tasks = write_tasks(tmp_path, ("a-passes",))
    job, done = harbor_run(tasks, opik=server.url, models=MODELS[:1])
    assert done.returncode == 0, done.stderr
    (said,) = kilobench("run", job, "--opik", server.url, "--json").json["skipped"]
    assert said["reason"] == "Its live traces are in the project test, and stay there. --project chooses it."
    assert len(traces(connection)) == 1


def test_options_that_cannot_be_followed_are_answered(tmp_path: Path, server: EmbeddedOpik) -> None:
    tasks = write_tasks(tmp_path, ("a-passes",))
    asked = ("--pk", "judge_model=openai/gpt-5", "--pk", "project=other", "--pk", f"report={tmp_path / 'report'}")
    _, done = harbor_run(tasks, *PLUGIN, *asked, opik=server.url)
    assert done.returncode == 0, done.stderr
    assert "judge_model=openai/gpt-5 is not used" in done.stderr
    assert "project=other is not used: the live traces are in test" in done.stderr
    assert (tmp_path / "report" / "index.html").is_file()


def test_an_opik_that_does_not_answer_costs_the_job_nothing(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path, ("a-passes",))
    dead = "http://127.0.0.1:9/api"
    job, done = harbor_run(tasks, *PLUGIN, opik=dead, program=("harbor",))
    assert done.returncode == 0, done.stderr
    assert f"No Opik answers at {dead}" in done.stderr
    assert f"kilobench run {job}" in done.stderr
    assert "Traceback" not in done.stderr
