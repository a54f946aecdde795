"""Trials that Opik holds are judged where they are: no job folder is needed, and nothing is said twice."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, user_step
from opik.rest_api.types import TraceWrite

from adapter.embedded_opik import EmbeddedOpik
from adapter.opik_connection import Connection
from adapter.opik_ids import mint
from judges.criteria import criteria

READ = ("Read", {"file_path": "a.py"}, "x = 1")
MODELS = ("openai/gpt-5-mini", "anthropic/claude-sonnet-4-5")


def wasteful(job: JobBuilder, name: str, **fields: Any) -> None:
    """A trial that reads one file three times."""
    job.trial(name, steps=[user_step(), *(agent_step("", READ) for _ in range(3)), agent_step("Done.")], **fields)


@pytest.fixture
def uploaded(tmp_path: Path, server: EmbeddedOpik, kilobench: Any) -> Any:
    """Two experiments in the project `p`, stored and not judged, whose job is gone."""
    job = JobBuilder(tmp_path)
    for model in MODELS:
        for attempt in range(2):
            wasteful(job, f"a__{model[:4]}{attempt}", model=model)
    result = kilobench("upload", job.path, "--project", "p", "--opik", server.url, "--json")
    assert result.code == 0
    shutil.rmtree(job.path)
    return result.json


def flagged(connection: Connection, project: str = "p") -> dict[str, set[str]]:
    """The names of the steps that have a verdict, by the name of their trace."""
    traces = {trace.id: str(trace.name) for trace in connection.client.search_traces(project_name=project)}
    found: dict[str, set[str]] = {name: set() for name in traces.values()}
    for span in connection.client.search_spans(project_name=project, max_results=1000):
        if any(score.name == "efficiency" for score in span.feedback_scores or []):
            found[traces[span.trace_id]].add(str(span.name))
    return found


ALL = {f"job/a__{model[:4]}{attempt}" for model in MODELS for attempt in range(2)}


def judge(kilobench: Any, server: EmbeddedOpik, *arguments: str) -> Any:
    return kilobench("judge", *arguments, "--opik", server.url, "--json")


def test_upload_stores_everything_and_judges_nothing(uploaded: Any, connection: Connection) -> None:
    assert (uploaded["traces"], uploaded["spans"], uploaded["exit_code"]) == (4, 4 * 7, 0)
    assert {one["name"] for one in uploaded["experiments"]} == {f"set/toy@1.0/{model}/job" for model in MODELS}
    assert flagged(connection) == {name: set() for name in ALL}


def test_an_experiment_is_judged_and_no_other(
    uploaded: Any, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    result = judge(kilobench, server, "--experiment", f"set/toy@1.0/{MODELS[0]}/job")
    assert result.code == 0
    judged = {one["trial"] for one in result.json["trials"]}
    assert judged == {name for name in ALL if MODELS[0][:4] in name}
    assert flagged(connection) == {name: {"step 3", "step 4"} if name in judged else set() for name in ALL}
    assert {(one["step"], one["label"]) for one in result.json["verdicts"]} == {(3, "redundant"), (4, "redundant")}
    assert all(one["flagged"]["efficiency_flagged"] == 0.5 for one in result.json["trials"])


def test_an_experiment_says_what_it_was_judged_by_and_keeps_its_scores(
    uploaded: Any, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    def configured() -> dict[str, Any]:
        found = connection.client.rest_client.experiments.find_experiments(size=10).content or []
        return {str(one.name): (one.metadata, one.experiment_scores) for one in found}

    before = configured()
    name = f"set/toy@1.0/{MODELS[0]}/job"
    judge(kilobench, server, "--experiment", name)
    after = configured()
    assert {one for one in after if after[one] != before[one]} == {name}
    assert set(after[name][0]["judge_prompts"]) == {one.prompt_version for one in criteria().values()}
    assert after[name][1] == before[name][1]


def test_judging_again_writes_nothing(uploaded: Any, server: EmbeddedOpik, kilobench: Any) -> None:
    first = judge(kilobench, server, "--project", "p").json
    assert first["scores_written"] == 4 * (2 + 3)
    second = judge(kilobench, server, "--project", "p").json
    assert (second["scores_written"], second["verdicts"]) == (0, first["verdicts"])


def test_verdicts_from_opik_are_those_from_the_job(
    tmp_path: Path, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    job = JobBuilder(tmp_path)
    wasteful(job, "a__1")
    kilobench("run", job.path, "--project", "p", "--opik", server.url)
    again = judge(kilobench, server, "--project", "p").json
    assert again["counts"][0]["count"] == 2
    assert again["scores_written"] == 0, "the run had given the same verdicts, in the same words"


def test_a_filter_in_opiks_language_chooses_the_traces(
    uploaded: Any, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    result = judge(kilobench, server, "--project", "p", "--filter", f'metadata.model = "{MODELS[1].split("/")[1]}"')
    assert {one["trial"] for one in result.json["trials"]} == {name for name in ALL if MODELS[1][:4] in name}


def test_one_trace_is_judged_by_its_id(
    uploaded: Any, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    trace = connection.client.search_traces(project_name="p")[0]
    result = judge(kilobench, server, "--trace", str(trace.id))
    (one,) = result.json["trials"]
    assert (one["trial"], one["trace_id"], one["project"]) == (trace.name, trace.id, "p")


def test_traces_that_are_no_trials_are_named(
    uploaded: Any, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    other = connection.client.trace(name="chat", project_name="p")
    other.end()
    connection.client.flush()
    result = judge(kilobench, server, "--project", "p")
    assert (result.code, len(result.json["trials"])) == (0, 4)
    assert [one["path"] for one in result.json["skipped"]] == [f"trace {other.id}"]
    named = judge(kilobench, server, "--trace", other.id, "--trace", result.json["trials"][0]["trace_id"])
    assert named.code == 3
    assert "it is no trial" in named.json["skipped"][0]["reason"]


def test_every_page_is_read_and_no_text_is_cut(tmp_path: Path, server: EmbeddedOpik, kilobench: Any) -> None:
    job = JobBuilder(tmp_path)
    long = ("Read", {"file_path": "long.py"}, "y" * 50_000)
    steps = [agent_step("", long) for _ in range(1_100)]
    job.trial(steps=steps)
    kilobench("upload", job.path, "--project", "p", "--opik", server.url)
    result = judge(kilobench, server, "--project", "p").json
    assert result["trials"][0]["agent_steps"] == 1_100
    assert len({one["step"] for one in result["verdicts"]}) == 1_099


WRONG = [
    ((), "not clear"),
    (("--experiment", "x", "--project", "p"), "not clear"),
    (("--filter", "id = 1"), "not clear"),
    (("--trace", "x", "--filter", "id = 1"), "--filter goes with --project"),
    (("--experiment", "nothing"), "Opik holds no experiment nothing"),
    (("--project", "nothing"), "Opik holds no project nothing"),
    (("--project", "p", "--filter", "what is this"), "--filter what is this cannot be read"),
    (("--project", "p", "--filter", 'name = "nobody"'), "no trace matches"),
    (("--trace", "01a1fb33-51d4-7131-9289-a1e3b6ed6750"), "Opik holds no such trace"),
    (("--trace", "no-id"), "Opik holds no such trace"),
    (("--trace", ""), "Opik holds no such trace"),
    (("--trace", "../projects"), "Opik holds no such trace"),
    (("--project", "p", "--filter", 'start_time > "yesterday"'), "Opik does not take --filter start_time"),
    (("--experiment", "set/toy@1.0"), "Opik holds no experiment set/toy@1.0"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG)
def test_what_cannot_be_judged_is_said_in_one_line(
    uploaded: Any, server: EmbeddedOpik, kilobench: Any, arguments: tuple[str, ...], said: str
) -> None:
    result = judge(kilobench, server, *arguments)
    assert result.code == 2
    assert said in result.err
    assert "Traceback" not in result.err


def test_what_was_written_is_shown(uploaded: Any, server: EmbeddedOpik, kilobench: Any) -> None:
    result = kilobench("judge", "--project", "p", "--opik", server.url)
    assert "efficiency: 8 steps: repeated action" in result.out
    assert "judged: 4 trials, 16 agent steps" in result.out
    assert "written to Opik: 20 scores" in result.out


def test_an_experiment_whose_name_only_holds_the_name_is_another(
    tmp_path: Path, server: EmbeddedOpik, kilobench: Any
) -> None:
    for name in ("job", "job-2"):
        job = JobBuilder(tmp_path, name)
        wasteful(job, "a__1")
        kilobench("upload", job.path, "--project", "p", "--opik", server.url)
    result = judge(kilobench, server, "--experiment", f"set/toy@1.0/{MODELS[0]}/job")
    assert [one["trial"] for one in result.json["trials"]] == ["job/a__1"]


def test_a_secret_that_others_stored_reaches_no_judge(
    server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    key = "sk-ant-api03-" + "A1b2C3d4" * 6
    trace = connection.client.trace(
        name="toy/a__1", project_name="p", input={"trial_name": f"a__{key}"}, metadata={"created_from": "harbor"}
    )
    for _ in range(3):
        trace.span(
            name="step_1",
            type="llm",
            input={"tool_calls": [{"function_name": "Read", "arguments": {"file_path": f"{key}.py"}}]},
            output={"results": [{"content": "x = 1"}]},
            metadata={"source": "agent", "at": str(_)},
        )
    connection.client.flush()
    result = judge(kilobench, server, "--project", "p")
    assert result.json["verdicts"], "the step is repeated"
    assert key not in result.out
    spans = connection.client.search_spans(project_name="p")
    assert not any(key in (score.reason or "") for span in spans for score in span.feedback_scores or [])


def test_a_trial_that_is_stored_twice_is_judged_once_and_named(
    uploaded: Any, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    trace = connection.client.search_traces(project_name="p", truncate=False)[0]
    twin = TraceWrite(id=mint("twin", datetime.now(UTC)), project_name="p", **twin_of(trace))
    connection.client.rest_client.traces.create_traces(traces=[twin])
    result = judge(kilobench, server, "--project", "p")
    assert len(result.json["trials"]) == 4
    (skipped,) = result.json["skipped"]
    assert "in Opik twice" in skipped["reason"]


def twin_of(trace: Any) -> dict[str, Any]:
    return {name: getattr(trace, name) for name in ("name", "start_time", "end_time", "input", "output", "metadata")}
