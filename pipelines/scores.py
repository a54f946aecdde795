"""Feedback scores on traces and spans, kept as they should be: only what differs is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from adapter.costs import TrialCost
from adapter.opik_rows import trial_key
from adapter.opik_store import Score, Stored
from adapter.trial import Trial
from pipelines.cost import tokens_in_all, trial_tokens

_LARGEST = 999_999_999
"""Opik refuses a score that is larger."""


@dataclass(frozen=True, slots=True)
class KeyedScore:
    """A score on the row of a key: which id that row has is known once it is stored."""

    key: str
    name: str
    value: float
    category: str | None = None
    reason: str | None = None

    def on(self, row_id: str) -> Score:
        """The score on the stored row."""
        return Score(row_id, self.name, self.value, self.category, self.reason)


def trial_scores(trial: Trial, cost: TrialCost) -> list[KeyedScore]:
    """A trace's own scores: its rewards, cost, steps and tokens; what is not known has none."""
    values: dict[str, float | None] = {
        "reward": trial.reward,
        **{f"reward.{key}": value for key, value in trial.rewards.items() if key != "reward"},
        "cost_usd": cost.usd,
        "steps": len(trial.agent_steps) or None,
        "tokens": tokens_in_all(trial_tokens(trial)),
    }
    reasons = {"reward": f"{trial.status.value}", "cost_usd": cost.provenance.value}
    return [
        KeyedScore(trial_key(trial), name, round(value, 9), reason=reasons.get(name))
        for name, value in values.items()
        if value is not None and abs(value) <= _LARGEST
    ]


def is_trial_score(score: Score) -> bool:
    """Whether a trace's score is one of `trial_scores`."""
    return score.name in ("reward", "cost_usd", "steps", "tokens") or score.name.startswith("reward.")


def write_scores(
    wanted: Iterable[KeyedScore],
    stored: Mapping[str, Stored],
    is_ours: Callable[[Score], bool],
    send: Callable[[Sequence[Score]], None],
    delete: Callable[[Score], None],
) -> int:
    """Brings scores to what they should be, touching only those that differ, and never what a person alone has scored.

    Args:
        wanted: the scores that should be there.
        stored: by key, the rows that may have them, with the scores that programs gave them.
        is_ours: which of the stored scores are removed where they are not wanted.
        send: stores scores.
        delete: removes one.

    Returns:
        How many were written or removed.
    """
    there = {(row.id, name): scores for row in stored.values() for name, scores in row.scores.items()}
    # A row that Opik does not take is not there, and is named as such.
    scores = [score.on(stored[score.key].id) for score in wanted if score.key in stored]
    labelled = {(row.id, name) for row in stored.values() for name in row.labels}
    changed = [
        score
        for score in scores
        if (score.row_id, score.name) not in labelled and score not in there.get((score.row_id, score.name), ())
    ]
    if changed:
        send(changed)
    kept = {(score.row_id, score.name) for score in scores}
    stale = [
        score
        for key, given in there.items()
        if key not in kept and (score := next(filter(is_ours, given), None)) is not None
    ]
    for score in stale:
        delete(score)
    return len(changed) + len(stale)
