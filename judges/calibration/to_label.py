"""Which steps people should label: first those that judges disagree on, then those that they are unsure of.

Pure: the same verdicts and seed give the same choice.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from judges.final import RULE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from judges.calibration.labels import Place
    from prompts import Criterion

UNSURE = 0.6
"""A judge that says it is less sure than this is unsure."""


class Why(StrEnum):
    """Why a step is to be labelled, from what tells most to what tells least."""

    MODELS = "models disagree"
    RULE = "a rule and a model disagree"
    UNSURE = "a model is unsure"
    CHANCE = "drawn at random"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one judge says of one step by one criterion; `confidence` is None where it does not say how sure it is."""

    place: Place
    criterion: str
    label: str
    by: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class ToLabel:
    """A step that people should label."""

    place: Place
    why: Why


def to_label(
    opinions: Iterable[Opinion],
    criteria: Mapping[str, Criterion],
    steps: Collection[Place],
    count: int,
    seed: int,
) -> list[ToLabel]:
    """The steps that tell most about the judges.

    Models disagree the more, the further their labels' values lie apart, over all criteria; where it is the same, and
    within each later kind, chance decides. A label that is no mark disagrees with nothing.

    Args:
        opinions: of rules and models; those on other steps do not count.
        criteria: those in force, by name.
        steps: those to choose from.
        count: how many at most.
        seed: another one draws others.
    """
    said: dict[Place, dict[str, list[Opinion]]] = {place: {} for place in steps}
    for one in opinions:
        if one.place in said and one.criterion in criteria:
            said[one.place].setdefault(one.criterion, []).append(one)
    ranked: list[tuple[int, float, bytes, ToLabel]] = []
    for place, by_criterion in said.items():
        why, far = _why(by_criterion, criteria)
        ranked.append((list(Why).index(why), -far, _chance(place, seed), ToLabel(place, why)))
    ranked.sort(key=lambda one: one[:3])
    return [chosen for *_, chosen in ranked[:count]]


def _why(by_criterion: Mapping[str, list[Opinion]], criteria: Mapping[str, Criterion]) -> tuple[Why, float]:
    """Why a step tells something, and how much."""
    apart, against_rule, least = 0.0, 0.0, 1.0
    for name, opinions in by_criterion.items():
        models: list[float] = []
        rules: list[float] = []
        for one in opinions:
            label = criteria[name].label(one.label)
            if label is not None and label.value is not None:
                (rules if one.by.startswith(RULE) else models).append(label.value)
            if one.confidence is not None:
                least = min(least, one.confidence)
        if models:
            apart += max(models) - min(models)
            against_rule += max((abs(rule - model) for rule in rules for model in models), default=0.0)
    if apart:
        return Why.MODELS, apart
    if against_rule:
        return Why.RULE, against_rule
    if least < UNSURE:
        return Why.UNSURE, 1 - least
    return Why.CHANCE, 0.0


def _chance(place: Place, seed: int) -> bytes:
    """An order in which nothing of the step shows."""
    return hashlib.sha256(f"{seed}\n{place[0]}\n{place[1]}".encode(errors="replace")).digest()
