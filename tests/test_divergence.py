"""The step at which a run went wrong: consequences, not first differences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, read_one, user_step
from courses import act, course, fault

from pipelines.investigate import investigation_of, look
from pipelines.pairing import Chosen, choose, every_failure, lost_tasks
from views.course import Course
from views.divergence import Kind, furthest, nearest, noise_floor, part
from views.milestones import milestones
from views.root_cause import causes

GOOD = ["read:a.py", "edit:a.py=1", "sh:pytest"]
DONE = {"changed a.py": 2, "tests pass": 3, "final answer": 4}


def against(acts: list[str] | None = None, reached: dict[str, int] | None = None) -> Course:
    return course(acts or GOOD, trial="job/a__2", passed=True, reached=DONE if reached is None else reached)


def test_the_wrong_file_is_where_the_right_one_was_changed() -> None:
    failing = course(["read:a.py", "edit:b.py=1", "sh:pytest"], reached={"changed b.py": 2, "final answer": 4})
    found = part(failing, against()).divergence
    assert found is not None
    assert (found.step_failing, found.step_against, found.kind) == (2, 2, Kind.ARGUMENTS)
    assert found.is_consequential
    assert "changed a.py" in found.why


def test_first_differences_without_consequences_are_passed_over() -> None:
    failing = course(
        ["search:x", "search:y", "read:a.py", "edit:b.py=1", "sh:pytest"],
        reached={"final answer": 6, "changed b.py": 4},
    )
    found = part(failing, against())
    assert found.first is not None
    assert (found.first.step_failing, found.first.is_consequential) == (1, False)
    assert found.divergence is not None
    assert found.divergence.step_failing == 4


def test_a_step_that_was_left_out_is_where_the_run_went_on_without_it() -> None:
    failing = course(["read:a.py", "sh:pytest"], reached={"final answer": 3})
    found = part(failing, against()).divergence
    assert found is not None
    assert (found.step_failing, found.kind) == (2, Kind.MISSING)


def test_a_run_that_ended_before_is_said_to_have_stopped() -> None:
    failing = course(["read:a.py"], reached={"final answer": 2})
    found = part(failing, against()).divergence
    assert found is not None
    assert (found.step_failing, found.kind) == (2, Kind.STOPPED)


def test_the_same_command_that_fails_leads_back_to_what_was_changed_before() -> None:
    failing = course(
        ["read:a.py", "edit:a.py=2", act("sh:pytest", 3, failed=True)], reached={"changed a.py": 2, "final answer": 4}
    )
    other = course(
        ["read:a.py", "edit:a.py=1", act("sh:pytest", 3, failed=False)], trial="job/a__2", passed=True, reached=DONE
    )
    found = part(failing, other).divergence
    assert found is not None
    assert (found.step_failing, found.kind, found.missed) == (2, Kind.ARGUMENTS, "tests pass")


def test_a_test_that_fails_for_good_leads_back_to_the_change_before_although_success_is_never_said() -> None:
    failing = course([GOOD[0], "edit:a.py=2", act("sh:pytest", 3, failed=True)], reached={"changed a.py": 2})
    other = course([*GOOD[:2], act("sh:pytest", 3)], trial="job/a__2", passed=True, reached={"changed a.py": 2})
    found = part(failing, other).divergence
    assert found is not None
    assert (found.step_failing, found.kind, found.is_consequential) == (2, Kind.ARGUMENTS, True)
    assert "fails at step 3 and ever after" in found.why


def test_the_same_actions_with_another_result_are_the_environment() -> None:
    failing = course([*GOOD[:2], act("sh:pytest", 3, failed=True)], reached={"changed a.py": 2, "final answer": 4})
    other = course([*GOOD[:2], act("sh:pytest", 3, failed=False)], trial="job/a__2", passed=True, reached=DONE)
    found = part(failing, other).divergence
    assert found is not None
    assert (found.step_failing, found.kind) == (3, Kind.OBSERVATION)
    cause = causes(failing, part(failing, other))[0]
    assert (cause.step, cause.category) == (4, "ignored error")
    tests = (act("sh:pytest", step, failed=True) for step in (3, 4))
    tried = course([*GOOD[:2], *tests], reached={"changed a.py": 2, "final answer": 5})
    assert causes(tried, part(tried, other))[0].step == 5  # after the last try
    ended = course(
        [*GOOD[:2], act("sh:pytest", 3, failed=True)], reached=dict.fromkeys(DONE, 2) | {"x": 1}, last_step=3
    )
    del ended.reached["tests pass"]  # pyright: ignore[reportIndexIssue]
    cause = causes(ended, part(ended, other))[0]
    assert (cause.step, cause.category) == (3, "environment fault")


def test_what_is_needless_lets_a_run_fail_only_where_time_ran_out() -> None:
    needless = replace(fault("redundant", "repeated action"), criterion="efficiency")
    failing = course(["read:a.py", "sh:ls", *GOOD[1:]], reached=DONE, faults={2: needless})
    found = part(failing, against()).divergence
    assert found is None or not found.is_consequential
    late = part(replace(failing, status="timed_out"), against()).divergence
    assert late is not None
    assert (late.step_failing, late.is_consequential) == (2, True)


def test_a_file_that_a_pattern_may_have_changed_is_not_missed() -> None:
    failing = course(["sh:sed s/a/b/ *.py"], reached={"changed *.py": 1, "tests pass": 2, "final answer": 2})
    found = part(failing, against()).divergence
    assert found is None or not found.is_consequential


def test_a_call_that_failed_in_one_run_alone_and_was_not_tried_again_is_said_last_of_all() -> None:
    failing = course([GOOD[0], act("edit:a.py=1", 2, failed=True), GOOD[2]], reached=DONE)
    parted = part(failing, against())
    assert parted.divergence is not None
    assert (parted.divergence.step_failing, parted.divergence.is_consequential) == (2, False)
    assert causes(failing, parted)[0].step == 3


def test_a_judges_worst_label_is_a_consequence_where_the_other_run_did_otherwise() -> None:
    failing = course(["read:a.py", "sh:rm", "edit:a.py=1", "sh:pytest"], reached=DONE, faults={2: fault()})
    parted = part(failing, against())
    assert parted.divergence is not None
    assert (parted.divergence.step_failing, parted.divergence.kind) == (2, Kind.INSERTED)
    (cause,) = causes(failing, parted)
    assert (cause.step, cause.category, cause.by) == (2, "ignored error", "rule:errors")


def test_a_label_on_what_both_did_is_no_divergence() -> None:
    failing = course(GOOD, reached=DONE, faults={2: fault()})
    assert part(failing, against()).divergence is None


def test_a_last_step_that_claims_too_much_counts_although_it_acts_on_nothing() -> None:
    failing = course(GOOD, reached=DONE, faults={4: fault("flawed", "unsupported claim")})
    found = part(failing, against()).divergence
    assert found is not None
    assert (found.step_failing, found.kind) == (4, Kind.STOPPED)


def test_without_consequences_it_is_the_last_change_that_differs() -> None:
    failing = course(["read:a.py", "edit:a.py=2", "sh:pytest"], reached=DONE)
    found = part(failing, against()).divergence
    assert found is not None
    assert (found.step_failing, found.is_consequential) == (2, False)


def test_where_there_is_nothing_better_it_is_the_first_call_that_failed_for_good() -> None:
    acts = [act("sh:a", 1, failed=True), act("sh:b", 2, failed=True), act("sh:a", 3, failed=False), act("sh:c", 4)]
    (cause,) = causes(course(acts), None)
    assert (cause.step, cause.category, cause.by) == (2, "failed call", "outcome")
    assert causes(course([act("sh:a", 1, failed=False)]), None) == []


def test_runs_of_different_tasks_are_refused() -> None:
    with pytest.raises(ValueError, match="different tasks"):
        part(course(GOOD), course(GOOD, task="b"))


def test_identical_runs_are_said_to_be() -> None:
    failing = course(GOOD, reached=DONE)
    runs = (failing, against())
    found = investigation_of(look(Chosen(failing, against(), runs)), runs)
    assert found.first_difference is found.divergence is found.root_cause is None
    assert found.difference == 0.0
    assert "both runs did the same, act by act" in found.rests_on


@pytest.mark.parametrize(
    ("failing", "said"),
    [
        (course(["read:a.py"]), "no step of it has a judge's worst label"),
        (course([], last_step=1), "the failing run made no tool call"),
        (course(["sh:ls"] * 1000), "there are no repeats"),
        (course([]), "the failing run made no tool call"),
    ],
    ids=["one step", "no tool call", "a thousand identical calls", "no step"],
)
def test_poor_data_give_an_answer_that_says_what_it_rests_on(failing: Course, said: str) -> None:
    for other in (against(), None):
        runs = (failing,) if other is None else (failing, other)
        found = investigation_of(look(Chosen(failing, other, runs)), runs)
        if "repeats" not in said or other is None:
            assert any(said in one for one in found.rests_on)
        assert found.root_cause is None or found.root_cause.step >= 1


def test_the_other_run_is_the_nearest_that_passed_of_the_same_variant_first() -> None:
    failing = course(GOOD)
    same = course(["sh:ls"], trial="job/a__2", passed=True)
    near = course(GOOD, trial="job/a__3", passed=True, variant="other")
    assert choose(failing, [failing, same, near]).against is same
    assert choose(failing, [failing, near]).against is near
    lost = course(["read:a.py"], trial="job/a__4", reached={"changed a.py": 1})
    chosen = choose(failing, [failing, lost])
    assert chosen.against is lost
    assert "got furthest" in chosen.notes[0]
    assert choose(failing, [failing]).against is None
    assert nearest(failing, []) is furthest([]) is None


def test_the_noise_floor_is_how_unlike_repeats_of_one_variant_are() -> None:
    runs = [course(GOOD), course(GOOD, trial="2"), course(["sh:ls"], trial="3")]
    assert noise_floor(runs) == pytest.approx(2 / 3)
    assert noise_floor([runs[0], course(GOOD, variant="other")]) is None


def test_lost_tasks_are_those_that_one_passes_always_and_the_other_never() -> None:
    def runs(task: str, before: str, after: str) -> list[Course]:
        sides = (("old", before), ("new", after))
        return [
            course(GOOD, trial=f"{side}/{task}{n}", task=task, passed=mark == "+", variant=side)
            for side, marks in sides
            for n, mark in enumerate(marks)
        ]

    courses = [*runs("lost", "++", "--"), *runs("flaky", "+-", "--"), *runs("kept", "+", "+"), *runs("won", "-", "+")]
    choice = lost_tasks(courses, lambda one: one.variant == "old", lambda one: one.variant == "new")
    assert [one.failing.task for one in choice.chosen] == ["lost"]
    assert [name for name, _ in choice.left_out] == ["new/flaky0"]
    assert "may have flipped by chance" in choice.left_out[0][1]
    assert {one.failing.task for one in every_failure(courses).chosen} == {"lost", "flaky", "won"}


OK = "[exit_code] 0"
MILESTONES: list[tuple[str, dict[str, Any], str | None, set[str]]] = [
    ("Edit", {"file_path": "/app/a.py"}, "Edit applied successfully.", {"changed a.py"}),
    ("Edit", {"file_path": "/app/a.py"}, "<tool_use_error>no", set()),
    ("bash", {"command": "echo x > b.txt"}, OK, {"changed b.txt"}),
    ("bash", {"command": "cd /app && pytest -q"}, f"1 passed\n{OK}", {"tests pass"}),
    ("bash", {"command": "pytest -q"}, "1 failed\n[exit_code] 1", set()),
    ("bash", {"command": "pytest -q"}, "1 passed", set()),
    ("bash", {"command": "pytest -q | tail -1"}, f"1 failed\n{OK}", set()),
    ("bash", {"command": "pytest -q; ls"}, f"a\n{OK}", set()),
    ("bash", {"command": "make"}, OK, {"build succeeds"}),
    ("bash", {"command": "pip install -q 'requests>=2' flask"}, OK, {"installed requests", "installed flask"}),
    ("bash", {"command": "python3 -m pip install numpy"}, OK, {"installed numpy"}),
    ("bash", {"command": "curl -s http://localhost:8000/"}, f"hello\n{OK}", {"server answers"}),
    ("bash", {"command": "curl http://localhost:8000/"}, "Failed to connect\n[exit_code] 7", set()),
    ("bash", {"command": "curl https://example.org"}, f"hello\n{OK}", set()),
]


@pytest.mark.parametrize(("tool", "arguments", "output", "expected"), MILESTONES)
def test_what_a_call_gets_done(
    tmp_path: Path, tool: str, arguments: dict[str, Any], output: str | None, expected: set[str]
) -> None:
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial(steps=[user_step(), agent_step("", (tool, arguments, output))]))
    assert set(milestones(trial)) == expected


def test_an_answer_at_the_end_is_a_milestone_and_a_call_at_the_end_is_none(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    done = read_one(job, job.trial(steps=[user_step(), agent_step("Done.")]))
    assert milestones(done) == {"final answer": 2}
