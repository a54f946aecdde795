"""What of a matrix's cap is left for each of its jobs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adapter.prices import PriceBook
from pipelines.bench.budget import May, expected_usd, may_start, spent_usd
from pipelines.bench.forecast import Spent, forecast
from pipelines.bench.job_state import spent
from pipelines.bench.matrix import Planned


@dataclass(frozen=True, slots=True)
class Share:
    """What a job may cost.

    Attributes:
        usd: for the job in all, with what the trials in its folder have cost, in US dollars.
        each: what an attempt is expected to cost, in US dollars; None if unknown.
        may_go_on: whether another attempt may start.
    """

    usd: float
    each: float | None
    may_go_on: bool

    def arguments(self) -> list[str]:
        """As the plugin takes it."""
        each = [] if self.each is None else ["--pk", f"expected_usd={self.each!r}"]
        return ["--pk", f"max_spend={self.usd!r}", *each]


class Purse:
    """The cap less what all of the matrix has cost, by whichever run of it, attempts put aside included.

    Args:
        cap: US dollars.
        planned: the matrix's variants.
        jobs: the folder of jobs.
        past: what finished attempts cost.
        book: where prices are looked up.
    """

    def __init__(self, cap: float, planned: list[Planned], jobs: Path, past: list[Spent], book: PriceBook) -> None:
        self._cap = cap
        self._planned = planned
        self._jobs = jobs
        self._book = book
        self._past = {one.name: forecast(one, past, None).usd_per_attempt for one in planned}

    def share(self, one: Planned) -> Share:
        """What is left for a variant's job."""
        ended, kept = spent(one, self._jobs, self._book)
        each = expected_usd([*ended, *kept], self._past[one.name])
        spent_elsewhere = [spent_usd(kept, each)]
        for other in self._planned:
            if other is not one:
                costs = [cost for part in spent(other, self._jobs, self._book) for cost in part]
                spent_elsewhere.append(spent_usd(costs, expected_usd(costs, self._past[other.name])))
        # Where a cost can be neither known nor expected nothing is left: no cap could be kept.
        known = [usd for usd in spent_elsewhere if usd is not None]
        left = max(0.0, self._cap - sum(known)) if len(known) == len(spent_elsewhere) else 0.0
        return Share(left, each, may_start(left, ended, 0, each) is May.START)
