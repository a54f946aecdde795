"""Which comparisons are made, what their verdicts rest on, and what their answer says."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabled import trial, trials

from views.comparisons import compare, version_order
from views.headline import headline
from views.pairs import RULE
from views.results import Comparison, Pair, PairMetric

TASKS = [f"task-{number:02}" for number in range(12)]


def one_comparison(table: pd.DataFrame) -> Comparison:
    (found,) = compare(table)
    return found


def metric(pair: Pair, name: str) -> PairMetric:
    return next(one for one in pair.metrics if one.metric == name)


def arm(passes: int, tasks: int = 12, attempts: int = 1, **more: object) -> list[dict[str, object]]:
    """Attempts of one variant, which passes the first `passes` tasks."""
    return [
        trial(task, "passed" if place < passes else "failed", **more)
        for place, task in enumerate(TASKS[:tasks])
        for _ in range(attempts)
    ]


def test_variants_are_compared_where_they_differ_in_one_respect() -> None:
    table = trials(
        *(
            trial("a", agent=agent, version=version, model=model)
            for agent, version, model in [
                ("kilo", "1.0", "small"),
                ("kilo", "1.1", "small"),
                ("kilo", "1.1", "large"),
                ("other", "9", "large"),
            ]
        )
    )
    found = {(one.by, tuple(result.variant for result in one.variants)) for one in compare(table)}
    assert found == {
        ("model", ("kilo@1.1/lab/large", "kilo@1.1/lab/small")),
        ("version", ("kilo@1.0/lab/small", "kilo@1.1/lab/small")),
        ("agent", ("kilo@1.1/lab/large", "other@9/lab/large")),
    }


def test_a_comparison_names_what_is_held_equal() -> None:
    found = one_comparison(trials(trial("a", effort="high"), trial("a", version="2.0", effort="high")))
    assert found.name == "version-vs-version on bench, kilo with lab/small+high"
    assert found.fixed == {"agent": "kilo", "model": "lab/small", "effort": "high", "digest": None}
    assert found.rule == RULE


@pytest.mark.parametrize(
    "other",
    [
        {"effort": "high", "model": "large"},
        {"digest": "abc123", "version": "2.0"},
        {"dataset": "else", "model": "large"},
    ],
    ids=["model and effort", "version and settings", "another dataset"],
)
def test_variants_that_differ_in_two_respects_are_not_compared(other: dict[str, object]) -> None:
    assert compare(trials(trial("a"), trial("a", **other))) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("unknown", [{"version": None}, {"model": None}, {"model": None, "provider": None}])
def test_an_unknown_version_or_model_is_not_a_value_to_compare(unknown: dict[str, object]) -> None:
    assert compare(trials(trial("a"), trial("a", **unknown))) == []  # type: ignore[arg-type]


def test_agents_may_differ_in_version_and_settings_but_one_agent_is_not_set_against_itself() -> None:
    table = trials(
        trial("a", agent="kilo", version="1"),
        trial("a", agent="kilo", version="2"),
        trial("a", agent="other", version="1", effort="high", digest="abc"),
    )
    (by_agent,) = [one for one in compare(table) if one.by == "agent"]
    assert [(pair.a, pair.b) for pair in by_agent.pairs] == [
        ("kilo@1/lab/small", "other@1/lab/small+high#abc"),
        ("kilo@2/lab/small", "other@1/lab/small+high#abc"),
    ]


def test_versions_are_paired_from_old_to_new() -> None:
    found = one_comparison(trials(*(trial("a", version=version) for version in ["1.10", "1.9", "1.10rc1"])))
    versions = [result.agent_version for result in found.variants]
    assert versions == ["1.9", "1.10rc1", "1.10"]
    assert [(pair.a, pair.b) for pair in found.pairs] == [
        (f"kilo@{a}/lab/small", f"kilo@{b}/lab/small") for a, b in itertools.combinations(versions, 2)
    ]


@pytest.mark.parametrize(
    "ordered",
    [
        ["1.9", "1.10"],
        ["2.0rc1", "2.0"],
        ["v7.7.9", "v7.7.10"],
        ["build-9-x", "build-10-x"],
        ["1.10", "main"],
        ["1.0", "1.0.0"],
    ],
)
def test_version_order(ordered: list[str]) -> None:
    assert version_order(reversed(ordered)) == {version: place for place, version in enumerate(ordered)}


def test_a_clear_difference_is_called_better_and_its_tasks_are_named() -> None:
    found = one_comparison(trials(*arm(2), *arm(11, version="2.0", cost_usd=3.0)))
    (pair,) = found.pairs
    passed = metric(pair, "pass_rate")
    assert passed.verdict == "better"
    assert passed.difference == pytest.approx(9 / 12)
    assert passed.low is not None
    assert passed.low > 0
    assert pair.gained == tuple(TASKS[2:11])
    assert pair.lost == ()
    cost = metric(pair, "cost_usd")
    assert (cost.verdict, cost.difference) == ("worse", 2.0)
    said = headline(found)
    assert said.startswith("On the 12 tasks both ran, kilo@2.0 passes more than kilo@1.0: +75.0 pp (95 % interval +")
    assert said.endswith(
        "; kilo@2.0 passed 91.7 % of its attempts and kilo@1.0 passed 16.7 % of its attempts; "
        "a success costs $6.00 with kilo@1.0 and $3.27 with kilo@2.0."
    )


def test_fewer_passes_are_called_worse_and_less_time_better() -> None:
    (pair,) = one_comparison(trials(*arm(11, seconds=9.0), *arm(1, version="2.0", seconds=4.0))).pairs
    assert metric(pair, "pass_rate").verdict == "worse"
    assert metric(pair, "seconds").verdict == "better"
    assert pair.lost == tuple(TASKS[1:11])


def test_a_small_difference_is_not_shown() -> None:
    found = one_comparison(trials(*arm(6), *arm(7, version="2.0")))
    assert metric(found.pairs[0], "pass_rate").verdict == "no difference shown"
    assert headline(found).startswith(
        "On the 12 tasks both ran, no difference in pass rate is shown between kilo@2.0 and kilo@1.0: "
        "+8.3 pp for kilo@2.0 (95 % interval "
    )


def test_an_unknown_cost_is_left_out_of_the_difference_and_said() -> None:
    rows = arm(6)
    rows[0]["cost_usd"] = None
    found = one_comparison(trials(*rows, *arm(6, version="2.0", cost_usd=2.0)))
    cost = metric(found.pairs[0], "cost_usd")
    assert cost.tasks == 11
    assert cost.reason is not None
    assert cost.reason.startswith("cost per attempt not known on both sides for 1 of 12 tasks")
    assert "a success costs at least $1.83 with kilo@1.0" in headline(found)


def test_tasks_that_differ_or_lack_an_attempt_are_left_out_and_named() -> None:
    table = trials(
        trial("same", task_checksum="x"),
        trial("same", version="2.0", task_checksum="x"),
        trial("unsigned", task_checksum="x"),
        trial("unsigned", version="2.0"),
        trial("changed", task_checksum="x"),
        trial("changed", version="2.0", task_checksum="y"),
        trial("broken"),
        trial("broken", "infrastructure_error", version="2.0"),
        trial("new", version="2.0"),
    )
    (pair,) = one_comparison(table).pairs
    assert pair.tasks == 2
    assert pair.left_out == {
        "broken": "no attempt of kilo@2.0/lab/small counts",
        "changed": "the task itself differs: other task checksums",
        "new": "no attempt of kilo@1.0/lab/small counts",
    }


def test_one_attempt_against_five_is_compared_by_task_and_named() -> None:
    table = trials(*arm(6, attempts=1), *arm(6, attempts=5, version="2.0"))
    (found,) = compare(table, allow_unequal=True)
    (pair,) = found.pairs
    assert pair.unequal == tuple(TASKS)
    assert pair.refused is None
    assert metric(pair, "pass_rate").difference == 0.0
    assert metric(pair, "pass_rate").verdict == "no difference shown"


UNLIKE = [
    ([trial("new", version="2.0")], "1 task was run with one of the two only"),
    ([trial("same", task_checksum="y", version="2.0")], "1 task was changed in between (other task checksums)"),
    ([trial("same", version="2.0"), trial("same", version="2.0")], "1 task was tried another number of times"),
]


@pytest.mark.parametrize(("rows", "refused"), UNLIKE)
def test_variants_that_were_not_run_alike_get_no_verdict_unless_that_is_allowed(
    rows: list[dict[str, object]], refused: str
) -> None:
    table = trials(*arm(2), *arm(11, version="2.0"), trial("same", task_checksum="x"), *rows)
    if refused.endswith("only"):
        table = trials(*arm(2), *arm(11, version="2.0"), *rows)
    (pair,) = one_comparison(table).pairs
    assert pair.refused == refused
    passed = pair.metric("pass_rate")
    assert passed.verdict is None
    assert passed.reason == f"refused: {refused}"
    assert passed.p is not None
    (allowed,) = compare(table, allow_unequal=True)
    assert allowed.pairs[0].metric("pass_rate").verdict == "better"
    assert allowed.pairs[0].refused is None


def test_what_the_infrastructure_broke_was_run_and_is_left_out_of_both_sides() -> None:
    broken = [trial("x", "infrastructure_error"), trial("x", version="2.0")]
    (pair,) = one_comparison(trials(*arm(2), *arm(11, version="2.0"), *broken)).pairs
    assert pair.refused is None
    assert pair.metric("pass_rate").verdict == "better"
    assert pair.left_out == {"x": "no attempt of kilo@1.0/lab/small counts"}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([*arm(12), *arm(12, version="2.0")], "no difference in pass rate is shown"),
        ([*arm(0), *arm(0, version="2.0")], "kilo@1.0 and kilo@2.0 have no success"),
        ([*arm(0), *arm(12, version="2.0")], " pp (the same on every task, p = 0.00049); kilo@2.0 passed 100 %"),
        (
            [*arm(6, cost_usd=None), *arm(6, version="2.0", cost_usd=None)],
            "an unknown amount with kilo@1.0 and an unknown amount with kilo@2.0",
        ),
        (
            [trial("x"), trial("y", version="2.0")],
            "(refused: 2 tasks were run with one of the two only, no task in common)",
        ),
        ([*arm(1, tasks=3), *arm(2, tasks=3, version="2.0")], "cannot be said (fewer than 6 tasks in common)"),
        ([trial("x", "cancelled"), trial("x", version="2.0")], "kilo@1.0 has no attempt that counts"),
    ],
    ids=[
        "all passed",
        "all failed",
        "none and all",
        "costs unknown",
        "no common task",
        "three tasks",
        "nothing counts",
    ],
)
def test_what_cannot_be_said_is_not_said(rows: list[dict[str, object]], said: str) -> None:
    assert said in headline(one_comparison(trials(*rows)))


def test_one_variant_is_no_comparison() -> None:
    assert compare(trials(*arm(6))) == []
    assert compare(trials()) == []


def test_the_headline_of_several_variants_says_against_whom_the_first_is_shown() -> None:
    table = trials(
        *arm(2, model="bad"), *arm(10, model="good"), *arm(11, model="best"), *arm(3, tasks=3, model="brief")
    )
    said = headline(one_comparison(table))
    assert said.startswith(
        "Of 4 variants, brief passed the largest share of attempts (100 %), not run alike with bad, best and good; "
        "a success costs"
    )
    said = headline(one_comparison(trials(*arm(2, model="bad"), *arm(10, model="good"), *arm(11, model="best"))))
    assert said.startswith(
        "Of 3 variants, best passed the largest share of attempts (91.7 %), shown to pass more than bad, not shown "
        "to differ from good; a success costs $1.09 with best, $1.20 with good and $6.00 with bad."
    )
    said = headline(one_comparison(trials(*arm(2, model="x"), *arm(5, model="y"), *arm(5, model="z"))))
    assert said.startswith("Of 3 variants, y and z passed the largest share of attempts (41.7 % each); ")


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.builds(
            trial,
            task=st.sampled_from(TASKS[:8]),
            status=st.sampled_from(["passed", "failed", "infrastructure_error"]),
            version=st.sampled_from(["1.0", "2.0", None]),
            model=st.sampled_from(["small", "large"]),
            cost_usd=st.none() | st.floats(0, 10),
            seconds=st.none() | st.floats(0, 100),
        ),
        max_size=40,
    )
)
def test_the_order_of_the_trials_changes_nothing(drawn: list[dict[str, object]]) -> None:
    table = trials(*drawn)
    found = compare(table)
    assert compare(table.sample(frac=1, random_state=3)) == found
    assert "nan" not in "".join(one.model_dump_json().lower() for one in found)
    assert all(headline(one) for one in found)
    assert len({one.name for one in found}) == len(found)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(TASKS), st.sampled_from(["passed", "failed"]), st.floats(0, 10)),
        min_size=1,
        max_size=40,
    )
)
def test_a_variant_is_never_better_or_worse_than_its_copy(drawn: list[tuple[str, str, float]]) -> None:
    rows = [
        trial(task, status, version=version, cost_usd=cost, seconds=cost * 7)
        for version in ("1.0", "2.0")
        for task, status, cost in drawn
    ]
    (pair,) = one_comparison(trials(*rows)).pairs
    assert {one.verdict for one in pair.metrics} <= {None, "no difference shown"}
    assert (pair.gained, pair.lost) == ((), ())


def test_efforts_are_compared_where_all_else_is_equal() -> None:
    table = trials(*(trial("a", effort=effort, digest="abc") for effort in ("low", "high", None)))
    found = one_comparison(table)
    assert (found.by, found.name) == ("effort", "effort-vs-effort on bench, kilo@1.0 with lab/small#abc")
    assert [one.effort for one in found.variants] == ["high", "low"]
    assert found.fixed == {"agent": "kilo", "agent_version": "1.0", "model": "lab/small", "digest": "abc"}


def test_verdicts_rest_on_p_adjusted_for_the_pairs_of_the_comparison() -> None:
    def passing(model: str, passes: int) -> list[dict[str, object]]:
        return arm(passes, model=model)

    two = one_comparison(trials(*passing("a", 2), *passing("b", 8)))
    assert metric(two.pairs[0], "pass_rate").p_adjusted == metric(two.pairs[0], "pass_rate").p == 0.03125
    assert metric(two.pairs[0], "pass_rate").verdict == "better"
    three = one_comparison(trials(*passing("a", 2), *passing("b", 8), *passing("c", 8)))
    first = metric(three.pairs[0], "pass_rate")
    assert (first.p, first.p_adjusted, first.verdict) == (0.03125, 0.09375, "no difference shown")


def test_a_flip_names_its_attempts_and_the_chance_that_it_is_noise() -> None:
    found = one_comparison(trials(*arm(1, 2, attempts=3, model="a"), *arm(2, 2, attempts=3, model="b")))
    (flip,) = found.pairs[0].flips
    counts = (flip.task, flip.a_passes, flip.a_attempts, flip.b_passes, flip.b_attempts)
    assert counts == (TASKS[1], 0, 3, 3, 3)
    assert flip.p == pytest.approx(0.1)


def test_a_comparison_says_what_its_variants_solve_together() -> None:
    found = one_comparison(trials(*arm(3, model="a"), *arm(6, model="b"))).complementarity
    assert (found.tasks, found.oracle_rate, found.gain) == (12, 0.5, 0.0)


def test_what_is_the_smallest_visible_difference_is_said_in_the_metrics_own_unit() -> None:
    rows = [
        trial(task, model=model, cost_usd=cost + place * (model == "b"))
        for place, task in enumerate(TASKS)
        for model, cost in (("a", 1.0), ("b", 2.0))
    ]
    found = metric(one_comparison(trials(*rows)).pairs[0], "cost_usd")
    assert found.smallest_visible == pytest.approx(3.202, abs=0.001)
    assert metric(one_comparison(trials(*rows)).pairs[0], "pass_rate").smallest_visible is None
