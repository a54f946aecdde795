"""The Kilo Code agent: what it installs, what Kilo is told, how a run ended; and the real CLI under real Harbor."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import SHARED_DATA
from opik_harbor import harbor
from scripted_model import ScriptedModel, Turn

import adapter.kilo
from adapter.embedded_opik import EmbeddedOpik
from adapter.kilo.outcome import Failed, Failure, outcome
from adapter.kilo.settings import MARK, Server, Settings, config, end_command, environment
from adapter.kilo.versions import DEFAULT_VERSION, install_script, refused, version_in

CAPTURES = SHARED_DATA / "kilo-captures" / "7.7.9"


@pytest.mark.parametrize(
    ("version", "is_refused"),
    [("7.7.9", False), ("7.8.1", False), ("8.0.0-rc1", False), ("rc", False), ("7.6.2", True), ("7.0.33", True)],
)
def test_versions_before_7_7_are_refused_unless_they_are_asked_for(version: str, is_refused: bool) -> None:
    problem = refused(version, allow_old=False)
    assert (problem is not None) == is_refused
    assert refused(version, allow_old=True) is None
    assert problem is None or "allow_old" in problem.reason


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("7.7.9\n", "7.7.9"),
        ("ERROR 2026 service=models.dev\n7.0.33\n", "7.0.33"),
        ("7.8.0-rc.2", "7.8.0-rc.2"),
        ("", None),
    ],
)
def test_the_version_is_what_kilo_says_last(printed: str, version: str | None) -> None:
    assert version_in(printed) == version


@pytest.mark.parametrize("spec", ["7.7.9; rm -rf /", "$(id)", "", "a b"])
def test_what_is_no_version_never_reaches_a_shell(spec: str) -> None:
    with pytest.raises(ValueError, match="names no version"):
        install_script(spec)


def test_the_install_script_is_one_that_a_shell_understands() -> None:
    subprocess.run(["/bin/sh", "-n"], input=install_script("rc"), text=True, check=True)
    subprocess.run(["/bin/bash", "-n"], input=end_command("abc"), text=True, check=True)


def told(**fields: Any) -> dict[str, Any]:
    return json.loads(config(Settings("openai", "gpt-5", **fields)))


def test_kilo_is_told_to_keep_quiet_and_which_model_to_know() -> None:
    said = told()
    assert (said["share"], said["autoupdate"], said["snapshot"]) == ("disabled", False, False)
    assert said["provider"]["openai"]["models"] == {"gpt-5": {}}
    assert said["permission"]["question"] == "deny"
    assert "webfetch" not in said["permission"]
    assert told(web=False)["permission"]["webfetch"] == "deny"


def test_a_compatible_server_gets_its_key_by_the_variables_name_alone() -> None:
    said = told(base_url="http://127.0.0.1:1/v1", chat_only=True, key_env="MY_KEY", rates={"input": 2}, context=9000)
    provider = said["provider"]["openai"]
    assert provider["npm"] == "@ai-sdk/openai-compatible"
    assert provider["options"] | {"timeout": 0} == {
        "timeout": 0,
        "baseURL": "http://127.0.0.1:1/v1",
        "apiKey": "{env:MY_KEY}",
    }
    assert provider["models"]["gpt-5"] == {"cost": {"input": 2}, "limit": {"context": 9000, "output": 9000}}


def test_servers_skills_and_a_configuration_of_ones_own_are_handed_on() -> None:
    servers = (Server("files", ("npx", "mcp")), Server("web", url="http://127.0.0.1:9"))
    said = told(servers=servers, skills=("/skills",), overlay={"lsp": True, "permission": {"bash": "deny"}})
    assert said["mcp"] == {
        "files": {"type": "local", "command": ["npx", "mcp"]},
        "web": {"type": "remote", "url": "http://127.0.0.1:9", "oauth": False},
    }
    assert said["skills"] == {"paths": ["/skills"]}
    assert said["lsp"] is True
    assert (said["permission"]["bash"], said["permission"]["question"]) == ("deny", "deny")


def test_the_environment_keeps_data_below_the_logs_and_can_leave_the_tasks_configuration_out() -> None:
    found = environment("/logs/agent", "m", project_config=True)
    assert (found["XDG_DATA_HOME"], found[MARK]) == ("/logs/agent", "m")
    assert "KILO_DISABLE_PROJECT_CONFIG" not in found
    assert environment("/logs/agent", "m", project_config=False)["KILO_DISABLE_PROJECT_CONFIG"] == "1"


def finish(reason: str) -> dict[str, Any]:
    return {"type": "step_finish", "part": {"reason": reason}}


def error(message: str, status: int | None = None, name: str = "APIError") -> dict[str, Any]:
    return {"type": "error", "error": {"name": name, "data": {"message": message, "statusCode": status}}}


@pytest.mark.parametrize(
    ("code", "events", "what"),
    [
        (0, [finish("tool-calls"), finish("stop")], None),
        (1, [finish("tool-calls"), error("slow down", 429), finish("stop")], None),
        (1, [finish("stop"), error("too long", None, "ContextOverflowError")], None),
        (1, [error("Incorrect API key", 401)], Failure.AUTHENTICATION),
        (1, [error("Payment required", 402)], Failure.USAGE_LIMIT),
        (1, [finish("stop"), error("slow down", 429)], Failure.RATE_LIMIT),
        (1, [error("overloaded", 529)], Failure.OVERLOADED),
        (1, [error("oops", 500)], Failure.SERVER),
        (1, [error("odd", 418)], Failure.UNKNOWN_API),
        (1, [error("Unexpected server error.", name="E"), error("Model not found: x/y.", name="E")], Failure.NO_MODEL),
        (1, [error("too long", None, "ContextOverflowError")], Failure.CONTEXT),
        (1, [error("Cannot connect to API")], Failure.NETWORK),
        (1, [{"type": "error", "error": "run ended without an assistant message"}], Failure.EXIT),
        (0, [finish("length")], Failure.OUTPUT),
        (0, [finish("other")], Failure.UNKNOWN_API),
        (0, [], Failure.EXIT),
        (None, [], Failure.NETWORK),
        (3, [finish("stop")], Failure.EXIT),
    ],
)  # fmt: skip
def test_how_a_run_ended_is_told_by_what_failed(code: int | None, events: list[Any], what: Failure | None) -> None:
    failed = outcome(code, "\n".join(map(json.dumps, events)) + "\nnot json\n[1]\n")
    assert (None if failed is None else failed.what) == what


def test_what_the_model_said_is_no_error_and_no_header_is_repeated() -> None:
    said = {"type": "text", "part": {"text": "rate limit, 401, Model not found"}}
    assert outcome(0, "\n".join(map(json.dumps, [said, finish("stop")]))) is None
    one = error("Incorrect API key", 401)
    one["error"]["data"]["responseHeaders"] = {"x": "secret-header"}
    failed = outcome(1, json.dumps(one))
    assert isinstance(failed, Failed)
    assert "secret" not in failed.message


CAPTURED = {
    "multi": None,
    "parallel": None,
    "subagent": None,
    "compact": None,
    "overflow_once": None,
    "permission_deny_auto": None,
    "tooltimeout": None,
    "api_autherr": Failure.AUTHENTICATION,
    "api_ratelimit": Failure.RATE_LIMIT,
    "unknown_model": Failure.NO_MODEL,
    "length": Failure.OUTPUT,
    "empty": Failure.EXIT,
}


@pytest.mark.parametrize("name", CAPTURED)
def test_real_runs_ended_as_they_did(name: str) -> None:
    if not CAPTURES.is_dir():
        pytest.skip("../shared/data is not here: it is no part of the project")
    code = json.loads((CAPTURES / name / "exit.json").read_text())["exit_code"]
    failed = outcome(code, (CAPTURES / name / "events.jsonl").read_text())
    assert (None if failed is None else failed.what) == CAPTURED[name]


def test_harbor_finds_the_agent_where_the_documents_say() -> None:
    assert adapter.kilo.KiloCode.name() == "kilo"
    with pytest.raises(AttributeError):
        _ = adapter.kilo.Nothing  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def kilo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder in which the real CLI is installed."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not here, so the real Kilo CLI cannot be installed")
    home = tmp_path_factory.mktemp("home")
    done = subprocess.run(
        ["bash", "-c", install_script(DEFAULT_VERSION)],
        env=os.environ | {"HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"the real Kilo CLI cannot be had here: {done.stderr[-300:]}")
    return home


def task(folder: Path, seconds: float = 120.0) -> Path:
    """A task that is solved once calc.py adds."""
    place = folder / "tasks" / "fix"
    (place / "environment" / "app").mkdir(parents=True)
    (place / "tests").mkdir()
    (place / "task.toml").write_text(
        f'schema_version = "1.1"\n[task]\nname = "own/fix"\n[agent]\ntimeout_sec = {seconds}\n[environment]\n'
    )
    (place / "environment" / "app" / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    (place / "instruction.md").write_text("Fix add in calc.py.\n")
    check = 'cd /app && python3 -c "import calc; assert calc.add(2, 3) == 5" && done=1 || done=0'
    (place / "tests" / "test.sh").write_text(f"#!/bin/bash\n{check}\necho $done > /logs/verifier/reward.txt\n")
    return place


def run_kilo(folder: Path, home: Path, opik: str, model: ScriptedModel, *arguments: str, **fields: Any) -> Any:
    """The trial's result, of the real CLI under `kilobench harbor run`."""
    rates = '{"input": 2, "output": 8, "cache_read": 0.5}'
    options = (f"base_url={model.url}", "key_env=SCRIPTED_KEY", f"rates={rates}", "context=128000")
    done = harbor(
        *("run", "-p", task(folder, **fields), "-a", f"kilo@{DEFAULT_VERSION}", "-m", "scripted/one"),
        *(part for option in options for part in ("--ak", option)),
        *("--ae", f"PATH={home}/.kilo-cli/bin:{os.environ['PATH']}", "--ae", "SCRIPTED_KEY=${SCRIPTED_KEY}"),
        *("-e", "local_environment:LocalEnvironment", "-o", folder / "jobs", "--job-name", "job", "-y", "-q"),
        *arguments,
        cwd=folder,
        opik=opik,
        program=("kilobench", "harbor"),
        SCRIPTED_KEY="sk-scripted-1234567890abcdef",
    )
    found = sorted((folder / "jobs" / "job").glob("*/result.json"))
    assert found, f"{done.stdout}\n{done.stderr}"
    return json.loads(found[0].read_text())


EDIT = ("edit", {"filePath": "calc.py", "oldString": "a - b", "newString": "a + b"})
WORKS = (
    Turn("I read it first.", ("bash", {"command": "cat calc.py", "description": "Read"}), 10_000, 0, 100),
    Turn("", ("bash", {"command": "sed -i 's/a - b/a + b/' calc.py; exit 3", "description": "Fix"}), 12_000, 9_000, 60),
    Turn("Done.", None, 13_000, 12_000, 20),
)
"""35,000 prompt tokens, 21,000 of them cached, 180 of output: 0.028 + 0.0105 + 0.00144 dollars at the test's rates."""


@pytest.mark.slow
def test_the_real_cli_solves_a_task_and_its_trajectory_is_exact(
    tmp_path: Path, kilo_home: Path, server: EmbeddedOpik, kilobench: Any
) -> None:
    with ScriptedModel(WORKS) as model:
        result = run_kilo(tmp_path, kilo_home, server.url, model)
    assert result["exception_info"] is None, result["exception_info"]
    assert result["verifier_result"]["rewards"] == {"reward": 1.0}
    assert result["agent_info"]["name"] == "kilo"
    assert result["agent_info"]["version"] == DEFAULT_VERSION
    used = result["agent_result"]
    assert (used["n_input_tokens"], used["n_cache_tokens"], used["n_output_tokens"]) == (35_000, 21_000, 180)
    assert used["cost_usd"] == pytest.approx(0.03994)
    (read,) = kilobench("inspect", tmp_path / "jobs" / "job", "--json").json["trials"]
    assert read["steps"] == 4
    assert not [one for one in read["findings"] if one["severity"] == "error"]
    # The key went to the server, and nowhere else.
    assert set(model.keys) == {"Bearer sk-scripted-1234567890abcdef"}
    held = [one for one in (tmp_path / "jobs").rglob("*") if one.is_file() and b"sk-scripted" in one.read_bytes()]
    assert held == []


@pytest.mark.slow
def test_a_wrong_key_and_a_run_out_of_time_are_what_they_are(
    tmp_path: Path, kilo_home: Path, server: EmbeddedOpik
) -> None:
    mark = "sleep 4711.5"
    waits = [WORKS[0], Turn("", ("bash", {"command": f"echo begin; {mark}", "description": "Wait"}), 12_000, 9_000, 60)]
    cases = {"key": ([Turn("Incorrect API key provided.", status=401)], 120.0), "time": (waits, 45.0)}

    def run(name: str) -> Any:
        turns, seconds = cases[name]
        (tmp_path / name).mkdir()
        with ScriptedModel(turns) as model:
            return run_kilo(tmp_path / name, kilo_home, server.url, model, seconds=seconds)

    # Both at a time: one of them mostly waits.
    with ThreadPoolExecutor(2) as both:
        wrong_key, out_of_time = both.map(run, cases)
    assert wrong_key["exception_info"]["exception_type"] == "AgentAuthenticationError"
    assert out_of_time["exception_info"]["exception_type"] == "AgentTimeoutError"
    # What was spent until then is kept, and nothing of the run goes on.
    assert out_of_time["agent_result"]["n_input_tokens"] == 10_000
    running = subprocess.run(["ps", "ax", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert mark not in running
