"""Job folders by URL: what lies in an object store, read in place through fsspec as the paths that the reader knows.

A store has no folders, only names with slashes in them, and each question is a request. So a path asks for each thing
anew only where it stands alone; the paths below a `listed` or a `whole` one answer from what was listed once.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import stat
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.request import url2pathname

from adapter.remote_store import URL, SilentStoreError, check_url, store_of

type _Parts = tuple[str, ...]
type Entries = dict[str, int | None]
"""What is in a folder: the bytes of each file, None for each folder."""

_AT_ONCE = 32
"""Folders that are listed at a time."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a folder, with what of `os.DirEntry` the reader asks."""

    name: str
    path: str
    is_folder: bool

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a folder; there are no links to follow."""
        del follow_symlinks
        return self.is_folder

    def is_symlink(self) -> bool:
        """There are none."""
        return False


class RemotePath(Path):
    """A place in a store. It can be pickled: the connection is made in the process that asks.

    Every look raises OSError as a local one does, `SilentStoreError` where the store does not answer.
    """

    __slots__ = ("_tree",)

    def __new__(cls, *segments: str | os.PathLike[str], tree: _Tree | None = None) -> Self:
        """Only says to the type checker what `__init__` takes."""
        del tree
        return super().__new__(cls, *segments)

    def __init__(self, *segments: str | os.PathLike[str], tree: _Tree | None = None) -> None:
        super().__init__(*segments)
        self._tree = tree

    def with_segments(self, *segments: str | os.PathLike[str]) -> Self:
        """A path made from this one, which answers from the same listings."""
        return type(self)(*segments, tree=self._tree)

    def __reduce__(self) -> tuple[type[Self], tuple[str, ...]]:
        return type(self), self.parts

    def __str__(self) -> str:
        """The URL."""
        shown = super().__str__()
        protocol, found, rest = shown.partition(":/")
        return f"{protocol}://{rest}" if found and "/" not in protocol else shown

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """What it is, and how large."""
        del follow_symlinks
        size = _asked(self) if self._tree is None else self._tree.size(self)
        kind = stat.S_IFDIR if size is None else stat.S_IFREG
        return os.stat_result((kind, 0, 0, 0, 0, 0, size or 0, 0, 0, 0))

    def lstat(self) -> os.stat_result:
        """The same: there are no links."""
        return self.stat()

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Whether there is something."""
        del follow_symlinks
        return self._mode() is not None

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether there is something below it."""
        del follow_symlinks
        mode = self._mode()
        return mode is not None and stat.S_ISDIR(mode)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a file."""
        del follow_symlinks
        mode = self._mode()
        return mode is not None and stat.S_ISREG(mode)

    def is_symlink(self) -> bool:
        """There are none."""
        return False

    def _mode(self) -> int | None:
        try:
            return self.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None

    def entries(self) -> Entries:
        """What is in this folder."""
        return _listing(self) if self._tree is None else self._tree.entries(self)

    def scan(self) -> AbstractContextManager[Iterable[Entry]]:
        """As `os.scandir`."""
        return nullcontext([Entry(name, f"{self}/{name}", size is None) for name, size in self.entries().items()])

    def iterdir(self) -> Generator[Self]:
        """The paths in this folder."""
        yield from (self / name for name in self.entries())

    def glob(  # pyright: ignore[reportIncompatibleMethodOverride]  # its own arguments differ by Python's version
        self, pattern: str
    ) -> Iterator[Self]:
        """The paths in this folder, and in none below it, whose names are of a pattern."""
        return (path for path in self.iterdir() if fnmatch.fnmatchcase(path.name, pattern))

    def walk(
        self,
        top_down: bool = True,
        on_error: Callable[[OSError], object] | None = None,
        follow_symlinks: bool = False,
    ) -> Iterator[tuple[Self, list[str], list[str]]]:
        """As Path's own, from the top down."""
        del top_down, follow_symlinks
        try:
            found = self.entries()
        except OSError as error:
            if on_error is not None:
                on_error(error)
            return
        folders = sorted(name for name, size in found.items() if size is None)
        yield self, folders, [name for name, size in found.items() if size is not None]
        for name in folders:
            yield from (self / name).walk(on_error=on_error)

    def resolve(self, strict: bool = False) -> Self:
        """The same path."""
        del strict
        return self

    def absolute(self) -> Self:
        """The same path."""
        return self

    def fetched(self, start: int, end: int) -> bytes:
        """The bytes of a file from `start` to before `end`, by one request."""
        if end <= start:
            return b""
        store = store_of(self.parts)
        with store.asking(str(self)):
            return store.fs.cat_file(store.key(self.parts), start=start, end=end)

    def listed(self) -> Self:
        """The same path: what is below it is listed folder by folder, each of them once."""
        return type(self)(*self.parts, tree=_Tree(self.parts, is_whole=False))

    def whole(self) -> Self:
        """The same path: all that is below it is listed together, when it is first asked for."""
        return type(self)(*self.parts, tree=_Tree(self.parts, is_whole=True))

    def alone(self) -> Self:
        """The same path, which asks the store anew each time."""
        return type(self)(*self.parts)


class _Tree:
    """What was listed below a folder."""

    def __init__(self, root: _Parts, *, is_whole: bool) -> None:
        self._root = root
        self._is_whole = is_whole
        self._answers: dict[_Parts, dict[_Parts, Entries] | OSError] = {}

    def entries(self, folder: RemotePath) -> Entries:
        """What is in a folder."""
        asked = self._root if self._is_whole else folder.parts
        answer = self._answers.get(asked)
        if answer is None:
            try:
                answer = _all_below(folder, self._root) if self._is_whole else {asked: _listing(folder)}
            except OSError as error:
                answer = error
            self._answers[asked] = answer
        if isinstance(answer, OSError):
            raise answer
        if folder.parts in answer:
            return answer[folder.parts]
        *above, name = folder.parts
        is_file = name in answer.get(tuple(above), ())
        raise _error(errno.ENOTDIR if is_file else errno.ENOENT, folder)

    def size(self, path: RemotePath) -> int | None:
        """A file's bytes; None for a folder."""
        if path.parts[: len(self._root)] != self._root:
            return _asked(path)
        if path.parts == self._root:
            try:
                self.entries(path)
            except NotADirectoryError:
                return _asked(path)
            return None
        found = self.entries(path.parent)
        if path.name not in found:
            raise _error(errno.ENOENT, path)
        return found[path.name]


def path_of(text: str) -> Path:
    """The path that a text means: a URL's in its store, and any other's on this machine.

    Raises:
        BadInputError: it is a URL that cannot be read here; see `check_url`.
    """
    found = URL.fullmatch(text)
    if found is None:
        return Path(text)
    protocol, rest = found["protocol"].lower(), found["rest"]
    if protocol in ("file", "local"):
        return Path(url2pathname(rest))
    check_url(protocol, rest)
    return RemotePath(f"{protocol}://{rest}")


def look_ahead(folders: Sequence[Path]) -> None:
    """Lists folders in a store together, for questions that come one after the other; nothing for local ones.

    Raises:
        SilentStoreError: the store does not answer. Other errors are raised when a folder is asked for.
    """
    remote = [folder for folder in folders if isinstance(folder, RemotePath)]
    if len(remote) < 2:
        return
    with ThreadPoolExecutor(min(_AT_ONCE, len(remote))) as pool:
        try:
            for _ in pool.map(_looked_at, remote):
                pass
        except SilentStoreError:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _looked_at(folder: RemotePath) -> None:
    try:
        folder.entries()
    except SilentStoreError:
        raise
    except OSError:
        pass  # it is said where somebody asks


def _asked(path: RemotePath) -> int | None:
    """A file's bytes, None for a folder, by a question of its own."""
    store = store_of(path.parts)
    with store.asking(str(path)):
        return _size(store.fs.info(store.key(path.parts)))


def _listing(folder: RemotePath) -> Entries:
    """What is in a folder, by a listing of its own."""
    store = store_of(folder.parts)
    key = store.key(folder.parts)
    with store.asking(str(folder)):
        found = store.fs.ls(key, detail=True)
    entries: Entries = {}
    for one in found:
        name = str(one["name"])
        if name == key and _size(one) is not None:
            raise _error(errno.ENOTDIR, folder)
        _put(entries, name[len(key) + 1 :].rstrip("/"), None if name.endswith("/") else _size(one))
    return entries


def _all_below(folder: RemotePath, root: _Parts) -> dict[_Parts, Entries]:
    """What is in a folder and in each one below it, by one listing."""
    store = store_of(root)
    key = store.key(root)
    with store.asking(str(folder)):
        found = store.fs.find(key, detail=True)
    folders: dict[_Parts, Entries] = {root: {}}
    for name, one in found.items():
        parts, *names = root, *str(name)[len(key) + 1 :].split("/")
        if not all(map(_is_name, names[:-1])):
            continue
        for below in names[:-1]:
            folders[parts][below] = None
            parts = (*parts, below)
            folders.setdefault(parts, {})
        _put(folders[parts], names[-1], _size(one))
    if folders == {root: {}}:
        raise _error(errno.ENOENT, folder)
    return folders


def _put(entries: Entries, name: str, size: int | None) -> None:
    """Adds what has a name that a path can have: a folder's own mark has none. What is both counts as a folder."""
    if _is_name(name) and entries.get(name, 0) is not None:
        entries[name] = size


def _is_name(name: str) -> bool:
    return name not in ("", ".", "..") and "/" not in name


def _size(info: Mapping[str, Any]) -> int | None:
    return None if info["type"] == "directory" else int(info["size"])


def _error(number: int, path: Path) -> OSError:
    return OSError(number, os.strerror(number), str(path))
