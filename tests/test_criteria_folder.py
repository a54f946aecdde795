"""A criterion of one's own is a file in a folder: it replaces a bundled one or is added, and says when it applies."""

from __future__ import annotations

from pathlib import Path

import pytest
from transcripts import acted, made_trial, user

from adapter.trial import Source, Step
from judges.criteria import applies, criteria, in_force
from judges.transcript.render import Transcript, render
from judges.transcript.schema import answer_schema
from prompts import AppliesTo, CriterionError, load_folder

EXAMPLES = Path(__file__).parents[1] / "examples" / "criteria"
FILE = """---
name: Manners
version: 1
criterion: {criterion}
question: Was the agent polite?
labels:
  - {{label: polite, value: 1, meaning: It was.}}
  - {{label: rude, value: 0, meaning: It was not.}}
{more}inputs: [step]
changelog:
  - {{version: 1, change: First version.}}
---
Judge the words of {criterion}.
"""


def put(folder: Path, name: str, criterion: str = "manners", more: str = "") -> Path:
    path = folder / name
    path.write_text(FILE.format(criterion=criterion, more=more), encoding="utf-8")
    return path


def test_without_a_folder_the_bundled_criteria_are_in_force() -> None:
    assert in_force(None) == criteria()
    assert list(criteria()) == ["efficiency", "reasoning_quality", "tool_choice"]


def test_a_folder_adds_a_criterion(tmp_path: Path) -> None:
    put(tmp_path, "manners.md")
    assert list(in_force(tmp_path)) == [*criteria(), "manners"]


def test_a_folder_replaces_a_criterion_by_its_identifier_and_not_by_its_file_s_name(tmp_path: Path) -> None:
    put(tmp_path, "whatever.md", "efficiency")
    found = in_force(tmp_path)
    assert list(found) == list(criteria())
    assert found["efficiency"].name == "Manners"
    assert found["tool_choice"] is criteria()["tool_choice"]


def test_files_are_read_by_name_and_others_are_left_alone(tmp_path: Path) -> None:
    put(tmp_path, "b.md", "second")
    put(tmp_path, "a.md", "first")
    (tmp_path / "notes.txt").write_text("not a criterion")
    assert [one.criterion for one in load_folder(tmp_path)] == ["first", "second"]


def test_a_folder_that_cannot_be_used_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(CriterionError, match=r"holds no \.md file") as error:
        load_folder(tmp_path)
    assert str(tmp_path) in str(error.value)
    with pytest.raises(CriterionError, match="is no folder"):
        load_folder(tmp_path / "absent")
    first, second = put(tmp_path, "a.md"), put(tmp_path, "b.md")
    with pytest.raises(CriterionError, match="manners") as error:
        load_folder(tmp_path)
    assert str(first) in str(error.value)
    assert str(second) in str(error.value)


def test_a_broken_file_in_a_folder_is_named_with_its_field(tmp_path: Path) -> None:
    put(tmp_path, "a.md", "first")
    path = put(tmp_path, "b.md", "second", "applies_to: sometimes\n")
    with pytest.raises(CriterionError, match="applies_to") as error:
        load_folder(tmp_path)
    assert str(path) in str(error.value)


STEPS = {
    "calls": acted(2),
    "calls without words": acted(3, ""),
    "words": Step(4, 4, Source.AGENT, "I think so."),
    "thinking": Step(5, 5, Source.AGENT, reasoning="Hm."),
    "nothing": Step(6, 6, Source.AGENT, "  "),
    "last": Step(7, 7, Source.AGENT, "Done."),
}
APPLIES = {
    AppliesTo.EVERY_STEP: list(STEPS),
    AppliesTo.TOOL_CALLS: ["calls", "calls without words"],
    AppliesTo.REASONING: ["calls", "words", "thinking", "last"],
    AppliesTo.LAST_STEP: ["last"],
}


@pytest.mark.parametrize("when", AppliesTo)
def test_a_criterion_is_asked_of_the_steps_it_applies_to(tmp_path: Path, when: AppliesTo) -> None:
    put(tmp_path, "a.md", more=f"applies_to: {when.value}\n")
    (criterion,) = load_folder(tmp_path)
    helper = Step(8, 8, Source.AGENT, "I helped.", subagent="helper")
    trial = made_trial(user(1), *STEPS.values(), helper, user(9))
    assert [name for name, step in STEPS.items() if applies(criterion, trial, step)] == APPLIES[when]
    assert applies(criterion, trial, helper) is (when in (AppliesTo.EVERY_STEP, AppliesTo.REASONING))


def test_where_nothing_is_said_a_criterion_applies_to_every_step(tmp_path: Path) -> None:
    put(tmp_path, "a.md")
    assert load_folder(tmp_path)[0].applies_to is AppliesTo.EVERY_STEP


def test_the_last_step_is_a_sub_agent_s_where_there_is_no_other(tmp_path: Path) -> None:
    put(tmp_path, "a.md", more="applies_to: last_step\n")
    (criterion,) = load_folder(tmp_path)
    trial = made_trial(user(1), *(Step(n, n, Source.AGENT, "x", subagent="helper") for n in (2, 3)))
    assert [applies(criterion, trial, step) for step in trial.agent_steps] == [False, True]


def test_the_example_of_the_guide_loads_and_is_asked() -> None:
    found = in_force(EXAMPLES)
    safety = found["safety"]
    assert list(found) == [*criteria(), "safety"]
    assert safety.applies_to is AppliesTo.TOOL_CALLS
    trial = made_trial(user(1), acted(2))
    rendered = render(Transcript.of(trial), (2,), [(2, "safety")], found)
    assert safety.rubric in rendered.system
    assert "step 2: safety\n" in rendered.parts[-1].text
    assert "harmful" in str(answer_schema(found))


def test_the_guide_shows_the_example_as_it_is() -> None:
    guide = (EXAMPLES.parents[1] / "docs" / "criteria.md").read_text(encoding="utf-8")
    assert (EXAMPLES / "safety.md").read_text(encoding="utf-8") in guide


def test_a_rubric_s_own_braces_are_left_alone(tmp_path: Path) -> None:
    put(tmp_path, "a.md", more="")
    path = tmp_path / "a.md"
    path.write_text(path.read_text().replace("Judge the words", "Judge {criteria} and {categories}"))
    found = in_force(tmp_path)
    system = render(Transcript.of(made_trial(user(1), acted(2))), (2,), [(2, "manners")], found).system
    assert system.count("Judge {criteria} and {categories}") == 1
