"""What a person sees of `kilobench gate`."""

from __future__ import annotations

import os

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.gate.outputs import amount, excluded, harmless, interval, limit
from pipelines.gate.results import GateResult, SavedBaseline
from pipelines.terminal import line
from views import format as fmt
from views.metric_names import METRIC_NAMES

_COLOURS = {"pass": "green", "regression": "red", "inconclusive": "yellow"}
_MOST = 8


def show_gate(result: GateResult | SavedBaseline, console: Console) -> None:
    """Prints the answer, the checks and how to go on. All names come from job folders: they are shown as plain text."""
    if isinstance(result, SavedBaseline):
        one = result.baseline
        console.print(_line("saved: ", f"{one.variant}, {one.attempts} attempts at {one.tasks} tasks"))
        console.print(_line("baseline: ", result.saved_baseline))
        _warn(result.warnings, console)
        return
    console.print(Text(fmt.one_line(result.headline), _COLOURS[result.decision]))
    for name, one in (("baseline", result.baseline), ("candidate", result.candidate)):
        console.print(_line(f"{name}: ", f"{one.variant}, passed {one.passes} of {one.attempts} attempts"))
    console.print(_table(result))
    gone = excluded(result)
    if gone is not None:
        console.print(_line("left out: ", gone))
    if result.left_out:
        named = [f"{task} ({why})" for task, why in list(result.left_out.items())[:_MOST]]
        more = f" and {len(result.left_out) - _MOST} more" if len(result.left_out) > _MOST else ""
        console.print(_line("not compared: ", f"{', '.join(named)}{more}"))
    for reason in result.reasons:
        console.print(_line("note: ", reason))
    if result.look is not None:
        console.print(_line("look: ", f"{result.look} of at most {result.looks}, at a level of {result.level:.2g}"))
    _warn(result.warnings, console)
    for comparison in result.comparisons:
        for view in comparison.dashboards:
            console.print(_line("saved as ", view.url))
    console.print(_line("rule: ", result.rule))
    for name, path in {"JUnit": result.junit, "summary": result.summary, "baseline": result.saved_baseline}.items():
        if path is not None:
            console.print(_line(f"{name}: ", path))
    if result.next_command is not None:
        console.print(Text("to go on:", "bold"))
        # As it is, to be copied: wrapped lines would be several commands.
        console.print(f"  {_safe(fmt.one_line(result.next_command))}", markup=False, highlight=False, soft_wrap=True)


def _table(result: GateResult) -> Table:
    is_short = any(not one.required for one in result.checks)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption="* not required" if is_short else None)
    table.caption_justify = "left"
    table.add_column("check", overflow="fold")
    for heading in ("baseline", "candidate", "difference", "bounds", "limit"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("decision", no_wrap=True)
    for one in result.checks:
        cells = (
            METRIC_NAMES[one.metric].name,
            amount(one, one.baseline),
            amount(one, one.candidate),
            amount(one, one.difference, is_increase=True),
            interval(one),
            limit(one),
        )
        is_loud = one.required or one.decision == "regression"
        decision = one.decision if one.required else f"{one.decision} *"
        table.add_row(*map(Text, cells), Text(decision, _COLOURS[one.decision] if is_loud else ""))
    return table


def _warn(warnings: tuple[str, ...], console: Console) -> None:
    for warning in warnings:
        console.print(_line("warning: ", warning))


def _line(lead: str, text: str) -> Text:
    return line(lead, _safe(text))


def _safe(text: str) -> str:
    """On GitHub's machines, a line that begins with a command is obeyed, and a long name may be broken into lines."""
    return harmless(text) if os.environ.get("GITHUB_ACTIONS") == "true" else text
