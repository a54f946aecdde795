"""What kind of task a trial was of, by the task's own `task.toml`, where that is still at hand.

The place of the task's folder stands in the job's files, which may be hostile: nothing but a file called `task.toml`
is read, it must name the trial's task, and one short text is kept of it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import cast

from harbor.models.task import id as ids
from pydantic import ValidationError

from adapter.errors import UnreadableError
from adapter.files import inside, read_bytes
from adapter.loose import Json, mapping, text
from adapter.remote import RemotePath
from adapter.trial import JsonValue

_FILE = "task.toml"
_MOST_BYTES = 2**18
_LONGEST = 100
_KEYS = ("category", "task_category")
_PACKAGE = re.compile(r"(?P<org>\w[\w.-]*)/(?P<name>\w[\w.-]*)")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ABOVE = 3
"""How many folders above a job a task's relative place is looked for from: Harbor's own is two above."""


def task_category(result: Json, job: Path) -> str | None:
    """The category in the task's metadata; None where there is none, or the task's folder is not at hand.

    Args:
        result: the trial's, with its settings.
        job: the job's folder.
    """
    task = mapping(mapping(result.get("config")).get("task")) or mapping(result.get("task_id"))
    name = text(result.get("task_name"))
    for folder, within in _folders(task, job):
        declared, category = _read(folder, within)
        if category is not None and (declared is None or name is None or declared == name):
            return category
    return None


def _folders(task: Json, job: Path) -> Iterator[tuple[Path, Path]]:
    """Where the task's folder may be, each with the folder below which no symbolic link is followed."""
    path = text(task.get("path"))
    cached = _cached(task)
    if cached is not None:
        yield cached, cached.parent
    elif task.get("git_url") is not None:
        return  # its path is one in a repository
    elif path is not None and "\0" not in path and Path(path).is_absolute():
        yield Path(path), Path(path).parent
    elif path is not None:
        for base in dict.fromkeys((*list(job.absolute().parents)[:_ABOVE], Path.cwd())):
            folder = inside(base, path)
            if folder is not None and _may_be_there(base, folder):
                yield folder, base


def _may_be_there(base: Path, folder: Path) -> bool:
    """False where a store holds nothing of the kind: one question for all tasks, which mostly lie elsewhere."""
    return not isinstance(base, RemotePath) or _is_folder(base / folder.parts[len(base.parts)])


@lru_cache(maxsize=64)
def _is_folder(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except OSError:
        return False


def _cached(task: Json) -> Path | None:
    """Where Harbor keeps a task that it fetched; None for one that it did not, or where it keeps none."""
    url, path, name = text(task.get("git_url")), text(task.get("path")), text(task.get("name"))
    if url is not None and path is not None:
        return _of_repository(ids.TASK_CACHE_DIR, url, text(task.get("git_commit_id")), path)
    found, ref = _PACKAGE.fullmatch(name or ""), text(task.get("ref"))
    if found is None or _DIGEST.fullmatch(ref or "") is None:
        return None
    return ids.PackageTaskId(org=found["org"], name=found["name"], ref=ref).get_local_path()


@lru_cache(maxsize=16)
def _of_repository(cache: Path, url: str, commit: str | None, path: str) -> Path | None:
    if not cache.is_dir():
        return None
    try:
        return ids.GitTaskId(git_url=url, git_commit_id=commit, path=Path(path)).get_local_path()
    except (ValidationError, ValueError):
        return None  # a path that leads out of its repository


@lru_cache(maxsize=16)
def _read(folder: Path, within: Path) -> tuple[str | None, str | None]:
    """The task's name and category; None for what its file does not say or cannot be read.

    A task's trials stand together in a job, so few answers need to be kept.
    """
    try:
        data = read_bytes(folder / _FILE, within, limit=_MOST_BYTES)
        if b"category" not in data:
            return None, None
        found = cast("Json", tomllib.loads(data.decode()))
    except (UnreadableError, ValueError, RecursionError):
        return None, None
    metadata = mapping(found.get("metadata"))
    category = next((one for key in _KEYS if (one := _short(metadata.get(key)))), None)
    return text(mapping(found.get("task")).get("name")), category


def _short(value: JsonValue) -> str | None:
    """A text's beginning, without what cannot be printed."""
    shown = "".join(one for one in (text(value) or "")[: 10 * _LONGEST] if one.isprintable())
    return shown.strip()[:_LONGEST].strip() or None
