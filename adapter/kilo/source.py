"""A Kilo session from a path: a `kilo.db`, an event stream, an export, or a folder that holds any of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from adapter.errors import BadInputError, UnreadableError
from adapter.files import is_there, parse_json, read_bytes
from adapter.kilo.database import MAGIC, read_database
from adapter.kilo.events import read_events
from adapter.kilo.export import is_export, read_exports
from adapter.kilo.records import Log, Origin

_DATABASES = ("kilo.db", "kilo/kilo.db", "xdg-data/kilo/kilo.db")
_STREAMS = ("events.jsonl", "kilo.jsonl")
_EXPORTS = "export*.json"
_HOLDS = "Give a kilo.db, the output of `kilo run --format json` or of `kilo export`, or a folder that holds one."


def read_log(path: Path, wanted: str | None = None) -> Log:
    """The session that a path holds.

    Of a folder the database is read, which holds the most, else the exports, else the event stream; what could not be
    used is in the notes. Where an event stream stands beside, it says which session is meant and what went wrong.

    Args:
        path: a file or a folder.
        wanted: the session's id; None for the one that the stream names, or the only one.

    Raises:
        BadInputError: there is none, it cannot be read, or which session is meant is not clear.
    """
    try:
        is_folder = path.is_dir()
        if not is_folder and not is_there(path):
            raise BadInputError(f"{path} is not there.", _HOLDS)
    except OSError as error:
        raise BadInputError(f"{path} cannot be looked at: {error.strerror or error}.", _HOLDS) from error
    return _of_folder(path, wanted) if is_folder else _of_file(path, wanted)


def _of_file(path: Path, wanted: str | None) -> Log:
    if path.suffix == ".db" or _begins_as_database(path):
        return read_database(path, wanted)
    try:
        if is_export(parse_json(read_bytes(path), path.name)):
            return read_exports([path], wanted)
    except UnreadableError:
        pass  # so it is lines, or whoever reads those says what is wrong
    return read_events(path, wanted)


def _begins_as_database(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise BadInputError(f"{path.name} cannot be read: {error.strerror or error}.", _HOLDS) from error


def _of_folder(folder: Path, wanted: str | None) -> Log:
    databases = [path for name in _DATABASES if is_there(path := folder / name)][:1]
    streams = [path for name in _STREAMS if is_there(path := folder / name)][:1]
    exports = sorted(folder.glob(_EXPORTS))
    stream = _stream(streams, wanted)
    if wanted is None and isinstance(stream, Log):
        wanted = stream.root
    ways: list[Callable[[], Log]] = [lambda path=path: read_database(path, wanted) for path in databases]
    if exports:
        ways.append(lambda: read_exports(exports, wanted))
    if streams:
        ways.append(lambda: read_events(streams[0], wanted))
    if not ways:
        raise BadInputError(f"{folder} holds no log of Kilo's.", _HOLDS)
    refused: list[BadInputError] = []
    for read in ways:
        try:
            log = read()
        except BadInputError as error:
            refused.append(error)
        else:
            return _completed(log, stream, refused)
    raise refused[0]


def _stream(streams: list[Path], wanted: str | None) -> Log | None:
    """The event stream of a folder, where there is one that can be read."""
    try:
        return read_events(streams[0], wanted) if streams else None
    except BadInputError:
        return None


def _completed(log: Log, stream: Log | None, refused: list[BadInputError]) -> Log:
    """The log with what the stream knows besides, and with what could not be used."""
    notes = [f"Not used: {error.what}" for error in refused]
    root = log.sessions[log.root]
    if stream is not None and stream.root == log.root and log.origin is not Origin.EVENTS:
        said = {(one.failure.name, one.failure.message) for one in root.messages if one.failure is not None}
        more = tuple(one for one in stream.sessions[stream.root].failures if (one.name, one.message) not in said)
        root = replace(root, failures=(*root.failures, *more))
    return log.with_root(root, *notes)
