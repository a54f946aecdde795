"""A against A: repeats of one variant, split in two, are called different at most one time in twenty."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tabled import trial, trials

from adapter.errors import KilobenchError
from adapter.harbor import read_trial
from adapter.jobs import find_jobs
from views import metrics
from views.comparisons import compare
from views.pairs import pairs_of

DATA = Path(__file__).parents[2] / "shared" / "data"
EXAMPLES = Path(__file__).parents[1] / "examples" / "jobs"


def flagged(tables: list[pd.DataFrame]) -> Counter[str]:
    """In how many of the tables the second half is called better or worse, by metric."""
    found: Counter[str] = Counter()
    for table in tables:
        first, second = metrics.runs(table)
        (pair,) = pairs_of([(first, second)], allow_unequal=False)
        assert pair.refused is None
        found.update(one.metric for one in pair.metrics if one.verdict in ("better", "worse"))
    return found


def most(times: int) -> float:
    """How often one in twenty may come in so many draws; `python -m benchmarks calibration` draws many more."""
    return float(stats.binom.ppf(0.999, times, 0.05))


def halves(attempts: dict[str, list[dict[str, object]]], rng: np.random.Generator) -> pd.DataFrame:
    """Each task's attempts dealt to two versions that differ in name only."""
    rows: list[dict[str, object]] = []
    for task, several in attempts.items():
        half = len(several) // 2
        for place, number in enumerate(rng.permutation(len(several))[: 2 * half]):
            rows.append(trial(task, version="1.0" if place < half else "2.0", **several[number]))  # pyright: ignore[reportArgumentType]
    return trials(*rows)


def simulated(tasks: int, attempts: int, rng: np.random.Generator) -> dict[str, list[dict[str, object]]]:
    """Tasks of very different difficulty and dearness, with a few runs that cost ten times as much as the others."""
    found: dict[str, list[dict[str, object]]] = {}
    for number in range(tasks):
        chance, dear = rng.beta(0.7, 0.7), rng.lognormal(0, 1.2)
        found[f"task-{number:02}"] = [
            {
                "status": "passed" if rng.random() < chance else "failed",
                "cost_usd": dear * rng.lognormal(0, 0.7) * (10 if rng.random() < 0.05 else 1),
                "seconds": 60 * dear * rng.lognormal(0, 0.4),
                "flagged_tool_choice": rng.beta(1, 8),
            }
            for _ in range(attempts)
        ]
    return found


@pytest.mark.parametrize(("tasks", "attempts", "times"), [(8, 2, 80), (12, 6, 60), (40, 4, 40)])
def test_simulated_repeats_are_called_different_at_most_one_time_in_twenty(
    tasks: int, attempts: int, times: int
) -> None:
    rng = np.random.default_rng(20)
    found = flagged([halves(simulated(tasks, attempts, rng), rng) for _ in range(times)])
    assert max(found.values(), default=0) <= most(times), found


def test_a_difference_that_is_there_is_called_one_by_the_same_rule() -> None:
    """The rule is not merely silent: a second version that passes and costs more is told."""
    rng = np.random.default_rng(21)
    table = halves(simulated(40, 4, rng), rng)
    later = table["agent_version"] == "2.0"
    table.loc[later, "status"] = "passed"
    table.loc[later, "cost_usd"] = table.loc[later, "cost_usd"] * 3
    pair = compare(table)[0].pairs[0]
    assert (pair.metric("pass_rate").verdict, pair.metric("cost_usd").verdict) == ("better", "worse")


def real_repeats() -> dict[str, list[dict[str, object]]]:
    """The attempts at each task that one variant of the examples, or of the shared data, tried several times."""
    attempts: dict[tuple[str, str], list[dict[str, object]]] = defaultdict(list)
    folders = [path for name in ("codetracer", "harbor-jobs") if (path := DATA / name).is_dir()]
    for job in find_jobs([EXAMPLES, *folders]):
        for folder in job.trials:
            try:
                one = read_trial(job, folder)
            except KilobenchError:
                continue
            if one.passed is not None:
                row: dict[str, object] = {"status": one.status.value, "seconds": one.agent_seconds}
                attempts[one.variant.name, f"{one.dataset}/{one.task}"].append(row)
    by_variant: dict[str, dict[str, list[dict[str, object]]]] = defaultdict(dict)
    for (variant, task), several in attempts.items():
        if len(several) > 1:
            by_variant[variant][task] = several
    return max(by_variant.values(), key=len, default={})


def test_real_repeats_are_called_different_at_most_one_time_in_twenty() -> None:
    attempts = real_repeats()
    assert len(attempts) >= 6
    rng = np.random.default_rng(22)
    found = flagged([halves(attempts, rng) for _ in range(60)])
    assert max(found.values(), default=0) <= most(60), found
