"""How a call was served stands where it was recorded, or asked for, in short words only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, codes, read_one, trajectory, user_step

from adapter.trial import Service, Trial

ANTHROPIC = {"service_tier": "standard", "speed": "fast", "inference_geo": "us", "cache_read_input_tokens": 0}
# What it shows, the `extra` of a step's metrics, the step's own, and how its call was served.
SAID: list[tuple[str, Any, Any, Service | None]] = [
    ("Anthropic's account", ANTHROPIC, None, Service("standard", "fast", "us")),
    ("OpenAI's", {"service_tier": "flex"}, None, Service("flex")),
    ("OpenAI's word for standard", {"service_tier": "default"}, None, Service("standard")),
    ("as the SDK spells it", {"serviceTier": "Priority"}, None, Service("priority")),
    ("beside the step", None, {"service_tier": "batch"}, Service("batch")),
    ("the call's own comes first", {"service_tier": "flex"}, {"service_tier": "batch"}, Service("flex")),
    ("a step's speed is another matter", None, {"speed": "fast", "inference_geo": "us"}, None),
    ("what was asked for is not what was given", {"service_tier": "auto"}, None, None),
    ("not available", {"inference_geo": "not_available"}, None, None),
    ("empty", {"inference_geo": "", "speed": "standard"}, None, Service(speed="standard")),
    ("no text", {"service_tier": 5, "speed": ["fast"], "inference_geo": None}, None, None),
    ("too long", {"service_tier": "x" * 41}, None, None),
    ("no word", {"service_tier": "<b>flex</b>"}, None, None),
    ("nothing", {"cache_read_input_tokens": 0}, {"cwd": "/app"}, None),
]


def served(trial: Trial) -> list[Service | None]:
    return [step.service for step in trial.agent_steps]


def saying(of_call: Any, of_step: Any = None, message: str = "Done.") -> dict[str, Any]:
    step = agent_step(message)
    step["metrics"]["extra"] = of_call
    return step | ({"extra": of_step} if of_step else {})


@pytest.mark.parametrize(("of_call", "of_step", "service"), [row[1:] for row in SAID], ids=[row[0] for row in SAID])
def test_how_a_call_was_served_is_what_is_recorded(
    of_call: Any, of_step: Any, service: Service | None, tmp_path: Path
) -> None:
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial(steps=[user_step(), saying(of_call, of_step)]))
    assert served(trial) == [service]


def test_it_stands_on_the_step_that_bears_the_call_s_tokens(tmp_path: Path) -> None:
    first, second = saying({"service_tier": "flex"}, {"api_call_id": "one"}), agent_step("And on.", tokens=None)
    second["extra"] = {"api_call_id": "one", "service_tier": "flex"}
    late = [agent_step("I look.", tokens=None, extra={"api_call_id": "two", "service_tier": "batch"}), saying(None)]
    late[1]["extra"] = {"api_call_id": "two"}
    copied = saying({"service_tier": "priority"}) | {"is_copied_context": True}
    job = JobBuilder(tmp_path)
    value = trajectory([copied, first, second, *late], agent={"name": "codex", "version": "1"})
    trial = read_one(job, job.trial(raw_trajectory=value))
    assert [step.call for step in trial.steps] == [None, 1, 1, 2, 2]
    assert [step.service for step in trial.steps] == [None, Service("flex"), None, None, Service("batch")]


# What it shows, the agent's settings, and how a call of the variant's model and one of another were served.
ASKED: list[tuple[str, dict[str, Any], list[Service | None]]] = [
    ("asked for", {"service_tier": "flex"}, [Service("flex"), None]),
    (
        "asked for, deep in the agent's own settings",
        {"opencode_config": {"provider": [{"options": {"serviceTier": "priority"}}]}},
        [Service("priority"), None],
    ),
    ("two are asked for", {"service_tier": "flex", "other": {"service_tier": "batch"}}, [None, None]),
    ("the provider may choose", {"service_tier": "auto"}, [None, None]),
    ("a tier without a price of its own", {"service_tier": "scale"}, [None, None]),
    ("nothing", {}, [None, None]),
]


@pytest.mark.parametrize(("kwargs", "service"), [row[1:] for row in ASKED], ids=[row[0] for row in ASKED])
def test_what_the_settings_ask_for_holds_where_no_call_says(
    kwargs: dict[str, Any], service: list[Service | None], tmp_path: Path
) -> None:
    job = JobBuilder(tmp_path)
    steps = [user_step(), agent_step("One."), agent_step("Title.", model_name="anthropic/claude-haiku-4-5")]
    trial = read_one(job, job.trial(steps=steps, kwargs=kwargs))
    assert served(trial) == service
    assert ("service_from_settings" in codes(trial)) is (service[0] is not None)


def test_what_a_call_says_holds_whatever_was_asked_for(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    steps = [saying({"service_tier": "default"}), agent_step("Two.", at="2026-03-01T10:02:00Z")]
    trial = read_one(job, job.trial(steps=steps, kwargs={"service_tier": "priority"}))
    assert served(trial) == [Service("standard"), None]
    assert "service_from_settings" not in codes(trial)
