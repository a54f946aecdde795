"""A variant's result as Kilo's leaderboard publishes it."""

from __future__ import annotations

import pytest
from test_metrics import trial, trials

from views.kilo_record import KiloRecord, kilo_records

FIELDS = (
    *("bench_eval_name", "bench_eval_url", "provider", "model", "variant", "task_source", "n_total_trials"),
    *("n_attempts", "total_score", "overall_score", "n_errored", "avg_cost_usd", "total_cost_usd"),
    *("avg_input_tokens", "total_input_tokens", "avg_output_tokens", "total_output_tokens"),
    *("avg_cache_read_tokens", "total_cache_read_tokens", "avg_execution_ms"),
    *("promoted_at", "promoted_by", "note", "avgAttemptCostUsd"),
)


def only(*rows: dict[str, object]) -> KiloRecord:
    (record,) = kilo_records(trials(*rows))
    return record


def test_the_record_of_two_attempts_at_each_of_two_tasks() -> None:
    spent = {"input": 100, "cache_read": 60, "cache_write": 40, "output": 10, "seconds": 1.5, "effort": "high"}
    record = only(
        trial("a", reward=1.0, cost_usd=1.0, **spent),
        trial("a", "failed", reward=0.5, cost_usd=2.0, **spent),
        trial("b", "timed_out", cost_usd=3.0, **spent),
        trial("b", "agent_error", cost_usd=4.0, **spent, job="later"),
        trial("b", "infrastructure_error", cost_usd=100.0, **spent),
    )
    assert record.model_dump() == {
        "bench_eval_name": "bench/kilo@1.0/lab/small+high/job+later",
        "bench_eval_url": None,
        "provider": "lab",
        "model": "lab/small",
        "variant": "high",
        "task_source": "bench",
        "n_total_trials": 4,
        "n_attempts": 2,
        "total_score": 1.5,
        "overall_score": 0.375,
        "n_errored": 2,
        "avg_cost_usd": 2.5,
        "total_cost_usd": 10.0,
        "avg_input_tokens": 200.0,
        "total_input_tokens": 800,
        "avg_output_tokens": 10.0,
        "total_output_tokens": 40,
        "avg_cache_read_tokens": 60.0,
        "total_cache_read_tokens": 240,
        "avg_execution_ms": 1500.0,
        "promoted_at": None,
        "promoted_by": None,
        "note": None,
        "avgAttemptCostUsd": 5.0,
    }
    assert tuple(record.model_dump()) == FIELDS


def test_a_total_over_some_attempts_is_none_and_an_average_is_over_those_that_are_known() -> None:
    record = only(
        trial("a", cost_usd=1.0, input=10, output=5),
        trial("a", cost_usd=None, output=7),
        trial("b", cost_usd=4.0, input=30, cache_read=10),
        trial("b", cost_usd=6.0, input=20),
    )
    assert (record.avg_cost_usd, record.total_cost_usd) == (pytest.approx(11 / 3), None)
    assert (record.avg_input_tokens, record.total_input_tokens) == (pytest.approx(70 / 3), None)
    assert (record.avg_output_tokens, record.total_output_tokens) == (6.0, None)
    assert (record.avg_cache_read_tokens, record.total_cache_read_tokens) == (10.0, None)
    assert record.avg_execution_ms is None
    assert record.avg_attempt_cost_usd == 6.0  # what is known of an attempt at a, and of one at b


def test_a_task_of_which_no_cost_is_known_leaves_that_of_the_task_set_unknown() -> None:
    record = only(trial("a", cost_usd=1.0), trial("b", cost_usd=None), trial("b", cost_usd=None))
    assert (record.avg_attempt_cost_usd, record.n_attempts, record.variant) == (None, None, None)


def test_a_variant_without_any_attempt_has_no_score_and_a_regrade_is_no_trial() -> None:
    none = only(trial("a", "infrastructure_error", reward=1.0))
    assert (none.n_total_trials, none.n_attempts, none.overall_score, none.avg_cost_usd) == (0, None, None, None)
    regraded = only(trial("a", reward=1.0), trial("a", "failed", cost_usd=None, regrade_of="job/0001"))
    assert (regraded.n_total_trials, regraded.total_cost_usd) == (1, 1.0)


def test_there_is_one_record_for_each_variant_on_each_dataset() -> None:
    rows = [trial("a", dataset=dataset, model=model) for dataset in ("y", "x") for model in ("small", "big", None)]
    assert [(one.task_source, one.model) for one in kilo_records(trials(*rows))] == [
        *(("x", "lab/big"), ("x", "lab/small"), ("x", None)),
        *(("y", "lab/big"), ("y", "lab/small"), ("y", None)),
    ]
