"""The course of a run: its acts in order, what it got done, where judges found the worst; none of its texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from types import MappingProxyType

from adapter.actions import effects, failed, identity
from adapter.signatures import Signature, signatures
from adapter.trial import ToolCall, Trial
from views.milestones import milestones


@dataclass(frozen=True, slots=True)
class Fault:
    """The worst label that a judge gave to a step.

    Attributes:
        by: the rule or the model that gave it.
        evidence: words that it rests on, each with its step.
    """

    criterion: str
    label: str
    category: str | None
    explanation: str
    better_action: str | None
    by: str
    evidence: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Act:
    """One act.

    Attributes:
        step: the number of its step.
        failed: whether its tool call failed; None where its harness does not say.
        tool: the tool's name.
        content: of a call that writes, a hash of all that it says; None for one that does not.
    """

    step: int
    signature: Signature
    failed: bool | None
    tool: str
    content: str | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """A run.

    Attributes:
        trial: `job/trial`; `dataset` and `task` say what was tried, `variant` by whom.
        key: of its stored trace.
        passed: None where it is no attempt of the agent.
        status: how it ended.
        acts: of the agent's own steps and its sub-agents', in order; context that was carried over is not among them.
        steps: the numbers of the steps in which the agent acted, those without a tool call among them.
        reached: what it got done (`views.milestones`), each with its step.
        faults: the worst labels, by step.
        cost_usd: what the run cost; None where that is not known.
        spent: what each step's LLM call cost, by step, where that is known.
    """

    trial: str
    key: str
    dataset: str
    task: str
    variant: str
    passed: bool | None
    status: str
    acts: tuple[Act, ...]
    steps: tuple[int, ...]
    reached: Mapping[str, int]
    faults: Mapping[int, Fault] = field(default_factory=dict[int, Fault])
    cost_usd: float | None = None
    spent: Mapping[int, float] = field(default_factory=dict[int, float])

    @property
    def last_step(self) -> int | None:
        """The number of the last step in which the agent acted; None without any."""
        return self.steps[-1] if self.steps else None

    @property
    def signatures(self) -> tuple[Signature, ...]:
        """Its acts as they are compared."""
        return tuple(act.signature for act in self.acts)


def course_of(
    trial: Trial,
    key: str,
    faults: Mapping[int, Fault],
    cost_usd: float | None,
    spent: Mapping[int, float] = MappingProxyType({}),
) -> Course:
    """What is kept of a run.

    Args:
        trial: the run.
        key: of its stored trace.
        faults: the worst labels that judges gave, by step.
        cost_usd: what the run cost.
        spent: what its steps cost, by step.
    """
    steps = trial.agent_steps
    acts = [
        Act(step.number, one, failed(call), call.name, _content(call))
        for step in steps
        for call in step.tool_calls
        for one in signatures(call)
    ]
    return Course(
        trial=trial.name,
        key=key,
        dataset=trial.dataset,
        task=trial.task,
        variant=trial.variant.name,
        passed=trial.passed,
        status=trial.status.value,
        acts=tuple(acts),
        steps=tuple(step.number for step in steps),
        reached=milestones(trial),
        faults=faults,
        cost_usd=cost_usd,
        spent=spent,
    )


def _content(call: ToolCall) -> str | None:
    if not effects(call).writes:
        return None
    said = "\0".join(identity(call)).encode("utf-8", "surrogatepass")
    return blake2b(said, digest_size=8).hexdigest()
