"""A variant's result as a record of Kilo's public leaderboard.

The fields and their meaning are those of the records that Kilo's `model-eval-ingest` service takes in (in its public
repository `cloud`): an *attempt* there is one pass over the whole task set, so that `avgAttemptCostUsd` is
`total_cost_usd / n_attempts`, and `overall_score` is `total_score / n_total_trials`.
"""

from __future__ import annotations

import math

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from adapter.trial import Status
from views.metrics import by_dataset


class KiloRecord(BaseModel):
    """One variant on one dataset, over the attempts that count: failures of the infrastructure are none.

    Averages are over the attempts whose value is known. A total is null where the value of any attempt is not known:
    over some of the attempts it would not be the total.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, serialize_by_alias=True)

    bench_eval_name: str
    """What the record is known by: dataset, variant and jobs (`set/toy@1.0/openai/gpt-5/job`, jobs joined by `+`)."""
    bench_eval_url: str | None = None
    """Where the evaluation can be seen; null, as kilobench does not know."""
    provider: str | None
    """The model's provider."""
    model: str | None
    """The model with its provider, as Harbor's `-m` spells it."""
    variant: str | None
    """Kilo's name for the reasoning effort; null for the model's default."""
    task_source: str
    """The dataset; with its version where trials of several versions are there."""
    n_total_trials: int
    """Attempts at single tasks."""
    n_attempts: int | None
    """Attempts at the whole task set, which is attempts at each task; null where tasks have different numbers."""
    total_score: float
    """The sum of the rewards; an attempt that ended without one has 0."""
    overall_score: float | None
    """`total_score` per attempt at a task; null where there is none."""
    n_errored: int
    """How many of the attempts at single tasks an error or a time-out ended."""
    avg_cost_usd: float | None
    """US dollars per attempt at a task."""
    total_cost_usd: float | None
    avg_input_tokens: float | None
    """Tokens of the whole prompt, those read from and written to a cache among them (as Harbor's `n_input_tokens`)."""
    total_input_tokens: int | None
    avg_output_tokens: float | None
    """Output tokens, reasoning among them."""
    total_output_tokens: int | None
    avg_cache_read_tokens: float | None
    """Of the input tokens, those read from a cache."""
    total_cache_read_tokens: int | None
    avg_execution_ms: float | None
    """The agent's own wall time in milliseconds, without set-up and verifier."""
    promoted_at: int | None = None
    """When the record was published; null, as that is done by others."""
    promoted_by: str | None = None
    """Who published it; null likewise."""
    note: str | None = None
    """What they say of it; null likewise."""
    avg_attempt_cost_usd: float | None = Field(serialization_alias="avgAttemptCostUsd")
    """US dollars for one attempt at the whole task set: the sum over the tasks of what an attempt at each costs."""


def kilo_records(trials: pd.DataFrame) -> list[KiloRecord]:
    """A record for each variant on each dataset, in the order of their names.

    Args:
        trials: rows of `views.tables.TRIALS`, in any order.
    """
    return [
        _record(dataset, str(name), rows.sort_values("trial"))
        for dataset, part in by_dataset(trials).items()
        for name, rows in part.groupby("variant")
    ]


def _record(dataset: str, name: str, rows: pd.DataFrame) -> KiloRecord:
    attempts = rows[[Status(str(status)).counts for status in rows["status"]]]
    counts = set(attempts.groupby("task").size())
    score = float(attempts["reward"].fillna(0.0).sum())
    cached = attempts[["cache_read", "cache_write"]].fillna(0).sum(axis=1)
    cost, prompt = attempts["cost_usd"], attempts["input"] + cached
    of_tasks = attempts.groupby("task")["cost_usd"].mean()
    first = rows.iloc[0]
    provider, model = _text(first["provider"]), _text(first["model"])
    return KiloRecord(
        bench_eval_name=f"{dataset}/{name}/{'+'.join(sorted(set(rows['job'])))}",
        provider=provider,
        model=model if model is None or provider is None else f"{provider}/{model}",
        variant=_text(first["effort"]),
        task_source=dataset,
        n_total_trials=len(attempts),
        n_attempts=int(counts.pop()) if len(counts) == 1 else None,
        total_score=score,
        overall_score=score / len(attempts) if len(attempts) else None,
        n_errored=int(attempts["status"].isin([Status.AGENT_ERROR.value, Status.TIMED_OUT.value]).sum()),
        avg_cost_usd=_mean(cost),
        total_cost_usd=_total(cost),
        avg_input_tokens=_mean(prompt),
        total_input_tokens=_whole(prompt),
        avg_output_tokens=_mean(attempts["output"]),
        total_output_tokens=_whole(attempts["output"]),
        avg_cache_read_tokens=_mean(attempts["cache_read"]),
        total_cache_read_tokens=_whole(attempts["cache_read"]),
        avg_execution_ms=_mean(attempts["seconds"] * 1000),
        avg_attempt_cost_usd=_total(of_tasks),
    )


def _mean(values: pd.Series) -> float | None:
    """Of what is known; None where nothing is."""
    known = values.dropna()
    return _finite(float(known.mean())) if len(known) else None


def _total(values: pd.Series) -> float | None:
    """The sum; None where any is not known, or there is none."""
    return _finite(float(values.sum())) if len(values) and bool(values.notna().all()) else None


def _whole(values: pd.Series) -> int | None:
    total = _total(values)
    return None if total is None else int(total)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
