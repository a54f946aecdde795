"""What a person sees of comparisons: the answer of each, its pairs metric by metric, and where it is shown."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.compare_results import CompareResult
from pipelines.results import SavedComparison
from pipelines.terminal import line, variants_table, written
from views import format as fmt
from views.headline import nothing_compared
from views.metric_names import METRIC_NAMES
from views.results import Pair, PairMetric

_COLOURS = {"better": "green", "worse": "red"}
_MOST_TASKS = 8


def show(result: CompareResult, console: Console) -> None:
    """Prints what was compared. All names come from job folders: they are shown as plain text."""
    for dataset, variants in result.variants.items():
        console.print(variants_table(dataset, variants))
    for comparison in result.comparisons:
        _show(comparison, console)
    if result.comparisons:
        console.print(line("rule: ", result.comparisons[0].rule))
    else:
        console.print(line("", nothing_compared(result.variants)))
    for view in result.views:
        console.print(line(f"{fmt.plain(view.name)}: ", view.url))
    for warning in result.warnings:
        console.print(line("warning: ", warning))
    for one in result.skipped:
        console.print(line("left out: ", f"{one.path}: {one.reason}"))
    console.print(line("written to Opik: ", written(result.written)))
    paths = {"report": result.report, "CSV": result.csv, "tables": result.tables, "Markdown": result.markdown}
    for name, path in (paths | {"charts": result.charts}).items():
        if path is not None:
            console.print(line(f"{name}: ", path))


def _show(comparison: SavedComparison, console: Console) -> None:
    names = fmt.short_names(comparison.variants)
    console.print(line(f"{fmt.plain(comparison.name)}: ", comparison.headline))
    for pair in comparison.pairs:
        if pair.tasks:
            console.print(_pair(pair, names))
        if pair.unanswered is not None:
            console.print(line(fmt.plain(f"{names[pair.b]} against {names[pair.a]}: no verdict: "), pair.unanswered))
        for lead, tasks in (("gained: ", pair.gained), ("lost: ", pair.lost)):
            if tasks:
                more = f" and {len(tasks) - _MOST_TASKS} more" if len(tasks) > _MOST_TASKS else ""
                console.print(line(lead, f"{len(tasks)}: {', '.join(tasks[:_MOST_TASKS])}{more}"))
    for view in comparison.dashboards:
        console.print(line("saved as ", view.url))


def _pair(pair: Pair, names: dict[str, str]) -> Table:
    title = f"{names[pair.b]} against {names[pair.a]}, {pair.tasks} tasks"
    table = Table(title=Text(fmt.plain(title)), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric", no_wrap=True)
    for heading in ("difference", "95 % interval", "p, adjusted"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    for metric in pair.metrics:
        table.add_row(*_row(metric, pair.reason(metric)))
    return table


def _row(metric: PairMetric, why: str | None) -> tuple[Text, ...]:
    name = METRIC_NAMES[metric.metric]
    ratio = "" if metric.ratio is None else f" ({fmt.factor(metric.ratio)})"
    reason = f" ({why})" if why else ""
    cells = (
        name.name,
        f"{fmt.difference(metric.difference, name.form)}{ratio}",
        fmt.interval(metric.low, metric.high, name.form, signed=True),
        fmt.probability(metric.p_adjusted),
    )
    said = Text(metric.verdict or "no verdict", _COLOURS.get(metric.verdict or "", ""))
    return (*(Text(fmt.plain(cell)) for cell in cells), said.append(fmt.plain(reason)))
