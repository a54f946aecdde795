"""Makes `examples/jobs` again by really running Harbor, with no Docker, no network and no keys.

    .venv/bin/python examples/make_jobs.py

One job per agent version, each over all tasks, models and attempts. The agent follows a script in place of a
model (`scripts.yaml`); the commands are run, the results verified and the folders written as Harbor does it.
Afterwards the folders are trimmed to what a reader of jobs needs, and paths of the machine are taken out.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent
DATASET = "coding-basics"
TASKS = tuple(sorted(path.parent.name for path in (EXAMPLES / DATASET).glob("*/task.toml")))
MODELS = ("anthropic/claude-sonnet-4-5", "openai/gpt-5-mini")
VERSIONS = ("1.0.0", "1.1.0")
ATTEMPTS = 3
CONCURRENT = 8

KEPT = frozenset({"config.json", "result.json", "lock.json", "exception.txt", "job.log"})
"""Files that are kept at the top of a job and of a trial."""
KEPT_FOLDERS = frozenset({"agent", "verifier"})
"""Folders of a trial that are kept with all that is in them."""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the jobs and puts them where `--out` says, in place of jobs of the same name."""
    parser = argparse.ArgumentParser(description="Make the example jobs by running Harbor with a scripted agent.")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS, metavar="TASK")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, metavar="PROVIDER/MODEL")
    parser.add_argument("--versions", nargs="+", choices=VERSIONS, default=VERSIONS, metavar="VERSION")
    parser.add_argument("--attempts", type=int, default=ATTEMPTS)
    parser.add_argument("--out", type=Path, default=EXAMPLES / "jobs", metavar="DIR")
    arguments = parser.parse_args(argv)
    if arguments.attempts < 1:
        parser.error("--attempts must be at least 1")
    os.environ["HARBOR_TELEMETRY"] = "off"
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    out = arguments.out.resolve()
    with tempfile.TemporaryDirectory(prefix="make-jobs-") as folder:
        stage = Path(folder).resolve()
        for task in arguments.tasks:
            shutil.copytree(EXAMPLES / DATASET / task, stage / "examples" / DATASET / task)
        with contextlib.chdir(stage):
            for version in arguments.versions:
                asyncio.run(run_job(version, arguments.models, arguments.attempts))
        for job in sorted((stage / "examples" / "jobs").iterdir()):
            trim(job)
            neutralise(job, stage)
            if (out / job.name).exists():
                shutil.rmtree(out / job.name)
            shutil.copytree(job, out / job.name)
            print(f"{job.name}: {summary(out / job.name)}")


async def run_job(version: str, models: Sequence[str], attempts: int) -> None:
    """Runs one job below the current directory, which holds the tasks, into `examples/jobs`."""
    from harbor.job import Job
    from harbor.models.job.config import DatasetConfig, JobConfig
    from harbor.models.trial.config import AgentConfig, EnvironmentConfig

    config = JobConfig(
        job_name=f"scripted-agent-{version}",
        jobs_dir=Path("examples/jobs"),
        n_attempts=attempts,
        n_concurrent_trials=CONCURRENT,
        quiet=True,
        environment=EnvironmentConfig(import_path="local_environment:LocalEnvironment"),
        agents=[
            AgentConfig(import_path="scripted_agent:ScriptedAgent", model_name=model, kwargs={"version": version})
            for model in models
        ],
        datasets=[DatasetConfig(path=Path("examples") / DATASET)],
    )
    job = await Job.create(config)
    await job.run()


def trim(job: Path) -> None:
    """Removes what no reader of a finished job needs: trial logs, artifacts, empty folders."""
    for folder in [job, *_trials(job)]:
        for path in list(folder.iterdir()):
            if path.is_dir() and path.name not in KEPT_FOLDERS and not (path / "result.json").is_file():
                shutil.rmtree(path)
            elif path.is_file() and path.name not in KEPT:
                path.unlink()
    for path in job.rglob("*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()), ensure_ascii=False) + "\n", encoding="utf-8")


def neutralise(job: Path, stage: Path) -> None:
    """Takes this machine's paths out of all files.

    The stage becomes `/`, so that a job lies in `/examples/jobs`; in tracebacks, code files keep only the
    part of their path that says what they are.
    """
    paths = {
        str(stage): "",
        str(EXAMPLES): "/examples",
        sysconfig.get_path("purelib"): "site-packages",
        sysconfig.get_path("stdlib"): "python",
    }
    for file in job.rglob("*"):
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            for path, neutral in paths.items():
                text = text.replace(path, neutral)
            file.write_text(text, encoding="utf-8")


def summary(job: Path) -> str:
    """How many trials passed, per model, as Harbor's results say."""
    from harbor.models.trial.result import TrialResult

    passed: dict[str, list[bool]] = {}
    for trial in _trials(job):
        result = TrialResult.model_validate_json((trial / "result.json").read_text(encoding="utf-8"))
        rewards = (result.verifier_result and result.verifier_result.rewards) or {}
        passed.setdefault(result.config.agent.model_name or "", []).append(rewards.get("reward") == 1)
    return ", ".join(f"{model} {sum(each)} of {len(each)}" for model, each in sorted(passed.items()))


def _trials(job: Path) -> Iterator[Path]:
    return (path.parent for path in sorted(job.glob("*/result.json")))


if __name__ == "__main__":
    sys.exit(main())
