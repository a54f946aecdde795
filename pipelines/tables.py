"""The records as the tables that views work on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pandas as pd

from adapter.costs import TrialCost
from adapter.trial import Tokens, Trial
from pipelines.cost import calls, trial_tokens
from pipelines.judge import Judgement
from pipelines.regrades import Standing, standing_key
from views.tables import TRIALS, frame

type TableRow = dict[str, object]
"""A row of `views.tables.TRIALS` or `STEPS`, by column."""


def trials_table(rows: Iterable[TableRow], standings: Mapping[str, Standing]) -> pd.DataFrame:
    """The table of trials, each as it stands once all regrades are known."""
    return frame([row | _standing(standings[standing_key(row["job_id"], row["trial_id"])]) for row in rows], TRIALS)


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


def _standing(one: Standing) -> TableRow:
    return {
        "status": one.status.value,
        "passed": one.passed,
        "reward": one.reward,
        "regrade_of": one.regrade_of,
        "graded_by": one.graded_by,
    }


def trial_row(trial: Trial, cost: TrialCost, judgement: Judgement | None) -> TableRow:
    """The row of a trial by itself; without a judgement (None) nothing is known about flagged steps."""
    steps = trial.agent_steps
    known = bool(trial.steps)
    shares = {} if judgement is None else judgement.shares
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
        "llm_calls": len(calls(trial)) if known else None,
        "tool_calls": sum(len(step.tool_calls) for step in steps) if known else None,
        **_counts(trial_tokens(trial)),
        "cost_usd": cost.usd,
        "cost_provenance": cost.provenance.value,
        "residual_usd": cost.residual_usd,
        "seconds": trial.agent_seconds,
        "started_at": trial.time.started_at,
        **{f"flagged_{name.removesuffix('_flagged')}": share for name, share in shares.items()},
        "findings": len(trial.findings),
    }


def step_rows(trial: Trial, cost: TrialCost, judgement: Judgement | None) -> Iterator[TableRow]:
    """The rows of a trial's steps; without a judgement (None) no step has a label."""
    name = trial.name
    costs = {one.step: one for one in cost.steps}
    labels: dict[int, TableRow] = {}
    for verdict in () if judgement is None else judgement.verdicts:
        labels.setdefault(verdict.step, {})[verdict.criterion] = verdict.label
    for step in trial.steps:
        own = costs.get(step.number)
        yield {
            "trial": name,
            "step": step.number,
            "source": step.source.value,
            "call": step.call,
            "model": step.model,
            "tools": " ".join(call.name for call in step.tool_calls) or None,
            "timestamp": step.timestamp,
            **_counts(step.tokens),
            "cost_usd": None if own is None else own.usd,
            "cost_provenance": None if own is None else own.provenance.value,
            **labels.get(step.number, {}),
        }
