"""The pages of investigations: a list of them, and for each both runs in two aligned columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from views import format as fmt
from views.alignment import Match
from views.course import Course, Fault
from views.divergence import Parted
from views.pages.html import render, web_address
from views.pages.places import INDEX
from views.root_cause import Cause

type SpanUrl = Callable[[str, int], str | None]
"""The address of a step's span, by the key of its run; None where it is not stored."""

_SIGNS: Mapping[Match, str] = {
    Match.EQUAL: "=",
    Match.SWAPPED: "⇅",
    Match.ARGUMENTS: "≠",
    Match.TOOL: "≠",
    Match.INSERTED: "+",
    Match.MISSING: "−",
}


@dataclass(frozen=True, slots=True)
class Looked:
    """An investigation as its page shows it.

    Attributes:
        causes: the steps that may have decided the run, the likeliest first.
        floor: how unlike repeats of one variant are; None without repeats.
        notes: what the answer rests on.
    """

    failing: Course
    against: Course | None
    parted: Parted | None
    causes: tuple[Cause, ...]
    floor: float | None
    notes: tuple[str, ...]

    @property
    def place(self) -> str:
        """Where its page is."""
        return f"investigations/{fmt.slug(self.failing.trial)}-{fmt.short_hash(self.failing.trial)}.html"

    @property
    def summary(self) -> str:
        """The answer in a sentence."""
        if not self.causes:
            return "Which step decided that it failed cannot be told."
        first = self.causes[0]
        return f"It was decided at step {first.step}: {first.category}. {first.explanation}"


@dataclass(frozen=True, slots=True)
class _Side:
    """An act of one run; `begins` tells whether it is the first of its step."""

    step: int
    act: str
    failed: bool
    cost: float | None
    fault: Fault | None
    url: str | None
    begins: bool


@dataclass(frozen=True, slots=True)
class _Row:
    sign: str
    match: str
    mine: _Side | None
    yours: _Side | None
    is_divergence: bool


def investigation_page(one: Looked, span_url: SpanUrl) -> str:
    """The page of one investigation."""
    divergence = None if one.parted is None else one.parted.divergence
    return render(
        "investigation.html",
        one.place,
        title=one.failing.trial,
        home=INDEX,
        one=one,
        divergence=divergence,
        rows=_rows(one, span_url),
        cause_steps={cause.step for cause in one.causes[:1]},
    )


def investigations_page(several: Sequence[Looked], left_out: Sequence[tuple[str, str]]) -> str:
    """The list of all investigations."""
    return render(
        "investigations.html",
        INDEX,
        title="kilobench: why runs failed",
        several=several,
        left_out=left_out,
    )


def _rows(one: Looked, span_url: SpanUrl) -> list[_Row]:
    if one.parted is None or one.against is None:
        return []
    place = None if one.parted.divergence is None else one.parted.divergence.place
    return [
        _Row(
            sign=_SIGNS[column.match],
            match=column.match.value,
            mine=_side(one.failing, column.a, span_url),
            yours=_side(one.against, column.b, span_url),
            is_divergence=at == place,
        )
        for at, column in enumerate(one.parted.columns)
    ]


def _side(run: Course, at: int | None, span_url: SpanUrl) -> _Side | None:
    if at is None:
        return None
    act = run.acts[at]
    begins = at == 0 or run.acts[at - 1].step != act.step
    return _Side(
        step=act.step,
        act=str(act.signature),
        failed=act.failed is True,
        cost=run.spent.get(act.step) if begins else None,
        fault=run.faults.get(act.step) if begins else None,
        url=web_address(span_url(run.key, act.step)) if begins else None,
        begins=begins,
    )
