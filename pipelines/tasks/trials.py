"""Tasks run by Harbor's `oracle` and `nop`, in processes of its own, and what came of each attempt."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapter.errors import BadInputError, IncompleteError, UnreadableError
from adapter.harbor import read_trial
from adapter.jobs import Job, read_job, read_object
from adapter.loose import EMPTY, Json, mapping, moment, text
from adapter.status import BY_REWARD, Grading
from adapter.trial import Span
from pipelines.bench.harbor_process import PLAIN, run_harbor, shown
from pipelines.tasks.results import Attempt, HarborRun

ORACLE, NOP = "oracle", "nop"

_SAID = 400
"""Characters of the end of what Harbor or a verifier printed that are told."""


@dataclass(frozen=True, slots=True)
class How:
    """How tasks are run.

    Attributes:
        environment: Harbor's `-e`; None for its own default, Docker.
        options: Harbor's `--ek`, as `name=value`.
        attempts: at each task by each of the two agents.
        concurrent: trials at a time; None for Harbor's own number.
        grading: what decides whether an attempt passed.
    """

    environment: str | None = None
    options: tuple[str, ...] = ()
    attempts: int = 2
    concurrent: int | None = None
    grading: Grading = BY_REWARD


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt.

    Attributes:
        attempt: as it is told.
        reward: the deciding one; None where there is none.
        passed: whether it passed; None where it was not graded.
        said: the end of what the verifier printed, else of what the exception says.
    """

    attempt: Attempt
    reward: float | None
    passed: bool | None
    said: str


def run_agent(folder: Path, agent: str, how: How, jobs: Path, *, is_kept: bool) -> HarborRun:
    """Runs one agent on a task, or on all tasks of a folder.

    Args:
        folder: the task, or the folder of tasks.
        agent: `ORACLE` or `NOP`.
        how: in what, and how often.
        jobs: where the job goes, under the agent's name.
        is_kept: whether it stays there.

    Raises:
        BadInputError: there is such a job already.
        IncompleteError: Harbor ran no trial.
    """
    job = jobs / agent
    if job.exists():
        raise BadInputError(f"{job} is there already.", "Give another folder with --jobs, or remove it.")
    arguments = ["run", "-p", str(folder), "-a", agent, "-k", str(how.attempts)]
    arguments += [] if how.environment is None else ["-e", how.environment]
    arguments += [part for option in how.options for part in ("--ek", option)]
    arguments += [] if how.concurrent is None else ["-n", str(how.concurrent)]
    arguments += ["-o", str(jobs), "--job-name", agent, "-y", "-q"]
    jobs.mkdir(parents=True, exist_ok=True)
    log = jobs / f"{agent}.log"
    with log.open("w", encoding="utf-8") as printed:
        code = run_harbor(arguments, dict(os.environ), output=printed, errors=printed, program=PLAIN)
    if not job.is_dir() or not read_job(job).trials:
        said = _end(log.read_text(encoding="utf-8", errors="replace"))
        hint = "Correct that, or choose another environment: -e adapter.local_environment:LocalEnvironment needs no Docker."
        raise IncompleteError(f"Harbor ran no trial (exit {code}): {said}", hint)
    return HarborRun(command=shown(arguments, PLAIN), exit_code=code, job=job if is_kept else None)


def attempts_of(job: Path, agent: str, grading: Grading, *, is_kept: bool) -> dict[Path, list[Tried]]:
    """The attempts of a job by the task's folder, which two tasks never share; in the order of their start."""
    found: dict[Path, list[tuple[str, Tried]]] = {}
    whole = read_job(job)
    for folder in whole.trials:
        # A trial that was killed has its settings only.
        result = read_object(folder / "result.json", folder, [])
        config = mapping(result.get("config")) or read_object(folder / "config.json", folder, [])
        task = text(mapping(config.get("task")).get("path"))
        if task is None:
            continue
        tried = _tried(whole, folder, result, agent, grading, is_kept=is_kept)
        found.setdefault(Path(task).resolve(), []).append((text(result.get("started_at")) or "", tried))
    return {task: [tried for _, tried in sorted(all_of, key=lambda one: one[0])] for task, all_of in found.items()}


def _tried(job: Job, folder: Path, result: Json, agent: str, grading: Grading, *, is_kept: bool) -> Tried:
    where = folder if is_kept else None
    try:
        trial = read_trial(job, folder, grading)
    except UnreadableError as error:
        attempt = Attempt(
            agent=agent, rewards=None, exception=None, agent_seconds=None, verifier_seconds=None, folder=where
        )
        return Tried(attempt, None, None, str(error))
    graded = mapping(result.get("verifier_result") or EMPTY)
    exception = trial.exception
    attempt = Attempt(
        agent=agent,
        rewards=trial.rewards if graded else None,
        exception=None if exception is None else exception.type,
        agent_seconds=trial.agent_seconds,
        verifier_seconds=_seconds(mapping(result.get("verifier"))),
        folder=where,
    )
    said = trial.verifier_output or ("" if exception is None else exception.message)
    # By the reward alone: how a trial ended beside it is another matter here.
    passed = None if trial.reward is None else trial.reward >= grading.pass_at
    return Tried(attempt, trial.reward, passed, _end(said))


def _seconds(span: Json) -> float | None:
    return Span(moment(span.get("started_at")), moment(span.get("finished_at"))).seconds


def _end(said: str) -> str:
    """The last lines of what was printed, on one line."""
    lines: Sequence[str] = [line.strip() for line in said.splitlines() if line.strip()]
    end = " | ".join(lines)
    return end if len(end) <= _SAID else f"…{end[-_SAID:]}"
