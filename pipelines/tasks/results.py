"""What `kilobench tasks` says: the models behind its `--json`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from adapter.errors import ExitCode


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Check(StrEnum):
    """What a task is checked for."""

    SCHEMA = "schema"
    """Harbor's own models take it, no setting is misspelt, and the files that it needs are there"""
    VERSION = "version"
    """its version is a semantic one"""
    LEAKS = "leaks"
    """neither the instruction nor the image holds what the tests or the solution know"""
    ORACLE = "oracle"
    """its own solution passes"""
    NOP = "nop"
    """doing nothing fails, by a grade and not by an error"""
    REPEAT = "repeat"
    """the verifier gives the same rewards each time"""
    TIME = "time"
    """solution and verifier keep to the task's own limits, which are set"""


class Outcome(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not_run"


class Checked(_Result):
    """One check. `what` says what is wrong, or why it was not run, and `hint` what to do next; None where it passed."""

    check: Check
    outcome: Outcome
    what: str | None = None
    hint: str | None = None


class Attempt(_Result):
    """One run of a task by `oracle` or `nop`.

    `rewards` are None where the verifier gave none; `exception` is Harbor's name for what went wrong. Times are in
    seconds, None where they are not known. `folder` is the trial's; None where the jobs were not kept.
    """

    agent: str
    rewards: dict[str, float] | None
    exception: str | None
    agent_seconds: float | None
    verifier_seconds: float | None
    folder: Path | None


class CheckedTask(_Result):
    """A task: every check in the order of `Check`, and the attempts that they rest on. Limits are in seconds."""

    task: str | None
    folder: Path
    version: str | None
    agent_limit: float | None
    verifier_limit: float | None
    checks: tuple[Checked, ...]
    attempts: tuple[Attempt, ...]


class HarborRun(_Result):
    """A command that was run, and its exit code. `jobs` is the job's folder; None where it was not kept."""

    command: str
    exit_code: int
    job: Path | None


class TasksCheckResult(_Result):
    """All tasks of a folder; `dataset` holds the checks of its `dataset.toml`, none where there is no such file."""

    folder: Path
    dataset: tuple[Checked, ...]
    tasks: tuple[CheckedTask, ...]
    runs: tuple[HarborRun, ...]
    exit_code: ExitCode


class TasksNewResult(_Result):
    """A new task, what it was made from, and the `dataset.toml` that names it."""

    task: str
    template: str
    folder: Path
    dataset: Path
    files: tuple[Path, ...]
