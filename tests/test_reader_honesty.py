"""What a trial says of itself is not taken for more than it is: totals, ids, grades, names."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, codes, read_one, trajectory, user_step

from adapter.errors import BadInputError
from adapter.jobs import find_jobs, read_job
from adapter.opik_rows import rows
from adapter.trial import Provenance, Status, Trial
from pipelines.cost import price_trial

KEY = "sk-" + "ant-api03-" + "a1B2" * 10


def write(folder: Path, name: str, value: Any) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


def of_agent(tmp_path: Path, agent: str, steps: list[dict[str, Any]], version: str = "1.0", **fields: Any) -> Trial:
    job = JobBuilder(tmp_path)
    file = trajectory(steps, agent={"name": agent, "version": version}, **fields)
    return read_one(job, job.trial(agent=agent, version=version, raw_trajectory=file))


def total(prompt: int, output: int, cost: float | None = None, **more: Any) -> dict[str, Any]:
    return {"total_prompt_tokens": prompt, "total_completion_tokens": output, "total_cost_usd": cost} | more


def test_a_count_that_only_some_steps_write_is_0_on_the_others(tmp_path: Path) -> None:
    first, second = agent_step("a", tokens=(1000, 50, 300)), agent_step("b", tokens=(1000, 50, None))
    first["metrics"]["extra"] = {"cache_write_tokens": 30, "reasoning_tokens": 20}
    trial = of_agent(tmp_path, "opencode", [first, second])
    assert [
        (step.tokens.cache_read, step.tokens.cache_write, step.tokens.reasoning) for step in trial.steps if step.tokens
    ] == [(300, 30, 20), (0, 0, 0)]


# The agent, its version, and the output of a call of 52 completion and 32 reasoning tokens; None where it is a guess.
REASONING = [
    ("kilo", "7.7.9", 84, None),
    ("kilo", "7.0.33", 52, None),
    ("kilo", "7.3.0", 52, "reasoning_undecided"),
    ("kilo", "unknown", 52, "reasoning_undecided"),
    ("opencode", "1.3.15", 52, None),
    ("opencode", "1.3.16", 84, None),
    ("opencode", "unknown", 52, "reasoning_undecided"),
    ("mimo", "1.3.16", 52, "reasoning_undecided"),
    ("codex", "1.0", 52, None),
]


@pytest.mark.parametrize(("agent", "version", "output", "finding"), REASONING)
def test_whether_reasoning_stands_beside_the_output_depends_on_the_version(
    tmp_path: Path, agent: str, version: str, output: int, finding: str | None
) -> None:
    step = agent_step("a", tokens=(100, 52, 0))
    step["metrics"]["extra"] = {"reasoning_tokens": 32}
    trial = of_agent(tmp_path, agent, [step], version)
    assert trial.steps[0].tokens is not None
    assert trial.steps[0].tokens.output == output
    assert (finding is None) == ("reasoning_undecided" not in codes(trial))


def test_metrics_of_a_step_that_is_not_the_agents_are_named_and_the_sum_is_not_the_runs(tmp_path: Path) -> None:
    compaction = agent_step("compacted", cost=0.5) | {"source": "system"}
    trial = of_agent(tmp_path, "toy", [agent_step("a", cost=0.1), compaction])
    assert "metrics_of_others" in codes(trial)
    assert not trial.is_whole
    assert price_trial(trial).provenance is not Provenance.RECORDED


def test_a_step_that_says_it_made_no_call_and_has_metrics_made_one(tmp_path: Path) -> None:
    trial = of_agent(tmp_path, "toy", [agent_step("a", cost=0.1, llm_call_count=0)])
    assert [step.call for step in trial.steps] == [1]


def test_a_total_that_sums_only_the_steps_with_a_cost_is_not_the_runs(tmp_path: Path) -> None:
    steps = [agent_step("a", cost=0.003), agent_step("b", tokens=(900_000, 500, 0))]
    trial = of_agent(tmp_path, "opencode", steps, final_metrics=total(901_000, 550, 0.003))
    assert trial.recorded_cost_usd is None
    assert "total_leaves_out_steps" in codes(trial)


# Who computed a run's total cost.
TOTAL_COSTS: list[tuple[str, dict[str, Any], Provenance]] = [
    ("toy", {}, Provenance.RECORDED),
    ("codex", {}, Provenance.PRICED),
    ("terminus-2", {}, Provenance.PRICED),
    ("claude-code", {"extra": {"cost_source": "litellm_estimate"}}, Provenance.PRICED),
]


@pytest.mark.parametrize(("agent", "more", "expected"), TOTAL_COSTS)
def test_a_total_that_harbor_computed_is_no_bill(
    tmp_path: Path, agent: str, more: dict[str, Any], expected: Provenance
) -> None:
    trial = of_agent(tmp_path, agent, [agent_step("a", cost=0.5)], final_metrics=total(1000, 50, 0.5, **more))
    assert trial.recorded_cost_provenance is expected
    assert price_trial(trial).provenance is expected


def test_tokens_that_differ_from_the_runs_own_total_are_named(tmp_path: Path) -> None:
    trial = of_agent(tmp_path, "toy", [agent_step("a")], final_metrics=total(2000, 80))
    assert "tokens_differ_from_total" in codes(trial)


def test_calls_without_counts_among_calls_with_them_are_named(tmp_path: Path) -> None:
    steps = [agent_step("a", at="2026-03-01T10:01:00Z"), agent_step("b", tokens=None, at="2026-03-01T10:02:00Z")]
    (found,) = (one for one in of_agent(tmp_path, "toy", steps).findings if one.code == "calls_without_tokens")
    assert found.step == 2
    assert found.message.startswith("1 of 2 LLM calls")


def test_a_key_that_stands_on_every_step_is_the_runs_and_no_calls(tmp_path: Path) -> None:
    steps = [agent_step(name, extra={"request_id": "run"}, at=f"2026-03-01T10:0{name}:00Z") for name in "1234"]
    assert [step.call for step in of_agent(tmp_path, "toy", steps).steps] == [1, 2, 3, 4]


def test_a_sub_agent_that_a_resumed_session_repeats_counts_once(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    child = trajectory([agent_step("child", cost=0.2)], trajectory_id="c")
    starting = agent_step("start", ("task", {}, None), cost=0.1)
    starting["observation"] = {
        "results": [{"source_call_id": "call_0", "content": "x", "subagent_trajectory_ref": [{"trajectory_id": "c"}]}]
    }
    folder = job.trial(steps=[], step_results=[{"step_name": name} for name in ("one", "two")])
    for name, more in (("one", []), ("two", [agent_step("more", cost=0.1)])):
        steps = [user_step(), starting, *more]
        job.segment(folder.name, name, trajectory(steps, subagent_trajectories=[child]))
    trial = read_one(job, folder)
    spent = [step.recorded_cost_usd for step in trial.steps if step.recorded_cost_usd is not None]
    assert sum(spent) == pytest.approx(0.4)


def test_a_session_total_holds_what_came_before_also_where_the_last_step_was_unfinished(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    folder = job.trial(steps=[], step_results=[{"step_name": name} for name in ("one", "two")])
    begun, done = agent_step("b", tokens=None), agent_step("b and its end", cost=0.1)
    job.segment(folder.name, "one", trajectory([agent_step("a", cost=0.1), begun], final_metrics=total(1, 1, 0.1)))
    job.segment(folder.name, "two", trajectory([agent_step("a", cost=0.1), done], final_metrics=total(2, 2, 0.2)))
    assert read_one(job, folder).recorded_cost_usd == 0.2


@pytest.mark.parametrize("source", [{"trial_id": "x"}, {"action": "regrade", "type": "local", "path": "/jobs/a/t__1"}])
def test_a_regrade_is_one_also_where_it_does_not_name_its_source(tmp_path: Path, source: dict[str, str]) -> None:
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial(config={"source_trial": source, "agent": {"name": "toy"}}))
    assert trial.source_trial_id is not None
    assert price_trial(trial).usd is None
    assert "regrade" in codes(trial)


# What Harbor recorded of the phases, and whose failure an exception that nobody knows is.
PHASES: list[tuple[dict[str, Any], Status]] = [
    ({"agent_execution": None}, Status.INFRASTRUCTURE_ERROR),
    ({"verifier": {"started_at": "2026-03-01T10:04:00Z"}}, Status.INFRASTRUCTURE_ERROR),
    ({}, Status.AGENT_ERROR),
]


@pytest.mark.parametrize(("phases", "expected"), PHASES)
def test_a_failure_before_the_agent_began_or_after_it_ended_is_not_the_agents(
    tmp_path: Path, phases: dict[str, Any], expected: Status
) -> None:
    job = JobBuilder(tmp_path)
    folder = job.trial(steps=[], reward=None, exception="RuntimeError", **phases)
    result = json.loads((folder / "result.json").read_text())
    if "verifier" in phases:
        result["verifier"] = phases["verifier"]
        (folder / "result.json").write_text(json.dumps(result))
    assert read_one(job, folder).status is expected


@pytest.mark.parametrize("info", ["it broke", {"exception_message": "it broke"}, {"message": "it broke"}])
def test_an_exception_without_a_type_is_one(tmp_path: Path, info: Any) -> None:
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial(reward=0.0, exception_info=info))
    assert trial.exception is not None
    assert (trial.status, trial.exception.message) == (Status.AGENT_ERROR, "it broke")
    assert "exception_unnamed" in codes(trial)


@pytest.mark.parametrize(("value", "reward"), [("1.0", 1.0), (True, 1.0), (False, 0.0), ("good", None)])
def test_a_reward_is_read_also_where_it_is_no_number(tmp_path: Path, value: Any, reward: float | None) -> None:
    job = JobBuilder(tmp_path)
    assert read_one(job, job.trial(verifier_result={"rewards": {"reward": value}})).reward == reward


def test_a_free_models_steps_may_cost_more_than_its_total_of_0(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    steps = [agent_step("a", cost=0.01)]
    trial = read_one(job, job.trial(steps=steps, model="ollama/llama3", agent_result={"cost_usd": 0.0}))
    assert "step_costs_above_total" in codes(trial)


def test_no_name_of_a_folder_carries_a_secret_out(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    named = [job.trial(f"{KEY}__{number}") for number in (1, 2)]
    stepped = job.trial("t__1", steps=[], step_results=[{"step_name": KEY}])
    job.segment("t__1", KEY, trajectory([agent_step("x")]))
    (found,) = find_jobs([job.path])
    trials = [read_one(found, folder) for folder in (*named, stepped)]
    assert len({trial.name for trial in trials}) == 3
    for trial in trials:
        assert KEY not in str(trial)
        assert all(KEY not in str(row) for row in rows(trial, price_trial(trial)))
        assert "redacted" in codes(trial)


def test_trajectories_that_are_not_read_are_named(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    beside, artifacts = job.trial("a__1"), job.trial("b__1", steps=[])
    write(beside, "agent/trajectory.cont-1.json", trajectory([agent_step("unreferred")]))
    for name in ("x", "y"):
        write(artifacts, f"artifacts/{name}/trajectory.json", trajectory([agent_step(name)]))
    for folder in (beside, artifacts):
        assert "trajectories_left_out" in codes(read_one(job, folder))


def test_a_trial_may_lack_all_but_its_artifacts_and_its_grade(tmp_path: Path) -> None:
    for name, reward in (("a__1", "1"), ("b__1", "0")):
        write(tmp_path, f"job/{name}/artifacts/trajectory.json", trajectory([agent_step("x")]))
        write(tmp_path, f"job/{name}/artifacts/config.json", {})
        write(tmp_path, f"job/{name}/verifier/reward.txt", reward)
    (job,) = find_jobs([tmp_path / "job"])
    assert [read_one(job, folder).status for folder in job.trials] == [Status.PASSED, Status.FAILED]


def test_jobs_are_found_some_levels_down_and_what_is_beside_them_is_named(tmp_path: Path) -> None:
    JobBuilder(tmp_path / "week1" / "monday", "first").trial()
    job = JobBuilder(tmp_path / "week2", "second")
    job.trial()
    (job.path / "plots").mkdir()
    (job.path / "linked__1").symlink_to(tmp_path / "week1" / "monday" / "first" / "task-a__1")
    found = find_jobs([tmp_path])
    assert [one.path.parent.name for one in found] == ["monday", "week2"]
    assert [name for one in found for name, _ in one.left_out] == ["plots", "linked__1"]


def test_jobs_without_ids_and_of_one_name_are_told_apart_by_their_trials(tmp_path: Path) -> None:
    for place in ("s1", "s2"):
        job = JobBuilder(tmp_path / place, "run", id="run")
        folder = job.trial(f"t__{place}", id="1")
        for path in (folder / "result.json", folder / "config.json"):
            value = json.loads(path.read_text())
            value.pop("job_id", None)
            value.get("config", {}).pop("job_id", None)
            path.write_text(json.dumps(value))
    one, other = find_jobs([tmp_path / "s1" / "run", tmp_path / "s2" / "run"])
    assert one.id != other.id
    assert read_job(tmp_path / "s1" / "run").id == one.id
    trials = [read_one(job, job.trials[0]) for job in (one, other)]
    assert trials[0].trial_id != trials[1].trial_id


def test_a_trial_among_jobs_and_a_job_among_trials_hide_nothing(tmp_path: Path) -> None:
    first, second = JobBuilder(tmp_path, "one"), JobBuilder(tmp_path, "two")
    first.trial()
    second.trial()
    write(tmp_path, "stray__1/agent/trajectory.json", trajectory([agent_step("x")]))
    found = find_jobs([tmp_path])
    assert [(job.name, len(job.trials)) for job in found] == [("one", 1), ("stray__1", 0), ("two", 1)]
    assert "a trial in no job" in found[1].findings[0].message


def test_the_only_dataset_is_that_of_trials_that_name_none(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"datasets": [{"name": "one"}]}, "one"),
        ({"datasets": [{"name": "one", "version": "1"}, {"name": "two"}]}, "adhoc"),
        ({"datasets": [{"name": "one"}], "tasks": [{"path": "x"}]}, "adhoc"),
    ]
    for number, (config, expected) in enumerate(cases):
        job = JobBuilder(tmp_path, f"job{number}")
        write(job.path, "config.json", config)
        folder = job.trial(source=None)
        result = json.loads((folder / "result.json").read_text())
        result["config"]["task"]["source"] = None
        (folder / "result.json").write_text(json.dumps(result))
        assert read_one(job, folder).dataset == expected


def test_a_place_that_holds_nothing_readable_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c" / "d").mkdir(parents=True)
    with pytest.raises(BadInputError, match="is no Harbor job"):
        find_jobs([tmp_path])


# Settings' names, and whether they make another variant.
NAMES = [
    ("thinking_token_budget", True),
    ("monkey_patch", True),
    ("max_tokens", True),
    ("keyboard", True),
    ("api_key", False),
    ("apiKey", False),
    ("api_key_env", False),
    ("AWS_ACCESS_KEY_ID", False),
    ("GITHUB_TOKEN", False),
    ("CLIENT_SECRET_FILE", False),
    ("baseURL", False),
    ("OPENAI_API_BASE", False),
]


@pytest.mark.parametrize(("name", "is_setting"), NAMES)
def test_only_names_of_keys_and_addresses_are_left_out_of_a_variant(
    tmp_path: Path, name: str, is_setting: bool
) -> None:
    job = JobBuilder(tmp_path)
    assert (read_one(job, job.trial(kwargs={name: "v"})).variant.digest is not None) == is_setting


def test_shares_of_a_total_that_is_not_there_are_no_cost(tmp_path: Path) -> None:
    steps = [agent_step("a", cost=0.1), agent_step("b", cost=0.1)]
    job, file = JobBuilder(tmp_path), trajectory(steps, agent={"name": "mini-swe-agent", "version": "1.0"})
    trial = read_one(job, job.trial(agent="mini-swe-agent", model="nobody/knows", raw_trajectory=file))
    assert price_trial(trial).usd is None
    assert {one.provenance for one in price_trial(trial).steps} == {Provenance.UNKNOWN}


def test_the_result_of_a_call_in_a_step_that_says_something_is_no_call(tmp_path: Path) -> None:
    call = agent_step("run", ("sh", {}, None), at="2026-03-01T10:01:00Z")
    result = agent_step("Tool result", tokens=None, at="2026-03-01T10:02:00Z", extra={"tool_call_id": "call_0"})
    result["observation"] = {"results": [{"content": "out"}]}
    trial = of_agent(tmp_path, "someone", [user_step(), call, result])
    assert [step.call for step in trial.steps] == [None, 1, None]
    assert trial.steps[1].tool_calls[0].output == "out"


def test_steps_that_stand_for_several_calls_are_named(tmp_path: Path) -> None:
    trial = of_agent(tmp_path, "pi", [user_step(), agent_step("a", llm_call_count=3)])
    (found,) = (one for one in trial.findings if one.code == "steps_of_several_calls")
    assert (found.step, "3 LLM calls" in found.message) == (2, True)


def test_a_step_that_is_only_a_text_keeps_it(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    file = {"schema_version": "ATIF-v1.7", "agent": {"name": "toy"}, "steps": ["just a text"]}
    trial = read_one(job, job.trial(raw_trajectory=file))
    assert [step.message for step in trial.steps] == ["just a text"]


def test_findings_name_the_right_one_of_steps_that_share_a_number(tmp_path: Path) -> None:
    steps = [user_step(), agent_step("a", tokens=(0, 0, 0)), agent_step("b")]
    file = trajectory(steps)
    for step in file["steps"]:
        step["step_id"] = 1
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial(raw_trajectory=file))
    assert [one.step for one in trial.findings if one.code == "zero_tokens"] == [2]


def test_two_folders_whose_names_are_no_text_are_two_trials(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    folder = job.trial()
    for byte in (b"\xff", b"\xfe"):
        copied = Path(f"{job.path}/a".encode().decode() + byte.decode("utf-8", "surrogateescape"))
        write(copied, "agent/trajectory.json", trajectory([agent_step("x")]))
        result = json.loads((folder / "result.json").read_text())
        write(copied, "result.json", result | {"id": str(uuid.uuid5(uuid.NAMESPACE_URL, repr(byte)))})
    (found,) = find_jobs([job.path])
    names = {read_one(found, path).name for path in found.trials}
    assert len(names) == len(found.trials)


def test_what_is_beside_the_trials_is_named_in_the_output(tmp_path: Path, kilobench: Any) -> None:
    job = JobBuilder(tmp_path)
    job.trial()
    (job.path / "plots").mkdir()
    result = kilobench("inspect", str(job.path), "--json")
    assert result.code == 0
    assert json.loads(result.out)["skipped"] == [
        {"path": "job/plots", "reason": "no trial: it holds none of a trial's files"}
    ]
