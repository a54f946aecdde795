"""Checking tasks: what can be read of them, then what running them shows. A broken task is a value in the result."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapter.errors import ExitCode
from pipelines.tasks.leaks import check_leaks
from pipelines.tasks.results import Check, Checked, CheckedTask, HarborRun, Outcome, TasksCheckResult
from pipelines.tasks.schema import (
    ReadTask,
    check_dataset,
    check_version,
    failed,
    find_tasks,
    not_run,
    passed,
    read_task,
)
from pipelines.tasks.trials import NOP, ORACLE, How, Tried, attempts_of, run_agent

_BY_RUNNING = (Check.ORACLE, Check.NOP, Check.REPEAT, Check.TIME)
_KEEP = "--jobs DIR keeps all that was printed."


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What `kilobench tasks check` was told.

    Attributes:
        folder: a task, or a folder of tasks.
        how: how they are run; None where they are not.
        jobs: where the jobs are kept; None where they are not.
    """

    folder: Path
    how: How | None = field(default_factory=How)
    jobs: Path | None = None


def check_tasks(request: CheckRequest, saying: Callable[[str], None]) -> TasksCheckResult:
    """Checks a task, or all tasks of a folder.

    Args:
        request: what was asked for.
        saying: told what is about to be done.

    Raises:
        BadInputError: there is no task, or the jobs' folder holds such jobs.
        IncompleteError: Harbor could not run at all.
    """
    tasks = [read_task(folder) for folder in find_tasks(request.folder)]
    runs: list[HarborRun] = []
    tried: dict[str, dict[Path, list[Tried]]] = {}
    if request.how is not None and any(task.can_run for task in tasks):
        with tempfile.TemporaryDirectory(prefix="kilobench-tasks-") as scratch:
            jobs = request.jobs or Path(scratch)
            is_kept = request.jobs is not None
            for agent in (ORACLE, NOP):
                saying(f"harbor run: {agent}, {request.how.attempts} times at each task")
                runs.append(run_agent(request.folder, agent, request.how, jobs, is_kept=is_kept))
                tried[agent] = attempts_of(jobs / agent, agent, request.how.grading, is_kept=is_kept)
    checked = tuple(_checked(task, request.how, tried) for task in tasks)
    dataset = check_dataset(request.folder, tasks) if tasks[0].folder != request.folder else ()
    outcomes = [one.outcome for task in checked for one in task.checks] + [one.outcome for one in dataset]
    if Outcome.FAILED in outcomes:
        code = ExitCode.BAD_INPUT
    elif Outcome.NOT_RUN in outcomes and request.how is not None:
        code = ExitCode.INCOMPLETE
    else:
        code = ExitCode.DONE
    return TasksCheckResult(folder=request.folder, dataset=dataset, tasks=checked, runs=tuple(runs), exit_code=code)


def _checked(task: ReadTask, how: How | None, tried: dict[str, dict[Path, list[Tried]]]) -> CheckedTask:
    where = task.folder.resolve()
    by_oracle, by_nop = (tried.get(agent, {}).get(where, []) for agent in (ORACLE, NOP))
    checks = [task.schema]
    checks.append(
        not_run(Check.VERSION, "task.toml cannot be read") if task.config is None else check_version(task.version)
    )
    checks.append(check_leaks(task.folder))
    if how is None:
        checks += [not_run(check, "--no-run") for check in _BY_RUNNING]
    elif not task.can_run:
        checks += [not_run(check, "Harbor does not take it: mend its schema first") for check in _BY_RUNNING]
    else:
        repeat = _repeat((by_oracle, by_nop))
        checks += [_oracle(by_oracle), _nop(by_nop), repeat, _time(task, by_oracle, by_nop)]
    config = task.config
    return CheckedTask(
        task=task.name,
        folder=task.folder,
        version=task.version,
        agent_limit=None if config is None else config.agent.timeout_sec,
        verifier_limit=None if config is None else config.verifier.timeout_sec,
        checks=tuple(checks),
        attempts=tuple(one.attempt for one in (*by_oracle, *by_nop)),
    )


def _oracle(tried: Sequence[Tried]) -> Checked:
    """Its own solution passes, each time."""
    if not tried:
        return not_run(Check.ORACLE, "Harbor did not run it", _KEEP)
    worst = next((one for one in tried if not one.passed), None)
    if worst is None:
        return passed(Check.ORACLE)
    what = f"the task's own solution does not pass: {_graded(worst)}"
    return failed(Check.ORACLE, what, f"Mend solution/solve.sh, or the tests where they ask for more. {_KEEP}")


def _nop(tried: Sequence[Tried]) -> Checked:
    """Doing nothing is graded, and not as a pass."""
    if not tried:
        return not_run(Check.NOP, "Harbor did not run it", _KEEP)
    if (one := next((one for one in tried if one.passed), None)) is not None:
        hint = "The tests must look for what is asked, and the environment must not hold it from the beginning."
        return failed(Check.NOP, f"doing nothing passes: {_graded(one)}", hint)
    if (one := next((one for one in tried if one.passed is None), None)) is not None:
        hint = "tests/test.sh must write a reward whatever the agent left: else a failure counts as an accident."
        return failed(Check.NOP, f"doing nothing is not graded: {_graded(one)}", hint)
    return passed(Check.NOP)


def _repeat(groups: Sequence[Sequence[Tried]]) -> Checked:
    """The same work is given the same rewards. An attempt without any is another check's matter."""
    graded = [[one for one in group if one.attempt.rewards is not None] for group in groups]
    for group in graded:
        for one in group[1:]:
            if one.attempt.rewards != group[0].attempt.rewards:
                what = f"{one.attempt.agent} was graded {_graded(group[0])}, and then {_graded(one)}"
                hint = "Take time, chance, order, network and what other trials share out of tests and solution."
                return failed(Check.REPEAT, what, hint)
    if not any(len(group) > 1 for group in graded):
        return not_run(Check.REPEAT, "fewer than two attempts of one agent were graded")
    return passed(Check.REPEAT)


def _time(task: ReadTask, by_oracle: Sequence[Tried], by_nop: Sequence[Tried]) -> Checked:
    """The limits are set, and the solution and the verifier keep to them."""
    config = task.config
    if config is None or not by_oracle:
        return not_run(Check.TIME, "Harbor did not run it", _KEEP)
    ended = {one.attempt.exception for one in (*by_oracle, *by_nop)}
    hint = "Raise the limit in task.toml well above what a slow machine needs, or make the work smaller."
    if config.steps:
        # Each step has limits of its own, and a trial keeps the times of its last one or two: Harbor's word counts.
        late = sorted(one for one in ended if one in ("AgentTimeoutError", "VerifierTimeoutError"))
        return failed(Check.TIME, f"a step took too long: {late[0]}", hint) if late else passed(Check.TIME)
    limit = config.agent.timeout_sec
    if limit is None:
        return failed(Check.TIME, "[agent] timeout_sec is not set", "Set it: an agent that hangs is never ended.")
    took = max(one.attempt.agent_seconds or 0.0 for one in by_oracle)
    # Harbor ends a solution after whole seconds.
    if took >= (int(limit) or limit) or any(one.attempt.exception == "AgentTimeoutError" for one in by_oracle):
        return failed(Check.TIME, f"the solution took {took:.1f} s, and {limit:g} s are allowed", hint)
    verified = max(one.attempt.verifier_seconds or 0.0 for one in (*by_oracle, *by_nop))
    if verified >= config.verifier.timeout_sec or "VerifierTimeoutError" in ended:
        what = f"the verifier took {verified:.1f} s, and {config.verifier.timeout_sec:g} s are allowed"
        return failed(Check.TIME, what, hint)
    return passed(Check.TIME)


def _graded(one: Tried) -> str:
    """How an attempt was graded, and what was said of it."""
    rewards = one.attempt.rewards
    if rewards is None:
        grade = "no reward"
    else:
        grade = ", ".join(f"{key} {value:g}" for key, value in sorted(rewards.items())) or "no reward"
        grade += "" if one.reward is not None else " (none of them decides: name one `reward`, or give --reward)"
    after = "" if one.attempt.exception is None else f" after {one.attempt.exception}"
    return f"{grade}{after}" + (f" ({one.said})" if one.said else "")
