"""How often the rule calls two halves of one variant's repeats different: at most one time in twenty, by its design.

Simulated tasks of very different difficulty and dearness; some runs cost ten times as much as the others. The tests
draw some dozens of these, and this a thousand of each shape: a rate of 5 % can be told from one of 8 %.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from test_aa import flagged, halves, simulated

SHAPES = ((8, 2), (12, 6), (40, 4))
"""Tasks, and attempts at each in all."""
TIMES = 1_000


def main(seed: int = 30) -> None:
    """Prints, for each shape, how often each metric got a verdict that it should not have.

    Args:
        seed: another one (`python -m benchmarks.calibration SEED`) tells chance from a fault.
    """
    for tasks, attempts in SHAPES:
        rng = np.random.default_rng(seed)
        found: Counter[str] = flagged([halves(simulated(tasks, attempts, rng), rng) for _ in range(TIMES)])
        said: list[str] = []
        for metric, times in sorted(found.items()):
            bound = stats.binomtest(times, TIMES).proportion_ci()
            said.append(f"{metric} {times / TIMES:.1%} ({bound.low:.1%} to {bound.high:.1%})")
        print(
            f"calibration: {tasks} tasks, {attempts} attempts split in two, {TIMES} times (aim: at most 5 %): "
            f"{', '.join(said) or 'nothing is ever called different'}"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
