"""The agent for Kilo under Harbor, apart from running it: what it tells Kilo, what it installs, how it reads an end."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from conftest import REPOSITORY, SHARED_DATA
from harbor.agents.base import BaseAgent
from harbor.agents.installed import base
from harbor.models.agent.context import AgentContext
from harbor.models.task.config import EnvironmentConfig, NetworkMode
from harbor.models.trial.paths import TrialPaths
from kilo_log import KiloLog, finish, said

from adapter.errors import BadInputError
from adapter.kilo import KiloCode
from adapter.kilo.config import Model, Server, config_content
from adapter.kilo.environment import MARK, variables
from adapter.kilo.install import Installed, checked_version, install_script, read_report, refuse_old
from adapter.kilo.outcome import Kind, Problem, problem_of, without_answers
from adapter.kilo.providers import api_address, split_model
from adapter.local_environment import LocalEnvironment

CAPTURES = SHARED_DATA / "kilo-captures" / "7.7.9"
LOCAL = Model("local", "m1", base_url="http://127.0.0.1:8000/v1")


def open_to(folder: Path, network: NetworkMode) -> LocalEnvironment:
    """The environment of a task that leaves the network open so far."""
    given = folder / "environment"
    given.mkdir(exist_ok=True)
    return LocalEnvironment(
        environment_dir=given,
        environment_name="tiny",
        session_id="tiny__1__env",
        trial_paths=TrialPaths(folder / "trial"),
        task_env_config=EnvironmentConfig(network_mode=network),
    )


def made(model: Model = LOCAL, **more: Any) -> dict[str, Any]:
    return json.loads(config_content(model, **more))


# --- the configuration


def test_a_provider_that_kilo_does_not_know_is_told_with_its_key_by_reference() -> None:
    provider = made()["provider"]["local"]
    assert provider["npm"] == "@ai-sdk/openai-compatible"
    assert provider["options"]["baseURL"] == "http://127.0.0.1:8000/v1"
    assert provider["options"]["apiKey"] == "{env:LOCAL_API_KEY}"
    assert list(provider["models"]) == ["m1"]


def test_a_model_that_kilo_knows_keeps_what_it_knows_of_it() -> None:
    provider = made(Model("anthropic", "claude-sonnet-4-5"))["provider"]["anthropic"]
    assert set(provider) == {"options"}
    assert set(provider["options"]) == {"timeout", "chunkTimeout"}


def test_prices_and_limits_register_the_model() -> None:
    model = Model("openai", "new", price={"input": 2.0, "output": 8.0}, limit={"context": 128_000})
    assert made(model)["provider"]["openai"]["models"] == {
        "new": {"cost": {"input": 2.0, "output": 8.0}, "limit": {"context": 128_000, "output": 0}}
    }


def test_a_key_in_another_variable_is_referred_to_there() -> None:
    config = made(Model("openai", "gpt-5", key_variable="TEAM_KEY"))
    assert config["provider"]["openai"]["options"]["apiKey"] == "{env:TEAM_KEY}"


def test_mcp_servers_and_skills_are_named() -> None:
    config = made(servers=[Server("a", ("run", "-x")), Server("b", url="http://b/mcp")], skills=["/skills"])
    assert config["mcp"]["a"] == {"type": "local", "command": ["run", "-x"]}
    assert config["mcp"]["b"] == {"type": "remote", "url": "http://b/mcp", "oauth": False}
    assert config["skills"] == {"paths": ["/skills"]}


@pytest.mark.parametrize("has_web", [True, False])
def test_the_web_is_closed_only_where_that_is_asked_for(*, has_web: bool) -> None:
    permission = made(has_web=has_web)["permission"]
    assert {name for name in ("webfetch", "websearch") if permission.get(name) == "deny"} == (
        set() if has_web else {"webfetch", "websearch"}
    )
    assert permission["question"] == "deny"


def test_what_the_user_adds_wins_but_opens_nothing_that_is_closed() -> None:
    more = {"snapshot": True, "permission": {"webfetch": "allow", "bash": "deny"}, "provider": {"local": {"name": "x"}}}
    config = made(has_web=False, more=more)
    assert config["snapshot"] is True
    assert config["permission"]["webfetch"] == "deny"
    assert config["permission"]["bash"] == "deny"
    assert config["provider"]["local"]["name"] == "x"
    assert config["provider"]["local"]["models"]


def test_one_rule_for_everything_comes_before_what_is_closed() -> None:
    permission = made(has_web=False, more={"permission": "allow"})["permission"]
    assert next(iter(permission.items())) == ("*", "allow")
    assert permission["websearch"] == "deny"


@pytest.mark.parametrize(
    "more",
    [
        {"provider": {"local": {"options": {"apiKey": "sk-1234"}}}},
        {"mcp": {"a": {"headers": {"Authorization": "Bearer sk-1234"}}}},
        {"mcp": {"a": {"environment": {"GITHUB_TOKEN": "ghp_x"}}}},
    ],
)
def test_a_key_in_the_configuration_is_refused_and_not_repeated(more: dict[str, Any]) -> None:
    with pytest.raises(BadInputError, match=r"\{env:NAME\}") as refused:
        made(more=more)
    assert "sk-1234" not in str(refused.value)


def test_a_reference_to_a_key_is_taken() -> None:
    headers = {"Authorization": "Bearer {env:TOKEN}"}
    assert made(more={"mcp": {"a": {"headers": headers}}})["mcp"]["a"]["headers"] == headers


def test_a_provider_that_nobody_knows_and_that_has_no_address_is_refused() -> None:
    with pytest.raises(BadInputError, match="base_url"):
        made(Model("nosuch", "m"))


def test_agents_md_is_read_where_the_projects_configuration_is_not() -> None:
    assert made()["instructions"] == ["{env:KILOBENCH_WORKDIR}/AGENTS.md"]
    assert "instructions" not in made(has_project_config=True)


@pytest.mark.parametrize(
    ("provider", "given", "wanted"),
    [
        ("anthropic", "https://proxy.example", "https://proxy.example/v1"),
        ("anthropic", "https://proxy.example/v1/", "https://proxy.example/v1"),
        ("local", "http://10.0.0.5:8000/v1", "http://10.0.0.5:8000/v1"),
    ],
)
def test_an_address_is_as_kilo_wants_it(provider: str, given: str, wanted: str) -> None:
    assert api_address(provider, given) == wanted


@pytest.mark.parametrize("address", ["10.0.0.5:8000", "ftp://x/v1", "http://me:secret@x/v1", "http://[x"])
def test_an_address_that_cannot_be_one_is_refused(address: str) -> None:
    with pytest.raises(BadInputError):
        api_address("local", address)


def test_a_model_may_hold_slashes_and_needs_a_provider() -> None:
    assert split_model("openrouter/anthropic/claude") == ("openrouter", "anthropic/claude")
    for wrong in (None, "", "gpt-5", "/gpt-5", "a b/c"):
        with pytest.raises(BadInputError):
            split_model(wrong)


# --- the variables


def test_the_session_is_kept_with_the_logs_and_nothing_phones_home() -> None:
    found = variables(PurePosixPath("/logs/agent"), "abc", provider="openai", config="{}", secrets={"K": "v"})
    assert found["XDG_DATA_HOME"] == "/logs/agent/xdg-data"
    assert found["XDG_STATE_HOME"] == "/logs/agent/xdg-state"
    assert found[MARK] == "abc"
    assert found["K"] == "v"
    assert found["KILO_SESSION_RETRY_LIMIT"] == "5"
    assert found["KILO_DISABLE_PROJECT_CONFIG"] == found["KILO_DISABLE_MODELS_FETCH"] == "1"
    assert "KILO_COMMAND_TIMEOUT_MAX_MS" not in found


def test_what_the_user_sets_wins_except_for_the_mark() -> None:
    chosen = {"KILO_SESSION_RETRY_LIMIT": "1", MARK: "x", "OTHER": "y"}
    found = variables(PurePosixPath("/l"), "abc", provider="kilo", config="{}", command_limit=60, chosen=chosen)
    assert found["KILO_SESSION_RETRY_LIMIT"] == "1"
    assert found[MARK] == "abc"
    assert "OTHER" not in found
    assert found["KILO_COMMAND_TIMEOUT_MAX_MS"] == "60000"
    assert "KILO_DISABLE_MODELS_FETCH" not in found  # the gateway says only online what it has


# --- the installation


@pytest.mark.parametrize(
    ("given", "wanted"), [("7.7.9", "7.7.9"), ("v7.8.0-rc.1", "7.8.0-rc.1"), ("latest", "latest"), (" rc ", "rc")]
)
def test_versions_and_tags_are_taken(given: str, wanted: str) -> None:
    assert checked_version(given, allow_old=False) == wanted


@pytest.mark.parametrize("given", ["", "7", "7.7", "7.7.9; rm -rf /", "$(id)", "../x", "^7.7.0"])
def test_what_is_no_version_is_refused(given: str) -> None:
    with pytest.raises(BadInputError, match="no version"):
        checked_version(given, allow_old=True)


def test_an_old_version_is_refused_with_the_reason_unless_it_is_allowed() -> None:
    with pytest.raises(BadInputError, match=r"(?s)older than 7\.7.*allow_old=true"):
        checked_version("7.0.33", allow_old=False)
    assert checked_version("7.0.33", allow_old=True) == "7.0.33"
    refuse_old("10.0.0")


def test_the_commands_are_a_shells() -> None:
    script = install_script("7.7.9")
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0
    assert "@WANTED@" not in script


def test_a_program_that_is_there_in_the_version_is_taken(tmp_path: Path) -> None:
    program = tmp_path / "kilo"
    program.write_text("#!/bin/sh\necho 7.7.9\n")
    program.chmod(0o755)
    script = install_script("7.7.9").replace("/installed-agent/kilo", str(tmp_path / "installed"))
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert read_report("7.7.9", done.stdout) == Installed("7.7.9", "present")
    assert (tmp_path / "installed" / "bin" / "kilo").resolve() == program


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("kilobench: missing= latest: '7.8.1' \n", r"(?s)no version 7\.9\.9.*latest: '7\.8\.1'"),
        ("kilobench: unreachable=1\n", "registry cannot be reached"),
        ("npm error code X\nkilobench: broken=there is no npm\n", "(?s)there is no npm.*npm error code X"),
        ("", "ended early"),
    ],
)
def test_an_installation_that_failed_says_why(output: str, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        read_report("7.9.9", output)


# --- how a run ended

STOP = {"type": "step_finish", "part": {"reason": "stop"}}
CALLS = {"type": "step_finish", "part": {"reason": "tool-calls"}}


def failed(message: str = "no", name: str = "APIError", status: int | None = None) -> dict[str, Any]:
    return {"type": "error", "error": {"name": name, "data": {"message": message, "statusCode": status}}}


def ended(exit_code: int, *events: dict[str, Any], stderr: str = "") -> Problem | None:
    return problem_of(exit_code, [json.dumps(event).encode() + b"\n" for event in events], stderr)


@pytest.mark.parametrize(
    ("exit_code", "events"),
    [(0, [CALLS, STOP]), (1, [failed(name="ContextOverflowError"), STOP]), (0, [failed(), CALLS, STOP])],
)
def test_a_run_that_came_to_its_end_did_not_fail(exit_code: int, events: list[dict[str, Any]]) -> None:
    assert ended(exit_code, *events) is None


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (failed(status=401), Kind.AUTHENTICATION),
        (failed(status=403), Kind.AUTHENTICATION),
        (failed(name="ProviderAuthError"), Kind.AUTHENTICATION),
        (failed(status=402), Kind.USAGE_LIMIT),
        (failed("You exceeded your current quota", status=429), Kind.USAGE_LIMIT),
        (failed(status=429), Kind.RATE_LIMIT),
        (failed(status=404), Kind.MODEL),
        (failed("Model not found: a/b.", "UnknownError"), Kind.MODEL),
        (failed(status=500), Kind.SERVER),
        (failed("Overloaded", status=500), Kind.OVERLOADED),
        (failed(status=503), Kind.OVERLOADED),
        (failed(status=529), Kind.OVERLOADED),
        (failed(name="ContextOverflowError"), Kind.CONTEXT),
        (failed("Cannot connect to API: Unable to connect."), Kind.NETWORK),
        (failed("The operation timed out.", "UnknownError"), Kind.STALLED),
        (failed("something"), Kind.API),
        (failed("something", "UnknownError"), Kind.OTHER),
        ({"type": "error", "error": "run ended without an assistant message; the model returned no output"}, Kind.API),
    ],
)
def test_an_error_is_of_the_kind_of_what_failed(event: dict[str, Any], kind: Kind) -> None:
    problem = ended(1, STOP, event)
    assert problem is not None
    assert problem.kind is kind


def test_every_kind_is_an_error_of_harbors() -> None:
    for kind in Kind:
        assert issubclass(getattr(base, kind.value), base.NonZeroAgentExitCodeError)


def test_the_error_that_says_most_is_told() -> None:
    problem = ended(
        1, failed("Unexpected server error. Check server logs.", "UnknownError"), failed("Model not found: x")
    )
    assert problem is not None
    assert problem.message == "APIError: Model not found: x"


def test_where_the_events_do_not_say_kilos_log_does() -> None:
    log = (
        'timestamp=x level=ERROR run=1 message=process session.id=s error="The operation timed out." stack=undefined\n'
    )
    problem = ended(1, failed("Unexpected server error.", "UnknownError"), stderr=log)
    assert problem == Problem(Kind.STALLED, "UnknownError: The operation timed out.")


@pytest.mark.parametrize(
    ("exit_code", "events", "kind"),
    [
        (0, [{"type": "step_finish", "part": {"reason": "length"}}], Kind.OUTPUT_LENGTH),
        (0, [{"type": "step_finish", "part": {"reason": "other"}}], Kind.CONNECTION_CLOSED),
        (0, [], Kind.OTHER),
        (137, [CALLS], Kind.OTHER),
        (127, [], Kind.OTHER),
    ],
)
def test_an_end_without_an_error_may_be_a_failure(exit_code: int, events: list[dict[str, Any]], kind: Kind) -> None:
    problem = ended(exit_code, *events)
    assert problem is not None
    assert problem.kind is kind


def test_what_kilo_told_people_is_the_reason_where_nothing_else_is() -> None:
    problem = ended(1, stderr="WARN  2026-01-01T00:00:00 +1ms x\n\x1b[91mError: \x1b[0mNo such file\n")
    assert problem is not None
    assert problem.message == "Kilo ended with exit code 1: Error: No such file"


@pytest.mark.parametrize(
    ("scenario", "kind"),
    [
        ("api_autherr", Kind.AUTHENTICATION),
        ("api_ratelimit", Kind.RATE_LIMIT),
        ("unknown_model", Kind.MODEL),
        ("empty", Kind.API),
        ("length", Kind.OUTPUT_LENGTH),
        ("interrupted_term", Kind.OTHER),
        ("timeout_mid", Kind.OTHER),
        ("multi", None),
        ("compact", None),
        ("overflow_once", None),
        ("parallel", None),
        ("permission_deny_auto", None),
        ("subagent", None),
        ("tooltimeout", None),
    ],
)
def test_real_runs_ended_as_they_did(scenario: str, kind: Kind | None) -> None:
    folder = CAPTURES / scenario
    if not folder.is_dir():
        pytest.skip("the captured runs of Kilo are not on this machine")
    exit_code = json.loads((folder / "exit.json").read_text())["exit_code"]
    lines = (folder / "events.jsonl").read_bytes().splitlines()
    problem = problem_of(exit_code, lines, (folder / "stderr.txt").read_text())
    assert (problem.kind if problem else None) == kind
    for line in lines:
        assert b"responseHeaders" not in without_answers(line)


def test_only_errors_lose_something() -> None:
    line = json.dumps({"type": "text", "part": {"text": '"error" responseBody'}}).encode() + b"\n"
    assert without_answers(line) == line
    kept = without_answers(json.dumps(failed("no", status=401) | {"timestamp": 1}).encode() + b"\n")
    assert json.loads(kept)["error"]["data"]["message"] == "no"


# --- the class


def agent(logs: Path, **more: Any) -> KiloCode:
    return KiloCode(logs_dir=logs, **({"model_name": "anthropic/claude-sonnet-4-5"} | more))


def test_the_module_does_not_import_harbor_until_the_agent_is_asked_for() -> None:
    code = "import sys, adapter.kilo; assert 'harbor' not in sys.modules; adapter.kilo.KiloCode"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)


def test_the_web_is_off_where_the_task_closes_its_network_and_where_harbor_says_so(tmp_path: Path) -> None:
    def is_closed(one: KiloCode, environment: LocalEnvironment) -> bool:
        return json.loads(one._config_content(environment))["permission"].get("webfetch") == "deny"

    one, public = agent(tmp_path), open_to(tmp_path, NetworkMode.PUBLIC)
    assert not is_closed(one, public)
    assert is_closed(one, open_to(tmp_path, NetworkMode.NO_NETWORK))
    assert is_closed(agent(tmp_path, disable_web_search=True), public)
    assert is_closed(agent(tmp_path, web=False), public)
    asyncio.run(one.set_web_tools_disabled(True, public))
    assert is_closed(one, public)


@pytest.mark.skipif(not hasattr(BaseAgent, "resolve_model_connection_config"), reason="Harbor asks for it from 0.25 on")
def test_a_newer_harbor_is_told_where_the_models_api_is() -> None:
    found = KiloCode.resolve_model_connection_config("lab/one", lambda *_: None, base_url="http://127.0.0.1:1/v1")
    assert found.inference_base_url == "http://127.0.0.1:1/v1"


def test_every_option_is_known_to_harbor_with_a_description(tmp_path: Path) -> None:
    schema = KiloCode.options_schema()["properties"]
    assert schema["version"]["default"] == "7.7.9"
    assert all(one["description"] for one in schema.values())
    assert agent(tmp_path, version=None).version() == "7.7.9"
    with pytest.raises(ValueError, match="Unknown option 'verion'"):
        agent(tmp_path, verion="7.7.9")


def test_the_options_are_in_the_documentation() -> None:
    text = (REPOSITORY / "docs" / "kilo.md").read_text(encoding="utf-8")
    for name in KiloCode.options_schema()["properties"]:
        assert f"`{name}`" in text, name


def test_a_session_that_was_left_is_a_trajectory(tmp_path: Path) -> None:
    data = tmp_path / "xdg-data" / "kilo"
    data.mkdir(parents=True)
    log = KiloLog()
    log.user()
    log.agent({"type": "step-start"}, said("Done."), finish((900, 80, 20), output=40))
    log.database(data / "kilo.db")
    context = AgentContext()
    agent(tmp_path).populate_context_post_run(context)
    written = json.loads((tmp_path / "trajectory.json").read_text(encoding="utf-8"))
    assert written["agent"]["name"] == "kilo"
    assert (context.n_input_tokens, context.n_cache_tokens, context.n_output_tokens) == (1000, 80, 40)


def test_a_run_that_left_nothing_is_no_error_here(tmp_path: Path) -> None:
    context = AgentContext()
    agent(tmp_path).populate_context_post_run(context)
    assert not (tmp_path / "trajectory.json").exists()
    assert context.n_input_tokens is None
