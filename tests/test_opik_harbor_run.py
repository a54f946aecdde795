"""`opik harbor run`, with our plugin and without it: one trace per trial, and the same as an ordinary upload."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opik_harbor import PLUGIN, harbor_run, write_tasks
from test_changes import contents, opened

from adapter.embedded_opik import EmbeddedOpik
from adapter.live_traces import read_notes
from adapter.opik_connection import Connection
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
