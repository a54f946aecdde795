"""Looking several times without cheating: the level of each look, so that all of them err as seldom as one would.

The alpha-spending approach of Lan and DeMets (1983): how much of the error may be spent by which share of the
attempts is laid down beforehand; here by the square of that share (Kim and DeMets 1987), which lies between the
spending of O'Brien and Fleming and that of Pocock: docs/gate.md has what each comes to. The levels are found by
integrating the statistic's Brownian motion from look to look (Armitage, McPherson and Rowe 1969). The regression
bound and the pass bound each have their own 5 %: they refute different things.

Where one side does not grow, as a saved baseline, the looks resemble each other more than is reckoned with, and err
less.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from views.resampling import ALPHA

MOST_LOOKS = 100
_POINTS = 1201
_FAR = 8.0
"""Standard deviations below 0 that the integration begins at: below lies nothing."""


@dataclass(frozen=True, slots=True)
class Look:
    """Which look this is, of how many at most; each adds one attempt per task, so that it is also the attempts'."""

    number: int
    of: int

    @property
    def share(self) -> float:
        """The share of the information that is there."""
        return self.number / self.of

    @property
    def is_last(self) -> bool:
        """Whether no other can follow."""
        return self.number >= self.of


type Spending = Callable[[float, float], float]
"""How much of an error may have been spent by a share of the attempts: from 0 at none to all of it at 1."""


def spent(share: float, alpha: float = ALPHA) -> float:
    """How much of the error may have been spent once this share of the attempts is there.

    Args:
        share: above 0 and at most 1.
        alpha: all of it.
    """
    return alpha * share**2


def level(look: Look, alpha: float = ALPHA) -> float:
    """The one-sided level at which this look decides."""
    return levels(look.of, alpha)[look.number - 1]


@lru_cache(maxsize=256)
def levels(looks: int, alpha: float = ALPHA, spending: Spending = spent) -> tuple[float, ...]:
    """The one-sided level of each look.

    Args:
        looks: how many there may be, 1 to `MOST_LOOKS`.
        alpha: how often all of them together may err.
        spending: how much of that may have been spent by when.
    """
    found: list[float] = []
    before, step = 0.0, 1 / looks
    grid, density = np.zeros(1), np.ones(1)
    for number in range(1, looks + 1):
        now = spending(number / looks, alpha)
        # The chance that the motion, not yet stopped, is above a boundary at this look.
        low, high = -_FAR, _FAR
        for _ in range(60):
            boundary = (low + high) / 2 * math.sqrt(number / looks)
            beyond = float((density * special.ndtr((grid - boundary) / math.sqrt(step))).sum())
            low, high = ((low + high) / 2, high) if beyond > now - before else (low, (low + high) / 2)
        quantile = (low + high) / 2
        found.append(float(special.ndtr(-quantile)))
        scale = math.sqrt(number / looks)
        edges = np.linspace(-_FAR * scale, quantile * scale, _POINTS)
        width = edges[1] - edges[0]
        middles = (edges[1:] + edges[:-1]) / 2
        moves = np.exp(-np.square(middles[:, None] - grid[None, :]) / (2 * step)) / math.sqrt(2 * math.pi * step)
        grid, density, before = middles, (moves @ density) * width, now
    return tuple(found)
