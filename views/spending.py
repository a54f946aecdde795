"""What an attempt's cost was spent on, variant by variant: pure sums over the tables of trials and LLM calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from views.metrics import attempts_of, by_dataset
from views.tables import PARTS

KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "re-sent context": ("resent_usd", "resent_cached_usd", "resent_written_usd"),
        "new input": ("new_usd", "new_cached_usd", "new_written_usd"),
        "reasoning": ("reasoning_usd",),
        "tool calls": ("tool_calls_usd",),
        "messages": ("message_usd",),
        "unexplained": ("unexplained_usd",),
    }
)
"""The parts of a cost (`views.tables.PARTS`), put together to what a reader can act on."""

REST = "not broken down"
"""Of a cost, what no LLM call's parts make up: a run's total beside its steps, or calls whose tokens are not known."""


@dataclass(frozen=True, slots=True)
class Spending:
    """What the attempts of a variant were spent on.

    Attributes:
        parts: US dollars per attempt, the mean over the attempts whose cost is known, by the names of `KINDS` and by
            `REST`: they sum to the cost per attempt. What is `unexplained` or the rest may be negative. Empty where
            no attempt's cost is known.
        attempts: how many that are.
        unknown: how many attempts' cost is not known.
    """

    parts: dict[str, float]
    attempts: int
    unknown: int


def spent_on(calls: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """What the calls of each trial were spent on, in US dollars: a row by trial, and a column by the names of `KINDS`.

    Args:
        calls: rows of `views.tables.CALLS`, in parts that hold all calls of their trials.
    """
    of_trials = pd.concat([part.groupby("trial", sort=False)[list(PARTS)].sum() for part in calls])
    return pd.DataFrame({kind: of_trials[list(names)].sum(axis=1) for kind, names in KINDS.items()}).astype(float)


def spending(trials: pd.DataFrame, kinds: pd.DataFrame) -> dict[str, dict[str, Spending]]:
    """By dataset (as `views.metrics.by_dataset` names it) and variant.

    Args:
        trials: rows of `views.tables.TRIALS`.
        kinds: what their calls were spent on (`spent_on`).
    """
    found: dict[str, dict[str, Spending]] = {}
    for dataset, part in by_dataset(trials).items():
        # Sums depend on their order, in the last digits.
        attempts = attempts_of(part).sort_values("trial")
        for variant, its in attempts.groupby("variant", sort=True):
            known = its[its["cost_usd"].notna()]
            split = kinds.reindex(known["trial"]).fillna(0.0)
            parts = {str(kind): float(split[kind].mean()) for kind in split} if len(known) else {}
            if parts:
                parts[REST] = _tidy(float(known["cost_usd"].mean()), sum(parts.values()))
            found.setdefault(dataset, {})[str(variant)] = Spending(parts, len(known), len(its) - len(known))
    return found


def _tidy(whole: float, parts: float) -> float:
    """What is left of a whole: 0 where it is the rounding of the sum."""
    rest = whole - parts
    return 0.0 if abs(rest) <= 1e-9 * max(abs(whole), abs(parts)) else rest
