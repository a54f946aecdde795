"""Kilo's sessions as ATIF: what each thing in a log becomes, and the command that writes it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, codes, read_one
from harbor.models.trajectories import Step, Trajectory
from hypothesis import given, settings
from hypothesis import strategies as st
from kilo_log import ROOT, START, KiloLog, finish, said, tool

from adapter.files import read_json
from adapter.kilo.atif import trajectory_of
from adapter.kilo.records import Log, Origin, Session, read_message, read_part
from adapter.kilo.source import read_log
from adapter.kilo.usage import usage_of
from adapter.trial import Tokens
from pipelines.convert import _written


def converted(log: KiloLog, folder: Path) -> Trajectory:
    """The trajectory of a log's database, as Harbor's model has it after it was written and read again."""
    path = folder / "kilo.db"
    log.database(path)
    return Trajectory.model_validate_json(json.dumps(trajectory_of(read_log(path)).to_json_dict()))


def only(trajectory: Trajectory) -> Step:
    """The agent's only step."""
    steps = [step for step in trajectory.steps if step.source == "agent"]
    assert len(steps) == 1
    return steps[0]


def test_an_answer_is_one_step_with_all_that_stands_in_it(tmp_path: Path) -> None:
    log = KiloLog()
    log.user(said("Fix it."))
    parts = (
        {"type": "step-start"},
        {"type": "reasoning", "text": "Look first."},
        said("I look."),
        tool(output="a.py\n", metadata={"exit": 0}),
        finish((900, 80, 20), output=40, reasoning=10, cost=0.5, reason="tool-calls"),
    )
    answer = log.agent(*parts)
    step = only(converted(log, tmp_path))
    assert (step.message, step.reasoning_content, step.model_name) == ("I look.", "Look first.", "mock/multi")
    assert step.timestamp == "2026-11-20T23:05:52.000+00:00"
    assert step.llm_call_count == 1
    assert step.extra == {"message_id": answer, "agent": "code", "finish_reason": "tool-calls", "duration_ms": 300}
    assert step.metrics is not None
    assert step.metrics.model_dump(exclude_none=True) == {
        "prompt_tokens": 1000,
        "completion_tokens": 50,
        "cached_tokens": 80,
        "cost_usd": 0.5,
        "extra": {"reasoning_output_tokens": 10, "cache_write_input_tokens": 20},
    }


# The state of a tool call: what is observed, and what is said of it.
STATES: list[tuple[dict[str, Any], str | None, dict[str, Any] | None]] = [
    ({"status": "completed", "output": "fine"}, "fine", None),
    ({"status": "completed", "output": ""}, "", None),
    ({"status": "error", "error": "no such file"}, "no such file", {"is_error": True}),
    (
        {"status": "error", "error": "Tool execution aborted", "metadata": {"output": "half"}},
        "half\nTool execution aborted",
        {"is_error": True},
    ),
    ({"status": "running", "metadata": {"output": "building\n"}}, "building\n", {"incomplete": True}),
]


@pytest.mark.parametrize(("state", "content", "extra"), STATES)
def test_what_came_back_of_a_call_is_its_output_its_error_or_what_it_had_printed(
    tmp_path: Path, state: dict[str, Any], content: str, extra: dict[str, Any] | None
) -> None:
    log = KiloLog()
    log.agent(tool(**state), finish())
    step = only(converted(log, tmp_path))
    assert step.observation is not None
    (result,) = step.observation.results
    assert (result.source_call_id, result.content, result.extra) == ("call_1", content, extra)


def test_a_call_that_had_not_begun_has_no_result(tmp_path: Path) -> None:
    log = KiloLog()
    log.agent(tool(status="pending", time={}))
    step = only(converted(log, tmp_path))
    assert step.observation is None
    assert step.tool_calls is not None
    assert step.tool_calls[0].extra == {"status": "pending"}


def test_attached_files_are_named_and_not_kept(tmp_path: Path) -> None:
    image = {"type": "file", "mime": "image/png", "url": "data:image/png;base64," + "A" * 1000}
    log = KiloLog()
    log.agent(tool("read", output="Image read", attachments=[image]), finish())
    step = only(converted(log, tmp_path))
    assert step.observation is not None
    assert step.observation.results[0].extra == {"attachments": [{"mime": "image/png", "characters": 1022}]}


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
        ("broken {", {"value": "broken {"}),
        ([1], {"value": [1]}),
        ({"value": '{"command": "echo'}, {"value": '{"command": "echo'}),
    ],
)
def test_arguments_that_are_no_object_stand_under_value(tmp_path: Path, given_: Any, expected: dict[str, Any]) -> None:
    log = KiloLog()
    log.agent(tool(given=given_, output=""), finish())
    calls = only(converted(log, tmp_path)).tool_calls
    assert calls is not None
    assert calls[0].arguments == expected


def test_arguments_beyond_all_depth_become_text_that_the_reader_takes(tmp_path: Path) -> None:
    deep: Any = "x"
    for _ in range(180):
        deep = [deep]
    log = KiloLog()
    log.agent(tool(given={"deep": deep}, output=""), finish())
    trajectory = converted(log, tmp_path)
    calls = only(trajectory).tool_calls
    assert calls is not None
    assert isinstance(calls[0].arguments["value"], str)
    path = tmp_path / "trajectory.json"
    path.write_text(json.dumps(trajectory.to_json_dict()))
    assert read_json(path)


def test_calls_of_one_answer_that_share_an_id_stay_apart(tmp_path: Path) -> None:
    log = KiloLog()
    log.agent(tool(call="call_0", output="one"), tool(call="call_0", output="two"), finish())
    step = only(converted(log, tmp_path))
    assert step.tool_calls is not None
    assert step.observation is not None
    ids = [call.tool_call_id for call in step.tool_calls]
    assert len(set(ids)) == 2
    assert [(one.source_call_id, one.content) for one in step.observation.results] == [(ids[0], "one"), (ids[1], "two")]


def test_what_kilo_says_itself_is_no_users_word(tmp_path: Path) -> None:
    log = KiloLog()
    log.user(said("Do it."), said("<reminder>", synthetic=True), {"type": "file", "mime": "a/b", "filename": "x.png"})
    log.agent(said("Done."), said("The model hit its output limit.", ignored=True), finish())
    steps = converted(log, tmp_path).steps
    assert [(step.source, step.message) for step in steps] == [
        ("user", "Do it.\n\n[file: x.png]"),
        ("system", "<reminder>"),
        ("agent", "Done."),
    ]
    assert (steps[2].extra or {})["notices"] == ["The model hit its output limit."]


def test_an_error_is_kept_without_the_headers_that_came_with_it(tmp_path: Path) -> None:
    data = {"message": "No.", "statusCode": 401, "responseHeaders": {"x-key": "secret"}, "responseBody": "secret"}
    log = KiloLog()
    log.user()
    log.agent(error={"name": "APIError", "data": data})
    trajectory = converted(log, tmp_path)
    expected = {"name": "APIError", "message": "No.", "status_code": 401}
    assert (only(trajectory).extra or {})["error"] == expected
    assert (trajectory.extra or {})["errors"] == [expected]
    assert "secret" not in json.dumps(trajectory.to_json_dict())


# What an answer without any part is, by when it ended.
@pytest.mark.parametrize(
    ("time", "is_kept"),
    [({"created": START + 9000}, True), ({"created": START + 9000, "completed": START + 9500}, False)],
)
def test_an_answer_that_was_waited_for_is_a_step_and_one_that_came_to_nothing_is_none(
    tmp_path: Path, time: dict[str, int], is_kept: bool
) -> None:
    log = KiloLog()
    log.user()
    log.agent(time=time)
    trajectory = converted(log, tmp_path)
    assert [(step.extra or {}).get("incomplete") for step in trajectory.steps[1:]] == ([True] if is_kept else [])
    assert ("ended within an LLM call" in (trajectory.notes or "")) == is_kept


def test_a_call_without_usage_has_no_metrics_and_says_so(tmp_path: Path) -> None:
    log = KiloLog()
    log.agent(said("cut"), finish((0, 0, 0), 0, cost=0, reason="other"))
    step = only(converted(log, tmp_path))
    assert step.metrics is None
    assert (step.extra or {})["usage_missing"] is True


@pytest.mark.parametrize(("model", "expected"), [("m1", None), ("m1:free", 0.0)])
def test_a_cost_of_0_is_one_only_where_the_model_is_free(tmp_path: Path, model: str, expected: float | None) -> None:
    log = KiloLog()
    log.agent(said("a"), finish(cost=0), model=model)
    log.agent(said("b"), finish(cost=0.0))
    trajectory = converted(log, tmp_path)
    assert trajectory.steps[0].metrics is not None
    assert trajectory.steps[0].metrics.cost_usd == expected
    assert trajectory.final_metrics is not None
    assert trajectory.final_metrics.total_cost_usd is None
    assert "no price" in (trajectory.notes or "")


def test_unknown_kinds_of_parts_are_left_out_and_named(tmp_path: Path) -> None:
    log = KiloLog()
    log.agent(said("a"), {"type": "hologram"}, {"type": "hologram"}, {"type": "snapshot"}, finish())
    trajectory = converted(log, tmp_path)
    assert only(trajectory).message == "a"
    assert "Parts of unknown kinds were left out: 2 hologram." in (trajectory.notes or "")


def family(folder: Path) -> tuple[KiloLog, Path]:
    """An agent that started two sub-agents, the first of which started one of its own; each call costs a dollar."""
    log = KiloLog()
    log.session("ses_a", ROOT)
    log.session("ses_b", ROOT)
    log.session("ses_c", "ses_a")

    def task(child: str, call: str) -> dict[str, Any]:
        return tool("task", call=call, output="done", metadata={"sessionId": child, "parentSessionId": "x"})

    log.user()
    log.agent(task("ses_a", "c1"), task("ses_b", "c2"), finish(cost=1))
    log.agent(said("sub"), task("ses_c", "c3"), finish(cost=1), session="ses_a")
    log.agent(said("sub"), finish(cost=1), session="ses_b")
    log.agent(said("sub sub"), finish(cost=1), session="ses_c")
    return log, folder / "kilo.db"


def test_sub_agents_stand_within_the_trajectory_that_started_them(tmp_path: Path) -> None:
    log, _ = family(tmp_path)
    trajectory = converted(log, tmp_path)
    below = trajectory.subagent_trajectories or []
    assert [one.trajectory_id for one in below] == ["ses_a", "ses_b"]
    assert [one.trajectory_id for one in below[0].subagent_trajectories or ()] == ["ses_c"]
    finals = [one.final_metrics for one in (trajectory, *below)]
    assert [final and final.total_cost_usd for final in finals] == [4.0, 2.0, 1.0]
    assert [final and final.total_prompt_tokens for final in finals] == [1000, 1000, 1000]


def test_the_reader_counts_every_sub_agent_once_and_knows_its_starter(tmp_path: Path) -> None:
    log, _ = family(tmp_path)
    raw = converted(log, tmp_path).to_json_dict()
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial(agent="kilo", version="7.7.9", model="mock/multi", raw_trajectory=raw))
    assert trial.recorded_cost_usd == 4.0
    assert trial.recorded_tokens == Tokens(4000, 0, 0, 200, 0)
    by_name = {step.subagent: step for step in trial.steps}
    assert [(name, by_name[name].parent_call) for name in ("ses_a", "ses_b", "ses_c")] == [
        ("ses_a", 0),
        ("ses_b", 1),
        ("ses_c", 0),
    ]
    assert trial.is_whole
    assert codes(trial) <= {"no_user_step"}


@pytest.mark.parametrize("version", ["7.7.9", "7.3.0", "unknown"])
def test_the_reader_takes_reasoning_for_a_part_of_the_output_whatever_the_version(tmp_path: Path, version: str) -> None:
    log = KiloLog(version)
    log.agent(said("a"), finish((100, 20, 3), output=52, reasoning=32))
    log.agent(said("b"), finish((100, 0, 0), output=8))
    raw = converted(log, tmp_path).to_json_dict()
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial(agent="kilo", version=version, model="mock/multi", raw_trajectory=raw))
    assert [step.tokens for step in trial.steps] == [Tokens(100, 20, 3, 84, 32), Tokens(100, 0, 0, 8, 0)]
    assert trial.recorded_tokens == Tokens(200, 20, 3, 92, 32)
    assert not codes(trial) & {"reasoning_undecided", "output_excludes_reasoning", "tokens_differ_from_total"}


def test_a_sub_agent_that_is_not_in_the_log_leaves_the_total_unknown(tmp_path: Path) -> None:
    log, _ = family(tmp_path)
    del log.sessions["ses_c"]
    trajectory = converted(log, tmp_path)
    finals = [one.final_metrics for one in (trajectory, *(trajectory.subagent_trajectories or ()))]
    assert [final and final.total_cost_usd for final in finals] == [None, None, 1.0]
    raw = trajectory.to_json_dict()
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial(agent="kilo", version="7.7.9", model="mock/multi", raw_trajectory=raw))
    assert not trial.is_whole
    assert "subagent_missing" in codes(trial)


def test_sessions_that_start_each_other_end(tmp_path: Path) -> None:
    log = KiloLog()
    log.sessions[ROOT]["parent_id"] = "ses_a"
    log.session("ses_a", ROOT)
    log.agent(said("a"), finish())
    log.agent(said("b"), finish(), session="ses_a")
    path = tmp_path / "kilo.db"
    log.database(path)
    trajectory = trajectory_of(read_log(path, ROOT))
    assert [one.trajectory_id for one in trajectory.subagent_trajectories or ()] == ["ses_a"]


# Reasoning tokens beside the output (7.7) and within it (7.0), with and without a total: (prompt, completion).
TOKENS = [
    ({"input": 212, "output": 43, "reasoning": 18, "cache": {"read": 9088, "write": 0}, "total": 9361}, (9300, 61)),
    ({"input": 212, "output": 61, "reasoning": 18, "cache": {"read": 9088, "write": 0}, "total": 9361}, (9300, 61)),
    ({"input": 212, "output": 43, "reasoning": 18, "cache": {"read": 9088, "write": 0}}, (9300, 61)),
    ({"input": 100, "output": 5, "reasoning": 0, "cache": {"read": 20, "write": 30}, "total": 155}, (150, 5)),
    ({"input": 100, "output": 5, "total": 3}, (100, 5)),
    ({"input": -1, "output": 5.5, "cache": None, "total": "many"}, (0, 0)),
    ({}, (0, 0)),
]


@pytest.mark.parametrize(("tokens", "expected"), TOKENS)
def test_the_counts_of_every_version_come_to_the_same(tokens: Any, expected: tuple[int, int]) -> None:
    usage = usage_of({"tokens": tokens})
    assert (usage.prompt, usage.completion) == expected


@settings(deadline=None)
@given(
    fresh=st.integers(0, 10**6),
    read=st.integers(0, 10**6),
    write=st.integers(0, 10**6),
    visible=st.integers(0, 10**5),
    reasoning=st.integers(0, 10**5),
    is_within=st.booleans(),
)
def test_both_ways_of_counting_reasoning_come_to_what_the_provider_counted(
    fresh: int, read: int, write: int, visible: int, reasoning: int, is_within: bool
) -> None:
    sent, returned = fresh + read + write, visible + reasoning
    output = returned if is_within else visible
    cache = {"read": read, "write": write}
    tokens: Any = {"input": fresh, "output": output, "reasoning": reasoning, "cache": cache, "total": sent + returned}
    usage = usage_of({"tokens": tokens})
    assert (usage.prompt, usage.completion) == (sent, returned)
    assert usage.reasoning_in_output == (is_within and reasoning > 0)


PARTS = [
    {"type": "step-start"},
    {"type": "reasoning", "text": "think"},
    said("one"),
    tool(call="c1", output="x"),
    said("two"),
    tool(call="c2", status="error", error="no"),
    finish(),
]


def as_log(messages: list[tuple[str, list[dict[str, Any]]]]) -> Log:
    read = [
        read_message(
            f"msg_{number}", {"role": role, "time": {"created": START}}, [read_part(None, one) for one in parts]
        )
        for number, (role, parts) in enumerate(messages)
    ]
    return Log(Origin.DATABASE, ROOT, {ROOT: Session(ROOT, messages=tuple(read))})


@settings(deadline=None)
@given(st.permutations([part | {"id": f"prt_{place:02d}"} for place, part in enumerate(PARTS)]))
def test_parts_come_in_the_order_in_which_they_were_begun_however_they_stand(parts: list[dict[str, Any]]) -> None:
    step = only(trajectory_of(as_log([("assistant", parts)])))
    assert step.message == "one\n\ntwo"
    assert [call.tool_call_id for call in step.tool_calls or ()] == ["c1", "c2"]


ODD: Any = st.sampled_from(
    (
        None,
        True,
        0,
        -1,
        7,
        10**30,
        1.5,
        1e300,
        float("nan"),
        float("inf"),
        "",
        " ",
        "x",
        "\0\ud800",
        [],
        [1],
        {},
        {"a": {}},
    )
)
STATE = st.dictionaries(
    st.sampled_from(("status", "input", "output", "error", "metadata", "time", "attachments")),
    ODD
    | st.sampled_from(("completed", "error", "running", {"sessionId": "ses_x", "exit": 1, "start": 3, "end": 5}, [{}])),
    max_size=5,
)
ODD_PARTS = st.tuples(
    st.sampled_from(("text", "tool", "reasoning", "step-finish", "file", "compaction", "x")),
    st.dictionaries(
        st.sampled_from(("text", "synthetic", "tool", "callID", "state", "time", "tokens", "cost", "reason", "id")),
        ODD | st.sampled_from(("task", {"elapsed": 1e300, "input": 5, "output": 2, "cache": {"read": 3}})),
        max_size=5,
    ),
    STATE,
).map(lambda drawn: {"state": drawn[2], **drawn[1], "type": drawn[0]})


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(("user", "assistant", "odd")), st.lists(ODD_PARTS, max_size=4)), max_size=3))
def test_whatever_stands_in_a_log_harbors_model_takes_what_becomes_of_it(
    messages: list[tuple[str, list[dict[str, Any]]]],
) -> None:
    text = _written(trajectory_of(as_log([*messages, ("assistant", [finish()])])).to_json_dict())
    assert Trajectory.model_validate_json(text)


def test_the_command_prints_the_trajectory(kilobench: Any, tmp_path: Path) -> None:
    log, path = family(tmp_path)
    log.database(path)
    done = kilobench("convert", "kilo", path)
    assert done.code == 0
    assert Trajectory.model_validate(done.json).session_id == ROOT


def test_the_command_writes_it_to_a_file_in_the_place_of_what_was_there(kilobench: Any, tmp_path: Path) -> None:
    log, path = family(tmp_path)
    log.database(path)
    target = tmp_path / "out" / "trajectory.json"
    target.parent.mkdir()
    target.write_text("old")
    done = kilobench("convert", "kilo", path, "-o", target)
    assert done.code == 0
    assert "2 sub-agents" not in done.out
    assert "3 sub-agents" in done.out
    assert "$4.000000" in done.out
    assert Trajectory.model_validate_json(target.read_bytes()).session_id == ROOT
    assert [one.name for one in target.parent.iterdir()] == ["trajectory.json"]


def test_the_commands_json_sums_over_the_sub_agents(kilobench: Any, tmp_path: Path) -> None:
    log, path = family(tmp_path)
    log.database(path)
    found = kilobench("convert", "kilo", path, "--json").json
    assert (found["prompt_tokens"], found["completion_tokens"], found["cost_usd"]) == (4000, 200, 4.0)
    assert (found["steps"], found["tool_calls"], found["subagents"]) == (5, 3, 3)
    assert (found["agent"], found["agent_version"], found["model"]) == ("kilo", "7.7.9", "mock/multi")
    assert found["trajectory"]["session_id"] == ROOT
    written = kilobench("convert", "kilo", path, "--json", "-o", tmp_path / "t.json").json
    assert written["trajectory"] is None
    assert written["output"] == str(tmp_path / "t.json")


def test_a_secret_in_a_session_is_in_the_file_and_nowhere_else(kilobench: Any, tmp_path: Path) -> None:
    secret = "sk-proj-" + "aB3" * 16
    log = KiloLog()
    log.agent(tool(output=f"KEY={secret}"), finish())
    path = tmp_path / "kilo.db"
    log.database(path)
    done = kilobench("convert", "kilo", path, "-o", tmp_path / "t.json")
    assert secret in (tmp_path / "t.json").read_text()
    assert secret not in done.out + done.err


SOURCES = ("kilo.db", "export.json", "events.jsonl")


@pytest.mark.parametrize("kept", [one for size in (1, 2, 3) for one in itertools.combinations(SOURCES, size)])
def test_of_a_folder_the_fullest_log_is_read(tmp_path: Path, kept: tuple[str, ...]) -> None:
    log = KiloLog()
    log.user()
    log.agent(said("Done."), finish())
    log.database(tmp_path / "kilo.db")
    log.export(tmp_path / "export.json")
    log.events(tmp_path / "events.jsonl")
    for name in SOURCES:
        if name not in kept:
            (tmp_path / name).unlink()
    found = read_log(tmp_path)
    assert (
        found.origin
        is {"kilo.db": Origin.DATABASE, "export.json": Origin.EXPORT, "events.jsonl": Origin.EVENTS}[kept[0]]
    )
    assert only(trajectory_of(found)).message == "Done."


def test_what_the_stream_alone_knows_stands_beside_the_database(tmp_path: Path) -> None:
    log = KiloLog()
    log.user()
    log.database(tmp_path / "kilo.db")
    error = {"name": "UnknownError", "data": {"message": "Model not found: mock/x."}}
    log.events(tmp_path / "events.jsonl", {"type": "error", "timestamp": START, "sessionID": ROOT, "error": error})
    trajectory = trajectory_of(read_log(tmp_path))
    assert [step.source for step in trajectory.steps] == ["user"]
    assert (trajectory.extra or {})["errors"] == [{"name": "UnknownError", "message": "Model not found: mock/x."}]


def test_of_several_sessions_the_one_that_the_stream_names_is_meant(tmp_path: Path) -> None:
    log = KiloLog()
    log.agent(said("this one"), finish())
    log.session("ses_other")
    log.agent(said("another"), finish(), session="ses_other")
    log.database(tmp_path / "kilo.db")
    log.events(tmp_path / "events.jsonl")
    assert read_log(tmp_path).root == ROOT
    assert read_log(tmp_path, "ses_other").root == "ses_other"
