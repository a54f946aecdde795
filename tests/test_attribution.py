"""Where a trial's money went: parts that sum to it, costs followed through later calls, and nothing made up."""

from __future__ import annotations

import math
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, read_one, trajectory, user_step
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.trial import (
    Finding,
    Provenance,
    RunTotal,
    Service,
    Severity,
    Source,
    Span,
    Status,
    Step,
    Timing,
    Tokens,
    ToolCall,
    Trial,
    Variant,
)
from pipelines.cost import attribute, price_trial
from pipelines.cost.attribution import Attribution, Parts
from pipelines.cost.breakdown import pie, summed

SONNET = Variant("toy", "1.0", "claude-sonnet-4-5", "anthropic")
"""In millionths of a dollar per token: 3 in full, 0.3 from the cache, 3.75 into it, 15 of output."""
MILLIONTH = 1e-6


def step(number: int, call: int | None, tokens: Tokens | None, output: str = "", **fields: Any) -> Step:
    """A step with one tool call of eight characters, and what came back."""
    made = Step(number, number, Source.AGENT, call=call, tokens=tokens, tool_calls=(ToolCall("sh", "ls -la", output),))
    return replace(made, **fields)


def told(number: int, message: str = "Go on.") -> Step:
    return Step(number, number, Source.USER, message=message)


def trial(*steps: Step, variant: Variant = SONNET, **fields: Any) -> Trial:
    made = Trial("j", "t", "job", "trial", "task", "set", variant, Status.PASSED, steps)
    return replace(made, **fields)


def spent(made: Trial, **options: Any) -> Attribution:
    return attribute(made, price_trial(made), **options)


# A listing of 20,000 tokens: written to the cache by the call after it, read from there by the one after that.
LISTING = trial(
    told(1),
    step(2, 1, Tokens(0, 0, 10_000, 100), "a listing"),
    step(3, 2, Tokens(0, 10_000, 20_100, 100)),
    step(4, 3, Tokens(0, 30_100, 100, 10), tool_calls=(), message="Done."),
)


def test_what_a_step_costs_by_the_end_is_worked_by_hand() -> None:
    listing, look, answer = spent(LISTING).steps
    # Own: 100 of output at 15, then 20,000 written to the cache at 3.75.
    assert listing.own_usd == pytest.approx((100 * 15 + 20_000 * 3.75) * MILLIONTH, abs=1e-12)
    # Again: the output is written in call 2 and read in call 3; the listing is read in call 3.
    assert listing.carried_usd == pytest.approx((100 * 3.75 + 100 * 0.3 + 20_000 * 0.3) * MILLIONTH, abs=1e-12)
    # Its 100 tokens of output are all that call 3 has more.
    assert (look.own_usd, look.carried_usd) == (
        pytest.approx(100 * 15 * MILLIONTH),
        pytest.approx(100 * 3.75 * MILLIONTH),
    )
    assert (answer.own_usd, answer.carried_usd) == (pytest.approx(10 * 15 * MILLIONTH), 0)


def test_the_prompts_share_is_what_it_cost_in_every_call() -> None:
    assert spent(LISTING).prompt_usd == pytest.approx((10_000 * 3.75 + 2 * 10_000 * 0.3) * MILLIONTH, abs=1e-12)


def test_a_calls_cost_is_told_apart_by_where_its_input_came_from_and_how_it_was_billed() -> None:
    first, second, third = (one.parts for one in spent(LISTING).calls)
    assert first.new_written == pytest.approx(10_000 * 3.75 * MILLIONTH)
    assert (first.resent, first.resent_cached, first.resent_written) == (0, 0, 0)
    # 10,000 read; of the 20,100 written, 100 are the answer that the call before had given.
    assert second.resent_cached == pytest.approx(10_000 * 0.3 * MILLIONTH)
    assert second.resent_written == pytest.approx(100 * 3.75 * MILLIONTH)
    assert second.new_written == pytest.approx(20_000 * 3.75 * MILLIONTH)
    assert (third.resent_cached, third.new_written) == (pytest.approx(30_100 * 0.3 * MILLIONTH), 0)
    assert [one.unexplained for one in (first, second, third)] == [0, 0, 0]


# The tokens of two calls, and the second's six kinds of input in tokens: resent and new, each in full, read, written.
SPLITS = [
    ("all in full", Tokens(1_000, 0, 0, 50), Tokens(1_500, 0, 0, 5), (1_050, 0, 0, 450, 0, 0)),
    (
        "the cache holds less than was sent before",
        Tokens(1_000, 0, 0, 50),
        Tokens(700, 800, 0, 5),
        (250, 800, 0, 450, 0, 0),
    ),
    ("the cache holds more", Tokens(1_000, 0, 0, 50), Tokens(300, 1_200, 0, 5), (0, 1_050, 0, 300, 150, 0)),
    ("read, written and in full", Tokens(1_000, 0, 0, 50), Tokens(100, 1_000, 400, 5), (0, 1_000, 50, 100, 0, 350)),
    ("nothing new", Tokens(1_000, 0, 0, 50), Tokens(1_050, 0, 0, 5), (1_050, 0, 0, 0, 0, 0)),
    ("less than before", Tokens(1_000, 0, 0, 50), Tokens(950, 0, 0, 5), (950, 0, 0, 0, 0, 0)),
    ("reasoning left out", Tokens(1_000, 0, 0, 500, 400), Tokens(1_150, 0, 0, 5), (1_100, 0, 0, 50, 0, 0)),
    ("nothing but reasoning, left out", Tokens(1_000, 0, 0, 400, 400), Tokens(1_050, 0, 0, 5), (1_000, 0, 0, 50, 0, 0)),
    ("reasoning kept", Tokens(1_000, 0, 0, 500, 400), Tokens(1_700, 0, 0, 5), (1_500, 0, 0, 200, 0, 0)),
]


@pytest.mark.parametrize(("first", "second", "kinds"), [case[1:] for case in SPLITS], ids=[case[0] for case in SPLITS])
def test_the_six_kinds_of_input_are_overlaps_of_what_was_sent_before_and_what_was_cached(
    first: Tokens, second: Tokens, kinds: tuple[int, ...]
) -> None:
    found = spent(trial(step(1, 1, first, "out"), step(2, 2, second))).calls[1].parts
    rates = (3, 0.3, 3.75) * 2
    assert astuple(found)[:6] == tuple(
        pytest.approx(n * rate * MILLIONTH) for n, rate in zip(kinds, rates, strict=True)
    )


def test_where_reasoning_was_left_out_once_it_was_left_out_throughout() -> None:
    answers = (Tokens(1_000, 0, 0, 500, 400), Tokens(1_150, 0, 0, 500, 400), Tokens(2_150, 0, 0, 5))
    found = spent(trial(*(step(number, number, tokens, "out") for number, tokens in enumerate(answers, 1))))
    # The last prompt has room for all of the answer before it; of that, the first pair shows, 100 were sent again.
    assert [one.new_tokens for one in found.calls] == [1_000, 50, 900]


OUTPUTS = [
    ("counted reasoning", Tokens(10, 0, 0, 100, 40), {"message": "x" * 8}, (40, 30, 30)),
    ("counted as none", Tokens(10, 0, 0, 100, 0), {"message": "x" * 8}, (0, 50, 50)),
    ("not counted, and nothing to read", Tokens(10, 0, 0, 100), {"message": "x" * 8}, (None, 50, 50)),
    ("not counted, but shown", Tokens(10, 0, 0, 100), {"message": "x" * 8, "reasoning": "y" * 16}, (50, 25, 25)),
    ("only an answer", Tokens(10, 0, 0, 100), {"message": "x", "tool_calls": ()}, (None, 0, 100)),
    ("nothing at all to see", Tokens(10, 0, 0, 100, 30), {"tool_calls": ()}, (30, 0, 70)),
]


@pytest.mark.parametrize(("tokens", "said", "expected"), [one[1:] for one in OUTPUTS], ids=[one[0] for one in OUTPUTS])
def test_output_is_reasoning_tool_calls_and_message(
    tokens: Tokens, said: dict[str, Any], expected: tuple[int | None, int, int]
) -> None:
    parts = spent(trial(step(1, 1, tokens, **said))).calls[0].parts
    costs = tuple(None if n is None else pytest.approx(n * 15 * MILLIONTH) for n in expected)
    assert (parts.reasoning, parts.tool_calls, parts.message) == costs


def test_a_recorded_cost_is_never_scaled_to_the_price_and_the_rest_is_shown_with_its_sign() -> None:
    tokens = Tokens(1_000, 0, 0, 100)
    dear, cheap = (spent(trial(step(1, 1, tokens, recorded_cost_usd=usd))) for usd in (0.01, 0.001))
    assert dear.calls[0].parts.unexplained == pytest.approx(0.01 - 0.0045)
    assert cheap.calls[0].parts.unexplained == pytest.approx(0.001 - 0.0045)
    assert dear.unexplained_usd == dear.calls[0].parts.unexplained
    assert dear.calls[0].parts.new == cheap.calls[0].parts.new == pytest.approx(0.003)


def test_the_steps_of_one_call_share_its_parts_as_they_share_its_cost() -> None:
    long = step(1, 1, Tokens(1_000, 0, 0, 100), message="x" * 22, tool_calls=())
    short = step(2, 1, None, tool_calls=(ToolCall("sh", "ls -la", "out"),))
    found = spent(trial(long, short, step(3, 2, Tokens(1_200, 0, 0, 10))))
    one, other, _ = found.steps
    assert (one.usd, other.usd) == (pytest.approx(22 / 30 * 0.0045), pytest.approx(8 / 30 * 0.0045))
    assert one.parts.usd() == pytest.approx(one.usd, abs=1e-12)
    assert other.parts.new == pytest.approx(8 / 30 * 0.003)
    # What came back belongs to the step that asked for it.
    assert other.own_usd == pytest.approx(8 / 30 * 0.0015 + 100 * 3 * MILLIONTH)
    assert one.own_usd == pytest.approx(22 / 30 * 0.0015)


NO_PARTS = [
    ("no tokens", step(1, 1, None, recorded_cost_usd=0.5), SONNET),
    ("no input count", step(1, 1, Tokens(None, 5, 0, 5), recorded_cost_usd=0.5), SONNET),
    ("no output count", step(1, 1, Tokens(5, 0, 0, None), recorded_cost_usd=0.5), SONNET),
    ("no price", step(1, 1, Tokens(5, 0, 0, 5), recorded_cost_usd=0.5), replace(SONNET, model="nobody-knows")),
    ("no model", step(1, 1, Tokens(5, 0, 0, 5), recorded_cost_usd=0.5), replace(SONNET, model=None)),
]


@pytest.mark.parametrize(("made", "variant"), [case[1:] for case in NO_PARTS], ids=[case[0] for case in NO_PARTS])
def test_where_only_the_cost_is_known_the_parts_are_not(made: Step, variant: Variant) -> None:
    found = spent(trial(made, variant=variant))
    assert (found.usd, found.calls[0].usd, found.calls[0].parts) == (0.5, 0.5, Parts())
    (one,) = found.steps
    assert (one.own_usd, one.carried_usd, one.carried_at_least_usd) == (None, None, None)
    assert (found.prompt_usd, found.unexplained_usd) == (None, None)


def test_a_call_that_nothing_is_known_of_leaves_a_lower_bound_for_what_it_was_sent() -> None:
    cut_off = step(5, 4, None, tool_calls=(), message="…")
    found = spent(trial(*LISTING.steps[:3], replace(LISTING.steps[3], tool_calls=()), cut_off))
    listing = found.steps[0]
    assert listing.own_usd == spent(LISTING).steps[0].own_usd
    assert listing.carried_usd is None
    assert listing.carried_at_least_usd == spent(LISTING).steps[0].carried_usd
    assert (found.steps[2].own_usd, found.prompt_usd, found.steps[3].own_usd) == (None, None, None)


def test_a_call_of_unknown_tokens_in_the_middle_closes_nothing_behind_it() -> None:
    middle = trial(
        step(1, 1, Tokens(1_000, 0, 0, 100), "one"),
        step(2, 2, None, "two"),
        step(3, 3, Tokens(1_300, 0, 0, 100), "three"),
        step(4, 4, Tokens(1_500, 0, 0, 100)),
    )
    found = spent(middle)
    assert [one.carried_usd is None for one in found.steps] == [True, True, False, False]
    assert found.calls[2].new_tokens == 200
    assert found.steps[2].own_usd == pytest.approx((100 * 15 + 100 * 3) * MILLIONTH)


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


COMPACTED = trial(
    told(1),
    step(2, 1, Tokens(5_000, 0, 0, 100), "x" * 100),
    step(3, 2, Tokens(50_000, 0, 0, 1_000), tool_calls=(), message="A summary of it all."),
    step(4, 3, Tokens(7_000, 0, 0, 50)),
    step(5, 4, Tokens(7_250, 0, 0, 50)),
)


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


def test_wasted_is_own_and_carried_of_the_steps_that_the_judges_marked() -> None:
    listing = spent(LISTING).steps[0]
    assert listing.own_usd is not None
    assert listing.carried_usd is not None
    found = spent(LISTING, wasted={2})
    assert found.wasted_usd == pytest.approx(listing.own_usd + listing.carried_usd)
    assert [one.is_wasted for one in found.steps] == [True, False, False]
    assert spent(LISTING, wasted=()).wasted_usd == 0
    assert spent(LISTING).wasted_usd is None
    unknown = trial(step(1, 1, None))
    assert spent(unknown, wasted={1}).wasted_usd is None


# What mini-swe-agent writes: the run's cost times each call's output over the output so far.
MINI = (Tokens(1_000, 0, 0, 100), Tokens(5_000, 0, 0, 300), Tokens(9_000, 0, 0, 100))
BILLS = [0.0045, 0.0195, 0.0285]


def mini(variant: Variant) -> Trial:
    whole, so_far, steps = sum(BILLS), 0, []
    for number, tokens in enumerate(MINI, 1):
        so_far += tokens.output or 0
        made_up = whole * (tokens.output or 0) / so_far
        steps.append(step(number, number, tokens, recorded_cost_usd=made_up, cost_provenance=Provenance.APPORTIONED))
    return trial(*steps, variant=variant, recorded_cost_usd=whole)


def test_step_costs_that_an_agent_made_up_from_the_total_are_priced_from_tokens() -> None:
    cost = price_trial(mini(SONNET))
    assert [one.usd for one in cost.steps] == [pytest.approx(bill) for bill in BILLS]
    assert {one.provenance for one in cost.steps} == {Provenance.PRICED}
    assert cost.residual_usd == pytest.approx(0, abs=1e-12)
    assert cost.calls[0].recorded_usd == pytest.approx(sum(BILLS))


def test_without_a_price_they_become_true_shares_of_the_total_and_say_so() -> None:
    cost = price_trial(mini(replace(SONNET, model="nobody-knows")))
    assert [one.usd for one in cost.steps] == [pytest.approx(sum(BILLS) * share) for share in (0.2, 0.6, 0.2)]
    assert {one.provenance for one in cost.steps} == {Provenance.APPORTIONED}
    assert spent(mini(replace(SONNET, model="nobody-knows"))).is_apportioned


def test_costs_that_hold_their_reasoning_twice_are_priced_from_tokens_where_they_can_be(tmp_path: Path) -> None:
    twice = agent_step("Done.", tokens=(1_000, 100, 0), cost=0.0045 + 40 * 15 * MILLIONTH)
    twice["metrics"]["extra"] = {"reasoning_output_tokens": 40, "reasoning_charged_twice": True}
    job = JobBuilder(tmp_path)
    known, unknown = (
        price_trial(read_one(job, job.trial(name, model=model, raw_trajectory=trajectory([user_step(), twice]))))
        for name, model in (("a__1", "anthropic/claude-sonnet-4-5"), ("b__1", "nobody/knows"))
    )
    assert (known.usd, known.provenance) == (pytest.approx(0.0045), Provenance.PRICED)
    assert (unknown.usd, unknown.provenance) == (pytest.approx(0.0051), Provenance.RECORDED)


def test_the_residual_names_its_reasons_only_where_the_data_show_them() -> None:
    tokens = Tokens(1_000, 0, 0, 100)
    made = trial(step(1, 1, tokens), recorded_cost_usd=0.006)
    assert spent(made).residual_usd == pytest.approx(0.0015)
    assert spent(made).residual_reasons == ()
    more = RunTotal("harbor", 0.006, Provenance.RECORDED, Tokens(1_400, 0, 0, 120))
    found = spent(replace(made, totals=(more,)))
    assert found.residual_reasons[0][0] == "calls_without_steps"
    assert "400 tokens sent and 20 returned" in found.residual_reasons[0][1]
    (source,) = found.compared
    assert (source.source, source.usd, source.residual_usd) == ("harbor", 0.006, pytest.approx(0.0015))
    same = replace(more, tokens=tokens)
    assert [name for name, _ in spent(replace(made, totals=(same,))).residual_reasons] == ["other_prices"]
    assert spent(replace(made, recorded_cost_usd=0.0045, totals=(more,))).residual_reasons == ()


def noticed(code: str) -> dict[str, Any]:
    return {"findings": (Finding(code, Severity.INFO, "What was noticed."),)}


REASONS = [
    ("a sub-agent that could not be read", "sub_agents", noticed("subagent_missing")),
    ("calls of another model", "other_models", noticed("calls_of_other_models")),
    (
        "steps that were copied with their costs",
        "copied_context",
        {"steps": (step(1, None, None, is_copied=True, raw={"cost_usd": 0.25}), *LISTING.steps[1:])},
    ),
    (
        "a summary that is not among the steps",
        "compaction",
        {"steps": (*LISTING.steps, step(5, 4, Tokens(9_000, 0, 0, 5)), step(6, 5, Tokens(3_000, 0, 0, 5)))},
    ),
]


@pytest.mark.parametrize(("name", "fields"), [case[1:] for case in REASONS], ids=[case[0] for case in REASONS])
def test_each_reason_is_given_only_with_what_shows_it(name: str, fields: dict[str, Any]) -> None:
    assert [one for one, _ in spent(replace(LISTING, recorded_cost_usd=5.0, **fields)).residual_reasons] == [name]
    assert spent(replace(LISTING, recorded_cost_usd=5.0)).residual_reasons == ()


@pytest.mark.parametrize("fields", [case[2] for case in REASONS], ids=[case[0] for case in REASONS])
def test_what_no_step_has_is_no_reason_for_a_total_that_is_less_than_the_steps(fields: dict[str, Any]) -> None:
    found = spent(replace(LISTING, recorded_cost_usd=0.01, **fields))
    assert found.residual_usd is not None
    assert found.residual_usd < 0
    assert found.residual_reasons == ()


def test_a_compaction_is_no_reason_where_the_tokens_agree() -> None:
    steps = (*LISTING.steps, step(5, 4, Tokens(9_000, 0, 0, 5)), step(6, 5, Tokens(3_000, 0, 0, 5)))
    total = RunTotal("harbor", 5.0, Provenance.RECORDED, Tokens(12_000, 40_100, 30_200, 220))
    found = spent(replace(LISTING, steps=steps, recorded_cost_usd=5.0, totals=(total,)))
    assert [name for name, _ in found.residual_reasons] == ["other_prices"]


@pytest.mark.parametrize(("at", "reasons"), [(4, []), (1, ["compaction"]), (None, ["compaction"])])
def test_a_summary_that_is_a_step_with_its_tokens_is_no_reason(at: int | None, reasons: list[str]) -> None:
    noted = Finding("context_summarised", Severity.INFO, "It was summarised.", at)
    found = spent(replace(LISTING, recorded_cost_usd=5.0, findings=(noted,)))
    assert [name for name, _ in found.residual_reasons] == reasons


def test_the_time_of_a_step_is_told_apart_where_it_was_recorded() -> None:
    began = datetime(2026, 3, 1, tzinfo=UTC)
    call = ToolCall("sh", "ls", "out", seconds=2.0, started_at=began + timedelta(seconds=3))
    time = Span(began, began + timedelta(seconds=5))
    made = step(1, 1, None, time=time, timing=Timing.RECORDED, tool_calls=(call,))
    latency = spent(trial(made)).steps[0].latency
    assert (latency.seconds, latency.model, latency.tools, latency.timing) == (5.0, 3.0, 2.0, Timing.RECORDED)


def test_how_a_call_was_served_stands_in_the_price_that_it_names() -> None:
    tokens = Tokens(1_000, 0, 0, 100)
    plain, batch = (price_trial(trial(step(1, 1, tokens, service=one))) for one in (None, Service("batch")))
    assert batch.usd == pytest.approx(0.0045 / 2)
    assert batch.steps[0].price == f"{plain.steps[0].price} (batch)"


def test_a_regrade_has_no_costs_at_any_step_or_call() -> None:
    found = spent(replace(LISTING, source_trial_id="other"))
    assert {one.usd for one in (*found.steps, *found.calls)} == {None}
    assert (found.usd, found.recorded_usd, found.residual_usd, found.prompt_usd) == (None, None, None, None)


def test_a_trial_without_steps_has_an_attribution_without_any() -> None:
    found = spent(trial())
    assert (found.usd, found.steps, found.calls, found.prompt_usd) == (None, (), (), None)
    assert spent(trial(recorded_cost_usd=0.5)).usd == 0.5


def test_the_four_shares_are_of_what_prices_explain() -> None:
    parts = Parts(1.0, 2.0, 1.0, 1.0, 0.0, 1.0, 2.0, 1.0, 1.0, unexplained=5.0)
    shares = pie(parts)
    assert shares is not None
    assert astuple(shares) == (0.4, 0.2, 0.2, 0.2)
    assert pie(Parts()) is None
    unknown = pie(replace(parts, reasoning=None))
    assert unknown is not None
    assert unknown.reasoning is None
    assert summed([parts, Parts()]) == parts


counts = st.integers(0, 300_000)
texts = st.text(max_size=9)


@st.composite
def trials(draw: st.DrawFn) -> Trial:
    """Trials of two agents with whatever counts, costs and texts, some of them unknown."""
    steps: list[Step] = []
    for number in range(1, draw(st.integers(1, 12)) + 1):
        is_sub = draw(st.booleans())
        tokens = draw(st.none() | st.builds(Tokens, counts, counts, counts, counts, st.none() | st.integers(0, 9)))
        steps.append(
            Step(
                number,
                number,
                draw(st.sampled_from([Source.AGENT, Source.AGENT, Source.USER])),
                message=draw(texts),
                reasoning=draw(st.none() | texts),
                tool_calls=tuple(ToolCall("t", "a", one) for one in draw(st.lists(texts, max_size=2))),
                call=2 * (number + 1) // draw(st.integers(1, 2)) * 2 + is_sub,
                tokens=tokens,
                recorded_cost_usd=draw(st.none() | st.floats(0, 10)),
                subagent="sub" if is_sub else "",
            )
        )
    made = [one if one.source is Source.AGENT else replace(one, call=None, tokens=None) for one in steps]
    return trial(*made, recorded_cost_usd=draw(st.none() | st.floats(0, 30)))


@given(trials())
@settings(max_examples=300)
def test_every_sum_holds_whatever_the_counts(made: Trial) -> None:
    cost = price_trial(made)
    found = attribute(made, cost)
    for one in (*found.calls, *found.steps):
        whole = one.parts.usd()
        assert one.usd is None or math.isfinite(one.usd)
        assert whole is None or (one.usd is not None and math.isclose(whole, one.usd, rel_tol=1e-12, abs_tol=1e-9))
        inputs = astuple(one.parts)[:9]
        assert all(part is None or part >= -1e-12 for part in inputs)
    for call in found.calls:
        assert (
            call.resent_tokens is None
            or call.new_tokens is None
            or call.tokens is None
            or (
                call.resent_tokens + call.new_tokens == call.tokens.prompt
                and min(call.resent_tokens, call.new_tokens) >= 0
            )
        )
    costs = [one.usd for one in found.calls]
    if found.prompt_usd is not None and found.unexplained_usd is not None:
        own = [one.own_usd for one in found.steps]
        again = [one.carried_usd for one in found.steps]
        known = [value for value in (*own, *again) if value is not None]
        assert len(known) == 2 * len(found.steps)
        whole = sum(known) + found.prompt_usd + found.unexplained_usd
        assert math.isclose(whole, sum(one or 0 for one in costs), rel_tol=1e-9, abs_tol=1e-9)


def test_a_harbor_job_is_followed_from_its_files_to_the_step(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    steps = [
        user_step(),
        agent_step("", ("bash", {"command": "ls"}, "a.py"), tokens=(1_000, 50, 0)),
        agent_step("Done.", tokens=(1_250, 10, 1_000)),
    ]
    folder = job.trial(raw_trajectory=trajectory(steps), model="anthropic/claude-sonnet-4-5")
    first, second = spent(read_one(job, folder)).steps
    assert first.own_usd == pytest.approx((50 * 15 + 200 * 3) * MILLIONTH)
    assert second.parts.resent_cached == pytest.approx(1_000 * 0.3 * MILLIONTH)
    assert second.price is not None
    assert second.price.startswith("litellm ")
