"""A comparison as an Opik dashboard of the type "experiments": pure, and the same for the same comparison.

Nothing in it depends on the time or on chance, so that an unchanged comparison changes nothing in Opik. The
shapes are those of the frontend's dashboard schema, version 4, which `opik.api_objects.dashboard` checks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from views import format as fmt
from views.headline import headline
from views.metric_names import METRIC_NAMES
from views.results import Comparison, Complementarity, Estimate, Pair, PairMetric, VariantResult
from views.tables import CRITERIA
from views.widgets import MOST_EXPERIMENTS, DashboardSpec, Json, condition, section, spec, widget

EXPERIMENT_SCORES = (
    "pass_rate",
    "cost_per_attempt_usd",
    "cost_to_complete_usd",
    "tokens_per_attempt",
    "seconds_per_attempt",
)
"""Names of the scores that an experiment carries as a whole."""

FLAGGED_SCORES = tuple(f"{criterion}_flagged" for criterion in CRITERIA)
"""Names of the trace scores that hold the share of agent steps flagged, one per criterion."""

REWARD_SCORE = "reward"
"""Name of the trace score that holds the deciding reward."""

_MOST_TASKS = 40
_MOST_ATTEMPTS = 5
_LONGEST_CELL = 160

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


def experiment_scores(result: VariantResult) -> dict[str, float]:
    """The scores of an experiment as a whole, by `EXPERIMENT_SCORES`, and `pass@k` for every k that its attempts allow.

    What is not known is absent, and so is a lower bound: a score has no place to say that it is one.
    """
    estimates: dict[str, Estimate] = {name: getattr(result, name) for name in EXPERIMENT_SCORES}
    known = {name: one.value for name, one in estimates.items() if one.value is not None and not one.at_least}
    return known | {f"pass@{k}": one.value for k, one in result.pass_at_k.items() if one.value is not None}


def dashboard(
    comparison: Comparison, experiments: Mapping[str, Sequence[ExperimentRef]], links: Links | None = None
) -> DashboardSpec:
    """The dashboard of a comparison: the answer as text, a leaderboard and a chart of the scores.

    Args:
        comparison: what to show.
        experiments: the stored experiments of each variant, by the variant's name. Without any, the leaderboard
            and the chart are left out: unfiltered they would show the whole workspace.
        links: what its text leads to; None for nothing.
    """
    name = comparison.name
    refs = sorted(
        {ref.id: ref for one in comparison.variants for ref in experiments.get(one.variant, ())}.values(),
        key=lambda ref: ref.id,
    )
    content: Json = {"content": _markdown(comparison, refs, links or Links())}
    text = widget(name, "text_markdown", "text_markdown", "Answer", content)
    sections = [section(name, "Answer", [(text, 12)])]
    if refs:
        named = [condition(name, "filter", "experiment_ids", ",".join(ref.id for ref in refs))]
        most = min(len(refs), MOST_EXPERIMENTS)
        # Opik groups no experiments that are named one by one: the standing views have the groups.
        widgets = [(leaderboard(name, named, most), 6), (score_chart(name, named, most, []), 6)]
        sections.append(section(name, "Experiments", widgets))
    return spec(name, headline(comparison), sections)


def leaderboard(name: str, filters: list[Json], most: int) -> Json:
    """A widget that ranks experiments by pass rate.

    Args:
        name: of the dashboard.
        filters: which experiments.
        most: how many of them.
    """
    scores = [f"experiment_scores.{name}" for name in EXPERIMENT_SCORES]
    scores += [f"feedback_scores.{name}" for name in (REWARD_SCORE, *FLAGGED_SCORES)]
    metadata = ["metadata.agent_version", "metadata.model", "metadata.job"]
    # Opik's own cost column is left out: it shows an unknown cost as $0.
    config: Json = {
        "selectedColumns": ["trace_count", "duration.p50", *metadata, *scores],
        "columnsOrder": ["trace_count", "duration.p50"],
        "metadataColumnsOrder": metadata,
        "scoresColumnsOrder": scores,
        "enableRanking": True,
        "rankingMetric": "experiment_scores.pass_rate",
        "rankingDirection": True,  # high first
        "filters": filters,
        "maxRows": most,
    }
    return widget(name, "experiment_leaderboard", "experiment_leaderboard", "Leaderboard", config)


def score_chart(name: str, filters: list[Json], most: int, groups: list[Json]) -> Json:
    """A widget with bars of the mean scores of experiments, or of groups of them.

    Args:
        name: of the dashboard.
        filters: which experiments.
        most: how many of them.
        groups: what they are grouped by; empty for a bar each.
    """
    config: Json = {
        "chartType": "bar",
        "feedbackScores": [REWARD_SCORE, *FLAGGED_SCORES],
        "filters": filters,
        "groups": groups,
        "maxExperimentsCount": most,
    }
    kind = "experiments_feedback_scores"
    return widget(name, kind, kind, "Reward and share of steps flagged", config)


def _markdown(comparison: Comparison, refs: Sequence[ExperimentRef], links: Links) -> str:
    fixed = ", ".join(_held(name, value) for name, value in comparison.fixed.items())
    names = fmt.short_names(comparison.variants)
    jobs = sorted({job for one in comparison.variants for job in one.jobs})
    parts = [
        f"**{escaped(headline(comparison))}**",
        *_leads(links),
        "### Variants",
        _table(_VARIANT_HEAD, (_variant_row(one, names) for one in comparison.variants)),
        "### Differences",
        *(part for pair in comparison.pairs for part in _differences(pair, names)),
        escaped(comparison.rule),
        "### Tasks whose pass rate changed from a to b",
        _table(("a", "b", "Gained", "Lost", "Notes"), (_flips_row(pair, names, links) for pair in comparison.pairs)),
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
    return [lead, _table(_DIFFERENCE_HEAD, (_metric_row(pair, metric) for metric in pair.metrics))]


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


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


# What means something inside a paragraph or a cell of GitHub's Markdown, HTML among it.
_MARKUP = re.compile(r"[&<>\\`*_\[\]|~!$^]")
# What it makes a link of without any markup: addresses of the web and of mail.
_LINK = re.compile(r"(?i)(?<=http)(?=s?://)|(?<=www)(?=\.)|(?=@[\w.-]*[a-z])|(?<=mailto)(?=:)|(?<=xmpp)(?=:)")
_SAFE_CODE = re.compile(r"[\w.@/+#=,:()-][\w.@/+#=,:() -]*", re.ASCII)


def escaped(text: str) -> str:
    """Hostile text as one line of Markdown that shows it and does nothing else: no markup, HTML, link, image.

    Character references cannot stand for structure (CommonMark 6.2), not even for the bars of a table. Addresses
    are linked without any structure; a word joiner, which is not seen, breaks them.
    """
    line = " ".join(fmt.plain(text).split())
    line = _LINK.sub("\u2060", line)
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", line)


def code(name: str) -> str:
    """A hostile name for a cell or a paragraph: as code where nothing in it could end that, else escaped."""
    line = name if len(name) <= _LONGEST_CELL else f"{name[: _LONGEST_CELL - 1]}…"
    return f"`{line}`" if _SAFE_CODE.fullmatch(line) else escaped(line)
