"""All the tables that are handed on: of what was noted trial by trial, and the variants that are made of it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from adapter.errors import BadInputError
from pipelines.notes import Notes
from views import format as fmt
from views.metrics import attempts_of, by_dataset
from views.variants import variants_table


def all_tables(notes: Notes, trials: pd.DataFrame, baseline: str | None = None) -> dict[str, pd.DataFrame]:
    """Every table by its name.

    Args:
        notes: of the trials, with all details.
        trials: the table of trials.
        baseline: see `variants_frame`.
    """
    details = notes.details()
    return {"trials": trials} | details | {"variants": variants_frame(trials, details, baseline)}


def variants_frame(
    trials: pd.DataFrame, details: Mapping[str, pd.DataFrame], baseline: str | None = None
) -> pd.DataFrame:
    """The table of variants (`views.tables.VARIANTS`).

    Args:
        trials: the table of trials.
        details: the tables of steps, calls and actions, by name.
        baseline: the variant that the others are compared with; None for the one with the highest pass rate on each
            dataset, as KiloBench has it, of those whose cost is known; of several, the first by name.

    Raises:
        BadInputError: there is no variant of that name.
    """

    def table(base: str | None) -> pd.DataFrame:
        return variants_table(trials, details["steps"], details["calls"], details["actions"], base)

    if baseline is not None:
        _check(baseline, trials)
        return table(baseline)
    best = {dataset: _best(part) for dataset, part in by_dataset(trials).items()}
    tables = {base: table(base) for base in dict.fromkeys(best.values())}
    rows = [found[found["dataset"] == dataset] for dataset, base in best.items() for found in (tables[base],)]
    return pd.concat(rows, ignore_index=True) if rows else table(None)


def _best(trials: pd.DataFrame) -> str | None:
    """The variant with the highest pass rate; None where nothing was attempted.

    It is one of those with a known cost, if there are any: with another's (an oracle's) none could be compared.
    """
    attempts = attempts_of(trials)
    known = attempts[attempts["variant"].isin(attempts["variant"][attempts["cost_usd"].notna()])]
    rates = (attempts if known.empty else known).groupby("variant")["passed"].mean().dropna()
    return None if rates.empty else str(rates.astype(float).idxmax())


def _check(baseline: str, trials: pd.DataFrame) -> None:
    names = [str(name) for name in sorted(trials["variant"].unique())]
    if baseline not in names:
        there = ", ".join(map(fmt.one_line, names)) or "there is no trial"
        raise BadInputError(
            f"No trial is of the variant {fmt.one_line(baseline)}.", f"Give one of those that are there: {there}."
        )
