"""A task of one's own, made from a template or a worked example, and entered in its set's dataset.toml."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Literal

from harbor.models.dataset.manifest import DatasetInfo, DatasetManifest, DatasetTaskRef
from harbor.models.task.config import PackageInfo
from harbor.models.task.paths import TaskPaths
from pydantic import ValidationError

from adapter.errors import BadInputError
from pipelines.tasks.results import TasksNewResult
from pipelines.tasks.schema import MANIFEST, digest_of

type Template = Literal["template", "refactoring", "debugging", "terminal"]

DEFAULT_ORG = "local"
"""The first half of a task's name where nobody says another."""
_FIRST = "0.1.0"
_HEADER = "# `harbor sync` writes the digests again after a change; `kilobench tasks check` says when that is due.\n"


def templates() -> Path:
    """The folder of the templates: in an installed package beside this one, in a checkout at its top."""
    packages = Path(__file__).parents[1]
    installed = packages / "_tasks"
    return installed if installed.is_dir() else packages.parent / "tasks"


def new_task(name: str, template: Template, into: Path) -> TasksNewResult:
    """Writes a task to a set, which is begun where there is none.

    Args:
        name: `NAME` or `ORG/NAME`; without an organisation, that of the set.
        template: what it begins as.
        into: the set's folder.

    Raises:
        BadInputError: the name cannot be used or is taken, or the folder cannot hold tasks.
    """
    manifest = _manifest(into)
    org = DEFAULT_ORG if manifest is None else manifest.dataset.org
    task = _named(name if "/" in name else f"{org}/{name}")
    folder = into / task.short_name
    header = _HEADER if manifest is None else ""
    if manifest is None:
        manifest = DatasetManifest(dataset=DatasetInfo(name=_set_name(task.org, into), version=_FIRST))
    if folder.exists():
        raise BadInputError(f"{folder} is there already.", "Give the new task another name.")
    if any(one.name == task.name for one in manifest.tasks):
        raise BadInputError(f"{into} has a task {task.name} already.", "Give the new one another name.")
    try:
        shutil.copytree(templates() / template, folder, ignore=shutil.ignore_patterns("__pycache__"))
        for script in folder.rglob("*.sh"):
            # An installed package has lost this; Harbor sets it again, and people run them by hand.
            script.chmod(0o755)
        _rename(folder / TaskPaths.CONFIG_FILENAME, task.name)
        manifest.tasks.append(DatasetTaskRef(name=task.name, digest=digest_of(folder)))
        (into / MANIFEST).write_text(header + manifest.to_toml(), encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"{folder} cannot be written: {error.strerror}.", "Give another folder with -o.") from error
    files = tuple(sorted(path for path in folder.rglob("*") if path.is_file()))
    return TasksNewResult(task=task.name, template=template, folder=folder, dataset=into / MANIFEST, files=files)


def _manifest(into: Path) -> DatasetManifest | None:
    """The set's dataset.toml; None where there is none."""
    if into.exists() and not into.is_dir():
        raise BadInputError(f"{into} is a file.", "Give the folder of the task set with -o.")
    if (into / TaskPaths.CONFIG_FILENAME).exists():
        raise BadInputError(f"{into} is a task itself.", "Give the folder that it lies in with -o.")
    path = into / MANIFEST
    if not path.exists():
        return None
    try:
        return DatasetManifest.from_toml_file(path)
    except (OSError, ValueError) as error:
        raise BadInputError(f"{path} cannot be read: {error}", "Correct it, or give another folder with -o.") from error


def _named(name: str) -> PackageInfo:
    try:
        return PackageInfo(name=name)
    except ValidationError as error:
        hint = "Use letters, digits, dots, dashes and underscores, with one / after the organisation if there is one."
        raise BadInputError(f"{name} is no name for a task.", hint) from error


def _set_name(org: str, into: Path) -> str:
    """The set is named after its folder, as far as that can be a name."""
    wanted = f"{org}/{into.resolve().name}"
    return wanted if DatasetInfo.is_valid_name_format(wanted) else f"{org}/tasks"


def _rename(path: Path, name: str) -> None:
    """Gives a task.toml of ours another name, and the version of a beginning; its comments stay."""
    text = path.read_text(encoding="utf-8")
    for key, value in (("name", name), ("version", _FIRST)):
        text = re.sub(rf'(?m)^{key} = ".*"$', f'{key} = "{value}"', text, count=1)
    path.write_text(text, encoding="utf-8")
