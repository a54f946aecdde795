"""Simulated releases: what each task's rate of passes is before and after, and attempts drawn by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from views.gate_interval import Passes
from views.gate_pairs import Compared, Side, pair_up
from views.metrics import Attempt

SHAPES: dict[str, np.ndarray[Any, np.dtype[np.float64]]] = {
    "five of twelve flaky": np.array([1, 1, 1, 1, 0, 0, 0, 0.9, 0.7, 0.5, 0.3, 0.6]),
    "three of twelve a coin": np.array([1, 1, 1, 1, 1, 0, 0, 0, 0, 0.5, 0.5, 0.5]),
    "one of twelve a coin": np.array([1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0.5]),
    "each a coin": np.full(12, 0.5),
    "each nearly sure": np.full(12, 0.9),
    "from rare to sure": np.linspace(0.05, 0.95, 12),
    "all sure": np.ones(12),
}
"""The rates of twelve tasks before the release."""


def dropped(rates: Any, drop: float, *, spread: bool = True) -> Any:
    """The rates after a release that passes so much less in the mean; None where there is not that much to lose.

    Args:
        rates: before.
        drop: of the mean, 0.2 for twenty points.
        spread: whether each task loses the same share of its rate; else few tasks lose all of theirs.
    """
    if drop > rates.mean():
        return None
    if spread:
        return rates * (1 - drop / rates.mean()) if drop else rates.copy()
    after, left = rates.copy(), drop * len(rates)
    for place in np.argsort(-rates, kind="stable"):
        taken = min(after[place], left)
        after[place] -= taken
        left -= taken
    return after


def counts(before: Any, after: Any, attempts: int, rng: np.random.Generator) -> list[Passes]:
    """What comes of so many attempts at each task, on each side."""
    first, second = rng.binomial(attempts, before), rng.binomial(attempts, after)
    return [Passes(int(x), attempts, int(y), attempts) for x, y in zip(first, second, strict=True)]


def attempt(task: str, passed: bool, cost: float | None = None, **more: Any) -> Attempt:
    """One attempt."""
    known: dict[str, Any] = {
        "checksum": "c",
        "seconds": None,
        "tokens": None,
        "steps": None,
        "flagged": {},
        "judges": {},
    }
    return Attempt(task=task, passed=passed, cost_usd=cost, **known | more)


def side(rates: Any, attempts: int, rng: np.random.Generator, dearer: float = 1.0, tail: float = 0.5) -> Side:
    """Attempts with costs whose tail is heavy: task by task another mean, and within a task a lognormal spread."""
    found: dict[str, tuple[Attempt, ...]] = {}
    for place, rate in enumerate(rates):
        task = f"task-{place:02d}"
        costs = dearer * 0.1 * 3.0 ** (place % 4) * rng.lognormal(0, tail, attempts)
        passed = rng.random(attempts) < rate
        shares = rng.beta(1, 12, attempts)
        found[task] = tuple(
            attempt(task, bool(one), float(cost), flagged={"efficiency": float(share)})
            for one, cost, share in zip(passed, costs, shares, strict=True)
        )
    return Side(found)


def release(before: Any, after: Any, attempts: int, rng: np.random.Generator, dearer: float = 1.0) -> Compared:
    """Both sides of a release, with costs and flagged shares."""
    return pair_up(side(before, attempts, rng), side(after, attempts, rng, dearer))


def alike(passes: Sequence[int], attempts: int, cost: float | None = 0.1) -> Side:
    """Attempts of which so many passed, at each task."""
    return Side(
        {
            f"task-{place:02d}": tuple(attempt(f"task-{place:02d}", number < one, cost) for number in range(attempts))
            for place, one in enumerate(passes)
        }
    )
