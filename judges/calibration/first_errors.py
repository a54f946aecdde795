"""Whether a judge finds where a trial first goes wrong, and how often it cries wolf, by the length of trials.

The definition is AgentProcessBench's (arXiv 2603.14465): the first step with the worst label. A trial in which
the judge finds none though there is one is a miss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from judges.calibration.intervals import Figure, share

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Set

    from judges.calibration.labels import Place

TOLERANCES = (1, 2, 3)
"""Steps by which a judge may be off."""
BANDS = ((1, 5), (6, 10), (11, 20), (21, 40), (41, None))
"""Lengths of trials, in steps, from and to."""


@dataclass(frozen=True, slots=True)
class Found:
    """How often a judge finds the first bad step, over some trials.

    Attributes:
        all_trials: the share of trials on which judge and reference say the same: the same first bad step, or none.
        exact: of the trials with a bad step by the reference, the share on which the judge's first is that very step.
        within: the share on which it is at most so many steps away, by that number.
        found_none: in how many of these trials the judge finds no bad step; each is a miss.
        false_alarms: of the trials without a bad step, the share in which the judge finds one.
    """

    all_trials: Figure
    exact: Figure
    within: Mapping[int, Figure]
    found_none: int
    false_alarms: Figure


@dataclass(frozen=True, slots=True)
class FirstErrors:
    """As `Found`, over all trials and by their length.

    Attributes:
        overall: over all trials.
        by_length: for each of `BANDS`; a trial whose length is not known is in none.
        not_known: trials in no figure: the judge did not say enough to know its first bad step, or the annotators are
            split on a step before the first bad one.
    """

    overall: Found
    by_length: tuple[Found, ...]
    not_known: int


@dataclass(frozen=True, slots=True)
class _Trial:
    length: int | None
    right: int | None
    said: int | None


def first_errors(
    is_bad: Mapping[Place, bool],
    called_bad: Mapping[Place, bool],
    ties: Set[Place],
    lengths: Mapping[str, int],
) -> FirstErrors:
    """Compares the first bad steps.

    Only steps with a mark by the reference are looked at. Where the judge said nothing of such a step before the first
    that it calls bad, that one may not be its first: the trial counts neither way.

    Args:
        is_bad: whether a step is bad by the reference, for each with a mark.
        called_bad: whether the judge calls it bad, for each step that it said something of.
        ties: steps on which the annotators are split.
        lengths: how many steps a trial has, where it is known; else its last labelled step stands for it.
    """
    steps: dict[str, list[int]] = {}
    for trial, step in is_bad:
        steps.setdefault(trial, []).append(step)
    first_tie: dict[str, int] = {}
    for trial, step in ties:
        first_tie[trial] = min(step, first_tie.get(trial, step))
    trials: list[_Trial] = []
    for trial, numbers in sorted(steps.items()):
        numbers.sort()
        right = next((step for step in numbers if is_bad[trial, step]), None)
        said, is_known = None, True
        for step in numbers:
            if (trial, step) not in called_bad:
                is_known = False
                break
            if called_bad[trial, step]:
                said = step
                break
        is_split = trial in first_tie and (right is None or first_tie[trial] < right)
        if is_known and not is_split:
            trials.append(_Trial(lengths.get(trial, numbers[-1]), right, said))
    return _of(trials, len(steps) - len(trials))


def decisive(right: Mapping[str, int], said: Mapping[str, int | None], lengths: Mapping[str, int]) -> FirstErrors:
    """The same for files that name one decisive step in each trial: all trials have one.

    Args:
        right: each trial's decisive step.
        said: the step that the judge names, or None where it finds none; a trial that is not there has no prediction.
        lengths: how many steps a trial has, where it is known.
    """
    trials = [_Trial(lengths.get(trial), step, said[trial]) for trial, step in sorted(right.items()) if trial in said]
    return _of(trials, len(right) - len(trials))


def _of(trials: list[_Trial], not_known: int) -> FirstErrors:
    return FirstErrors(
        overall=_found(trials),
        by_length=tuple(_found([one for one in trials if _is_in(one.length, low, high)]) for low, high in BANDS),
        not_known=not_known,
    )


def _is_in(length: int | None, low: int, high: int | None) -> bool:
    return length is not None and low <= length and (high is None or length <= high)


def _found(trials: Iterable[_Trial]) -> Found:
    every = list(trials)
    off = [None if one.said is None else abs(one.said - one.right) for one in every if one.right is not None]
    clean = [one for one in every if one.right is None]

    def within(most: int) -> Figure:
        return share(sum(away is not None and away <= most for away in off), len(off))

    return Found(
        all_trials=share(sum(one.said == one.right for one in every), len(every)),
        exact=within(0),
        within={most: within(most) for most in TOLERANCES},
        found_none=sum(away is None for away in off),
        false_alarms=share(sum(one.said is not None for one in clean), len(clean)),
    )
