"""Really running `opik harbor run`, with no Docker and no keys."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from conftest import REPOSITORY

MODELS = ("anthropic/claude-sonnet-4-5", "openai/gpt-5-mini")
PLUGIN = ("--plugin", "kilobench")
LOCAL = "adapter.local_environment:LocalEnvironment"


def write_tasks(folder: Path, names: Sequence[str]) -> Path:
    """A dataset of tasks that are solved once the file /app/done is there."""
    for name in names:
        task = folder / "tiny" / name
        (task / "environment").mkdir(parents=True)
        (task / "tests").mkdir()
        (task / "task.toml").write_text(
            f'schema_version = "1.1"\n[task]\nname = "tiny/{name}"\n[agent]\ntimeout_sec = 1.0\n[environment]\n'
        )
        (task / "instruction.md").write_text(f"Do {name}.\n")
        grade = 'test -f /app/done && done=1 || done=0\necho "{\\"reward\\": $done, \\"speed\\": 0.5}"'
        (task / "tests" / "test.sh").write_text(f"#!/bin/bash\n{grade} > /logs/verifier/reward.json\n")
    return folder / "tiny"


def harbor(
    *arguments: object,
    cwd: Path,
    opik: str | None,
    program: Sequence[str] = ("opik", "harbor"),
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Runs `opik harbor` in a process of its own, against the Opik at an address."""
    first, *rest = program
    binary = Path(sys.executable).with_name(first)
    variables = os.environ | {"PYTHONPATH": f"{REPOSITORY / 'examples'}:{REPOSITORY / 'tests'}", "COLUMNS": "120"}
    if opik is not None:
        variables |= {"OPIK_URL_OVERRIDE": opik, "OPIK_WORKSPACE": "default", "OPIK_PROJECT_NAME": "test"}
    return subprocess.run(
        [binary, *rest, *map(str, arguments)],
        cwd=cwd,
        env=variables | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def harbor_run(
    tasks: Path,
    *arguments: object,
    opik: str | None,
    agent: Sequence[str] = ("-a", "live_agent:LiveAgent"),
    models: Sequence[str] = MODELS,
    program: Sequence[str] = ("opik", "harbor"),
    **environment: str,
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Runs a job on tasks with each of the models; the job's folder, and what the command left."""
    cwd = tasks.parent
    chosen = [part for model in models for part in ("-m", model)]
    where = (
        "-e",
        LOCAL,
        "-o",
        cwd / "jobs",
        "--job-name",
        "job",
        "-y",
        "-q",
        "-n",
        "1",
    )
    done = harbor(
        "run", "-p", tasks, *agent, *chosen, *where, *arguments, cwd=cwd, opik=opik, program=program, **environment
    )
    return cwd / "jobs" / "job", done
