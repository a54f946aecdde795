"""One builder of tiny Harbor jobs: what a test does not say is ordinary."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapter.harbor import read_trial
from adapter.jobs import Job, read_job
from adapter.status import BY_REWARD, Grading
from adapter.trial import Trial

START = "2026-03-01T10:00:00Z"
END = "2026-03-01T10:05:00Z"


def agent_step(
    message: str = "",
    *calls: tuple[str, dict[str, Any] | str, str | None],
    tokens: tuple[int | None, int | None, int | None] | None = (1000, 50, 0),
    cost: float | None = None,
    at: str | None = "2026-03-01T10:01:00Z",
    reasoning: str | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """An agent's step; each call is (tool, arguments, output), tokens are (prompt, completion, cached)."""
    step: dict[str, Any] = {"source": "agent", "message": message, "timestamp": at}
    if reasoning is not None:
        step["reasoning_content"] = reasoning
    if tokens is not None:
        names = ("prompt_tokens", "completion_tokens", "cached_tokens")
        step["metrics"] = dict(zip(names, tokens, strict=True)) | ({"cost_usd": cost} if cost is not None else {})
    if calls:
        step["tool_calls"] = [
            {"tool_call_id": f"call_{number}", "function_name": name, "arguments": arguments}
            for number, (name, arguments, _) in enumerate(calls)
        ]
        step["observation"] = {
            "results": [
                {"source_call_id": f"call_{number}", "content": output}
                for number, (_, _, output) in enumerate(calls)
                if output is not None
            ]
        }
    return step | fields


def user_step(message: str = "Do it.") -> dict[str, Any]:
    """What the user asked for."""
    return {"source": "user", "message": message, "timestamp": START}


def trajectory(steps: Sequence[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """An ATIF trajectory; steps are numbered from 1."""
    return {
        "schema_version": "ATIF-v1.7",
        "agent": {"name": "toy", "version": "1.0"},
        "steps": [{"step_id": number, **step} for number, step in enumerate(steps, 1)],
    } | fields


class JobBuilder:
    """A job folder that trials are added to."""

    def __init__(self, folder: Path, name: str = "job", **result: Any) -> None:
        self.path = folder / name
        self.path.mkdir(parents=True)
        self.id = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
        self._write("config.json", {"job_name": name, "datasets": [{"name": "set", "version": "2.0"}]})
        self._write(
            "result.json", {"id": self.id, "started_at": START, "finished_at": END, "n_total_trials": 1, **result}
        )

    def _write(self, name: str, value: Any) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value))

    def trial(
        self,
        name: str = "task-a__1",
        *,
        task: str | None = None,
        reward: float | None = 1.0,
        steps: Sequence[dict[str, Any]] | None = None,
        agent: str = "toy",
        version: str | None = "1.0",
        model: str | None = "openai/gpt-5-mini",
        kwargs: dict[str, Any] | None = None,
        settings: dict[str, Any] | None = None,
        verifier: dict[str, Any] | None = None,
        exception: str | None = None,
        printed: str | None = None,
        raw_trajectory: str | dict[str, Any] | None = None,
        **result: Any,
    ) -> Path:
        """Adds a trial; `steps=None` is a short ordinary run, `steps=[]` no trajectory at all.

        `settings` and `verifier` are Harbor's own settings of the agent and the verifier, `printed` is what that
        one printed; `result` replaces whole fields of the trial's result.
        """
        if steps is None:
            steps = [user_step(), agent_step("Done.", ("bash", {"command": "ls"}, "a.py"), cost=0.01)]
        provider, _, bare = (model or "").rpartition("/")
        value: dict[str, Any] = {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.path.name}/{name}")),
            "task_name": task or name.rsplit("__", 1)[0],
            "trial_name": name,
            "trial_uri": f"file:///jobs/{name}",
            "task_id": {"path": f"tasks/{name}"},
            "source": "set",
            "task_checksum": "c" * 8,
            "config": {
                "task": {"path": f"tasks/{name}", "source": "set"},
                "trial_name": name,
                "agent": {"name": agent, "model_name": model, "kwargs": kwargs or {}} | (settings or {}),
                "verifier": verifier or {},
                "job_id": self.id,
            },
            "agent_info": {
                "name": agent,
                "version": version or "unknown",
                "model_info": {"name": bare, "provider": provider or None} if model else None,
            },
            "verifier_result": None if reward is None else {"rewards": {"reward": reward}},
            "exception_info": None
            if exception is None
            else {"exception_type": exception, "exception_message": "it broke", "exception_traceback": "Trace"},
            "started_at": START,
            "finished_at": END,
            "agent_execution": {"started_at": START, "finished_at": END},
        }
        self._write(f"{name}/result.json", value | result)
        self._write(f"{name}/config.json", value["config"])
        if printed is not None:
            self._write(f"{name}/verifier/test-stdout.txt", printed)
        if raw_trajectory is not None:
            self._write(f"{name}/agent/trajectory.json", raw_trajectory)
        elif steps:
            self._write(f"{name}/agent/trajectory.json", trajectory(steps))
        return self.path / name

    def segment(self, trial: str, name: str, value: str | dict[str, Any]) -> None:
        """Adds the trajectory of one step of a multi-step trial."""
        self._write(f"{trial}/steps/{name}/agent/trajectory.json", value)


def read_one(job: JobBuilder | Job, folder: Path, grading: Grading = BY_REWARD) -> Trial:
    """The record of one of the job's trials."""
    return read_trial(job if isinstance(job, Job) else read_job(job.path), folder, grading)


def codes(trial: Trial) -> set[str]:
    """What the reader noticed about a trial."""
    return {finding.code for finding in trial.findings}
