"""What a person sees of `kilobench cost` by trial, step and call. All texts come from job folders: they stay plain."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console

from pipelines.cost_results import CostedCall, CostedTrial
from pipelines.costed import Costed, costed_trial, trial_with_calls
from pipelines.costing import By, Costing
from pipelines.progress import Bars
from pipelines.terminal import line
from pipelines.terminal_inspect import NamedVariant
from pipelines.terminal_spent import SHARES, shares_of, show_ending, signed, title_of
from pipelines.terminal_steps import show_steps
from pipelines.terminal_table import Column, table
from views import format as fmt

_MARKS = "≈ priced from tokens, ÷ a share of what several steps cost together, ~ time between stamps, – unknown"


def show(costing: Costing, by: By, bars: Bars, console: Console) -> None:
    """Reads the trials and prints each: `by` trial as rows of one table, else as a table of its own."""
    if by == "trial":
        _show_trials(costing, bars, console)
    else:
        one_by_one: Callable[[Costed, Console], None] = show_steps if by == "step" else show_calls
        with bars.showing():
            for one in costing.read(bars):
                one_by_one(one, console)
                console.print()
    console.print(line("marks: ", _MARKS))
    show_ending(costing.ending(), console)


_TRIAL_COLUMNS = (
    Column("trial", least=20),
    Column("variant", least=12),
    Column("status", least=9),
    *map(Column, ("cost", "residual", *SHARES, "in vain", "tokens", "time")),
)
_CALL_COLUMNS = (
    *map(Column, ("call", "steps")),
    Column("model", least=12, is_cut=True),
    *map(Column, ("prompt", "re-sent", "cached", "output", "cost", "recorded", "unexplained", "time")),
)


def _show_trials(costing: Costing, bars: Bars, console: Console) -> None:
    """A row per trial. A variant that all of them share is the title; a residual that none has is left out."""
    rows: list[dict[str, str]] = []
    variants: list[NamedVariant] = []
    with bars.showing():
        for one in costing.read(bars):
            rows.append(_trial_row(costed_trial(one)))
            variants.append(NamedVariant.of(one.trial.variant))
    several = list(dict.fromkeys(variants))
    names = fmt.short_names(several)
    rows = [row | {"variant": names[of.variant]} for row, of in zip(rows, variants, strict=True)]
    left_out = set[str]()
    if len(several) == 1:
        left_out.add("variant")
    if all(row["residual"] in ("$0", fmt.UNKNOWN) for row in rows):
        left_out.add("residual")
    columns = [column for column in _TRIAL_COLUMNS if column.name not in left_out]
    title = several[0].variant if len(several) == 1 else ""
    if rows:
        console.print(table(title, columns, [[row[one.name] for one in columns] for row in rows], console.width))


def _trial_row(one: CostedTrial) -> dict[str, str]:
    return {
        "trial": one.trial,
        "status": one.status.value.replace("_", " "),
        "cost": _cost(one),
        "residual": signed(one.residual_usd),
        **dict(zip(SHARES, shares_of(one.shares), strict=True)),
        "in vain": fmt.money(one.wasted_usd),
        "tokens": fmt.tokens(one.tokens.in_all),
        "time": fmt.seconds(one.agent_s),
    }


def _cost(one: CostedTrial) -> str:
    return "none new" if one.is_regrade else fmt.cost(one.cost_usd, one.provenance)


def show_calls(costed: Costed, console: Console) -> None:
    """The trial's LLM calls, and each source's total against them."""
    one = trial_with_calls(costed)
    if not one.calls:
        console.print(line("", f"{title_of(one)}; there is no LLM call"))
        return
    console.print(table(title_of(one), _CALL_COLUMNS, list(map(_call_row, one.calls)), console.width))
    for source in one.compared:
        if source.usd is not None:
            less = f"{fmt.money(source.usd)}; less the steps: {signed(source.residual_usd)}"
            console.print(line("total: ", f"{less} (by {source.source})"))


def _call_row(call: CostedCall) -> list[str]:
    first, last = str(call.steps[0]), str(call.steps[-1])
    prompt = None
    if call.resent_tokens is not None and call.new_tokens is not None:
        prompt = call.resent_tokens + call.new_tokens
    whose = " ".join(filter(None, (call.model or fmt.UNKNOWN, call.subagent and f"({call.subagent})")))
    return [
        f"{call.call}{' ↺' if call.compaction else ''}",
        first if first == last else f"{first}–{last}",
        whose,
        fmt.tokens(prompt),
        fmt.tokens(call.resent_tokens),
        fmt.tokens(call.tokens.cache_read),
        fmt.tokens(call.tokens.output),
        fmt.cost(call.cost_usd, call.provenance),
        fmt.money(call.recorded_usd),
        signed(call.breakdown.unexplained),
        fmt.seconds(call.latency_s),
    ]
