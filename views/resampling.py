"""What resampled intervals and tests share: the level, the seed, the draws of tasks, and what counts as equal.

The task is the unit that is drawn at random, with all its attempts: attempts at one task resemble each other. Drawing
attempts within a drawn task again would count the spread within tasks twice (Davison and Hinkley 1997, Bootstrap
Methods and their Application, section 3.8).

Whatever resamples does so with a fixed seed: the same input gives the same output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

type Floats = NDArray[np.float64]

MIN_TASKS = 6
"""Fewest tasks for a resampled interval or a verdict. With 5, even five differences in one direction reach no
more than p = 2/32 = 0.0625."""

ALPHA = 0.05
RESAMPLES = 9_999
SEED = 20_250_101

# Values this close to each other, relative to the largest of them, differ by rounding only.
ROUNDING = 1e-12
# Numbers that one batch of resamples may hold, to bound memory (32 MB).
BATCH = 4_000_000

SAME = "the same on every task"


def bca(values: Floats) -> tuple[float, float]:
    """The bias-corrected and accelerated bootstrap interval of a mean (Efron 1987), over tasks.

    Args:
        values: one of each task, not all equal, in an order that does not depend on chance.
    """
    return _bca(tuple(values.tolist()))


@lru_cache(maxsize=1024)
def _bca(values: tuple[float, ...]) -> tuple[float, float]:
    # The same shares come again and again: pass@1 is pass^1, and few attempts allow few means.
    bounds = stats.bootstrap(
        (np.array(values),),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, BATCH // len(values)),
        confidence_level=1 - ALPHA,
        method="BCa",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return float(bounds.low), float(bounds.high)


def forget() -> None:
    """Forgets the intervals that are kept for values that come again: to measure what they take."""
    _bca.cache_clear()


def over_draws(tasks: int, statistic: Callable[[Floats], Floats]) -> Floats:
    """A statistic in each of `RESAMPLES` draws of so many tasks.

    Args:
        tasks: how many there are, and are drawn.
        statistic: from how often each task is drawn, an array of draws x tasks, to one number per draw.
    """
    return np.concatenate([statistic(draws) for draws in _task_draws(tasks)])


def _task_draws(tasks: int) -> Iterator[Floats]:
    rng = np.random.default_rng(SEED)
    batch = max(1, BATCH // tasks)
    for start in range(0, RESAMPLES, batch):
        size = min(batch, RESAMPLES - start)
        yield rng.multinomial(tasks, np.full(tasks, 1 / tasks), size=size).astype(float)


def percentiles(drawn: Floats) -> tuple[float, float]:
    """The percentile interval of a statistic's draws, which may be infinite.

    Observed quantiles, none between two: between a finite and an infinite value there is no number.
    """
    low, high = np.quantile(drawn, [ALPHA / 2, 1 - ALPHA / 2], method="inverted_cdf")
    return float(low), float(high)


def no_rounding(number: float) -> float:
    """0 for what differs from it by rounding only: a bound of 1e-17 would otherwise show a difference."""
    return 0.0 if abs(number) <= ROUNDING else number


def all_equal(values: Floats) -> bool:
    """Whether values differ by rounding only."""
    return float(np.ptp(values)) <= ROUNDING * float(np.abs(values).max())


def t_quantile(degrees: float, level: float = 1 - ALPHA / 2) -> float:
    """The quantile of Student's t."""
    return float(special.stdtrit(degrees, level))


def normal_quantile(level: float) -> float:
    """The quantile of the standard normal distribution."""
    return float(special.ndtri(level))
