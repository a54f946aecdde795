"""What a person sees of `kilobench select`."""

from __future__ import annotations

from rich.console import Console

from pipelines.select.results import SelectedTask, SelectResult
from pipelines.terminal import line
from pipelines.terminal_table import Column, show_table
from views import format as fmt

_COLUMNS = (
    Column("task", least=12),
    Column("kind", least=6, spare=0),
    Column("passed"),
    Column("90 % within"),
    Column("flaky"),
    Column("discrimination"),
    Column("why", least=30),
)


def show_select(result: SelectResult, console: Console) -> None:
    """Prints every task with the reason for or against it, and how well the subset stands for all of them."""
    chosen = [one for one in result.tasks if one.chosen]
    others = [one for one in result.tasks if not one.chosen]
    show_table(console, f"{result.dataset}: chosen", _COLUMNS, [_row(one) for one in chosen])
    if others:
        show_table(console, "not chosen", _COLUMNS, [_row(one) for one in others])
    console.print(line("subset: ", f"{len(chosen)} of {len(result.tasks)} tasks in {result.subset}"))
    console.print(line("time: ", f"{fmt.seconds(60 * result.minutes)} one after the other, as 9 of 10 trials take"))
    ranks = (
        "not known: the variants do not differ" if result.rank_correlation is None else f"{result.rank_correlation:.2f}"
    )
    console.print(
        line("ranks variants as all tasks do: ", f"Kendall's tau {ranks}, over {len(result.variants)} variants")
    )
    if result.left_out_error is not None:
        off = fmt.percent(result.left_out_error)
        console.print(
            line("for a variant it was not chosen by: ", f"its pass rate is {off} off that of all tasks, on average")
        )
    power = ", ".join(f"{fmt.percent(one.power)} with {one.attempts}" for one in result.power)
    console.print(line(f"a drop of {fmt.percent(result.drop)} is found in ", f"{power} attempts per task"))
    if result.older:
        console.print(line("left out: ", f"{result.older} attempts at older versions of their tasks"))
    for one in result.skipped:
        console.print(line("skipped: ", f"{one.path}: {one.reason}"))


def _row(one: SelectedTask) -> tuple[str, ...]:
    signal = fmt.UNKNOWN if one.discrimination is None else f"{one.discrimination:.2f}"
    passed = f"{fmt.percent(one.pass_rate)} of {one.attempts}"
    return (
        one.task,
        one.category or fmt.UNKNOWN,
        passed,
        fmt.seconds(one.p90_seconds),
        fmt.percent(one.flaky),
        signal,
        one.why,
    )
