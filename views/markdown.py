"""Comparisons as Markdown, short enough for a pull request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from views import format as fmt
from views.escaped import code, escaped, table
from views.headline import headline
from views.metric_names import METRIC_NAMES
from views.results import Comparison, Pair, PairMetric, VariantResult

_MOST_FLIPS = 10
_MARKS = {
    "better": "🟢 better",
    "worse": "🔴 worse",
    "no difference shown": "⚪ no difference shown",
    None: "no verdict",
}


def markdown(comparisons: Sequence[Comparison], views: Mapping[str, str]) -> str:
    """A section per comparison: the answer, the variants, the differences, the flips; empty without any comparison.

    Args:
        comparisons: what to show. Their names are hostile, and escaped.
        views: the address of each one's saved view, by its name.
    """
    return "\n".join(_section(one, views.get(one.name)) for one in comparisons)


def _section(one: Comparison, url: str | None) -> str:
    names = fmt.short_names(one.variants)
    parts = [
        f"### {escaped(one.name)}",
        f"**{escaped(headline(one))}**",
        table(
            ("Variant", "Passed", "Pass rate", "95 % interval", "$ per attempt", "$ per success"),
            [_variant(result, names[result.variant]) for result in one.variants],
        ),
    ]
    for pair in one.pairs:
        parts.append(f"{code(names[pair.b])} against {code(names[pair.a])}, on {pair.tasks} tasks:")
        if pair.unanswered is not None:
            parts.append(f"No verdict: {escaped(pair.unanswered)}.")
        if pair.tasks:
            rows = [_metric(one, pair.reason(one)) for one in pair.metrics]
            parts.append(table(("Metric", "Difference", "95 % interval", "p, adjusted", "Verdict"), rows))
        parts += _flips(pair)
    if url is not None:
        parts.append(f"[Saved view]({url})")
    parts.append(f"<details><summary>The rule</summary>\n\n{escaped(one.rule)}\n\n</details>")
    return "\n\n".join(parts) + "\n"


def _variant(one: VariantResult, name: str) -> tuple[str, ...]:
    left_out = sum(one.excluded.values())
    return (
        code(name),
        f"{one.passes}/{one.attempts}" + (f" (+{left_out} left out)" if left_out else ""),
        escaped(fmt.percent(one.pass_rate.value)),
        escaped(fmt.interval(one.pass_rate.low, one.pass_rate.high, fmt.percent)),
        *(
            escaped(f"{'≥ ' if cost.at_least else ''}{fmt.money(cost.number)}")
            for cost in (one.cost_per_attempt_usd, one.cost_to_complete_usd)
        ),
    )


def _metric(one: PairMetric, reason: str | None) -> tuple[str, ...]:
    name = METRIC_NAMES[one.metric]
    ratio = "" if one.ratio is None else f" ({fmt.factor(one.ratio)})"
    return (
        name.name,
        escaped(f"{fmt.difference(one.difference, name.form)}{ratio}"),
        escaped(fmt.interval(one.low, one.high, name.form, signed=True)),
        escaped(fmt.probability(one.p_adjusted)),
        escaped(_MARKS[one.verdict] + (f" ({reason})" if reason else "")),
    )


def _flips(pair: Pair) -> list[str]:
    said: list[str] = []
    for lead, tasks in (("Gained", pair.gained), ("Lost", pair.lost)):
        if tasks:
            more = f" and {len(tasks) - _MOST_FLIPS} more" if len(tasks) > _MOST_FLIPS else ""
            said.append(f"{lead} {len(tasks)}: {', '.join(map(code, tasks[:_MOST_FLIPS]))}{more}")
    return said
