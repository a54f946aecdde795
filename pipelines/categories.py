"""Which kind of work a task is: from the user's file, or by the task's own metadata.

A file is TOML or JSON, and one mapping of task names, or shell patterns of them, to categories:

    "terminal-bench/fix-git" = "bugfix"    # as Harbor names the task
    fix-git = "bugfix"                     # or without whose task it is
    "review-*" = "review"                  # or all that match

A name that stands there goes before every pattern, the longer of a task's two names first; of the patterns, the first
in the file's order that matches either of them. What the file does not name has no category.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from adapter.errors import BadInputError
from adapter.trial import Trial

_FORM = 'Write one entry per task: "task-name" = "bugfix" in a .toml file, {"task-name": "bugfix"} in a .json file.'
_PATTERN = frozenset("*?[")


@dataclass(frozen=True)
class Categories:
    """What decides a task's category.

    Attributes:
        by_name: from the user's file, names and patterns in its order; None for the tasks' own metadata.
    """

    by_name: Mapping[str, str] | None = None
    _found: dict[str, str | None] = field(default_factory=dict[str, str | None], init=False, repr=False, compare=False)

    def of(self, trial: Trial) -> str | None:
        """The category of a trial's task; None where nothing gives it one."""
        if self.by_name is None:
            return trial.category
        if trial.task not in self._found:
            self._found[trial.task] = _look_up(self.by_name, trial.task)
        return self._found[trial.task]


def load_categories(path: Path | None) -> Categories:
    """The categories in a file; those of the tasks' own metadata where there is no file.

    Raises:
        BadInputError: it cannot be read, or is no mapping of tasks to categories.
    """
    if path is None:
        return Categories()
    entries = _entries(path)
    wrong = next((name for name, category in entries.items() if not isinstance(category, str)), None)
    if wrong is not None:
        raise BadInputError(
            f"{path}: the category of {wrong!r} is no text.",
            f"{_FORM} A name with a dot in it needs the quotes.",
        )
    texts = {name: str(category).strip() for name, category in entries.items()}
    empty = next((name for name, category in texts.items() if not category), None)
    if empty is not None:
        raise BadInputError(f"{path}: the category of {empty!r} is empty.", "Name one, or take the entry out.")
    broken = next((text for pair in texts.items() for text in pair if not _is_text(text)), None)
    if broken is not None:
        raise BadInputError(f"{path}: {broken!r} holds half a character.", "Write the whole character.")
    return Categories(texts)


def _is_text(text: str) -> bool:
    """Whether it can be written: JSON's escapes may name half of a character."""
    return text.isascii() or not any("\ud800" <= one <= "\udfff" for one in text)


def _look_up(by_name: Mapping[str, str], task: str) -> str | None:
    names = dict.fromkeys((task, task.rpartition("/")[2]))
    exact = next((by_name[name] for name in names if name in by_name), None)
    if exact is not None:
        return exact
    return next(
        (
            category
            for pattern, category in by_name.items()
            if _PATTERN & set(pattern) and any(fnmatchcase(name, pattern) for name in names)
        ),
        None,
    )


def _entries(path: Path) -> dict[str, object]:
    """What stands in a file, whatever its values are."""
    kind = path.suffix.lower()
    if kind not in (".toml", ".json"):
        raise BadInputError(f"{path}: it is not seen from its name what it is.", "Name it .toml or .json.")
    try:
        text = path.read_text("utf-8-sig")
        entries: object = tomllib.loads(text) if kind == ".toml" else json.loads(text, object_pairs_hook=_once)
    except OSError as error:
        raise BadInputError(
            f"{path} cannot be read: {error.strerror or error}.", "Give another --categories, or none."
        ) from error
    except RecursionError as error:
        raise BadInputError(f"{path}: it is nested too deeply.", _FORM) from error
    except ValueError as error:  # of both formats, and bytes that are no text
        raise BadInputError(f"{path} cannot be read: {error}.", _FORM) from error
    if not isinstance(entries, dict):
        raise BadInputError(f"{path} is no mapping of tasks to categories.", _FORM)
    return {str(name): value for name, value in entries.items()}


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object, in which no name stands twice: it would not be seen which of them counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands there twice")
    return found
