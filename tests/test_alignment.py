"""Runs side by side: the best alignment there is, tolerant of what is put in, left out and swapped."""

from __future__ import annotations

from functools import cache

import pytest
from courses import act
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.signatures import Signature
from views.alignment import _EXTEND, _OPEN, EQUAL, OTHER, SAME_VERB, Column, Match, _columns, align, similarity


def run(*acts: str) -> list[Signature]:
    return [act(one).signature for one in acts]


def matches(a: list[Signature], b: list[Signature]) -> list[Match]:
    return [one.match for one in align(a, b)]


def test_runs_that_are_the_same_are_equal_throughout() -> None:
    acts = run("read:a", "edit:a", "sh:pytest")
    assert matches(acts, acts) == [Match.EQUAL] * 3
    assert similarity(acts, acts) == 1.0


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (run(), run(), []),
        (run("read:a"), run(), [Match.INSERTED]),
        (run(), run("read:a"), [Match.MISSING]),
        (run("read:a"), run("read:b"), [Match.ARGUMENTS]),
        (run("read:a", "edit:a"), run("edit:a"), [Match.INSERTED, Match.EQUAL]),
        (run("edit:a"), run("read:a", "read:b", "edit:a"), [Match.MISSING, Match.MISSING, Match.EQUAL]),
        (run("read:a", "read:b", "sh:x"), run("read:b", "read:a", "sh:x"), [Match.SWAPPED, Match.SWAPPED, Match.EQUAL]),
        (run("edit:b", "sh:t"), run("edit:a", "sh:t"), [Match.ARGUMENTS, Match.EQUAL]),
    ],
)
def test_kinds_of_difference(a: list[Signature], b: list[Signature], expected: list[Match]) -> None:
    assert matches(a, b) == expected


def test_a_long_gap_stays_in_one_piece() -> None:
    a, b = run("sh:a", "sh:b"), run("sh:a", *(f"read:{n}" for n in range(20)), "sh:b")
    assert matches(a, b) == [Match.EQUAL, *[Match.MISSING] * 20, Match.EQUAL]


def best(a: list[Signature], b: list[Signature]) -> float:
    """The score of the best alignment, by trying all of them (Gotoh's recursion, as it is written)."""

    @cache
    def score(i: int, j: int, gap: str) -> float:
        if i == j == 0:
            return 0.0 if not gap else -1e9
        found = -1e9
        if not gap:
            if i and j:
                one, other = a[i - 1], b[j - 1]
                alike = EQUAL if one == other else SAME_VERB if one.verb is other.verb else OTHER
                found = alike + max(score(i - 1, j - 1, state) for state in ("", "a", "b"))
        elif gap == "a" and i:
            found = max(score(i - 1, j, state) - (_EXTEND if state == "a" else _OPEN) for state in ("", "a", "b"))
        elif gap == "b" and j:
            found = max(score(i, j - 1, state) - (_EXTEND if state == "b" else _OPEN) for state in ("", "a", "b"))
        return found

    return max(score(len(a), len(b), state) for state in ("", "a", "b"))


def worth(columns: list[Column], a: list[Signature], b: list[Signature]) -> float:
    total, before = 0.0, ""
    for one in columns:
        gap = "a" if one.b is None else "b" if one.a is None else ""
        if one.a is not None and one.b is not None:
            mine, yours = a[one.a], b[one.b]
            total += EQUAL if mine == yours else SAME_VERB if mine.verb is yours.verb else OTHER
        else:
            total -= _EXTEND if gap == before else _OPEN
        before = gap
    return total


RUNS = st.lists(st.sampled_from(["read:a", "read:b", "edit:a", "sh:x", "sh:y"]), max_size=7).map(lambda one: run(*one))


@settings(max_examples=100)
@given(RUNS, RUNS)
def test_no_alignment_is_better(a: list[Signature], b: list[Signature]) -> None:
    assert worth(_columns(a, b), a, b) == pytest.approx(best(a, b))


@given(RUNS, RUNS)
def test_every_act_of_both_runs_is_there_once(a: list[Signature], b: list[Signature]) -> None:
    columns = align(a, b)
    assert sorted(one.a for one in columns if one.a is not None) == list(range(len(a)))
    assert sorted(one.b for one in columns if one.b is not None) == list(range(len(b)))
    for one in columns:
        is_alike = one.a is not None and one.b is not None and a[one.a] == b[one.b]
        assert is_alike == (one.match in (Match.EQUAL, Match.SWAPPED))


def test_a_thousand_identical_acts_are_aligned() -> None:
    assert matches(run(*["sh:ls"] * 1000), run(*["sh:ls"] * 990)).count(Match.EQUAL) == 990
