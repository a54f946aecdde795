"""What a trial cost, step by step: the records that pricing makes and everything after it reads. US dollars throughout.

`None` always means "not known"; it is never written as 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from adapter.trial import Provenance, Tokens


@dataclass(frozen=True, slots=True)
class Billed:
    """What the tokens of one LLM call cost by a price table, by how they were billed; together, the whole call.

    Attributes:
        input: input at the full price.
        cache_read: input read from a cache.
        cache_write: input written to a cache, for five minutes or for an hour.
        output: output but for its reasoning.
        reasoning: the reasoning tokens that were counted; 0 where none were.
    """

    input: float
    cache_read: float
    cache_write: float
    output: float
    reasoning: float

    @property
    def usd(self) -> float:
        """All of it."""
        return self.input + self.cache_read + self.cache_write + self.output + self.reasoning


@dataclass(frozen=True, slots=True)
class StepCost:
    """What one step cost.

    Attributes:
        step: the step's number.
        usd: US dollars; None when not known.
        price: which entry of which version of which price table it was priced by; None when by none.
    """

    step: int
    usd: float | None
    provenance: Provenance
    price: str | None = None


@dataclass(frozen=True, slots=True)
class CallCost:
    """What one LLM call cost.

    Attributes:
        call: its number within the trial.
        steps: the numbers of the steps that it produced, in order.
        usd: US dollars; None when not known.
        price: the price that `usd` was computed by; None when by none.
        recorded_usd: what the trajectory says that it cost, also where that is not believed.
        tokens: None when not known.
        billed: what its tokens cost by the price table, also where `usd` is a recorded cost; None where a count or a
            price is not known.
        explained_by: the price that `billed` was computed by.
        unpriced: why its tokens have no price, where they are counted and have none.
    """

    call: int
    steps: tuple[int, ...]
    usd: float | None
    provenance: Provenance
    price: str | None = None
    recorded_usd: float | None = None
    tokens: Tokens | None = None
    billed: Billed | None = None
    explained_by: str | None = None
    unpriced: str | None = None


@dataclass(frozen=True, slots=True)
class TrialCost:
    """What a trial cost, step by step.

    Attributes:
        usd: US dollars for the whole trial; None when not known.
        provenance: of `usd`.
        steps: one entry per agent step, in order.
        residual_usd: the run's own total less the sum of its steps; None when either is not known.
        price: which entries of which price tables were used; None when none was.
        calls: one entry per LLM call, in order.
    """

    usd: float | None
    provenance: Provenance
    steps: tuple[StepCost, ...]
    residual_usd: float | None = None
    price: str | None = None
    calls: tuple[CallCost, ...] = ()
