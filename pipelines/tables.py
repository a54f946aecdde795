"""The records as the tables that views work on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from adapter.trial import Tokens, Trial, TrialCost
from judges.rollup import rollup
from judges.verdict import Verdict
from pipelines.cost import trial_tokens
from pipelines.judge import Verdicts
from views.tables import STEPS, TRIALS, frame

type Priced = tuple[Trial, TrialCost]


def trials_table(trials: Sequence[Priced], verdicts: Verdicts | None) -> pd.DataFrame:
    """One row per trial; without verdicts (None) nothing is known about flagged steps."""
    return frame([_trial(trial, cost, verdicts) for trial, cost in trials], TRIALS)


def steps_table(trials: Sequence[Priced], verdicts: Verdicts | None) -> pd.DataFrame:
    """One row per ATIF step."""
    return frame([row for trial, cost in trials for row in _steps(trial, cost, verdicts)], STEPS)


def write_tables(folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Writes each table as `NAME.parquet` into an existing folder; raises `OSError` where it cannot."""
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)


def _counts(tokens: Tokens | None) -> dict[str, object]:
    counted = tokens or Tokens()
    return {
        "input": counted.input,
        "cache_read": counted.cache_read,
        "cache_write": counted.cache_write,
        "output": counted.output,
        "reasoning": counted.reasoning,
    }


def _trial(trial: Trial, cost: TrialCost, verdicts: Verdicts | None) -> dict[str, object]:
    steps = trial.agent_steps
    known = bool(trial.steps)
    shares = {} if verdicts is None else rollup(trial, list(verdicts[trial.name]))
    return {
        "trial": trial.name,
        "job": trial.job,
        "job_id": trial.job_id,
        "trial_id": trial.trial_id,
        "task": trial.task,
        "task_checksum": trial.task_checksum,
        "dataset": trial.dataset,
        "dataset_version": trial.dataset_version,
        **trial.variant.fields(),
        "status": trial.status.value,
        "passed": trial.passed,
        "reward": trial.reward,
        "exception": None if trial.exception is None else trial.exception.type,
        "atif_version": trial.atif_version,
        "steps": len(trial.steps) if known else None,
        "agent_steps": len(steps) if known else None,
        "llm_calls": len({step.call for step in steps if step.call is not None}) if known else None,
        "tool_calls": sum(len(step.tool_calls) for step in steps) if known else None,
        **_counts(trial_tokens(trial)),
        "cost_usd": cost.usd,
        "cost_provenance": cost.provenance.value,
        "residual_usd": cost.residual_usd,
        "seconds": trial.agent_time.seconds,
        "started_at": trial.time.started_at,
        **{f"flagged_{name.removesuffix('_flagged')}": share for name, share in shares.items()},
        "findings": len(trial.findings),
    }


def _steps(trial: Trial, cost: TrialCost, verdicts: Verdicts | None) -> list[dict[str, object]]:
    costs = {one.step: one for one in cost.steps}
    given: Sequence[Verdict] = () if verdicts is None else verdicts[trial.name]
    labels = {(verdict.step, verdict.criterion): verdict.label for verdict in given}
    criteria = {criterion for _, criterion in labels}
    return [
        {
            "trial": trial.name,
            "step": step.number,
            "source": step.source.value,
            "call": step.call,
            "model": step.model,
            "tools": " ".join(call.name for call in step.tool_calls) or None,
            "timestamp": step.timestamp,
            **_counts(step.tokens),
            "cost_usd": costs[step.number].usd if step.number in costs else None,
            "cost_provenance": costs[step.number].provenance.value if step.number in costs else None,
            **{name: labels.get((step.number, name)) for name in criteria},
        }
        for step in trial.steps
    ]
