"""Steps are judged by models over HTTP: what they say is checked, kept and told, and nothing is made up."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, read_one, user_step
from judging import BEST, MODEL, OTHER, THIRD, UNPRICED, bad, command, good, instead, pairs, said, verdict
from scripted_judge import Answer, Asked, ScriptedJudge

from adapter.embedded_opik import EmbeddedOpik
from adapter.opik_connection import Connection
from adapter.prices import BUNDLED
from judges.asking import Model
from judges.criteria import criteria
from judges.jury import Heard, Jury, hear
from judges.llm.gateway import Gateway
from judges.transcript.windows import DEFAULT_WINDOW
from pipelines import cli_judge

READ = ("Read", {"file_path": "a.py"}, "x = 1")
TEST = ("Bash", {"command": "pytest -q"}, "2 failed in 0.1s")
STEPS = [user_step("Fix the test."), agent_step("I look first.", READ), agent_step("", READ), agent_step("Done.", TEST)]
"""The agent's steps are 2, 3 and 4; a rule flags the third, which reads a file again."""
ALL = [(step, criterion) for step in (2, 3, 4) for criterion in ("efficiency", "reasoning_quality", "tool_choice")]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """The key of an API; it is nobody's."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobodys-4711")
    return "sk-nobodys-4711"


@pytest.fixture
def job(tmp_path: Path) -> JobBuilder:
    builder = JobBuilder(tmp_path)
    builder.trial("a__1", steps=STEPS)
    return builder


@pytest.fixture
def judged(job: JobBuilder, server: EmbeddedOpik, kilobench: Any) -> Callable[..., Any]:
    """Has the job judged by a scripted model; further arguments are the command's."""

    return command(kilobench, job.path, server.url)


@pytest.fixture
def hearing(job: JobBuilder) -> Callable[[ScriptedJudge], Heard]:
    """Has the trial judged by a scripted model through a gateway that keeps nothing."""
    trial = read_one(job, job.path / "a__1")

    def call(judge: ScriptedJudge) -> Heard:
        async def ask() -> Heard:
            async with Gateway(book=BUNDLED, max_spend_usd=5.0, cache=None) as gateway:
                jury = Jury((Model(MODEL, judge.url),), criteria())
                return await hear(trial, jury, gateway, lambda _: None)

        return asyncio.run(ask())

    return call


def labels(result: Any, *, by_rules: bool = False) -> dict[tuple[int, str], str]:
    return {
        (one["step"], one["criterion"]): one["label"]
        for one in result.json["verdicts"]
        if one["by"].startswith("rule:") == by_rules
    }


def test_one_call_judges_a_window_by_all_criteria(judged: Any) -> None:
    with ScriptedJudge(good) as judge:
        result = judged(judge)
    assert result.code == 0
    assert [pairs(asked) for asked in judge.asked] == [ALL]
    assert labels(result) == {pair: BEST[pair[1]] for pair in ALL}
    run = result.json["run"]
    assert (run["calls"], run["cached_calls"], run["models"]) == (1, 0, [MODEL])
    assert set(run["prompt_versions"]) == set(BEST)
    assert (run["tokens"]["input"], run["tokens"]["output"]) == (1000, 100)
    # gpt-4.1-mini: $0.40 and $1.60 for a million tokens.
    assert run["spend_usd"] == pytest.approx(1000 * 0.4e-6 + 100 * 1.6e-6)


def test_a_verdict_holds_all_that_the_judge_said(judged: Any) -> None:
    wrong = bad(3, "efficiency", "redundant", "x =\n 1", at=2)
    with ScriptedJudge(instead({(3, "efficiency"): wrong})) as judge:
        result = judged(judge)
    (one,) = [one for one in result.json["verdicts"] if one["label"] == "redundant" and one["by"] == MODEL]
    assert one == {
        "trial": "job/a__1",
        "step": 3,
        "criterion": "efficiency",
        "label": "redundant",
        "value": 0.0,
        "explanation": "It follows from what was known.",
        "evidence": [{"step": 2, "quote": "x =\n 1"}],
        "better_action": "Bash ls",
        "category": "repeated action",
        "confidence": 0.8,
        "by": MODEL,
        "prompt_version": "efficiency@2",
    }


def test_a_model_that_differs_from_a_rule_counts_and_both_are_told(judged: Any) -> None:
    with ScriptedJudge(good) as judge:
        result = judged(judge)
    said_of = [one for one in result.json["verdicts"] if (one["step"], one["criterion"]) == (3, "efficiency")]
    assert [one["by"] for one in said_of] == [MODEL, "rule:repeated_call"]
    assert result.json["run"]["disagreements"] == {"efficiency": 1}
    assert result.json["trials"][0]["flagged"]["efficiency_flagged"] == 0, "the model's verdict counts"


def test_without_a_model_rules_judge_and_nothing_is_sent_or_stored(job: JobBuilder, kilobench: Any) -> None:
    result = kilobench("judge", job.path, "--json")
    assert result.code == 0
    assert (result.json["opik"], result.json["run"]["calls"], result.json["run"]["spend_usd"]) == (None, 0, 0)
    assert labels(result, by_rules=True) == {(3, "efficiency"): "redundant"}
    assert result.json["trials"][0]["flagged"]["efficiency_flagged"] == pytest.approx(1 / 3)


WINDOWS = [(1, [[2], [3], [4]]), (2, [[2, 3], [4]]), (3, [[2, 3, 4]])]


@pytest.mark.parametrize(("size", "windows"), WINDOWS, ids=lambda value: str(value).replace(" ", ""))
def test_a_window_holds_so_many_steps(judged: Any, size: int, windows: list[list[int]]) -> None:
    with ScriptedJudge(good) as judge:
        judged(judge, "--window", size)
    assert [sorted({step for step, _ in pairs(asked)}) for asked in judge.asked] == windows


def quoting(quote: str, at: int = 3) -> dict[str, Any]:
    return bad(3, "efficiency", "redundant", quote, at=at)


PLAIN = {"step": 3, "criterion": "efficiency"}
FAULTS: dict[str, tuple[dict[str, Any] | None, str]] = {
    "missing": (None, "There is no verdict in the answer"),
    "no such label": (verdict(3, "efficiency", "superb"), "`superb` is no label"),
    "another criterion's label": (verdict(3, "efficiency", "sound"), "`sound` is no label"),
    "no explanation": (verdict(3, "efficiency", explanation=" "), "`explanation`"),
    "no label": ({**PLAIN, "explanation": "x"}, "`label`"),
    "a quote that is not there": (quoting("x = 2"), "does not hold the quote"),
    "a quote from another step": (quoting("2 failed", at=2), "does not hold the quote"),
    "a quote from a later step": (quoting("2 failed", at=4), "came after step 3"),
    "a quote from no step": (quoting("x = 1", at=1000), "came after step 3"),
    "a quote that shows nothing": (quoting("."), "too short"),
    "no evidence for a bad label": (verdict(3, "efficiency", "avoidable"), "needs evidence"),
    "no better action": (quoting("x = 1") | {"better_action": None}, "needs a better action"),
    "no arguments": (quoting("x = 1") | {"better_action": {"tool": "Bash", "arguments": " "}}, "needs a better action"),
    "no such category": (quoting("x = 1") | {"category": "bad luck"}, "`bad luck` is no category"),
    "surer than sure": (verdict(3, "efficiency", confidence=1.5), "`confidence`"),
    "words for a number": (verdict(3, "efficiency", confidence="high"), "`confidence`"),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.replace(" ", "-"))
def test_a_verdict_that_cannot_be_used_is_asked_for_once_more(hearing: Any, fault: str) -> None:
    given, complaint = FAULTS[fault]

    def answer(asked: Asked) -> Answer:
        return instead({(3, "efficiency"): given})(asked) if asked.number == 1 else good(asked)

    with ScriptedJudge(answer) as judge:
        heard = hearing(judge)
    assert [pairs(asked) for asked in judge.asked] == [ALL, [(3, "efficiency")]], "only what is missing is asked again"
    told = judge.asked[1].text.rsplit("faults begin]", 1)[1]
    assert complaint in told
    assert {(one.step, one.criterion): one.label for one in heard.verdicts} == {pair: BEST[pair[1]] for pair in ALL}
    assert judge.asked[1].text.startswith(judge.asked[0].text.split("Judge these steps")[0]), "the prefix is the same"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.replace(" ", "-"))
def test_one_that_cannot_be_used_again_is_failed_and_no_other_with_it(hearing: Any, fault: str) -> None:
    given, complaint = FAULTS[fault]
    with ScriptedJudge(instead({(3, "efficiency"): given})) as judge:
        heard = hearing(judge)
    (failed,) = heard.failed
    assert complaint in failed.reason
    assert (failed.trial, failed.step, failed.criterion, failed.model) == ("job/a__1", 3, "efficiency", MODEL)
    assert {(one.step, one.criterion) for one in heard.verdicts} == set(ALL) - {(3, "efficiency")}


def test_what_failed_is_named_and_asked_again_by_the_next_run(judged: Any) -> None:
    given, complaint = FAULTS["a quote that is not there"]
    with ScriptedJudge(instead({(3, "efficiency"): given})) as judge:
        result = judged(judge)
        assert result.code == 3
        (failed,) = result.json["failed"]
        assert complaint in failed["reason"]
        assert {name: failed[name] for name in ("trial", "step", "criterion", "model")} == {
            "trial": "job/a__1",
            **PLAIN,
            "model": MODEL,
        }
        assert labels(result) == {pair: BEST[pair[1]] for pair in ALL if pair != (3, "efficiency")}
        assert labels(result, by_rules=True) == {(3, "efficiency"): "redundant"}, (
            "the rule's stands where there is none"
        )
        judge.answer = good
        again = judged(judge)
    assert len(judge.asked) == 3, "the next run asks for what failed, and for nothing else"
    assert (again.code, again.json["run"]["calls"], again.json["run"]["cached_calls"]) == (0, 1, 1)


ANSWERS: dict[str, Answer] = {
    "empty": Answer(""),
    "blank": Answer(" \n"),
    "words": Answer("All steps look fine to me."),
    "cut": Answer('{"trajectory": "BOUNDARY", "verdicts": [{"step": 2, "crit'),
    "a list": Answer("[1, 2]"),
    "another object": Answer('{"scores": [1]}'),
    "no list": Answer('{"verdicts": 5}'),
    "two objects": Answer(f"First {said(verdict(2, 'efficiency')).text} and then {said().text}"),
    "nothing in it": said(),
    "without the trajectory": Answer(json.dumps({"verdicts": [verdict(2, "efficiency")]})),
    "on another trajectory": Answer(json.dumps({"trajectory": "0123456789", "verdicts": [verdict(2, "efficiency")]})),
    "on a disguised trajectory": Answer(
        json.dumps({"trajectory": " BOUNDARY", "verdicts": [verdict(2, "efficiency")]})
    ),
    "a step that was not asked": said(*(verdict(99, name) for name in BEST)),
    "a criterion that was not asked": said({**verdict(2, "efficiency"), "criterion": "style"}),
    "deep nesting": Answer("[" * 100_000),
    "not a number": said(verdict(2, "efficiency", confidence=float("nan"))),
    "no steps": said({**verdict(2, "efficiency"), "step": None}),
    "an answer of its own that differs": said(verdict(2, "efficiency"), bad(2, "efficiency", "redundant", "x = 1")),
}


@pytest.mark.parametrize("name", ANSWERS, ids=lambda name: name.replace(" ", "-"))
def test_an_answer_that_cannot_be_used_scores_nothing(hearing: Any, name: str) -> None:
    with ScriptedJudge(lambda _: ANSWERS[name]) as judge:
        heard = hearing(judge)
    assert heard.verdicts == ()
    assert {(one.step, one.criterion) for one in heard.failed} == set(ALL)
    assert all(one.reason for one in heard.failed)
    assert len(judge.asked) == 2


GOOD_FORMS: dict[str, Callable[[str], str]] = {
    "in a fence": lambda text: f"```json\n{text}\n```",
    "with words around": lambda text: f"Here you are:\n{text}\nThat is all.",
    "in a fence with words": lambda text: f"Sure.\n```\n{text}\n```\nDone.",
}


@pytest.mark.parametrize("form", GOOD_FORMS, ids=lambda name: name.replace(" ", "-"))
def test_an_answer_is_found_among_words(hearing: Any, form: str) -> None:
    with ScriptedJudge(lambda asked: Answer(GOOD_FORMS[form](good(asked).text))) as judge:
        heard = hearing(judge)
    assert len(judge.asked) == 1
    assert {(one.step, one.criterion) for one in heard.verdicts} == set(ALL)


def test_an_answer_that_was_cut_is_kept_up_to_there_and_the_rest_asked_in_halves(hearing: Any) -> None:
    def answer(asked: Asked) -> Answer:
        whole = good(asked).text
        if asked.number > 1:
            return Answer(whole)
        return Answer(whole[: whole.index('{"step": 3') + 40], finish="length")

    with ScriptedJudge(answer) as judge:
        heard = hearing(judge)
    assert [sorted({step for step, _ in pairs(asked)}) for asked in judge.asked] == [[2, 3, 4], [3], [4]]
    assert {(one.step, one.criterion) for one in heard.verdicts} == set(ALL)


def test_a_context_that_is_too_long_is_split(hearing: Any) -> None:
    def answer(asked: Asked) -> Answer:
        steps = {step for step, _ in pairs(asked)}
        if len(steps) > 1:
            return Answer("This model's maximum context length is 100 tokens.", status=400)
        return good(asked)

    with ScriptedJudge(answer) as judge:
        heard = hearing(judge)
    assert {(one.step, one.criterion) for one in heard.verdicts} == set(ALL)
    assert [len({step for step, _ in pairs(asked)}) for asked in judge.asked] == [3, 1, 2, 1, 1]


def test_a_step_that_is_filtered_takes_no_other_with_it(judged: Any) -> None:
    def answer(asked: Asked) -> Answer:
        if any(step == 3 for step, _ in pairs(asked)):
            return Answer("", finish="content_filter")
        return good(asked)

    with ScriptedJudge(answer) as judge:
        result = judged(judge)
    assert result.code == 3
    assert {step for step, _ in labels(result)} == {2, 4}
    assert {(one["step"], one["reason"].partition(":")[0]) for one in result.json["failed"]} == {(3, "content filter")}


FAILURES: dict[str, tuple[Answer, str, int]] = {
    "refusal": (Answer(refusal="I cannot judge this."), "content filter", 5),
    "wrong key": (Answer("Incorrect API key provided: sk-nobodys-4711", status=401), "no access", 1),
    "no credit": (Answer("You exceeded your current quota: insufficient_quota", status=429), "no access", 1),
    "no such model": (Answer("The model `x` does not exist", status=404), "no such model", 1),
    "context": (Answer("maximum context length is 10 tokens", status=400), "context too long", 5),
    "policy": (Answer("rejected by content management policy", status=400), "content filter", 5),
    "wrong request": (Answer("something is wrong with it", status=400), "refused", 1),
}


@pytest.mark.parametrize("name", FAILURES, ids=lambda name: name.replace(" ", "-"))
def test_a_provider_that_will_not_answer_is_told_by_its_reason(hearing: Any, name: str, key: str) -> None:
    answer, reason, calls = FAILURES[name]
    with ScriptedJudge(lambda _: answer) as judge:
        heard = hearing(judge)
    assert heard.verdicts == ()
    assert {(one.step, one.criterion) for one in heard.failed} == set(ALL)
    assert {one.reason.partition(":")[0] for one in heard.failed} == {reason}
    assert len(judge.asked) == calls
    assert not any(key in one.reason for one in heard.failed)


def test_a_provider_that_hangs_is_given_up(judged: Any) -> None:
    never = threading.Event()
    with ScriptedJudge(lambda _: Answer(until=never)) as judge:
        result = judged(judge, "--timeout", 0.2)
        never.set()
    assert result.code == 3
    assert {one["reason"].partition(":")[0] for one in result.json["failed"]} == {"no answer in time"}
    assert result.json["run"]["spend_usd"] == 0
    assert result.json["run"]["held_usd"] > 0, "it may be billed, and counts under the cap"


def test_what_does_not_fit_under_the_cap_is_not_sent_and_is_done_by_the_next_run(judged: Any) -> None:
    with ScriptedJudge(good) as judge:
        result = judged(judge, "--max-spend", "0.0001")
        assert (result.code, len(judge.asked)) == (3, 0)
        assert result.json["failed"] == []
        left = {(one["trial"], one["criterion"], tuple(one["steps"])) for one in result.json["not_judged"]}
        assert left == {("job/a__1", name, (2, 3, 4)) for name in BEST}
        assert all(one["reason"].startswith("spend cap") for one in result.json["not_judged"])
        again = judged(judge)
    assert (again.code, again.json["not_judged"], len(judge.asked)) == (0, [], 1)


def test_a_model_without_a_price_is_not_asked_unless_the_cap_is_lifted(judged: Any, tmp_path: Path) -> None:
    with ScriptedJudge(good) as judge:
        refused = judged(judge, models=(UNPRICED,))
        assert (refused.code, len(judge.asked)) == (3, 0)
        assert all(one["reason"].startswith("no price") for one in refused.json["not_judged"])
        lifted = judged(judge, "--max-spend", "none", models=(UNPRICED,))
        assert (lifted.code, len(judge.asked)) == (0, 1)
        assert lifted.json["run"]["spend_usd"] is None, "unknown, and not 0"
        prices = tmp_path / "prices.toml"
        prices.write_text(
            '[[price]]\nmodel = "scripted"\nsource = "me"\ndate = 2026-01-01\ninput = 1.0\noutput = 2.0\n', "utf-8"
        )
        priced = judged(judge, "--prices", prices, "--window", 1, models=(UNPRICED,))
    assert priced.code == 0
    assert priced.json["run"]["spend_usd"] == pytest.approx(3 * (1000 * 1e-6 + 100 * 2e-6))


def test_a_second_run_sends_nothing_and_says_the_same(judged: Any) -> None:
    with ScriptedJudge(good) as judge:
        first = judged(judge)
        second = judged(judge)
    assert len(judge.asked) == 1
    assert second.json["verdicts"] == first.json["verdicts"]
    run = second.json["run"]
    assert (run["calls"], run["cached_calls"], run["spend_usd"]) == (0, 1, 0)


def test_a_dry_run_counts_and_sends_nothing(judged: Any) -> None:
    with ScriptedJudge(good) as judge:
        result = judged(judge, "--dry-run", "--window", 2)
        assert (result.code, judge.asked) == (0, [])
        (one,) = result.json["models"]
        assert (one["model"], one["calls"], one["cached_calls"]) == (MODEL, 2, 0)
        assert 1000 < one["input_tokens"] < 10_000
        assert 0 < one["usd"] < one["most_usd"]
        judged(judge, "--window", 2)
        again = judged(judge, "--dry-run", "--window", 2)
    assert (again.json["models"][0]["calls"], again.json["models"][0]["cached_calls"]) == (0, 2)


def panel(labels: dict[str, str]) -> Callable[[Asked], Answer]:
    """Each model gives its label on the efficiency of step 3."""

    def answer(asked: Asked) -> Answer:
        label = labels[f"openai/{asked.model}"]
        given = verdict(3, "efficiency") if label == "necessary" else bad(3, "efficiency", label, "x = 1")
        return instead({(3, "efficiency"): given})(asked)

    return answer


COMBINED = [("union", "redundant", 0.0), ("mean", "avoidable", 0.5), ("majority", "redundant", 0.0)]


@pytest.mark.parametrize(("how", "label", "value"), COMBINED, ids=lambda value: str(value))
def test_a_panel_says_one_thing(judged: Any, how: str, label: str, value: float) -> None:
    with ScriptedJudge(panel({MODEL: "necessary", OTHER: "redundant"})) as judge:
        result = judged(judge, "--combine", how, models=(MODEL, OTHER))
    (one,) = [
        one
        for one in result.json["verdicts"]
        if (one["step"], one["criterion"]) == (3, "efficiency") and not one["by"].startswith("rule:")
    ]
    assert (one["label"], one["value"], one["by"]) == (label, value, f"{OTHER} + {MODEL} ({how})")
    agreed = {one["criterion"]: one["agreement"] for one in result.json["run"]["agreement"]}
    assert agreed == {"efficiency": pytest.approx(2 / 3), "reasoning_quality": 1, "tool_choice": 1}


def test_a_third_is_asked_only_where_two_disagree_and_has_the_last_word(judged: Any) -> None:
    with ScriptedJudge(panel({MODEL: "necessary", OTHER: "redundant", THIRD: "avoidable"})) as judge:
        result = judged(judge, "--escalate", THIRD, models=(MODEL, OTHER))
    asked = {f"openai/{one.model}": pairs(one) for one in judge.asked}
    assert asked == {MODEL: ALL, OTHER: ALL, THIRD: [(3, "efficiency")]}
    assert labels(result)[3, "efficiency"] == "avoidable"
    assert result.json["run"]["escalated"] == 1
    # Of the steps that were in dispute alone, agreement with the third would be a number that means nothing.
    assert {tuple(one["judges"]) for one in result.json["run"]["agreement"]} == {(MODEL, OTHER)}


def test_a_judge_that_is_asked_again_shows_how_stable_it_is(judged: Any) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.number == 2:
            return instead({(3, "efficiency"): bad(3, "efficiency", "redundant", "x = 1")})(asked)
        return good(asked)

    with ScriptedJudge(answer) as judge:
        result = judged(judge, "--repeat", 3, "--concurrency", 1)
        again = judged(judge, "--repeat", 3, "--concurrency", 1)
    assert len(judge.asked) == 3
    same = {one["criterion"]: one["agreement"] for one in result.json["run"]["stability"]}
    assert same == {"efficiency": pytest.approx(2 / 3), "reasoning_quality": 1, "tool_choice": 1}
    assert again.json["run"]["stability"] == result.json["run"]["stability"]


def test_a_criterion_of_ones_own_is_judged_from_its_file_alone(judged: Any, tmp_path: Path) -> None:
    folder = tmp_path / "criteria"
    folder.mkdir()
    (folder / "manners.md").write_text(
        "---\nname: Manners\nversion: 3\ncriterion: manners\nquestion: Was it polite?\napplies_to: last_step\n"
        "labels:\n  - {label: polite, value: 1, meaning: It was.}\n  - {label: rude, value: 0, meaning: It was not.}\n"
        "inputs: [step]\nchangelog:\n  - {version: 3, change: Third.}\n---\n"
        "Judge the words alone, as an aunt would.\n",
        encoding="utf-8",
    )

    def answer(asked: Asked) -> Answer:
        polite = verdict(4, "manners", "polite")
        return said(*(polite if name == "manners" else verdict(step, name) for step, name in pairs(asked)))

    with ScriptedJudge(answer) as judge:
        result = judged(judge, "--criteria", folder)
    assert result.code == 0
    assert "Judge the words alone, as an aunt would." in judge.asked[0].system
    assert [pair for pair in pairs(judge.asked[0]) if pair[1] == "manners"] == [(4, "manners")], "it is for the last"
    assert result.json["run"]["prompt_versions"]["manners"] == "manners@3"
    assert result.json["trials"][0]["flagged"]["manners_flagged"] == 0


def test_a_trial_in_opik_gets_its_verdicts_and_rules_do_not_take_them_away(
    job: JobBuilder, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    kilobench("run", job.path, "--project", "p", "--opik", server.url)

    def scores() -> dict[tuple[str, str], tuple[str | None, float, str]]:
        return {
            (str(span.name), score.name): (score.category_name, score.value, score.reason or "")
            for span in connection.client.search_spans(project_name="p", max_results=100)
            for score in span.feedback_scores or []
            if score.name in BEST
        }

    assert list(scores()) == [("step 3", "efficiency")]
    arguments = ("judge", "--project", "p", "--opik", server.url, "--judge-model", MODEL, "--json")
    wrong = bad(4, "tool_choice", "wrong", "pytest -q")
    with ScriptedJudge(instead({(4, "tool_choice"): wrong})) as judge:
        result = kilobench(*arguments, "--judge-api-base", judge.url)
    assert result.code == 0
    found = scores()
    assert {key: value[0] for key, value in found.items()} == {
        (f"step {step}", name): "wrong" if (step, name) == (4, "tool_choice") else BEST[name] for step, name in ALL
    }
    reason = found["step 4", "tool_choice"][2]
    assert "Better: Bash ls" in reason
    assert "“pytest -q”" in reason
    assert reason.endswith(f"[repeated action; by {MODEL}, prompt tool_choice@2; not calibrated]")
    assert "rule:repeated_call says otherwise, redundant" in found["step 3", "efficiency"][2]
    assert kilobench("judge", "--project", "p", "--opik", server.url).code == 0
    kilobench("run", job.path, "--project", "p", "--opik", server.url)
    assert scores() == found, "what a model said stands until a model says something else"
    trace = connection.client.search_traces(project_name="p")[0]
    shares = {one.name: one.value for one in trace.feedback_scores or []}
    assert shares["tool_choice_flagged"] == pytest.approx(1 / 3)
    assert shares["efficiency_flagged"] == 0


def test_answers_that_cannot_be_kept_end_the_run_with_what_to_do(judged: Any, own_home: Path) -> None:
    def answer(asked: Asked) -> Answer:
        with sqlite3.connect(own_home / "kilobench" / "judge-cache.db") as cache:
            cache.execute("drop table replies")
        return good(asked)

    with ScriptedJudge(answer) as judge:
        result = judged(judge)
    assert result.code == 3
    assert "judge-cache.db: the judges' answers cannot be kept there: no such table" in result.err
    assert "move the file away" in result.err


def test_the_window_that_the_help_text_names_is_the_one_in_force() -> None:
    # The help text must not load the judges, so the number stands there once more.
    assert cli_judge._DEFAULT_WINDOW == DEFAULT_WINDOW


WRONG = [
    (("--judge-model", MODEL, "--judge-model", MODEL), "named twice"),
    (("--judge-model", MODEL, "--escalate", OTHER), "--escalate needs judges that can disagree"),
    (("--judge-model", MODEL, "--judge-model", OTHER, "--escalate", OTHER), "is a judge already"),
    (("--repeat", "2"), "--repeat is for models"),
    (("--combine", "sum"), "--combine: "),
    (("--only", "odd"), "--only: "),
    (("--max-spend", "lots"), "no amount of US dollars"),
    (("--max-spend", "-1"), "no amount that can be spent"),
    (("--max-spend", "nan"), "no amount that can be spent"),
    (("--criteria", "nowhere"), "it is no folder"),
    (("--dry-run",), "Rules cost nothing"),
    (("--experiment", "x"), "not clear"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=lambda value: "-".join(value) if value else "")
def test_what_does_not_go_together_is_said_in_one_line(
    job: JobBuilder, kilobench: Any, arguments: tuple[str, ...], words: str
) -> None:
    result = kilobench("judge", job.path, *arguments)
    assert result.code == 2
    assert words in result.err


def test_the_key_of_an_api_is_kept_nowhere(judged: Any, own_home: Path, tmp_path: Path, key: str) -> None:
    with ScriptedJudge(good) as judge:
        result = judged(judge)
    assert key not in result.out + result.err
    files = [path for folder in (own_home, tmp_path) for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "judge-cache.db" for path in files)
    assert not [path for path in files if key.encode() in path.read_bytes()]


def test_what_a_person_sees_names_what_is_left_to_do(job: JobBuilder, server: EmbeddedOpik, kilobench: Any) -> None:
    with ScriptedJudge(instead({(3, "efficiency"): None})) as judge:
        where = ("--judge-api-base", judge.url, "--opik", server.url)
        result = kilobench("judge", job.path, "--judge-model", MODEL, *where)
    assert result.code == 3
    assert "no verdict: job/a__1, step 3, efficiency" in result.out
    assert "2 calls, 0 from the cache" in result.out
    assert "Run the same command again" in result.out
