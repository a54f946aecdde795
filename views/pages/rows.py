"""The trials as plain records, counted and grouped as the pages show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from views import format as fmt
from views.metrics import by_dataset, tokens_in_all

if TYPE_CHECKING:
    import pandas as pd

type Row = dict[str, Any]
"""A row of the trials table; what is missing is None."""


def rows_of(trials: pd.DataFrame) -> list[Row]:
    """The trials by dataset, task, variant and trial, each with its `tokens` in all and the `group` it is compared in.

    The group is its dataset, with the version where there are several (`views.metrics.by_dataset`).
    """
    full = trials.assign(tokens=tokens_in_all(trials))
    known = full.astype(object).where(full.notna(), None)
    names = set(by_dataset(trials))
    rows: list[Row] = [dict(zip(known.columns, row, strict=True)) for row in known.itertuples(index=False)]
    for row in rows:
        dataset, version = row["dataset"], row["dataset_version"]
        row["group"] = dataset if dataset in names else f"{dataset}@{version or 'unknown'}"
    return sorted(rows, key=lambda row: (row["group"], row["task"], row["variant"], row["trial"]))


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read, counted.

    `known_usd` is the sum over the trials whose cost is known, None when there are none; `provenance` and
    `excluded` count trials. `regrades` only graded another trial again: they are in no number but `trials`.
    """

    trials: int
    attempts: int
    regrades: int
    variants: int
    tasks: int
    datasets: int
    known_usd: float | None
    provenance: dict[str, int]
    excluded: dict[str, int]


def facts_of(trials: Sequence[Row]) -> Facts:
    """What was read, counted."""
    own = [row for row in trials if row["regrade_of"] is None]
    costs = [row["cost_usd"] for row in own if row["cost_usd"] is not None]
    return Facts(
        trials=len(trials),
        attempts=sum(row["passed"] is not None for row in own),
        regrades=len(trials) - len(own),
        variants=len({row["variant"] for row in own}),
        tasks=len({(row["dataset"], row["task"]) for row in own}),
        datasets=len({row["dataset"] for row in own}),
        known_usd=sum(costs) if costs else None,
        provenance=provenance_of(own),
        excluded=dict(Counter(row["status"] for row in own if row["passed"] is None).most_common()),
    )


def provenance_of(trials: Sequence[Row]) -> dict[str, int]:
    """How many trials got their cost in which way."""
    return dict(
        Counter("unknown" if row["cost_usd"] is None else row["cost_provenance"] for row in trials).most_common()
    )


def attempts_by_variant(trials: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """The trials that are attempts, by group and variant."""
    attempts: dict[tuple[str, str], list[Row]] = {}
    for row in trials:
        if row["passed"] is not None:
            attempts.setdefault((row["group"], row["variant"]), []).append(row)
    return attempts


@dataclass(frozen=True, slots=True)
class Tally:
    """One variant's trials at one task, in order; regrades are not among them."""

    rows: tuple[Row, ...] = ()

    @property
    def attempts(self) -> int:
        """How many are attempts."""
        return sum(row["passed"] is not None for row in self.rows)

    @property
    def passes(self) -> int:
        """How many of these passed."""
        return sum(bool(row["passed"]) for row in self.rows)

    @property
    def excluded(self) -> int:
        """How many are no attempt of the agent."""
        return len(self.rows) - self.attempts

    @property
    def text(self) -> str:
        """Passes of attempts; unknown where the variant made no attempt."""
        return f"{self.passes}/{self.attempts}" if self.attempts else fmt.UNKNOWN

    @property
    def shade(self) -> int | None:
        """From 0 (none passed) to 4 (all did), both only where that is exactly so; None with no attempt."""
        if not self.attempts:
            return None
        if self.passes in (0, self.attempts):
            return 4 if self.passes else 0
        return min(max(round(4 * self.passes / self.attempts), 1), 3)


type Tallies = Mapping[tuple[str, str], Mapping[str, Tally]]
"""By group and variant, then by task."""


def tallies_of(trials: Sequence[Row]) -> Tallies:
    """Who passed what how often."""
    lists: dict[tuple[str, str], dict[str, list[Row]]] = {}
    for row in trials:
        if row["regrade_of"] is None:
            lists.setdefault((row["group"], row["variant"]), {}).setdefault(row["task"], []).append(row)
    return {place: {task: Tally(tuple(several)) for task, several in tasks.items()} for place, tasks in lists.items()}
