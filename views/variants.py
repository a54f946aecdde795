"""Each variant in one row: what it costs, and how it works (`views.tables.VARIANTS`)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adapter.errors import BadInputError
from adapter.trial import Status
from views.economy import Attempts, economy, efficiency
from views.fingerprint import fingerprints
from views.metrics import attempts_of, by_dataset, tokens_in_all
from views.results import Estimate, Spent, Spread, VariantCost
from views.tables import BEHAVIOUR, COUNTED, SPENT, VARIANTS, frame
from views.tables.variants import named

type Floats = NDArray[np.float64]
type Row = Mapping[str, object]

_IDENTITY = ("variant", "agent", "agent_version", "model", "provider", "effort", "digest")


def variants_table(
    trials: pd.DataFrame,
    steps: pd.DataFrame,
    calls: pd.DataFrame,
    actions: pd.DataFrame,
    baseline: str | None = None,
) -> pd.DataFrame:
    """The row of every variant on every dataset, by their names.

    Args:
        trials: rows of `views.tables.TRIALS`; with the others in any order.
        steps: rows of `STEPS`.
        calls: rows of `CALLS`.
        actions: rows of `ACTIONS`.
        baseline: the variant that the others' efficiency is compared with; None for none. On a dataset that it was not
            run on, there is none.

    Raises:
        BadInputError: there is no variant of that name.
    """
    return variants_of(trials, fingerprints(trials, steps, calls, actions), baseline)


def variants_of(trials: pd.DataFrame, prints: pd.DataFrame, baseline: str | None = None) -> pd.DataFrame:
    """The same from fingerprints that are counted already.

    Args:
        trials: rows of `views.tables.TRIALS`.
        prints: rows of `FINGERPRINTS`: those of all attempts, in any order.
        baseline: see `variants_table`.

    Raises:
        BadInputError: there is no variant of that name.
    """
    names = sorted({str(name) for name in trials["variant"].unique()})
    if baseline is not None and baseline not in names:
        raise BadInputError(
            f"{baseline} is none of the variants", f"Name one of these as the baseline: {', '.join(names) or 'none'}."
        )
    of_trial = prints.set_index("trial")
    rows = [
        row
        for dataset, part in by_dataset(trials).items()
        for row in _dataset_rows(dataset, _arms(part, of_trial), baseline)
    ]
    return frame(rows, VARIANTS)


@dataclass(frozen=True, slots=True)
class _Arm:
    """One variant on one dataset.

    Attributes:
        identity: its name and its parts.
        excluded: trials that are no attempts.
        tasks: of each attempt, as a number that is the same for all variants on the dataset.
        passed: of each attempt.
        numbers: of each attempt, by quantity; NaN where not known.
    """

    identity: dict[str, object]
    excluded: int
    tasks: NDArray[np.int64]
    passed: NDArray[np.bool_]
    numbers: dict[str, Floats]

    def attempts(self, quantity: str) -> Attempts:
        """What each attempt took of something."""
        return Attempts(self.numbers[quantity], self.tasks, self.passed)


def _arms(trials: pd.DataFrame, prints: pd.DataFrame) -> list[_Arm]:
    """The variants on one dataset, in the order of their names."""
    # Sums depend on their order, in the last digits: the same trials give the same numbers wherever they were read.
    attempts = attempts_of(trials).sort_values("trial")
    own = prints.reindex(attempts["trial"])
    columns = {
        **{name: attempts[named(name)] for name in ("cost", "seconds", *COUNTED)},
        "tokens": tokens_in_all(attempts),
        **{name: own[name] for name in BEHAVIOUR},
    }
    numbers = {name: column.to_numpy(float, na_value=np.nan) for name, column in columns.items()}
    tasks = pd.factorize(attempts["task"])[0]
    passed = (attempts["status"] == Status.PASSED.value).to_numpy(bool)
    places = attempts["variant"].reset_index(drop=True).groupby(attempts["variant"].to_numpy()).indices
    arms: list[_Arm] = []
    for name, part in trials.groupby("variant", sort=True):
        at = places.get(name, np.array([], dtype=np.int64))
        first = part.iloc[0]
        arms.append(
            _Arm(
                identity={one: None if pd.isna(first[one]) else first[one] for one in _IDENTITY},
                excluded=len(part) - len(at),
                tasks=tasks[at],
                passed=passed[at],
                numbers={one: values[at] for one, values in numbers.items()},
            )
        )
    return arms


def _dataset_rows(dataset: str, arms: list[_Arm], baseline: str | None) -> Iterator[dict[str, object]]:
    base = next((arm for arm in arms if arm.identity["variant"] == baseline), None)
    for arm in arms:
        tried, passes = len(arm.passed), int(arm.passed.sum())
        yield {
            "dataset": dataset,
            **arm.identity,
            "baseline": None if base is None else baseline,
            "tasks": len(np.unique(arm.tasks)),
            "attempts": tried,
            "passes": passes,
            "excluded": arm.excluded,
            "pass_rate": passes / tried if tried else None,
            **{column: value for name in SPENT for column, value in _spent(name, arm, base).items()},
            **{
                column: value
                for name in COUNTED
                for column, value in _spread(named(name, "per_attempt"), arm.numbers[name]).items()
            },
            **{column: value for name in BEHAVIOUR for column, value in _spread(name, arm.numbers[name]).items()},
        }


def _spent(quantity: str, arm: _Arm, base: _Arm | None) -> dict[str, object]:
    own = arm.attempts(quantity)
    taken = economy(own)
    return {
        named(quantity): taken.total,
        **_spread(named(quantity, "per_attempt"), own.amounts),
        f"{quantity}_tasks": taken.tasks,
        named(quantity, "of_task_set"): taken.of_task_set,
        named(quantity, "to_complete"): taken.to_complete,
        f"{quantity}_to_complete_at_least": taken.at_least,
        named(quantity, "per_point"): taken.per_point,
        f"{quantity}_efficiency": None if base is None else efficiency(base.attempts(quantity), own),
    }


_SPREAD = ("sd", "q25", "median", "q75", "n", "missing")


def _spread(name: str, values: Floats) -> dict[str, object]:
    known = values[~np.isnan(values)]
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75]) if len(known) else (None, None, None)
    return {
        name: known.mean() if len(known) else None,
        f"{name}_sd": known.std(ddof=1) if len(known) > 1 else None,
        f"{name}_q25": low,
        f"{name}_median": middle,
        f"{name}_q75": high,
        f"{name}_n": len(known),
        f"{name}_missing": len(values) - len(known),
    }


def variant_costs(table: pd.DataFrame) -> list[VariantCost]:
    """Rows of `views.tables.VARIANTS` as `--json` and the terminal show them; infinite numbers say that they are."""
    known = table.astype(object).where(table.notna(), None)
    return [_variant_cost(dict(zip(known.columns, row, strict=True))) for row in known.itertuples(index=False)]


def behaviour_of(table: pd.DataFrame) -> dict[str, dict[str, dict[str, Spread]]]:
    """How each variant works (`views.tables.BEHAVIOUR`), by dataset and variant.

    Args:
        table: rows of `views.tables.VARIANTS`.
    """
    found: dict[str, dict[str, dict[str, Spread]]] = {}
    for one in variant_costs(table):
        found.setdefault(one.dataset, {})[one.variant] = one.behaviour
    return found


def _variant_cost(row: Row) -> VariantCost:
    plain = {name: row[name] for name in VariantCost.model_fields if name in row and name not in SPENT}
    return VariantCost.model_validate(
        plain
        | {name: _spent_of(row, name) for name in SPENT}
        | {
            "counted": {name: _spread_of(row, named(name, "per_attempt")) for name in COUNTED},
            "behaviour": {name: _spread_of(row, name) for name in BEHAVIOUR},
        }
    )


def _spread_of(row: Row, name: str) -> Spread:
    return Spread.model_validate({"mean": row[name]} | {one: row[f"{name}_{one}"] for one in _SPREAD})


def _spent_of(row: Row, quantity: str) -> Spent:
    counts = {
        "n": row[f"{named(quantity, 'per_attempt')}_n"],
        "missing": row[f"{named(quantity, 'per_attempt')}_missing"],
    }
    is_partial = row[f"{quantity}_tasks"] != row["tasks"]

    def estimate(column: str, *, at_least: object, reason: str) -> Estimate:
        value = cast("float | None", row[column])
        infinite = value is not None and math.isinf(value)
        reasons = {"reason": "no success" if infinite else reason if value is None else None}
        fields = {"value": None if infinite else value, "infinite": infinite}
        return Estimate.model_validate(
            counts | fields | reasons | {"at_least": bool(at_least) and value is not None and not infinite}
        )

    unknown = f"no {'time' if quantity == 'seconds' else quantity} is known" if row["attempts"] else "no attempt"
    return Spent(
        total=cast("float | None", row[named(quantity)]),
        per_attempt=_spread_of(row, named(quantity, "per_attempt")),
        of_task_set=estimate(named(quantity, "of_task_set"), at_least=is_partial, reason=unknown),
        to_complete=estimate(
            named(quantity, "to_complete"), at_least=row[f"{quantity}_to_complete_at_least"], reason=unknown
        ),
        per_point=estimate(named(quantity, "per_point"), at_least=is_partial, reason=unknown),
        efficiency=estimate(f"{quantity}_efficiency", at_least=False, reason="nothing to compare it with"),
    )
