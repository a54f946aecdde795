"""The report's pictures: pure functions from results to Vega-Lite specs, and one that draws a spec as SVG.

Text and axes are drawn in `currentColor`, so that an SVG placed in a page takes the page's colours, light or
dark. Variants are told apart by colour, shape and a label, never by colour alone; their order gives colours
and shapes, the same in every picture. What is not known is not drawn: `undrawn` names it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from views import format as fmt
from views.spending import KINDS, REST, Spending

if TYPE_CHECKING:
    from pathlib import Path

    import altair as alt

    from views.results import Estimate, VariantResult

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colours, which colour-blind people tell apart, those with most contrast first."""

SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")

_GREY = "#999999"

type Picture = Literal["cost", "complete", "money"]
"""Cost against pass rate, cost to complete, or where the money goes."""

type Spec = dict[str, Any]
"""A Vega-Lite specification."""

_WIDTH, _HEIGHT = 560, 290
# What a label of the size below takes, in pixels: enough to keep labels apart.
_FONT, _CHARACTER, _LINE = 12, 6.6, 14
_LONGEST_LABEL = 32


@dataclass(frozen=True, slots=True)
class _Point:
    """A variant on a picture: its place, the ends of its intervals (the value itself where unknown), its look."""

    key: int
    variant: str
    label: str
    cost: float
    low: float
    high: float
    at_least: bool
    color: str
    shape: str
    rate: float = 0
    rate_low: float = 0
    rate_high: float = 0


def pareto_front(variants: Sequence[VariantResult]) -> frozenset[str]:
    """Names of the variants that no other one beats, being as cheap and as good and in one of the two better.

    Only variants whose pass rate and cost per attempt are known, the cost not merely as a lower bound, take
    part.
    """
    front: set[str] = set()
    best: tuple[float, float] | None = None
    # From cheap to dear, and from good to bad at one price: what is better than all before it stays, and so
    # does what equals the best of them in both.
    for point in sorted(_points(variants), key=lambda point: (point.cost, -point.rate)):
        if not point.at_least and (best is None or point.rate > best[1] or (point.cost, point.rate) == best):
            front.add(point.variant)
            best = (point.cost, point.rate)
    return frozenset(front)


def undrawn(
    variants: Sequence[VariantResult], picture: Picture, spent: Mapping[str, Spending] = MappingProxyType({})
) -> dict[str, str]:
    """Why each variant that a picture cannot show is not in it, by its name.

    Args:
        variants: those of one dataset.
        picture: `cost` for `cost_against_pass_rate`, `complete` for `cost_to_complete`, `money` for
            `where_the_money_goes`.
        spent: what the attempts of each variant were spent on.
    """
    reasons: dict[str, str] = {}
    for one in variants:
        if picture == "money":
            if not _shares(spent.get(one.variant)):
                reasons[one.variant] = "the cost of no attempt is known"
            continue
        estimate = one.cost_per_attempt_usd if picture == "cost" else one.cost_to_complete_usd
        if picture == "cost" and not _drawable(one.pass_rate):
            reasons[one.variant] = one.pass_rate.reason or "its pass rate is not known"
        elif not _drawable(estimate):
            reasons[one.variant] = estimate.reason or "its cost is not known"
    return reasons


def cost_against_pass_rate(variants: Sequence[VariantResult]) -> Spec | None:
    """Cost per attempt against pass rate: a point per variant with both intervals, the Pareto front joined.

    The cost axis is logarithmic where the dearest variant costs over eight times as much as the cheapest.

    Returns:
        None when there is no variant whose cost and pass rate are both known.
    """
    import altair as alt

    points = _points(variants)
    if not points:
        return None
    axis = _cost_axis(points)
    x = alt.X("cost:Q", scale=axis.scale(), title="cost per attempt (US dollars)", axis=axis.vega())
    y = alt.Y(
        "rate:Q",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(
            title="pass rate", titleAngle=0, titleAlign="left", titleX=-38, titleY=-14, format="%", tickCount=5
        ),
    )
    color = alt.Color("color:N", scale=None)
    base = alt.Chart(_data(points))
    whiskers = base.mark_rule(strokeWidth=1.5, opacity=0.8)
    joined = [point for point in points if point.variant in pareto_front(variants)]
    layers: list[Any] = [
        alt.Chart(_data(joined))
        .mark_line(color="currentColor", opacity=0.5, strokeDash=[5, 4], interpolate="step-after")
        .encode(x=x, y=y),
        whiskers.encode(x=x, y=alt.Y("rate_low:Q"), y2="rate_high:Q", color=color),
        whiskers.encode(x=alt.X("low:Q"), x2="high:Q", y=y, color=color),
        base.mark_point(size=110, filled=True, opacity=1, strokeWidth=1).encode(
            x=x,
            y=y,
            shape=alt.Shape("shape:N", scale=None),
            fill=alt.Fill("color:N", scale=None),
            stroke=alt.value("currentColor"),
        ),
    ]
    for point, place in zip(points, _label_places(points, axis), strict=True):
        text = alt.Chart(_data([point])).mark_text(align=place.align, dx=place.dx, dy=place.dy, fontSize=_FONT)
        layers.append(text.encode(x=x, y=y, text="label:N"))
    return _spec(alt.layer(*layers).properties(width=_WIDTH, height=_HEIGHT))


def cost_to_complete(variants: Sequence[VariantResult]) -> Spec | None:
    """Dollars spent for each success, a bar per variant, cheapest first.

    A bar that is only a lower bound is drawn pale and labelled `at least`.

    Returns:
        None when no variant has a finite cost to complete.
    """
    import altair as alt

    bars = sorted(_bars(variants), key=lambda bar: bar.cost)
    if not bars:
        return None
    axis = _Axis(log=False, low=0, high=(max(bar.high for bar in bars) or 1.0) * 1.02)
    x = alt.X("cost:Q", scale=axis.scale(), title="US dollars for each success", axis=axis.vega())
    y = alt.Y("key:N", sort=[bar.key for bar in bars], axis=None)
    base = alt.Chart(_data(bars))
    chart = alt.layer(
        base.mark_bar(size=14, yOffset=9).encode(
            x=x,
            y=y,
            color=alt.Color("color:N", scale=None),
            opacity=alt.condition("datum.at_least", alt.value(0.45), alt.value(1)),
        ),
        base.mark_rule(strokeWidth=1.5, yOffset=9, color="currentColor").encode(x=alt.X("low:Q"), x2="high:Q", y=y),
        base.mark_text(align="left", dy=-8, fontSize=_FONT).encode(x=alt.value(0), y=y, text="label:N"),
    )
    return _spec(chart.properties(width=_WIDTH, height=alt.Step(44)))


def where_the_money_goes(variants: Sequence[VariantResult], spent: Mapping[str, Spending]) -> Spec | None:
    """What an attempt's cost was spent on: a stacked bar per variant, in US dollars per attempt.

    What is below 0 (recorded costs under what prices explain) cannot be stacked: it is in the numbers only.

    Args:
        variants: those of one dataset.
        spent: by variant.

    Returns:
        None when no variant's cost is known.
    """
    import altair as alt

    names = fmt.short_names(variants)
    kinds = (*KINDS, REST)
    rows: list[dict[str, Any]] = [
        {"key": at, "label": _label(names[one.variant]), "part": part, "order": kinds.index(part), "usd": usd}
        for at, one in enumerate(variants)
        for part, usd in _shares(spent.get(one.variant)).items()
    ]
    if not rows:
        return None
    shown = [kind for kind in kinds if any(row["part"] == kind for row in rows)]
    whole = [sum(row["usd"] for row in rows if row["key"] == at) for at in range(len(variants))]
    axis = _Axis(log=False, low=0, high=(max(whole) or 1.0) * 1.02)
    y = alt.Y("key:N", sort=list(range(len(variants))), axis=None)
    chart = alt.layer(
        alt.Chart(alt.Data(values=rows))
        .mark_bar(size=14, yOffset=9, stroke="currentColor", strokeWidth=0.5)
        .encode(
            x=alt.X(
                "usd:Q", stack="zero", scale=axis.scale(), title="US dollars per attempt, by what for", axis=axis.vega()
            ),
            y=y,
            order=alt.Order("order:Q"),
            color=alt.Color(
                "part:N",
                scale=alt.Scale(domain=shown, range=[(*PALETTE, _GREY)[kinds.index(kind)] for kind in shown]),
                legend=alt.Legend(
                    orient="top", title=None, labelColor="currentColor", symbolType="square", columns=4, labelLimit=200
                ),
            ),
        ),
        alt.Chart(alt.Data(values=[row for row in rows if row["order"] == _first(rows, row["key"])]))
        .mark_text(align="left", dy=-8, fontSize=_FONT)
        .encode(x=alt.value(0), y=y, text="label:N"),
    )
    return _spec(chart.properties(width=_WIDTH, height=alt.Step(44)))


def _shares(one: Spending | None) -> dict[str, float]:
    """The parts that can be stacked."""
    return {} if one is None else {kind: usd for kind, usd in one.parts.items() if usd > 0}


def _first(rows: Sequence[Mapping[str, Any]], key: int) -> int:
    return min(row["order"] for row in rows if row["key"] == key)


def write_charts(
    folder: Path,
    variants: Mapping[str, Sequence[VariantResult]],
    spent: Mapping[str, Mapping[str, Spending]] = MappingProxyType({}),
) -> None:
    """Writes each dataset's pictures as Vega-Lite specs with their data.

    They are `NAME-cost.vl.json`, `NAME-complete.vl.json` and `NAME-money.vl.json`. What cannot be drawn has no file;
    one of an earlier time is removed.

    Args:
        folder: an existing one.
        variants: by dataset.
        spent: what the attempts of each variant were spent on, by dataset.

    Raises:
        OSError: the folder cannot be written to.
    """
    for dataset, several in variants.items():
        drawn = {
            "cost": cost_against_pass_rate(several),
            "complete": cost_to_complete(several),
            "money": where_the_money_goes(several, spent.get(dataset, {})),
        }
        for picture, spec in drawn.items():
            path = folder / f"{fmt.file_name(dataset)}-{picture}.vl.json"
            if spec is None:
                path.unlink(missing_ok=True)
            else:
                path.write_text(json.dumps(spec, indent=1, sort_keys=True), encoding="utf-8")


def svg(spec: Spec) -> str:
    """A Vega-Lite spec as the text of an `<svg>` element: no script, no style, nothing loaded from anywhere."""
    import vl_convert

    return vl_convert.vegalite_to_svg(spec)


def _points(variants: Sequence[VariantResult]) -> list[_Point]:
    """What `cost_against_pass_rate` shows."""
    names = fmt.short_names(variants)
    points: list[_Point] = []
    for index, one in enumerate(variants):
        cost, rate = one.cost_per_attempt_usd, one.pass_rate
        if cost.value is None or rate.value is None or not _drawable(cost) or not _drawable(rate):
            continue
        points.append(
            _Point(
                key=index,
                variant=one.variant,
                label=_label(names[one.variant]) + (" (at least)" if cost.at_least else ""),
                cost=cost.value,
                low=_bound(cost.low, cost.value),
                high=_bound(cost.high, cost.value),
                rate=rate.value,
                rate_low=_bound(rate.low, rate.value),
                rate_high=_bound(rate.high, rate.value),
                at_least=cost.at_least,
                color=PALETTE[index % len(PALETTE)],
                shape=SHAPES[index % len(SHAPES)],
            )
        )
    return points


def _bars(variants: Sequence[VariantResult]) -> list[_Point]:
    """What `cost_to_complete` shows."""
    names = fmt.short_names(variants)
    bars: list[_Point] = []
    for index, one in enumerate(variants):
        cost = one.cost_to_complete_usd
        if cost.value is None or not _drawable(cost):
            continue
        amount = f"{'at least ' if cost.at_least else ''}{fmt.money(cost.value)}"
        bars.append(
            _Point(
                key=index,
                variant=one.variant,
                label=f"{_label(names[one.variant])}: {amount}",
                cost=cost.value,
                low=_bound(cost.low, cost.value),
                high=_bound(cost.high, cost.value),
                at_least=cost.at_least,
                color=PALETTE[index % len(PALETTE)],
                shape=SHAPES[index % len(SHAPES)],
            )
        )
    return bars


@dataclass(frozen=True, slots=True)
class _Axis:
    """The axis of costs: its scale is fixed here, so that labels can be placed and ticks be round sums."""

    log: bool
    low: float
    high: float

    def scale(self) -> alt.Scale:
        import altair as alt

        return alt.Scale(type="log" if self.log else "linear", domain=[self.low, self.high], nice=False)

    def vega(self) -> alt.Axis:
        import altair as alt

        # d3's own formats turn small sums into `$5m`.
        ticks = {tick: f"${Decimal(str(tick)).normalize():,f}" for tick in self.ticks()}
        cases = "".join(f"datum.value=={tick}?'{name}':" for tick, name in ticks.items())
        return alt.Axis(values=list(ticks), labelExpr=f"{cases}''")

    def pixel(self, cost: float) -> float:
        """Where a cost lies on the picture's width."""
        if self.log:
            return _WIDTH * math.log(cost / self.low) / math.log(self.high / self.low)
        return _WIDTH * (cost - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round sums: 1, 2 and 5 times powers of ten on a logarithmic axis, even steps on a linear one."""
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)))
            leads = (1, 2, 5) if len(powers) <= 3 else (1,)
            ticks = [float(f"{lead}e{power}") for power in powers for lead in leads]
        else:
            power = math.floor(math.log10(self.high / 8))
            step = next(step for lead in (1, 2, 5, 10) if (step := float(f"{lead}e{power}")) * 8 >= self.high)
            ticks = [round(index * step, 2 - power) for index in range(math.floor(self.high / step) + 1)]
        return [tick for tick in ticks if self.low <= tick <= self.high]


def _cost_axis(points: Sequence[_Point]) -> _Axis:
    lowest, highest = min(point.cost for point in points), max(point.high for point in points)
    if lowest > 0 and max(point.cost for point in points) > 8 * lowest:
        # An interval that reaches down to 0 is cut off at the axis' end.
        low = min(point.low if point.low > 0 else point.cost for point in points)
        return _Axis(log=True, low=low / 1.4, high=highest * 1.4)
    return _Axis(log=False, low=0, high=highest * 1.08 or 1.0)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a label stands, seen from its point, in pixels."""

    align: Literal["left", "right"]
    dx: float
    dy: float

    def box(self, x: float, y: float, width: float) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of a label of this width."""
        left = x + self.dx - (width if self.align == "right" else 0)
        return left, y + self.dy - _LINE / 2, left + width, y + self.dy + _LINE / 2


_PLACES = tuple(place for dy in (-11, 12, -25, 26) for place in (_Place("left", 9, dy), _Place("right", -9, dy)))


def _label_places(points: Sequence[_Point], axis: _Axis) -> list[_Place]:
    """For each point the place where its label covers least of the points and of the labels before it."""
    centres = [(axis.pixel(point.cost), _HEIGHT * (1 - point.rate)) for point in points]
    taken = [(x - 7, y - 7, x + 7, y + 7) for x, y in centres]
    places: list[_Place] = []
    for point, (x, y) in zip(points, centres, strict=True):
        boxes = {place: place.box(x, y, _CHARACTER * len(point.label)) for place in _PLACES}
        best = min(_PLACES, key=lambda place: _covered(boxes[place], taken))
        places.append(best)
        taken.append(boxes[best])
    return places


type _Box = tuple[float, float, float, float]


def _covered(box: _Box, taken: Sequence[_Box]) -> float:
    """Square pixels of a label that lie on something else or outside the picture."""
    left, top, right, bottom = box
    outside = max(0.0, -left) + max(0.0, right - _WIDTH)
    overlaps = (
        max(0.0, min(right, other[2]) - max(left, other[0])) * max(0.0, min(bottom, other[3]) - max(top, other[1]))
        for other in taken
    )
    return outside * _LINE + sum(overlaps)


def _label(name: str) -> str:
    name = fmt.plain(name)
    return name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 1]}…"


def _drawable(estimate: Estimate) -> bool:
    return estimate.value is not None and math.isfinite(estimate.value)


def _bound(bound: float | None, value: float) -> float:
    return bound if bound is not None and math.isfinite(bound) else value


def _data(points: Sequence[_Point]) -> alt.Data:
    import altair as alt

    return alt.Data(values=[asdict(point) | {"variant": fmt.plain(point.variant)} for point in points])


def _spec(chart: alt.LayerChart | alt.FacetChart) -> Spec:
    return (
        chart.configure(font="sans-serif", background="transparent", padding=4)
        .configure_view(stroke=None)
        .configure_text(color="currentColor")
        .configure_axis(
            labelColor="currentColor",
            titleColor="currentColor",
            labelFontSize=11,
            titleFontSize=12,
            titleFontWeight="normal",
            gridColor="currentColor",
            gridOpacity=0.13,
            domainColor="currentColor",
            domainOpacity=0.4,
            ticks=False,
            labelPadding=6,
        )
        .to_dict()
    )
