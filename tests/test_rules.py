"""A rule flags what it says it flags, and nothing that only looks like it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.harbor import read_trial
from adapter.jobs import find_jobs
from adapter.trial import Source, Status, Step, ToolCall, Trial, Variant
from judges.criteria import criteria
from judges.rules import RULES, judge
from judges.verdict import Category, check_evidence, check_label

FAILED = "\n\n[error] tool reported failure"


def trial(*steps: Step | ToolCall | str | tuple[ToolCall, ...]) -> Trial:
    """A trial in a few words: a call (or several in one turn), what the agent says, or a whole step."""
    made: list[Step] = []
    for number, step in enumerate(steps, 1):
        if isinstance(step, Step):
            made.append(step)
            continue
        calls = (step,) if isinstance(step, ToolCall) else step if isinstance(step, tuple) else ()
        message = step if isinstance(step, str) else ""
        made.append(Step(number, number, Source.AGENT, message, tool_calls=calls, call=number))
    return Trial("j", "t", "job", "trial", "task", "set", Variant("agent"), Status.FAILED, tuple(made))


def user(number: int) -> Step:
    return Step(number, number, Source.USER, "Look again.")


def sh(command: str, output: str | None = "some output") -> ToolCall:
    return ToolCall("Bash", {"command": command}, output)


def read(path: str, output: str | None = "1\ttext", **more: int) -> ToolCall:
    return ToolCall("Read", {"file_path": path, **more}, output)


def edit(path: str, old: str = "a", new: str = "b", output: str = "Edited.") -> ToolCall:
    return ToolCall("Edit", {"file_path": path, "old_string": old, "new_string": new}, output)


LOOK = read("/app/other.py", "1\tother")
BROKEN = sh("./run", "Exit code 1\nboom" + FAILED)


def flagged(judged: Trial, rule: str) -> list[int]:
    return [verdict.step for verdict in judge(judged) if verdict.by == f"rule:{rule}"]


REPEATED_CALL = [
    ("at once", trial(read("a"), read("a")), [2]),
    ("after looking elsewhere", trial(read("a"), LOOK, sh("ls -la | head"), read("a")), [4]),
    ("three times", trial(read("a"), read("a"), read("a")), [2, 3]),
    ("in one turn", trial((read("a"), read("a"))), [1]),
    ("a command that speaks", trial(sh("python3 check.py"), sh("python3 check.py")), [2]),
    ("a silent command that only looks", trial(sh("ls x", ""), sh("ls x", "")), [2]),
    ("a plan", trial(ToolCall("TodoWrite", {"todos": []}, "ok"), ToolCall("TodoWrite", {"todos": []}, "ok")), [2]),
    ("after a failed edit", trial(read("a"), edit("a", output="no" + FAILED), read("a")), [3]),
    ("other arguments", trial(read("a", limit=5), read("a", limit=6)), []),
    ("other tool", trial(read("a"), ToolCall("View", {"file_path": "a"}, "1\ttext")), []),
    ("other output", trial(read("a", "1\told"), read("a", "1\tnew")), []),
    ("unknown output", trial(read("a", None), read("a", None)), []),
    ("after an edit", trial(read("a"), edit("a"), read("a")), []),
    ("after a command that may change things", trial(sh("ls"), sh("make"), sh("ls")), []),
    ("after an unknown tool", trial(read("a"), ToolCall("click", {}, "ok"), read("a")), []),
    ("after another agent", trial(read("a"), ToolCall("Task", {"prompt": "x"}, "ok"), read("a")), []),
    ("after a redirection", trial(sh("ls"), sh("echo x > y"), sh("ls")), []),
    ("a silent command of unknown effect", trial(sh("./append", ""), sh("./append", "")), []),
    ("the same edit twice", trial(edit("a"), edit("a")), []),
    ("waiting", trial(sh("sleep 5; cat log"), sh("sleep 5; cat log")), []),
    ("asking the network", trial(sh("curl -s localhost:80"), sh("curl -s localhost:80")), []),
    ("while a server runs", trial(sh("./serve &", ""), sh("cat log"), sh("cat log")), []),
    (
        "while a task runs in the background",
        trial(ToolCall("Bash", {"command": "x", "run_in_background": True}, "id 1"), sh("cat log"), sh("cat log")),
        [],
    ),
    ("after the user spoke", trial(read("a"), user(2), read("a")), []),
    ("a page that could not be fetched", trial(*[ToolCall("WebFetch", {"url": "u"}, "no" + FAILED)] * 2), []),
    ("an unknown tool's steps", trial(*[ToolCall("next_page", {}, "same")] * 2), []),
]

REPEATED_FAILURE = [
    ("again", trial(BROKEN, BROKEN), [2]),
    ("again after looking", trial(BROKEN, LOOK, BROKEN), [3]),
    ("again and again", trial(BROKEN, BROKEN, BROKEN), [2, 3]),
    ("a read", trial(read("x", "File does not exist." + FAILED), read("x", "File does not exist." + FAILED)), [2]),
    ("an edit", trial(edit("a", output="no" + FAILED), edit("a", output="no" + FAILED)), [2]),
    ("after an edit", trial(BROKEN, edit("a"), BROKEN), []),
    ("after another command", trial(BROKEN, sh("apt-get install x"), BROKEN), []),
    ("in other words", trial(BROKEN, sh("./run", "Exit code 1\nbang" + FAILED)), []),
    ("a success", trial(sh("./run", "<returncode>0</returncode>"), sh("./run", "<returncode>0</returncode>")), []),
    ("not known to fail", trial(sh("./run", "boom"), sh("./run", "boom")), []),
    ("in one turn, before its result was seen", trial((BROKEN, BROKEN)), []),
    ("the network", trial(*[sh("pip install x", "Exit code 1\nno network" + FAILED)] * 2), []),
    ("after the user spoke", trial(BROKEN, user(2), BROKEN), []),
]

REREAD_UNCHANGED = [
    ("after another file's edit", trial(read("/app/a.py"), edit("/app/b.py"), read("/app/a.py")), [3]),
    (
        "by the harness's own words",
        trial(read("a"), edit("b"), read("a", "File unchanged since last read. The content ...")),
        [3],
    ),
    ("after its edit", trial(read("/app/a.py"), edit("/app/a.py"), read("/app/a.py")), []),
    ("after an edit by another path", trial(read("/app/a.py"), edit("a.py"), read("/app/a.py")), []),
    ("after a command", trial(read("a"), edit("b"), sh("./gen"), read("a")), []),
    ("another range", trial(read("a", offset=1), edit("b"), read("a", offset=9)), []),
    ("other text", trial(read("a", "1"), edit("b"), read("a", "2")), []),
    ("a failed read", trial(read("a", "no" + FAILED), edit("b"), read("a", "no" + FAILED)), []),
    ("after the user spoke", trial(read("a"), edit("b"), user(3), read("a")), []),
    ("at once: that is a repeated call", trial(read("a"), read("a")), []),
    (
        "those words with no read before",
        trial(read("a", "File unchanged since last read. The content ...")),
        [],
    ),
]

EDIT_UNDONE = [
    ("at once", trial(edit("a", "x = 1", "x = 2"), edit("a", "x = 2", "x = 1")), [2]),
    ("later", trial(edit("a", "x", "y"), sh("make"), edit("a", "p", "q"), edit("a", "y", "x")), [4]),
    (
        "under Kilo's names",
        trial(
            ToolCall("edit", {"filePath": "a", "oldString": "x", "newString": "y"}, "Edit applied successfully."),
            ToolCall("edit", {"filePath": "a", "oldString": "y", "newString": "x"}, "Edit applied successfully."),
        ),
        [2],
    ),
    ("there, back and there", trial(edit("a", "x", "y"), edit("a", "y", "x"), edit("a", "x", "y")), [2]),
    ("another file", trial(edit("a", "x", "y"), edit("b", "y", "x")), []),
    ("only in part", trial(edit("a", "x", "y"), edit("a", "y", "z")), []),
    ("the first failed", trial(edit("a", "x", "y", "no" + FAILED), edit("a", "y", "x")), []),
    ("the second failed", trial(edit("a", "x", "y"), edit("a", "y", "x", "no" + FAILED)), []),
    ("a deletion", trial(edit("a", "x", ""), edit("a", "", "x")), []),
]

WAIT = sh("sleep 5; cat status", "running")
POLLING_LOOP = [
    ("four times", trial(WAIT, WAIT, WAIT, WAIT), [3, 4]),
    ("six times", trial(LOOK, WAIT, WAIT, WAIT, WAIT, WAIT, WAIT), [4, 5, 6, 7]),
    ("a silent command", trial(*[sh("./poke", "")] * 4), [3, 4]),
    ("an unknown tool", trial(*[ToolCall("TaskOutput", {"id": 1}, "running")] * 4), [3, 4]),
    ("three times", trial(WAIT, WAIT, WAIT), []),
    ("with something between", trial(WAIT, WAIT, LOOK, WAIT, WAIT), []),
    ("until it changed", trial(WAIT, WAIT, WAIT, sh("sleep 5; cat status", "done")), []),
    ("with the user between", trial(WAIT, WAIT, user(3), WAIT, WAIT), []),
    ("without results", trial(*[sh("sleep 5", None)] * 5), []),
]

UNKNOWN_TOOL = [
    (
        "Claude Code",
        trial(ToolCall("Find", {}, "<tool_use_error>Error: No such tool available: Find</tool_use_error>")),
        [1],
    ),
    ("Kilo Code", trial(ToolCall("no", {"x": 1}, "Model tried to call unavailable tool 'no'. Available: x")), [1]),
    (
        "Kilo Code 7.0",
        trial(
            ToolCall(
                "invalid",
                {"tool": "no"},
                "The arguments provided to the tool are invalid: Model tried to call unavailable tool 'no'.",
            )
        ),
        [1],
    ),
    ("Codex", trial(ToolCall("no", {}, "unsupported call: no")), [1]),
    ("an output that speaks of it", trial(sh("cat log", "Error: No such tool available: Find")), []),
    ("another call's name", trial(ToolCall("yes", {}, "unsupported call: no")), []),
]

ARGUMENTS_DO_NOT_PARSE = [
    ("cut JSON", trial(ToolCall("Bash", '{"command": "ls', None)), [1]),
    ("JSON that is no object", trial(ToolCall("Bash", '["ls"]', None)), [1]),
    (
        "Kilo Code",
        trial(ToolCall("bash", {"value": "{"}, "Invalid input for tool bash: JSON parsing failed: Text: {.")),
        [1],
    ),
    ("Codex", trial(ToolCall("shell", {}, "failed to parse function arguments: EOF")), [1]),
    (
        "Terminus 2",
        trial(
            Step(
                number=1,
                step_id=1,
                source=Source.AGENT,
                message="ls",
                observations=("Previous response had parsing errors:\nERROR: no JSON",),
            )
        ),
        [1],
    ),
    ("a JSON object as text", trial(ToolCall("Bash", '{"command": "ls"}', "a")), []),
    ("a patch as text", trial(ToolCall("apply_patch", "*** Begin Patch\n*** End Patch", "Done!")), []),
    ("no arguments", trial(ToolCall("finish", "", "ok")), []),
]

INVALID_ARGUMENTS = [
    (
        "Claude Code",
        trial(ToolCall("Bash", {}, "<tool_use_error>InputValidationError: Bash failed</tool_use_error>" + FAILED)),
        [1],
    ),
    ("Kilo Code", trial(ToolCall("read", {"path": "x"}, "The read tool was called with invalid arguments: x")), [1]),
    (
        "Kilo Code 7.0",
        trial(ToolCall("read", {"path": "x"}, "Error: The read tool was called with invalid arguments: x")),
        [1],
    ),
    ("a program's own words", trial(sh("./x", "InputValidationError: no")), []),
    ("another tool's words", trial(sh("cat x", "The read tool was called with invalid arguments: x")), []),
]

PYTEST_FAILED = "F.\n=========== 1 failed, 1 passed in 0.10s ==========="
TEST = sh("cd /app && python3 -m pytest -q 2>&1 | tail -20", PYTEST_FAILED)
PASSED = sh("pytest", "=========== 2 passed in 0.10s ===========")
CLAIM = "I fixed the failing test. All tests pass now."
CLAIMED_SUCCESS_AFTER_FAILURE = [
    ("at once", trial(TEST, CLAIM), [2]),
    ("after an edit that was not tested", trial(TEST, edit("a"), LOOK, CLAIM), [4]),
    ("unittest", trial(sh("python -m unittest", "Ran 2 tests\n\nFAILED (failures=1)"), "Done."), [2]),
    ("a build's exit status", trial(sh("make all", "Exit code 2\nboom" + FAILED), "The task is complete."), [2]),
    ("in passing", trial(TEST, edit("a"), "I fixed it; the last item is shown now and the tests pass."), [3]),
    ("a purpose", trial(TEST, edit("a"), "I changed the helper to make the tests pass."), []),
    ("by the finishing tool", trial(TEST, ToolCall("finish", {"message": "Successfully fixed it."})), [2]),
    ("a pass before the failure", trial(PASSED, TEST, CLAIM), [3]),
    ("passed afterwards", trial(TEST, edit("a"), PASSED, CLAIM), []),
    ("unclear afterwards", trial(TEST, sh("pytest", "2 tests"), CLAIM), []),
    ("checked in another way", trial(TEST, sh("python3 run_tests.py", "fine"), CLAIM), []),
    ("another agent's work", trial(TEST, ToolCall("Task", {"prompt": "fix"}, "fixed"), CLAIM), []),
    ("a failure that is told", trial(TEST, "All tests pass except one, which still fails."), []),
    ("a hope", trial(TEST, "All tests should now pass."), []),
    ("a condition", trial(TEST, "Once you install it, all tests pass."), []),
    ("no claim", trial(TEST, "I renamed the function."), []),
    ("done within a sentence", trial(TEST, "What has to be done is listed above."), []),
    ("not the end yet", trial(TEST, Step(2, 2, Source.AGENT, CLAIM, tool_calls=(LOOK,))), []),
    ("no test was run", trial(sh("ls", "Exit code 2\nno" + FAILED), CLAIM), []),
    ("a failure of what came after the test", trial(sh("pytest; ./x", "Exit code 1\nx" + FAILED), CLAIM), []),
    ("a test that was stopped", trial(sh("make test", "Exit code 124\nslow" + FAILED), CLAIM), []),
    ("a test's name in a text", trial(sh("grep pytest log", PYTEST_FAILED), CLAIM), []),
    ("failed, then passed in one call", trial(sh("pytest a; pytest b", f"{PYTEST_FAILED}\n== 1 passed =="), CLAIM), []),
    ("no test failed", trial(sh("pytest", "== 2 passed, 0 failed =="), CLAIM), []),
    ("the user spoke in between", trial(TEST, user(2), CLAIM), []),
    ("no step at all", trial(), []),
]

TABLES = {
    "repeated_call": REPEATED_CALL,
    "repeated_failure": REPEATED_FAILURE,
    "reread_unchanged": REREAD_UNCHANGED,
    "edit_undone": EDIT_UNDONE,
    "polling_loop": POLLING_LOOP,
    "unknown_tool": UNKNOWN_TOOL,
    "arguments_do_not_parse": ARGUMENTS_DO_NOT_PARSE,
    "invalid_arguments": INVALID_ARGUMENTS,
    "claimed_success_after_failure": CLAIMED_SUCCESS_AFTER_FAILURE,
}


@pytest.mark.parametrize(
    ("rule", "judged", "steps"),
    [
        pytest.param(rule, judged, steps, id=f"{rule}: {name}")
        for rule, table in TABLES.items()
        for name, judged, steps in table
    ],
)
def test_a_rule_flags_these_steps_and_no_others(rule: str, judged: Trial, steps: list[int]) -> None:
    assert flagged(judged, rule) == steps
    for verdict in judge(judged):
        assert verdict.evidence
        assert check_evidence(judged, verdict) == []
        assert check_label(verdict, criteria()[verdict.criterion]) == []


def test_every_rule_is_shown_to_fire() -> None:
    assert set(TABLES) == {rule.name for rule in RULES}


def test_an_untouched_step_has_no_verdict() -> None:
    assert judge(trial(read("a"), edit("a"), sh("make"), "I changed it.")) == []


def test_a_verdict_names_the_earlier_step_and_quotes_both() -> None:
    verdict = next(v for v in judge(trial(LOOK, BROKEN, BROKEN)) if v.criterion == "tool_choice")
    assert "step 2" in verdict.explanation
    assert {quote.step for quote in verdict.evidence} == {2, 3}
    assert verdict.better_action is not None
    assert "Bash" in verdict.better_action
    assert "./run" in verdict.better_action
    assert (verdict.by, verdict.category) == ("rule:repeated_failure", Category.IGNORED_ERROR)


def test_the_worst_verdict_of_a_step_and_criterion_is_kept() -> None:
    loop = trial(*[read("a")] * 5)
    assert [(v.step, v.label) for v in judge(loop)] == [(n, "redundant") for n in (2, 3, 4, 5)]
    assert {v.by for v in judge(loop)} == {"rule:repeated_call"}


def test_only_the_rules_asked_for_are_applied() -> None:
    rules = [rule for rule in RULES if rule.name == "polling_loop"]
    assert {v.by for v in judge(trial(*[read("a")] * 5), rules)} == {"rule:polling_loop"}


def test_carried_over_context_is_not_judged_and_a_look_after_it_is_no_repetition() -> None:
    copied = Step(2, 2, Source.AGENT, tool_calls=(read("a"),), is_copied=True)
    assert judge(trial(read("a"), copied, read("a"))) == []


def test_a_later_part_of_a_multi_step_trial_looks_afresh() -> None:
    later = Step(2, 2, Source.AGENT, tool_calls=(read("a"),), segment="second")
    assert judge(trial(read("a"), later)) == []


def test_calls_of_one_turn_that_was_split_over_steps_saw_no_result_of_each_other() -> None:
    first, second = (Step(n, n, Source.AGENT, tool_calls=(BROKEN,), call=1) for n in (1, 2))
    assert flagged(trial(first, second), "repeated_failure") == []
    assert flagged(trial(first, second), "repeated_call") == [2]


def test_quotes_stay_short_and_whole_characters() -> None:
    half = "\ud800"
    judged = trial(*[read("a", half + "x" * 1_000_000)] * 2)
    (verdict,) = judge(judged)
    assert max(len(quote.quote) for quote in verdict.evidence) <= 300
    assert verdict.model_dump_json()


def test_ten_thousand_steps_are_judged_in_seconds() -> None:
    calls = [sh(f"python3 run.py --seed {n} | grep -v warning && ls {'d/' * 40}", "x" * 2_000) for n in range(5_000)]
    judged = trial(*calls, *[sh("make test", "y" * 20_000)] * 5_000, CLAIM)
    start = time.process_time()
    verdicts = judge(judged)
    assert len(verdicts) == 4_999
    assert time.process_time() - start < 10  # it takes about half a second of the processor


@pytest.mark.parametrize("text", ["'" * 4_000, "$" * 4_000, '"' + "\\" * 3_999, "a" * 50_000, "(" * 4_000, "&" * 4_000])
def test_hostile_commands_take_no_longer(text: str) -> None:
    start = time.process_time()
    judge(trial(sh(text), sh(text), "=" * 4_000))
    assert time.process_time() - start < 2


TEXTS = st.one_of(
    st.text(alphabet=st.characters(), max_size=20),
    st.sampled_from(
        [
            "ls",
            "pytest",
            "make &",
            "a",
            "b",
            "",
            " ",
            FAILED,
            "Exit code 1\nx",
            PYTEST_FAILED,
            CLAIM,
            "Done.",
            "{",
            "\ud800",
        ]
    ),
)
VALUES = st.recursive(
    st.one_of(TEXTS, st.none(), st.booleans(), st.integers(), st.floats()),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
KEYS = st.sampled_from(["command", "file_path", "old_string", "new_string", "path", "message"])
CALLS = st.builds(
    ToolCall,
    st.sampled_from(["Bash", "Read", "Edit", "Write", "finish", "x", ""]),
    st.one_of(TEXTS, st.dictionaries(KEYS, TEXTS | VALUES, max_size=3)),
    st.none() | TEXTS,
)
STEPS = st.builds(
    Step,
    number=st.just(1),
    step_id=st.just(1),
    source=st.sampled_from([Source.AGENT, Source.AGENT, Source.AGENT, Source.USER]),
    message=TEXTS,
    tool_calls=st.lists(CALLS, max_size=2).map(tuple),
    observations=st.lists(TEXTS, max_size=1).map(tuple),
    call=st.none() | st.integers(1, 3),
    is_copied=st.booleans(),
)


@settings(max_examples=150)
@given(st.lists(STEPS, max_size=4), st.integers(1, 5))
def test_any_trial_gets_sound_verdicts(steps: list[Step], times: int) -> None:
    judged = trial(*(replace(step, number=n, step_id=n) for n, step in enumerate(steps * times, 1)))
    verdicts = judge(judged)
    assert verdicts == judge(judged)
    places = [(verdict.step, verdict.criterion) for verdict in verdicts]
    assert len(set(places)) == len(places)
    assert [step for step, _ in places] == sorted(step for step, _ in places)
    agent = {step.number for step in judged.agent_steps}
    for verdict in verdicts:
        assert verdict.step in agent
        assert verdict.evidence
        assert check_evidence(judged, verdict) == []
        assert check_label(verdict, criteria()[verdict.criterion]) == []
        assert verdict.model_dump_json()


def test_a_hostile_final_message_takes_no_longer() -> None:
    start = time.process_time()
    assert judge(trial(TEST, "it works correctly " * 60_000 + "not")) == []
    assert time.process_time() - start < 30  # as long as a quarter of it: what is looked at has an end


def test_real_runs_are_judged_with_quotes_that_are_there() -> None:
    examples = Path(__file__).parent.parent / "examples" / "jobs"
    jobs = find_jobs([examples])
    trials = [read_trial(job, folder) for job in jobs for folder in job.trials]
    verdicts = [(judged, verdict) for judged in trials for verdict in judge(judged)]
    assert {verdict.by for _, verdict in verdicts} >= {
        "rule:repeated_call",
        "rule:repeated_failure",
        "rule:polling_loop",
    }
    assert all(check_evidence(judged, verdict) == [] for judged, verdict in verdicts)


def test_a_sub_agent_looking_where_its_starter_looked_is_no_repetition() -> None:
    alone = trial(read("a"), read("a"))
    shared = replace(alone, steps=(alone.steps[0], replace(alone.steps[1], subagent="child", parent=1)))
    assert flagged(alone, "repeated_call") == [2]
    assert flagged(shared, "repeated_call") == []
