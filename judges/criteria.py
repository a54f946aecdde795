"""The criteria in force, by the name of their score, and which steps each is asked of."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from prompts import AppliesTo, Criterion, bundled_criteria, load_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from adapter.trial import Step, Trial


@cache
def criteria() -> Mapping[str, Criterion]:
    """The bundled criteria."""
    return MappingProxyType({criterion.criterion: criterion for criterion in bundled_criteria()})


def in_force(folder: Path | None) -> Mapping[str, Criterion]:
    """The bundled criteria, with those of a folder in place of them or beside them.

    Raises:
        CriterionError: the folder, or a file in it, cannot be used.
    """
    if folder is None:
        return criteria()
    own = {criterion.criterion: criterion for criterion in load_folder(folder)}
    return MappingProxyType({**criteria(), **own})


def applies(criterion: Criterion, trial: Trial, step: Step) -> bool:
    """Whether a criterion is asked of a step of the agent's."""
    match criterion.applies_to:
        case AppliesTo.EVERY_STEP:
            return True
        case AppliesTo.TOOL_CALLS:
            return bool(step.tool_calls)
        case AppliesTo.REASONING:
            return bool(step.message.strip() or (step.reasoning or "").strip())
        case AppliesTo.LAST_STEP:
            return step.number == _last(trial)


def _last(trial: Trial) -> int | None:
    """The agent's last step; a sub-agent's only where the agent itself has none."""
    acted = (step for step in reversed(trial.steps) if step.is_agent)
    last = next(acted, None)
    if last is not None and last.subagent:
        last = next((step for step in acted if not step.subagent), last)
    return None if last is None else last.number
