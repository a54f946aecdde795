"""Logs of Kilo's that cannot be read, or not to the end: each says what is wrong, and what to do."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from kilo_log import ROOT, START, KiloLog, finish, said, tool

from adapter.errors import BadInputError
from adapter.kilo import database
from adapter.kilo.atif import trajectory_of
from adapter.kilo.database import read_database
from adapter.kilo.records import Origin
from adapter.kilo.source import read_log


def short() -> KiloLog:
    """A session of one answer."""
    log = KiloLog()
    log.user()
    log.agent(said("Done."), tool(output="x"), finish())
    return log


def made(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def empty_database(path: Path) -> Path:
    with sqlite3.connect(path) as connection:
        connection.execute("create table other (id text)")
    connection.close()
    return path


def without_sessions(path: Path) -> Path:
    log = KiloLog()
    log.sessions.clear()
    log.database(path)
    return path


def without_messages(path: Path) -> Path:
    KiloLog().database(path)
    return path


def damaged(path: Path) -> Path:
    short().database(path)
    data = bytearray(path.read_bytes())
    data[2048:] = b"\xff" * (len(data) - 2048)
    return made(path, bytes(data))


def of_views(path: Path) -> Path:
    """A database whose session table is a view that never ends."""
    with sqlite3.connect(path) as connection:
        endless = "with recursive n(i) as (select 1 union all select i + 1 from n)"
        columns = "i as id, null as parent_id, '1' as version, 1 as time_created"
        connection.execute(f"create view session as {endless} select {columns} from n")
    connection.close()
    return path


def other_columns(path: Path) -> Path:
    with sqlite3.connect(path) as connection:
        connection.execute("create table session (id text, parent_id text, version text, time_created integer)")
        connection.execute("create table message (id text, session_id text, time_created integer, body text)")
    connection.close()
    return path


def linked(path: Path) -> Path:
    target = path.with_name("elsewhere.db")
    short().database(target)
    path.symlink_to(target)
    return path


def linked_log(path: Path) -> Path:
    short().database(path)
    path.with_name("kilo.db-wal").symlink_to("/etc/hostname")
    return path


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


BAD = [
    (lambda folder: folder / "missing.db", "is not there"),
    (lambda folder: made(folder / "kilo.db", ""), "has no table session"),
    (
        lambda folder: made(folder / "kilo.db", "some text that is long enough for a header, and no database at all"),
        "not a database",
    ),
    (lambda folder: empty_database(folder / "kilo.db"), "has no table session"),
    (lambda folder: other_columns(folder / "kilo.db"), "no column data in table message"),
    (lambda folder: without_sessions(folder / "kilo.db"), "holds no session"),
    (lambda folder: without_messages(folder / "kilo.db"), "holds no message"),
    (lambda folder: damaged(folder / "kilo.db"), "malformed"),
    (lambda folder: of_views(folder / "kilo.db"), "has no table session"),
    (lambda folder: linked(folder / "kilo.db"), "symbolic link"),
    (lambda folder: linked_log(folder / "kilo.db"), "symbolic link"),
    (lambda folder: pipe(folder / "kilo.db"), "no ordinary file"),
    (lambda folder: pipe(folder / "events.jsonl"), "a named pipe"),
    (lambda folder: made(folder / "events.jsonl", ""), "holds no event"),
    (lambda folder: made(folder / "events.jsonl", "no\njson\n"), "holds no event"),
    (lambda folder: made(folder / "events.jsonl", '[1]\n{"type":"x"}\n'), "holds no event"),
    (lambda folder: made(folder / "export.json", '{"info": {}, "messages": []}'), "holds no message"),
    (lambda folder: made(folder / "trajectory.json", '{"schema_version": "ATIF-v1.7", "steps": []}'), "holds no event"),
    (lambda folder: folder, "holds no log of Kilo's"),
]


@pytest.mark.parametrize(("make", "said_"), BAD, ids=[said_ for _, said_ in BAD])
def test_what_is_no_log_is_refused_in_words(kilobench: Any, tmp_path: Path, make: Any, said_: str) -> None:
    target = tmp_path / "out.json"
    folder = tmp_path / "log"
    folder.mkdir()
    done = kilobench("convert", "kilo", make(folder), "-o", target)
    assert done.code == 2
    assert said_ in done.err
    assert len(done.err.splitlines()) >= 2, "what to do next is missing"
    assert not target.exists()


def test_a_database_that_changes_while_it_is_copied_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kilo.db"
    connection = short().database(path, is_open=True)
    copy = shutil.copyfile

    def copy_and_write(source: Path, target: Path, **how: Any) -> Any:
        connection.execute("insert into session (id, time_created) values (hex(randomblob(8)), 1)")
        connection.commit()
        return copy(source, target, **how)

    monkeypatch.setattr(database.shutil, "copyfile", copy_and_write)
    with pytest.raises(BadInputError, match="is being written to"):
        read_database(path)
    connection.close()


def test_a_database_that_another_process_has_locked_is_read(tmp_path: Path) -> None:
    path = tmp_path / "kilo.db"
    connection = short().database(path, is_open=True)
    connection.execute("begin immediate")
    connection.execute("update session set title = 'half done'")
    found = read_database(path)
    assert found.sessions[ROOT].title == ROOT.title()
    assert len(found.sessions[ROOT].messages) == 2
    connection.rollback()
    connection.close()


def logged(folder: Path) -> Path:
    """A database whose second answer stands in the write-ahead log alone, as a killed run leaves it."""
    live = folder / "live"
    live.mkdir()
    log = short()
    connection = log.database(live / "kilo.db", is_open=True)
    connection.execute("pragma wal_checkpoint(truncate)")
    data = json.dumps({"role": "assistant", "time": {"created": START + 60_000, "completed": START + 61_000}})
    connection.execute("insert into message values ('msg_z', ?, ?, ?)", (ROOT, START + 60_000, data))
    part = json.dumps(said("From the log."))
    connection.execute("insert into part values ('prt_z', 'msg_z', ?, 1, ?)", (ROOT, part))
    connection.commit()
    left = folder / "left"
    left.mkdir()
    for name in ("kilo.db", "kilo.db-wal"):
        shutil.copy(live / name, left / name)
    connection.close()
    return left / "kilo.db"


def texts(path: Path) -> list[str]:
    return [str(step.message) for step in trajectory_of(read_log(path)).steps]


def test_what_stands_in_the_write_ahead_log_alone_is_read_and_nothing_is_left_beside(tmp_path: Path) -> None:
    path = logged(tmp_path)
    before = {one.name: one.read_bytes() for one in path.parent.iterdir()}
    assert texts(path) == ["Do it.", "Done.", "From the log."]
    assert {one.name: one.read_bytes() for one in path.parent.iterdir()} == before


def test_a_write_ahead_log_that_ends_in_the_middle_is_read_up_to_there_and_named(tmp_path: Path) -> None:
    path = logged(tmp_path)
    log = path.with_name("kilo.db-wal")
    log.write_bytes(log.read_bytes()[:-100])
    assert texts(path) == ["Do it.", "Done."]
    assert "The write-ahead log ends in the middle: what was written last is not known." in read_log(path).notes


def test_a_write_ahead_log_that_is_none_is_named(tmp_path: Path) -> None:
    path = logged(tmp_path)
    path.with_name("kilo.db-wal").write_bytes(b"nothing of the kind" * 10)
    assert "The write-ahead log is damaged: what was written last is not known." in read_log(path).notes


def test_several_sessions_are_listed_and_one_is_chosen_by_its_id(kilobench: Any, tmp_path: Path) -> None:
    log = short()
    log.session("ses_second", title="Another task")
    log.agent(said("Other."), finish(), session="ses_second")
    log.session("ses_child", "ses_second")
    path = tmp_path / "kilo.db"
    log.database(path)
    refused = kilobench("convert", "kilo", path)
    assert refused.code == 2
    assert "holds 2 sessions" in refused.err
    assert "ses_second  2026-11-20 23:05  'Another task'" in refused.err
    assert "ses_child" not in refused.err
    assert kilobench("convert", "kilo", path, "--session", "ses_second").json["steps"][0]["message"] == "Other."
    missing = kilobench("convert", "kilo", path, "--session", "ses_none")
    assert missing.code == 2
    assert "holds no session ses_none" in missing.err
    assert ROOT in missing.err


def test_rows_that_are_no_json_are_left_out_and_named(tmp_path: Path) -> None:
    path = tmp_path / "kilo.db"
    short().database(path)
    with sqlite3.connect(path) as connection:
        connection.execute("insert into part values ('prt_bad', 'msg_x', ?, 1, '{\"type\":')", (ROOT,))
        connection.execute("insert into message values ('msg_bad', ?, 1, '[]')", (ROOT,))
        connection.execute("insert into message values ('msg_null', ?, 1, x'ff00')", (ROOT,))
    connection.close()
    found = read_log(path)
    assert [one.split(" ")[2:4] for one in found.notes] == [
        ["part", "prt_bad"],
        ["message", "msg_bad"],
        ["message", "msg_null"],
    ]
    assert "Left out: message msg_bad holds no JSON object." in (trajectory_of(found).notes or "")
    assert texts(path) == ["Do it.", "Done."]


def test_text_that_is_no_unicode_is_repaired(tmp_path: Path) -> None:
    path = tmp_path / "kilo.db"
    short().database(path)
    with sqlite3.connect(path) as connection:
        broken = b'{"type": "text", "text": "a\xff\\ud800b"}'
        connection.execute("update part set data = cast(? as text) where data like '%Done%'", (broken,))
    connection.close()
    assert texts(path) == ["Do it.", "a??b"]


@pytest.mark.parametrize(("bound", "value"), [("MAX_ROWS", 3), ("MAX_SESSION_BYTES", 200)])
def test_a_session_beyond_a_bound_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    path = tmp_path / "kilo.db"
    short().database(path)
    monkeypatch.setattr(database, bound, value)
    with pytest.raises(BadInputError, match="at most"):
        read_database(path)


def test_a_database_beyond_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kilo.db"
    short().database(path)
    monkeypatch.setattr(database, "MAX_DATABASE_BYTES", 4096)
    with pytest.raises(BadInputError, match="at most 4,096 are read"):
        read_database(path)


def test_of_what_is_said_of_a_session_the_beginning_is_read(tmp_path: Path) -> None:
    path = tmp_path / "kilo.db"
    log = short()
    log.sessions[ROOT]["title"] = "x" * 1_000_000
    log.database(path)
    found = read_database(path)
    assert found.sessions[ROOT].title == "x" * 4_096
    assert found.sessions[ROOT].created == START


def test_work_without_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kilo.db"
    log = short()
    for _ in range(300):
        log.agent(*[said("x")] * 30)
    log.database(path)
    monkeypatch.setattr(database, "_MOST_STEPS", 0)
    monkeypatch.setattr(database, "_STEP", 1000)
    with pytest.raises(BadInputError, match="interrupted"):
        read_database(path)


def test_lines_that_are_no_json_or_no_event_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    short().events(path, "\x1b[31mError\x1b[0m", '{"type":"text","sess', {"type": "news", "sessionID": ROOT}, "")
    found = read_log(path)
    assert found.notes == (
        "2 of 6 lines are no JSON, and were left out.",
        "1 events are of no kind that is known, and were left out.",
    )
    assert texts(path) == ["Done."]


def test_an_event_that_comes_twice_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    short().events(path)
    path.write_text(path.read_text() * 2)
    final = trajectory_of(read_log(path)).final_metrics
    assert final is not None
    assert final.total_prompt_tokens == 1000


def test_events_of_several_runs_in_one_file_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    short().events(path)
    path.write_text(path.read_text() + path.read_text().replace(ROOT, "ses_two"))
    with pytest.raises(BadInputError, match="holds 2 sessions"):
        read_log(path)
    assert read_log(path, "ses_two").root == "ses_two"


def test_where_the_database_cannot_be_used_the_stream_is_and_it_says_so(tmp_path: Path) -> None:
    short().events(tmp_path / "events.jsonl")
    damaged(tmp_path / "kilo.db")
    found = read_log(tmp_path)
    assert found.origin is Origin.EVENTS
    assert "Not used: kilo.db cannot be read: " in found.notes[0]


def test_a_database_of_another_run_beside_the_stream_is_not_taken_for_it(tmp_path: Path) -> None:
    other = KiloLog()
    other.sessions.clear()
    other.session("ses_other")
    other.agent(said("not this"), finish(), session="ses_other")
    other.database(tmp_path / "kilo.db")
    short().events(tmp_path / "events.jsonl")
    assert texts(tmp_path) == ["Done."]
    assert f"Not used: kilo.db holds no session {ROOT}." in read_log(tmp_path).notes


@pytest.mark.parametrize("where", ["missing/t.json", "a-file/t.json", "a-folder"])
def test_an_output_that_cannot_be_written_is_named_and_nothing_is_left(
    kilobench: Any, tmp_path: Path, where: str
) -> None:
    path = tmp_path / "kilo.db"
    short().database(path)
    (tmp_path / "a-file").touch()
    (tmp_path / "a-folder").mkdir()
    done = kilobench("convert", "kilo", path, "-o", tmp_path / where)
    assert done.code == 2
    assert "cannot be written" in done.err
    assert {one.name for one in tmp_path.iterdir()} == {"kilo.db", "a-file", "a-folder"}
