"""Which steps are judged together: consecutive ones of the agent's, some at a time."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapter.trial import Trial

DEFAULT_WINDOW = 15
"""Steps in one call, chosen by measurement (`python -m benchmarks judge-tokens`)."""


def windows(trial: Trial, size: int) -> tuple[tuple[int, ...], ...]:
    """The numbers of the agent's steps in groups of at most `size`; copied context is not the agent's."""
    return tuple(itertools.batched((step.number for step in trial.agent_steps), size))
