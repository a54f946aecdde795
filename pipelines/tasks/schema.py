"""What can be said of a task without running it: whether Harbor takes it as it is meant, and under which version."""

from __future__ import annotations

import re
import tomllib
import warnings
from dataclasses import dataclass
from pathlib import Path

from harbor.models.dataset.manifest import DatasetManifest
from harbor.models.task.config import TaskConfig
from harbor.models.task.paths import TaskPaths
from harbor.models.task.task import Task
from harbor.publisher.packager import Packager
from pydantic import ValidationError

from adapter.errors import BadInputError
from pipelines.tasks.results import Check, Checked, Outcome

MANIFEST = "dataset.toml"

_PARTS = ("instruction.md", "environment", "tests", "solution")
"""Any two of these make a folder without a task.toml one that was meant to be a task."""
_BUILDS = ("Dockerfile", "docker-compose.yaml", "docker-compose.yml", "singularity-compose.yaml")
_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
)
"""As semver.org gives it."""


@dataclass(frozen=True, slots=True)
class ReadTask:
    """A task's folder, as far as it can be read.

    Attributes:
        folder: as it was given.
        config: what Harbor reads from its task.toml; None where it reads nothing.
        can_run: whether Harbor would run it: from a set it leaves out what it cannot run, without a word.
        schema: that check.
    """

    folder: Path
    config: TaskConfig | None
    can_run: bool
    schema: Checked

    @property
    def name(self) -> str | None:
        """`org/name`; None where it has none."""
        return self.config.task.name if self.config is not None and self.config.task is not None else None

    @property
    def version(self) -> str | None:
        """The task's own; None where it has none."""
        return self.config.task.version if self.config is not None and self.config.task is not None else None


def find_tasks(folder: Path) -> list[Path]:
    """The folder itself if it is a task, else the tasks in it, by name; broken ones among them.

    Raises:
        BadInputError: there are none.
    """
    hint = "Give a task's folder (it holds task.toml), or one of tasks; `kilobench tasks new NAME` makes one."
    if not folder.is_dir():
        raise BadInputError(f"{folder} is no folder.", hint)
    if (folder / TaskPaths.CONFIG_FILENAME).is_file():
        return [folder]
    try:
        found = [child for child in sorted(folder.iterdir()) if _is_meant(child)]
    except OSError as error:
        raise BadInputError(f"{folder} cannot be read: {error.strerror}.", "Check the folder's permissions.") from error
    if not found:
        raise BadInputError(f"{folder} holds no task.", hint)
    return found


def _is_meant(folder: Path) -> bool:
    has_settings = (folder / TaskPaths.CONFIG_FILENAME).exists()
    return folder.is_dir() and (has_settings or sum((folder / part).exists() for part in _PARTS) > 1)


def read_task(folder: Path) -> ReadTask:
    """Reads a task with Harbor's own models, which here refuse what they do not know."""
    path = folder / TaskPaths.CONFIG_FILENAME
    try:
        text = path.read_text(encoding="utf-8")
        settings = tomllib.loads(text)
    except OSError as error:
        return _broken(folder, f"task.toml cannot be read: {error.strerror}", "Write one; `harbor task schema` helps.")
    except ValueError as error:
        return _broken(folder, f"task.toml is no TOML: {error}", "Mend it.")
    with warnings.catch_warnings():
        # Settings that Harbor calls deprecated still work.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            config = TaskConfig.model_validate(settings)
        except ValidationError as error:
            return _broken(folder, f"task.toml: {_said(error)}", "`harbor task schema` says what it may hold.")
        # That took settings that it does not know, and dropped them.
        try:
            TaskConfig.model_validate(tomllib.loads(text), extra="forbid")
            unknown = None
        except ValidationError as error:
            unknown = f"task.toml: {_said(error)}"
    problem = _missing(folder, config)
    can_run = problem is None
    if problem is None and unknown is not None:
        problem = (unknown, "Harbor drops such a setting without a word: correct its name, or move it to [metadata].")
    schema = passed(Check.SCHEMA) if problem is None else failed(Check.SCHEMA, *problem)
    return ReadTask(folder, config, can_run, schema)


def _broken(folder: Path, what: str, hint: str) -> ReadTask:
    return ReadTask(folder, None, can_run=False, schema=failed(Check.SCHEMA, what, hint))


def _said(error: ValidationError) -> str:
    """What Harbor's model has against the settings, one after the other."""
    return "; ".join(
        f"{'.'.join(map(str, one['loc'])) or 'the file'}: "
        + ("no setting of Harbor's" if one["type"] == "extra_forbidden" else one["msg"])
        for one in error.errors()
    )


def _missing(folder: Path, config: TaskConfig) -> tuple[str, str] | None:
    """What a task needs and has not, with what to do; None where all is there."""
    if config.task is None:
        return "task.toml has no [task] with a name", "Add it: `harbor task update --org ORG DIR` does."
    paths = TaskPaths(folder)
    if not paths.environment_dir.is_dir():
        return "there is no environment/", "Add environment/Dockerfile: what the agent works in."
    if config.environment.docker_image is None and not any((paths.environment_dir / name).is_file() for name in _BUILDS):
        return "environment/ holds no Dockerfile", "Add one, or name a docker_image in [environment]."
    try:
        Task(folder)
    except (OSError, ValueError, RuntimeError) as error:
        return str(error), "Add what is missing: instruction.md, and tests/test.sh, which writes the reward."
    system = config.environment.os
    shared = paths.discovered_solve_path_for(system)
    own = [paths.discovered_step_solve_path_for(step.name, system) for step in config.steps or []]
    if shared is None and (not own or None in own):
        where = "solution/solve.sh" if not own else "solution/solve.sh, nor one for each step"
        return f"there is no {where}", "Add it: without one nothing shows that the task can be solved."
    return None


def check_version(version: str | None) -> Checked:
    """Whether a version is a semantic one: results of two versions are only compared where they say which is which."""
    hint = 'Give it one such as version = "1.0.0"; another one after each change of the task.'
    if version is None:
        return failed(Check.VERSION, "it has no version", hint)
    if not _SEMVER.fullmatch(version):
        return failed(Check.VERSION, f"{version} is no semantic version", hint)
    return passed(Check.VERSION)


def check_dataset(folder: Path, tasks: list[ReadTask]) -> tuple[Checked, ...]:
    """The checks of a set's dataset.toml, which is needed to publish; none where there is no such file."""
    path = folder / MANIFEST
    if not path.is_file():
        return ()
    try:
        manifest = DatasetManifest.from_toml_file(path)
    except ValidationError as error:
        return (failed(Check.SCHEMA, f"{MANIFEST}: {_said(error)}", "Correct it; `harbor dataset init` writes one."),)
    except (OSError, ValueError) as error:
        return (failed(Check.SCHEMA, f"{MANIFEST} cannot be read: {error}", "Mend it."),)
    listed = {one.name: one.digest for one in manifest.tasks}
    here = {task.name: task for task in tasks if task.name is not None}
    left_out = sorted(here.keys() - listed.keys())
    changed = sorted(name for name, task in here.items() if name in listed and listed[name] != digest_of(task.folder))
    if len(here) < sum(task.name is not None for task in tasks):
        schema = failed(Check.SCHEMA, "two tasks have the same name", "Give each task.toml a name of its own.")
    elif left_out:
        hint = f"Run `harbor dataset add --to {folder} " + " ".join(f"{here[name].folder}" for name in left_out) + "`."
        schema = failed(Check.SCHEMA, f"{MANIFEST} does not name {', '.join(left_out)}", hint)
    elif changed:
        what = f"{MANIFEST} has the digest of other files than those of {', '.join(changed)}"
        schema = failed(Check.SCHEMA, what, f"Run `harbor sync {folder}`, and give what changed a new version.")
    else:
        schema = passed(Check.SCHEMA)
    return schema, check_version(manifest.dataset.version)


def digest_of(task: Path) -> str:
    """The digest of a task's files, as dataset.toml holds it."""
    return f"sha256:{Packager.compute_content_hash(task)[0]}"


def passed(check: Check) -> Checked:
    """A check that found nothing."""
    return Checked(check=check, outcome=Outcome.PASSED)


def failed(check: Check, what: str, hint: str) -> Checked:
    """A check that found something."""
    return Checked(check=check, outcome=Outcome.FAILED, what=what, hint=hint)


def not_run(check: Check, why: str, hint: str | None = None) -> Checked:
    """A check that says nothing."""
    return Checked(check=check, outcome=Outcome.NOT_RUN, what=why, hint=hint)
