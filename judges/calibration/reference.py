"""What people say of each step, as one: the label that most of them gave; and how far they agree themselves."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from judges.calibration.labels import DECISIVE
from judges.kappa import cohen_kappa

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from judges.calibration.labels import Place, StepLabel


@dataclass(frozen=True, slots=True)
class Reference:
    """What counts as right by one criterion.

    Attributes:
        labels: by trial and step: the one label, or the one that more annotators gave than any other.
        ties: steps on which no label was given more often than each other one; they are in no figure.
        annotators: who labelled, by name.
    """

    labels: Mapping[Place, str]
    ties: frozenset[Place]
    annotators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BetweenPeople:
    """How far two annotators agree: what a judge can hope for at most.

    Attributes:
        annotators: the two.
        steps: how many both labelled.
        agreement: the share with the same label; None where there are none.
        kappa: Cohen's; None where it is not defined.
    """

    annotators: tuple[str, str]
    steps: int
    agreement: float | None
    kappa: float | None


def reference(labels: Iterable[StepLabel]) -> Reference:
    """What most annotators say.

    Args:
        labels: by one criterion; each annotator once on each step.
    """
    votes: dict[Place, Counter[str]] = {}
    annotators: set[str] = set()
    for one in labels:
        votes.setdefault(one.place, Counter())[one.label] += 1
        annotators.add(one.annotator)
    agreed: dict[Place, str] = {}
    for place, counted in votes.items():
        (label, most), *others = counted.most_common(2)
        if not others or others[0][1] < most:
            agreed[place] = label
    return Reference(agreed, frozenset(votes.keys() - agreed.keys()), tuple(sorted(annotators)))


def decisive_steps(labels: Iterable[StepLabel]) -> tuple[dict[str, int], int]:
    """The decisive step of each trial, that most annotators name, and how many trials have none for a tie."""
    votes: dict[str, Counter[int]] = {}
    for one in labels:
        if one.criterion == DECISIVE:
            votes.setdefault(one.trial, Counter())[one.step] += 1
    agreed: dict[str, int] = {}
    for trial, counted in votes.items():
        (step, most), *others = counted.most_common(2)
        if not others or others[0][1] < most:
            agreed[trial] = step
    return agreed, len(votes) - len(agreed)


def between_people(labels: Iterable[StepLabel]) -> tuple[BetweenPeople, ...]:
    """How far each two annotators agree, over the steps that both labelled by one criterion."""
    said: dict[str, dict[Place, str]] = {}
    for one in labels:
        said.setdefault(one.annotator, {})[one.place] = one.label
    found: list[BetweenPeople] = []
    for first, second in itertools.combinations(sorted(said), 2):
        common = sorted(said[first].keys() & said[second].keys())
        if not common:
            continue
        pairs = [(said[first][place], said[second][place]) for place in common]
        same = sum(one == other for one, other in pairs)
        found.append(BetweenPeople((first, second), len(common), same / len(common), cohen_kappa(pairs)))
    return tuple(found)
