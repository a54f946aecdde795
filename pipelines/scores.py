"""Feedback scores on traces and spans, kept as they should be: only what differs is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from adapter.opik_store import Score, Stored
from adapter.trial import Trial, TrialCost
from pipelines.cost import trial_tokens


def trial_scores(trial: Trial, cost: TrialCost, row_id: str) -> list[Score]:
    """A trace's own scores: its rewards, cost, steps and tokens; what is not known has none."""
    tokens = trial_tokens(trial)
    whole = None if tokens is None or tokens.prompt is None or tokens.output is None else tokens.prompt + tokens.output
    values: dict[str, float | None] = {
        "reward": trial.reward,
        **{f"reward.{key}": value for key, value in trial.rewards.items() if key != "reward"},
        "cost_usd": cost.usd,
        "steps": len(trial.agent_steps) or None,
        "tokens": whole,
    }
    reasons = {"reward": f"{trial.status.value}", "cost_usd": cost.provenance.value}
    return [
        Score(row_id, name, round(value, 9), reason=reasons.get(name))
        for name, value in values.items()
        if value is not None
    ]


def is_trial_score(score: Score) -> bool:
    """Whether a trace's score is one of `trial_scores`."""
    return score.name in ("reward", "cost_usd", "steps", "tokens") or score.name.startswith("reward.")


def write_scores(
    wanted: Sequence[Score],
    rows_of_this_run: Iterable[Stored],
    is_ours: Callable[[Score], bool],
    send: Callable[[Sequence[Score]], None],
    delete: Callable[[Score], None],
) -> int:
    """Brings scores to what they should be, touching only those that differ.

    Args:
        wanted: the scores that should be there.
        rows_of_this_run: the rows that were read in this run, with the scores that programs gave them.
        is_ours: which of the stored scores are removed where they are not wanted.
        send: stores scores.
        delete: removes one.

    Returns:
        How many were written or removed.
    """
    there = {(row.id, name): scores for row in rows_of_this_run for name, scores in row.scores.items()}
    changed = [score for score in wanted if score not in there.get((score.row_id, score.name), ())]
    if changed:
        send(changed)
    kept = {(score.row_id, score.name) for score in wanted}
    stale = [
        score
        for key, scores in there.items()
        if key not in kept and (score := next(filter(is_ours, scores), None)) is not None
    ]
    for score in stale:
        delete(score)
    return len(changed) + len(stale)
