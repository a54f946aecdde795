"""What variants solve together: worked by hand, and what holds for any variants."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabled import trial, trials

from views import metrics
from views.complementarity import complementarity
from views.results import Complementarity

Passes = dict[str, list[int]]
"""By model: passes of its one attempt at each task."""


def said(passes: Passes, cost: dict[str, float | None] | None = None) -> Complementarity:
    rows = [
        trial(f"t{place}", "passed" if passed else "failed", model=model, cost_usd=(cost or {}).get(model, 1.0))
        for model, row in passes.items()
        for place, passed in enumerate(row)
    ]
    return complementarity(metrics.runs(trials(*rows)))


def name(model: str) -> str:
    return f"kilo@1.0/lab/{model}"


def test_tasks_that_one_variant_alone_solves_and_what_all_would_solve_together() -> None:
    found = said({"x": [1, 1, 0, 0, 0], "y": [1, 0, 1, 1, 0]})
    assert found.tasks == 5
    assert found.only == {name("x"): ("t1",), name("y"): ("t2", "t3")}
    assert (found.best, found.best_rate) == (name("y"), pytest.approx(0.6))
    assert (found.oracle_rate, found.gain) == (pytest.approx(0.8), pytest.approx(0.2))
    assert found.unsolved == ("t4",)


def test_of_two_couples_that_solve_the_same_the_cheaper_is_named() -> None:
    passes = {"x": [1, 1, 0], "y": [0, 0, 1], "z": [0, 0, 1]}
    for dear, cheap in (("y", "z"), ("z", "y")):
        couple = said(passes, {"x": 1.0, dear: 2.0, cheap: 0.5}).couple
        assert couple is not None
        assert (couple.a, couple.b, couple.cost_usd) == (name("x"), name(cheap), pytest.approx(4.5))
        assert couple.oracle_rate == 1.0


def test_a_couple_whose_cost_is_not_known_is_named_only_where_no_other_solves_as_much() -> None:
    passes = {"x": [1, 1, 0], "y": [0, 0, 1], "z": [0, 0, 1]}
    couple = said(passes, {"x": 1.0, "y": None, "z": 9.0}).couple
    assert couple is not None
    assert couple.b == name("z")
    alone = said({"x": [1, 0], "y": [0, 1]}, {"y": None}).couple
    assert alone is not None
    assert alone.cost_usd is None


def test_shares_of_several_attempts_count() -> None:
    rows = [trial("t", status, model="x") for status in ("passed", "failed")]
    rows += [trial("t", "failed", model="y") for _ in range(2)]
    found = complementarity(metrics.runs(trials(*rows)))
    assert (found.oracle_rate, found.best_rate, found.only[name("x")]) == (0.5, 0.5, ("t",))


def test_without_a_task_that_all_ran_nothing_is_said_but_why() -> None:
    found = complementarity(metrics.runs(trials(trial("t", model="x"), trial("u", model="y"))))
    assert found.reason == "no task that all variants ran"
    assert (found.oracle_rate, found.best, found.couple) == (None, None, None)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 6).flatmap(
        lambda tasks: st.lists(st.lists(st.integers(0, 1), min_size=tasks, max_size=tasks), min_size=2, max_size=4)
    )
)
def test_together_is_never_less_than_two_and_two_never_less_than_one(rows: list[list[int]]) -> None:
    found = said({f"m{place}": row for place, row in enumerate(rows)})
    assert found.couple is not None
    assert found.oracle_rate is not None
    assert found.best_rate is not None
    solved = [{place for place, passed in enumerate(row) if passed} for row in rows]
    assert found.oracle_rate * found.tasks == pytest.approx(len(set.union(*solved)))
    assert found.couple.oracle_rate * found.tasks == pytest.approx(max(len(a | b) for a, b in combinations(solved, 2)))
    assert found.best_rate <= found.couple.oracle_rate <= found.oracle_rate
    assert sum(map(len, found.only.values())) + len(found.unsolved) <= found.tasks
