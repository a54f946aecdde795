"""What a person sees of `kilobench cost` by trial, step and call. All texts come from job folders: they stay plain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from rich.console import Console

from pipelines.cost_results import CostedCall, CostedTrial
from pipelines.costed import Costed, costed_trial, trial_with_calls
from pipelines.costing import By, Costing
from pipelines.progress import Bars
from pipelines.terminal import line
from pipelines.terminal_inspect import NamedVariant
from pipelines.terminal_spent import SHARES, shares_of, show_ending, show_left_out, signed, title_of
from pipelines.terminal_steps import show_steps
from pipelines.terminal_table import Column, show_table
from views import format as fmt

_MARKS = (
    "≈ priced from tokens, ÷ a share of what several steps cost together, ~ time between stamps, ≥ at least, – unknown"
)
_OF_SHARES = "what the cost went for, where that is known: context sent again, new input, thoughts, words and tools"
_MEANINGS: dict[By, tuple[tuple[tuple[str, ...], str], ...]] = {
    "trial": ((("residual",), "the run's own total less its steps"), (SHARES, _OF_SHARES)),
    "step": (
        (("own",), "its output, and what came back when that was first sent"),
        (("carried",), "both again, in all later calls"),
        (SHARES, _OF_SHARES),
        (("unexplained",), "recorded costs less what prices say"),
        (("unattributed",), "the run's own total less its steps"),
    ),
    "call": (
        (("re-sent", "cached"), "of the prompt: what the call before held, what was read from a cache"),
        (("unexplained",), "the recorded cost less what prices say"),
        (("↺",), "the context was made anew before this call"),
    ),
}
"""What columns, rows and marks say, by what has a row."""


def show(costing: Costing, by: By, bars: Bars, console: Console) -> None:
    """Reads the trials and prints each: `by` trial as a row of its job's table, else as a table of its own."""
    left_out: dict[str, None] = {}
    if by == "trial":
        left_out |= dict.fromkeys(_show_trials(costing, bars, console))
    else:
        one_by_one: Callable[[Costed, Console], tuple[str, ...]] = show_steps if by == "step" else show_calls
        with bars.showing():
            for one in costing.read(bars):
                left_out |= dict.fromkeys(one_by_one(one, console))
                console.print()
    console.print(line("marks: ", _MARKS))
    for names, meaning in _MEANINGS[by]:
        if not left_out.keys() >= set(names):
            console.print(line(f"{', '.join(names)}: ", meaning))
    show_left_out(left_out, console)
    show_ending(costing.ending(), console)


_TRIAL_COLUMNS = (
    Column("trial", least=24),
    Column("variant", least=12),
    Column("status", least=9),
    *map(Column, ("cost", "residual")),
    *(Column(name, spare=1) for name in SHARES),
    Column("wasted"),
    Column("tokens", spare=3),
    Column("time", spare=2),
)
_CALL_COLUMNS = (
    *map(Column, ("call", "steps")),
    Column("model", least=12, is_cut=True),
    *map(Column, ("prompt", "re-sent", "cached", "output", "cost")),
    Column("recorded", spare=3),
    Column("unexplained", spare=1),
    Column("time", spare=2),
)


def _show_trials(costing: Costing, bars: Bars, console: Console) -> Iterator[str]:
    """A table per job, with a row per trial; one table where each job has one trial only.

    What none of the rows has, or all of them share, has no column.

    Yields:
        the columns for which there was no room.
    """
    with bars.showing():
        rows = [(one.trial.job, NamedVariant.of(one.trial.variant), _trial_row(one)) for one in costing.read(bars)]
    if len({job for job, _, _ in rows}) == len(rows) > 1:
        rows = [("", variant, row | {"trial": f"{job}/{row['trial']}"}) for job, variant, row in rows]
    for job, found in groupby(rows, itemgetter(0)):
        of_job = list(found)
        variants = list(dict.fromkeys(variant for _, variant, _ in of_job))
        names = fmt.short_names(variants)
        cells = [row | {"variant": names[variant.variant]} for _, variant, row in of_job]
        absent = {"variant"} if len(variants) == 1 else set[str]()
        if all(row["residual"] in ("$0", fmt.UNKNOWN) for row in cells):
            absent.add("residual")
        columns = [column for column in _TRIAL_COLUMNS if column.name not in absent]
        yield from show_table(
            console, f"{job}: {_shared(variants)}", columns, [[row[column.name] for column in columns] for row in cells]
        )
        console.print()


def _shared(variants: Sequence[NamedVariant]) -> str:
    """The variant where there is only one, else the agents."""
    if len(variants) == 1:
        return variants[0].variant
    agents = (one.agent if one.agent_version is None else f"{one.agent}@{one.agent_version}" for one in variants)
    return ", ".join(sorted(set(agents)))


def _trial_row(costed: Costed) -> dict[str, str]:
    one = costed_trial(costed)
    return {
        "trial": one.trial.removeprefix(f"{costed.trial.job}/"),
        "status": one.status.value.replace("_", " "),
        "cost": _cost(one),
        "residual": signed(one.residual_usd),
        **dict(zip(SHARES, shares_of(one.shares), strict=True)),
        "wasted": fmt.money(one.wasted_usd),
        "tokens": fmt.tokens(one.tokens.in_all),
        "time": fmt.seconds(one.agent_s),
    }


def _cost(one: CostedTrial) -> str:
    return "none new" if one.is_regrade else fmt.cost(one.cost_usd, one.provenance)


def show_calls(costed: Costed, console: Console) -> tuple[str, ...]:
    """The trial's LLM calls, and each source's total against them.

    Returns:
        the columns for which there was no room.
    """
    one = trial_with_calls(costed)
    if not one.calls:
        console.print(line("", f"{title_of(one)}; there is no LLM call"))
        return ()
    left_out = show_table(console, title_of(one), _CALL_COLUMNS, list(map(_call_row, one.calls)))
    for source in one.compared:
        if source.usd is not None:
            less = f"{fmt.money(source.usd)}; less the steps: {signed(source.residual_usd)}"
            console.print(line("total: ", f"{less} (by {source.source})"))
    return left_out


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
