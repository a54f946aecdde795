"""What a person sees of `kilobench tasks`."""

from __future__ import annotations

from rich.console import Console

from pipelines.tasks.results import Check, Checked, CheckedTask, Outcome, TasksCheckResult, TasksNewResult
from pipelines.terminal import line
from pipelines.terminal_table import Column, show_table
from views import format as fmt

_MARKS = {Outcome.PASSED: "ok", Outcome.FAILED: "FAILED", Outcome.NOT_RUN: fmt.UNKNOWN}


def show_new(result: TasksNewResult, console: Console) -> None:
    """Prints what was written, and what comes next."""
    for path in result.files:
        console.print(line("wrote ", str(path)))
    console.print(line("entered ", f"{result.task} in {result.dataset}"))
    console.print(line("next: ", f"make it yours, harbor sync {result.dataset.parent},"))
    console.print(line("", f"kilobench tasks check {result.folder}"))


def show_check(result: TasksCheckResult, console: Console) -> None:
    """Prints a row per task, then what is wrong and what to do about it."""
    columns = [Column("task", least=16), *(Column(check.value, least=6, is_cut=True) for check in Check)]
    columns += [Column("solved in"), Column("verified in")]
    show_table(console, str(result.folder), columns, [_row(task) for task in result.tasks])
    for where, checks in (
        ("dataset.toml", result.dataset),
        *((one.folder.resolve().name, one.checks) for one in result.tasks),
    ):
        for one in checks:
            if one.what is not None and (one.outcome is Outcome.FAILED or result.runs):
                _show_problem(where, one, console)
    wrong = sum(any(one.outcome is Outcome.FAILED for one in task.checks) for task in result.tasks)
    said = f"{len(result.tasks) - wrong} of {len(result.tasks)} tasks have no fault that was found"
    console.print(line("checked: ", said if result.runs else f"{said}; none was run"))
    for run in result.runs:
        if run.job is not None:
            console.print(line("kept: ", str(run.job)))


def _row(task: CheckedTask) -> list[str]:
    solved = [one.agent_seconds for one in task.attempts if one.agent == "oracle" and one.agent_seconds is not None]
    verified = [one.verifier_seconds for one in task.attempts if one.verifier_seconds is not None]
    marks = {one.check: _MARKS[one.outcome] for one in task.checks}
    if task.version is not None and marks.get(Check.VERSION) == _MARKS[Outcome.PASSED]:
        marks[Check.VERSION] = task.version
    return [
        task.folder.resolve().name,
        *(marks.get(check, fmt.UNKNOWN) for check in Check),
        _of(max(solved, default=None), task.agent_limit),
        _of(max(verified, default=None), task.verifier_limit),
    ]


def _of(took: float | None, limit: float | None) -> str:
    """The longest time, and what is allowed."""
    shown = (fmt.UNKNOWN if took is None else f"{took:.1f}", fmt.UNKNOWN if limit is None else f"{limit:g}")
    return " of ".join(shown) + " s"


def _show_problem(where: str, one: Checked, console: Console) -> None:
    console.print(line(f"{where}, {one.check.value}: ", one.what or ""))
    if one.hint is not None:
        console.print(line("  ", one.hint))
