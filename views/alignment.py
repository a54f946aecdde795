"""Two runs side by side: which act of one is which act of the other, tolerant of what was put in, left out or swapped.

The alignment is Needleman and Wunsch's (1970) with the affine gaps of Gotoh (1982): equal acts count 1, the same verb
with another target 0.5, and a gap costs less the longer it is. A row of the table is computed at once.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Indel

from adapter.signatures import Signature

type Floats = NDArray[np.float64]

EQUAL, SAME_VERB, OTHER = 1.0, 0.5, -1.0
_OPEN, _EXTEND = 0.4, 0.05
"""What a gap costs: two different acts are rather one left out and one put in (0.8) than each other's (1)."""
_SMALLEST = -1e9


class Match(StrEnum):
    """How an act of one run stands to one of the other."""

    EQUAL = "equal"
    SWAPPED = "swapped"
    """equal, but for the order of two neighbours"""
    ARGUMENTS = "other arguments"
    TOOL = "other tool"
    INSERTED = "inserted"
    """only the first run has it"""
    MISSING = "missing"
    """only the second run has it"""


@dataclass(frozen=True, slots=True)
class Column:
    """A place of the alignment.

    Attributes:
        a: which act of the first run, from 0; None where it has none.
        b: which act of the second; likewise.
    """

    a: int | None
    b: int | None
    match: Match


def similarity(a: Sequence[Hashable], b: Sequence[Hashable]) -> float:
    """The share of equal acts in the same order: 1 less the normalised Indel distance; 1 for two empty runs."""
    return float(Indel.normalized_similarity(a, b))


def align(a: Sequence[Signature], b: Sequence[Signature]) -> list[Column]:
    """Every act of both runs, in the order of both.

    Args:
        a: the first run's acts.
        b: the second's.
    """
    return _with_swaps(_columns(a, b), a, b)


def _columns(a: Sequence[Signature], b: Sequence[Signature]) -> list[Column]:
    if not a or not b:
        return [Column(i, None, Match.INSERTED) for i in range(len(a))] + [
            Column(None, j, Match.MISSING) for j in range(len(b))
        ]
    scores = _scores(a, b)
    best, up, left = _table(scores)
    columns: list[Column] = []
    i, j = len(a), len(b)
    while i and j:
        if best[i, j] <= best[i - 1, j - 1] + scores[i - 1, j - 1] + 1e-9:
            i, j = i - 1, j - 1
            columns.append(Column(i, j, _match(a[i], b[j])))
        elif up[i, j] >= left[i, j]:
            # The gap is as long as it pays: it ends where opening it is what its score says.
            while i:
                i -= 1
                columns.append(Column(i, None, Match.INSERTED))
                if up[i + 1, j] <= best[i, j] - _OPEN + 1e-9:
                    break
        else:
            while j:
                j -= 1
                columns.append(Column(None, j, Match.MISSING))
                if left[i, j + 1] <= best[i, j] - _OPEN + 1e-9:
                    break
    columns += [Column(place, None, Match.INSERTED) for place in reversed(range(i))]
    columns += [Column(None, place, Match.MISSING) for place in reversed(range(j))]
    return columns[::-1]


def _scores(a: Sequence[Signature], b: Sequence[Signature]) -> Floats:
    """How alike each act of one is to each of the other."""
    numbers: dict[Signature, int] = {}
    verbs: dict[str, int] = {}
    codes = [np.array([numbers.setdefault(one, len(numbers)) for one in run]) for run in (a, b)]
    kinds = [np.array([verbs.setdefault(one.verb.value, len(verbs)) for one in run]) for run in (a, b)]
    found = np.where(kinds[0][:, None] == kinds[1][None, :], SAME_VERB, OTHER)
    found[codes[0][:, None] == codes[1][None, :]] = EQUAL
    return found


def _table(scores: Floats) -> tuple[Floats, Floats, Floats]:
    """The best score of each pair of beginnings, and of those that end with a gap in the second or in the first run."""
    rows, columns = scores.shape
    best, up, left = (np.full((rows + 1, columns + 1), _SMALLEST) for _ in range(3))
    at = np.arange(columns + 1)
    # Gaps at the beginning are free to begin, as they are in the middle.
    best[0] = np.where(at > 0, -_OPEN - _EXTEND * (at - 1), 0.0)
    left[0, 1:] = best[0, 1:]
    for row in range(1, rows + 1):
        up[row] = np.maximum(best[row - 1] - _OPEN, up[row - 1] - _EXTEND)
        without = np.empty(columns + 1)
        without[0] = up[row, 0]
        without[1:] = np.maximum(best[row - 1, :-1] + scores[row - 1], up[row, 1:])
        # A gap along the row: the best place to open it, all at once. (Opening one from another never pays.)
        opened = np.maximum.accumulate(without + _EXTEND * at)[:-1] - _OPEN - _EXTEND * at[:-1]
        left[row, 1:] = opened
        best[row] = without
        best[row, 1:] = np.maximum(without[1:], opened)
    return best, up, left


def _match(one: Signature, other: Signature) -> Match:
    if one == other:
        return Match.EQUAL
    return Match.ARGUMENTS if one.verb is other.verb else Match.TOOL


def _with_swaps(columns: list[Column], a: Sequence[Signature], b: Sequence[Signature]) -> list[Column]:
    """The same with neighbours that only changed places told as such."""
    found = list(columns)
    for place in range(len(found)):
        for length in (2, 3):
            part = found[place : place + length]
            if len(part) == length and _is_swap(part, a, b):
                mine = [one.a for one in part if one.a is not None]
                yours = [one.b for one in part if one.b is not None]
                pairs = [Column(i, j, Match.SWAPPED) for i in mine for j in yours if a[i] == b[j]]
                found[place : place + length] = pairs
                break
    return found


def _is_swap(part: Sequence[Column], a: Sequence[Signature], b: Sequence[Signature]) -> bool:
    mine = [a[one.a] for one in part if one.a is not None]
    yours = [b[one.b] for one in part if one.b is not None]
    return len(mine) == len(yours) == 2 and mine == yours[::-1] and mine[0] != mine[1]
