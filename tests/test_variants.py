"""What a variant costs, in one row: by hand-worked numbers, and by the published table."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabled import Row, action, actions, call, calls, step, steps, trial, trials

from adapter.errors import BadInputError
from views.economy import Attempts, economy, per_point, ratio
from views.metrics import by_dataset, variant_results
from views.results import VariantCost
from views.tables import BEHAVIOUR, COUNTED, VARIANTS
from views.variants import variant_costs, variants_table

# KiloBench's published leaderboard: pass rate in percent, cost of the task set, and how many times as efficient as the
# first it calls each.
PUBLISHED = [
    ("GPT-5.5", 74.2, 72.63, 1.0),
    ("Claude Opus 4.7", 70.1, 100.51, 0.7),
    ("Claude Opus 4.8", 67.6, 85.19, 0.8),
    ("Grok Build 0.1", 50.6, 30.70, 1.6),
    ("MiMo-V2.5-Pro", 47.6, 4.92, 9.5),
    ("MiniMax M3", 47.6, 10.35, 4.5),
]


def table(*rows: Row, baseline: str | None = None) -> pd.DataFrame:
    return variants_table(trials(*rows), steps(), calls(), actions(), baseline)


def only(*rows: Row) -> dict[str, object]:
    """The row of the only variant; what is missing is None."""
    found = table(*rows)
    (row,) = found.astype(object).where(found.notna(), None).to_dict("records")
    return row


@pytest.mark.parametrize(("model", "rate", "cost", "published"), PUBLISHED)
def test_the_published_ratios_follow_from_pass_rate_and_cost(
    model: str, rate: float, cost: float, published: float
) -> None:
    found = ratio(per_point(72.63, 0.742), per_point(cost, rate / 100))
    assert found is not None
    assert round(found, 1) == published


def test_the_published_table_comes_out_of_a_table_of_trials() -> None:
    # A thousand tasks, so that the rates are whole numbers of passes.
    rows = [
        trial(f"task-{task}", "passed" if task < rate * 10 else "failed", model=model, cost_usd=cost / 1000)
        for model, rate, cost, _ in PUBLISHED
        for task in range(1000)
    ]
    found = table(*rows, baseline="kilo@1.0/lab/GPT-5.5").set_index("model")
    for model, rate, cost, published in PUBLISHED:
        row = found.loc[model]
        assert row["pass_rate"] == pytest.approx(rate / 100)
        assert row["cost_of_task_set_usd"] == pytest.approx(cost)
        assert row["cost_per_attempt_usd"] == pytest.approx(cost / 1000)
        assert row["cost_to_complete_usd"] == pytest.approx(cost / (rate * 10))
        assert row["cost_per_point_usd"] == pytest.approx(cost / rate)
        assert round(row["cost_efficiency"], 1) == published


def test_the_cost_of_the_task_set_is_one_attempt_at_each_task() -> None:
    row = only(
        trial("a", cost_usd=1.0), trial("a", "failed", cost_usd=3.0), trial("b", cost_usd=10.0), trial("b", "failed")
    )
    assert (row["cost_usd"], row["cost_per_attempt_usd"]) == (15, 3.75)
    assert row["cost_of_task_set_usd"] == 2 + 5.5
    assert row["cost_to_complete_usd"] == 7.5
    assert row["cost_per_point_usd"] == 7.5 / 50


def test_tokens_and_seconds_are_counted_the_same_way() -> None:
    row = only(
        trial("a", input=100, cache_read=10, output=5, seconds=30.0),
        trial("b", "failed", input=200, output=85, seconds=90.0),
    )
    assert (row["tokens"], row["tokens_per_attempt"], row["tokens_of_task_set"]) == (400, 200, 400)
    assert (row["tokens_to_complete"], row["tokens_per_point"]) == (400, 8)
    assert (row["seconds_per_attempt"], row["seconds_to_complete"], row["seconds_per_point"]) == (60, 120, 2.4)


def test_attempts_with_an_unknown_cost_are_counted_and_kept_out() -> None:
    row = only(trial("a", cost_usd=2.0), trial("b", "timed_out", cost_usd=None), trial("c", "failed", cost_usd=4.0))
    assert (row["cost_per_attempt_usd"], row["cost_per_attempt_usd_n"], row["cost_per_attempt_usd_missing"]) == (
        3,
        2,
        1,
    )
    assert (row["cost_to_complete_usd"], row["cost_to_complete_at_least"]) == (6, True)
    assert (row["cost_tasks"], row["tasks"]) == (2, 3)
    (cost,) = variant_costs(table(trial("a", cost_usd=2.0), trial("b", "timed_out", cost_usd=None)))
    assert [one.at_least for one in (cost.cost.to_complete, cost.cost.of_task_set, cost.cost.per_point)] == [True] * 3


@pytest.mark.parametrize("cost", [1.0, 0.0, None])
def test_without_a_success_it_takes_infinitely_much(cost: float | None) -> None:
    failed = trial("a", "failed", cost_usd=cost)
    row = only(failed)
    assert (row["cost_to_complete_usd"], row["cost_to_complete_at_least"]) == (math.inf, False)
    (shown,) = variant_costs(table(failed))
    complete = shown.cost.to_complete
    assert (complete.value, complete.infinite, complete.number, complete.at_least) == (None, True, math.inf, False)
    assert json.loads(shown.model_dump_json())["cost"]["to_complete"]["infinite"] is True
    assert "Infinity" not in shown.model_dump_json()


def test_where_no_cost_is_known_nothing_is_said_of_it() -> None:
    row = only(trial("a", cost_usd=None))
    names = ("cost_usd", "cost_per_attempt_usd", "cost_of_task_set_usd", "cost_to_complete_usd", "cost_per_point_usd")
    assert [row[name] for name in names] == [None] * 5
    (shown,) = variant_costs(table(trial("a", cost_usd=None)))
    assert (shown.cost.per_point.number, shown.cost.per_point.reason) == (None, "no cost is known")


BASE = "kilo@1.0/lab/small"


@pytest.mark.parametrize(
    ("base", "own", "efficiency"),
    [
        ([trial("a")], [trial("a", cost_usd=0.5)], 2),
        ([trial("a")], [trial("a", "failed")], 0),
        ([trial("a", "failed")], [trial("a")], None),
        ([trial("a", cost_usd=None)], [trial("a")], None),
        ([trial("a")], [trial("a", cost_usd=None)], None),
        ([trial("a")], [trial("a", cost_usd=0.0)], math.inf),
        ([trial("a", cost_usd=0.0)], [trial("a", cost_usd=0.0)], None),
        ([trial("a"), trial("b", cost_usd=99.0)], [trial("a", cost_usd=0.5), trial("c", cost_usd=99.0)], 2),
        ([trial("a")], [trial("b")], None),
        ([trial("a"), trial("b", cost_usd=None)], [trial("a", cost_usd=0.5), trial("b", "failed", cost_usd=9.0)], 2),
    ],
    ids=[
        "half as dear",
        "never succeeds",
        "the baseline never succeeds",
        "the baseline's cost is not known",
        "its cost is not known",
        "free",
        "both free",
        "on the tasks of both",
        "no task of both",
        "on the tasks known for both",
    ],
)
def test_efficiency_is_against_the_baseline_on_the_same_tasks(
    base: list[Row], own: list[Row], efficiency: float | None
) -> None:
    other = [row | trial("", version="2.0") | {key: row[key] for key in ("task", "status", "cost_usd")} for row in own]
    found = table(*base, *other, baseline=BASE).set_index("agent_version")
    value = found.loc["2.0", "cost_efficiency"]
    assert (None if pd.isna(value) else value) == efficiency
    assert found["baseline"].to_list() == [BASE, BASE]


def test_without_a_baseline_there_is_no_ratio_and_a_wrong_one_is_named() -> None:
    assert table(trial("a"))[["baseline", "cost_efficiency"]].isna().all(axis=None)
    with pytest.raises(BadInputError, match="kilo@9 is none of the variants"):
        table(trial("a"), baseline="kilo@9")


def test_a_baseline_is_one_only_on_the_datasets_that_it_was_run_on() -> None:
    found = table(trial("a"), trial("a", dataset="other", version="2.0"), baseline=BASE)
    assert found["dataset"].to_list() == ["bench", "other"]
    assert found["baseline"].isna().to_list() == [False, True]


def test_what_is_no_attempt_is_counted_and_left_out_of_everything() -> None:
    row = only(
        trial("a"),
        trial("b", "infrastructure_error", cost_usd=99.0),
        trial("c", "ungraded", cost_usd=99.0),
        trial("a", regrade_of="job/0001", cost_usd=99.0),
    )
    assert (row["attempts"], row["tasks"], row["excluded"], row["cost_usd"]) == (1, 1, 2, 1)
    nothing = only(trial("a", "infrastructure_error"))
    assert (nothing["attempts"], nothing["pass_rate"], nothing["cost_to_complete_usd"]) == (0, None, None)


def test_every_quantity_has_its_spread() -> None:
    row = only(
        *(trial("a", output=value, agent_steps=value, cost_usd=float(value)) for value in (1, 2, 3, 10)), trial("b")
    )
    names = ("", "_sd", "_q25", "_median", "_q75", "_n", "_missing")
    sd = math.sqrt((9 + 4 + 1 + 36) / 3)
    for name in ("steps", "output_per_attempt"):
        assert [row[f"{name}{one}"] for one in names] == pytest.approx([4, sd, 1.75, 2.5, 4.75, 4, 1])
    alone = only(trial("a"))
    assert (alone["cost_per_attempt_usd_sd"], alone["cost_per_attempt_usd_median"]) == (None, 1)


def test_the_fingerprint_of_a_variant_is_over_its_own_attempts() -> None:
    counted: Row = {"agent_steps": 2, "llm_calls": 2, "tool_calls": 2}
    found = variants_table(
        trials(trial("a", **counted), trial("b", version="2.0", **counted), trial("b", **counted)),
        steps(step(1, "job/0002", model_seconds=1.0, tool_seconds=1.0)),
        calls(*(call(number, name, output=8 * number) for name in ("job/0002", "job/0003") for number in (1, 2))),
        actions(
            *(action("sh", "job/0001", is_test=True) for _ in range(2)),
            *(action("edit", "job/0002", file="x") for _ in range(2)),
            *(action("read", "job/0003") for _ in range(2)),
        ),
    ).set_index("agent_version")
    columns = ["test_runs", "most_edits", "share_sh", "output_per_call", "output_per_call_n", "tool_time_share"]
    first, second = (found.loc[version, columns].to_list() for version in ("1.0", "2.0"))
    assert first[:5] == [1, 0, 0.5, 12, 1]
    assert second == [0, 2, 0, 12, 1, 0.5]
    assert pd.isna(first[5])


def test_the_order_in_which_trials_were_read_changes_no_digit() -> None:
    rng = np.random.default_rng(3)
    found = trials(*(trial(f"task-{place}", cost_usd=cost) for place, cost in enumerate(rng.lognormal(size=99))))
    first, second = (
        variants_table(one, steps(), calls(), actions()) for one in (found, found.sample(frac=1, random_state=5))
    )
    assert first["cost_per_attempt_usd_sd"].notna().all()
    assert first.to_csv() == second.to_csv()


def test_no_trials_are_no_variants() -> None:
    assert len(table()) == 0
    assert list(table().columns) == list(VARIANTS.columns)


def test_the_records_hold_all_that_is_in_the_table() -> None:
    (record,) = variant_costs(table(trial("a", seconds=2.0, output=3), trial("b", "failed", seconds=4.0)))
    assert VariantCost.model_validate_json(record.model_dump_json()) == record
    assert (set(record.counted), set(record.behaviour)) == (set(COUNTED), set(BEHAVIOUR))
    assert (record.seconds.per_attempt.mean, record.seconds.to_complete.value) == (3, 6)
    assert (record.counted["output"].mean, record.counted["output"].missing) == (3, 1)


drawn = st.lists(
    st.builds(
        trial,
        task=st.sampled_from("abcdef"),
        status=st.sampled_from(["passed", "failed", "timed_out", "agent_error", "infrastructure_error"]),
        version=st.sampled_from(["1.0", "2.0", None]),
        dataset=st.sampled_from(["bench", "other"]),
        cost_usd=st.none() | st.floats(0, 100),
        seconds=st.none() | st.floats(0, 1000),
        input=st.none() | st.integers(0, 10**9),
        output=st.none() | st.integers(0, 10**6),
    ),
    max_size=20,
)


def test_what_is_infinite_is_no_lower_bound() -> None:
    found = economy(Attempts(np.array([1.0, np.nan]), np.array([0, 1]), np.array([False, False])))
    assert (found.to_complete, found.at_least, found.missing) == (math.inf, False, 1)


NOTHING_BELOW = (steps(), calls(), actions())
"""Made once: checking tables is most of what a test of them takes."""


@settings(max_examples=15, deadline=None)
@given(drawn)
def test_the_table_agrees_with_the_results_of_a_run_and_holds_no_nan(rows: list[Row]) -> None:
    some = trials(*rows)
    names = some["variant"].unique()
    found = variants_table(some, *NOTHING_BELOW, str(names[0]) if len(names) else None)
    assert not found.select_dtypes("Float64").map(lambda one: one is not pd.NA and one != one).any(axis=None)
    results = {
        (dataset, one.variant): one for dataset, part in by_dataset(some).items() for one in variant_results(part)
    }
    assert list(results) == list(zip(found["dataset"], found["variant"], strict=True))
    for record in variant_costs(found):
        result = results[record.dataset, record.variant]
        assert (record.attempts, record.passes, record.tasks) == (result.attempts, result.passes, result.tasks)
        assert record.excluded == sum(result.excluded.values())
        for mine, theirs in (
            (record.cost.per_attempt, result.cost_per_attempt_usd),
            (record.tokens.per_attempt, result.tokens_per_attempt),
            (record.seconds.per_attempt, result.seconds_per_attempt),
        ):
            assert (mine.mean, mine.missing) == (pytest.approx(theirs.value), theirs.missing)
        mine, theirs = record.cost.to_complete, result.cost_to_complete_usd
        assert mine.number == pytest.approx(theirs.number)
        assert (mine.at_least, mine.infinite) == (theirs.at_least, theirs.infinite)
