"""Where a trial's money went: the records. `attribute` makes them; US dollars throughout.

`None` always means "not known"; it is never written as 0.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from adapter.latency import StepLatency
from adapter.trial import Provenance, Span, Tokens


@dataclass(frozen=True, slots=True)
class Parts:
    """What a cost was spent on: a partition of it. All are None where the call's tokens or its price are not known.

    Input is told apart by where it comes from (what the call before already held is re-sent, the rest is new), and by
    how it was billed (at the full price, read from a cache, written to one).

    Attributes:
        reasoning: None where the agent records none: it is then among `tool_calls` and `message`.
        tool_calls: the tools' names and arguments.
        message: what was said.
        unexplained: the recorded cost less what the prices explain; may be negative, and is 0 for a computed cost.
    """

    resent: float | None = None
    resent_cached: float | None = None
    resent_written: float | None = None
    new: float | None = None
    new_cached: float | None = None
    new_written: float | None = None
    reasoning: float | None = None
    tool_calls: float | None = None
    message: float | None = None
    unexplained: float | None = None

    @property
    def known(self) -> bool:
        """Whether there is a breakdown."""
        return self.unexplained is not None

    def usd(self) -> float | None:
        """Their sum, which is the cost; None where they are not known."""
        found = [getattr(self, one.name) for one in fields(self)]
        known = [value for value in found if value is not None]
        return sum(known) if known else None


@dataclass(frozen=True, slots=True)
class StepSpend:
    """One agent step.

    Attributes:
        call: the LLM call that produced it; None when none did.
        price: which price it was computed by, with the table's version; None for a recorded or unknown cost.
        tokens: of its call, on the first step of that call only.
        own_usd: its output, and the first time that its observations were sent as new input.
        carried_usd: what its output and observations cost in every call after that; None where not all of these calls'
            costs are known.
        carried_at_least_usd: the part of it that is known.
        is_wasted: whether the judges labelled it redundant or wrong; None when it was not judged.
    """

    step: int
    call: int | None
    usd: float | None
    provenance: Provenance
    price: str | None
    tokens: Tokens | None
    parts: Parts
    own_usd: float | None
    carried_usd: float | None
    carried_at_least_usd: float | None
    latency: StepLatency
    is_wasted: bool | None = None


@dataclass(frozen=True, slots=True)
class Compaction:
    """A drop in what a call was sent: its context was made anew.

    Attributes:
        call: the first call with the new context; `step` is its first step.
        before: tokens of the prompt before; `after` of that call's.
        usd: what making it anew cost: the call that wrote the summary, where it is one of the trial's, and the new
            input of the call after it; None when not known.
    """

    call: int
    step: int
    before: int
    after: int
    usd: float | None


@dataclass(frozen=True, slots=True)
class CallSpend:
    """One LLM call.

    Attributes:
        steps: the steps that it produced.
        subagent: whose call it was; empty for the agent itself.
        segment: in which step of a multi-step trial; empty in an ordinary one.
        recorded_usd: what the trajectory says that it cost, also where that is not believed.
        resent_tokens: what of its prompt the call before already held; None when not known.
        new_tokens: the rest of its prompt.
        compaction: its context was made anew before it.
    """

    call: int
    steps: tuple[int, ...]
    subagent: str
    segment: str
    model: str | None
    usd: float | None
    provenance: Provenance
    price: str | None
    recorded_usd: float | None
    tokens: Tokens | None
    parts: Parts
    resent_tokens: int | None
    new_tokens: int | None
    time: Span
    compaction: Compaction | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """The run's total by one source against the sum of its steps.

    Attributes:
        source: `trajectory`, `harbor` or `agent` (`adapter.trial.RunTotal`).
        usd: that total; None when the source does not say.
        residual_usd: `usd` less the sum of the steps; None when either is not known.
        prompt_tokens: its prompt tokens less the steps'; `output_tokens` likewise; None when not known.
    """

    source: str
    usd: float | None
    residual_usd: float | None
    prompt_tokens: int | None
    output_tokens: int | None


@dataclass(frozen=True, slots=True)
class Attribution:
    """Where a trial's money went.

    Attributes:
        usd: what the whole trial cost; `provenance` says by whose word.
        recorded_usd: the run's own total as recorded.
        residual_usd: that less the sum of the steps: no step's, and a row of its own (`unattributed`).
        residual_reasons: why that may be, as far as the data show it: a short name and a sentence each.
        is_apportioned: whether the steps' costs are shares of a total.
        steps: one per agent step, in order.
        calls: one per LLM call, in order.
        prompt_usd: what the agent's instructions, its task and contexts that were made anew cost over all calls.
        unexplained_usd: recorded costs less what prices explain. Own and carried cost of all steps, this and
            `prompt_usd` sum to the cost of all steps.
        wasted_usd: own and carried cost of the steps that are wasted; None without verdicts, or where one is not known.
        compared: the sources' totals against the steps.
    """

    usd: float | None
    provenance: Provenance
    recorded_usd: float | None
    residual_usd: float | None
    residual_reasons: tuple[tuple[str, str], ...]
    is_apportioned: bool
    steps: tuple[StepSpend, ...]
    calls: tuple[CallSpend, ...]
    prompt_usd: float | None
    unexplained_usd: float | None
    wasted_usd: float | None
    compared: tuple[Compared, ...]
