"""How variants work, side by side: a row for each measure, a column for each variant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from views import format as fmt
from views.results import Spread
from views.tables import BEHAVIOUR
from views.tables.columns import SHARE, TOKENS

_RATES = ("timed_out", "broke_off")
"""Measures that are 1 or 0 of an attempt: their mean is a share of the attempts."""


@dataclass(frozen=True, slots=True)
class Print:
    """A measure of a variant: its mean and its standard deviation over the attempts, as text.

    `missing` counts the attempts for which it is not known.
    """

    mean: str
    sd: str | None
    missing: int
    value: float | None


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """The measures by name and meaning, each with a `Print` for each variant; no row where nothing is known."""

    variants: list[str]
    rows: list[tuple[str, str, list[Print | None]]]


def fingerprints_of(names: Mapping[str, str], behaviour: Mapping[str, Mapping[str, Spread]]) -> Fingerprints:
    """The table.

    Args:
        names: the variants in order, by name, each with the one to show.
        behaviour: of each variant, by the names of `views.tables.BEHAVIOUR`.
    """
    shown = [variant for variant in names if variant in behaviour]
    rows: list[tuple[str, str, list[Print | None]]] = []
    for measure, about in BEHAVIOUR.items():
        prints = [_print(measure, about.unit, behaviour[variant].get(measure)) for variant in shown]
        if any(one is not None and one.value is not None for one in prints):
            rows.append((measure.replace("_", " "), about.meaning, prints))
    return Fingerprints([names[variant] for variant in shown], rows)


def _print(measure: str, unit: str | None, one: Spread | None) -> Print | None:
    if one is None:
        return None
    form = fmt.count
    if unit == SHARE or measure in _RATES:
        form = fmt.percent
    elif unit == TOKENS:
        form = fmt.tokens
    return Print(form(one.mean), None if one.sd is None else form(one.sd), one.missing, one.mean)
