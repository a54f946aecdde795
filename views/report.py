"""The report: one HTML file that opens from disk with no network and runs no script.

Everything that comes from a job is hostile. Jinja escapes all of it; the only markup that is trusted is the
pictures' SVG, drawn by `views.charts` from data, and the page's own style sheet. The page's policy
(`Content-Security-Policy`) allows that one style sheet, by its hash, and nothing else: no script, no style
attribute, nothing fetched.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from adapter.trial import Severity
from views import charts
from views import format as fmt
from views.metric_names import METRIC_NAMES
from views.metrics import tokens_in_all
from views.report_model import Report, ReportComparison
from views.results import Pair, VariantResult
from views.tables import CRITERIA

if TYPE_CHECKING:
    import pandas as pd

_UNKNOWN = Markup('<i role="img" aria-label="unknown" title="unknown">{}</i>').format(fmt.UNKNOWN)

_SEVERITIES = (Severity.ERROR, Severity.WARNING, Severity.INFO)

_SETTINGS = {"effort": "effort", "digest": "other settings"}
"""What is at its default, rather than unknown, where a comparison says nothing of it."""

type _Row = dict[str, Any]
"""A row of the trials table; what is missing is None."""


def write_report(folder: Path, report: Report) -> Path:
    """Write the report as `folder/index.html`, in place of an older one.

    Returns:
        the file's path.

    Raises:
        OSError: the folder cannot be made or written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    # A reader who opens the page meanwhile sees the old one or the new one, never half of one.
    unfinished = folder / ".index.html.part"
    unfinished.write_text(render(report), encoding="utf-8")
    return unfinished.replace(page)


def render(report: Report) -> str:
    """The report as the text of an HTML page."""
    environment = Environment(
        loader=PackageLoader("views"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": fmt.count,
        "money": fmt.money,
        "tokens": fmt.tokens,
        "seconds": fmt.seconds,
        "percent": fmt.percent,
        "probability": fmt.probability,
        "breakable": _breakable,
        "reward": _reward,
        "tally": _tally_text,
        "words": _words,
    }
    style = environment.get_template("report.css").render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    trials = _rows(report.trials)
    names = {dataset: fmt.short_names(variants) for dataset, variants in report.variants.items()}
    tallies, attempts = _tallies(trials), _attempts(trials)
    return environment.get_template("report.html").render(
        report=report,
        style=Markup(style),  # noqa: S704  (our own file)
        style_hash=f"sha256-{digest}",
        facts=_facts(trials),
        answer_text=_without_comparison(report),
        datasets=[_dataset(name, report.variants[name], attempts) for name in sorted(report.variants)],
        comparisons=[_comparison(one, tallies) for one in report.comparisons],
        findings=sorted(report.findings, key=lambda one: (_SEVERITIES.index(one.severity), -one.count)),
        verdicts=sorted(report.verdicts, key=lambda one: (one.criterion, -one.count)),
        trials=trials,
        names=names,
        criteria=CRITERIA,
        jobs=[PurePath(job).name or job for job in report.jobs],
        fmt=fmt,
    )


def _printable(value: object) -> object:
    """What Jinja prints for a value: unknown is marked as unknown, and text holds nothing that cannot be shown."""
    if value is None or value == fmt.UNKNOWN:
        return _UNKNOWN
    if isinstance(value, str) and not isinstance(value, Markup):
        return fmt.plain(value)
    return value


def _words(name: str) -> str:
    return name.replace("_", " ")


def _breakable(name: str) -> Markup:
    """A name that may be broken after its slashes."""
    return escape(fmt.plain(name)).replace("/", Markup("/<wbr>"))


def _reward(reward: float | None) -> str:
    return fmt.UNKNOWN if reward is None else f"{reward:g}"


def _tally_text(counts: Mapping[str, int]) -> str:
    """How many of each: `36 recorded, 2 unknown`."""
    return ", ".join(f"{fmt.count(number)} {_words(name)}" for name, number in counts.items())


def _rows(trials: pd.DataFrame) -> list[_Row]:
    """The trials as plain records, by task, variant and trial, each with its `tokens` in all."""
    full = trials.assign(tokens=tokens_in_all(trials))
    known = full.astype(object).where(full.notna(), None)
    rows: list[_Row] = [dict(zip(known.columns, row, strict=True)) for row in known.itertuples(index=False)]
    return sorted(rows, key=lambda row: (row["dataset"], row["task"], row["variant"], row["trial"]))


@dataclass(frozen=True, slots=True)
class _Facts:
    """What was read, counted.

    `known_usd` is the sum over the trials whose cost is known, None when there are none; `provenance` and
    `excluded` count trials. `regrades` only graded another trial again: they are in no number but `trials`.
    """

    trials: int
    attempts: int
    regrades: int
    variants: int
    tasks: int
    datasets: int
    known_usd: float | None
    provenance: dict[str, int]
    excluded: dict[str, int]


def _facts(trials: Sequence[_Row]) -> _Facts:
    own = [row for row in trials if row["regrade_of"] is None]
    costs = [row["cost_usd"] for row in own if row["cost_usd"] is not None]
    return _Facts(
        trials=len(trials),
        attempts=sum(row["passed"] is not None for row in own),
        regrades=len(trials) - len(own),
        variants=len({row["variant"] for row in own}),
        tasks=len({(row["dataset"], row["task"]) for row in own}),
        datasets=len({row["dataset"] for row in own}),
        known_usd=sum(costs) if costs else None,
        provenance=_provenance(own),
        excluded=dict(Counter(row["status"] for row in own if row["passed"] is None).most_common()),
    )


def _provenance(trials: Sequence[_Row]) -> dict[str, int]:
    """How many trials got their cost in which way."""
    return dict(
        Counter("unknown" if row["cost_usd"] is None else row["cost_provenance"] for row in trials).most_common()
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

    title: str
    text: str
    svg: Markup | None
    undrawn: dict[str, str]
    bounds: bool


@dataclass(frozen=True, slots=True)
class _Dataset:
    """A dataset's variants, best pass rate first, with their pictures.

    `provenance` counts, for each variant, its attempts by where their cost comes from.
    """

    name: str
    variants: list[VariantResult]
    names: dict[str, str]
    front: frozenset[str]
    provenance: dict[str, dict[str, int]]
    criteria: list[str]
    pictures: list[_Picture]


def _attempts(trials: Sequence[_Row]) -> dict[tuple[str, str], list[_Row]]:
    """The trials that are attempts, by dataset and variant."""
    attempts: dict[tuple[str, str], list[_Row]] = {}
    for row in trials:
        if row["passed"] is not None:
            attempts.setdefault((row["dataset"], row["variant"]), []).append(row)
    return attempts


def _dataset(
    name: str, variants: Sequence[VariantResult], attempts: Mapping[tuple[str, str], Sequence[_Row]]
) -> _Dataset:
    ranked = sorted(variants, key=_rank)
    scored = {criterion for one in ranked for criterion in one.scores}
    return _Dataset(
        name=name,
        variants=ranked,
        names=fmt.short_names(ranked),
        front=charts.pareto_front(ranked),
        provenance={one.variant: _provenance(attempts.get((name, one.variant), ())) for one in ranked},
        criteria=[one for one in CRITERIA if one in scored] + sorted(scored - set(CRITERIA)),
        pictures=_pictures(ranked),
    )


def _rank(one: VariantResult) -> tuple[float, float, str]:
    """Best pass rate first, the cheaper first at the same rate, unknown last."""
    rate, cost = one.pass_rate.value, one.cost_per_attempt_usd.value
    return (1.0 if rate is None else -rate, float("inf") if cost is None else cost, one.variant)


def _pictures(variants: Sequence[VariantResult]) -> list[_Picture]:
    names, front = fmt.short_names(variants), charts.pareto_front(variants)
    places = [
        f"{names[one.variant]}: {fmt.money(one.cost_per_attempt_usd.value)} per attempt, "
        f"{fmt.percent(one.pass_rate.value)} passed{', on the Pareto front' if one.variant in front else ''}"
        for one in variants
    ]
    bars = [f"{names[one.variant]}: {fmt.money(one.cost_to_complete_usd.number)}" for one in variants]
    drawn: tuple[tuple[str, list[str], charts.Spec | None, charts.Picture], ...] = (
        ("Cost against pass rate", places, charts.cost_against_pass_rate(variants), "cost"),
        ("Cost to complete", bars, charts.cost_to_complete(variants), "complete"),
    )
    return [
        _Picture(
            title=title,
            text=f"{title}. {'; '.join(texts)}.",
            # Drawn by ourselves: names reach it as data and come out escaped.
            svg=None if spec is None else Markup(charts.svg(spec)),  # noqa: S704
            undrawn={names[name]: why for name, why in charts.undrawn(variants, picture).items()},
            bounds=any(one.cost_to_complete_usd.at_least for one in variants),
        )
        for title, texts, spec, picture in drawn
    ]


@dataclass(frozen=True, slots=True)
class _Tally:
    """One variant's attempts at one task; `excluded` are trials that are no attempt of the agent."""

    passes: int = 0
    attempts: int = 0
    excluded: int = 0

    @property
    def text(self) -> str:
        """Passes of attempts; unknown where the variant made no attempt."""
        return f"{self.passes}/{self.attempts}" if self.attempts else fmt.UNKNOWN

    @property
    def shade(self) -> int | None:
        """From 0 (none passed) to 4 (all did), both only where that is exactly so; None with no attempt."""
        if not self.attempts:
            return None
        if self.passes in (0, self.attempts):
            return 4 if self.passes else 0
        return min(max(round(4 * self.passes / self.attempts), 1), 3)


type _Tallies = Mapping[tuple[str, str], Mapping[str, _Tally]]
"""By dataset and variant, then by task."""


def _tallies(trials: Sequence[_Row]) -> _Tallies:
    tallies: dict[tuple[str, str], dict[str, _Tally]] = {}
    for row in trials:
        if row["regrade_of"] is not None:
            continue
        tasks = tallies.setdefault((row["dataset"], row["variant"]), {})
        old = tasks.get(row["task"], _Tally())
        counts = row["passed"] is not None
        tasks[row["task"]] = _Tally(
            old.passes + bool(row["passed"]), old.attempts + counts, old.excluded + (not counts)
        )
    return tallies


@dataclass(frozen=True, slots=True)
class _Difference:
    """A metric of a pair, as text."""

    metric: str
    difference: str
    interval: str
    tasks: int
    p: float | None
    p_adjusted: float | None
    visible: str | None
    verdict: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class _Pair:
    """A pair as the page shows it; `left_out` holds, by reason, the tasks that are not compared."""

    given: Pair
    differences: list[_Difference]
    left_out: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class _Comparison:
    """A comparison as the page shows it; `heat` holds, task by task, a tally for each variant."""

    given: ReportComparison
    title: str
    url: str | None
    names: dict[str, str]
    fixed: list[tuple[str, str | None]]
    pairs: list[_Pair]
    heat: list[tuple[str, list[_Tally]]]


def _comparison(given: ReportComparison, tallies: _Tallies) -> _Comparison:
    one = given.comparison
    columns = [tallies.get((one.dataset, variant.variant), {}) for variant in one.variants]
    heat = [
        (task, [column.get(task, _Tally()) for column in columns])
        for task in sorted({task for column in columns for task in column})
    ]
    # Tasks on which the variants differ come first: they are what a reader looks for.
    heat.sort(key=lambda row: len({tally.shade for tally in row[1]} - {None}) < 2)
    # Saved views are on the web; any other scheme could run something when it is followed.
    web = given.url is not None and urlsplit(given.url).scheme in ("http", "https")
    return _Comparison(
        given=given,
        # In Opik a saved view carries the product's name; here it goes without saying.
        title=one.name,
        url=given.url if web else None,
        names=fmt.short_names(one.variants),
        fixed=[
            (_SETTINGS.get(name, _words(name)), "default" if value is None and name in _SETTINGS else value)
            for name, value in one.fixed.items()
        ],
        pairs=[_Pair(pair, _differences(pair), _reasons(pair)) for pair in one.pairs],
        heat=heat,
    )


def _reasons(pair: Pair) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for task, reason in pair.left_out.items():
        reasons.setdefault(reason, []).append(task)
    return reasons


def _differences(pair: Pair) -> list[_Difference]:
    rows: list[_Difference] = []
    for metric in pair.metrics:
        name, form = METRIC_NAMES[metric.metric].name, METRIC_NAMES[metric.metric].form
        rows.append(
            _Difference(
                metric=name,
                difference=fmt.difference(metric.difference, form),
                interval=fmt.interval(metric.low, metric.high, form, signed=True),
                tasks=metric.tasks,
                p=metric.p,
                p_adjusted=metric.p_adjusted,
                visible=None if metric.smallest_visible is None else form(metric.smallest_visible),
                verdict=metric.verdict,
                reason=metric.reason,
            )
        )
    return rows
