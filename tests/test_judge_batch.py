"""Judging by the providers' batch endpoints: submitted once, paid at their price, and collected as it was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, user_step
from judging import MODEL, OTHER, UNPRICED, command, good, instead, pairs, said, verdict
from scripted_judge import Answer, Asked, ScriptedJudge

from adapter.embedded_opik import EmbeddedOpik
from adapter.home import home
from judges.llm.batch import Endpoint
from pipelines import batch_tickets, judge_batch

READ = ("Read", {"file_path": "a.py"}, "x = 1")
STEPS = [user_step("Fix the test."), agent_step("I look first.", READ), agent_step("Done.")]
KEY = "sk-nobodys-4711"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def job(tmp_path: Path) -> JobBuilder:
    builder = JobBuilder(tmp_path)
    builder.trial("a__1", steps=STEPS)
    builder.trial("b__1", steps=[*STEPS[:2], agent_step("All done.")])
    return builder


@pytest.fixture
def judged(job: JobBuilder, server: EmbeddedOpik, kilobench: Any) -> Callable[..., Any]:
    """Runs `kilobench judge` on the job with a scripted model; further arguments are the command's."""

    return command(kilobench, job.path, server.url)


def collected(kilobench: Any) -> Any:
    return kilobench("judge", "--collect", "--json")


def labels(result: dict[str, Any]) -> set[tuple[str, int, str, str]]:
    return {(one["trial"], one["step"], one["criterion"], one["label"]) for one in result["verdicts"]}


def tickets() -> list[Path]:
    return list((home() / "batches").glob("*.json"))


def test_a_batch_says_what_judging_at_once_says_at_the_batch_price(judged: Any, kilobench: Any) -> None:
    with ScriptedJudge(good) as judge:
        submitted = judged(judge, "--batch")
        assert submitted.code == 0, submitted.out + submitted.err
        assert [(one["batch"], one["calls"]) for one in submitted.json["batches"]] == [("batch-1", 2)]
        waiting = collected(kilobench)
        assert waiting.code == 3
        assert "in_progress" in waiting.json["batches"][0]["reason"]
        judge.batches.finish(judge)
        result = collected(kilobench)
        assert result.code == 0
        assert not judge.asked
        by_batch = result.json["batches"][0]["result"]
        assert (by_batch["run"]["calls"], by_batch["run"]["cached_calls"]) == (2, 0)
        assert not tickets()
        again = judged(judge)
        assert (again.json["run"]["calls"], again.json["run"]["cached_calls"]) == (0, 2)
        (home() / "judge-cache.db").unlink()
        at_once = judged(judge)
    assert labels(by_batch) == labels(at_once.json) == labels(again.json)
    assert by_batch["run"]["tokens"] == at_once.json["run"]["tokens"]
    assert by_batch["run"]["spend_usd"] == pytest.approx(at_once.json["run"]["spend_usd"] / 2)


def test_a_line_of_a_batch_is_what_would_be_sent_at_once(judged: Any) -> None:
    with ScriptedJudge(good) as judge:
        judged(judge, "--batch")
        judged(judge)
    at_once = sorted(json.dumps(one.body, sort_keys=True) for one in judge.asked)
    lines = judge.batches.calls()
    assert sorted(json.dumps(one["body"], sort_keys=True) for one in lines) == at_once
    assert {(one["method"], one["url"]) for one in lines} == {("POST", "/v1/chat/completions")}


def test_what_is_wrong_with_an_answer_is_asked_once_more_at_once(judged: Any, kilobench: Any) -> None:
    with ScriptedJudge(instead({(2, "efficiency"): None})) as judge:
        judged(judge, "--batch")
        judge.batches.finish(judge)
        judge.answer = good
        result = collected(kilobench)
    assert result.code == 0
    assert [pairs(asked) for asked in judge.asked] == [[(2, "efficiency")]] * 2
    assert result.json["batches"][0]["result"]["run"]["calls"] == 4


def test_what_waits_is_not_submitted_again(judged: Any) -> None:
    with ScriptedJudge(good) as judge:
        judged(judge, "--batch")
        again = judged(judge, "--batch")
    assert again.code == 0
    assert (again.json["ticket"], again.json["waiting_calls"]) == (None, 2)
    assert len(judge.batches.batches) == 1


def test_a_cap_holds_for_a_batch_and_what_did_not_fit_is_not_sent_at_once(judged: Any, kilobench: Any) -> None:
    with ScriptedJudge(good) as judge:
        most = judged(judge, "--batch", "--dry-run").json["models"][0]["most_usd"]
        result = judged(judge, "--batch", "--max-spend", f"{0.75 * most:.9f}")
        assert result.code == 3
        assert result.json["left"] == {"spend cap": 1}
        assert result.json["batches"][0]["most_usd"] <= 0.75 * most
        judge.batches.finish(judge)
        found = collected(kilobench)
        assert found.code == 3
        assert not judge.asked
        one = found.json["batches"][0]["result"]
        assert {item["trial"] for item in one["not_judged"]} == {"job/b__1"}
        assert "it was not submitted: spend cap" in one["not_judged"][0]["reason"]
        assert one["run"]["spend_usd"] <= one["run"]["max_spend_usd"]
        assert judged(judge, "--batch").json["batches"][0]["calls"] == 1


def test_what_was_answered_otherwise_meanwhile_is_not_left_open(judged: Any, kilobench: Any) -> None:
    with ScriptedJudge(good) as judge:
        most = judged(judge, "--batch", "--dry-run").json["models"][0]["most_usd"]
        judged(judge, "--batch", "--max-spend", f"{0.75 * most:.9f}")
        judge.batches.finish(judge)
        judged(judge)
        assert collected(kilobench).code == 0


def test_a_model_without_a_price_is_not_submitted_under_a_cap(judged: Any) -> None:
    with ScriptedJudge(good) as judge:
        result = judged(judge, "--batch", models=(UNPRICED,))
        assert (result.code, result.json["left"], result.json["ticket"]) == (3, {"no price": 2}, None)
        assert judged(judge, "--batch", "--max-spend", "none", models=(UNPRICED,)).json["batches"][0]["calls"] == 2


def test_what_is_in_another_batch_is_not_asked_at_once(judged: Any, kilobench: Any) -> None:
    with ScriptedJudge(good) as judge:
        most = judged(judge, "--batch", "--dry-run").json["models"][0]["most_usd"]
        judged(judge, "--batch", "--max-spend", f"{0.75 * most:.9f}")
        judged(judge, "--batch")
        judge.batches.batches["batch-1"]["status"] = "validating"
        judge.batches.finish(judge)
        first, second = collected(kilobench).json["batches"]
        assert first["result"] is None
        assert {one["reason"] for one in second["result"]["not_judged"]} == {
            "not answered in its batch: it is in another batch"
        }
        judge.batches.batches["batch-1"]["status"] = "in_progress"
        judge.batches.finish(judge)
        assert collected(kilobench).code == 0
    assert not judge.asked


def test_an_answer_may_hold_whatever_ends_a_line_elsewhere(judged: Any, kilobench: Any) -> None:
    def answer(asked: Asked) -> Answer:
        given = said(*(verdict(*pair, explanation="One.\u2028Two.\x85Three.") for pair in pairs(asked)))
        return replace(given, text=json.dumps(json.loads(given.text), ensure_ascii=False))

    with ScriptedJudge(answer) as judge:
        judged(judge, "--batch")
        judge.batches.finish(judge, raw=True)
        result = collected(kilobench)
    assert result.code == 0
    explanations = {one["explanation"] for one in result.json["batches"][0]["result"]["verdicts"] if one["by"] == MODEL}
    assert len(explanations) == 1
    assert not judge.asked


def test_a_panel_is_a_batch_for_each_model(judged: Any, kilobench: Any) -> None:
    with ScriptedJudge(good) as judge:
        submitted = judged(judge, "--batch", models=(MODEL, OTHER))
        judge.batches.finish(judge)
        result = collected(kilobench).json["batches"][0]["result"]
    assert [one["model"] for one in submitted.json["batches"]] == [MODEL, OTHER]
    assert {one["body"]["model"] for one in judge.batches.calls()} == {"gpt-4.1-mini", "gpt-4.1"}
    assert all(one["agreement"] == 1.0 for one in result["run"]["agreement"])


def test_a_batch_whose_confirmation_was_lost_is_found_and_not_submitted_again(judged: Any, kilobench: Any) -> None:
    with ScriptedJudge(good) as judge:
        judge.batches.lost = 502
        submitted = judged(judge, "--batch")
        assert submitted.json["batches"][0]["batch"] is None
        assert judged(judge, "--batch").json["waiting_calls"] == 2
        judge.batches.finish(judge)
        result = collected(kilobench)
    assert result.code == 0
    assert len(judge.batches.batches) == 1
    assert not judge.asked


def test_a_batch_that_was_never_taken_is_told_and_can_be_submitted_again(judged: Any, kilobench: Any) -> None:
    with ScriptedJudge(good) as judge:
        judge.batches.refused = 500
        judged(judge, "--batch")
        judge.batches.refused = None
        result = collected(kilobench)
        assert result.code == 3
        reasons = {one["reason"] for one in result.json["batches"][0]["result"]["not_judged"]}
        assert reasons == {"not answered in its batch: the provider never took it"}
        assert judged(judge, "--batch").json["batches"][0]["calls"] == 2
    assert not judge.asked


def test_a_process_that_died_before_it_asked_leaves_nothing_behind(
    judged: Any, kilobench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def died(*_: object) -> str:
        raise KeyboardInterrupt

    with ScriptedJudge(good) as judge:
        with monkeypatch.context() as patched:
            patched.setattr(Endpoint, "upload", died)
            judged(judge, "--batch")
        assert "No batch waits" in collected(kilobench).err
        assert judged(judge, "--batch").json["batches"][0]["calls"] == 2


def test_a_provider_that_refuses_is_told_and_nothing_waits(judged: Any) -> None:
    with ScriptedJudge(good) as judge:
        judge.batches.refused = 400
        result = judged(judge, "--batch")
    assert result.code == 3
    assert "No batch was taken" in result.err
    assert "no batches here" in result.err
    assert not tickets()


def test_without_a_key_nothing_is_submitted_and_nothing_waits(judged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with ScriptedJudge(good) as judge:
        result = judged(judge, "--batch")
    assert result.code == 3
    assert "No batch was taken" in result.err
    assert "api_key" in result.err
    assert not tickets()
    assert not judge.batches.files


def test_a_batch_with_too_many_calls_becomes_several(
    judged: Any, kilobench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge_batch, "MOST_CALLS", 1)
    with ScriptedJudge(good) as judge:
        submitted = judged(judge, "--batch")
        assert [one["calls"] for one in submitted.json["batches"]] == [1, 1]
        judge.batches.finish(judge)
        assert collected(kilobench).code == 0
    assert not judge.asked


def test_a_provider_without_batches_is_refused_before_anything_is_read(judged: Any) -> None:
    with ScriptedJudge(good) as judge:
        for arguments in (("--batch",), ("--batch", "--dry-run")):
            result = judged(judge, *arguments, models=("anthropic/claude-sonnet-4-5",))
            assert result.code == 2
            assert "--batch goes to openai and azure, and not to anthropic" in result.err
    assert not judge.batches.files


def test_what_expired_unanswered_is_not_asked_at_once_but_by_the_next_batch(judged: Any, kilobench: Any) -> None:
    with ScriptedJudge(good) as judge:
        judged(judge, "--batch")
        judge.batches.finish(judge, "expired", answered=1)
        result = collected(kilobench)
        assert result.code == 3
        one = result.json["batches"][0]["result"]
        assert {item["reason"] for item in one["not_judged"]} == {
            "not answered in its batch: the batch ended as expired"
        }
        assert len(one["verdicts"]) == 6
        assert judged(judge, "--batch").json["batches"][0]["calls"] == 1
    assert not judge.asked


def test_a_call_that_the_provider_refuses_is_asked_in_halves_at_once(judged: Any, kilobench: Any) -> None:
    def answer(asked: Asked) -> Answer:
        return good(asked) if len({step for step, _ in pairs(asked)}) == 1 else Answer("context_length_exceeded", 400)

    with ScriptedJudge(answer) as judge:
        judged(judge, "--batch")
        judge.batches.finish(judge)
        result = collected(kilobench)
    assert result.code == 0
    assert len(result.json["batches"][0]["result"]["verdicts"]) == 12


def test_prompts_that_changed_since_are_told(judged: Any, kilobench: Any) -> None:
    with ScriptedJudge(good) as judge:
        judged(judge, "--batch")
        judge.batches.finish(judge)
        (path,) = tickets()
        kept = json.loads(path.read_text())
        kept["made_by"]["prompts"] = "efficiency@1"
        path.write_text(json.dumps(kept))
        result = collected(kilobench)
    assert result.code == 3
    assert "with other prompts (efficiency@1)" in result.json["batches"][0]["reason"]
    assert tickets()


def test_a_provider_that_forgot_a_batch_is_told_with_what_to_do(judged: Any, kilobench: Any) -> None:
    with ScriptedJudge(good) as judge:
        judged(judge, "--batch")
        judge.batches.batches.clear()
        result = collected(kilobench)
    (path,) = tickets()
    assert result.code == 3
    assert f"to forget the batch, remove {path}" in result.json["batches"][0]["reason"]


def test_the_key_of_an_api_stands_in_no_ticket(judged: Any) -> None:
    with ScriptedJudge(good) as judge:
        judged(judge, "--batch")
    (path,) = tickets()
    assert KEY.encode() not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0


def test_a_ticket_that_cannot_be_read_is_named(judged: Any, kilobench: Any) -> None:
    with ScriptedJudge(good) as judge:
        judged(judge, "--batch")
    (path,) = tickets()
    path.write_text("{")
    result = collected(kilobench)
    assert result.code == 2
    assert str(path) in result.err


def test_two_at_the_same_time_do_not_submit_the_same(judged: Any) -> None:
    with ScriptedJudge(good) as judge, batch_tickets.tickets():
        result = judged(judge, "--batch")
    assert result.code == 2
    assert "Another kilobench submits or collects" in result.err


def test_what_goes_nowhere_with_batches_is_said(kilobench: Any, job: JobBuilder) -> None:
    assert "No batch waits to be collected" in kilobench("judge", "--collect").err
    assert "--collect judges what was submitted" in kilobench("judge", job.path, "--collect").err
    assert "rules cost nothing" in kilobench("judge", job.path, "--batch").err


def test_what_a_person_sees(judged: Any, kilobench: Any, job: JobBuilder, server: EmbeddedOpik) -> None:
    with ScriptedJudge(good) as judge:
        where = ("--judge-api-base", judge.url, "--opik", server.url)
        submitted = kilobench("judge", job.path, "--judge-model", MODEL, *where, "--batch")
        waiting = kilobench("judge", "--collect")
        judge.batches.finish(judge)
        result = kilobench("judge", "--collect")
    assert f"{MODEL}: 2 calls, $" in submitted.out
    assert "0 of 2 calls: the provider says: in_progress" in waiting.out
    assert "judged: 2 trials, 4 agent steps" in result.out
