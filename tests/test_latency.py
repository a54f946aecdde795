"""What of a step's time its LLM call and its tools took is said where it was recorded, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.latency import step_latency
from adapter.trial import Source, Span, Step, Timing, ToolCall

START = datetime(2026, 3, 1, 10, tzinfo=UTC)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def step(
    calls: Sequence[tuple[float | None, float | None]],
    took: float | None = None,
    timing: Timing = Timing.RECORDED,
    model: float | None = None,
    observations: tuple[str, ...] = (),
) -> Step:
    """A step that began at second 0; each call is (start, seconds)."""
    return Step(
        number=1,
        step_id=1,
        source=Source.AGENT,
        tool_calls=tuple(ToolCall("bash", {}, None, None, took, None if s is None else at(s)) for s, took in calls),
        observations=observations,
        model_seconds=model,
        time=Span(at(0), None if took is None else at(took)),
        timing=Timing.UNKNOWN if took is None else timing,
    )


# What it shows, the step, and the seconds of its LLM call and its tools.
PARTS: list[tuple[str, Step, float | None, float | None]] = [
    ("no tool took no time, and all of the step is the model's", step([], 4), 4, 0),
    ("a result of no call is of something that ran", step([], 4, observations=("a",)), None, None),
    ("what the tool leaves is the model's", step([(3, 5)], 10), 5, 5),
    ("a recorded model time is not computed", step([(3, 5)], 10, model=2), 2, 5),
    ("a tool without a start may stand outside of the duration", step([(None, 5)], 10), None, 5),
    ("a tool that ends after it does", step([(8, 5)], 10), None, 5),
    ("a tool that begins before it does", step([(-2, 5)], 10), None, 5),
    ("a tool that is not timed leaves both unknown", step([(1, 2), (3, None)], 10), None, None),
    ("a gap holds waiting", step([(3, 5)], 10, Timing.GAP), None, 5),
    ("a gap beside a recorded model time", step([(None, None)], 10, Timing.GAP, model=3), 3, None),
    ("without a duration", step([(3, 5)]), None, 5),
    ("one after the other: both", step([(1, 2), (4, 3)], 10), 5, 5),
    ("at the same time: once", step([(1, 4), (2, 4)], 10), 5, 5),
    ("one within the other: the longer", step([(1, 6), (2, 2)], 10), 4, 6),
    ("several without starts may overlap", step([(None, 2), (None, 3)], 10), None, None),
    ("several of which one took time", step([(None, 0), (2, 3)], 10), 7, 3),
]


@pytest.mark.parametrize(("of", "model", "tools"), [row[1:] for row in PARTS], ids=[row[0] for row in PARTS])
def test_a_step_s_time_is_told_apart_where_the_data_tell(of: Step, model: float | None, tools: float | None) -> None:
    found = step_latency(of)
    assert (found.model, found.tools) == (pytest.approx(model), pytest.approx(tools))
    assert (found.seconds, found.timing) == (of.time.seconds, of.timing)


@given(calls=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 50)), min_size=1, max_size=6))
def test_tools_take_no_more_than_all_of_them_and_no_less_than_the_longest(calls: list[tuple[int, int]]) -> None:
    covered = {second for start, length in calls for second in range(start, start + length)}
    found = step_latency(step(calls, 200))
    assert found.tools == len(covered)
    assert found.model == 200 - len(covered)


def test_tools_at_the_end_of_the_calendar_are_timed_too() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    calls = (ToolCall("bash", {}, seconds=5.0, started_at=last), ToolCall("bash", {}, seconds=3.0, started_at=last))
    assert step_latency(Step(1, 1, Source.AGENT, tool_calls=calls)).tools == 5
