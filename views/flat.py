"""Results as flat tables, for a spreadsheet: a row per variant, per metric of a pair, and per flipped task.

A text that a spreadsheet would take for a formula begins with an apostrophe, as spreadsheets have it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from views import format as fmt
from views.results import Comparison, Estimate, Flip, PairMetric, VariantResult

_ESTIMATES = (
    *("pass_rate", "cost_per_attempt_usd", "cost_to_complete_usd"),
    *("tokens_per_attempt", "seconds_per_attempt", "steps_per_attempt"),
)
_VARIANT = (
    *("variant", "agent", "agent_version", "model", "provider", "effort", "digest"),
    *("tasks", "attempts", "passes"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_tables(
    variants: Mapping[str, Sequence[VariantResult]], comparisons: Sequence[Comparison]
) -> dict[str, pd.DataFrame]:
    """`variants`, `pairs` and `flips`, each with its head also where it has no row; an unknown value is empty.

    Args:
        variants: by dataset.
        comparisons: of these variants.
    """
    pairs = [(one, pair) for one in comparisons for pair in one.pairs]
    rows = {
        "variants": [{"dataset": dataset} | _variant(one) for dataset, several in variants.items() for one in several],
        "pairs": [
            {"comparison": one.name, "by": one.by, "dataset": one.dataset, "a": pair.a, "b": pair.b}
            | metric.model_dump()
            for one, pair in pairs
            for metric in pair.metrics
        ],
        "flips": [
            {"comparison": one.name, "dataset": one.dataset, "a": pair.a, "b": pair.b} | flip.model_dump()
            for one, pair in pairs
            for flip in pair.flips
        ],
    }
    heads = {
        "variants": ("dataset", *_VARIANT, "excluded", *_ESTIMATES),
        "pairs": ("comparison", "by", "dataset", "a", "b", *PairMetric.model_fields),
        "flips": ("comparison", "dataset", "a", "b", *Flip.model_fields),
    }
    return {
        name: pd.DataFrame(
            [{column: _safe(value) for column, value in row.items()} for row in several],
            columns=None if several else list(heads[name]),
        )
        for name, several in rows.items()
    }


def _variant(one: VariantResult) -> dict[str, object]:
    found: dict[str, object] = {name: getattr(one, name) for name in _VARIANT}
    found["excluded"] = sum(one.excluded.values())
    estimates: dict[str, Estimate] = {name: getattr(one, name) for name in _ESTIMATES}
    estimates |= {f"{name}_flagged": score for name, score in one.scores.items()}
    estimates |= {f"{name}_flagged_corrected": score for name, score in one.corrected.items()}
    estimates |= {f"pass@{k}": value for k, value in one.pass_at_k.items()}
    estimates |= {f"pass^{k}": value for k, value in one.pass_hat_k.items()}
    for name, value in estimates.items():
        found |= {name: value.number, f"{name}_low": value.low, f"{name}_high": value.high}
        if value.at_least:
            found[f"{name}_is_at_least"] = True
    return found


def _safe(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = fmt.one_line(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
