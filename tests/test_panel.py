"""Several judges say one thing, and in whichever order they are heard it is the same."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.criteria import criteria
from judges.panel import Combine, combine
from judges.verdict import Quote, Verdict, check_label

EFFICIENCY, REASONING = criteria()["efficiency"], criteria()["reasoning_quality"]


def verdict(by: str, label: str, *, evidence: bool = True, confidence: float | None = 0.5) -> Verdict:
    criterion = EFFICIENCY if EFFICIENCY.label(label) else REASONING
    known = criterion.label(label)
    assert known is not None
    return Verdict(
        trial="job/a__1",
        step=3,
        criterion=criterion.criterion,
        label=label,
        value=known.value,
        explanation=f"{by} says so",
        evidence=(Quote(step=3, quote="words"),) if evidence else (),
        better_action="Bash ls" if known == criterion.worst else None,
        confidence=confidence,
        by=by,
    )


CASES = [
    ("union", ["necessary", "redundant"], "redundant", 0.0),
    ("union", ["necessary", "necessary", "avoidable"], "avoidable", 0.5),
    ("union", ["necessary", "necessary"], "necessary", 1.0),
    ("majority", ["necessary", "necessary", "redundant"], "necessary", 1.0),
    ("majority", ["necessary", "redundant"], "redundant", 0.0),
    ("majority", ["necessary", "avoidable", "redundant"], "redundant", 0.0),
    ("mean", ["necessary", "avoidable"], "avoidable", 0.75),
    ("mean", ["necessary", "necessary", "redundant"], "avoidable", 2 / 3),
    ("mean", ["necessary", "redundant"], "avoidable", 0.5),
]


@pytest.mark.parametrize(("how", "labels", "label", "value"), CASES, ids=lambda value: str(value).replace(" ", ""))
def test_what_a_panel_says(how: str, labels: list[str], label: str, value: float) -> None:
    members = [verdict(f"model-{number}", one) for number, one in enumerate(labels)]
    said = combine(members, Combine(how), EFFICIENCY)
    assert (said.label, said.value) == (label, pytest.approx(value))
    assert said.by == f"{' + '.join(one.by for one in members)} ({how})"


def test_in_a_union_a_bad_label_counts_only_with_evidence() -> None:
    members = [verdict("a", "necessary"), verdict("b", "redundant", evidence=False)]
    assert combine(members, Combine.UNION, EFFICIENCY).label == "necessary"


@pytest.mark.parametrize("how", Combine)
def test_no_mark_counts_only_where_there_is_no_other(how: Combine) -> None:
    none, weak = verdict("a", "not visible"), verdict("b", "weak")
    assert combine([none, weak], how, REASONING).label == "weak"
    said = combine([none, verdict("b", "not visible")], how, REASONING)
    assert (said.label, said.value, said.by) == ("not visible", None, f"a + b ({how.value})")


def test_the_words_are_those_of_the_surest_member_with_that_label() -> None:
    members = [
        verdict("a", "redundant", confidence=0.6),
        verdict("b", "redundant", confidence=0.9),
        verdict("c", "necessary", confidence=1.0),
    ]
    said = combine(members, Combine.UNION, EFFICIENCY)
    assert (said.explanation, said.better_action) == ("b says so", "Bash ls")


def test_a_panel_of_one_says_what_that_one_says() -> None:
    one = verdict("a", "avoidable")
    assert combine([one], Combine.UNION, EFFICIENCY) == one


@given(
    labels=st.lists(st.sampled_from(["necessary", "avoidable", "redundant"]), min_size=1, max_size=4),
    how=st.sampled_from(Combine),
    sure=st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=4, max_size=4),
)
def test_the_order_of_the_members_changes_nothing(labels: list[str], how: Combine, sure: list[float | None]) -> None:
    members = [verdict(f"model-{at}", label, confidence=sure[at]) for at, label in enumerate(labels)]
    said = [combine(order, how, EFFICIENCY) for order in itertools.permutations(members)]
    assert all(one == said[0] for one in said)
    values = [one.value for one in members if one.value is not None]
    assert said[0].value is not None
    assert min(values) <= said[0].value <= max(values)
    if how is Combine.UNION:
        assert said[0].value == min(values)
    if how is not Combine.MEAN:
        assert check_label(said[0], EFFICIENCY) == []
