"""What a person sees of `kilobench cost` by variant and by kind of task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from rich.console import Console

from adapter.actions import Verb
from pipelines.cost_groups import CategoryCost, CostedVariant, CostOfCategories, CostOfVariants
from pipelines.terminal import line
from pipelines.terminal_spent import SHARES, shares_of, show_ending, show_left_out
from pipelines.terminal_table import Column, show_table
from views import format as fmt
from views.results import Estimate, Spread
from views.tables import BEHAVIOUR
from views.tables import columns as c

_BESIDE_EACH_OTHER = 4
"""Variants that one table holds at most: each has a column."""
_LABELS = 22
"""Characters of the longest heading of a row."""
_LEAST = 22
"""Characters that a variant's column takes at least, with the blanks before it."""
_VERBS_SHOWN = 4
_TEXTS = {"category": 12, "variant": 16}
_SPARE = {"time": 1, "tokens": 1, "spent": 2}
_MARKS = (
    "(+n out): trials that are no attempts of the agent, in no number above; ≥ at least; ∞ nothing passed; – unknown."
)
_NO_CATEGORY = "uncategorised"
_ENDINGS = ("timed_out", "broke_off")
"""What is a share of the attempts, and not a quantity of each."""
_FORMS: dict[str | None, fmt.Form] = {
    None: fmt.count,
    c.USD: fmt.money,
    c.SECONDS: fmt.seconds,
    c.TOKENS: fmt.tokens,
    c.SHARE: fmt.percent,
}


def show_variants(result: CostOfVariants, console: Console) -> None:
    """A table per dataset, with a column for each variant: what it costs, then how it works."""
    for dataset, found in groupby(result.variants, attrgetter("dataset")):
        variants = list(found)
        names = fmt.short_names(variants)
        at_once = max(1, min(_BESIDE_EACH_OTHER, (console.width - _LABELS) // _LEAST))
        for first in range(0, len(variants), at_once):
            beside = variants[first : first + at_once]
            headings = [Column("", least=_LABELS), *(Column(names[one.variant], least=_LEAST - 2) for one in beside)]
            show_table(console, _title(dataset, variants), headings, list(_rows(beside)))
        base = variants[0].baseline
        if base is not None:
            console.print(line("baseline: ", f"{base} (--baseline NAME chooses another)"))
        console.print()
    console.print(
        line("", "In brackets: a 95 % interval, or for how an attempt went, the quartiles; [n/m]: known for n.")
    )
    console.print(line("", _MARKS))
    show_ending(result, console)


def show_categories(result: CostOfCategories, console: Console) -> None:
    """A table per dataset, with a row for each variant on each kind of task."""
    left_out: dict[str, None] = {}
    for dataset, found in groupby(result.categories, attrgetter("dataset")):
        rows = list(found)
        names = fmt.short_names(rows)
        columns = ["category", "variant", "tasks", "passed", "$/attempt", "spent", "$/success", "tokens", "time"]
        if len(names) == 1:
            columns.remove("variant")
        headings = [Column(name, least=_TEXTS.get(name), spare=_SPARE.get(name)) for name in columns]
        cells = [_category(one) | {"variant": names[one.variant]} for one in rows]
        title = dataset if len(names) > 1 else f"{dataset}: {rows[0].variant}"
        found_no_room = show_table(console, title, headings, [[row[name] for name in columns] for row in cells])
        left_out |= dict.fromkeys(found_no_room)
        console.print()
    console.print(line("", f"$/attempt, tokens, time: means; $/success: all that was spent over the passes. {_MARKS}"))
    show_left_out(left_out, console)
    show_ending(result, console)


def _title(dataset: str, variants: Sequence[CostedVariant]) -> str:
    agents = sorted({one.agent for one in variants})
    return f"{dataset}: {', '.join(agents)}" if len(variants) > 1 else dataset


def _rows(variants: Sequence[CostedVariant]) -> Iterator[list[str]]:
    def row(name: str, cells: Sequence[str]) -> list[str]:
        return [name, *cells]

    yield row("passed", [_passed(one.passes, one.attempts, one.excluded) for one in variants])
    yield row("pass rate", [_estimate(one.intervals.pass_rate, fmt.percent) for one in variants])
    yield row("$ per attempt", [_estimate(one.intervals.cost_per_attempt_usd, fmt.money) for one in variants])
    yield row("$ spent", [fmt.money(one.cost.total) for one in variants])
    yield row("$ for the task set", [_number(one.cost.of_task_set, fmt.money) for one in variants])
    yield row("$ to complete", [_number(one.cost.to_complete, fmt.money) for one in variants])
    yield row("$ per point", [_number(one.cost.per_point, fmt.money) for one in variants])
    yield row("efficiency", [_ratio(one.cost.efficiency, is_base=one.variant == one.baseline) for one in variants])
    yield row("$ per attempt wasted", [_mean(one.counted["wasted"], fmt.money) for one in variants])
    shares = [shares_of(one.shares) for one in variants]
    for place, name in enumerate(SHARES):
        yield row(f"of the cost: {name}", [cells[place] for cells in shares])
    yield row("tokens per attempt", [_estimate(one.intervals.tokens_per_attempt, fmt.tokens) for one in variants])
    yield row("tokens to complete", [_number(one.tokens.to_complete, fmt.tokens) for one in variants])
    yield row("time per attempt", [_estimate(one.intervals.seconds_per_attempt, fmt.seconds) for one in variants])
    yield row("time to complete", [_number(one.seconds.to_complete, fmt.seconds) for one in variants])
    verbs = [f"share_{verb.value}" for verb in Verb]
    yield row("tools", [_mix(one, verbs) for one in variants])
    for name, measure in BEHAVIOUR.items():
        if name in verbs:
            continue
        spreads = [one.behaviour[name] for one in variants]
        if name in _ENDINGS:
            yield row(name.replace("_", " "), [fmt.percent(one.mean) for one in spreads])
        else:
            yield row(name.replace("_", " "), [_spread(one, _FORMS[measure.unit]) for one in spreads])


def _category(one: CategoryCost) -> dict[str, str]:
    """The row's cells, but for the variant."""
    of = one.intervals
    return {
        "category": _NO_CATEGORY if one.category is None else one.category,
        "tasks": str(one.tasks),
        "passed": _passed(one.passes, one.attempts, one.excluded),
        "$/attempt": _known(of.cost_per_attempt_usd, fmt.money),
        "spent": fmt.money(one.cost_usd),
        "$/success": _number(of.cost_to_complete_usd, fmt.money),
        "tokens": fmt.tokens(of.tokens_per_attempt.value),
        "time": fmt.seconds(of.seconds_per_attempt.value),
    }


def _passed(passes: int, attempts: int, excluded: int) -> str:
    return f"{passes}/{attempts}" + (f" (+{excluded} out)" if excluded else "")


def _estimate(one: Estimate, form: fmt.Form) -> str:
    """A number with its interval."""
    shown = _known(one, form)
    if one.low is None and one.high is None:
        return shown
    return f"{shown} ({fmt.interval(one.low, one.high, form)})"


def _known(one: Estimate, form: fmt.Form) -> str:
    """A number, and over how many attempts it is known, where it is not over all."""
    return f"{form(one.number)} [{one.n}/{one.n + one.missing}]" if one.missing else form(one.number)


def _number(one: Estimate, form: fmt.Form) -> str:
    return f"{'≥ ' if one.at_least else ''}{form(one.number)}"


def _ratio(one: Estimate, *, is_base: bool) -> str:
    if one.number is None:
        return fmt.UNKNOWN
    shown = "∞" if one.infinite else f"{one.number:.1f}" if one.number >= 0.95 else f"{one.number:.2g}"
    return f"{shown}x{' (baseline)' if is_base else ''}"


def _spread(one: Spread, form: fmt.Form) -> str:
    """The median with the quartiles."""
    if one.median is None:
        return fmt.UNKNOWN
    shown = form(one.median)
    if one.q25 != one.q75:
        shown += f" ({fmt.interval(one.q25, one.q75, form)})"
    return f"{shown} [{one.n}/{one.n + one.missing}]" if one.missing else shown


def _mean(one: Spread, form: fmt.Form) -> str:
    return f"{form(one.mean)} [{one.n}/{one.n + one.missing}]" if one.missing and one.n else form(one.mean)


def _mix(one: CostedVariant, verbs: Sequence[str]) -> str:
    """The verbs that most tool calls are, with their mean shares."""
    means = {name.removeprefix("share_"): one.behaviour[name].mean for name in verbs}
    known = sorted(((mean, name) for name, mean in means.items() if mean), reverse=True)
    shown = [f"{name} {mean:.0%}".replace("%", " %") for mean, name in known[:_VERBS_SHOWN]]
    return ", ".join(shown) or fmt.UNKNOWN
