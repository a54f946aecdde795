"""Reading the files of a job, which an agent may have written to do harm: only ordinary files, and none too large.

No symbolic link below a job's folder is followed. What cannot be read is one reason in plain words.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Protocol, cast

from pydantic_core import from_json

from adapter.errors import IncompleteError, UnreadableError
from adapter.remote import RemotePath
from adapter.remote_store import SilentStoreError
from adapter.trial import Finding, JsonValue, Severity

MAX_BYTES = 256_000_000
"""The largest file that is read. The largest real trajectory that is known has 1.5 MB."""

MAX_DEPTH = 200
"""How deep lists and objects may stand in each other: the parser's own limit (it reads lists in one level more)."""

MAX_DIGITS = 4300
"""The longest integer: Python's own limit, and the parser's."""

MAX_MEMORY = 2**31
"""Bytes of memory that the values of one file may need, by `_memory`."""

_PER_BYTE = 5
"""The file itself, and its texts: Python holds a text at up to 4 bytes per character."""
_PER_MARK = {ord("["): 80, ord("{"): 208, ord(","): 64}
"""Bytes of memory for a list, an object with one key, and one more value in either (measured on CPython 3.12)."""
_HARMLESS = MAX_MEMORY // (_PER_BYTE + max(_PER_MARK.values()))
"""A file of so many bytes stays below `MAX_MEMORY` whatever stands in it."""
_CHUNK = 2**18

_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
_LONGEST_NAME = 255
"""Bytes; so long a name a file can have on every common file system."""
_LONGEST_REFERENCE = 4096
"""Characters; no path can be longer on Linux."""

_KINDS = (
    (stat.S_ISLNK, "a symbolic link, and symbolic links are not followed"),
    (stat.S_ISDIR, "a directory, not a file"),
    (stat.S_ISFIFO, "a named pipe, not a file"),
    (stat.S_ISSOCK, "a socket, not a file"),
    (stat.S_ISCHR, "a device, not a file"),
    (stat.S_ISBLK, "a device, not a file"),
)

_SURROGATE = re.compile(
    rb"(?<!\\)(?P<before>(?:\\\\)*)"
    rb"(?:(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
"""An escaped surrogate, alone or in its pair, after any number of escaped backslashes."""


class Entry(Protocol):
    """What is asked of one thing in a folder, as of `os.DirEntry`."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def path(self) -> str:
        """The folder's path and its name."""
        ...

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a folder."""
        ...

    def is_symlink(self) -> bool:
        """Whether it is a symbolic link."""
        ...


def scan(folder: Path) -> AbstractContextManager[Iterable[Entry]]:
    """What is in a folder, as `os.scandir` says it.

    Raises:
        OSError: it cannot be looked into.
    """
    return folder.scan() if isinstance(folder, RemotePath) else os.scandir(folder)


def walk(
    folder: Path, on_error: Callable[[OSError], object] | None = None
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """A folder and those below it, each with the names of its folders and its files; no symbolic link is followed."""
    if isinstance(folder, RemotePath):
        yield from folder.walk(on_error=on_error)
        return
    for parent, folders, names in os.walk(folder, onerror=on_error, followlinks=False):
        yield Path(parent), folders, names


def is_there(path: Path) -> bool:
    """Whether there is something to read: False only where there surely is nothing.

    What cannot be looked at (no permission, a loop of links, a name too long) is there: reading it says why not.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def inside(folder: Path, reference: str, within: Path | None = None) -> Path | None:
    """The path that a relative reference in a file means, where it may be read.

    Args:
        folder: what the reference is relative to.
        reference: as it stands in the file; hostile.
        within: the folder that it must not lead out of, `folder` or one above it; by default `folder`.

    Returns:
        The path, whether or not anything is there; None for a reference that is empty, absolute, too long or no text,
        that leads out of `within`, or that leads over a symbolic link.
    """
    root = folder if within is None else within
    if len(reference) > _LONGEST_REFERENCE or "\0" in reference or _shown(reference) != reference:
        return None
    parts = list(folder.relative_to(root).parts)
    for part in PurePosixPath(reference).parts:
        if part == ".." and parts:
            parts.pop()
        elif part == ".." or part.startswith("/") or len(part.encode()) > _LONGEST_NAME:
            return None
        else:
            parts.append(part)
    path = root
    for part in parts:
        path /= part
        try:
            if path.is_symlink():
                return None
        except OSError:
            break  # reading it says why it cannot be looked at
    return root.joinpath(*parts) if parts else None


def read_bytes(path: Path, within: Path | None = None, *, limit: int = MAX_BYTES, tail: int | None = None) -> bytes:
    """What is in an ordinary file.

    Args:
        path: the file.
        within: a folder above it, below which no symbolic link is followed; by default the folder that it is in.
        limit: bytes of the largest file that is read.
        tail: how many of its last bytes are read; by default all of them.

    Raises:
        UnreadableError: it cannot be read, is no ordinary file or is too large; the message says why.
    """
    root = path.parent if within is None else within
    name = _shown(path.name)
    # Path.relative_to takes longer than reading most files.
    depth = len(root.parts)
    parts = path.parts[depth:]
    if not parts or path.parts[:depth] != root.parts or ".." in parts:
        raise UnreadableError(f"{name} lies outside of {_shown(root.name)}")
    if isinstance(path, RemotePath):
        return _fetched(path, name, limit, tail)
    opened: list[int] = []
    try:
        opened.append(os.open(root, _FOLDER))
        for part in parts[:-1]:
            if stat.S_ISLNK(os.stat(part, dir_fd=opened[-1], follow_symlinks=False).st_mode):
                reason = f"{name} lies behind {_shown(part)}, a symbolic link, and symbolic links are not followed"
                raise UnreadableError(reason)
            opened.append(os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=opened[-1]))
        # Looked at before it is opened, which alone may set off a pipe or a device, and again once it is ours.
        _refuse(name, os.stat(parts[-1], dir_fd=opened[-1], follow_symlinks=False), limit)
        opened.append(os.open(parts[-1], _FILE, dir_fd=opened[-1]))
        status = os.fstat(opened[-1])
        _refuse(name, status, limit)
        size = status.st_size
        if tail is not None and size > tail:
            os.lseek(opened[-1], size - tail, os.SEEK_SET)
            size = tail
        return _content(opened[-1], size)
    except OSError as error:
        raise UnreadableError(f"{name}: {error.strerror or error}") from error
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _fetched(path: RemotePath, name: str, limit: int, tail: int | None) -> bytes:
    """What is in a file of a store.

    Raises:
        IncompleteError: the store does not answer: no other file could be read either.
    """
    try:
        status = path.lstat()
        _refuse(name, status, limit)
        size = status.st_size
        return path.fetched(max(0, size - tail) if tail is not None else 0, size)
    except SilentStoreError as error:
        raise IncompleteError(f"{path} cannot be read: {error.strerror}.", error.hint) from error
    except OSError as error:
        raise UnreadableError(f"{name}: {error.strerror or error}") from error


def _content(descriptor: int, size: int) -> bytes:
    """So many bytes of a file, or fewer where it has become shorter."""
    data = os.read(descriptor, size)
    while len(data) < size and (more := os.read(descriptor, size - len(data))):
        data += more
    return data


def _shown(name: str) -> str:
    """A file's name as text, also where its bytes are none."""
    return name.encode("utf-8", "replace").decode()


def _refuse(name: str, status: os.stat_result, limit: int) -> None:
    """Raises UnreadableError for what is no ordinary file, or too large."""
    for is_kind, kind in _KINDS:
        if is_kind(status.st_mode):
            raise UnreadableError(f"{name} is {kind}")
    if status.st_size > limit:
        raise UnreadableError(f"{name} has {status.st_size:,} bytes; at most {limit:,} are read")


def read_json(path: Path, within: Path | None = None, findings: list[Finding] | None = None) -> JsonValue:
    """The JSON value in a file.

    Args:
        path: the file.
        within: a folder above it, below which no symbolic link is followed; by default the folder that it is in.
        findings: is told where the text had to be repaired.

    Raises:
        UnreadableError: the file cannot be read, holds no JSON or goes beyond a limit; the message says why and where.
    """
    return parse_json(read_bytes(path, within), _shown(path.name), findings)


def parse_json(data: bytes, name: str, findings: list[Finding] | None = None, *, partial: bool = False) -> JsonValue:
    """The JSON value in some UTF-8 text. Of equal keys the last one counts; NaN and infinities are floats.

    Args:
        data: the text, with a byte order mark or without one.
        name: what it is called in messages.
        findings: is told where the text had to be repaired: bytes that are no UTF-8, and escapes that name half a
            character (lone surrogates), become `?`.
        partial: whether a text that ends in the middle is read as far as it goes; `findings` is told.

    Raises:
        UnreadableError: it is no JSON or goes beyond a limit; the message says why and where.
    """
    encoding = json.detect_encoding(data)
    if encoding == "utf-8-sig":
        data = data[3:]
    elif encoding != "utf-8":
        raise UnreadableError(f"{name} is {encoding.upper()} or no text at all; only UTF-8 is read")
    if not data or data.isspace():
        raise UnreadableError(f"{name} is empty")
    _refuse_bomb(data, name)
    try:
        return cast("JsonValue", from_json(data, cache_strings="keys"))
    except ValueError as error:
        if (reason := _limit(str(error))) is not None:
            raise UnreadableError(f"{name} {reason}") from error
        repaired = _repaired(data)
        is_cut = partial and str(error).startswith("EOF")
        if repaired == data and not is_cut:
            raise UnreadableError(f"{name} is no JSON: {error}") from error
    found: list[Finding] = []
    if repaired != data:
        message = f"{name} holds bytes or escapes that are no text: each was read as `?`."
        found.append(Finding("text_repaired", Severity.WARNING, message))
    try:
        value = cast("JsonValue", from_json(repaired))
    except ValueError as error:
        if not partial or not str(error).startswith("EOF"):
            raise UnreadableError(f"{name} {_limit(str(error)) or f'is no JSON: {error}'}") from error
        value = cast("JsonValue", from_json(repaired, allow_partial=True))
        message = f"{name} ends in the middle ({error}): it was read up to there, and the rest is not known."
        found.append(Finding("file_truncated", Severity.ERROR, message))
    if findings is not None:
        findings.extend(found)
    return value


def _limit(error: str) -> str | None:
    """The limit that the parser's error is about, in plain words; None for an error of another kind."""
    if error.startswith("recursion limit exceeded"):
        return f"is nested too deeply: at most {MAX_DEPTH} levels are read"
    if error.startswith("number out of range"):
        return f"holds an integer that is too long: at most {MAX_DIGITS:,} digits are read"
    return None


def _repaired(data: bytes) -> bytes:
    """The bytes as UTF-8 with `?` for everything that is no text."""
    whole = _SURROGATE.sub(lambda found: found[0] if found["pair"] else found["before"] + b"?", data)
    # Each byte that is no UTF-8 becomes a surrogate, which cannot be encoded again.
    return whole.decode("utf-8", "surrogateescape").encode("utf-8", "replace")


def _refuse_bomb(data: bytes, name: str) -> None:
    """Raises UnreadableError for a text whose values would need too much memory; a small one is not looked at."""
    if len(data) <= _HARMLESS or _memory(data, _counts(data)) <= MAX_MEMORY:
        return
    needed = _memory(data, _counts_outside_strings(data))
    if needed > MAX_MEMORY:
        raise UnreadableError(
            f"{name} holds so many values that they need {needed / 2**30:.1f} GiB of memory; "
            f"at most {MAX_MEMORY / 2**30:.0f} GiB are used for one file"
        )


def _memory(data: bytes, counts: dict[int, int]) -> int:
    """Bytes of memory that parsing needs, at most about."""
    return _PER_BYTE * len(data) + sum(_PER_MARK[mark] * count for mark, count in counts.items())


def _counts(data: bytes) -> dict[int, int]:
    """How many brackets and commas stand in a text, those in its strings among them."""
    import numpy as np  # loaded for huge files only

    counts = dict.fromkeys(_PER_MARK, 0)
    for start in range(0, len(data), _CHUNK):
        chunk = np.frombuffer(data, dtype=np.uint8, count=min(_CHUNK, len(data) - start), offset=start)
        for mark in counts:
            counts[mark] += int(np.count_nonzero(chunk == mark))
    return counts


def _counts_outside_strings(data: bytes) -> dict[int, int]:
    """How many brackets and commas stand in a JSON text outside of its strings."""
    import numpy as np

    others = bytes(set(range(256)) - {ord('"'), *_PER_MARK})
    # Without escaped backslashes and then escaped quotes, every quote left begins or ends a string.
    marks = data.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, others)
    counts = dict.fromkeys(_PER_MARK, 0)
    in_string = False
    for start in range(0, len(marks), _CHUNK):
        chunk = np.frombuffer(marks, dtype=np.uint8, count=min(_CHUNK, len(marks) - start), offset=start)
        quoted = np.logical_xor.accumulate(chunk == ord('"')) ^ in_string
        in_string = bool(quoted[-1])
        for mark in counts:
            counts[mark] += int(np.count_nonzero((chunk == mark) & ~quoted))
    return counts
