"""95 % intervals of calibration figures. The trial is what is drawn at random: steps of one trial resemble each other.

Pure, and the same every time: what resamples has a fixed seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    type Floats = NDArray[np.float64]

MIN_TRIALS = 6
"""Fewest trials from which an interval is resampled."""
RESAMPLES = 4_999
_SEED = 20_250_101
_Z = 1.959963984540054
"""The 0.975 quantile of the normal distribution."""
_MOST_UNDEFINED = 0.05
"""Where a figure is not defined in more of the resamples, the rest tell nothing of its spread."""
_ROUNDING = 1e-12
_BATCH = 2_000_000
"""Numbers that one batch of resamples may hold."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its 95 % interval.

    Attributes:
        value: None where it is not defined.
        low: lower end; None where there are too few trials, or the figure is not defined in their resamples.
        high: upper end.
        n: what it is a figure of: steps, or trials.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int


def wilson(hits: float, n: float) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson, 1927).

    Args:
        hits: how many of them; need not be whole.
        n: of how many, more than 0; an effective size need not be whole.
    """
    share = hits / n
    spread = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    centre, scale = share + _Z**2 / (2 * n), 1 + _Z**2 / n
    return max(0.0, min((centre - spread) / scale, share)), min(1.0, max((centre + spread) / scale, share))


def share(hits: int, n: int) -> Figure:
    """A share of independent units, such as trials, with Wilson's interval; no figure where there are none."""
    if not n:
        return Figure(None, None, None, 0)
    return Figure(hits / n, *wilson(hits, n), n)


def clustered_share(hits: Sequence[int], sizes: Sequence[int]) -> Figure:
    """A share of steps, with Wilson's interval on the effective sample size of steps in trials.

    That size is the one at which independent steps would have the standard error clustered by trial, p(1 - p) / SE²
    with the factor trials / (trials - 1) on the variance, and never more than the steps (Korn and Graubard, 1998; Dean
    and Pagano, 2015). Where all trials are alike, or there is one, it is the number of trials, which is cautious.

    Args:
        hits: of each trial.
        sizes: how many steps each trial has, in the same order.
    """
    total, trials = sum(sizes), sum(size > 0 for size in sizes)
    if not total:
        return Figure(None, None, None, 0)
    p = sum(hits) / total
    spread = sum((hit - p * size) ** 2 for hit, size in zip(hits, sizes, strict=True))
    effective = float(trials)
    if trials > 1 and spread > _ROUNDING:
        effective = min(float(total), p * (1 - p) * total**2 * (trials - 1) / (trials * spread))
    elif total == trials:
        effective = float(total)
    return Figure(p, *wilson(p * effective, effective), total)


type Bounds = tuple[float | None, float | None]


def resampled(counts: Floats, statistics: Sequence[Callable[[Floats], Floats]]) -> list[Bounds]:
    """Percentile bootstrap intervals over trials (Efron, 1979): trials are drawn, with all of their steps.

    Args:
        counts: of each trial, anything that adds up; the first axis is the trials.
        statistics: each from sums over drawn trials, the first axis the resamples, to one figure for each resample;
            NaN where it is not defined.

    Returns:
        For each statistic, the ends; None and None where there are fewer than `MIN_TRIALS` trials, where the figure is
        too often not defined, and where all resamples give one and the same, which tells nothing of other trials.
    """
    import numpy as np

    trials = len(counts)
    if trials < MIN_TRIALS:
        return [(None, None) for _ in statistics]
    random = np.random.default_rng(_SEED)
    flat = counts.reshape(trials, -1).astype(float)
    found: list[list[Floats]] = [[] for _ in statistics]
    left = RESAMPLES
    while left:
        size = min(left, max(1, _BATCH // trials))
        drawn = random.multinomial(trials, np.full(trials, 1 / trials), size=size).astype(float)
        sums = (drawn @ flat).reshape(size, *counts.shape[1:])
        for values, statistic in zip(found, statistics, strict=True):
            values.append(statistic(sums))
        left -= size
    return [_ends(np.concatenate(values)) for values in found]


def _ends(values: Floats) -> Bounds:
    import numpy as np

    known = values[~np.isnan(values)]
    if len(known) < (1 - _MOST_UNDEFINED) * len(values) or np.ptp(known) < _ROUNDING:
        return None, None
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)
