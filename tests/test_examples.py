"""The example jobs are real Harbor jobs, and can be made again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from harbor.models.job.config import JobConfig
from harbor.models.job.lock import JobLock, TrialLock
from harbor.models.job.result import JobResult
from harbor.models.trajectories import Trajectory
from harbor.models.trial.config import TrialConfig
from harbor.models.trial.result import TrialResult

EXAMPLES = Path(__file__).parents[1] / "examples"
JOBS = EXAMPLES / "jobs"
TASKS = sorted(path.parent.name for path in (EXAMPLES / "coding-basics").glob("*/task.toml"))
MODELS = {
    "*/config.json": JobConfig,
    "*/result.json": JobResult,
    "*/lock.json": JobLock,
    "*/*/config.json": TrialConfig,
    "*/*/result.json": TrialResult,
    "*/*/lock.json": TrialLock,
    "*/*/agent/trajectory.json": Trajectory,
}


def results(jobs: Path = JOBS) -> dict[Path, TrialResult]:
    return {path.parent: TrialResult.model_validate_json(path.read_text()) for path in jobs.glob("*/*/result.json")}


def trajectory(trial: Path) -> Trajectory:
    return Trajectory.model_validate_json((trial / "agent/trajectory.json").read_text())


def without_times(trial: Path) -> list[dict[str, object]]:
    return [step.model_dump(exclude={"timestamp"}) for step in trajectory(trial).steps]


def passed(result: TrialResult) -> bool:
    return result.verifier_result is not None and (result.verifier_result.rewards or {}).get("reward") == 1


def variant(result: TrialResult) -> tuple[str, str | None]:
    return result.agent_info.version, result.config.agent.model_name


@pytest.mark.parametrize("pattern", MODELS)
def test_every_file_loads_with_harbors_own_model(pattern: str):
    paths = list(JOBS.glob(pattern))
    assert len(paths) == (72 if pattern.startswith("*/*/") else 2)
    for path in paths:
        MODELS[pattern].model_validate_json(path.read_text())


def test_two_models_and_two_versions_met_six_tasks_three_times_each():
    cells = Counter((variant(result), result.task_name) for result in results().values())
    assert set(cells.values()) == {3}
    assert {task for _, task in cells} == {f"kilobench-examples/{task}" for task in TASKS}
    assert {version for (version, _), _ in cells} == {"1.0.0", "1.1.0"}
    assert len(cells) == 2 * 2 * 6


def test_there_are_passes_and_failures_one_time_out_and_one_crash():
    passes = Counter(variant(result) for result in results().values() if passed(result))
    assert all(0.5 < passes[each] / 18 < 0.9 for each in passes)
    assert len(set(passes.values())) == 4
    exceptions = [result.exception_info for result in results().values() if result.exception_info]
    assert sorted(each.exception_type for each in exceptions) == ["AgentTimeoutError", "ApiOverloadedError"]


def test_the_readme_gives_the_pass_counts_of_the_jobs():
    counts = Counter(variant(result) for result in results().values() if passed(result))
    stated = re.findall(
        r"^\| ([\d.]+) \| (\S+/\S+) \| (\d+) of 18 \|$", (EXAMPLES / "README.md").read_text(), re.MULTILINE
    )
    assert {(version, model): int(count) for version, model, count in stated} == counts


def test_the_new_version_is_better_overall_and_worse_at_one_task():
    better, worse = Counter[str](), Counter[str]()
    for result in results().values():
        (better if result.agent_info.version == "1.1.0" else worse)[result.task_name] += passed(result)
    assert better.total() > worse.total()
    lost = {task: worse[task] - better[task] for task in worse if worse[task] - better[task] > 1}
    assert lost == {"kilobench-examples/rename-function": 4}


def test_totals_are_the_sums_of_the_steps_and_only_one_model_records_costs():
    for trial, result in results().items():
        run = trajectory(trial)
        metrics = [step.metrics for step in run.steps if step.metrics]
        totals, recorded = run.final_metrics, result.agent_result
        assert totals is not None
        assert recorded is not None
        assert totals.total_prompt_tokens == sum(each.prompt_tokens or 0 for each in metrics) > 0
        assert totals.total_completion_tokens == sum(each.completion_tokens or 0 for each in metrics) > 0
        assert totals.total_cached_tokens == sum(each.cached_tokens or 0 for each in metrics) > 0
        assert (recorded.n_input_tokens, recorded.n_cache_tokens, recorded.n_output_tokens) == (
            totals.total_prompt_tokens,
            totals.total_cached_tokens,
            totals.total_completion_tokens,
        )
        assert recorded.cost_usd == totals.total_cost_usd
        costs = [each.cost_usd for each in metrics]
        if variant(result)[1] == "openai/gpt-5-mini":
            assert set(costs) == {None}
            assert totals.total_cost_usd is None
        else:
            assert totals.total_cost_usd == pytest.approx(sum(cost or 0 for cost in costs))


def test_every_tool_call_was_answered_but_the_one_that_never_ended():
    unanswered = [
        (result.exception_info and result.exception_info.exception_type, call.arguments)
        for trial, result in results().items()
        for step in trajectory(trial).steps
        for call in step.tool_calls or []
        if call.tool_call_id
        not in {answer.source_call_id for answer in (step.observation.results if step.observation else [])}
    ]
    assert unanswered == [("AgentTimeoutError", {"command": "tail -n 3 -f service.log"})]


def test_steps_follow_each_other_within_the_agents_time():
    for trial, result in results().items():
        stamps = [datetime.fromisoformat(step.timestamp or "") for step in trajectory(trial).steps]
        assert stamps == sorted(stamps)
        assert result.agent_execution is not None
        assert result.agent_execution.finished_at is not None
        assert stamps[-1] <= result.agent_execution.finished_at


def test_the_folder_stays_small():
    assert sum(path.stat().st_size for path in JOBS.rglob("*") if path.is_file()) < 1_000_000


def test_no_file_names_a_path_of_the_machine_that_made_it():
    # All absolute paths of the jobs: those inside a task, and the neutral place of the jobs themselves.
    neutral = re.compile(r"/(?:app|tests|logs|examples)(?:/|$)")
    for path in JOBS.rglob("*"):
        if path.is_file():
            text = path.read_text().replace("file://", "")
            found = re.findall(r"(?<![\w.>/})~-])/[A-Za-z][\w.-]*(?:/[\w.-]+)+", text)
            assert [each for each in found if not neutral.match(each)] == [], path


def run(arguments: list[str | Path], folder: Path) -> str:
    """Runs a program of ours or of Harbor's in a folder of its own and returns what it printed."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(EXAMPLES),
        "HARBOR_TELEMETRY": "off",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "HOME": str(folder),
    }
    done = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_jobs_can_be_made_again(tmp_path: Path):
    wanted = {
        "--tasks": "write-regex",
        "--models": "openai/gpt-5-mini",
        "--versions": "1.1.0",
        "--attempts": "1",
    }
    options = [part for pair in wanted.items() for part in pair]
    printed = run([sys.executable, EXAMPLES / "make_jobs.py", *options, "--out", tmp_path / "jobs"], tmp_path)
    assert "scripted-agent-1.1.0: openai/gpt-5-mini 1 of 1" in printed
    ((trial, result),) = results(tmp_path / "jobs").items()
    assert passed(result)
    assert without_times(trial) in [
        without_times(other) for other, each in results().items() if variant(each) == variant(result)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("agent", "reward"), [("oracle", 1), ("nop", 0)])
def test_each_task_can_be_solved_and_is_not_solved_by_doing_nothing(agent: str, reward: int, tmp_path: Path):
    harbor = Path(sys.executable).with_name("harbor")
    dataset = EXAMPLES / "coding-basics"
    local = "local_environment:LocalEnvironment"
    run([harbor, "run", "-p", dataset, "-a", agent, "-e", local, "-o", tmp_path, "-y", "-q"], tmp_path)
    rewards = {
        path.parent.name.split("__")[0]: TrialResult.model_validate_json(path.read_text()).verifier_result
        for path in tmp_path.glob("*/*__*/result.json")
    }
    assert sorted(rewards) == TASKS
    assert {task: each and (each.rewards or {})["reward"] for task, each in rewards.items()} == dict.fromkeys(
        TASKS, reward
    )
