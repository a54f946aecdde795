"""What a person sees at the end of a run: the variants, the answers, where the views are, what was left out."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.results import RowsWritten, RunResult
from views import format as fmt
from views.results import Estimate, VariantResult


def show(result: RunResult, console: Console) -> None:
    """Prints the result of a run. All names come from job folders: they are shown as plain text."""
    for dataset, variants in result.variants.items():
        console.print(variants_table(dataset, variants))
    show_briefly(result, console)


def show_briefly(result: RunResult, console: Console) -> None:
    """As `show`, without the tables of variants."""
    for comparison in result.comparisons:
        console.print(line(f"{fmt.plain(comparison.name)}: ", comparison.headline))
        for view in comparison.dashboards:
            console.print(line("  saved as ", view.url))
    if not result.comparisons:
        console.print(line("", "No two variants differ in one respect only: there is nothing to compare."))
    for warning in result.warnings:
        console.print(line("warning: ", warning))
    for one in result.skipped:
        console.print(line("left out: ", f"{one.path}: {one.reason}"))
    totals = result.totals
    spent = f"{fmt.money(totals.cost_usd)} known"
    if totals.cost_unknown:
        spent += f", the cost of {totals.cost_unknown} of {totals.trials} trials unknown"
    if totals.residual_usd is not None and abs(totals.residual_usd) >= 0.00005:
        spent += f"; the runs' own totals differ from their steps by {fmt.difference(totals.residual_usd, fmt.money)}"
    read = f"{totals.trials} trials, {totals.agent_steps} agent steps"
    if totals.regrades:
        read += f" (regrades among them: {totals.regrades}, at no new cost)"
    console.print(line("read: ", f"{read}; {spent}"))
    if totals.retries_lost:
        lost = f"attempts that Harbor threw away and tried again: {totals.retries_lost}; their cost is unknown"
        console.print(line("lost: ", lost))
    console.print(line("written to Opik: ", written(result.written)))
    if result.embedded:
        console.print(line("", "The saved views are in the embedded store: `kilobench serve` shows them."))
    if result.tables is not None:
        console.print(line("tables: ", result.tables))
    if result.report is not None:
        console.print(line("report: ", result.report))


def written(rows: RowsWritten) -> str:
    """The rows that were written, by kind."""
    counts = {name: count for name, count in rows.model_dump().items() if count}
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items()) or "nothing, all was there"


def line(lead: str, text: str) -> Text:
    """One line of output: what it is about in bold, then the text, which may come from a job folder."""
    return Text.assemble((lead, "bold"), Text(fmt.one_line(text)), overflow="fold")


def variants_table(dataset: str, variants: tuple[VariantResult, ...]) -> Table:
    """Names say only what sets the variants apart: the title says what they share."""
    names = fmt.short_names(variants)
    table = Table(
        title=Text(fmt.plain(f"{dataset}: {_shared(variants)}")),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("variant", overflow="fold", min_width=24)
    for heading in ("passed", "rate", "$/attempt", "$/success", "tokens", "time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in variants:
        counted = ((sum(one.excluded.values()), "+{} out"), (one.regraded, "{} regraded"))
        beside = [text.format(number) for number, text in counted if number]
        cells = (
            names[one.variant],
            f"{one.passes}/{one.attempts}" + (f" ({', '.join(beside)})" if beside else ""),
            fmt.percent(one.pass_rate.value),
            _money(one.cost_per_attempt_usd),
            _money(one.cost_to_complete_usd),
            fmt.tokens(one.tokens_per_attempt.value),
            fmt.seconds(one.seconds_per_attempt.value),
        )
        table.add_row(*(Text(fmt.plain(cell)) for cell in cells))
    return table


def _shared(variants: tuple[VariantResult, ...]) -> str:
    """The agents of these variants; the whole name where there is only one variant."""
    if len(variants) == 1:
        return variants[0].variant
    return ", ".join(sorted({one.agent for one in variants}))


def _money(estimate: Estimate) -> str:
    return f"{'≥ ' if estimate.at_least else ''}{fmt.money(estimate.number)}"
