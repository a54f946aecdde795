"""Where a rule and a model speak of one step, one of them counts, and both are told."""

from __future__ import annotations

import pytest

from judges.agreement import agreement, stability
from judges.final import disagreements, final
from judges.kappa import cohen_kappa
from judges.verdict import Verdict


def verdict(by: str, label: str, value: float | None, step: int = 2, criterion: str = "efficiency") -> Verdict:
    return Verdict(trial="j/t", step=step, criterion=criterion, label=label, value=value, explanation="x", by=by)


RULE, GOOD = verdict("rule:x", "redundant", 0.0), verdict("m", "necessary", 1.0)
SAME, NONE = verdict("m", "redundant", 0.0), verdict("m", "not visible", None)
CASES = {
    "a rule alone": ([RULE], RULE, None),
    "a model alone": ([GOOD], GOOD, None),
    "a model that differs": ([RULE, GOOD], GOOD, RULE),
    "a model that agrees": ([RULE, SAME], SAME, None),
    "a model without a mark": ([NONE, RULE], RULE, NONE),
    "a model without a mark, alone": ([NONE], NONE, None),
}


@pytest.mark.parametrize("name", CASES, ids=lambda name: name.replace(" ", "-"))
def test_which_verdict_counts(name: str) -> None:
    verdicts, counts, other = CASES[name]
    (one,) = final(verdicts)
    assert (one.verdict, one.other) == (counts, other)


def test_other_steps_and_criteria_are_told_apart_and_in_order() -> None:
    verdicts = [verdict("m", "necessary", 1, step) for step in (4, 2)] + [
        verdict("rule:x", "wrong", 0, 2, "tool_choice")
    ]
    assert [(one.verdict.step, one.verdict.criterion) for one in final(verdicts)] == [
        (2, "efficiency"),
        (2, "tool_choice"),
        (4, "efficiency"),
    ]


def test_disagreements_are_counted_by_criterion() -> None:
    more = [verdict("rule:x", "redundant", 0, 3), verdict("m", "avoidable", 0.5, 3)]
    assert disagreements([RULE, GOOD, *more, verdict("m", "sound", 1, 3, "reasoning_quality")]) == {"efficiency": 2}
    assert disagreements([RULE, SAME]) == {}


def test_kappa_is_what_cohen_defines() -> None:
    """Twenty and fifteen of fifty on which two agree, as in every textbook: (0.7 - 0.5) / (1 - 0.5)."""
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    assert cohen_kappa(pairs) == pytest.approx(0.4)
    assert cohen_kappa([("a", "b"), ("b", "a")]) == pytest.approx(-1.0)
    assert cohen_kappa([]) is None
    assert cohen_kappa([("a", "a")] * 5) is None, "chance alone would agree"


def test_judges_are_compared_where_all_of_them_judged() -> None:
    one = [verdict("a", label, 0, step) for step, label in enumerate("xxy", 1)]
    other = [verdict("b", label, 0, step) for step, label in enumerate("xyyz", 1)]
    (found,) = agreement([*one, *other])
    assert (found.criterion, found.judges, found.pairs) == ("efficiency", ("a", "b"), 3)
    assert found.agreement == pytest.approx(2 / 3)
    assert found.kappa == pytest.approx((2 / 3 - 4 / 9) / (1 - 4 / 9))
    assert agreement(one) == [], "one judge agrees with nobody"


def test_of_three_judges_each_two_are_compared_and_all_together() -> None:
    verdicts = [verdict(by, "x", 0) for by in "abc"]
    found = agreement(verdicts)
    assert [one.judges for one in found] == [("a", "b"), ("a", "c"), ("b", "c"), ("a", "b", "c")]
    assert [one.kappa for one in found] == [None] * 4
    assert {one.agreement for one in found} == {1.0}


def test_a_judge_is_stable_where_all_its_samples_say_the_same() -> None:
    samples = [[verdict("a", label, 0, step) for step, label in enumerate(labels, 1)] for labels in ("xy", "xx", "xy")]
    (found,) = stability(samples)
    assert (found.judges, found.pairs, found.agreement, found.kappa) == (("a",), 2, 0.5, None)
    assert stability(samples[:1]) == []
