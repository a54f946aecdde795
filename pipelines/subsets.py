"""Which tasks are wanted: names of tasks, as people write them in files and as Harbor and trials know them."""

from __future__ import annotations

import fnmatch
import tomllib
from pathlib import Path
from typing import cast

from adapter.errors import BadInputError


def is_named(task: str, pattern: str) -> bool:
    """Whether a name, or a pattern, is of a task: of `org/name`, `name` is one, too.

    Args:
        task: as its trials have it.
        pattern: as it was written.
    """
    return any(fnmatch.fnmatchcase(one, pattern) for one in dict.fromkeys((task, _last(task))))


def as_harbor_knows(pattern: str) -> tuple[str, ...]:
    """What Harbor's `-i` is to be given for a name: a task of a folder it knows by the folder, which has no `org/`."""
    return tuple(dict.fromkeys((pattern, _last(pattern))))


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def subset_of(path: Path) -> tuple[str, ...]:
    """The names of tasks in a file: a text file has one a line, and what stands after `#` is a remark.

    A `.toml` has a table `[[task]]` for each, as `kilobench select` writes it: `name`, whether it is `chosen` (it is
    where nothing is said) and `why`; or a list `tasks` of names, or of such tables.

    Raises:
        BadInputError: it cannot be read, or names none.
    """
    is_toml = path.suffix.lower() == ".toml"
    hint = "Write a table [[task]] with a name for each." if is_toml else "Write one task's name on each line."
    try:
        text = path.read_text(encoding="utf-8")
        found = _in_toml(text) if is_toml else [line.partition("#")[0].strip() for line in text.splitlines()]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInputError(f"--subset {path} cannot be read: {error}.", "Give a file of task names.") from error
    if found is None:
        raise BadInputError(f"--subset {path} is no list of tasks.", hint)
    names = tuple(dict.fromkeys(name for name in found if name))
    if not names:
        raise BadInputError(f"--subset {path} names no task.", hint)
    return names


def _in_toml(text: str) -> list[str] | None:
    """The names of the chosen tasks; None where an entry has no name, or `chosen` is neither true nor false."""
    value = cast("dict[str, object]", tomllib.loads(text))
    found: list[str] = []
    for listed in (value.get("task", []), value.get("tasks", [])):
        if not isinstance(listed, list):
            return None
        for one in cast("list[object]", listed):
            table = cast("dict[str, object]", one) if isinstance(one, dict) else {"name": one}
            name, is_chosen = table.get("name"), table.get("chosen", True)
            if not isinstance(name, str) or not isinstance(is_chosen, bool):
                return None
            if is_chosen:
                found.append(name.strip())
    return found
