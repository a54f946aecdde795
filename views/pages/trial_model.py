"""A trial as its page shows it: what was said and done, step by step, what it cost, and what the judges say of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from adapter.trial import Finding


@dataclass(frozen=True, slots=True)
class Quoted:
    """Words that stand in a step."""

    step: int
    quote: str


@dataclass(frozen=True, slots=True)
class Chip:
    """What a judge says of a step by one criterion.

    Attributes:
        value: from 0 (worst) to 1.
        explanation: why, as the judge wrote it.
        better_action: what would have been better.
        by: who says so: a rule, a model with its prompt, a person.
        evidence: the words that it rests on.
    """

    criterion: str
    label: str | None
    value: float | None
    explanation: str = ""
    better_action: str | None = None
    category: str | None = None
    by: str | None = None
    evidence: tuple[Quoted, ...] = ()

    @property
    def is_flag(self) -> bool:
        """Whether it finds fault."""
        return self.value is not None and self.value < 1


@dataclass(frozen=True, slots=True)
class CallView:
    """A tool call: `did` is what it does, in the same words for every harness; `arguments` are text."""

    name: str
    did: str
    arguments: str
    output: str | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class StepView:
    """A step.

    Attributes:
        source: who speaks: `agent`, `user` or `system`.
        subagent: which sub-agent acted; empty for the agent itself.
        is_copied: whether it is context that was carried over.
        cost_usd: of the LLM call that produced it, or its share; None where that is not known.
        provenance: of that cost; None where no LLM call produced it.
        own_usd: its output, and what came back when it was first sent; `carried_usd` that in every call after it.
        carried_at_least_usd: the part of `carried_usd` that is known.
        is_wasted: whether the judges call it redundant or wrong; None where it was not judged.
    """

    number: int
    source: str
    subagent: str
    segment: str
    is_copied: bool
    message: str
    reasoning: str | None
    calls: tuple[CallView, ...]
    observations: tuple[str, ...]
    model: str | None
    call: int | None
    cost_usd: float | None
    provenance: str | None
    own_usd: float | None
    carried_usd: float | None
    carried_at_least_usd: float | None
    prompt_tokens: int | None
    output_tokens: int | None
    seconds: float | None
    started_at: datetime | None
    is_wasted: bool | None
    chips: tuple[Chip, ...]

    @property
    def did(self) -> str:
        """What it did, in a few words."""
        if not self.calls:
            return "says" if self.message.strip() else "thinks" if self.reasoning else "nothing"
        first, *others = self.calls
        return f"{first.did} (+{len(others)})" if others else first.did

    @property
    def is_flagged(self) -> bool:
        """Whether a judge finds fault with it."""
        return any(chip.is_flag for chip in self.chips)


@dataclass(frozen=True, slots=True)
class TrialView:
    """A trial.

    Attributes:
        name: `job/trial`.
        exception: the type and message of what Harbor recorded.
        verifier_output: the end of what the verifier printed; None where it left nothing, or that is not recorded.
        url: of its trace in Opik.
    """

    name: str
    steps: tuple[StepView, ...]
    findings: tuple[Finding, ...] = ()
    exception: tuple[str, str] | None = None
    verifier_output: str | None = None
    url: str | None = None
