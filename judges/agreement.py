"""How far judges say the same."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from judges.kappa import cohen_kappa

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from judges.verdict import Verdict

type _Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far several judges give the same labels by one criterion.

    Attributes:
        criterion: the criterion.
        judges: their names; one that was asked several times stands there once.
        pairs: how many steps all of them judged.
        agreement: the share of these on which all labels are the same; None where there are none.
        kappa: Cohen's, for two judges; None for more, and where it is not defined.
    """

    criterion: str
    judges: tuple[str, ...]
    pairs: int
    agreement: float | None
    kappa: float | None


def agreement(verdicts: Iterable[Verdict]) -> list[Agreement]:
    """How far the models that gave these verdicts say the same, by criterion.

    Where there are more than two, each two are told apart, and all together; nothing where there is one.
    """
    by_judge: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_judge.setdefault(verdict.by, []).append(verdict)
    names = list(by_judge)
    groups: list[tuple[str, ...]] = [*itertools.combinations(names, 2)]
    if len(names) > 2:
        groups.append(tuple(names))
    return [one for group in groups for one in _compared([by_judge[name] for name in group], group)]


def stability(samples: Sequence[Sequence[Verdict]]) -> list[Agreement]:
    """How far a judge that was asked the same several times says the same, by criterion.

    Args:
        samples: its verdicts, sample by sample.
    """
    names = tuple(dict.fromkeys(verdict.by for sample in samples for verdict in sample))
    return _compared(samples, names) if len(samples) > 1 else []


def _compared(samples: Sequence[Sequence[Verdict]], judges: tuple[str, ...]) -> list[Agreement]:
    criteria = dict.fromkeys(verdict.criterion for sample in samples for verdict in sample)
    found: list[Agreement] = []
    for criterion in criteria:
        labels: list[dict[_Place, str]] = [
            {(one.trial, one.step): one.label for one in sample if one.criterion == criterion} for sample in samples
        ]
        common = set(labels[0]).intersection(*labels[1:])
        same = sum(len({label[place] for label in labels}) == 1 for place in common)
        kappa = cohen_kappa((labels[0][place], labels[1][place]) for place in common) if len(labels) == 2 else None
        found.append(Agreement(criterion, judges, len(common), same / len(common) if common else None, kappa))
    return found
