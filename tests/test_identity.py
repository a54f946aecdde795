"""What a trial's variant is, where each part of it was read, and what is said when its sources differ."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from harbor.models.agent.name import AgentName

from adapter.atif import read_trajectory
from adapter.identity import Identity, read_variant, step_model
from adapter.jobs import Job
from adapter.trial import Severity, Variant

RESULT, TRAJECTORY, CONFIG, FOLDER = "result.json", "trajectory.json", "config.json", "folder name"
MODEL = {"provider": "openai", "name": "gpt-5-mini"}


def result(
    agent: str | None = "toy", version: str | None = "1.0", model: dict[str, Any] | None = MODEL, **settings: Any
) -> dict[str, Any]:
    """A trial's result.json, as far as it tells the variant."""
    return {"agent_info": {"name": agent, "version": version, "model_info": model}, "config": {"agent": settings}}


def trajectory(model: str | None, *steps: str | None, effort: str | None = None, **agent: Any) -> dict[str, Any]:
    made = [
        {"step_id": number, "source": "agent", "message": "", "model_name": name, "reasoning_effort": effort}
        for number, name in enumerate(steps, 1)
    ]
    return {"schema_version": "ATIF-v1.7", "agent": {"name": "toy", "model_name": model, **agent}, "steps": made}


def identify(
    value: dict[str, Any],
    *trajectories: dict[str, Any],
    agents: tuple[dict[str, Any], ...] = (),
    job: str = "job",
    folder: str = "task__x",
) -> Identity:
    of_job = Job(
        path=Path(job),
        name=job,
        id=str(uuid.UUID(int=1)),
        is_finished=True,
        expected_trials=1,
        n_retries=0,
        dataset_versions={},
        agents=agents,
        local_time=(None, None),
        trials=(),
    )
    return read_variant(value, [read_trajectory(one, "trajectory.json") for one in trajectories], of_job, folder)


def codes(identity: Identity) -> list[str]:
    return [finding.code for finding in identity.findings]


def test_a_whole_result_tells_all_and_needs_no_finding() -> None:
    found = identify(
        result(model_name="openai/gpt-5-mini", kwargs={"reasoning_effort": "high", "temperature": 0}),
        trajectory("gpt-5-mini", version="9"),
        agents=({"name": "other", "model_name": "openai/gpt-4o", "kwargs": {"version": "9"}},),
    )
    variant = found.variant
    assert (variant.agent, variant.agent_version, variant.model_name) == ("toy", "1.0", "openai/gpt-5-mini")
    assert (variant.effort, len(variant.digest or "")) == ("high", 8)
    assert found.origins == dict.fromkeys(("agent", "agent_version", "model", "provider", "effort", "digest"), RESULT)
    assert found.findings == ()


BARE = result(version="unknown", model=None)
ONE_AGENT = ({"name": "toy", "model_name": "openai/gpt-5-mini", "kwargs": {"version": "3.1"}},)
TWO_MODELS = (*ONE_AGENT, {"name": "toy", "model_name": "openai/gpt-4o"})
TWO_AGENTS = (*ONE_AGENT, {"name": "codex", "model_name": "openai/gpt-4o"})

# Result, trajectories, the job's agents, its name, the trial's folder; what is known, where from; findings.
PLACES: list[tuple[str, tuple[Any, ...], tuple[str | None, ...], dict[str, str], list[str]]] = [
    (
        "the version and the model of the trajectory",
        (BARE, [trajectory("anthropic/claude-sonnet-4-5", version="2.1")], (), "job", "t"),
        ("toy", "2.1", "anthropic/claude-sonnet-4-5"),
        {"agent": RESULT, "agent_version": TRAJECTORY, "model": TRAJECTORY, "provider": TRAJECTORY},
        ["identity_from_trajectory"],
    ),
    (
        "the model that the steps name",
        (BARE, [trajectory(None, "gpt-4o", "gpt-5-mini", "gpt-5-mini", version="unknown")], (), "job", "t"),
        ("toy", None, "openai/gpt-5-mini"),
        {"agent": RESULT, "model": TRAJECTORY, "provider": TRAJECTORY},
        ["identity_from_trajectory"],
    ),
    (
        "the job's only agent",
        (BARE, [], ONE_AGENT, "job", "t"),
        ("toy", "3.1", "openai/gpt-5-mini"),
        {"agent": RESULT, "agent_version": CONFIG, "model": CONFIG, "provider": CONFIG},
        ["identity_from_job"],
    ),
    (
        "the job's only agent of this name",
        (BARE, [], TWO_AGENTS, "job", "t"),
        ("toy", "3.1", "openai/gpt-5-mini"),
        {"agent": RESULT, "agent_version": CONFIG, "model": CONFIG, "provider": CONFIG},
        ["identity_from_job"],
    ),
    (
        "nothing of a job that ran the agent with two models",
        (BARE, [], TWO_MODELS, "job", "t"),
        ("toy", None, None),
        {"agent": RESULT},
        [],
    ),
    (
        "the job's name",
        ({}, [], (), "2026-03-01_mini-swe-agent_Kimi-K2.5_run2", "codex-claude-opus-4-6__x"),
        ("mini-swe-agent", None, "moonshot/kimi-k2.5"),
        dict.fromkeys(("agent", "model", "provider"), FOLDER),
        ["identity_from_folder"],
    ),
    (
        "the trial's folder",
        ({}, [], (), "2026-03-01__10-00-00", "claude_code.claude-sonnet-4-5-20250929.fix-git__x"),
        ("claude-code", None, "anthropic/claude-sonnet-4-5"),
        dict.fromkeys(("agent", "model", "provider"), FOLDER),
        ["identity_from_folder"],
    ),
    ("no words that look like one", ({}, [], (), "pi-o3-gpt", "codexes-gpt-4omni__x"), ("unknown", None, None), {}, []),
    (
        "each from another place",
        ({}, [trajectory(None, version="7")], ({"kwargs": {"variant": "high", "x": 1}},), "gpt-4o-mini", "t"),
        ("toy", "7", "openai/gpt-4o-mini"),
        {
            "agent": TRAJECTORY,
            "agent_version": TRAJECTORY,
            "model": FOLDER,
            "provider": FOLDER,
            "effort": CONFIG,
            "digest": CONFIG,
        },
        ["identity_from_trajectory", "identity_from_folder"],
    ),
    (
        "a name before the path of its class",
        (
            result(agent=None, version=None, model=None, name="pkg.mod:Toy", kwargs={"version": "5"}),
            [trajectory(None)],
            (),
            "j",
            "t",
        ),
        ("toy", "5", None),
        {"agent": TRAJECTORY, "agent_version": RESULT},
        ["identity_from_trajectory"],
    ),
    (
        "the path of its class before a folder's name",
        (result(agent=None, version=None, model=None, name="pkg.mod:Toy"), [], (), "codex", "t"),
        ("pkg.mod:Toy", None, None),
        {"agent": RESULT},
        [],
    ),
]


@pytest.mark.parametrize(
    ("sources", "known", "origins", "findings"), [case[1:] for case in PLACES], ids=[case[0] for case in PLACES]
)
def test_a_part_that_the_result_lacks_is_read_from(
    sources: tuple[Any, ...], known: tuple[str | None, ...], origins: dict[str, str], findings: list[str]
) -> None:
    value, trajectories, agents, job, folder = sources
    found = identify(value, *trajectories, agents=agents, job=job, folder=folder)
    assert (found.variant.agent, found.variant.agent_version, found.variant.model_name) == known
    assert found.origins == origins
    assert codes(found) == findings
    assert all(finding.severity is Severity.INFO for finding in found.findings)


def test_a_finding_says_what_was_read_where() -> None:
    found = identify(BARE, trajectory("gpt-5-mini", version="2"))
    assert [one.message for one in found.findings] == [
        "The agent's version and the model are not in result.json: read from trajectory.json."
    ]


@pytest.mark.parametrize("agent", sorted(name for name in AgentName.values() if len(name) > 3))
def test_every_agent_of_harbors_is_known_in_a_jobs_name(agent: str) -> None:
    assert identify({}, job=f"2026.{agent.upper()}_run").variant.agent == agent


SPELLED = [
    ({"provider": "anthropic", "name": "claude-sonnet-4-5"}, "claude-sonnet-4-5-20250929"),
    ({"provider": None, "name": "Claude-Sonnet-4.5"}, "anthropic/claude-sonnet-4-5"),
    ({"provider": "anthropic", "name": "claude-sonnet-4.5"}, "claude-sonnet-4-5"),
]


@pytest.mark.parametrize(("model", "traced"), SPELLED)
def test_spellings_of_one_model_are_one_variant_with_a_finding(model: dict[str, Any], traced: str) -> None:
    found = identify(result(model=model), trajectory(traced))
    assert found.variant.name == "toy@1.0/anthropic/claude-sonnet-4-5"
    assert codes(found) == ["model_spellings"]
    spelled = next(name for name in (traced, model["name"]) if name not in found.variant.name)
    assert f"`{spelled}`" in found.findings[0].message or f"/{spelled}`" in found.findings[0].message


def test_a_model_with_and_without_its_provider_is_not_spelled_differently() -> None:
    assert (
        identify(result(model_name="openai/gpt-5-mini"), trajectory("gpt-5-mini", "openai/gpt-5-mini")).findings == ()
    )


CONFLICTS = [
    (trajectory("openai/gpt-4o"), ["model_conflict"]),
    (trajectory(None, "gpt-4o", "gpt-4o"), ["model_conflict"]),
    (trajectory("gpt-4o", "gpt-5-mini"), []),
    (trajectory("gpt-5-mini", "gpt-4o", "gpt-4o"), []),
    (trajectory(None, "gpt-4o", "gpt-4o", "gpt-5-mini"), []),
    (trajectory("gpt-5-mini-2025-08-07"), ["model_spellings"]),
    (trajectory(None), []),
]


@pytest.mark.parametrize(("traced", "findings"), CONFLICTS)
def test_a_trajectory_that_knows_only_other_models_contradicts_the_result(
    traced: dict[str, Any], findings: list[str]
) -> None:
    found = identify(result(), traced)
    assert found.variant.model_name == "openai/gpt-5-mini"
    assert codes(found) == findings


# model_info and `-m` as Harbor's agents record them; who is taken to have served the model.
SERVED = [
    ({"provider": "anthropic", "name": "kimi-k2.5"}, "moonshot/kimi-k2.5", "moonshot/kimi-k2.5"),
    ({"provider": "anthropic", "name": "kimi-k2.5"}, "kimi-k2.5", "moonshot/kimi-k2.5"),
    ({"provider": "anthropic", "name": "anthropic/claude-opus-4.6"}, "openrouter/anthropic/claude-opus-4.6",
     "openrouter/claude-opus-4-6"),
    ({"provider": "anthropic", "name": "us.anthropic.claude-opus-4-6-v1"}, "us.anthropic.claude-opus-4-6-v1",
     "bedrock-us/claude-opus-4-6"),
    ({"provider": "vercel_ai_gateway", "name": "kimi-k2.5"}, "kimi-k2.5", "vercel_ai_gateway/kimi-k2.5"),
    ({"provider": "openai", "name": "my-own-model"}, "my-own-model", "openai/my-own-model"),
    ({"provider": None, "name": "gemini-2.5-pro"}, "gemini-2.5-pro", "gemini-2.5-pro"),
    (None, "google/gemini-2.5-pro", "gemini/gemini-2.5-pro"),
]  # fmt: skip


@pytest.mark.parametrize(("info", "asked", "model"), SERVED)
def test_the_provider_is_the_one_that_was_asked_for(info: dict[str, Any] | None, asked: str, model: str) -> None:
    assert identify(result(model=info, model_name=asked)).variant.model_name == model


def test_a_provider_that_only_the_trajectory_names_comes_from_there() -> None:
    found = identify(result(model={"name": "gemini-2.5-pro"}), trajectory("vertex_ai/gemini-2.5-pro"))
    assert found.variant.model_name == "vertex_ai/gemini-2.5-pro"
    assert (found.origins["model"], found.origins["provider"]) == (RESULT, TRAJECTORY)


def test_effort_is_the_steps_where_the_settings_have_none() -> None:
    assert identify(result(), trajectory(None, None, effort="low")).origins["effort"] == TRAJECTORY
    assert identify(result(kwargs={"variant": "high"}), trajectory(None, None, effort="low")).variant.effort == "high"
    mixed = identify(result(), trajectory(None, None, effort="low"), trajectory(None, None, effort="high"))
    assert mixed.variant.effort is None


# Two sets of an agent's settings, and whether they make one variant.
SETTINGS: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({}, {"kwargs": {}, "env": {}, "skills": [], "mcp_servers": []}, True),
    ({}, {"kwargs": {"version": "1.0", "max_tokens": None}}, True),
    ({}, {"kwargs": {"api_key": "k", "api_key_env": "MY_KEY", "base_url": "u", "api_base": "u"}}, True),
    ({}, {"env": {"OPENAI_API_BASE": "u", "ANTHROPIC_BASE_URL": "u", "OPENAI_API_KEY": "k", "HF_TOKEN": "t"}}, True),
    ({}, {"env": {"AWS_REGION": "us-east-1", "VERTEXAI_PROJECT": "p", "AZURE_API_VERSION": "v"}}, True),
    ({}, {"kwargs": {"config": {"provider": {"openai": {"options": {"baseURL": "u", "apiKey": "k"}}}}}}, True),
    ({"kwargs": {"a": 1, "b": {"c": 2, "d": 3}}}, {"kwargs": {"b": {"d": 3, "c": 2}, "a": 1}}, True),
    ({}, {"kwargs": {"reasoning_effort": "high"}}, False),
    ({"kwargs": {"reasoning_effort": "low"}}, {"kwargs": {"reasoning_effort": "high"}}, False),
    ({}, {"kwargs": {"temperature": 0}}, False),
    ({}, {"kwargs": {"max_tokens": 100}}, False),
    ({}, {"kwargs": {"thinking": False}}, False),
    ({}, {"env": {"DEBUG": "1"}}, False),
    ({}, {"skills": ["a"]}, False),
    ({"skills": ["a"]}, {"skills": ["b"]}, False),
    ({}, {"mcp_servers": [{"name": "s", "url": "http://s"}]}, False),
    ({}, {"max_timeout_sec": 60}, False),
]


@pytest.mark.parametrize(("one", "other", "is_same"), SETTINGS)
def test_settings_make_a_variant_unless_they_only_serve_the_model(
    one: dict[str, Any], other: dict[str, Any], is_same: bool
) -> None:
    first, second = (identify(result(**settings)).variant for settings in (one, other))
    assert (first == second) is is_same
    assert (first.name == second.name) is is_same


OPENAI = Variant("toy", model="gpt-5-mini", provider="openai")
GATEWAY = Variant("toy", model="claude-sonnet-4-5", provider="openrouter")

# A step's own spelling, the variant; the name that the step keeps.
STEPS = [
    (None, OPENAI, None),
    ("  ", OPENAI, None),
    ("GPT-5-mini", OPENAI, "gpt-5-mini"),
    ("openai/gpt-5-mini-2025-08-07", OPENAI, "gpt-5-mini"),
    ("gpt-4o", OPENAI, "gpt-4o"),
    ("acme-1", OPENAI, "acme-1"),
    ("claude-haiku-4-5-20251001", OPENAI, "anthropic/claude-haiku-4-5"),
    ("anthropic/claude-haiku-4.5", OPENAI, "anthropic/claude-haiku-4-5"),
    ("openrouter/openai/gpt-5-mini", OPENAI, "openrouter/gpt-5-mini"),
    ("claude-haiku-4.5", GATEWAY, "claude-haiku-4-5"),
    ("anthropic/claude-4.5-sonnet-20250929", GATEWAY, "claude-sonnet-4-5"),
    ("moonshotai/kimi-k2.5", Variant("toy", model="kimi-k2.5", provider="openrouter"), "kimi-k2.5"),
    ("openai/gpt-5-mini", GATEWAY, "openai/gpt-5-mini"),
    ("claude-haiku-4.5", Variant("toy", model="claude-sonnet-4-5", provider="vertex_ai"), "claude-haiku-4-5"),
    ("claude-haiku-4.5", Variant("toy"), "anthropic/claude-haiku-4-5"),
    ("gemini-2.5-pro", Variant("toy", model="gemini-2.5-pro"), "gemini-2.5-pro"),
]


@pytest.mark.parametrize(("spelling", "variant", "name"), STEPS)
def test_a_steps_model_names_its_provider_only_where_it_is_another(
    spelling: str | None, variant: Variant, name: str | None
) -> None:
    assert step_model(spelling, variant) == name


HOSTILE: list[Any] = [
    {},
    {"agent_info": [], "config": "x"},
    {"agent_info": {"name": 1, "version": ["2"], "model_info": {"name": {"a": 1}, "provider": 7}}},
    {"config": {"agent": {"name": None, "model_name": 3, "kwargs": [1], "env": "PATH", "skills": {"a": "\ud800"}}}},
    {"agent_info": {"model_info": {"name": "/" * 10_000, "provider": "\ud800"}}},
    {"config": {"agent": {"kwargs": {"version": {"a": 1}, "reasoning_effort": {"b": [1]}, "\ud800": float("nan")}}}},
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_result_of_any_shape_has_a_variant(value: Any) -> None:
    found = identify(value, {"agent": {"model_name": {"a": 1}}, "steps": [{"model_name": 5}]}, agents=({"name": 4},))
    assert found.variant.agent
    found.variant.name.encode()
    assert set(found.origins.values()) <= {RESULT, TRAJECTORY, CONFIG, FOLDER}
