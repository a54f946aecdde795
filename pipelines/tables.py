"""The records as the tables that views work on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict

import pandas as pd

from adapter.costs import TrialCost
from adapter.trial import Tokens, Trial
from pipelines.cost import calls, trial_tokens
from pipelines.cost.attribution import Attribution, Parts, StepSpend
from pipelines.judged import Judged
from pipelines.regrades import Standing, standing_key
from views.tables import TRIALS, frame

type TableRow = dict[str, object]
"""A row of one of `views.tables`, by column."""


def trials_table(rows: Iterable[TableRow], standings: Mapping[str, Standing]) -> pd.DataFrame:
    """The table of trials, each as it stands once all regrades are known."""
    return frame([row | _standing(standings[standing_key(row["job_id"], row["trial_id"])]) for row in rows], TRIALS)


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


def trial_row(
    trial: Trial,
    cost: TrialCost,
    judged: Judged | None,
    spent: Attribution | None = None,
    category: str | None = None,
) -> TableRow:
    """The row of a trial by itself.

    Args:
        trial: the trial.
        cost: what it cost.
        judged: without that (None), nothing is known about flagged steps.
        spent: where its money went; without it, nothing is known of that but the residual.
        category: of its task.
    """
    steps = trial.agent_steps
    known = bool(trial.steps)
    shares = {} if judged is None else judged.shares
    judges = {} if judged is None else judged.judges
    return {
        "trial": trial.name,
        "job": trial.job,
        "job_id": trial.job_id,
        "trial_id": trial.trial_id,
        "task": trial.task,
        "task_checksum": trial.task_checksum,
        "category": category,
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
        **({} if spent is None else _spent(spent)),
        "seconds": trial.agent_seconds,
        "started_at": trial.time.started_at,
        **flags(shares, judges),
        "findings": len(trial.findings),
    }


def flags(shares: Mapping[str, float], judges: Mapping[str, str]) -> TableRow:
    """The columns of a trial's row that say how many of its steps were flagged, and by whom.

    Args:
        shares: by `<criterion>_flagged`.
        judges: the models that they rest on, by the same names.
    """
    flagged: TableRow = {f"flagged_{name.removesuffix('_flagged')}": share for name, share in shares.items()}
    return flagged | {f"judge_{name.removesuffix('_flagged')}": judge for name, judge in judges.items()}


def step_rows(trial: Trial, spent: Attribution, judged: Judged | None) -> Iterator[TableRow]:
    """The rows of a trial's steps; unless it was judged, no step has a label."""
    name = trial.name
    spends = {one.step: one for one in spent.steps}
    labels: dict[int, TableRow] = {}
    for verdict in () if judged is None else judged.verdicts:
        labels.setdefault(verdict.step, {})[verdict.criterion] = verdict.label
    for step in trial.steps:
        spend = spends.get(step.number)
        yield {
            "trial": name,
            "step": step.number,
            "source": step.source.value,
            "call": step.call,
            "model": step.model,
            "tools": " ".join(call.name for call in step.tool_calls) or None,
            "timestamp": step.timestamp,
            **_counts(step.tokens),
            **({"seconds": step.time.seconds, "timing": step.timing.value} if spend is None else _step_spend(spend)),
            **labels.get(step.number, {}),
        }


def call_rows(trial: Trial, spent: Attribution) -> Iterator[TableRow]:
    """The rows of a trial's LLM calls."""
    for one in spent.calls:
        anew = one.compaction
        yield {
            "trial": trial.name,
            "call": one.call,
            "step": one.steps[0],
            "steps": len(one.steps),
            "subagent": one.subagent,
            "segment": one.segment,
            "model": one.model,
            **_counts(one.tokens),
            "prompt": None if one.tokens is None else one.tokens.prompt,
            "resent_tokens": one.resent_tokens,
            "new_tokens": one.new_tokens,
            "cost_usd": one.usd,
            "cost_provenance": one.provenance.value,
            "price": one.price,
            "recorded_usd": one.recorded_usd,
            **_parts(one.parts),
            "is_compaction": None if one.resent_tokens is None else anew is not None,
            "compaction_usd": None if anew is None else anew.usd,
            "started_at": one.time.started_at,
            "seconds": one.time.seconds,
        }


def _spent(one: Attribution) -> TableRow:
    return {
        "recorded_usd": one.recorded_usd,
        "prompt_usd": _amount(one.prompt_usd),
        "unexplained_usd": one.unexplained_usd,
        "wasted_usd": _amount(one.wasted_usd),
    }


def _step_spend(one: StepSpend) -> TableRow:
    return {
        "cost_usd": one.usd,
        "cost_provenance": one.provenance.value,
        "price": one.price,
        **_parts(one.parts),
        "own_usd": _amount(one.own_usd),
        "carried_usd": _amount(one.carried_usd),
        "seconds": one.latency.seconds,
        "timing": one.latency.timing.value,
        "model_seconds": one.latency.model,
        "tool_seconds": one.latency.tools,
        "is_wasted": one.is_wasted,
    }


def _parts(one: Parts) -> TableRow:
    found = {f"{name}_usd": value for name, value in asdict(one).items()}
    return {name: value if name == "unexplained_usd" else _amount(value) for name, value in found.items()}


def _amount(usd: float | None) -> float | None:
    """A difference that is below 0 by rounding only is 0."""
    return None if usd is None else max(usd, 0.0)
