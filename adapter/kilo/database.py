"""Reading Kilo's `kilo.db`, SQLite with a write-ahead log, without changing it or anything beside it.

SQLite itself writes beside a database that it only reads (it makes the index of the log, and may move the log into
the database). So a database with a log is copied, with its log, and the copy is read; one without is read in place,
as one that does not change. Its contents are hostile: no view, no trigger, and no more work than a bound allows.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from adapter.errors import BadInputError, UnreadableError
from adapter.files import MAX_BYTES, parse_json
from adapter.kilo.choice import choose
from adapter.kilo.records import (
    Log,
    Message,
    Origin,
    Part,
    Session,
    below,
    in_order,
    moment_of,
    read_message,
    read_part,
    variant_of,
)
from adapter.loose import Json, text

MAGIC = b"SQLite format 3\0"
MAX_DATABASE_BYTES = 2**33
"""The largest database that is read: Kilo keeps all of a user's sessions in one."""
MAX_ROWS = 1_000_000
"""How many messages and parts of one session are read, its sub-agents' among them."""
MAX_SESSION_BYTES = MAX_BYTES
"""How large they may be together."""
MAX_SESSIONS = 100_000
"""How many sessions are looked at for the one that is meant."""
_LONGEST = 4_096
"""Characters that are read of what is said of a session: a path can have so many."""
_COLUMNS = {
    "session": {"id", "parent_id", "version", "time_created"},
    "message": {"id", "session_id", "time_created", "data"},
    "part": {"id", "message_id", "session_id", "data"},
}
"""What every version since 7.0 has."""
_MORE = {"agent", "directory", "model", "title"}
"""What is read of a session besides, where it is there."""
_TRIES = 3
_STEP, _MOST_STEPS = 1_000_000, 5_000
"""SQLite is stopped after so many instructions, so many times."""
_WAL_HEADER, _FRAME_HEADER = 32, 24
_WAL_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_COPY_HINT = "Copy kilo.db together with kilo.db-wal (and kilo.db-shm) while Kilo is not running, and convert that."


def read_database(path: Path, wanted: str | None = None) -> Log:
    """A session and its sub-agents' from a `kilo.db`.

    Args:
        path: the database; its write-ahead log is looked for beside it.
        wanted: the session's id; None for the only one of the user's own.

    Raises:
        BadInputError: it is no database of Kilo's, is damaged or too large, or which session is meant is not clear.
    """
    notes: list[str] = []
    try:
        with _opened(path, notes) as connection:
            sessions = {one.id: one for one in _sessions(connection, _columns(connection, path.name))}
            root = choose(sessions, wanted, path.name)
            ids = list(below(root, {one.id: one.parent for one in sessions.values()}))
            _check_size(connection, ids, path.name)
            whole = {id_: _with_messages(connection, sessions[id_], notes) for id_ in ids}
    except sqlite3.Error as error:
        raise BadInputError(f"{path.name} cannot be read: {error}.", _COPY_HINT) from error
    except OSError as error:
        raise BadInputError(f"{path.name} cannot be read: {error.strerror or error}.", _COPY_HINT) from error
    return Log(Origin.DATABASE, root, whole, tuple(notes))


@contextmanager
def _opened(path: Path, notes: list[str]) -> Generator[sqlite3.Connection]:
    """A connection that reads the database, with what stands in its log."""
    logs = [
        log
        for suffix in ("-wal", "-journal")
        if (log := path.with_name(path.name + suffix)).is_symlink() or _has_bytes(log)
    ]
    for file in (path, *logs):
        _refuse_odd(file)
    if not logs:
        with closing(_connect(path, "immutable=1")) as connection:
            yield connection
        return
    with tempfile.TemporaryDirectory(prefix="kilobench-") as folder:
        copied = _copied([path, *logs], Path(folder))
        notes.extend(_wal_notes(copied.with_name(copied.name + "-wal")))
        with closing(_connect(copied, "mode=rw")) as connection:
            yield connection


def _has_bytes(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _refuse_odd(path: Path) -> None:
    """Raises BadInputError for what is no ordinary file, or too large."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        kind = "a symbolic link, and symbolic links are not followed" if path.is_symlink() else "no ordinary file"
        raise BadInputError(f"{path.name} is {kind}.", "Give the path of the file itself.")
    if status.st_size > MAX_DATABASE_BYTES:
        what = f"{path.name} has {status.st_size:,} bytes; at most {MAX_DATABASE_BYTES:,} are read."
        raise BadInputError(what, "Convert what `kilo export SESSION` prints.")


def _copied(files: list[Path], folder: Path) -> Path:
    """A copy of the files that belongs together: none changed while they were copied."""
    for _ in range(_TRIES):
        before = _states(files)
        for file in files:
            shutil.copyfile(file, folder / file.name, follow_symlinks=False)
        if _states(files) == before:
            return folder / files[0].name
    what = f"{files[0].name} is being written to, and cannot be read meanwhile."
    raise BadInputError(what, "Run the same command once Kilo has ended.")


def _states(files: list[Path]) -> list[tuple[int, int]]:
    return [(status.st_size, status.st_mtime_ns) for status in (file.stat() for file in files)]


def _wal_notes(wal: Path) -> Iterator[str]:
    """What shows that a write-ahead log is damaged: SQLite reads it up to there and says nothing."""
    if not wal.exists():
        return
    with wal.open("rb") as file:
        header, size = file.read(_WAL_HEADER), os.fstat(file.fileno()).st_size
    if len(header) < _WAL_HEADER or header[:4] not in _WAL_MAGIC:
        yield "The write-ahead log is damaged: what was written last is not known."
    elif (size - _WAL_HEADER) % (int.from_bytes(header[8:12], "big") + _FRAME_HEADER):
        yield "The write-ahead log ends in the middle: what was written last is not known."


def _connect(path: Path, how: str) -> sqlite3.Connection:
    """A connection that runs nothing of what the database holds."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)
    connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
    connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_VIEW, False)
    connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER, False)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BYTES)
    left = iter(range(_MOST_STEPS))
    connection.set_progress_handler(lambda: next(left, None) is None, _STEP)
    # Texts that are no UTF-8 are repaired where they are parsed.
    connection.text_factory = bytes
    connection.row_factory = sqlite3.Row
    return connection


def _columns(connection: sqlite3.Connection, name: str) -> list[str]:
    """What is read of each session, as far as this version of Kilo has it.

    Raises:
        BadInputError: the database is not Kilo's.
    """
    columns: list[str] = []
    for table, needed in _COLUMNS.items():
        plain = "select 1 from sqlite_master where name = ? and type = 'table' and sql not like 'create virtual%'"
        is_plain = connection.execute(plain, (table,)).fetchone() is not None
        described = connection.execute(f"pragma table_info({table})") if is_plain else ()
        there = {_text(row["name"]) for row in described}
        if missing := needed - there:
            lacks = f"column {min(missing)} in table {table}" if there else f"table {table}"
            raise BadInputError(f"{name} is no database of Kilo's: it has no {lacks}.", _COPY_HINT)
        if table == "session":
            columns = sorted(needed | (_MORE & there))
    return columns


def _sessions(connection: sqlite3.Connection, columns: list[str]) -> Iterator[Session]:
    read = ", ".join(one if one == "time_created" else f"substr({one}, 1, {_LONGEST}) as {one}" for one in columns)
    for row in connection.execute(f"select {read} from session limit {MAX_SESSIONS}"):  # noqa: S608  (our own)
        known = {column: row[column] for column in columns}
        model = _read(known["model"], "a session's model", []) if known.get("model") else None
        yield Session(
            id=_text(known["id"]) or "",
            parent=_text(known["parent_id"]),
            title=_text(known.get("title")),
            version=_text(known["version"]),
            agent=_text(known.get("agent")),
            directory=_text(known.get("directory")),
            variant=variant_of(model),
            created=moment_of(known["time_created"]),
        )


def _check_size(connection: sqlite3.Connection, ids: list[str], name: str) -> None:
    """Raises BadInputError where the sessions hold more than is read."""
    rows = size = 0
    for id_ in ids:
        for table in ("message", "part"):
            query = f"select count(*), coalesce(sum(length(data)), 0) from {table} where session_id = ?"  # noqa: S608
            found, length = connection.execute(query, (id_,)).fetchone()
            rows, size = rows + found, size + length
    if rows > MAX_ROWS or size > MAX_SESSION_BYTES:
        what = f"The session in {name} holds {rows:,} rows of {size:,} bytes"
        raise BadInputError(
            f"{what}; at most {MAX_ROWS:,} and {MAX_SESSION_BYTES:,} are read.", "Convert another session."
        )


def _with_messages(connection: sqlite3.Connection, session: Session, notes: list[str]) -> Session:
    """The session with its messages, and with the parts of each."""
    parts: dict[str, list[Part]] = {}
    for row in connection.execute("select id, message_id, data from part where session_id = ?", (session.id,)):
        if (data := _read(row["data"], f"part {_text(row['id'])}", notes)) is not None:
            parts.setdefault(_text(row["message_id"]) or "", []).append(read_part(_text(row["id"]), data))
    messages: list[Message] = []
    for row in connection.execute("select id, data from message where session_id = ?", (session.id,)):
        id_ = _text(row["id"]) or ""
        if (data := _read(row["data"], f"message {id_}", notes)) is not None:
            messages.append(read_message(id_, data, parts.get(id_, ())))
    return replace(session, messages=in_order(messages))


def _read(value: object, what: str, notes: list[str]) -> Json | None:
    """The JSON object in a column; None, and a note, where there is none."""
    try:
        return _json(value, what)
    except UnreadableError as error:
        notes.append(f"Left out: {error}.")
        return None


def _json(value: object, what: str) -> Json:
    """The JSON object in a column.

    Raises:
        UnreadableError: there is none.
    """
    if not isinstance(value, bytes):
        raise UnreadableError(f"{what} holds no text")
    parsed = parse_json(value, what)
    if not isinstance(parsed, dict):
        raise UnreadableError(f"{what} holds no JSON object")
    return parsed


def _text(value: object) -> str | None:
    """A column's text; None for an empty one, and for what is no text."""
    return text(value.decode("utf-8", "replace")) if isinstance(value, bytes) else None
