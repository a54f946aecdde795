"""Where a trial's money went: parts that sum to it, costs followed through later calls, and nothing made up."""

from __future__ import annotations

import math
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attributed import LISTING, MILLIONTH, SONNET, spent, step, trial
from builder import JobBuilder, agent_step, read_one, trajectory, user_step
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.trial import (
    Provenance,
    Service,
    Source,
    Span,
    Step,
    Timing,
    Tokens,
    ToolCall,
    Trial,
    Variant,
)
from pipelines.cost import attribute, price_trial
from pipelines.cost.attribution import Parts
from pipelines.cost.breakdown import pie, summed


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


NOTHING_KNOWN = [
    ("no LLM call", trial(step(1, None, None, "out"))),
    ("a call of unknown cost", trial(step(1, 1, None, "out"), step(2, None, None, "late"))),
    ("a regrade", replace(LISTING, source_trial_id="other", steps=(*LISTING.steps, step(5, None, None, "late")))),
]


@pytest.mark.parametrize("made", [case[1] for case in NOTHING_KNOWN], ids=[case[0] for case in NOTHING_KNOWN])
def test_where_no_call_has_a_cost_no_step_is_said_to_have_cost_nothing(made: Trial) -> None:
    found = spent(made, wasted={one.number for one in made.agent_steps})
    assert {(one.own_usd, one.carried_usd, one.carried_at_least_usd) for one in found.steps} == {(None, None, None)}
    assert found.wasted_usd is None


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
@settings(max_examples=150)
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


def test_reasoning_that_split_turns_repeat_is_counted_once() -> None:
    thought = {"reasoning": "y" * 16}
    one = step(1, 1, Tokens(10, 0, 0, 100), **thought)
    other = step(2, 1, None, **thought)
    parts = spent(trial(one, other)).calls[0].parts
    # 16 characters of reasoning and two tool calls of 8.
    assert (parts.reasoning, parts.tool_calls) == (pytest.approx(50 * 15 * MILLIONTH),) * 2


def test_nothing_has_no_shares() -> None:
    assert pie(Parts(*(0.0,) * 9, unexplained=0.5)) is None


def test_a_cost_that_is_known_to_be_wrong_and_cannot_be_replaced_is_unknown_and_so_is_what_it_was_spent_on() -> None:
    priced = step(1, 1, Tokens(1_000, 0, 0, 100), recorded_cost_usd=3.0, cost_provenance=Provenance.PRICED)
    made = trial(priced, step(2, 2, None, recorded_cost_usd=4.0), step(3, 3, None), recorded_cost_usd=5.0)
    first = spent(made).calls[0]
    assert (first.usd, first.provenance, first.price, first.recorded_usd) == (None, Provenance.UNKNOWN, None, 3.0)
    assert first.parts == Parts()
    assert (spent(made).steps[0].own_usd, spent(made).steps[0].carried_usd) == (None, None)
