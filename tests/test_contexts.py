"""What each call was sent, and until when what a step said and was told goes on costing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attributed import COMPACTED, LISTING, MILLIONTH, spent, step, told, trial

from adapter.trial import (
    Tokens,
    ToolCall,
)


def test_where_reasoning_was_left_out_once_it_was_left_out_throughout() -> None:
    answers = (Tokens(1_000, 0, 0, 500, 400), Tokens(1_150, 0, 0, 500, 400), Tokens(2_150, 0, 0, 5))
    found = spent(trial(*(step(number, number, tokens, "out") for number, tokens in enumerate(answers, 1))))
    # The last prompt has room for all of the answer before it; of that, the first pair shows, 100 were sent again.
    assert [one.new_tokens for one in found.calls] == [1_000, 50, 900]


def test_a_call_that_nothing_is_known_of_leaves_a_lower_bound_for_what_it_was_sent() -> None:
    cut_off = step(5, 4, None, tool_calls=(), message="…")
    found = spent(trial(*LISTING.steps[:3], replace(LISTING.steps[3], tool_calls=()), cut_off))
    listing = found.steps[0]
    assert listing.own_usd == spent(LISTING).steps[0].own_usd
    assert listing.carried_usd is None
    assert listing.carried_at_least_usd == spent(LISTING).steps[0].carried_usd
    assert (found.steps[2].own_usd, found.prompt_usd, found.steps[3].own_usd) == (None, None, None)
    assert found.steps[2].carried_usd is None


def test_a_call_of_unknown_tokens_in_the_middle_closes_nothing_behind_it() -> None:
    middle = trial(
        step(1, 1, Tokens(1_000, 0, 0, 100), "one"),
        step(2, 2, None, "two"),
        step(3, 3, Tokens(1_300, 0, 0, 100), "three"),
        step(4, 4, Tokens(1_500, 0, 0, 100)),
    )
    found = spent(middle)
    assert [one.carried_usd is None for one in found.steps] == [True, True, False, False]
    assert (found.steps[0].own_usd, found.calls[2].new_tokens) == (None, 200)
    assert found.steps[2].own_usd == pytest.approx((100 * 15 + 100 * 3) * MILLIONTH)


def test_what_a_call_of_unknown_cost_was_sent_costs_so_much_at_least() -> None:
    # Two recorded costs are more than the total, and for one of them there is no price in their place.
    wrong = [step(2, 2, Tokens(1_200, 0, 0, 100), recorded_cost_usd=3.0), step(3, 3, None, recorded_cost_usd=4.0)]
    found = spent(trial(step(1, 1, Tokens(1_000, 0, 0, 100), "x"), *wrong, recorded_cost_usd=5.0))
    assert found.calls[1].usd is None
    first = found.steps[0]
    assert (first.own_usd, first.carried_usd, first.carried_at_least_usd) == (None, None, 0)


def test_what_only_a_call_of_unknown_tokens_was_sent_before_a_compaction_is_not_known() -> None:
    dropped = trial(
        step(1, 1, Tokens(50_000, 0, 0, 100), "one"),
        step(2, 2, None, "two"),
        step(3, 3, Tokens(9_000, 0, 0, 50), "three"),
        step(4, 4, Tokens(9_100, 0, 0, 50)),
    )
    found = spent(dropped)
    assert found.calls[2].compaction is not None
    assert [one.own_usd is None for one in found.steps] == [True, True, False, False]
    assert [one.carried_usd is None for one in found.steps] == [True, True, False, False]


def test_a_drop_in_context_is_a_compaction_whose_own_cost_is_named() -> None:
    found = spent(COMPACTED)
    assert [one.compaction is None for one in found.calls] == [True, True, False, True]
    compaction = found.calls[2].compaction
    assert compaction is not None
    assert (compaction.step, compaction.before, compaction.after) == (4, 50_000, 7_000)
    # The call that wrote the summary, and what its successor had to be sent anew beyond the first prompt.
    assert compaction.usd == pytest.approx((50_000 * 3 + 1_000 * 15 + 2_000 * 3) * MILLIONTH)
    assert found.calls[2].parts.resent == pytest.approx(5_000 * 3 * MILLIONTH)
    # The 45,000 tokens that came before are gone; the summary is what goes on costing.
    assert found.steps[0].carried_usd == pytest.approx(100 * 3 * MILLIONTH)
    assert found.steps[1].carried_usd == pytest.approx(2 * 1_000 * 3 * MILLIONTH)


def test_of_a_summary_that_was_thought_about_only_what_was_said_goes_on_costing() -> None:
    thought = replace(COMPACTED.steps[2], tokens=Tokens(50_000, 0, 0, 1_000, 400))
    found = spent(replace(COMPACTED, steps=(*COMPACTED.steps[:2], thought, *COMPACTED.steps[3:])))
    assert found.steps[1].carried_usd == pytest.approx(2 * 600 * 3 * MILLIONTH)


def test_below_four_fifths_of_the_prompt_before_a_context_was_made_anew() -> None:
    found = spent(trial(step(1, 1, Tokens(1_000, 0, 0, 50)), step(2, 2, Tokens(799, 0, 0, 5))))
    assert found.calls[1].compaction is not None


NO_COMPACTION = [
    ("a little less", Tokens(800, 0, 0, 5)),
    ("a call that was cut off, and whose count is an estimate", Tokens(500, 0, 0, 0)),
]


@pytest.mark.parametrize("tokens", [case[1] for case in NO_COMPACTION], ids=[case[0] for case in NO_COMPACTION])
def test_a_prompt_that_shrinks_for_other_reasons_is_no_compaction(tokens: Tokens) -> None:
    found = spent(trial(step(1, 1, Tokens(1_000, 0, 0, 50), "out"), step(2, 2, tokens)))
    assert found.calls[1].compaction is None
    assert (found.calls[1].resent_tokens, found.calls[1].new_tokens) == (tokens.prompt, 0)


def test_what_follows_a_prompt_that_shrank_is_new_though_the_one_before_that_was_longer() -> None:
    calls = spent(
        trial(
            step(1, 1, Tokens(1_000, 0, 0, 50), "old"),
            step(2, 2, Tokens(850, 0, 0, 50), "new"),
            step(3, 3, Tokens(980, 0, 0, 5)),
        )
    ).calls
    assert [(one.resent_tokens, one.new_tokens) for one in calls] == [(0, 1_000), (850, 0), (900, 80)]


def test_the_summary_of_a_sub_agent_is_part_of_what_the_compaction_cost() -> None:
    main = (step(1, 1, Tokens(50_000, 0, 0, 100), "x"), step(3, 3, Tokens(9_000, 0, 0, 50)))
    summary = step(2, 2, Tokens(40_000, 0, 0, 2_000), subagent="toy-summarization-1", parent=1)
    compaction = spent(trial(main[0], summary, main[1])).calls[2].compaction
    assert compaction is not None
    assert compaction.usd == pytest.approx((40_000 * 3 + 2_000 * 15) * MILLIONTH)


def test_each_agent_has_a_context_of_its_own() -> None:
    nested = trial(
        step(1, 1, Tokens(10_000, 0, 0, 100), "report", tool_calls=(ToolCall("task", "{}", "report"),)),
        step(2, 2, Tokens(2_000, 0, 0, 100), "x", subagent="explore", parent=1, parent_call=0),
        step(3, 3, Tokens(2_500, 0, 0, 100), subagent="explore", parent=1, parent_call=0),
        step(4, 4, Tokens(10_400, 0, 0, 100)),
    )
    calls = spent(nested).calls
    assert [one.resent_tokens for one in calls] == [0, 0, 2_100, 10_100]
    assert [one.new_tokens for one in calls] == [10_000, 2_000, 400, 300]
    assert not any(one.compaction for one in calls)


SEGMENTS = [("goes on", 1_300, 1_050), ("goes on with nothing more", 1_000, 1_000), ("begins anew", 400, 0)]


@pytest.mark.parametrize(("prompt", "resent"), [case[1:] for case in SEGMENTS], ids=[case[0] for case in SEGMENTS])
def test_a_later_step_of_a_task_goes_on_with_the_context_if_its_prompt_holds_it(prompt: int, resent: int) -> None:
    made = trial(step(1, 1, Tokens(1_000, 0, 0, 50), segment="one"), step(2, 2, Tokens(prompt, 0, 0, 5), segment="two"))
    assert spent(made).calls[1].resent_tokens == resent
    assert spent(made).calls[1].compaction is None


def test_a_later_step_of_a_task_begins_anew_also_after_a_call_that_was_cut_off() -> None:
    first = step(1, 1, Tokens(100_000, 0, 0, 50), segment="one")
    made = trial(first, step(2, 2, None, segment="one"), step(3, 3, Tokens(500, 0, 0, 5), segment="two"))
    last = spent(made).calls[2]
    assert (last.resent_tokens, last.new_tokens, last.compaction) == (0, 500, None)


def test_sub_agents_of_one_name_have_a_context_each() -> None:
    # Two run at the same time, and their calls take turns.
    made = trial(
        step(1, 1, Tokens(1_000, 0, 0, 50), tool_calls=(ToolCall("task", "{}", "a"), ToolCall("task", "{}", "b"))),
        step(2, 2, Tokens(2_000, 0, 0, 10), subagent="explore", parent=1, parent_call=0),
        step(3, 3, Tokens(500, 0, 0, 10), subagent="explore", parent=1, parent_call=1),
        step(4, 4, Tokens(2_100, 0, 0, 10), subagent="explore", parent=1, parent_call=0),
        step(5, 5, Tokens(600, 0, 0, 10), subagent="explore", parent=1, parent_call=1),
    )
    calls = spent(made).calls
    assert [one.resent_tokens for one in calls] == [0, 0, 0, 2_010, 510]
    assert not any(one.compaction for one in calls)


def test_what_a_user_says_in_between_is_no_steps_cost() -> None:
    asked = trial(step(1, 1, Tokens(1_000, 0, 0, 50), "x" * 30), told(2, "y" * 90), step(3, 2, Tokens(1_450, 0, 0, 5)))
    found = spent(asked)
    # Of the 400 new tokens a quarter came back to the step, and the rest is the user's.
    assert found.steps[0].own_usd == pytest.approx((50 * 15 + 100 * 3) * MILLIONTH)
    assert found.prompt_usd == pytest.approx((2 * 1_000 * 3 + 300 * 3) * MILLIONTH)


def test_a_compaction_costs_its_own_summary_and_not_that_of_another() -> None:
    summary = step(2, 2, Tokens(40_000, 0, 0, 2_000), subagent="toy-summarization-1", parent=1)
    again = step(5, 5, Tokens(30_000, 0, 0, 1_000), subagent="toy-summarization-2", parent=4)
    made = trial(
        step(1, 1, Tokens(50_000, 0, 0, 100), "x"),
        summary,
        step(3, 3, Tokens(9_000, 0, 0, 50)),
        step(4, 4, Tokens(45_000, 0, 0, 50), "x"),
        again,
        step(6, 6, Tokens(9_000, 0, 0, 50)),
    )
    costs = [one.compaction.usd for one in spent(made).calls if one.compaction is not None]
    assert costs == [
        pytest.approx((40_000 * 3 + 2_000 * 15) * MILLIONTH),
        pytest.approx((30_000 * 3 + 1_000 * 15) * MILLIONTH),
    ]


def test_what_comes_with_no_text_belongs_to_the_last_step_that_called_a_tool() -> None:
    calls = (step(1, 1, Tokens(1_000, 0, 0, 90)), step(2, 1, None), step(3, 1, None, tool_calls=(), message="x" * 8))
    found = spent(trial(*calls, step(4, 2, Tokens(1_190, 0, 0, 5))))
    # Of 100 new tokens, none can be told by its text (an image has none).
    assert [one.own_usd for one in found.steps[:3]] == [
        pytest.approx(30 * 15 * MILLIONTH),
        pytest.approx((30 * 15 + 100 * 3) * MILLIONTH),
        pytest.approx(30 * 15 * MILLIONTH),
    ]
