"""Several judges' verdicts on one step by one criterion, as one."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from judges.verdict import Verdict
    from prompts import Criterion


class Combine(StrEnum):
    """How several judges' verdicts become one."""

    UNION = "union"
    """the worst label that comes with evidence: an error counts if any judge shows it"""
    MEAN = "mean"
    """the mean of their values, and the label nearest to it"""
    MAJORITY = "majority"
    """the label that most give; of several, the worst"""


def combine(verdicts: Sequence[Verdict], how: Combine, criterion: Criterion) -> Verdict:
    """The verdict of a panel. In whichever order its members are given, it is the same.

    An answer that is no mark (`not visible`) counts only where no member gives a mark. Text, evidence, better action
    and category are those of the member whose label it is; of several, the surest, then the first by name.

    Args:
        verdicts: of different judges, at least one, all on the same step.
        how: the rule.
        criterion: the criterion they judge by.
    """
    marked = [one for one in verdicts if one.value is not None]
    names = " + ".join(sorted(one.by for one in verdicts))
    by = f"{names} ({how.value})" if len(verdicts) > 1 else names
    if not marked:
        return _speaker(verdicts).model_copy(update={"by": by})
    match how:
        case Combine.UNION:
            shown = [one for one in marked if one.evidence or _value(one) >= 1] or marked
            value = min(map(_value, shown))
        case Combine.MAJORITY:
            counts = Counter(map(_value, marked))
            value = min(value for value, count in counts.items() if count == max(counts.values()))
        case Combine.MEAN:
            value = sum(map(_value, marked)) / len(marked)
    values = [label.value for label in criterion.labels if label.value is not None]
    nearest = min(values, key=lambda known: (abs(known - value), known))
    label = next(label for label in criterion.labels if label.value == nearest)
    speaker = _speaker(sorted(marked, key=lambda one: abs(_value(one) - nearest)), nearest)
    return speaker.model_copy(update={"by": by, "label": label.label, "value": value})


def _value(verdict: Verdict) -> float:
    return 0.0 if verdict.value is None else verdict.value


def _speaker(verdicts: Sequence[Verdict], value: float | None = None) -> Verdict:
    """Whose words stand for all: one with this value (else the nearest), the surest, then the first by name."""
    distance = [0.0 if value is None else abs(_value(one) - value) for one in verdicts]
    nearest = [one for one, away in zip(verdicts, distance, strict=True) if away == min(distance)]
    return min(nearest, key=lambda one: (not one.evidence, -(one.confidence or 0.0), one.by))
