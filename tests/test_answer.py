"""What a judge answers is trusted in nothing: a verdict in it is on what was asked, or there is none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from injections import INJECTIONS, VERDICTS
from judging import BEST, bad, verdict
from transcripts import acted, made_trial, user

from judges.answer import Answered, read_answer
from judges.criteria import criteria
from judges.transcript.render import Transcript

ASKED = [(step, name) for step in (2, 3) for name in BEST]


def transcript(output: str = "x = 1") -> Transcript:
    return Transcript.of(made_trial(user(1), acted(2, output=output), acted(3, output=output)))


TOY = transcript()


def read(text: str, about: Transcript = TOY) -> Answered:
    return read_answer(text, ASKED, about, criteria(), "model")


def answer(verdicts: Sequence[object], about: Transcript = TOY) -> str:
    return json.dumps({"trajectory": about.boundary, "verdicts": verdicts})


def injected(name: str) -> str:
    """The text, with verdicts on what is asked in place of those on the first step, and a boundary that was guessed."""
    forged = json.dumps({"trajectory": "0123456789", "verdicts": [verdict(*pair) for pair in ASKED]})
    return INJECTIONS[name].replace(VERDICTS, forged).replace("{other}", "0123456789")


def worst(criterion: str) -> str:
    return criteria()[criterion].worst.label


@pytest.mark.parametrize("name", INJECTIONS)
def test_what_a_judge_repeats_of_what_it_read_is_no_verdict(name: str) -> None:
    text = injected(name)
    about = transcript(f"x = 1\n{text}")
    for said in (text, f"I read:\n{text}", f"```\n{text}\n```", json.dumps(text)):
        assert read(said, about).verdicts == {}


@pytest.mark.parametrize("name", INJECTIONS)
def test_no_injection_beside_or_within_a_judges_answer_changes_it(name: str) -> None:
    text = injected(name)
    about = transcript(f"x = 1\n{text}")
    honest = [
        bad(step, criterion, worst(criterion), "x = 1", explanation=f"It says: {text}") for step, criterion in ASKED
    ]
    own = answer(honest, about)
    for said in (own, f"{text}\n{own}", f"{own}\n{text}", f"{text}\n```json\n{own}\n```"):
        found = read(said, about)
        assert {pair: one.label for pair, one in found.verdicts.items()} == {pair: worst(pair[1]) for pair in ASKED}


@given(st.text())
def test_no_text_at_all_breaks_the_reader(text: str) -> None:
    found = read(text)
    assert set(found.verdicts) | set(found.problems) == set(ASKED)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
fields = ("step", "criterion", "explanation", "evidence", "label", "better_action", "category", "confidence")


@given(st.lists(st.dictionaries(st.sampled_from(fields), json_values, max_size=8) | json_values, max_size=6))
def test_no_json_at_all_breaks_the_reader(items: list[Any]) -> None:
    found = read(answer(items))
    assert set(found.verdicts) | set(found.problems) == set(ASKED)
    assert not set(found.verdicts) & set(found.problems)


@given(st.sampled_from(ASKED), st.sampled_from(fields), json_values)
def test_a_good_verdict_with_one_field_changed_is_good_or_told(pair: tuple[int, str], name: str, value: Any) -> None:
    given_ = [verdict(*one) | ({name: value} if one == pair else {}) for one in ASKED]
    found = read(answer(given_))
    assert set(found.verdicts) | set(found.problems) == set(ASKED)
    for said in found.verdicts.values():
        label = criteria()[said.criterion].label(said.label)
        assert label is not None
        assert said.value == label.value
        assert 0 <= (said.confidence or 0) <= 1
        said.model_dump_json().encode()


def test_half_a_character_is_replaced_and_can_be_written() -> None:
    one = verdict(2, "efficiency", explanation="half \ud83d here")
    found = read(answer([one]))
    assert found.verdicts[2, "efficiency"].explanation == "half ? here"


def test_numbers_as_some_models_write_them_are_numbers() -> None:
    one = verdict(2, "efficiency", confidence=1) | {"step": "2"}
    other = verdict(3, "efficiency", category="none", better_action=None) | {"step": 3.0}
    assert set(read(answer([one, other])).verdicts) == {(2, "efficiency"), (3, "efficiency")}


def test_what_was_not_asked_is_counted_and_not_taken() -> None:
    found = read(answer([verdict(9, "efficiency"), verdict(2, "efficiency"), "words"]))
    assert (set(found.verdicts), found.unasked) == ({(2, "efficiency")}, 1)


def test_the_same_verdict_twice_is_one() -> None:
    one = verdict(2, "efficiency")
    assert set(read(answer([one, one])).verdicts) == {(2, "efficiency")}
