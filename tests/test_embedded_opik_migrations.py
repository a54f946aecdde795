"""A store that an older kilobench wrote opens, with all its rows, and takes what the newer one can hold."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import opik
import pytest
from embedded import PROJECT, T0, uid

from adapter.embedded_opik import EmbeddedOpik
from adapter.embedded_opik.db import APPLICATION_ID, migrations

AT = "2026-03-01T12:00:00.000000Z"


def _row(connection: sqlite3.Connection, table: str, **values: object) -> None:
    values |= {"created_at": AT} | ({} if table == "dataset_versions" else {"last_updated_at": AT})
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))


def _of_version_1(path: Path) -> None:
    """A file as the first version of the store left it."""
    number, script = migrations()[0]
    assert number == 1
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(script)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA user_version = 1")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        project, dataset, experiment = uid("project"), uid("dataset"), uid("experiment")
        _row(connection, "projects", id=project, name=PROJECT)
        _row(
            connection, "traces", project_id=project, id=uid("t1"), name="t1", start_time=AT, input='{"a": 1}',
            thread_id="talk", metadata='{"kilobench_job": "Job-1"}',
        )  # fmt: skip
        _row(connection, "spans", project_id=project, trace_id=uid("t1"), id=uid("s1"), type="llm", start_time=AT)
        _row(
            connection, "feedback_scores", entity_type="trace", entity_id=uid("t1"), project_id=project,
            author="admin", name="reward", value=1.0, source="sdk",
        )  # fmt: skip
        _row(connection, "datasets", id=dataset, name="d", project_id=project)
        _row(connection, "dataset_versions", id=uid("v1"), dataset_id=dataset, number=1, version_hash="abc")
        _row(
            connection, "dataset_items", dataset_id=dataset, id=uid("i1"), valid_from=1, source="sdk",
            data='{"city": "Rome"}',
        )  # fmt: skip
        _row(
            connection, "experiments", id=experiment, name="run", dataset_id=dataset, project_id=project,
            metadata='{"model": "a"}', prompt_versions=f'[{{"id": "{uid("prompt")}"}}]',
        )  # fmt: skip
        _row(
            connection, "experiment_items", id=uid("x1"), experiment_id=experiment, dataset_item_id=uid("i1"),
            trace_id=uid("t1"),
        )  # fmt: skip
        _row(connection, "dashboards", id=uid("view"), name="view", config='{"sections": [], "version": 4}')


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the server's store will be, with an old file there already."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    path = tmp_path / "opik.db"
    _of_version_1(path)
    return path


def test_a_store_of_version_1_opens_with_all_its_rows(old: Path) -> None:
    with EmbeddedOpik(old) as server:
        sdk = opik.Opik(
            host=server.url, workspace="default", project_name=PROJECT, _show_misconfiguration_message=False
        )
        (trace,) = sdk.search_traces(filter_string='metadata.kilobench_job = "job-1"')
        assert (trace.input, trace.start_time, trace.span_count) == ({"a": 1}, T0, 1)
        assert [(s.name, s.value) for s in trace.feedback_scores or []] == [("reward", 1.0)]
        assert [thread.id for thread in sdk.search_threads()] == ["talk"]
        assert [item["city"] for item in sdk.get_dataset("d").get_version_view("v1").get_items()] == ["Rome"]
        experiment = sdk.get_experiment_by_name("run")
        assert [item.trace_id for item in experiment.get_items()] == [uid("t1")]
        found = sdk.rest_client.experiments.find_experiments().content or []
        assert [one.id for one in found] == [uid("experiment")]
        assert [view.name for view in sdk.get_dashboards()] == ["view"]

        sdk.create_prompt("rubric", "one")
        sdk.get_dataset("d").insert([{"city": "Oslo"}])
        sdk.get_attachment_client().upload_attachment(PROJECT, "trace", uid("t1"), str(Path(__file__)))
        assert len(sdk.get_attachment_client().get_attachment_list(PROJECT, uid("t1"), "trace")) == 1
        sdk.end()
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == migrations()[-1][0]
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_an_old_store_has_the_tables_of_a_new_one(old: Path, tmp_path: Path) -> None:
    def schema(path: Path) -> list[tuple[str, str]]:
        with closing(sqlite3.connect(path)) as connection:
            found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
            return found.fetchall()

    with EmbeddedOpik(old), EmbeddedOpik(tmp_path / "new.db"):
        assert schema(old) == schema(tmp_path / "new.db")
