"""How one call's tokens and times look in Opik."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapter.costs import StepCost, TrialCost
from adapter.opik_rows import rows
from adapter.trial import Provenance, Source, Span, Status, Step, Tokens, ToolCall, Trial, Variant
from pipelines.cost import price_trial


def at(minute: int) -> datetime:
    return datetime(2026, 3, 1, 10, minute, tzinfo=UTC)


# What is known of the steps' times (stamp, start, end), and each span's start and end; the agent began at 10:00.
TIMES = [
    ([(1, 1, 2), (2, 2, 4), (4, 4, 30)], [(1, 2), (2, 4), (4, 30)]),
    ([(2, 0, 2), (4, 2, 4)], [(0, 2), (2, 4)]),
    ([(None, None, None), (2, 2, None), (None, None, None)], [(0, None), (2, None), (2, None)]),
    ([(5, None, 5)], [(0, 5)]),
    ([(5, 5, 3)], [(5, None)]),
]


@pytest.mark.parametrize(("times", "expected"), TIMES)
def test_a_span_lasts_as_long_as_its_step(
    times: list[tuple[int | None, int | None, int | None]], expected: list[tuple[int, int | None]]
) -> None:
    steps = tuple(
        Step(number, number, Source.AGENT, call=number, timestamp=maybe(stamp), time=Span(maybe(start), maybe(end)))
        for number, (stamp, start, end) in enumerate(times, 1)
    )
    trial = Trial(
        "j", "t", "job", "trial", "task", "set", Variant("a"), Status.PASSED, steps, agent_time=Span(at(0), at(30))
    )
    unknown = tuple(StepCost(step.number, None, Provenance.UNKNOWN) for step in steps)
    trace, *spans = rows(trial, TrialCost(None, Provenance.UNKNOWN, unknown, residual_usd=0.25))
    assert [(span.start_time, span.end_time) for span in spans] == [(at(start), maybe(end)) for start, end in expected]
    assert trace.metadata["cost_residual_usd"] == 0.25


def maybe(minute: int | None) -> datetime | None:
    return None if minute is None else at(minute)


def test_a_sub_agents_steps_stand_under_the_tool_call_that_started_it() -> None:
    call = ToolCall("task", {})
    steps = (
        Step(1, 1, Source.AGENT, "main", tool_calls=(ToolCall("bash", {}), call), call=1),
        Step(2, 1, Source.AGENT, "its own words", call=2, subagent="child", parent=1, parent_call=1),
        Step(3, 2, Source.AGENT, call=3, subagent="other", parent=1),
        Step(4, 3, Source.AGENT, call=4, subagent="stray"),
    )
    trial = Trial("j", "t", "job", "trial", "task", "set", Variant("a"), Status.PASSED, steps)
    unknown = tuple(StepCost(step.number, None, Provenance.UNKNOWN) for step in steps)
    trace, *spans = rows(trial, TrialCost(None, Provenance.UNKNOWN, unknown))
    parents = {span.key: span.parent_key for span in spans if span.kind == "llm"}
    assert parents == {
        "j/t/1": None,
        "j/t/2": "j/t/agent:child",
        "j/t/3": "j/t/agent:other",
        "j/t/4": "j/t/agent:stray",
    }
    around = {span.key: span.parent_key for span in spans if span.kind == "general"}
    assert around == {"j/t/agent:child": "j/t/1/1", "j/t/agent:other": "j/t/1", "j/t/agent:stray": None}
    assert trace.output["message"] == "main"


def test_a_trial_without_any_time_says_so() -> None:
    trial = Trial("j", "t", "job", "trial", "task", "set", Variant("a"), Status.FAILED, (Step(1, 1, Source.AGENT),))
    for row in rows(trial, TrialCost(None, Provenance.UNKNOWN, (StepCost(1, None, Provenance.UNKNOWN),))):
        assert (row.start_time.year, row.end_time, row.metadata["time"]) == (1970, None, "unknown")


def test_a_regrade_costs_nothing_new_and_uses_no_tokens_again() -> None:
    step = Step(1, 1, Source.AGENT, call=1, tokens=Tokens(10, 0, 0, 5), recorded_cost_usd=0.5)
    trial = Trial("j", "t", "job", "trial", "task", "set", Variant("a"), Status.PASSED, (step,), source_trial_id="s")
    trace, span = rows(trial, price_trial(trial))
    assert (span.cost_usd, span.usage, span.metadata["cost_provenance"]) == (0.0, None, "not_new")
    assert trace.metadata["cost_provenance"] == "not_new"


def test_the_steps_of_a_multi_step_trial_stand_under_a_span_of_their_step() -> None:
    steps = (
        Step(1, 1, Source.AGENT, "one", call=1, segment="first", time=Span(at(1), at(2))),
        Step(2, 1, Source.AGENT, "two", call=2, segment="second", time=Span(at(3), at(5))),
        Step(3, 2, Source.AGENT, "three", call=3, segment="second", time=Span(at(5), at(9))),
        Step(4, 1, Source.AGENT, "four", call=4, segment="second", subagent="child", time=Span(at(6), at(7))),
    )
    trial = Trial("j", "t", "job", "trial", "task", "set", Variant("a"), Status.PASSED, steps)
    spans = {row.key: row for row in rows(trial, price_trial(trial))}
    assert [spans[f"j/t/{number}"].parent_key for number in (1, 2, 3, 4)] == [
        "j/t/step:first",
        "j/t/step:second",
        "j/t/step:second",
        "j/t/agent:child",
    ]
    assert spans["j/t/agent:child"].parent_key == "j/t/step:second"
    second = spans["j/t/step:second"]
    assert (second.kind, second.start_time, second.end_time) == ("general", at(3), at(9))
    assert second.cost_usd is None


def test_a_span_around_steps_ends_only_where_all_their_ends_are_known() -> None:
    steps = (
        Step(1, 1, Source.AGENT, "one", call=1, segment="first", time=Span(at(1), at(2))),
        Step(2, 1, Source.AGENT, "two", call=2, segment="first", time=Span(at(3), None)),
    )
    trial = Trial("j", "t", "job", "trial", "task", "set", Variant("a"), Status.PASSED, steps)
    around = {row.key: row for row in rows(trial, price_trial(trial))}["j/t/step:first"]
    assert (around.start_time, around.end_time) == (at(1), None)


def test_of_a_row_of_very_many_texts_only_the_side_that_is_too_large_is_left_out() -> None:
    asked = tuple(Step(number, number, Source.USER, "x" * 500) for number in range(1, 9_001))
    step = Step(9_001, 9_001, Source.AGENT, "the answer", call=1)
    trial = Trial("j", "t", "job", "trial", "task", "set", Variant("a"), Status.PASSED, (*asked, step))
    _, span = rows(trial, price_trial(trial))
    assert span.output["message"] == "the answer"
    assert "left_out" in span.input
    assert span.size < 4_000_000


def test_what_can_be_cut_stays_whole_where_something_else_is_too_large() -> None:
    call = ToolCall("n" * 5_000_000, {"command": "ls"}, "a.py")
    trial = Trial(
        "j",
        "t",
        "job",
        "trial",
        "task",
        "set",
        Variant("a"),
        Status.PASSED,
        (Step(1, 1, Source.AGENT, tool_calls=(call,)),),
    )
    tool = next(row for row in rows(trial, price_trial(trial)) if row.kind == "tool")
    assert (tool.input, tool.output) == ({"command": "ls"}, {"output": "a.py"})
