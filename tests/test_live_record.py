"""What `opik harbor run` logged live is read for what it holds, and what it lacks is said."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from builder import codes
from opik.rest_api.types import ErrorInfoPublic, SpanPublic, TracePublic
from opik_harbor import MODELS, harbor_run, write_tasks

from adapter.embedded_opik import EmbeddedOpik
from adapter.opik_connection import Connection
from adapter.opik_read import OpikReader
from adapter.opik_traces import stored_trial
from adapter.trial import Source, Status, Trial
from pipelines.cost import price_trial


def at(second: int) -> datetime:
    return datetime(2026, 3, 1, 10, 0, second, tzinfo=UTC)


def trace(**fields: Any) -> TracePublic:
    """A trace as the live integration makes it."""
    values: dict[str, Any] = {
        "id": "01a1fb33-51d4-7131-9289-a1e3b6ed6750",
        "project_id": "p",
        "name": "toy/task-a__1",
        "start_time": at(0),
        "end_time": at(9),
        "input": {
            "trial_name": "task-a__1",
            "task": {"name": None, "source": "set"},
            "agent": {"name": "toy", "model": "openai/gpt-5-mini"},
        },
        "output": {"trial_name": "task-a__1", "task_name": "set/task-a", "rewards": {"reward": 1.0}},
        "metadata": {"created_from": "harbor"},
    }
    return TracePublic.model_validate(values | fields)


def span(number: int, place: int, source: str = "agent", **fields: Any) -> SpanPublic:
    """A step's span as the live integration makes it."""
    values: dict[str, Any] = {
        "id": f"id-{number}",
        "name": f"step_{place}",
        "type": "llm" if source == "agent" else "general",
        "start_time": at(place),
        "input": {"message": f"step {place}"},
        "metadata": {"source": source, "created_from": "harbor"},
    }
    return SpanPublic.model_validate(values | fields)


CALL = {"tool_call_id": "c1", "function_name": "bash", "arguments": {"command": "ls"}}


def read(trace: TracePublic, *spans: SpanPublic) -> Trial:
    return stored_trial(trace, spans).trial


def test_a_live_trace_is_a_trial_with_its_steps_and_rewards() -> None:
    called = span(
        2,
        2,
        input={"message": "Look.", "tool_calls": [CALL]},
        output={"results": [{"content": "a.py"}]},
        metadata={"source": "agent", "created_from": "harbor", "reasoning": "First look."},
        usage={"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105},
        total_estimated_cost=0.25,
    )
    setup = SpanPublic(id="x", name="setup_agent", start_time=at(1), type="general")
    found = stored_trial(trace(), [called, setup, span(1, 1, "user")])
    trial = found.trial
    assert (trial.name, trial.task, trial.dataset) == ("live/task-a__1", "set/task-a", "set")
    assert trial.variant.name == "toy@unknown/openai/gpt-5-mini"
    assert (trial.status, trial.reward) == (Status.PASSED, 1.0)
    asked, look = trial.steps
    assert (asked.source, asked.message, asked.call) == (Source.USER, "step 1", None)
    assert (look.message, look.reasoning) == ("Look.", "First look.")
    (call,) = look.tool_calls
    assert (call.name, call.arguments, call.output) == ("bash", {"command": "ls"}, "a.py")
    assert price_trial(trial).steps[0].usd == 0.25
    assert list(found.span_ids.values()) == ["id-2"]


def test_tokens_without_their_cached_part_are_kept_and_not_priced() -> None:
    trial = read(trace(), span(1, 1, usage={"prompt_tokens": 10, "completion_tokens": 5}, total_estimated_cost=0.0))
    assert trial.steps[0].raw == {"prompt_tokens": 10, "completion_tokens": 5}
    assert (trial.steps[0].tokens, price_trial(trial).usd) == (None, None)
    assert "live_cost_unknown" in codes(trial)


def test_a_step_that_was_logged_again_counts_once_with_what_was_logged_last() -> None:
    full = span(3, 1, output={"results": [{"content": "seen"}]})
    trial = read(trace(), span(1, 1), span(2, 2), full)
    assert [step.message for step in trial.steps] == ["step 1", "step 2"]
    assert trial.steps[0].observations == ("seen",)
    assert "live_repeats" in codes(trial)


def test_results_that_are_not_as_many_as_calls_belong_to_none() -> None:
    trial = read(
        trace(),
        span(1, 1, input={"tool_calls": [CALL, CALL]}, output={"results": [{"content": "a"}]}),
    )
    assert [call.output for call in trial.steps[0].tool_calls] == [None, None]
    assert trial.steps[0].observations == ("a",)


LACKS = [
    (trace(), {"live_trace", "live_without_steps", "live_exception_unknown"}, Status.PASSED),
    (trace(output=None, error_info=ErrorInfoPublic(exception_type="AgentTimeoutError", traceback="")),
     {"live_trace", "live_without_steps"}, Status.TIMED_OUT),
    (trace(output={"rewards": {"a": 0.5, "b": 1}}), {"live_trace", "live_without_steps", "live_exception_unknown"},
     Status.UNGRADED),
    (trace(input=None, output=None, metadata={"created_from": "harbor"}),
     {"live_trace", "live_without_steps", "live_exception_unknown"}, Status.UNGRADED),
]  # fmt: skip


@pytest.mark.parametrize(("live", "expected", "status"), LACKS)
def test_what_was_not_logged_is_said(live: TracePublic, expected: set[str], status: Status) -> None:
    trial = read(live)
    assert codes(trial) == expected
    assert (trial.status, trial.is_whole) == (status, False)


@pytest.mark.slow
def test_what_a_real_run_logged_live_is_judged(
    tmp_path: Path, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    _, done = harbor_run(write_tasks(tmp_path, ["one", "two"]), opik=server.url)
    assert done.returncode == 0
    result = kilobench("judge", "--project", "test", "--opik", server.url, "--json")
    assert result.code == 0
    assert len(result.json["trials"]) == 2 * len(MODELS)
    for one in result.json["trials"]:
        assert one["agent_steps"] > 0
        assert "live_trace" in {finding["code"] for finding in one["findings"]}
    trial = OpikReader(connection).trial(result.json["trials"][0]["trace_id"]).trial
    assert trial.variant.model_name in MODELS
    assert trial.dataset == "tiny"
