"""Harbor's folders become trial records; what is wrong with them is named, and nothing unknown becomes a number."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, trajectory, user_step
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.errors import BadInputError, UnreadableError
from adapter.harbor import find_jobs, read_job, read_trial
from adapter.trial import Source, Status, Tokens, Trial


def read_one(job: JobBuilder, folder: Path) -> Trial:
    return read_trial(read_job(job.path), folder)


def codes(trial: Trial) -> set[str]:
    return {finding.code for finding in trial.findings}


def test_an_ordinary_trial_is_read_whole(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial("task-a__1", kwargs={"reasoning_effort": "high"}))

    assert trial.name == "job/task-a__1"
    assert (trial.task, trial.dataset, trial.dataset_version) == ("task-a", "set", "2.0")
    assert trial.variant.name == "toy@1.0/openai/gpt-5-mini+high"
    assert (trial.status, trial.reward, trial.passed) == (Status.PASSED, 1.0, True)
    assert trial.agent_time.seconds == 300
    user, agent = trial.steps
    assert (user.source, user.message, user.call) == (Source.USER, "Do it.", None)
    assert agent.tool_calls[0].arguments == {"command": "ls"}
    assert agent.tool_calls[0].output == "a.py"
    assert agent.tokens == Tokens(input=1000, cache_read=0, output=50)
    assert agent.recorded_cost_usd == 0.01
    assert trial.findings == ()


def test_the_same_folder_gives_the_same_ids_wherever_it_lies(tmp_path: Path) -> None:
    here, there = (JobBuilder(tmp_path / place) for place in ("here", "there"))
    one, other = (read_one(job, job.trial()) for job in (here, there))
    assert (one.job_id, one.trial_id) == (other.job_id, other.trial_id)


# What a step's field holds, what the record then says, and the finding that names it.
TRAPS: list[tuple[str, dict[str, Any], dict[str, Any], str | None]] = [
    ("no metrics", {"metrics": None}, {"tokens": None, "recorded_cost_usd": None}, None),
    (
        "a cost of 0 for tokens used",
        {"metrics": {"prompt_tokens": 10, "completion_tokens": 1, "cost_usd": 0.0}},
        {"recorded_cost_usd": None},
        "cost_zero_with_tokens",
    ),
    (
        "a NaN cost",
        {"metrics": {"prompt_tokens": 10, "completion_tokens": 1, "cost_usd": math.nan}},
        {"recorded_cost_usd": None},
        "bad_cost",
    ),
    (
        "a cost below 0",
        {"metrics": {"prompt_tokens": 10, "completion_tokens": 1, "cost_usd": -1.0}},
        {"recorded_cost_usd": None},
        "bad_cost",
    ),
    (
        "a token count below 0",
        {"metrics": {"prompt_tokens": -5, "completion_tokens": 7}},
        {"tokens": Tokens(output=7)},
        "bad_token_count",
    ),
    (
        "all token counts 0",
        {"metrics": {"prompt_tokens": 0, "completion_tokens": 0, "cached_tokens": 0}},
        {"tokens": None},
        "zero_tokens",
    ),
    (
        "more cached than prompt tokens",
        {"metrics": {"prompt_tokens": 10, "completion_tokens": 1, "cached_tokens": 100}},
        {"tokens": Tokens(input=10, cache_read=100, output=1)},
        "cached_above_prompt",
    ),
    ("a message that is null", {"message": None}, {"message": ""}, "off_schema"),
    (
        "a message that is an object",
        {"message": {"role": "assistant", "content": "hi", "reasoning": "because"}},
        {"message": "hi", "reasoning": "because"},
        "message_is_object",
    ),
    (
        "a message in parts",
        {
            "message": [
                {"type": "text", "text": "a"},
                {"type": "image", "source": {"media_type": "image/png", "path": "x.png"}},
            ]
        },
        {"message": "a\n[image: x.png]"},
        None,
    ),
    ("a key that no schema knows", {"surprise": 1}, {"message": "said"}, "off_schema"),
    ("a source that no schema knows", {"source": "robot"}, {"source": Source.SYSTEM}, "unknown_source"),
    ("a time stamp without a zone", {"timestamp": "2026-03-01T10:00:00"}, {"message": "said"}, "naive_timestamp"),
    ("a time stamp that is none", {"timestamp": "yesterday"}, {"timestamp": None}, "no_timestamp"),
    ("carried-over context", {"is_copied_context": True}, {"is_copied": True, "tokens": None, "call": None}, None),
]


@pytest.mark.parametrize(
    ("fields", "expected", "finding"), [trap[1:] for trap in TRAPS], ids=[trap[0] for trap in TRAPS]
)
def test_a_trap_in_a_step_is_read_and_named(
    tmp_path: Path, fields: dict[str, Any], expected: dict[str, Any], finding: str | None
) -> None:
    job = JobBuilder(tmp_path)
    step = {key: value for key, value in (agent_step("said") | fields).items() if value is not None or key == "message"}
    trial = read_one(job, job.trial(raw_trajectory=trajectory([step])))

    (read,) = trial.steps
    assert {name: getattr(read, name) for name in expected} == expected
    assert finding is None or finding in codes(trial)
    assert finding is not None or codes(trial) == set()


# How an agent names tokens written to the cache, and what is then the fresh input of 1,000 prompt tokens.
WRITES = [
    ("cache_creation_input_tokens", Tokens(input=500, cache_read=300, cache_write=200, output=50)),
    ("cache_write_input_tokens", Tokens(input=500, cache_read=300, cache_write=200, output=50)),
    ("cache_write_tokens", Tokens(input=700, cache_read=300, cache_write=200, output=50)),
]


@pytest.mark.parametrize(("key", "expected"), WRITES)
def test_cache_writes_are_taken_from_the_prompt_only_where_the_agent_counts_them_there(
    tmp_path: Path, key: str, expected: Tokens
) -> None:
    job = JobBuilder(tmp_path)
    step = agent_step("x", tokens=(1000, 50, 300))
    step["metrics"]["extra"] = {key: 200}
    assert read_one(job, job.trial(steps=[step])).steps[0].tokens == expected


def test_arguments_as_text_are_parsed_and_those_that_do_not_parse_are_kept(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    steps = [agent_step("x", ("bash", '{"command": "ls"}', "ok"), ("bash", '{"command": "l', "bad"))]
    trial = read_one(job, job.trial(steps=steps))
    first, second = trial.steps[0].tool_calls
    assert (first.arguments, first.output) == ({"command": "ls"}, "ok")
    assert (second.arguments, second.output) == ('{"command": "l', "bad")
    assert {"arguments_as_text", "arguments_unparsable"} <= codes(trial)


def test_a_result_goes_to_the_call_it_names_or_to_the_only_one(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    unnamed = agent_step("one", ("a", {}, None))
    unnamed["observation"] = {"results": [{"content": "mine"}]}
    ambiguous = agent_step("two", ("a", {}, None), ("b", {}, None))
    ambiguous["observation"] = {"results": [{"content": "whose?"}]}
    one, two = read_one(job, job.trial(steps=[unnamed, ambiguous])).steps
    assert one.tool_calls[0].output == "mine"
    assert [call.output for call in two.tool_calls] == [None, None]
    assert two.observations == ("whose?",)


def test_one_call_written_as_several_steps_is_one_call(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    at, later = "2026-03-01T10:01:00Z", "2026-03-01T10:02:00Z"
    steps = [
        agent_step("text", at=at, reasoning="why"),
        agent_step("call", at=at, tokens=None, reasoning="why"),
        agent_step("late part of it", at=later, tokens=None, reasoning="why"),
        agent_step("next", at=later),
        user_step("go on"),
        agent_step("after the user", at=later, tokens=None),
    ]
    assert [step.call for step in read_one(job, job.trial(steps=steps)).steps] == [1, 1, 1, 2, None, 3]


def test_a_multi_step_trial_is_one_run_in_the_order_of_its_steps(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    folder = job.trial(
        steps=[],
        agent_execution=None,
        step_results=[
            {
                "step_name": name,
                "agent_result": {"cost_usd": 0.5},
                "agent_execution": {"started_at": start, "finished_at": end},
            }
            for name, start, end in (
                ("draft", "2026-03-01T10:00:00Z", "2026-03-01T10:01:00Z"),
                ("again", "2026-03-01T10:02:00Z", "2026-03-01T10:04:00Z"),
            )
        ],
    )
    for name in ("again", "draft"):
        path = folder / "steps" / name / "agent" / "trajectory.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(trajectory([user_step(), agent_step(name)])))
    trial = read_one(job, folder)
    assert [(step.number, step.step_id, step.segment) for step in trial.steps] == [
        (1, 1, "draft"),
        (2, 2, "draft"),
        (3, 1, "again"),
        (4, 2, "again"),
    ]
    assert [step.call for step in trial.steps] == [None, 1, None, 2]
    assert trial.recorded_cost_usd == 1.0
    assert trial.agent_time.seconds == 240


# Reward, exception, status.
ENDS = [
    (1.0, None, Status.PASSED),
    (1.0, "ApiOverloadedError", Status.PASSED),
    (0.0, None, Status.FAILED),
    (0.5, None, Status.FAILED),
    (0.0, "AgentTimeoutError", Status.TIMED_OUT),
    (None, "AgentTimeoutError", Status.TIMED_OUT),
    (0.0, "NonZeroAgentExitCodeError", Status.AGENT_ERROR),
    (0.0, "ApiRateLimitError", Status.INFRASTRUCTURE_ERROR),
    (None, "VerifierTimeoutError", Status.INFRASTRUCTURE_ERROR),
    (None, None, Status.INFRASTRUCTURE_ERROR),
    (0.0, "CancelledError", Status.CANCELLED),
    (None, "SomethingNobodyHasSeen", Status.AGENT_ERROR),
]


@pytest.mark.parametrize(("reward", "exception", "expected"), ENDS)
def test_the_status_follows_from_reward_and_exception_together(
    tmp_path: Path, reward: float | None, exception: str | None, expected: Status
) -> None:
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial(reward=reward, exception=exception))
    assert trial.status is expected
    assert (trial.passed is None) == (expected in (Status.INFRASTRUCTURE_ERROR, Status.CANCELLED))


def test_all_reward_keys_are_kept_and_reward_decides(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    many = read_one(job, job.trial(verifier_result={"rewards": {"reward": 0.0, "file_written": 1}}))
    assert (many.rewards, many.status) == ({"reward": 0.0, "file_written": 1.0}, Status.FAILED)
    lone = read_one(job, job.trial("b__1", verifier_result={"rewards": {"score": 1}}))
    assert (lone.reward, lone.status) == (1.0, Status.PASSED)


# Where the model is written, and the provider and model it gives.
MODELS = [
    ({"model": "openai/gpt-5"}, {}, ("openai", "gpt-5")),
    ({"model": "openrouter/x/y", "agent_info": {"name": "toy", "version": "1"}}, {}, ("openrouter", "x/y")),
    ({"model": None}, {"agent": {"name": "toy", "version": "1", "model_name": "gpt-5"}}, (None, "gpt-5")),
    ({"model": None}, {}, (None, None)),
]


@pytest.mark.parametrize(("result", "file", "expected"), MODELS)
def test_the_model_is_found_wherever_it_is_written(
    tmp_path: Path, result: dict[str, Any], file: dict[str, Any], expected: tuple[str | None, str | None]
) -> None:
    job = JobBuilder(tmp_path)
    folder = job.trial(raw_trajectory=trajectory([agent_step("x")], **file), **result)
    variant = read_one(job, folder).variant
    assert (variant.provider, variant.model) == expected


def test_an_unknown_agent_version_is_taken_from_the_trajectory(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    assert read_one(job, job.trial(version=None)).variant.agent_version == "1.0"


# Agent settings, and whether they make another variant.
SETTINGS = [
    ({}, False),
    ({"version": "1.0"}, False),
    ({"api_base": "http://x"}, False),
    ({"max_turns": 5}, True),
]


@pytest.mark.parametrize(("kwargs", "is_other"), SETTINGS)
def test_only_settings_of_the_agent_itself_make_another_variant(
    tmp_path: Path, kwargs: dict[str, Any], is_other: bool
) -> None:
    job = JobBuilder(tmp_path)
    assert (read_one(job, job.trial(kwargs=kwargs)).variant.digest is not None) == is_other


BROKEN_RESULTS = [
    ("", "empty"),
    ('{"id": "x", "task_na', "no JSON"),
    ("[]", "no trial result"),
    ("{" * 3, "no JSON"),
    ("[" * 100_000, "nested too deeply"),
]


@pytest.mark.parametrize(("text", "reason"), BROKEN_RESULTS)
def test_a_result_that_cannot_be_read_is_a_reason(tmp_path: Path, text: str, reason: str) -> None:
    job = JobBuilder(tmp_path)
    folder = job.trial()
    (folder / "result.json").write_text(text)
    with pytest.raises(UnreadableError, match=reason):
        read_one(job, folder)


def test_binary_garbage_and_a_missing_result_are_reasons(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    garbage, missing = job.trial("a__1"), job.trial("b__1")
    (garbage / "result.json").write_bytes(bytes(range(256)) * 10)
    (missing / "result.json").unlink()
    with pytest.raises(UnreadableError, match=r"no text|no JSON"):
        read_one(job, garbage)
    with pytest.raises(UnreadableError, match="still running or was killed"):
        read_one(job, missing)


def test_a_file_that_cannot_be_opened_is_a_reason(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    folder = job.trial()
    (folder / "result.json").unlink()
    (folder / "result.json").mkdir()
    with pytest.raises(UnreadableError, match="directory"):
        read_one(job, folder)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "\x00\x01"])
def test_a_broken_trajectory_leaves_the_trial_and_its_reward(tmp_path: Path, text: str) -> None:
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial(raw_trajectory=text))
    assert (trial.status, trial.steps) == (Status.PASSED, ())
    assert "trajectory_unreadable" in codes(trial) or "no_trajectory" in codes(trial)


@pytest.mark.parametrize("count", [0, 10_000])
def test_a_trajectory_of_any_length_is_read(tmp_path: Path, count: int) -> None:
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial(raw_trajectory=trajectory([agent_step("x") for _ in range(count)])))
    assert len(trial.steps) == count


def test_a_lone_surrogate_does_not_hide_the_rest(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    text = json.dumps(trajectory([agent_step("before \ud800 after")]))
    assert read_one(job, job.trial(raw_trajectory=text)).steps[0].message == "before ? after"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    if isinstance(value, dict):
        return [path, *(place for key, item in value.items() for place in places(item, (*path, key)))]
    if isinstance(value, list):
        return [path, *(place for index, item in enumerate(value) for place in places(item, (*path, index)))]
    return [path]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_stands_in_a_field_the_trial_is_read_or_there_is_one_reason(
    tmp_path: Path, data: st.DataObject
) -> None:
    job_folder = tmp_path / "job"
    if not job_folder.exists():
        job = JobBuilder(tmp_path)
        job.trial(steps=[user_step(), agent_step("x", ("bash", {"command": "ls"}, "out"), cost=0.1)])
    folder = job_folder / "task-a__1"
    for name in ("result.json", "agent/trajectory.json"):
        original = (folder / name).with_suffix(".original")
        if not original.exists():
            original.write_text((folder / name).read_text())
        value = json.loads(original.read_text())
        place = data.draw(st.sampled_from(places(value)))
        new = data.draw(JSON_VALUES)
        if place:
            parent = value
            for key in place[:-1]:
                parent = parent[key]
            parent[place[-1]] = new
        else:
            value = new
        (folder / name).write_text(json.dumps(value))
    try:
        trial = read_trial(read_job(job_folder), folder)
    except UnreadableError as error:
        assert str(error)  # noqa: PT017  (either outcome is right; neither may be a traceback)
        return
    for step in trial.steps:
        assert step.recorded_cost_usd is None or step.recorded_cost_usd > 0
        assert step.tokens is None or all(
            count is None or count >= 0 for count in (step.tokens.input, step.tokens.output, step.tokens.cache_read)
        )


def test_jobs_are_found_in_a_job_and_in_a_folder_of_jobs(tmp_path: Path) -> None:
    for name in ("one", "two"):
        JobBuilder(tmp_path / "jobs", name).trial()
    (tmp_path / "jobs" / "notes").mkdir()
    assert [job.name for job in find_jobs([tmp_path / "jobs"])] == ["one", "two"]
    assert [job.name for job in find_jobs([tmp_path / "jobs" / "two", tmp_path / "jobs"])] == ["two", "one"]


def test_a_link_out_of_a_job_is_not_followed(tmp_path: Path) -> None:
    job, other = JobBuilder(tmp_path, "job"), JobBuilder(tmp_path, "other")
    job.trial("a__1")
    (job.path / "b__1").symlink_to(other.trial("b__1"))
    assert [folder.name for folder in read_job(job.path).trials] == ["a__1"]


def test_a_job_without_its_own_files_keeps_its_trials(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    job.trial()
    (job.path / "result.json").write_text("{")
    read = read_job(job.path)
    assert (len(read.trials), read.is_finished) == (1, False)
    assert [finding.code for finding in read.findings] == ["file_unreadable"]


def bad_paths(tmp_path: Path) -> dict[str, Path]:
    """One of each thing that is no job."""
    empty_job = JobBuilder(tmp_path, "empty-job")
    job = JobBuilder(tmp_path, "job")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    return {
        "does not exist": tmp_path / "missing",
        "is a file": tmp_path / "file",
        "no Harbor job": tmp_path / "folder",
        "empty job": empty_job.path,
        "is a trial": job.trial(),
    }


@pytest.mark.parametrize("reason", ["does not exist", "is a file", "no Harbor job", "empty job", "is a trial"])
def test_a_path_that_is_no_job_is_refused_with_what_to_do(tmp_path: Path, reason: str) -> None:
    with pytest.raises(BadInputError, match=reason) as caught:
        find_jobs([bad_paths(tmp_path)[reason]])
    assert "folder" in caught.value.hint
