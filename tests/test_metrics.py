"""The numbers of a variant: what counts, what is missing, and what is not said."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabled import trial, trials

from views.metrics import by_dataset, variant_results
from views.results import Estimate, VariantResult


def only(*rows: dict[str, object]) -> VariantResult:
    (result,) = variant_results(trials(*rows))
    return result


def all_numbers(result: VariantResult) -> list[float]:
    estimates = [value for value in dict(result).values() if isinstance(value, Estimate)] + list(result.scores.values())
    return [number for one in estimates for number in (one.value, one.low, one.high) if number is not None]


def test_failures_of_the_infrastructure_are_counted_and_left_out() -> None:
    result = only(
        trial("a"),
        trial("b", "timed_out"),
        trial("c", "agent_error"),
        trial("d", "infrastructure_error", cost_usd=100.0),
        trial("e", "infrastructure_error"),
        trial("f", "cancelled"),
    )
    assert (result.attempts, result.tasks, result.passes) == (3, 3, 1)
    assert result.excluded == {"cancelled": 1, "infrastructure_error": 2}
    assert result.pass_rate.value == pytest.approx(1 / 3)
    assert result.cost_to_complete_usd.value == 3.0


def test_an_unknown_cost_is_missing_and_makes_cost_to_complete_a_lower_bound() -> None:
    rows = [trial(str(task), "passed" if task % 2 else "failed", cost_usd=float(task)) for task in range(1, 9)]
    result = only(*rows, trial("9", cost_usd=None))
    assert result.cost_per_attempt_usd.value == 4.5
    assert result.cost_per_attempt_usd.missing == 1
    complete = result.cost_to_complete_usd
    assert (complete.value, complete.at_least, complete.missing) == (36 / 5, True, 1)
    assert complete.high is None
    assert complete.low is not None
    assert "not known" in (complete.reason or "")


@pytest.mark.parametrize(
    ("rows", "reason", "number"),
    [
        ([trial("a", "failed"), trial("b", "failed")], "no success", math.inf),
        ([trial("a", cost_usd=None), trial("b", cost_usd=None)], "no cost is known", None),
        ([trial("a", "failed", cost_usd=None)], "no success", math.inf),
        ([trial("a", "infrastructure_error")], "no success", None),
    ],
    ids=["all failed", "every cost unknown", "failed and unknown", "nothing counts"],
)
def test_cost_to_complete_that_cannot_be_had_has_a_reason(
    rows: list[dict[str, object]], reason: str, number: float | None
) -> None:
    complete = only(*rows).cost_to_complete_usd
    assert (complete.value, complete.low, complete.high, complete.reason) == (None, None, None, reason)
    assert complete.number == number


def test_an_infinite_cost_is_valid_json_that_says_so() -> None:
    complete = only(trial("a", "failed")).cost_to_complete_usd
    assert json.loads(complete.model_dump_json()) | {"value": None, "infinite": True} == complete.model_dump()
    assert Estimate.model_validate_json(complete.model_dump_json()) == complete


def test_all_passed_still_has_an_interval_for_the_pass_rate() -> None:
    rate = only(trial("a"), trial("b")).pass_rate
    assert (rate.value, rate.high) == (1.0, 1.0)
    assert rate.low is not None
    assert rate.low < 0.5


def test_tokens_are_everything_sent_and_received() -> None:
    result = only(
        trial("a", input=10, cache_read=100, cache_write=1000, output=5, reasoning=3),
        trial("b", input=20, output=5),
        trial("c", input=20),
        trial("d", output=7),
    )
    assert result.tokens_per_attempt.value == (1115 + 25) / 2
    assert result.tokens_per_attempt.missing == 2


def test_a_trial_with_no_steps_counts_with_what_is_known_of_it() -> None:
    result = only(trial("a", steps=0, agent_steps=0, seconds=2.0), trial("b", agent_steps=4), trial("c"))
    assert result.attempts == 3
    assert result.steps_per_attempt.value == 2.0
    assert result.steps_per_attempt.missing == 1
    assert result.seconds_per_attempt.value == 2.0


def test_a_trial_that_was_not_judged_is_missing_not_good() -> None:
    result = only(trial("a", flagged_tool_choice=0.5), trial("b", flagged_tool_choice=0.1), trial("c"))
    flagged = result.scores["tool_choice"]
    assert flagged.value == pytest.approx(0.3)
    assert flagged.missing == 1
    assert result.scores["efficiency"].value is None
    assert result.scores["efficiency"].reason == "not judged"


def test_variants_are_in_the_order_of_their_names_with_their_jobs() -> None:
    table = trials(trial("a", version="2.0", job="z"), trial("a", version="1.0"), trial("b", version="2.0", job="y"))
    found = variant_results(table)
    assert [one.variant for one in found] == ["kilo@1.0/lab/small", "kilo@2.0/lab/small"]
    assert found[1].jobs == ("y", "z")
    assert (found[1].agent, found[1].agent_version, found[1].effort) == ("kilo", "2.0", None)


def test_datasets_are_taken_apart_and_named_with_their_version_only_where_there_are_several() -> None:
    table = trials(
        trial("a"),
        trial("a", dataset="other", dataset_version="1"),
        trial("a", dataset="other", dataset_version="2"),
        trial("a", dataset="other"),
    )
    assert list(by_dataset(table)) == ["bench", "other@1", "other@2", "other@unknown"]
    with pytest.raises(ValueError, match="several datasets"):
        variant_results(table)


def test_no_trials_are_no_variants() -> None:
    assert variant_results(trials()) == []
    assert by_dataset(trials()) == {}


rows = st.builds(
    trial,
    task=st.sampled_from("abcdefgh"),
    status=st.sampled_from(["passed", "failed", "timed_out", "agent_error", "infrastructure_error"]),
    version=st.sampled_from(["1.0", "2.0", None]),
    cost_usd=st.none() | st.floats(0, 100),
    seconds=st.none() | st.floats(0, 1000),
    input=st.none() | st.integers(0, 10**9),
    output=st.none() | st.integers(0, 10**6),
    flagged_efficiency=st.none() | st.floats(0, 1),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, max_size=30))
def test_the_order_of_the_trials_changes_nothing_and_no_number_is_nan(drawn: list[dict[str, object]]) -> None:
    table = trials(*drawn)
    found = variant_results(table)
    shuffled = table.sample(frac=1, random_state=len(drawn)) if drawn else table
    assert variant_results(shuffled) == found
    assert variant_results(table.iloc[::-1]) == found
    for one in found:
        assert all(math.isfinite(number) for number in all_numbers(one))
        rate = one.pass_rate
        assert rate.value is None or (rate.low or 0) <= rate.value <= (rate.high or 1)
        for estimate in (rate, one.cost_per_attempt_usd, one.cost_to_complete_usd):
            assert estimate.value is not None or estimate.reason
