"""The first page: the answer, the leaderboard with its pictures, where the money goes, how variants work, the gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from markupsafe import Markup

from adapter.trial import Severity
from views import charts
from views import format as fmt
from views.pages.fingerprints import Fingerprints, fingerprints_of
from views.pages.html import render
from views.pages.places import INDEX, TRIALS, comparison_place
from views.pages.rows import Row, attempts_by_variant, facts_of, provenance_of
from views.report_model import Report
from views.results import VariantResult
from views.spending import KINDS, REST, Spending
from views.tables import CRITERIA

_SEVERITIES = (Severity.ERROR, Severity.WARNING, Severity.INFO)


def overview(report: Report, rows: Sequence[Row]) -> str:
    """The page.

    Args:
        report: what it shows.
        rows: the report's trials (`views.pages.rows.rows_of`).
    """
    attempts = attempts_by_variant(rows)
    return render(
        "overview.html",
        INDEX,
        report=report,
        title=report.title,
        facts=facts_of(rows),
        answer_text=_without_comparison(report),
        datasets=[_dataset(name, report, attempts) for name in sorted(report.variants)],
        comparisons=[
            (one.headline, one.comparison.name, comparison_place(one.comparison.name)) for one in report.comparisons
        ],
        findings=sorted(report.findings, key=lambda one: (_SEVERITIES.index(one.severity), -one.count)),
        verdicts=sorted(report.verdicts, key=lambda one: (one.criterion, -one.count)),
        jobs=[PurePath(job).name or job for job in report.jobs],
        trials_place=TRIALS,
    )


def _without_comparison(report: Report) -> str:
    """What can be said, in a sentence, where nothing was compared."""
    variants = [one for group in report.variants.values() for one in group]
    if not len(report.trials):
        return "No trial could be read, so nothing can be said about cost or pass rate."
    if not variants or not any(one.attempts for one in variants):
        return "No trial is an attempt of an agent, so nothing can be said about cost or pass rate."
    if len(variants) > 1:
        return (
            f"{len(variants)} results, but no two variants that differ in one respect only ran on the same "
            "dataset, so nothing is compared."
        )
    one = variants[0]
    rate, cost = one.pass_rate, one.cost_per_attempt_usd
    bounds = fmt.interval(rate.low, rate.high, fmt.percent)
    price = (
        "at a cost that is not known"
        if cost.value is None
        else f"at {'at least ' if cost.at_least else ''}{fmt.money(cost.value)} per attempt"
    )
    return (
        f"{one.variant} passed {one.passes} of {one.attempts} attempts ({fmt.percent(rate.value)}"
        f"{'' if bounds == fmt.UNKNOWN else f', 95 % interval {bounds}'}) {price}. "
        "There is no second variant to compare it with."
    )


@dataclass(frozen=True, slots=True)
class _Picture:
    """A drawn chart: its text alternative, and by name why a variant is not in it.

    `bounds` tells whether a cost in it is only a lower bound.
    """

    kind: str
    title: str
    text: str
    svg: Markup | None
    undrawn: dict[str, str]
    bounds: bool


@dataclass(frozen=True, slots=True)
class _Dataset:
    """A dataset's variants, best pass rate first, with their pictures.

    `provenance` counts, for each variant, its attempts by where their cost comes from; `most_attempts` is the largest k
    of pass@k.
    """

    name: str
    variants: list[VariantResult]
    names: dict[str, str]
    front: frozenset[str]
    provenance: dict[str, dict[str, int]]
    criteria: list[str]
    most_attempts: int
    pictures: list[_Picture]
    kinds: list[str]
    spending: Mapping[str, Spending]
    fingerprints: Fingerprints


def _dataset(name: str, report: Report, attempts: Mapping[tuple[str, str], Sequence[Row]]) -> _Dataset:
    ranked = sorted(report.variants[name], key=_rank)
    scored = {criterion for one in ranked for criterion in one.scores}
    spent = report.spending.get(name, {})
    shown = {kind for one in spent.values() for kind, usd in one.parts.items() if usd}
    names = fmt.short_names(ranked)
    return _Dataset(
        name=name,
        variants=ranked,
        names=names,
        front=charts.pareto_front(ranked),
        provenance={one.variant: provenance_of(attempts.get((name, one.variant), ())) for one in ranked},
        criteria=[one for one in CRITERIA if one in scored] + sorted(scored - set(CRITERIA)),
        most_attempts=max((len(one.pass_at_k) for one in ranked), default=0),
        pictures=_pictures(ranked, spent),
        kinds=[kind for kind in (*KINDS, REST) if kind in shown],
        spending=spent,
        fingerprints=fingerprints_of(names, report.behaviour.get(name, {})),
    )


def _rank(one: VariantResult) -> tuple[float, float, str]:
    """Best pass rate first, the cheaper first at the same rate, unknown last."""
    rate, cost = one.pass_rate.value, one.cost_per_attempt_usd.value
    return (1.0 if rate is None else -rate, float("inf") if cost is None else cost, one.variant)


def _pictures(variants: Sequence[VariantResult], spent: Mapping[str, Spending]) -> list[_Picture]:
    names, front = fmt.short_names(variants), charts.pareto_front(variants)
    places = [
        f"{names[one.variant]}: {fmt.money(one.cost_per_attempt_usd.value)} per attempt, "
        f"{fmt.percent(one.pass_rate.value)} passed{', on the Pareto front' if one.variant in front else ''}"
        for one in variants
    ]
    bars = [f"{names[one.variant]}: {fmt.money(one.cost_to_complete_usd.number)}" for one in variants]
    drawn: list[tuple[charts.Picture, str, list[str], charts.Spec | None]] = [
        ("cost", "Cost against pass rate", places, charts.cost_against_pass_rate(variants)),
        ("complete", "Cost to complete", bars, charts.cost_to_complete(variants)),
    ]
    if spent:
        parts = [_parts(names[one.variant], spent[one.variant]) for one in variants if one.variant in spent]
        drawn.append(("money", "Where the money goes", parts, charts.where_the_money_goes(variants, spent)))
    return [
        _Picture(
            kind=kind,
            title=title,
            text=f"{title}. {'; '.join(texts)}.",
            # Drawn by ourselves: names reach it as data and come out escaped.
            svg=None if spec is None else Markup(charts.svg(spec)),  # noqa: S704
            undrawn={names[name]: why for name, why in charts.undrawn(variants, kind, spent).items()},
            bounds=any(one.cost_to_complete_usd.at_least for one in variants),
        )
        for kind, title, texts, spec in drawn
    ]


def _parts(name: str, one: Spending) -> str:
    listed = ", ".join(f"{kind} {fmt.money(usd)}" for kind, usd in one.parts.items() if usd)
    return f"{name}: {listed or 'not known'}"
