"""The whole of it with the real Kilo: `opik harbor run` on tasks of ours, a scripted model, then `kilobench run`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY
from kilo_cli import kilo_program
from opik_harbor import LOCAL, PLUGIN, harbor
from scripted_model import Answer, ScriptedModel, scripted_model

from adapter.embedded_opik import EmbeddedOpik
from adapter.kilo.install import DEFAULT_VERSION

TASKS = REPOSITORY / "examples" / "coding-basics"
SOLVED, UNSOLVED = ("fix-off-by-one", "write-regex"), "json-to-csv"
KEY = "not-a-real-key-4711"
PRICES = {"price_input": 2, "price_output": 8, "price_cache_read": 0.5}
USAGE = ((10_000, 100, 0), (12_000, 60, 9_000), (13_000, 20, 12_000))
PROMPT, OUTPUT, CACHED = (sum(column) for column in zip(*USAGE, strict=True))
USD = ((PROMPT - CACHED) * 2 + CACHED * 0.5 + OUTPUT * 8) / 1e6


def solutions() -> str:
    """One command that solves those of the tasks that are to be solved, whichever it is started in."""
    parts = ("pagination.py", "validator.py")
    cases = [
        f"if [ -e /app/{file} ]; then\n{(TASKS / name / 'solution' / 'solve.sh').read_text()}\nfi"
        for name, file in zip(SOLVED, parts, strict=True)
    ]
    return "\n".join(cases)


def works() -> list[Answer]:
    commands = ("ls /app", solutions())
    acts = [Answer("", [("bash", {"command": one, "description": "Work"})], USAGE[n]) for n, one in enumerate(commands)]
    return [*acts, Answer("It is done.", usage=USAGE[2])]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kilo_program(tmp_path_factory.mktemp("kilo"))


def run(
    folder: Path, program: Path, model: ScriptedModel, opik: str, *names: str, script: str = "works", limit: str = "6"
) -> tuple[Path, list[dict[str, Any]]]:
    """The job of these tasks, run by Kilo in namespaces; and its trials' results, by the tasks' names."""
    tasks = folder / "tasks"
    for name in names:
        shutil.copytree(TASKS / name, tasks / name)
    options = {"version": DEFAULT_VERSION, "base_url": model.address, **PRICES, "context_limit": 128_000}
    done = harbor(
        *("run", "-p", tasks, "-a", "adapter.kilo:KiloCode", "-m", f"lab/{script}", *PLUGIN),
        *(part for name, value in options.items() for part in ("--ak", f"{name}={value}")),
        *("-e", LOCAL, "--ek", "isolation=namespaces", "--ek", f"shared={program.parents[1]}"),
        *("-o", folder / "jobs", "--job-name", "job", "-y", "-q", "-n", "2", "--agent-timeout-multiplier", limit),
        cwd=folder,
        opik=opik,
        PATH=f"{program.parent}:/usr/local/bin:/usr/bin:/bin",
        LAB_API_KEY=KEY,
    )
    results = sorted((folder / "jobs" / "job").glob("*/result.json"))
    if any("Namespaces cannot be had" in path.read_text() for path in results):
        pytest.skip("namespaces cannot be had here")
    assert len(results) == len(names), f"{done.stdout}\n{done.stderr}"
    return folder / "jobs" / "job", [json.loads(path.read_text()) for path in results]


@pytest.mark.slow
def test_kilo_on_three_tasks_comes_out_to_the_cent(
    tmp_path: Path, program: Path, server: EmbeddedOpik, kilobench: Any
) -> None:
    with scripted_model({"works": works()}, key=KEY) as model:
        job, results = run(tmp_path, program, model, server.url, *SOLVED, UNSOLVED)
    for one in results:
        assert one["exception_info"] is None, one["exception_info"]
        used = one["agent_result"]
        assert (used["n_input_tokens"], used["n_cache_tokens"], used["n_output_tokens"]) == (PROMPT, CACHED, OUTPUT)
        assert used["cost_usd"] == pytest.approx(USD)
        assert used["metadata"]["kilo"] == {"version": DEFAULT_VERSION, "installed_by": "present"}
    told = kilobench("run", job, "--opik", server.url, "--project", "test", "--json")
    assert told.code == 0, told.err
    ((variant,),) = told.json["variants"].values()
    assert variant["variant"].startswith(f"kilo@{DEFAULT_VERSION}/lab/works#")
    assert (variant["attempts"], variant["passes"]) == (3, 2)
    assert variant["cost_per_attempt_usd"]["value"] == pytest.approx(USD)
    assert variant["tokens_per_attempt"]["value"] == PROMPT + OUTPUT
    assert told.json["totals"]["agent_steps"] == 3 * len(USAGE)
    assert told.json["totals"]["cost_usd"] == pytest.approx(3 * USD)
    assert not [one for one in told.json["findings"] if one["severity"] == "error"]
    held = [path for path in job.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert held == []


def command_lines() -> Iterator[str]:
    """Of all processes that have not ended meanwhile."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")


@pytest.mark.slow
def test_a_run_out_of_time_keeps_what_was_spent_and_nothing_of_it_goes_on(
    tmp_path: Path, program: Path, server: EmbeddedOpik
) -> None:
    mark = "sleep 4711.5"
    waits = [works()[0], Answer("", [("bash", {"command": mark, "description": "Wait"})], USAGE[1])]
    with scripted_model({"works": waits}) as model:
        job, (late,) = run(tmp_path, program, model, server.url, SOLVED[0], limit="0.6")
    assert late["exception_info"]["exception_type"] == "AgentTimeoutError"
    assert late["agent_result"]["n_input_tokens"] == USAGE[0][0]
    assert not [line for line in command_lines() if mark in line]
    assert (job / "result.json").is_file()
