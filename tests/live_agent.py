"""A Harbor agent whose runs end in every way there is: what it does follows from the task's name.

It builds its trajectory as real agents do: by way of Harbor's `Step`, and more than once.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path
from typing import ClassVar, override

from harbor.agents.base import BaseAgent
from harbor.agents.capabilities import AgentCapabilities
from harbor.agents.installed.base import ApiOverloadedError
from harbor.environments.base import BaseEnvironment
from harbor.models.agent.context import AgentContext
from harbor.models.trajectories import Agent, Metrics, Observation, ObservationResult, Step, ToolCall, Trajectory


class LiveAgent(BaseAgent):
    """Says two things and calls one tool; then it passes, crashes, hangs, or takes the whole process with it."""

    capabilities = AgentCapabilities(atif=True)
    _runs: ClassVar[Counter[str]] = Counter()

    @staticmethod
    @override
    def name() -> str:
        return "live-agent"

    @override
    def version(self) -> str:
        return "1.0"

    @override
    async def setup(self, environment: BaseEnvironment) -> None:
        """Needs nothing."""

    @override
    async def run(self, instruction: str, environment: BaseEnvironment, context: AgentContext) -> None:
        task = environment.environment_name
        self._runs[task] += 1
        for _ in range(2):
            steps = self._steps(instruction)
        trajectory = Trajectory(
            schema_version="ATIF-v1.7",
            session_id=self.logs_dir.parent.name,
            agent=Agent(name=self.name(), version=self.version(), model_name=self.model_name),
            steps=steps,
        )
        (self.logs_dir / "trajectory.json").write_text(trajectory.model_dump_json(exclude_none=True))
        if "crashes" in task or ("flaky" in task and self._runs[task] == 1):
            raise ApiOverloadedError("The model's API is overloaded.")
        if "once" in task and _is_first_time():
            raise ApiOverloadedError("The model's API is overloaded, this once.")
        if "hangs" in task:
            await asyncio.sleep(60)
        if "kills" in task and (when := os.environ.get("LIVE_KILL")) is not None:
            if when == "flushed":
                import opik

                opik.flush_tracker()
            os.kill(os.getpid(), signal.SIGINT if when == "interrupted" else signal.SIGKILL)
            await asyncio.sleep(60)
        await environment.exec("echo done > /app/done")

    def _steps(self, instruction: str) -> list[Step]:
        has_cost = (self.model_name or "").startswith("anthropic/")
        steps = [Step(step_id=1, timestamp="2026-03-01T10:00:00Z", source="user", message=instruction)]
        for number in (2, 3):
            step = Step(
                step_id=number,
                timestamp=f"2026-03-01T10:0{number}:00Z",
                source="agent",
                message=f"Step {number}.",
                tool_calls=[ToolCall(tool_call_id=f"c{number}", function_name="bash", arguments={"command": "ls"})],
                metrics=Metrics(
                    prompt_tokens=1000, completion_tokens=50, cached_tokens=800, cost_usd=0.25 if has_cost else None
                ),
            )
            result = ObservationResult(source_call_id=f"c{number}", content="done")
            step.observation = Observation(results=[result])
            steps.append(step)
        return steps


def _is_first_time() -> bool:
    """Whether the file that `LIVE_ONCE` names was not there yet: now it is."""
    mark = Path(os.environ["LIVE_ONCE"])
    is_new = not mark.exists()
    mark.touch()
    return is_new
