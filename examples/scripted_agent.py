"""A Harbor agent that follows a script in place of a model, and really does what the script says.

Select it with `harbor run -a scripted_agent:ScriptedAgent --ak version=1.0.0 -m PROVIDER/MODEL` and this
folder on `PYTHONPATH`. The replies come from `scripts.yaml`; the commands are run in the trial's environment,
and the trajectory (ATIF v1.7) holds what they printed.

Tokens are counted, at 4 characters each, over what a model would have been sent and would have written. Of a
prompt, what the previous call already sent counts as cached, in blocks of 1,024 tokens. Costs are written
down for the Claude model only, at its list price, as its own command line does; for the other one the
trajectory has tokens and no cost.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, override

import agent_scripts
import agent_tools
from harbor.agents.base import BaseAgent
from harbor.agents.capabilities import AgentCapabilities
from harbor.agents.installed.base import ApiOverloadedError
from harbor.agents.options import AgentOptions
from harbor.environments.base import BaseEnvironment
from harbor.models.agent.context import AgentContext
from harbor.models.trajectories import (
    Agent,
    FinalMetrics,
    Metrics,
    Observation,
    ObservationResult,
    Step,
    ToolCall,
    Trajectory,
)

SYSTEM_PROMPT_TOKENS = {"1.0.0": 6_200, "1.1.0": 6_900}
CACHE_BLOCK = 1_024
CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Model:
    """What the numbers of a model's calls are made from.

    Attributes:
        tokens_per_second: how fast a reply comes; faster than the real one, to keep the wait short.
        prices: list prices in USD per million tokens of input, cache write, cache read and output; None when
            the agent writes down no cost.
    """

    tokens_per_second: float
    prices: tuple[float, float, float, float] | None = None


MODELS = {
    "anthropic/claude-sonnet-4-5": Model(tokens_per_second=200, prices=(3.0, 3.75, 0.3, 15.0)),
    "openai/gpt-5-mini": Model(tokens_per_second=400),
}


class ScriptedAgentOptions(AgentOptions):
    """What `--ak` can set."""

    version: str


class ScriptedAgent(BaseAgent):
    """Plays the script that `scripts.yaml` has for the task, the model, the version and the attempt."""

    capabilities = AgentCapabilities(atif=True)
    options_model = ScriptedAgentOptions
    options: ScriptedAgentOptions

    _attempts: ClassVar[Counter[tuple[Path, str, str]]] = Counter()
    """Attempts started so far per job, task and model: Harbor does not tell an agent which one it is."""

    @staticmethod
    @override
    def name() -> str:
        return "scripted-agent"

    @override
    def version(self) -> str:
        return self.options.version

    @override
    async def setup(self, environment: BaseEnvironment) -> None:
        """Needs nothing but bash and python3, which the tasks' images have."""

    @override
    async def run(self, instruction: str, environment: BaseEnvironment, context: AgentContext) -> None:
        """Plays the script to its end.

        Raises:
            ValueError: the model is not one of `MODELS`, or there is no script for such a trial.
            ApiOverloadedError: the script says that the model's API fails here.
        """
        model = self.model_name or ""
        if model not in MODELS:
            raise ValueError(f"No script for the model {model!r}. Use one of {', '.join(MODELS)}.")
        task = environment.environment_name
        key = (self.logs_dir.parents[1], task, model)
        attempt = self._attempts[key]
        self._attempts[key] += 1
        recorder = Recorder(
            path=self.logs_dir / "trajectory.json",
            context=context,
            agent=Agent(name=self.name(), version=self.version(), model_name=model),
            session_id=self.logs_dir.parent.name,
        )
        recorder.instruct(instruction)
        for turn in agent_scripts.turns(task, model, self.version(), attempt):
            if turn.fails is not None:
                raise ApiOverloadedError(turn.fails)
            step = await recorder.reply(turn)
            for tool_call in step.tool_calls or []:
                output = await agent_tools.call(environment, tool_call.function_name, tool_call.arguments)
                recorder.observe(step, tool_call, output)


@dataclass(slots=True)
class Recorder:
    """Builds the trajectory, and keeps the file and Harbor's context up to date with every step.

    What was recorded before a time-out or a crash is therefore there afterwards.
    """

    path: Path
    context: AgentContext
    agent: Agent
    session_id: str
    steps: list[Step] = field(default_factory=list[Step])
    sent: int = 0
    """Tokens of the prompt of the last call."""
    cached: int = 0
    """Tokens of it that the next call finds in the cache."""

    def instruct(self, instruction: str) -> None:
        """Records the task's instruction as the user's step."""
        self.steps.append(Step(step_id=1, timestamp=_now(), source="user", message=instruction))
        self.sent = SYSTEM_PROMPT_TOKENS[self.agent.version] + count_tokens(instruction)
        self._save()

    async def reply(self, turn: agent_scripts.Turn) -> Step:
        """Records a reply of the "model", after the time that it takes to write it."""
        number = len(self.steps) + 1
        calls = [
            ToolCall(tool_call_id=f"call_{number}_{index}", function_name=name, arguments=dict(arguments))
            for index, (name, arguments) in enumerate(turn.calls, start=1)
        ]
        asked = "".join(call.function_name + json.dumps(call.arguments) for call in calls)
        completion = count_tokens(turn.think or "") + count_tokens(turn.say) + count_tokens(asked)
        model = MODELS[self.agent.model_name or ""]
        await asyncio.sleep(completion / model.tokens_per_second)
        step = Step(
            step_id=number,
            timestamp=_now(),
            source="agent",
            message=turn.say,
            reasoning_content=turn.think,
            tool_calls=calls or None,
            metrics=self._metrics(model, completion, count_tokens(turn.think or "")),
            llm_call_count=1,
        )
        self.steps.append(step)
        self.sent += completion
        self._save()
        return step

    def observe(self, step: Step, call: ToolCall, output: str) -> None:
        """Records what a tool call gave."""
        step.observation = step.observation or Observation(results=[])
        step.observation.results.append(ObservationResult(source_call_id=call.tool_call_id, content=output))
        self.sent += count_tokens(output)
        self._save()

    def _metrics(self, model: Model, completion: int, reasoning: int) -> Metrics:
        read, self.cached = self.cached, self.sent // CACHE_BLOCK * CACHE_BLOCK
        if model.prices is None:
            return Metrics(
                prompt_tokens=self.sent,
                completion_tokens=completion,
                cached_tokens=read,
                extra={"reasoning_tokens": reasoning},
            )
        written = self.cached - read
        amounts = (self.sent - read - written, written, read, completion)
        cost = sum(amount * price for amount, price in zip(amounts, model.prices, strict=True)) / 1_000_000
        return Metrics(
            prompt_tokens=self.sent,
            completion_tokens=completion,
            cached_tokens=read,
            cost_usd=round(cost, 7),
            extra={"cache_creation_input_tokens": written},
        )

    def _save(self) -> None:
        metrics = [step.metrics for step in self.steps if step.metrics is not None]
        costs = [each.cost_usd for each in metrics]
        known = [cost for cost in costs if cost is not None]
        totals = FinalMetrics(
            total_prompt_tokens=sum(each.prompt_tokens or 0 for each in metrics),
            total_completion_tokens=sum(each.completion_tokens or 0 for each in metrics),
            total_cached_tokens=sum(each.cached_tokens or 0 for each in metrics),
            total_cost_usd=round(sum(known), 7) if known and len(known) == len(costs) else None,
            total_steps=len(self.steps),
        )
        self.context.n_input_tokens = totals.total_prompt_tokens
        self.context.n_output_tokens = totals.total_completion_tokens
        self.context.n_cache_tokens = totals.total_cached_tokens
        self.context.cost_usd = totals.total_cost_usd
        trajectory = Trajectory(
            schema_version="ATIF-v1.7",
            session_id=self.session_id,
            agent=self.agent,
            steps=self.steps,
            final_metrics=totals,
        )
        self.path.write_text(json.dumps(trajectory.to_json_dict(), ensure_ascii=False), encoding="utf-8")


def count_tokens(text: str) -> int:
    """Roughly the tokens of a text: a quarter of its characters, rounded up."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
