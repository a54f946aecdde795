"""The page of one comparison: its verdict, the paired differences, who gained and lost what, and how each works."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from views import format as fmt
from views.metric_names import METRIC_NAMES
from views.pages.fingerprints import fingerprints_of
from views.pages.html import render, web_address, words
from views.pages.places import INDEX, comparison_place, task_place
from views.pages.rows import Row, Tallies, Tally
from views.report_model import ReportComparison
from views.results import Flip, Pair, PairMetric, Spread
from views.tables import CRITERIA

_SETTINGS = {"effort": "effort", "digest": "other settings"}
"""What is at its default, rather than unknown, where a comparison says nothing of it."""

type PageOf = Callable[[str], str | None]
"""The page of a trial, by its name; None where it has none."""


@dataclass(frozen=True, slots=True)
class _Difference:
    """A metric of a pair, as text."""

    metric: str
    difference: str
    interval: str
    ratio: str | None
    tasks: int
    p: float | None
    p_adjusted: float | None
    q: float | None
    visible: str | None
    verdict: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class _Flipped:
    """A task whose pass rate is another, with each variant's attempts."""

    flip: Flip
    is_gain: bool
    task_page: str | None
    a: Tally
    b: Tally


@dataclass(frozen=True, slots=True)
class _Pair:
    """A pair as the page shows it; `left_out` holds, by reason, the tasks that are not compared."""

    given: Pair
    differences: list[_Difference]
    flips: list[_Flipped]
    left_out: dict[str, list[str]]


def comparison_page(
    given: ReportComparison,
    tallies: Tallies,
    behaviour: Mapping[str, Mapping[str, Spread]],
    trial_page: PageOf,
    pages: frozenset[str],
) -> str:
    """The page.

    Args:
        given: the comparison.
        tallies: who passed what how often.
        behaviour: of each of the dataset's variants (`views.tables.BEHAVIOUR`).
        trial_page: the page of a trial.
        pages: all pages that there are.
    """
    one = given.comparison
    columns = [tallies.get((one.dataset, variant.variant), {}) for variant in one.variants]

    def task_page(task: str) -> str | None:
        place = task_place(one.dataset, task)
        return place if place in pages else None

    heat = [
        (task, task_page(task), [column.get(task, Tally()) for column in columns])
        for task in sorted({task for column in columns for task in column})
    ]
    # Tasks on which the variants differ come first: they are what a reader looks for.
    heat.sort(key=lambda row: len({tally.shade for tally in row[2]} - {None}) < 2)
    scored = {criterion for variant in one.variants for criterion in variant.scores}
    names = fmt.short_names(one.variants)
    return render(
        "comparison.html",
        comparison_place(one.name),
        title=one.name,
        home=INDEX,
        comparison=one,
        headline=given.headline,
        url=web_address(given.url),
        names=names,
        fixed=[
            (_SETTINGS.get(name, words(name)), "default" if value is None and name in _SETTINGS else value)
            for name, value in one.fixed.items()
        ],
        pairs=[_pair(pair, one.dataset, tallies, task_page) for pair in one.pairs],
        heat=heat,
        criteria=[name for name in CRITERIA if name in scored] + sorted(scored - set(CRITERIA)),
        most_attempts=max(len(variant.pass_at_k) for variant in one.variants),
        fingerprints=fingerprints_of(names, behaviour),
        trial_page=trial_page,
        outcome=outcome,
    )


def outcome(row: Row) -> tuple[str, str]:
    """How a trial ended, as a sign and a class: passed, failed, or no attempt of the agent."""
    if row["passed"] is None:
        return "○", "out"
    return ("✓", "pass") if row["passed"] else ("✗", "fail")


def _pair(pair: Pair, dataset: str, tallies: Tallies, task_page: Callable[[str], str | None]) -> _Pair:
    a, b = (tallies.get((dataset, name), {}) for name in (pair.a, pair.b))
    reasons: dict[str, list[str]] = {}
    for task, reason in pair.left_out.items():
        reasons.setdefault(reason, []).append(task)
    gained = frozenset(pair.gained)
    return _Pair(
        given=pair,
        differences=[_difference(metric, pair.reason(metric)) for metric in pair.metrics] if pair.tasks else [],
        flips=[
            _Flipped(
                flip, flip.task in gained, task_page(flip.task), a.get(flip.task, Tally()), b.get(flip.task, Tally())
            )
            for flip in pair.flips
        ],
        left_out=reasons,
    )


def _difference(metric: PairMetric, reason: str | None) -> _Difference:
    name, form = METRIC_NAMES[metric.metric].name, METRIC_NAMES[metric.metric].form
    ratio = None
    if metric.ratio is not None:
        bounds = fmt.interval(metric.ratio_low, metric.ratio_high, fmt.factor)
        ratio = fmt.factor(metric.ratio) + ("" if bounds == fmt.UNKNOWN else f" ({bounds})")
    return _Difference(
        metric=name,
        difference=fmt.difference(metric.difference, form),
        interval=fmt.interval(metric.low, metric.high, form, signed=True),
        ratio=ratio,
        tasks=metric.tasks,
        p=metric.p,
        p_adjusted=metric.p_adjusted,
        q=metric.q,
        visible=None if metric.smallest_visible is None else form(metric.smallest_visible),
        verdict=metric.verdict,
        reason=reason,
    )
