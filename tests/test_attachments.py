"""Beside its trace in Opik stands each trajectory file of a trial, whole and without secrets."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import opik
import pytest
from builder import JobBuilder, agent_step, codes, read_one, trajectory, user_step

from adapter import opik_rest, redact_rules
from adapter.embedded_opik import EmbeddedOpik, attachments
from adapter.opik_attachments import PART_BYTES, Attachment, attach
from adapter.opik_connection import Connection, connect
from adapter.opik_rest import Rest
from adapter.trial import SourceFile
from adapter.trial_attachments import attachment_name

KEY = "sk-ant-api03-" + "A1b2C3d4" * 6


def attached(connection: Connection) -> dict[str, dict[str, bytes]]:
    """What is attached to each trace, by the trace's name and then by the file's."""
    client = connection.client.get_attachment_client()
    found: dict[str, dict[str, bytes]] = {}
    for trace in connection.client.search_traces(project_name="kilobench"):
        listed = client.get_attachment_list(project_name="kilobench", entity_id=str(trace.id), entity_type="trace")
        found[str(trace.name)] = {
            str(one.file_name): b"".join(
                client.download_attachment("kilobench", "trace", str(trace.id), str(one.file_name), str(one.mime_type))
            )
            for one in listed
        }
    return found


def test_the_whole_trajectory_goes_up_and_a_second_run_sends_no_file(
    tmp_path: Path, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    job = JobBuilder(tmp_path)
    long = "a" * 3_000_000
    folder = job.trial(steps=[user_step(), agent_step("Done.", ("bash", {"command": "cat"}, long))])
    assert kilobench("run", job.path, "--opik", server.url).code == 0
    whole = (folder / "agent" / "trajectory.json").read_bytes()
    assert attached(connection) == {"job/task-a__1": {"agent__trajectory.json": whole}}
    assert long.encode() in whole
    before = uploads(server)
    assert kilobench("run", job.path, "--opik", server.url).code == 0
    assert uploads(server) == before == 1


def uploads(server: EmbeddedOpik) -> int:
    return sum(
        number for (method, path, _), number in server.app.state.requests.items() if path.endswith("upload-start")
    )


def test_the_files_of_every_step_and_sub_agent_go_up_by_their_places(
    tmp_path: Path, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    job = JobBuilder(tmp_path)
    job.trial(steps=[], step_results=[{"step_name": "first"}, {"step_name": "second"}])
    reference = {"source_call_id": None, "subagent_trajectory_ref": [{"trajectory_path": "trajectory.child.json"}]}
    started = agent_step("Go.", observation={"results": [reference]})
    job.segment("task-a__1", "first", trajectory([started]))
    job.segment("task-a__1", "second", trajectory([agent_step("Done.")]))
    child = job.path / "task-a__1" / "steps" / "first" / "agent" / "trajectory.child.json"
    child.write_text(json.dumps(trajectory([agent_step("Below.")])))
    kilobench("run", job.path, "--opik", server.url)
    assert attached(connection)["job/task-a__1"].keys() == {
        "steps__first__agent__trajectory.json",
        "steps__first__agent__trajectory.child.json",
        "steps__second__agent__trajectory.json",
    }


def test_a_secret_is_in_no_attachment(
    tmp_path: Path, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    job = JobBuilder(tmp_path)
    job.trial(steps=[user_step(f"Use {KEY}."), agent_step("Done.")])
    assert kilobench("run", job.path, "--opik", server.url).code == 0
    (data,) = attached(connection)["job/task-a__1"].values()
    assert KEY.encode() not in data
    asked = json.loads(data)["steps"][0]["message"]
    assert asked.startswith("Use [REDACTED: ")


def test_a_file_that_opik_does_not_take_is_named_and_its_trial_stored(
    tmp_path: Path, server: EmbeddedOpik, kilobench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "MAX_BYTES", 100)
    job = JobBuilder(tmp_path)
    job.trial()
    result = kilobench("run", job.path, "--opik", server.url, "--json")
    assert result.code == 3
    (skipped,) = result.json["skipped"]
    assert skipped["path"] == "job/task-a__1"
    assert "agent/trajectory.json" in skipped["reason"]
    assert "not attached to its trace: Opik refused the attachment agent__trajectory.json: 413" in skipped["reason"]
    assert result.json["written"]["spans"] == 2


def test_a_file_that_was_not_attached_is_by_a_later_run(
    tmp_path: Path, server: EmbeddedOpik, connection: Connection, kilobench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = JobBuilder(tmp_path)
    job.trial()
    with monkeypatch.context() as patch:
        patch.setattr(attachments, "MAX_BYTES", 100)
        assert kilobench("upload", job.path, "--opik", server.url).code == 3
        assert kilobench("upload", job.path, "--opik", server.url).code == 3, "it is tried each time"
    assert kilobench("upload", job.path, "--opik", server.url, "--json").json["written"]["traces"] == 1
    assert attached(connection)["job/task-a__1"].keys() == {"agent__trajectory.json"}
    assert kilobench("upload", job.path, "--opik", server.url, "--json").json["written"]["traces"] == 0


def test_rules_that_changed_since_redact_what_is_attached_already(
    tmp_path: Path, server: EmbeddedOpik, connection: Connection, kilobench: Any, own_home: Path
) -> None:
    job = JobBuilder(tmp_path)
    job.trial(raw_trajectory=trajectory([agent_step("Done.")], notes="ACME-123456"))
    kilobench("upload", job.path, "--opik", server.url)
    assert b"ACME-123456" in attached(connection)["job/task-a__1"]["agent__trajectory.json"]
    (own_home / "kilobench" / "redact.toml").write_text('[[pattern]]\nname = "badge"\nregex = "ACME-[0-9]{6}"\n')
    redact_rules._rules.cache_clear()
    kilobench("upload", job.path, "--opik", server.url)
    assert b"[REDACTED: badge]" in attached(connection)["job/task-a__1"]["agent__trajectory.json"]


def test_what_is_stored_of_a_file_tells_nothing_of_the_secret_in_it(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    trials = [
        read_one(
            job, job.trial(f"a__{secret}", raw_trajectory=trajectory([agent_step("x")], notes=f"KEY={secret * 4}"))
        )
        for secret in ("sk-ant-api03-" + "A1b2C3d4" * 3, "sk-ant-api03-" + "Z9y8X7w6" * 5)
    ]
    (first,), (second,) = (trial.files for trial in trials)
    assert (first.size, first.digest) == (second.size, second.digest)
    assert all("redacted" in codes(trial) for trial in trials), "also where it stands in what is not read"


def test_a_file_whose_name_holds_a_secret_is_attached_without_it(
    tmp_path: Path, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    job = JobBuilder(tmp_path)
    reference = {"subagent_trajectory_ref": [{"trajectory_path": f"trajectory.{KEY}.json"}]}
    folder = job.trial(steps=[agent_step("Go.", observation={"results": [reference]})])
    (folder / "agent" / f"trajectory.{KEY}.json").write_text(json.dumps(trajectory([agent_step("Below.")])))
    assert kilobench("upload", job.path, "--opik", server.url).code == 0
    names = attached(connection)["job/task-a__1"].keys()
    assert len(names) == 2
    assert not any(KEY in name for name in names)


def test_no_two_files_have_one_name() -> None:
    paths = ["agent/a/b.json", "agent/a__b.json", "agent__a/b.json"]
    assert len({attachment_name(SourceFile(path, 1, "d")) for path in paths}) == len(paths)


class ObjectStore(BaseHTTPRequestHandler):
    """An Opik whose attachments are in an object store, and that store, on one port."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        body = json.loads(gzip.decompress(sent) if self.headers.get("Content-Encoding") == "gzip" else sent)
        self.server.asked.append((self.path.rpartition("/")[2], body))
        if self.path.endswith("upload-complete"):
            self._answer(204)
            return
        host, port = self.server.server_address[:2]
        urls = [f"http://{host!s}:{port}/part/{number}" for number in range(1, body["num_of_file_parts"] + 1)]
        self._answer(200, json.dumps({"upload_id": "of-s3", "pre_sign_urls": urls}).encode())

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.failures:
            self.server.failures -= 1
            self._answer(503)
            return
        self.server.parts.append((self.path, data, self.headers.get("Comet-Workspace")))
        self._answer(200, tag=f'"{len(data)}"')

    def _answer(self, status: int, body: bytes = b"", tag: str | None = None) -> None:
        self.send_response(status)
        if body:
            self.send_header("Content-Type", "application/json")
        if tag is not None:
            self.send_header("ETag", tag)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ObjectStore)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.parts: list[tuple[str, bytes, str | None]] = []
        self.failures = 0


@pytest.fixture
def object_store() -> Iterator[_Server]:
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_where_opik_keeps_files_in_an_object_store_the_parts_go_there(
    object_store: _Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opik_rest, "sleep", lambda _: None)
    client = opik.Opik(host=f"http://127.0.0.1:{object_store.server_address[1]}", _show_misconfiguration_message=False)
    object_store.failures = 2
    data = b"x" * PART_BYTES + b"end"
    assert attach(Rest(client), "test", "trace", Attachment("a.json", data)) is None
    client.end()
    assert b"".join(part for _, part, _ in object_store.parts) == data
    assert [workspace for _, _, workspace in object_store.parts] == [None, None]
    (_, started), (_, completed) = object_store.asked
    assert (started["file_name"], started["entity_type"], started["entity_id"]) == ("a.json", "trace", "trace")
    assert completed["file_size"] == len(data)
    assert completed["uploaded_file_parts"] == [
        {"e_tag": f'"{PART_BYTES}"', "part_number": 1},
        {"e_tag": '"3"', "part_number": 2},
    ]


def test_a_trial_that_changed_has_its_files_replaced(tmp_path: Path, server: EmbeddedOpik, kilobench: Any) -> None:
    job = JobBuilder(tmp_path)
    job.trial()
    kilobench("run", job.path, "--opik", server.url)
    folder = job.trial(steps=[user_step(), agent_step("Changed.")])
    kilobench("run", job.path, "--opik", server.url)
    with connect(server.url, "kilobench") as connection:
        assert attached(connection)["job/task-a__1"] == {
            "agent__trajectory.json": (folder / "agent" / "trajectory.json").read_bytes()
        }
