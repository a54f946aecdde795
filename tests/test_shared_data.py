"""The real runs beside a developer's checkout: every trial is read or named, and nothing unknown is 0."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from adapter.harbor import read_trial
from adapter.jobs import find_jobs
from adapter.trial import Service, Status, Trial
from judges.rules import judge
from judges.verdict import check_evidence
from pipelines.cost import price_trial, trial_tokens


def read(folder: Path) -> list[Trial]:
    return [read_trial(job, path) for job in find_jobs([folder]) for path in job.trials]


def test_every_trial_of_a_real_benchmark_run_is_read(shared_data: Path) -> None:
    trials = read(shared_data / "codetracer")
    assert Counter(trial.status for trial in trials) == {
        Status.PASSED: 4,
        Status.FAILED: 78,
        Status.TIMED_OUT: 6,
        Status.INFRASTRUCTURE_ERROR: 1,
    }
    assert sum(len(trial.steps) for trial in trials) == 3434
    assert sum(trial.atif_version is None for trial in trials) == 8
    assert {trial.variant.name for trial in trials} == {
        "claude-code@2.1.89/moonshot/kimi-k2.5",
        "claude-code@2.1.90/moonshot/kimi-k2.5",
    }


def test_its_tool_calls_and_results_are_all_there(shared_data: Path) -> None:
    for trial in read(shared_data / "codetracer"):
        path = shared_data / "codetracer" / trial.trial / "agent" / "trajectory.json"
        if not path.exists():
            continue
        steps = json.loads(path.read_text())["steps"]
        results = sum(len(step["observation"]["results"]) for step in steps if step.get("observation"))
        calls = [call for step in trial.steps for call in step.tool_calls]
        assert len(calls) == sum(len(step.get("tool_calls") or []) for step in steps)
        assert (
            sum(call.output is not None for call in calls) + sum(len(step.observations) for step in trial.steps)
            == results
        )


def test_no_cost_of_it_is_zero_and_its_tokens_are_the_runs_own(shared_data: Path) -> None:
    for trial in read(shared_data / "codetracer"):
        cost = price_trial(trial)
        assert cost.usd is None or cost.usd > 0
        assert all(step.usd is None or step.usd > 0 for step in cost.steps)
        result = json.loads((shared_data / "codetracer" / trial.trial / "result.json").read_text())
        tokens = trial_tokens(trial)
        if tokens is not None:
            assert tokens.prompt == result["agent_result"]["n_input_tokens"]
            assert tokens.output == result["agent_result"]["n_output_tokens"]


def test_every_quote_of_the_rules_stands_in_its_step(shared_data: Path) -> None:
    verdicts = 0
    for trial in read(shared_data / "codetracer"):
        for verdict in judge(trial):
            verdicts += 1
            assert check_evidence(trial, verdict) == []
    assert verdicts


# Job, and what its trials come to: (status, agent steps, recorded cost).
JOBS: list[tuple[str, set[tuple[str, int, float | None]]]] = [
    ("kilo-ok", {("passed", 2, 0.0017)}),
    ("kilo-2models", {("passed", 2, 0.0017)}),
    ("kilo-crash", {("passed", 2, 0.0017)}),
    ("kilo-timeout", {("timed_out", 0, None)}),
    ("kilo-multistep", {("passed", 4, 0.0034)}),
    ("interrupted", {("timed_out", 0, None), ("cancelled", 0, None)}),
    ("final-nop", {("failed", 0, None)}),
    ("final-oracle", {("passed", 0, None)}),
]


@pytest.mark.parametrize(("name", "expected"), JOBS)
def test_each_small_job_is_read_as_what_it_is(
    shared_data: Path, name: str, expected: set[tuple[str, int, float | None]]
) -> None:
    trials = read(shared_data / "harbor-jobs" / name)
    found = {
        (
            trial.status.value,
            len(trial.agent_steps),
            None if (cost := price_trial(trial).usd) is None else round(cost, 9),
        )
        for trial in trials
    }
    assert found <= expected
    assert found


def test_a_regrade_has_no_cost_of_its_own(shared_data: Path) -> None:
    (trial,) = read(shared_data / "harbor-jobs" / "regraded")
    assert (trial.status, trial.reward) == (Status.PASSED, 1.0)
    assert trial.source_trial_id is not None
    assert price_trial(trial).usd is None
    assert "regrade" in {finding.code for finding in trial.findings}


# A folder of bare trajectories, its steps, how many of its runs are whole, and a finding for a trap that it holds.
ARCHIVES = [
    ("harbor_golden/openhands", 10, 2, "model_unknown"),
    ("harbor_golden/terminus_2", 46, 3, "subagent_missing"),
    ("inspect_scout", 23, 2, "no_timestamp"),
    ("nemo_relay", 13, 2, "message_is_object"),
]


@pytest.mark.parametrize(("name", "steps", "whole", "finding"), ARCHIVES)
def test_an_archive_of_trajectories_is_read_and_its_traps_are_named(
    shared_data: Path, name: str, steps: int, whole: int, finding: str
) -> None:
    trials = read(shared_data / "atif" / name)
    assert {trial.status for trial in trials} == {Status.UNGRADED}
    assert sum(trial.is_whole for trial in trials) == whole
    assert sum(len(trial.steps) for trial in trials) == steps
    assert finding in {one.code for trial in trials for one in trial.findings}


def test_what_a_summarising_agent_spent_counts_once(shared_data: Path) -> None:
    """Three sub-agents in files of their own; their steps and the agent's come to the run's own total."""
    trials = {trial.trial: trial for trial in read(shared_data / "atif" / "harbor_golden" / "terminus_2")}
    trial = trials["hello-world-context-summarization.trajectory.json"]
    costs = [step.recorded_cost_usd for step in trial.agent_steps if step.recorded_cost_usd is not None]
    assert sum(costs) == pytest.approx(trial.recorded_cost_usd)
    assert len({step.subagent for step in trial.steps} - {""}) == 3
    assert {step.parent for step in trial.steps if step.subagent} == {5}


def test_what_claude_code_says_of_its_tools_and_calls_is_read(shared_data: Path) -> None:
    steps = [step for trial in read(shared_data / "codetracer") for step in trial.steps]
    timed = Counter(call.name for step in steps for call in step.tool_calls if call.seconds is not None)
    assert timed == {"WebSearch": 31, "Glob": 10, "Agent": 1}
    assert {step.service for step in steps} == {None, Service("standard", "standard")}


def test_each_source_of_a_small_job_says_the_same(shared_data: Path) -> None:
    for trial in read(shared_data / "harbor-jobs" / "kilo-multistep"):
        assert [(one.source, one.provenance.value) for one in trial.totals] == [
            ("trajectory", "recorded"),
            ("harbor", "recorded"),
        ]
        assert [one.usd for one in trial.totals] == [pytest.approx(0.0034)] * 2
