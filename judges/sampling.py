"""Which trials are judged where judging all would be too much, and what those that are say of all.

The sample is stratified by variant and outcome, with proportional allocation (largest remainders, and one at least
from each stratum as far as the sample goes round); each trial stands for `size of its stratum / drawn from it` trials,
so that means over trials are unbiased (Cochran, Sampling Techniques, 3rd ed., 1977, chapter 5).
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

type Stratum = tuple[str, str]
"""Variant and outcome."""

_95 = 1.959963984540054
"""Standard normal deviate of a 95 % interval."""


class Only(StrEnum):
    """Which trials are worth judging."""

    FAILED = "failed"
    """attempts that did not succeed"""
    FLIPPED = "flipped"
    """attempts at tasks that some attempts solved and others did not"""
    FLAGGED = "flagged"
    """those in which a rule flags a step"""


@dataclass(frozen=True, slots=True)
class Card:
    """What choosing needs to know of a trial.

    Attributes:
        name: `job/trial`.
        variant: the variant's name.
        task: dataset and task.
        passed: whether the attempt succeeded; None where it is no attempt of the agent's.
        flags: how many verdicts the rules gave on it.
    """

    name: str
    variant: str
    task: str
    passed: bool | None
    flags: int

    @property
    def stratum(self) -> Stratum:
        """Variant and outcome."""
        outcome = "not counted" if self.passed is None else "passed" if self.passed else "failed"
        return self.variant, outcome


@dataclass(frozen=True, slots=True)
class Chosen:
    """The trials that are judged.

    Attributes:
        weights: how many trials each stands for, by name.
        population: by stratum, how many there were to choose from.
        drawn: by stratum, how many were chosen.
        strata: each chosen trial's stratum, by its name.
    """

    weights: Mapping[str, float]
    population: Mapping[Stratum, int]
    drawn: Mapping[Stratum, int]
    strata: Mapping[str, Stratum]

    def describe(self) -> str:
        """What was chosen, in one sentence."""
        drawn, population = sum(self.drawn.values()), sum(self.population.values())
        if drawn == population:
            return f"All {population} trials that were asked for are judged."
        return (
            f"{drawn} of {population} trials were drawn at random, by variant and outcome; "
            "each counts for those of its kind that were not."
        )


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of steps in all trials of a variant, as the drawn ones tell.

    Attributes:
        rate: None where no drawn trial has a share.
        low: lower bound of the 95 % interval; None where a stratum has too few drawn to tell how they vary.
        high: upper bound.
        drawn: how many trials of the variant were judged and have a share.
        population: how many it has.
    """

    rate: float | None
    low: float | None
    high: float | None
    drawn: int
    population: int


def wanted(cards: Sequence[Card], only: Only | None) -> list[Card]:
    """The trials that are worth judging, in their order."""
    match only:
        case None:
            return list(cards)
        case Only.FAILED:
            return [card for card in cards if card.passed is False]
        case Only.FLAGGED:
            return [card for card in cards if card.flags]
        case Only.FLIPPED:
            outcomes: defaultdict[str, set[bool]] = defaultdict(set)
            for card in cards:
                if card.passed is not None:
                    outcomes[card.task].add(card.passed)
            return [card for card in cards if card.passed is not None and len(outcomes[card.task]) > 1]


def choose(cards: Sequence[Card], only: Only | None = None, sample: int | None = None, seed: int = 0) -> Chosen:
    """Chooses trials.

    Args:
        cards: all there are.
        only: which of them are worth judging.
        sample: how many of these at most; None for all.
        seed: the same seed draws the same from the same trials.
    """
    strata: defaultdict[Stratum, list[str]] = defaultdict(list)
    for card in wanted(cards, only):
        strata[card.stratum].append(card.name)
    sizes = {stratum: len(names) for stratum, names in sorted(strata.items())}
    drawn = sizes if sample is None else allocate(sizes, sample)
    chance = random.Random(seed)  # noqa: S311  (a sample, no secret)
    weights: dict[str, float] = {}
    of: dict[str, Stratum] = {}
    for stratum, count in drawn.items():
        names = sorted(strata[stratum])
        for name in names if count == len(names) else sorted(chance.sample(names, count)):
            weights[name] = len(names) / count
            of[name] = stratum
    return Chosen(weights, sizes, drawn, of)


def allocate(sizes: Mapping[Stratum, int], sample: int) -> dict[Stratum, int]:
    """How many are drawn from each stratum: in proportion to its size, and one at least as far as that goes round."""
    total = sum(sizes.values())
    if sample >= total:
        return dict(sizes)
    # The largest first, so that a sample that is smaller than the number of strata takes those that matter most.
    order = sorted(sizes, key=lambda stratum: (-sizes[stratum], stratum))
    least = {stratum: int(place < sample) for place, stratum in enumerate(order)}
    rest = sample - sum(least.values())
    shares = {stratum: rest * (sizes[stratum] - least[stratum]) / max(1, total - len(order)) for stratum in order}
    drawn = {stratum: min(sizes[stratum], least[stratum] + math.floor(shares[stratum])) for stratum in order}
    by_remainder = sorted(order, key=lambda stratum: (math.floor(shares[stratum]) - shares[stratum], stratum))
    while sum(drawn.values()) < sample:
        for stratum in by_remainder:
            if sum(drawn.values()) < sample and drawn[stratum] < sizes[stratum]:
                drawn[stratum] += 1
    return {stratum: drawn[stratum] for stratum in sizes}


def weighted_rate(chosen: Chosen, variant: str, shares: Mapping[str, float]) -> Rate:
    """The mean share of flagged steps over all trials of a variant, as its drawn trials tell.

    It is the mean of a stratified sample, sum of W_h y_h with W_h the stratum's part of the variant, which is unbiased,
    with the variance sum of W_h^2 (1 - n_h / N_h) s_h^2 / n_h (Cochran 1977, 5.3 and 5.12).

    Args:
        chosen: what was drawn.
        variant: the variant's name.
        shares: of each judged trial, the share of its steps that is flagged.
    """
    strata = {stratum: size for stratum, size in chosen.population.items() if stratum[0] == variant and size}
    population = sum(strata.values())
    found = {
        stratum: [shares[name] for name, its in chosen.strata.items() if its == stratum and name in shares]
        for stratum in strata
    }
    drawn = sum(map(len, found.values()))
    # A stratum that nothing was drawn from says nothing, and neither does a rate without it.
    if not strata or not all(found.values()):
        return Rate(None, None, None, drawn, population)
    rate = sum(size / population * sum(found[s]) / len(found[s]) for s, size in strata.items())
    variances = [_variance(found[stratum], size) for stratum, size in strata.items()]
    known = [one for one in variances if one is not None]
    if len(known) < len(variances):
        return Rate(rate, None, None, drawn, population)
    parts = zip(strata.values(), known, strict=True)
    half = _95 * math.sqrt(sum((size / population) ** 2 * variance for size, variance in parts))
    return Rate(rate, max(0.0, rate - half), min(1.0, rate + half), drawn, population)


def _variance(found: Sequence[float], size: int) -> float | None:
    """Of a stratum's mean; None where one trial must tell how several vary."""
    count = len(found)
    if count == size:
        return 0.0
    if count < 2:
        return None
    mean = sum(found) / count
    return (1 - count / size) * sum((one - mean) ** 2 for one in found) / (count - 1) / count
