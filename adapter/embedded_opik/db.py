"""One SQLite file: opening it safely, its migrations in order, a pool of readers and a single writer."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from adapter.embedded_opik import ids
from adapter.embedded_opik.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

APPLICATION_ID = 0x6B62656E  # "kben" in the file's header: tells our file from another program's.
BUSY_SECONDS = 30.0
# A batch of a thousand spans changes some thousands of pages of the indexes, since ids come in no order. With
# SQLite's own 2 MB of cache and a checkpoint after each 4 MB, most of them were written and read several times.
_WRITER_CACHE_KB = 16_384
_WRITER_LOG_PAGES = 8_000
MIGRATIONS = Path(__file__).parent / "migrations"

type Value = str | float | int | None


def utc_now() -> datetime:
    """The clock the store uses unless a test hands it another one."""
    return datetime.now(UTC)


def migrations() -> list[tuple[int, str]]:
    """Every migration as (version, SQL), in order; the number is the start of the file's name."""
    return [(int(file.name[:4]), file.read_text("utf-8")) for file in sorted(MIGRATIONS.glob("*.sql"))]


class Store:
    """The database of the embedded store.

    Readers take a connection from a pool; writers queue on one lock and one `BEGIN IMMEDIATE` each, so two
    threads never meet `database is locked`, and two processes wait for each other for up to `BUSY_SECONDS`.

    Args:
        path: The file; it and its folder are made, readable by the user alone, where they do not exist.
        clock: Returns the current time, with a time zone.

    Raises:
        StoreError: The file cannot be opened, is not ours, or is of a newer version.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime] = utc_now) -> None:
        self.path = path
        self.clock = clock
        self.rows_written: Counter[tuple[str, str]] = Counter()
        """Rows by (table, "new" | "updated" | "deleted") since this store was opened."""
        self._pending: Counter[tuple[str, str]] = Counter()
        self._idle: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None
        self._pool_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._closed = False
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Made before SQLite sees it: its side files take over the mode of the database file.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreError(
                f"The store {path} cannot be opened: {error.strerror}.",
                "Check the folder's permissions, or set KILOBENCH_HOME to a folder you can write to.",
            ) from error
        try:
            # SQLite does not wait for others where a file changes to WAL: only one program at a time gets there.
            with FileLock(f"{path}.lock", timeout=BUSY_SECONDS, mode=0o600):
                self._migrate()
        except Timeout as error:
            raise StoreError(
                f"The store {path} is being opened by another program that does not finish.",
                "End that program and start again.",
            ) from error
        except sqlite3.Error as error:
            raise _cannot_open(path, error) from error

    def close(self) -> None:
        """Close every idle connection; one in use is closed when it is handed back."""
        with self._pool_lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        if self._write_lock.acquire(blocking=False):
            try:
                self._close_writer()
            finally:
                self._write_lock.release()

    @contextmanager
    def read(self) -> Generator[sqlite3.Connection]:
        """A connection for reading."""
        connection = self._take()
        try:
            yield connection
        finally:
            self._give_back(connection)

    @contextmanager
    def write(self) -> Generator[sqlite3.Connection]:
        """A connection inside one transaction: committed at the end, rolled back on any error."""
        with self._write_lock:
            connection = self._writer = self._writer or self._connect_writer()
            try:
                connection.execute("BEGIN IMMEDIATE")
                self._pending.clear()
                yield connection
                connection.execute("COMMIT")
                self.rows_written.update(self._pending)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if self._closed:
                    self._close_writer()

    def upsert(
        self,
        connection: sqlite3.Connection,
        table: str,
        columns: Sequence[str],
        key: Sequence[str],
        rows: Sequence[Sequence[Value]],
    ) -> None:
        """Insert rows, or replace the row with the same key (all but its `created_at`), and count both."""
        if not rows:
            return
        kept = {*key, "created_at"}
        changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in kept)
        newest = connection.execute(f"SELECT coalesce(max(rowid), 0) FROM {table}").fetchone()[0]
        connection.executemany(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
            f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}",
            rows,
        )
        # An update keeps its rowid and an insert gets a higher one; nobody else writes in this transaction.
        new = connection.execute(f"SELECT count(*) FROM {table} WHERE rowid > ?", (newest,)).fetchone()[0]
        self._pending[table, "new"] += new
        self._pending[table, "updated"] += len(rows) - new

    def insert(self, connection: sqlite3.Connection, table: str, row: Mapping[str, Value], clash: str = "") -> None:
        """Insert one new row; `clash` is what SQLite is to do where one is there already."""
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        sql = f"INSERT INTO {table} ({names}) VALUES ({marks}) {clash}"
        self.execute(connection, table, "new", sql, tuple(row.values()))

    def update(
        self, connection: sqlite3.Connection, table: str, changes: Mapping[str, Value], key: Value, column: str = "id"
    ) -> None:
        """Change the columns of one row, which is known by its `column`."""
        names = ", ".join(f"{name} = ?" for name in changes)
        sql = f"UPDATE {table} SET {names} WHERE {column} = ?"
        self.execute(connection, table, "updated", sql, (*changes.values(), key))

    def delete(self, connection: sqlite3.Connection, table: str, keys: Sequence[str], column: str = "id") -> None:
        """Delete the rows whose `column` is one of the keys."""
        sql = f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))"
        self.execute(connection, table, "deleted", sql, [json.dumps(keys)])

    def execute(self, connection: sqlite3.Connection, table: str, what: str, sql: str, values: Sequence[Value]) -> int:
        """Run one writing statement, count the rows it changed under (table, what), and return that count."""
        changed = connection.execute(sql, values).rowcount
        self._pending[table, what] += changed
        return changed

    def _connect_writer(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_WRITER_LOG_PAGES}")
        return connection

    def _close_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _take(self) -> sqlite3.Connection:
        with self._pool_lock:
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._pool_lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> sqlite3.Connection:
        # Each connection is used by one thread at a time; the server's worker threads only take turns.
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.create_function("thread_model_id", 2, ids.thread_model_id, deterministic=True)
        return connection

    def _migrate(self) -> None:
        known = migrations()
        with self._write_lock, self.read() as connection:
            connection.execute("BEGIN")
            try:
                version = self._version(connection, known[-1][0])
            finally:
                connection.execute("ROLLBACK")
            if version == known[-1][0]:
                return
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            try:
                for number, script in known:
                    if number > version:
                        for statement in _statements(script):
                            connection.execute(statement)
                        connection.execute(f"PRAGMA user_version = {number}")
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _version(self, connection: sqlite3.Connection, newest: int) -> int:
        """The file's schema version, 0 for a new one; a StoreError for a file that is not ours to open."""
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if owner != APPLICATION_ID and (version or tables):
            raise StoreError(
                f"{self.path} is a database of another program.",
                "Name another file, or another folder with KILOBENCH_HOME.",
            )
        if version > newest:
            raise StoreError(
                f"The store {self.path} was written by a newer kilobench (schema {version}, this one knows {newest}).",
                "Update kilobench, or name another folder with KILOBENCH_HOME.",
            )
        return version


def _statements(script: str) -> Iterator[str]:
    """The statements of a migration one by one (`executescript` would commit between them)."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def _cannot_open(path: Path, error: sqlite3.Error) -> StoreError:
    if isinstance(error, sqlite3.DatabaseError) and "not a database" in str(error):
        return StoreError(
            f"{path} is not a database.", "Move that file away, or name another folder with KILOBENCH_HOME."
        )
    if "full" in str(error):
        return StoreError(f"The disk of {path} is full.", "Free some space and start again; nothing was lost.")
    return StoreError(
        f"The store {path} cannot be opened: {error}.",
        "Check that the disk is not full and the file is yours, or set KILOBENCH_HOME to another folder.",
    )
