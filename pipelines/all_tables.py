"""All the tables that are handed on: of what was noted trial by trial, and the variants that are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from adapter.errors import BadInputError
from pipelines.notes import Notes
from views import format as fmt
from views.fingerprint import fingerprints_of
from views.metrics import attempts_of, by_dataset
from views.spending import Spending, spending, spent_on
from views.tables import Parts
from views.variants import variants_of


@dataclass(frozen=True, slots=True)
class Tables:
    """All tables.

    Attributes:
        trials: rows of `views.tables.TRIALS`.
        details: the tables of what is below a trial (`pipelines.notes.DETAILS`), in parts.
        variants: rows of `views.tables.VARIANTS`.
    """

    trials: pd.DataFrame
    details: Parts
    variants: pd.DataFrame

    def spending(self) -> dict[str, dict[str, Spending]]:
        """What the variants' money was spent on; see `views.spending`."""
        return spending(self.trials, spent_on(part["calls"] for part in self.details))

    def write(self, folder: Path) -> None:
        """Writes each as `NAME.parquet`, or in parts, into an existing folder; raises `OSError` where it cannot."""
        self.trials.to_parquet(folder / "trials.parquet", index=False)
        self.details.write(folder)
        self.variants.to_parquet(folder / "variants.parquet", index=False)


def all_tables(notes: Notes, trials: pd.DataFrame, baseline: str | None = None) -> Tables:
    """All tables.

    Args:
        notes: of the trials, with all details.
        trials: the table of trials.
        baseline: see `variants_frame`.
    """
    details = notes.details()
    return Tables(trials, details, variants_frame(trials, details, baseline))


def variants_frame(trials: pd.DataFrame, details: Parts, baseline: str | None = None) -> pd.DataFrame:
    """The table of variants (`views.tables.VARIANTS`).

    Args:
        trials: the table of trials.
        details: the tables of steps, calls and actions.
        baseline: the variant that the others are compared with; None for the one with the highest pass rate on each
            dataset, as KiloBench has it, of those whose cost is known; of several, the first by name.

    Raises:
        BadInputError: there is no variant of that name.
    """
    prints = fingerprints_of(trials, details)
    if baseline is not None:
        _check(baseline, trials)
        return variants_of(trials, prints, baseline)
    best = {dataset: _best(part) for dataset, part in by_dataset(trials).items()}
    tables = {base: variants_of(trials, prints, base) for base in dict.fromkeys(best.values())}
    rows = [found[found["dataset"] == dataset] for dataset, base in best.items() for found in (tables[base],)]
    return pd.concat(rows, ignore_index=True) if rows else variants_of(trials, prints)


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
