"""How far a judge agrees with a reference, by one criterion: pure functions from labels to figures.

Only what both say is compared. What the judge did not say is counted, and is never taken for a "no".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from judges.calibration.first_errors import FirstErrors, first_errors
from judges.calibration.intervals import Figure, clustered_share, resampled
from judges.kappa import kappa

if TYPE_CHECKING:
    from collections.abc import Mapping

    from judges.calibration.labels import Place
    from judges.calibration.reference import Reference
    from prompts import Criterion


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often each label of the reference met each label of the judge.

    Attributes:
        labels: those that are marks, from the best to the worst.
        counts: a row for each label of the reference, in it a count for each label of the judge.
    """

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Score:
    """How far a judge agrees with the reference by one criterion.

    Attributes:
        criterion: its name.
        labelled: steps with a mark by the reference.
        compared: those of them with a mark by the judge, too; all figures are of these.
        missing: those without any prediction.
        predicted_no_mark: those to which the judge gave a label that is no mark, such as `not visible`.
        no_mark: steps to which the reference gives no mark; they are in no figure.
        ties: steps on which the annotators are split; they are in no figure.
        not_labelled: predictions on steps that nobody labelled.
        trials: how many trials the compared steps are of.
        agreement: the share of steps with the same label; Wilson's interval on the effective sample size.
        kappa: Cohen's.
        weighted_kappa: with linear weights: labels are in an order, and a step between neighbours is a lesser
            disagreement than one from end to end.
        quadratic_kappa: with quadratic weights, as others report it.
        precision: of the steps that the judge calls bad, the share that are so by the reference.
        recall: of the bad steps by the reference, the share that the judge calls so.
        f1: the harmonic mean of both. These three have Wilson's interval on the effective sample size, too; the
            kappas' are resampled over trials.
        prevalence: the share of bad steps by the reference.
        predicted_prevalence: the share of steps that the judge calls bad.
        confusion: the counts that all of it is made of.
        first_errors: whether the judge finds the first bad step of each trial.
    """

    criterion: str
    labelled: int
    compared: int
    missing: int
    predicted_no_mark: int
    no_mark: int
    ties: int
    not_labelled: int
    trials: int
    agreement: Figure
    kappa: Figure
    weighted_kappa: Figure
    quadratic_kappa: Figure
    precision: Figure
    recall: Figure
    f1: Figure
    prevalence: float | None
    predicted_prevalence: float | None
    confusion: Confusion
    first_errors: FirstErrors


def score(
    criterion: Criterion,
    truth: Reference,
    predicted: Mapping[Place, str],
    lengths: Mapping[str, int] | None = None,
) -> Score:
    """Compares predictions with the reference.

    Args:
        criterion: whose labels they are; its worst label is the bad one.
        truth: what counts as right.
        predicted: one judge's label by trial and step.
        lengths: how many steps each trial has, where it is known; else its last labelled step stands for it.
    """
    import numpy as np

    marks = tuple(label.label for label in criterion.labels if label.value is not None)
    place_of = {label: number for number, label in enumerate(marks)}
    marked = {place: place_of[label] for place, label in truth.labels.items() if label in place_of}
    pairs = {
        place: (label, place_of[predicted[place]])
        for place, label in marked.items()
        if place in predicted and predicted[place] in place_of
    }
    trials = {trial: number for number, trial in enumerate(sorted({trial for trial, _ in pairs}))}
    counts = np.zeros((len(trials), len(marks), len(marks)))
    for (trial, _), (right, said) in pairs.items():
        counts[trials[trial], right, said] += 1
    total = counts.sum(axis=0)
    n = len(pairs)
    rows, columns = total.sum(axis=1), total.sum(axis=0)
    here = [place for place in marked if place in predicted]

    powers = (0, 1, 2)
    ends = resampled(counts, [partial(kappa, power=power) for power in powers])
    kappas = [_figure(float(kappa(total[None], power)[0]), n, *ends[power]) for power in powers]
    bad = len(marks) - 1
    hits = [int(one[bad, bad]) for one in counts]
    return Score(
        criterion=criterion.criterion,
        labelled=len(marked),
        compared=n,
        missing=len(marked) - len(here),
        predicted_no_mark=len(here) - n,
        no_mark=len(truth.labels) - len(marked),
        ties=len(truth.ties),
        not_labelled=sum(place not in truth.labels and place not in truth.ties for place in predicted),
        trials=len(trials),
        agreement=clustered_share(
            [int(np.trace(one)) for one in counts],
            [int(one.sum()) for one in counts],
        ),
        kappa=kappas[0],
        weighted_kappa=kappas[1],
        quadratic_kappa=kappas[2],
        precision=clustered_share(hits, [int(one[:, bad].sum()) for one in counts]),
        recall=clustered_share(hits, [int(one[bad].sum()) for one in counts]),
        f1=_f1(clustered_share(hits, [int(one[bad].sum() + one[:, bad].sum() - one[bad, bad]) for one in counts])),
        prevalence=float(rows[bad]) / n if n else None,
        predicted_prevalence=float(columns[bad]) / n if n else None,
        confusion=Confusion(marks, tuple(tuple(int(count) for count in row) for row in total)),
        first_errors=first_errors(
            {place: label == bad for place, label in marked.items()},
            {place: label == criterion.worst.label for place, label in predicted.items()},
            truth.ties,
            lengths or {},
        ),
    )


def _figure(value: float, n: int, low: float | None, high: float | None) -> Figure:
    return Figure(None, None, None, n) if math.isnan(value) else Figure(value, low, high, n)


def _f1(overlap: Figure) -> Figure:
    """F1 from the share of steps called bad by both among those called bad by either: F1 = 2J / (1 + J)."""
    value, low, high = (
        None if one is None else 2 * one / (1 + one) for one in (overlap.value, overlap.low, overlap.high)
    )
    return Figure(value, low, high, overlap.n)
