"""What a person sees of an investigation: the step, why, and both runs side by side around it."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.investigate_results import CauseGroup, CauseJudging, InvestigateResult, Investigation, RootCause
from pipelines.terminal import line
from pipelines.terminal_judge import spent
from views import format as fmt

_SIGNS = {"equal": " ", "swapped": "⇅", "other arguments": "≠", "other tool": "≠", "inserted": "+", "missing": "−"}


def show(result: InvestigateResult, console: Console) -> None:
    """Prints what was found. All names come from job folders: they are shown as plain text."""
    for one in result.investigations:
        _show(one, console)
    if not result.investigations:
        console.print(line("", "No failing run has a passing run of its task: nothing was investigated."))
    if len(result.investigations) > 1 and result.groups:
        console.print(_groups(result.groups, len(result.investigations)))
    if result.judge is not None:
        _judge(result.judge, console)
    for one in (*result.left_out, *result.skipped):
        console.print(line("left out: ", f"{one.path}: {one.reason}"))
    if result.report is not None:
        console.print(line("report: ", result.report))


def _show(one: Investigation, console: Console) -> None:
    console.print(line("", f"{one.failing}: {one.task}, by {one.variant}"))
    if one.against is not None:
        how = "passed" if one.against_passed else "did not pass either"
        console.print(line("  against ", f"{one.against}, which {how}"))
    if one.root_cause is None:
        console.print(line("  ", "which step decided it cannot be told"))
    else:
        _cause("  decided at ", one.root_cause, console)
        if one.runner_up is not None:
            _cause("  or at ", one.runner_up, console)
    if one.divergence is not None:
        console.print(line("  they part: ", f"{one.divergence.kind.value}; {one.divergence.why}"))
        if one.share_the_other_path is not None:
            path = f"{one.share_the_other_path} of {one.passing} passing runs take the other path"
            console.print(line("  ", path))
    if one.difference is not None:
        floor = "not known" if one.noise_floor is None else fmt.percent(one.noise_floor)
        console.print(line("  unlike: ", f"{fmt.percent(one.difference)}; repeats of one variant: {floor}"))
    if one.around:
        console.print(_around(one))
    console.print(line("  rests on: ", "; ".join(one.rests_on)))


def _cause(lead: str, cause: RootCause, console: Console) -> None:
    sure = "" if cause.confidence is None else f", {fmt.percent(cause.confidence)} sure"
    console.print(line(lead, f"step {cause.step}: {cause.category} ({cause.by}{sure})"))
    console.print(line("    ", cause.explanation))
    for quote in cause.evidence:
        console.print(line(f"    step {quote.step}: ", f"“{quote.quote}”"))
    if cause.better_action is not None:
        console.print(line("    better: ", cause.better_action))


def _judge(judge: CauseJudging, console: Console) -> None:
    for one in judge.undecided:
        console.print(line("no word of the judge: ", f"{one.path}: {one.reason}"))
    console.print(line("judged by ", f"{judge.model}, judge run {judge.id}; {spent(judge)}"))
    if judge.undecided:
        console.print(line("", "Run the same command again: it asks for what is missing, and pays for nothing twice."))


def _around(one: Investigation) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("step", "the failing run", "", "step", "the other run"):
        table.add_column(heading, justify="right" if heading == "step" else "left", overflow="ellipsis", no_wrap=True)
    for row in one.around:
        table.add_row(
            *(
                Text(fmt.one_line("" if value is None else str(value)))
                for value in (row.step_failing, row.failing, _SIGNS[row.match], row.step_against, row.against)
            )
        )
    return table


def _groups(groups: tuple[CauseGroup, ...], total: int) -> Table:
    table = Table(title="Causes", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("cause", "at", "runs", "cost", "tasks"):
        table.add_column(heading, justify="right" if heading in ("runs", "cost") else "left")
    for one in groups:
        at = " ".join(part for part in (one.verb, one.tool and f"({one.tool})") if part) or fmt.UNKNOWN
        tasks = ", ".join(one.tasks[:4]) + (f" and {len(one.tasks) - 4} more" if len(one.tasks) > 4 else "")
        row = (one.category, at, f"{one.count} of {total}", fmt.money(one.cost_usd), tasks)
        table.add_row(*(Text(fmt.one_line(value)) for value in row))
    return table
