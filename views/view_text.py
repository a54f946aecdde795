"""What a saved view of a comparison says, as Markdown: pure, and the same for the same comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from views import format as fmt
from views.escaped import code, escaped, table
from views.headline import headline
from views.metric_names import METRIC_NAMES
from views.results import Comparison, Complementarity, Estimate, Pair, PairMetric, VariantResult
from views.widgets import MOST_EXPERIMENTS

_MOST_TASKS = 40
_MOST_ATTEMPTS = 5

_VARIANT_HEAD = (
    "Variant",
    "Pass rate",
    "95 % interval",
    "Cost per attempt",
    "Cost to complete",
    "Tokens per attempt",
    "Time per attempt",
    "Attempts",
    "Left out",
)
_DIFFERENCE_HEAD = (
    "Metric",
    "Tasks",
    "b − a",
    "95 % interval",
    "p",
    "p, adjusted",
    "Smallest visible",
    "b is",
)


@dataclass(frozen=True, slots=True)
class ExperimentRef:
    """An experiment stored in Opik."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Links:
    """What a comparison's text leads to: addresses on the web, each None or absent where there is none.

    Attributes:
        compare: Opik's own page that compares the comparison's experiments.
        dataset: the same page with all experiments of the dataset.
        standing: the view that the next run appears in.
        steps: the view of step scores over time.
        traces: of the attempts, by variant and task.
        newest: when the newest of the trials began. The time of making would make each text another.
    """

    compare: str | None = None
    dataset: str | None = None
    standing: str | None = None
    steps: str | None = None
    traces: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict[tuple[str, str], Sequence[str]])
    newest: datetime | None = None


def view_text(comparison: Comparison, refs: Sequence[ExperimentRef], links: Links) -> str:
    """The answer, the tables, the rule, the flips, and what all that is from, as Markdown.

    Args:
        comparison: what to say.
        refs: its stored experiments.
        links: what the text leads to.
    """
    fixed = ", ".join(_held(name, value) for name, value in comparison.fixed.items())
    names = fmt.short_names(comparison.variants)
    jobs = sorted({job for one in comparison.variants for job in one.jobs})
    parts = [
        f"**{escaped(headline(comparison))}**",
        *_leads(links),
        "### Variants",
        table(_VARIANT_HEAD, (_variant_row(one, names) for one in comparison.variants)),
        "### Differences",
        *(part for pair in comparison.pairs for part in _differences(pair, names)),
        escaped(comparison.rule),
        "### Tasks whose pass rate changed from a to b",
        table(("a", "b", "Gained", "Lost", "Notes"), (_flips_row(pair, names, links) for pair in comparison.pairs)),
        "### Together",
        _together(comparison.complementarity, names),
        "### From",
        *_in_full(names),
        f"Dataset {code(comparison.dataset)}. Held equal: {fixed}. Jobs: {_names(jobs)}.",
        f"Experiments: {_names(sorted(ref.name for ref in refs))}." if refs else "No experiment is stored.",
    ]
    if links.newest is not None:
        parts.append(f"The newest of these trials began on {links.newest:%Y-%m-%d at %H:%M} UTC.")
    if len(refs) > MOST_EXPERIMENTS:
        parts.append(f"The leaderboard and the chart show {MOST_EXPERIMENTS} of {len(refs)} experiments.")
    return "\n\n".join(parts) + "\n"


def _held(name: str, value: str | None) -> str:
    if name == "digest":
        return f"other settings {code(value)}" if value else "other settings at their defaults"
    return f"{name.replace('_', ' ')} {code(value) if value else 'not recorded'}"


def _variant_row(one: VariantResult, names: Mapping[str, str]) -> tuple[str, ...]:
    left_out = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in one.excluded.items())
    return (
        code(names[one.variant]),
        _estimate(one.pass_rate, fmt.percent),
        escaped(fmt.interval(one.pass_rate.low, one.pass_rate.high, fmt.percent)),
        _estimate(one.cost_per_attempt_usd, fmt.money),
        _estimate(one.cost_to_complete_usd, fmt.money),
        _estimate(one.tokens_per_attempt, fmt.tokens),
        _estimate(one.seconds_per_attempt, fmt.seconds),
        f"{one.attempts} at {one.tasks} tasks" + (f", {one.regraded} regraded" if one.regraded else ""),
        escaped(left_out or "0"),
    )


def _estimate(one: Estimate, form: fmt.Form) -> str:
    """The number, or why there is none; how many attempts it does not know of."""
    if one.value is None:
        return escaped(f"{form(one.number)} ({one.reason})" if one.reason else form(one.number))
    unknown = f" ({one.missing} not known)" if one.missing else ""
    return escaped(f"{'≥ ' if one.at_least else ''}{form(one.value)}{unknown}")


def _differences(pair: Pair, names: Mapping[str, str]) -> list[str]:
    """A pair with its metrics, b less a."""
    lead = f"{code(names[pair.b])} (b) against {code(names[pair.a])} (a), on {_tasks(pair.tasks)} that both ran:"
    if not pair.tasks:
        return [f"{code(names[pair.b])} against {code(names[pair.a])}: {escaped(pair.unanswered or fmt.UNKNOWN)}."]
    return [lead, table(_DIFFERENCE_HEAD, (_metric_row(pair, metric) for metric in pair.metrics))]


def _tasks(count: int) -> str:
    return f"{count} {'task' if count == 1 else 'tasks'}"


def _in_full(names: Mapping[str, str]) -> list[str]:
    """What the short names stand for."""
    meant = [f"{code(short)} is {code(full)}" for full, short in names.items() if short != full]
    return [f"In full: {', '.join(meant)}."] if meant else []


def _metric_row(pair: Pair, metric: PairMetric) -> tuple[str, ...]:
    name, form = METRIC_NAMES[metric.metric].name, METRIC_NAMES[metric.metric].form
    verdict = metric.verdict or "no verdict"
    return (
        name,
        str(metric.tasks),
        escaped(fmt.difference(metric.difference, form)) + _ratio(metric),
        escaped(fmt.interval(metric.low, metric.high, form, signed=True)),
        *(fmt.UNKNOWN if p is None else f"{p:.4f}" for p in (metric.p, metric.p_adjusted)),
        escaped(form(metric.smallest_visible)),
        escaped(f"{verdict} ({reason})" if (reason := pair.reason(metric)) else verdict),
    )


def _ratio(metric: PairMetric) -> str:
    return "" if metric.ratio is None else f" {escaped(f'(× {metric.ratio:.3g})')}"


def _leads(links: Links) -> list[str]:
    """The other views, in a line."""
    named = {
        "Compare them item by item in Opik": links.compare,
        "All experiments of the dataset": links.dataset,
        "Standing view, where the next run appears": links.standing,
        "Step scores over time": links.steps,
    }
    return (
        [" · ".join(f"[{text}]({url})" for text, url in named.items() if url is not None)]
        if any(named.values())
        else []
    )


def _flips_row(pair: Pair, names: Mapping[str, str], links: Links) -> tuple[str, ...]:
    left_out = sorted(Counter(pair.left_out.values()).items())
    notes = [f"{_tasks(count)} left out: {reason}" for reason, count in left_out]
    if pair.refused is not None:
        notes.insert(0, f"no verdict: {pair.refused}")
    if pair.unequal:
        notes.append(f"{_tasks(len(pair.unequal))} with unequal numbers of attempts")
    gained, lost = (_flipped(pair, tasks, links) for tasks in (pair.gained, pair.lost))
    return (code(names[pair.a]), code(names[pair.b]), gained, lost, escaped("; ".join(notes)))


def _flipped(pair: Pair, tasks: Sequence[str], links: Links) -> str:
    """The tasks, each with links to the attempts of both variants."""
    if not tasks:
        return "0"
    shown: list[str] = []
    for task in tasks[:_MOST_TASKS]:
        urls = {side: links.traces.get((name, task), ()) for side, name in (("a", pair.a), ("b", pair.b))}
        attempts = [
            f"[{side}{place if len(several) > 1 else ''}]({url})"
            for side, several in urls.items()
            for place, url in enumerate(several[:_MOST_ATTEMPTS], start=1)
        ]
        shown.append(f"{code(task)} ({', '.join(attempts)})" if attempts else code(task))
    more = f" and {len(tasks) - _MOST_TASKS} more" if len(tasks) > _MOST_TASKS else ""
    return f"{len(tasks)}: {', '.join(shown)}{more}"


def _together(found: Complementarity, names: Mapping[str, str]) -> str:
    """What the variants solve together, in a paragraph."""
    if found.couple is None or found.best is None:
        return escaped(found.reason or fmt.UNKNOWN)
    oracle, gain = fmt.percent(found.oracle_rate), fmt.difference(found.gain, fmt.points)
    of_two, cost = fmt.percent(found.couple.oracle_rate), fmt.money(found.couple.cost_usd)
    best = f"The best variant for each of {found.tasks} tasks would pass {escaped(oracle)}, {escaped(gain)} over"
    two = f"the best two are {code(names[found.couple.a])} and {code(names[found.couple.b])} ({escaped(of_two)},"
    alone = [f"{code(names[name])} alone solves {_flips(tasks)}" for name, tasks in found.only.items() if tasks]
    priced = f"{two} {escaped(cost)} for one attempt of both at each task)"
    return "; ".join([f"{best} {code(names[found.best])}", priced, *alone])


def _flips(tasks: Sequence[str]) -> str:
    return f"{len(tasks)}: {_names(tasks)}" if tasks else "0"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_TASKS} more" if len(names) > _MOST_TASKS else ""
    return ", ".join(code(name) for name in names[:_MOST_TASKS]) + more
