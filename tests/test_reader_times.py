"""Recorded times of tools and LLM calls are read where the harness writes them, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, codes, read_one, trajectory, user_step
from hypothesis import given
from hypothesis import strategies as st

from adapter.durations import LONGEST, OF_CALL, OF_STEP, ran, seconds
from adapter.trial import Step, Trial

HEADER = "Exit code: 0\nWall time: 1.5 seconds\nOutput:\na.py"
UNIFIED = "Chunk ID: 3f0a91\nWall time: 2.2500 seconds\nProcess exited with code 0\nOutput:\na.py"


def read(tmp_path: Path, *steps: dict[str, Any], agent: str = "toy", **result: Any) -> Trial:
    job = JobBuilder(tmp_path)
    value = trajectory([user_step(), *steps], agent={"name": agent, "version": "1.0"})
    return read_one(job, job.trial(agent=agent, raw_trajectory=value, **result))


def calling(
    call: Any = None,
    result: Any = None,
    *,
    step: dict[str, Any] | None = None,
    tool: str = "bash",
    output: str = "a.py",
) -> dict[str, Any]:
    """A step with one tool call, and the `extra` of its call, its result and itself."""
    value = agent_step("Looking.", (tool, {"command": "ls"}, output))
    if call is not None:
        value["tool_calls"][0]["extra"] = call
    if result is not None:
        value["observation"]["results"][0]["extra"] = result
    return value | ({"extra": step} if step else {})


CLAUDE = {"tool_result_metadata": {"tool_use_result": {"filenames": ["a"], "durationMs": 4}}}
SEARCH = {"tool_result_metadata": {"tool_use_result": {"query": "a", "durationSeconds": 3}}}
CODEX = {"tool_call_details": {"call_0": {"metadata": {"exit_code": 0, "duration_seconds": 0.3}}}}
# What it shows, the agent, the step, and the seconds of its tool.
TOOLS: list[tuple[str, str, dict[str, Any], float | None]] = [
    ("beside the call", "kilo", calling({"duration_ms": 1500, "started_at": "2026-03-01T10:00:30Z"}), 1.5),
    ("beside the result", "toy", calling(None, {"duration_seconds": 2}), 2),
    ("the call's comes first", "toy", calling({"duration_ms": 1}, {"duration_ms": 5}), 0.001),
    ("a start and an end", "toy", calling({"started_at": 1772359230000, "finished_at": 1772359232500}), 2.5),
    ("an end before its start", "toy", calling({"started_at": 1772359230, "finished_at": 1772359229}), None),
    ("nothing", "toy", calling(), None),
    ("below 0", "toy", calling({"duration_ms": -5}), None),
    ("no number", "toy", calling({"duration_ms": "5"}), None),
    ("beyond belief", "toy", calling({"duration_ms": 1e15}), None),
    ("true is no number", "toy", calling({"duration_ms": True}), None),
    ("no object", "toy", calling(["duration_ms"]), None),
    ("Claude Code's account", "claude-code", calling(None, CLAUDE), 0.004),
    (
        "its search's",
        "claude-code",
        calling(None, {"tool_result_metadata": {"tool_use_result": {"durationSeconds": 3}}}),
        3,
    ),
    ("beside the step, as it was once", "claude-code", calling(step=CLAUDE), 0.004),
    ("another agent's step says nothing of tools", "toy", calling(step=CLAUDE), None),
    ("Codex's JSON", "codex", calling(step=CODEX, tool="shell"), 0.3),
    ("Codex's header", "codex", calling(tool="shell_command", output=HEADER), 1.5),
    ("its unified exec's", "codex", calling(tool="exec_command", output=UNIFIED), 2.25),
    ("a plain header", "codex", calling(tool="write_stdin", output="Wall time: 1 second\nOutput:\n"), 1),
    ("a file that looks like one", "codex", calling(tool="read_file", output=HEADER), None),
    ("a command that prints one", "codex", calling(tool="shell", output=f"hello\n{HEADER}"), None),
    ("another agent's command that does", "toy", calling(tool="shell", output=HEADER), None),
    ("a wall time beyond belief", "codex", calling(tool="shell", output="Wall time: 999999999 seconds\n"), None),
]


@pytest.mark.parametrize(("agent", "step", "took"), [row[1:] for row in TOOLS], ids=[row[0] for row in TOOLS])
def test_a_tool_s_time_is_what_the_harness_wrote(
    agent: str, step: dict[str, Any], took: float | None, tmp_path: Path
) -> None:
    (call,) = read(tmp_path, step, agent=agent).steps[1].tool_calls
    assert call.seconds == pytest.approx(took)
    assert isinstance(call.arguments, dict)
    assert call.output


def test_a_duration_that_holds_its_tools_tells_the_llm_call_s(tmp_path: Path) -> None:
    """Kilo begins to measure somewhat after its time stamp, so that its tools seem to end after the step."""
    step = calling({"duration_ms": 1500, "started_at": "2026-03-01T10:01:03Z"}, step={"duration_ms": 4000})
    for agent, expected in (("kilo", 2.5), ("toy", None)):
        (found,) = read(tmp_path / agent, step, agent=agent).agent_steps
        assert (found.time.seconds, found.model_seconds) == (4, expected)
    untimed = read(tmp_path, calling(step={"duration_ms": 4000}), agent="kilo")
    assert untimed.agent_steps[0].model_seconds is None


def test_when_a_tool_began_is_kept(tmp_path: Path) -> None:
    step = calling({"duration_ms": 1500, "started_at": "2026-03-01T10:00:30Z"})
    (call,) = read(tmp_path, step, agent="kilo").steps[1].tool_calls
    assert call.started_at == datetime(2026, 3, 1, 10, 0, 30, tzinfo=UTC)


def test_a_result_that_comes_later_gives_its_time_to_its_call(tmp_path: Path) -> None:
    asking = agent_step("Looking.", ("bash", {"command": "ls"}, None))
    late = {
        "source": "agent",
        "message": "",
        "timestamp": "2026-03-01T10:02:00Z",
        "observation": {"results": [{"source_call_id": "call_0", "content": "a", "extra": {"duration_ms": 7}}]},
    }
    trial = read(tmp_path, asking, late)
    assert trial.steps[1].tool_calls[0].seconds == pytest.approx(0.007)


@given(
    st.dictionaries(
        st.sampled_from([*OF_STEP, "durationMs", "started_at", "ended_at", "x"]),
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    )
)
def test_no_recorded_time_is_less_than_nothing_or_beyond_belief(extra: dict[str, Any]) -> None:
    for took in (ran(extra)[1], seconds(extra, OF_STEP)):
        assert took is None or 0 <= took <= LONGEST


@pytest.mark.parametrize("name", OF_CALL)
@pytest.mark.parametrize("place", ["step", "metrics"])
def test_the_time_of_an_llm_call_is_read_beside_its_step_and_its_metrics(name: str, place: str, tmp_path: Path) -> None:
    step = agent_step("Done.")
    (step if place == "step" else step["metrics"])["extra"] = {name: 1500}
    assert read(tmp_path, step).steps[1].model_seconds == pytest.approx(1500 * OF_CALL[name])


def test_the_time_of_a_call_that_became_several_steps_stands_once(tmp_path: Path) -> None:
    first, second = agent_step("I look.", reasoning="Hm."), calling()
    del second["metrics"]
    first["extra"] = second["extra"] = {"llm_latency_ms": 1500, "api_call_id": "one"}
    trial = read(tmp_path, first, second, agent="codex")
    assert [step.call for step in trial.agent_steps] == [1, 1]
    assert [step.model_seconds for step in trial.agent_steps] == [1.5, None]


def requests(*times: Any) -> dict[str, Any]:
    return {"metadata": {"n_episodes": len(times), "api_request_times_msec": list(times)}}


STEPS = [agent_step(str(minute), at=f"2026-03-01T10:0{minute}:00Z") for minute in (1, 2, 4)]
# What it shows, what Terminus kept of its requests, and the seconds of each step's call.
REQUESTS: list[tuple[str, Any, list[float | None]]] = [
    ("as many as calls", requests(1500, 2000, 100.5), [1.5, 2, 0.1005]),
    ("one more: an answer that became no step", requests(1500, 2000, 100, 5), [None] * 3),
    ("one less", requests(1500, 2000), [None] * 3),
    ("longer than its step", requests(1500, 90_000, 100), [None] * 3),
    ("no number", requests(1500, None, 100), [None] * 3),
    ("below 0", requests(1500, -1, 100), [None] * 3),
    ("no list", {"metadata": {"api_request_times_msec": 5}}, [None] * 3),
    ("nothing kept", {"metadata": None}, [None] * 3),
]


@pytest.mark.parametrize(("context", "took"), [row[1:] for row in REQUESTS], ids=[row[0] for row in REQUESTS])
def test_terminus_requests_are_its_calls_where_they_fit(
    context: dict[str, Any], took: list[float | None], tmp_path: Path
) -> None:
    trial = read(tmp_path, *STEPS, agent="terminus-2", agent_result=context)
    assert [step.model_seconds for step in trial.agent_steps] == [pytest.approx(one) for one in took]


def test_what_became_no_step_is_told(tmp_path: Path) -> None:
    context = requests(1500, 2000, 100, 5)
    context["metadata"]["summarization_count"] = 2
    trial = read(tmp_path, *STEPS, agent="terminus-2", agent_result=context)
    told = {one.code: one.message for one in trial.findings}
    assert told["requests_without_step"] == "1 of 4 requests that were answered became no step."
    assert "2 times" in told["context_summarised"]
    quiet = read(tmp_path / "b", *STEPS, agent="terminus-2", agent_result=requests(1, 2, 3))
    assert not {"requests_without_step", "context_summarised"} & codes(quiet)


def test_requests_of_summaries_are_counted_where_they_were_made(tmp_path: Path) -> None:
    below = trajectory([user_step(), agent_step("Summary.", at="2026-03-01T10:01:30Z")], trajectory_id="sub")
    handoff = {
        "source": "system",
        "message": "Performed context summarization.",
        "timestamp": "2026-03-01T10:01:40Z",
        "observation": {"results": [{"subagent_trajectory_ref": [{"trajectory_id": "sub"}]}]},
    }
    job = JobBuilder(tmp_path)
    value = trajectory(
        [user_step(), STEPS[0], handoff, STEPS[1]],
        agent={"name": "terminus-2", "version": "1.0"},
        subagent_trajectories=[below],
    )
    trial = read_one(job, job.trial(raw_trajectory=value, agent_result=requests(1000, 2000, 3000)))
    said: list[tuple[str, Step]] = [(step.message, step) for step in trial.agent_steps]
    assert [(message, step.model_seconds) for message, step in said] == [("1", 1), ("Summary.", 2), ("2", 3)]


def test_each_step_of_a_multi_step_trial_has_its_own_requests(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    results = [
        {"step_name": "one", "agent_result": requests(1000)},
        {"step_name": "two", "agent_result": requests(2000, 5)},
    ]
    folder = job.trial(steps=[], step_results=results)
    for name, step in (("one", STEPS[0]), ("two", STEPS[1])):
        job.segment(folder.name, name, trajectory([step], agent={"name": "terminus-2"}))
    trial = read_one(job, folder)
    assert [(step.segment, step.model_seconds) for step in trial.agent_steps] == [("one", 1), ("two", None)]
