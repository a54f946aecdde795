"""Verdicts on steps rolled up to the trial they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from judges.criteria import criteria
from judges.final import final, is_rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapter.trial import Trial
    from judges.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Share:
    """How many of a trial's steps are flagged by a criterion.

    Attributes:
        flagged: steps with a value below 1.
        of: all of the agent's steps, where rules alone speak; where a model judged some, those that it judged.
        steps: all of the agent's steps.
        by: the model, or panel, that judged, with its prompt; None where rules alone did.
    """

    flagged: int
    of: int
    steps: int
    by: str | None = None

    @property
    def value(self) -> float:
        """0 to 1."""
        return self.flagged / self.of

    @property
    def reason(self) -> str | None:
        """What it rests on, where that is a model's word."""
        if self.by is None:
            return None
        rest = "" if self.of == self.steps else f"; {self.steps - self.of} have no verdict"
        return f"{self.flagged} of {self.of} steps that were judged{rest}\n[by {self.by}]"


def rollup(trial: Trial, verdicts: Iterable[Verdict]) -> dict[str, float]:
    """The share of the agent's steps that are flagged, by criterion, as `<criterion>_flagged`; see `shares`."""
    return {name: share.value for name, share in shares(trial, verdicts).items()}


def shares(trial: Trial, verdicts: Iterable[Verdict]) -> dict[str, Share]:
    """The share of the agent's steps that are flagged, by criterion, as `<criterion>_flagged`.

    A step is flagged when the verdict that counts has a value below 1. Rules speak of bad steps only: their share is
    taken over all of the agent's steps, never over the flagged ones, so that it is a rate. Where a model judged by a
    criterion, the share is taken over the steps that it gave a verdict on, an answer that is no mark among them: a step
    without a verdict is neither good nor bad. Verdicts on other trials, or on steps that are not the agent's, do not
    count.

    Returns:
        0 flagged for a bundled criterion that nobody flagged by; empty when the agent took no step.
    """
    steps = {step.number for step in trial.agent_steps}
    if not steps:
        return {}
    said: dict[str, list[Verdict]] = {name: [] for name in criteria()}
    for verdict in verdicts:
        if verdict.trial == trial.name and verdict.step in steps:
            said.setdefault(verdict.criterion, []).append(verdict)
    return {f"{name}_flagged": _share(its, len(steps)) for name, its in said.items()}


def _share(verdicts: list[Verdict], steps: int) -> Share:
    by_model = {verdict.step: verdict for verdict in verdicts if not is_rule(verdict)}
    counting = [one.verdict for one in final(verdicts) if not by_model or one.verdict.step in by_model]
    flagged = {verdict.step for verdict in counting if verdict.value is not None and verdict.value < 1}
    if not by_model:
        return Share(len(flagged), steps, steps)
    names = ", ".join(sorted({_judge(verdict) for verdict in by_model.values()}))
    return Share(len(flagged), len(by_model), steps, names)


def _judge(verdict: Verdict) -> str:
    return verdict.by if verdict.prompt_version is None else f"{verdict.by}, prompt {verdict.prompt_version}"
