"""Answers on disk: what was paid for once is not paid for again, after a stop, a crash, or by another command.

The file holds what was asked as a hash, and what was answered as text; no key of an API is ever in it.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path

from adapter.errors import BadInputError, IncompleteError
from adapter.home import home
from adapter.trial import Tokens
from judges.llm.call import Reply

_TABLE = """
create table if not exists replies (
    key text primary key, text text not null, finish text not null,
    input integer, cache_read integer, cache_write integer, output integer, reasoning integer, cache_write_1h integer,
    usd real, started_at text not null, seconds real not null
) without rowid
"""
_PUT = "insert or replace into replies values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_GET = "select * from replies where key = ?"
_AT_ONCE = 256
"""Writes that share one commit at most."""


@dataclass(frozen=True, slots=True)
class _Write:
    """Something to write, and who is told once it is on disk."""

    sql: str
    rows: list[tuple[object, ...]]
    told: Callable[[BaseException | None], None]


class Cache:
    """The answers that there are. `Cache.open` makes one.

    Reads are answered at once, on the thread of the event loop: they take some microseconds. Writes go through a thread
    of their own, which puts all that wait into one commit, and are awaited.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading = _connect(path)
        # Looking there first leaves the file alone for what is not in it, which is most of the first run.
        self._keys = {key for (key,) in self._reading.execute("select key from replies")}
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_all, name="judge-cache", daemon=True)
        self._writer.start()

    @classmethod
    @contextmanager
    def open(cls, path: Path | None = None) -> Generator[Cache]:
        """Opens the cache at a path, else that in kilobench's home, and closes it.

        Raises:
            BadInputError: the file cannot be made, or is no cache.
        """
        where = home() / "judge-cache.db" if path is None else path
        try:
            where.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(where, os.O_RDWR | os.O_CREAT, 0o600))
            cache = cls(where)
        except (OSError, sqlite3.Error) as error:
            raise BadInputError(
                f"{where}: the judges' answers cannot be kept there: {error}.",
                "Move the file away (what was answered is then asked again), or give another KILOBENCH_HOME.",
            ) from error
        try:
            yield cache
        finally:
            cache.close()

    def get(self, key: str) -> Reply | None:
        """The answer to a call; None where there was none when the cache was opened, and none was put since.

        Raises:
            IncompleteError: the file cannot be read.
        """
        if key not in self._keys:
            return None
        with _telling(self._path):
            row = self._reading.execute(_GET, (key,)).fetchone()
        if row is None:
            return None
        (_, text, finish, *counts, usd, started_at, seconds) = row
        given, read, written, output, reasoning, for_an_hour = counts
        return Reply(
            key=key,
            text=text,
            finish=finish,
            tokens=Tokens(given, read, written, output, reasoning, for_an_hour),
            usd=usd,
            is_cached=True,
            started_at=datetime.fromisoformat(started_at),
            seconds=seconds,
        )

    async def put(self, reply: Reply) -> None:
        """Keeps an answer; when this returns, it is on disk.

        Raises:
            IncompleteError: it could not be written.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def told(error: BaseException | None) -> None:
            loop.call_soon_threadsafe(_tell, done, error)

        self._queue.put(_Write(_PUT, [_row(reply)], told))
        with _telling(self._path):
            await done
        self._keys.add(reply.key)

    def put_all(self, replies: Iterable[Reply]) -> None:
        """Keeps many answers at once. Raises as `put`."""
        given = list(replies)
        self._wait(_PUT, [_row(reply) for reply in given])
        self._keys.update(reply.key for reply in given)

    def forget(self, keys: Iterable[str]) -> None:
        """Lets these calls be asked anew. Raises as `put`."""
        gone = list(keys)
        self._keys.difference_update(gone)
        self._wait("delete from replies where key = ?", [(key,) for key in gone])

    def close(self) -> None:
        """Writes what waits, and closes the file."""
        self._queue.put(None)
        self._writer.join()
        self._reading.close()

    def _wait(self, sql: str, rows: list[tuple[object, ...]]) -> None:
        over = threading.Event()
        failed: list[BaseException] = []

        def told(error: BaseException | None) -> None:
            failed.extend([error] if error is not None else [])
            over.set()

        self._queue.put(_Write(sql, rows, told))
        over.wait()
        if failed:
            with _telling(self._path):
                raise failed[0]

    def _write_all(self) -> None:
        connection = _connect(self._path)
        is_open = True
        while is_open:
            first = self._queue.get()
            waiting = [] if first is None else [first]
            is_open = first is not None
            while is_open and len(waiting) < _AT_ONCE and not self._queue.empty():
                more = self._queue.get()
                is_open = more is not None
                waiting += [] if more is None else [more]
            failure: BaseException | None = None
            try:
                with connection:
                    for write in waiting:
                        connection.executemany(write.sql, write.rows)
            except sqlite3.Error as error:
                failure = error
            for write in waiting:
                write.told(failure)
        connection.close()


@contextmanager
def _telling(path: Path) -> Generator[None]:
    """While the file is used: what is wrong with it is told with what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise IncompleteError(
            f"{path}: the judges' answers cannot be kept there: {error}.",
            "Free some space, or move the file away; then run the same command again.",
        ) from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=60.0, check_same_thread=False)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = normal")
    connection.execute(_TABLE)
    connection.commit()
    return connection


def _row(reply: Reply) -> tuple[object, ...]:
    usual = (reply.key, reply.text, reply.finish, *astuple(reply.tokens))
    return (*usual, reply.usd, reply.started_at.isoformat(), reply.seconds)


def _tell(done: asyncio.Future[None], error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
