"""Verdicts on steps rolled up to the trial they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judges.criteria import criteria

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapter.trial import Trial
    from judges.verdict import Verdict


def rollup(trial: Trial, verdicts: Iterable[Verdict]) -> dict[str, float]:
    """The share of the agent's steps that are flagged, by criterion, as `<criterion>_flagged`.

    A step is flagged by a criterion when at least one verdict on it has a value below 1. The share is taken over
    all of the agent's steps, never over the judged ones, so that rules, which speak of bad steps only, give a rate.
    Verdicts on other trials, or on steps that are not the agent's, do not count.

    Returns:
        shares in 0..1, 0 for a criterion that flagged nothing; empty when the agent took no step.
    """
    steps = {step.number for step in trial.agent_steps}
    if not steps:
        return {}
    flagged: dict[str, set[int]] = {name: set() for name in criteria()}
    for verdict in verdicts:
        marked = flagged.setdefault(verdict.criterion, set())
        if verdict.trial == trial.name and verdict.value is not None and verdict.value < 1:
            marked.add(verdict.step)
    return {f"{name}_flagged": len(marked & steps) / len(steps) for name, marked in flagged.items()}
