"""Judge runs are kept, listed and compared; what was killed has kept what it paid for."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builder import JobBuilder, agent_step, user_step
from judging import BEST, MODEL, OTHER, bad, good, instead
from scripted_judge import Answer, Asked, ScriptedJudge

from adapter.embedded_opik import EmbeddedOpik
from adapter.opik_connection import Connection
from pipelines.judge_runs import read_runs

READ = ("Read", {"file_path": "a.py"}, "x = 1")
STEPS = [user_step(), agent_step("I look.", READ), agent_step("", READ), agent_step("Done.")]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobodys-4711")


@pytest.fixture
def experiment(tmp_path: Path, server: EmbeddedOpik, kilobench: Any) -> str:
    """A stored experiment of two trials."""
    job = JobBuilder(tmp_path)
    for name in ("a__1", "b__1"):
        job.trial(name, steps=STEPS, model="openai/gpt-5")
    kilobench("upload", job.path, "--project", "p", "--opik", server.url)
    return "set/toy@1.0/openai/gpt-5/job"


@pytest.fixture
def judged(experiment: str, server: EmbeddedOpik, kilobench: Any) -> Any:
    def call(judge: ScriptedJudge, *arguments: str, model: str = MODEL) -> Any:
        where = ("--judge-api-base", judge.url, "--opik", server.url, "--json")
        return kilobench("judge", "--experiment", experiment, "--judge-model", model, *where, *arguments)

    return call


REDUNDANT = instead({(3, "efficiency"): bad(3, "efficiency", "redundant", "x = 1")})


def test_each_call_is_a_trace_that_says_what_it_asked_and_what_it_cost(judged: Any, connection: Connection) -> None:
    with ScriptedJudge(REDUNDANT) as judge:
        result = judged(judge)
    run = result.json["run"]
    traces = connection.client.search_traces(project_name="p.judges")
    assert sorted(str(trace.name) for trace in traces) == ["job/a__1, steps 2 to 4", "job/b__1, steps 2 to 4"]
    spans = {span.id: span for span in connection.client.search_spans(project_name="p", max_results=100)}
    for trace in traces:
        metadata: Any = trace.metadata
        assert metadata["judge_run"]["id"] == run["id"]
        assert metadata["judge_run"]["prompt_versions"] == run["prompt_versions"]
        call = metadata["judge_call"]
        assert (call["model"], call["cached"], call["tokens"]["input"]) == (MODEL, False, 1000)
        judged_spans = {step: spans[span] for step, span in call["span_ids"].items()}
        assert {step: span.name for step, span in judged_spans.items()} == {f"{n}": f"step {n}" for n in (2, 3, 4)}
        assert {span.trace_id for span in judged_spans.values()} == {call["trace_id"]}
        assert len(call["verdicts"]) == 9
        assert "trajectory begins" in json.dumps(trace.input)
        (span,) = connection.client.search_spans(project_name="p.judges", trace_id=trace.id)
        assert (span.type, span.model, span.provider) == ("llm", "gpt-4.1-mini", "openai")
        assert span.total_estimated_cost == pytest.approx(1000 * 0.4e-6 + 100 * 1.6e-6)
        assert (span.usage or {})["prompt_tokens"] == 1000


def test_what_the_cache_answered_is_kept_as_having_cost_nothing(judged: Any, connection: Connection) -> None:
    with ScriptedJudge(good) as judge:
        judged(judge)
        judged(judge)
    newest, first = read_runs(connection, "p")
    assert (first.cached_calls, newest.cached_calls, len(newest.calls)) == (0, 2, 2)
    assert (newest.spend_usd, newest.tokens) == (0, 0)
    assert first.spend_usd == pytest.approx(2 * (1000 * 0.4e-6 + 100 * 1.6e-6))
    assert {verdict.label for verdict in newest.verdicts} == set(BEST.values())


def test_a_cost_that_is_not_known_is_not_made_up_in_opik(judged: Any, connection: Connection) -> None:
    with ScriptedJudge(good) as judge:
        judged(judge, "--max-spend", "none", model="openai/scripted")
    (run,) = read_runs(connection, "p")
    assert run.spend_usd is None
    for span in connection.client.search_spans(project_name="p.judges"):
        assert span.total_estimated_cost is None
        assert "prompt_tokens" not in (span.usage or {})


def test_a_secret_that_a_judge_repeats_is_not_kept(judged: Any, connection: Connection, tmp_path: Path) -> None:
    secret = "sk-ant-api03-" + "A1b2C3d4" * 6

    def answer(asked: Asked) -> Answer:
        found = bad(3, "efficiency", "redundant", "x = 1")
        found["explanation"] = f"It prints {secret}."
        found["better_action"] = {"tool": "Bash", "arguments": f"unset {secret}"}
        return instead({(3, "efficiency"): found})(asked)

    with ScriptedJudge(answer) as judge:
        result = judged(judge)
    assert secret not in result.out
    for project in ("p", "p.judges"):
        traces = connection.client.search_traces(project_name=project, truncate=False)
        spans = connection.client.search_spans(project_name=project, truncate=False, max_results=100)
        assert not any(secret in one.model_dump_json() for one in (*traces, *spans))


def test_what_failed_is_told_with_its_run(judged: Any, connection: Connection, kilobench: Any, server: Any) -> None:
    with ScriptedJudge(instead({(3, "efficiency"): None})) as judge:
        assert judged(judge).code == 3
    (run,) = read_runs(connection, "p")
    assert {(one.trial, one.step, one.criterion) for one in run.failed} == {
        (f"job/{name}", 3, "efficiency") for name in ("a__1", "b__1")
    }
    assert len(run.calls) == 4, "each window, and once more what was missing"
    listed = kilobench("judge", "--list", "--project", "p", "--opik", server.url, "--json").json["runs"]
    assert (listed[0]["calls"], listed[0]["verdicts"], listed[0]["failed"]) == (4, 16, 2)


def test_the_runs_of_an_experiment_are_listed_the_newest_first(
    judged: Any, experiment: str, kilobench: Any, server: EmbeddedOpik
) -> None:
    with ScriptedJudge(good) as judge:
        ids = [judged(judge, model=model).json["run"]["id"] for model in (MODEL, OTHER)]
    shown = kilobench("judge", "--list", "--experiment", experiment, "--opik", server.url, "--json").json["runs"]
    assert [one["id"] for one in shown] == ids[::-1]
    assert [one["models"] for one in shown] == [[OTHER], [MODEL]]
    assert all(one["experiments"] == [experiment] for one in shown)
    text = kilobench("judge", "--list", "--experiment", experiment, "--opik", server.url).out
    assert ids[0] in text
    assert "2 calls, 0 from the cache" in text
    other = kilobench("judge", "--list", "--project", "another", "--opik", server.url)
    assert "No judge run is kept there" in other.out


def test_two_runs_are_compared_label_by_label(judged: Any, kilobench: Any, server: EmbeddedOpik) -> None:
    with ScriptedJudge(good) as judge:
        before = judged(judge).json["run"]["id"]
        judge.answer = REDUNDANT
        after = judged(judge, model=OTHER).json["run"]["id"]
    where = ("--project", "p", "--opik", server.url)
    found = kilobench("judge", "--compare-runs", before[:13], after[:13], *where, "--json").json
    assert [(one["trial"], one["step"], one["before"], one["after"]) for one in found["flips"]] == [
        (f"job/{name}", 3, "necessary", "redundant") for name in ("a__1", "b__1")
    ]
    by_criterion = {one["criterion"]: (one["common"], one["flipped"], one["kappa"]) for one in found["criteria"]}
    assert by_criterion["efficiency"] == (6, 2, 0.0)
    assert by_criterion["tool_choice"] == (6, 0, None)
    assert found["before"]["spend_usd"] != found["after"]["spend_usd"]
    text = kilobench("judge", "--compare-runs", before, after, *where).out
    assert "2 of 6 labels flipped" in text
    assert "necessary → redundant" in text


@pytest.mark.parametrize(("wanted", "said"), [("f00", "No judge run f00"), ("", "No judge run")])
def test_a_run_that_is_not_there_is_named(
    judged: Any, kilobench: Any, server: EmbeddedOpik, wanted: str, said: str
) -> None:
    with ScriptedJudge(good) as judge:
        one = judged(judge).json["run"]["id"]
    result = kilobench("judge", "--compare-runs", one, wanted, "--project", "p", "--opik", server.url)
    assert result.code == 2
    assert said in result.err


def test_a_beginning_that_two_runs_share_is_not_enough(
    judged: Any, kilobench: Any, server: EmbeddedOpik, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedJudge(good) as judge:
        for last in range(2):
            # By chance they begin alike.
            chance = SimpleNamespace(uuid4=lambda last=last: f"abcdef-{last}")
            monkeypatch.setattr("pipelines.judging.uuid", chance)
            judged(judge)
    result = kilobench("judge", "--compare-runs", "abcdef", "abcdef-0", "--project", "p", "--opik", server.url)
    assert result.code == 2
    assert "names several judge runs" in result.err
