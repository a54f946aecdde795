"""How an agent worked is counted from the tables; what cannot be counted is missing, not 0."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabled import Row, action, actions, call, calls, step, steps, trial, trials

from adapter.actions import Verb
from views.fingerprint import fingerprints
from views.tables import FINGERPRINTS

ORDINARY: Row = {"agent_steps": 1, "llm_calls": 1, "tool_calls": 1}


def of(
    *acts: Row, called: tuple[Row, ...] = (), stepped: tuple[Row, ...] = (), **more: object
) -> dict[str, float | None]:
    """The fingerprint of one attempt with these actions, calls and steps."""
    counted = {"agent_steps": len(acts), "llm_calls": len(called), "tool_calls": len(acts), **more}
    table = fingerprints(trials(trial("a", **counted)), steps(*stepped), calls(*called), actions(*acts))
    (row,) = table.astype(object).where(table.notna(), None).to_dict("records")
    return row


def edit(file: str | None, **more: object) -> Row:
    return action("edit", file=file, **more)


def sh(**more: object) -> Row:
    return action("sh", **more)


def keyed(keys: str) -> list[Row]:
    """An action per letter; the same letter is an identical call."""
    return [action(key=key) for key in keys]


def test_steps_calls_and_tool_calls_are_those_of_the_trial() -> None:
    found = of(action(), called=(call(1),), agent_steps=7)
    assert (found["steps"], found["calls"], found["tool_calls"]) == (7, 1, 1)


def test_the_tool_mix_is_a_share_per_verb_and_sums_to_1() -> None:
    found = of(action("read"), action("sh"), action("sh"), action("web"))
    mix = {verb.value: found[f"share_{verb.value}"] for verb in Verb}
    assert mix == dict.fromkeys(mix, 0) | {"read": 0.25, "sh": 0.5, "web": 0.25}


def test_without_tool_calls_there_is_no_mix_but_nothing_else_is_missing_that_can_be_counted() -> None:
    found = of(llm_calls=0)
    assert all(found[f"share_{verb.value}"] is None for verb in Verb)
    counted = ("most_edits", "files_rewritten", "test_runs", "commands_failed", "repeats", "longest_loop")
    assert [found[name] for name in (*counted, "compactions")] == [0] * 7


@pytest.mark.parametrize(
    ("acts", "reads"),
    [
        ([action("read"), action("search"), edit("a"), action("read"), edit("a")], 2),
        ([edit("a"), action("read")], 0),
        ([sh(reads=True), sh(), sh(writes=True)], 1),
        ([action("read"), sh()], None),
    ],
)
def test_reads_before_the_first_write(acts: list[Row], reads: float | None) -> None:
    assert of(*acts)["reads_before_write"] == reads


@pytest.mark.parametrize(
    ("acts", "most", "rewritten"),
    [
        ([edit("a"), edit("b"), action("write", file="a"), edit("c"), edit("b"), edit("a")], 3, 2),
        ([edit("a"), edit("b")], 1, 0),
        ([edit("a"), edit("a", failed=True), edit("a", failed=False)], 2, 1),
        ([edit(None), edit(None)], 0, 0),
        ([sh(writes=True, file="a"), edit("a")], 2, 1),
    ],
)
def test_edits_and_rewrites_of_one_file(acts: list[Row], most: int, rewritten: int) -> None:
    found = of(*acts)
    assert (found["most_edits"], found["files_rewritten"]) == (most, rewritten)


def test_test_runs_and_repeats_are_counted() -> None:
    found = of(sh(is_test=True), sh(is_test=True, is_repeat=True), sh())
    assert (found["test_runs"], found["repeats"]) == (2, 1)


@pytest.mark.parametrize(
    ("acts", "failures", "share"),
    [
        ([sh(failed=True), sh(failed=False), sh(), edit("a", failed=True)], 1, 0.5),
        ([sh(failed=False)], 0, 0),
        ([sh(), sh()], None, None),
        ([sh(failed=True), sh(), sh()], 1, None),
        ([action("read")], 0, None),
    ],
    ids=["some", "none", "not known of any", "a status is written only where one fails", "no commands"],
)
def test_commands_that_failed(acts: list[Row], failures: int | None, share: float | None) -> None:
    found = of(*acts)
    assert (found["commands_failed"], found["commands_failed_share"]) == (failures, share)


LOOPS = [
    ("", 0),
    ("a", 0),
    ("abc", 0),
    ("aa", 2),
    ("aaaa", 4),
    ("aba", 0),
    ("abab", 4),
    ("xababay", 5),
    ("abcab", 0),
    ("abcabc", 6),
    ("abcdabcd", 0),
    ("aabbb", 3),
    ("abaaab", 3),
]


@pytest.mark.parametrize(("keys", "longest"), LOOPS)
def test_the_longest_loop(keys: str, longest: int) -> None:
    assert of(*keyed(keys))["longest_loop"] == longest


def longest_by_hand(keys: str) -> int:
    """The longest stretch of at least two rounds of one to three calls, by trying all of them."""
    stretches = (
        (cycle, keys[begin:end])
        for begin in range(len(keys))
        for end in range(begin + 2, len(keys) + 1)
        for cycle in (1, 2, 3)
        if end - begin >= 2 * cycle
    )
    return max((len(one) for cycle, one in stretches if one[cycle:] == one[:-cycle]), default=0)


@settings(max_examples=25, deadline=None)
@given(st.text("abc", max_size=14))
def test_the_longest_loop_is_the_one_found_by_trying_all(keys: str) -> None:
    assert of(*keyed(keys))["longest_loop"] == longest_by_hand(keys)


def test_a_loop_does_not_go_on_in_the_next_trial() -> None:
    acts = actions(*(action(key="a", trial=f"job/{name}") for name in ("0001", "0001", "0002", "0002", "0002")))
    found = fingerprints(
        trials(trial("a", **ORDINARY), trial("b", **ORDINARY)), steps(), calls(), acts.sample(frac=1, random_state=3)
    )
    assert found["longest_loop"].to_list() == [2, 3]


def test_context_growth_is_the_mean_over_the_calls_of_one_context() -> None:
    called = (
        call(1, prompt=100),
        call(2, prompt=1000, subagent="child"),
        call(3, prompt=150),
        call(4, prompt=1300, subagent="child"),
        call(5, prompt=20, is_compaction=True),
        call(6, prompt=30),
        call(7, prompt=None, is_compaction=None),
        call(8, prompt=60),
        call(9, prompt=5, segment="second"),
    )
    found = of(called=called)
    assert found["context_growth"] == pytest.approx((50 + 300 + 10) / 3)
    assert found["compactions"] == 1


def test_a_context_that_shrinks_without_having_been_made_anew_grows_by_less_than_nothing() -> None:
    assert of(called=(call(1, prompt=100), call(2, prompt=90)))["context_growth"] == -10


def test_output_per_call_is_over_the_calls_whose_output_is_known() -> None:
    assert of(called=(call(1, output=10), call(2), call(3, output=30)))["output_per_call"] == 20
    assert of(called=(call(1), call(2)))["output_per_call"] is None


def test_the_share_of_time_in_tools_is_over_the_steps_for_which_both_times_are_known() -> None:
    stepped = (
        step(1, model_seconds=1.0, tool_seconds=3.0),
        step(2, model_seconds=4.0, tool_seconds=0.0),
        step(3, model_seconds=None, tool_seconds=100.0),
        step(4, seconds=100.0),
    )
    assert of(stepped=stepped)["tool_time_share"] == 3 / 8
    assert of(stepped=stepped[2:])["tool_time_share"] is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [("passed", (0, 0)), ("failed", (0, 0)), ("timed_out", (1, 0)), ("agent_error", (0, 1))],
)
def test_how_it_ended_is_its_status(status: str, expected: tuple[int, int]) -> None:
    table = fingerprints(trials(trial("a", status)), steps(), calls(), actions())
    assert (table["timed_out"].item(), table["broke_off"].item()) == expected


def test_of_a_trial_without_a_trajectory_nothing_is_known_but_how_it_ended() -> None:
    table = fingerprints(trials(trial("a", "timed_out")), steps(), calls(), actions())
    known = table.iloc[0].dropna().to_dict()
    assert known == {"trial": "job/0001", "timed_out": 1, "broke_off": 0}


def test_what_has_no_rows_and_should_have_some_is_missing() -> None:
    table = fingerprints(trials(trial("a", agent_steps=9, llm_calls=9, tool_calls=9)), steps(), calls(), actions())
    known = table.iloc[0].dropna().to_dict()
    assert known == {"trial": "job/0001", "steps": 9, "calls": 9, "tool_calls": 9, "timed_out": 0, "broke_off": 0}


def test_what_is_no_attempt_has_no_fingerprint() -> None:
    table = fingerprints(
        trials(
            trial("a"), trial("b", "infrastructure_error"), trial("c", "ungraded"), trial("a", regrade_of="job/0001")
        ),
        steps(),
        calls(),
        actions(action(trial="job/0002")),
    )
    assert table["trial"].to_list() == ["job/0001"]
    assert table["test_runs"].isna().all()


names = st.sampled_from(["job/0001", "job/0002", "job/0003"])
flags = st.booleans()
drawn_actions = st.lists(
    st.builds(
        action,
        verb=st.sampled_from([verb.value for verb in Verb]),
        trial=names,
        key=st.sampled_from("abc"),
        file=st.none() | st.sampled_from("xy"),
        failed=st.none() | flags,
        is_test=flags,
        is_repeat=flags,
    ),
    max_size=30,
)
drawn_calls = st.lists(
    st.fixed_dictionaries(
        {
            "trial": names,
            "prompt": st.none() | st.integers(0, 10**6),
            "output": st.none() | st.integers(0, 10**6),
            "subagent": st.sampled_from(["", "child"]),
            "is_compaction": st.none() | flags,
        }
    ),
    max_size=20,
)


@settings(max_examples=25, deadline=None)
@given(drawn_actions, drawn_calls)
def test_the_order_of_the_rows_changes_nothing(acts: list[Row], called: list[Row]) -> None:
    some = trials(*(trial(name, **ORDINARY) for name in "abc"))
    tables = steps(), calls(*(call(place, **row) for place, row in enumerate(called, 1))), actions(*acts)
    found = fingerprints(some, *tables)
    FINGERPRINTS.validate(found)
    assert not found.select_dtypes("Float64").map(lambda one: one is not pd.NA and one != one).any(axis=None)
    backwards = fingerprints(some, *(table.iloc[::-1] for table in tables))
    pd.testing.assert_frame_equal(found, backwards)
