"""What a judge reads: the task, what came before in short, a window in full, and nothing that came after."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transcripts import acted, asked_of_all, long_trial, made_trial, parsed, user

from adapter.trial import Source, Status, Step, ToolCall, Trial, TrialException
from judges.criteria import criteria
from judges.transcript.fence import boundary
from judges.transcript.render import Rendered, Transcript, render
from judges.transcript.schema import answer_schema
from judges.transcript.windows import DEFAULT_WINDOW, windows
from judges.verdict import Category, Quote, Verdict, check_evidence

KNOWN = criteria()


def prompt(trial: Trial, *window: int) -> Rendered:
    return render(Transcript.of(trial), window, asked_of_all(window, KNOWN), KNOWN)


def text_of(rendered: Rendered) -> str:
    return "".join(part.text for part in rendered.parts)


def shown(trial: Trial, *window: int) -> str:
    return parsed(prompt(trial, *window)).shown


# Windows.


@pytest.mark.parametrize("size", [1, 2, 5, DEFAULT_WINDOW, 100])
def test_each_step_of_the_agent_is_in_one_window_and_in_order(size: int) -> None:
    trial = long_trial(23)
    found = windows(trial, size)
    assert list(itertools.chain(*found)) == [step.number for step in trial.agent_steps]
    assert {len(window) for window in found[:-1]} <= {size}
    assert 0 < len(found[-1]) <= size


def test_what_the_user_says_and_copied_context_are_shown_and_not_judged() -> None:
    copied = replace(acted(2, "That was before."), is_copied=True)
    trial = made_trial(user(1), copied, acted(3), user(4, "Now the other file."), acted(5))
    assert windows(trial, 10) == ((3, 5),)
    text = shown(trial, 3, 5)
    assert "Now the other file." in text
    assert "That was before." in text


def test_a_sub_agent_s_steps_are_judged_like_the_agent_s() -> None:
    trial = made_trial(user(1), acted(2), replace(acted(3), subagent="helper"))
    assert windows(trial, 10) == ((2, 3),)
    marks = parsed(prompt(trial, 2, 3)).marks
    assert "step 3: sub-agent" in marks


def test_a_trial_without_steps_of_the_agent_has_no_windows() -> None:
    assert windows(made_trial(user(1)), 5) == ()


# What is shown.


def test_a_window_is_shown_in_full_and_what_came_before_in_short() -> None:
    long = "\n".join(f"line {number}" for number in range(60))
    text = shown(made_trial(user(1), acted(2, output=long), acted(3, output=long)), 3)
    before, window = text.split("step 3: agent]")
    assert "line 30" in window
    assert "line 30" not in before
    assert "line 0 (60 lines)" in before
    assert "line 59" in before
    assert "ls dir-2" in before


def test_each_part_of_a_step_stands_below_its_mark() -> None:
    step = Step(
        2,
        2,
        Source.AGENT,
        "I said.",
        "I thought.",
        (ToolCall("edit", {"path": "a.py", "count": 2, "lines": ["x"]}, "ok"), ToolCall("bash", "not json")),
        ("It is noon.",),
    )
    lines = shown(made_trial(user(1), step), 2).split("\n")
    known = boundary(made_trial(user(1), step))

    def below(mark: str) -> str:
        return lines[lines.index(f"[{known} {mark}]") + 1]

    assert below("message") == "I said."
    assert below("thinking") == "I thought."
    assert below("call 1: tool") == "edit"
    assert below("call 1: arguments") == "path: a.py"
    assert 'lines: ["x"]' in lines
    assert below("call 1: output") == "ok"
    assert below("call 2: arguments") == "not json"
    assert f"[{known} call 2: no output is recorded]" in lines
    assert below("observation") == "It is noon."


@pytest.mark.parametrize("place", ["output", "message", "reasoning", "arguments", "observation"])
def test_a_long_text_is_clipped_and_says_how_much_is_not_shown(place: str) -> None:
    text = "".join(f"{number:06}\n" for number in range(3000))
    fields: dict[str, Any] = {"message": "", "output": None, "tool_calls": ()}
    if place == "output":
        fields |= {"tool_calls": (ToolCall("bash", {}, text),)}
    elif place == "arguments":
        fields |= {"tool_calls": (ToolCall("bash", {"command": text}),)}
    elif place == "observation":
        fields |= {"observations": (text,)}
    else:
        fields[place] = text
    trial = made_trial(user(1), acted(2, **fields))
    found = parsed(prompt(trial, 2))
    (mark,) = [mark for mark in found.marks if mark.startswith("clipped")]
    left_out = int(mark.split()[1])
    numbers = [line for line in found.shown.split("\n") if line.isdigit() and len(line) == 6]
    assert "000000" in numbers
    assert "002999" in numbers
    kept = sum(len(line) + 1 for line in numbers)
    assert abs(len(text) - kept - left_out) < 20  # lines that were cut in two are not counted
    assert len(text) - left_out >= 1500


def test_a_text_that_is_hardly_too_long_is_shown_whole() -> None:
    text = "x" * 1900
    assert text in shown(made_trial(user(1), acted(2, output=text)), 2)


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("boom\n(exit code: 2)", "-> boom (2 lines, exit status 2)"),
        ("boom\nbang", "-> boom (2 lines)"),
        ("boom", "-> boom"),
        ("", "-> (no text)"),
        (None, "ls dir-2"),
    ],
    ids=["status", "lines", "one line", "empty", "no output"],
)
def test_a_short_form_tells_how_a_call_ended_as_far_as_it_is_known(output: str | None, told: str) -> None:
    before = shown(made_trial(user(1), acted(2, output=output), acted(3)), 3).split("step 3: agent]")[0]
    assert f"{told}\n" in before
    assert (output is None) is ("->" not in before)


def test_a_later_word_of_the_user_s_is_told_at_length() -> None:
    text = "Now do the other thing, and mind this: " + "word " * 80
    assert text.strip() in shown(made_trial(user(1), acted(2), user(3, text), acted(4)), 4)


def test_thinking_that_a_call_repeats_on_each_of_its_steps_is_told_once() -> None:
    trial = made_trial(user(1), acted(2, reasoning="The same thought."), acted(3, reasoning="The same thought."))
    assert shown(trial, 2, 3).count("The same thought.") == 1
    assert "The same thought." in shown(trial, 3)


def test_a_trial_without_a_task_says_so() -> None:
    assert parsed(prompt(made_trial(acted(1)), 1)).marks[0] == "task: none is recorded"


QUOTED = {
    "colours": "\x1b[31merror:\x1b[0m no such file",
    "invisible": "pass\u200bword \u202eis\u202c here",
    "carriage returns": "10 %\r20 %\rdone now",
    "separators": "one\u2028two\x0bthree",
    "wide letters": "ｅｒｒｏｒ： no",
    "emoji": "it works \U0001f469\u200d\U0001f680 now",
}


@pytest.mark.parametrize("text", QUOTED.values(), ids=QUOTED)
def test_what_is_shown_can_be_quoted(text: str) -> None:
    trial = made_trial(user(1), acted(2, output=text))
    found = shown(trial, 2).split("call 1: output]\n")[1].strip()
    verdict = Verdict(
        trial=trial.name,
        step=2,
        criterion="efficiency",
        label="redundant",
        value=0,
        explanation="x",
        by="m",
        evidence=(Quote(step=2, quote=found),),
    )
    assert check_evidence(trial, verdict) == []


# What is withheld.


@pytest.mark.parametrize("window", [(2,), (3, 4), (2, 3, 4)])
def test_nothing_that_came_after_the_window_is_shown(window: tuple[int, ...]) -> None:
    trial = long_trial(8)
    text = text_of(prompt(trial, *window))
    assert all(f"dir-{number}" in text for number in range(2, window[-1] + 1))
    assert not any(f"dir-{number}" in text for number in range(window[-1] + 1, 10))
    cut = replace(trial, steps=trial.steps[: window[-1]])
    swapped = text_of(prompt(cut, *window)).replace(boundary(cut), boundary(trial))
    assert swapped == text


def test_how_a_trial_ended_is_not_shown() -> None:
    trial = long_trial(4)
    told = replace(
        trial,
        status=Status.PASSED,
        reward=0.731,
        rewards={"reward": 0.731},
        exception=TrialException("BrokenVerifier", "it broke"),
        category="puzzles",
    )
    assert prompt(told, 3, 4) == prompt(trial, 3, 4)


# What is shared.


@pytest.mark.parametrize("size", [1, 3, DEFAULT_WINDOW])
def test_prompts_of_one_trial_begin_with_the_same_bytes(size: int) -> None:
    trial = long_trial(38)
    prompts = [prompt(trial, *window) for window in windows(trial, size)]
    assert len({rendered.system for rendered in prompts}) == 1
    for before, after in itertools.pairwise(prompts):
        stable = [part for part in before.parts if part.is_stable]
        assert list(before.parts[: len(stable)]) == stable
        assert after.parts[: len(stable)] == tuple(stable)
    assert len([part for part in prompts[-1].parts if part.is_stable]) > 2


def test_a_very_long_run_s_oldest_steps_are_told_in_a_line_each_and_then_left_out_with_a_mark() -> None:
    trial = long_trial(700)
    early, late = text_of(prompt(trial, 100)), text_of(prompt(trial, 690))
    assert len(late) < 6 * len(early)
    assert "are not shown]" in late
    assert "dir-650" in late


def test_the_system_prompt_is_the_same_for_all_trials() -> None:
    assert prompt(long_trial(3), 2).system == prompt(made_trial(user(1, "Else."), acted(2)), 2).system


def test_a_prompt_is_a_pure_function_of_what_goes_in() -> None:
    trial = long_trial(12)
    assert prompt(trial, 5, 6) == prompt(trial, 5, 6)
    assert Transcript.of(trial) == Transcript.of(trial)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 30), st.integers(0, 8))
def test_any_window_can_be_cut_in_two(first: int, more: int) -> None:
    trial = long_trial(30)
    window = tuple(range(first, min(31, first + more) + 1))
    for part in (window, window[: len(window) // 2], window[len(window) // 2 :]):
        if part:
            marks = parsed(prompt(trial, *part)).marks
            assert [mark for mark in marks if mark.startswith("step ")][-1] == f"step {part[-1]}: agent"


def test_what_is_asked_stands_last_and_by_step() -> None:
    trial = long_trial(3)
    asked = [(2, "efficiency"), (3, "tool_choice"), (3, "efficiency")]
    question = parsed(render(Transcript.of(trial), (2, 3), asked, KNOWN)).question
    assert "step 2: efficiency\nstep 3: tool_choice, efficiency\n" in question


def test_complaints_change_nothing_but_the_end() -> None:
    trial = long_trial(3)
    transcript = Transcript.of(trial)
    first = text_of(render(transcript, (2, 3), [(2, "efficiency")], KNOWN))
    again = text_of(render(transcript, (2, 3), [(2, "efficiency")], KNOWN, ["Step 2 holds no such quote."]))
    assert again.startswith(first.removesuffix("Answer with the JSON object alone.\n"))
    assert "Step 2 holds no such quote." in again


def test_a_complaint_that_repeats_a_mark_does_not_make_one() -> None:
    trial = long_trial(3)
    known = boundary(trial)
    again = text_of(render(Transcript.of(trial), (2,), [(2, "efficiency")], KNOWN, [f"\n[{known} trajectory ends]"]))
    assert again.count(f"[{known} trajectory ends]") == 1


# The form of the answer.


def _objects(schema: Any) -> list[dict[str, Any]]:
    found = []
    if isinstance(schema, dict):
        found += [schema] if schema.get("type") == "object" else []
        found += [one for value in schema.values() for one in _objects(value)]
    elif isinstance(schema, list):
        found += [one for value in schema for one in _objects(value)]
    return found


CHECKS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "every property is required": lambda one: one["required"] == list(one["properties"]),
    "no other is added": lambda one: one["additionalProperties"] is False,
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_the_schema_keeps_to_what_strict_mode_takes(check: Callable[[dict[str, Any]], bool]) -> None:
    objects = _objects(answer_schema(KNOWN))
    assert len(objects) == 4
    assert all(check(one) for one in objects)


def test_the_explanation_comes_before_the_label_and_words_are_from_closed_lists() -> None:
    verdict: Any = answer_schema(KNOWN)
    verdict = verdict["properties"]["verdicts"]["items"]["properties"]
    assert list(verdict) == [
        "step",
        "criterion",
        "explanation",
        "evidence",
        "label",
        "better_action",
        "category",
        "confidence",
    ]
    assert verdict["criterion"]["enum"] == list(KNOWN)
    assert set(verdict["label"]["enum"]) == {label.label for one in KNOWN.values() for label in one.labels}
    assert verdict["category"]["anyOf"][0]["enum"] == [category.value for category in Category]
    assert json.dumps(answer_schema(KNOWN)) == json.dumps(answer_schema(KNOWN))
