"""From a million steps, as tables, to the metrics of each variant: how the time grows, and what it takes.

The tables are made up, every column of them: 50 steps to a trial, a call and a tool call to a step, eight variants on
a hundred tasks. Each size has a process of its own; its peak memory is that of making the tables up, too.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa

from adapter.actions import Verb
from benchmarks.apart import apart
from benchmarks.memory import peak_kilobytes
from views.metrics import by_dataset, variant_results
from views.tables import ACTIONS, CALLS, STEPS, TRIALS
from views.variants import variants_table

SIZES = (250_000, 500_000, 1_000_000)
STEPS_PER_TRIAL = 50
TASKS = 100
VARIANTS = 8
ROUNDS = 5


class Tables(NamedTuple):
    """A run's tables."""

    trials: pd.DataFrame
    steps: pd.DataFrame
    calls: pd.DataFrame
    actions: pd.DataFrame


def made_up(steps: int) -> Tables:
    """Tables of so many steps, the same every time."""
    rng = np.random.default_rng(1)
    trials = steps // STEPS_PER_TRIAL
    number = np.arange(trials)
    names = np.array([f"job/task-{one % TASKS:03}__{one:06}" for one in number], dtype=object)
    of_step = np.repeat(number, STEPS_PER_TRIAL)
    step = np.tile(np.arange(1, STEPS_PER_TRIAL + 1), trials)

    def pick(choices: list[str | None], size: int = steps) -> np.ndarray:
        return np.array(choices, dtype=object)[rng.integers(0, len(choices), size)]

    per_step = {"trial": names[of_step], "step": step, "call": step}
    verbs = pick([verb.value for verb in Verb])
    return Tables(
        table(
            TRIALS,
            trials,
            rng,
            trial=names,
            task=np.array([f"task-{one % TASKS:03}" for one in number], dtype=object),
            dataset=pick(["bench"], trials),
            variant=np.array([f"agent@1/lab/model-{one // TASKS % VARIANTS}" for one in number], dtype=object),
            agent=pick(["agent"], trials),
            status=pick(["passed", "failed", "failed", "timed_out"], trials),
            regrade_of=pick([None], trials),
            agent_steps=np.full(trials, STEPS_PER_TRIAL),
            llm_calls=np.full(trials, STEPS_PER_TRIAL),
            tool_calls=np.full(trials, STEPS_PER_TRIAL),
        ),
        table(STEPS, steps, rng, **per_step),
        table(
            CALLS,
            steps,
            rng,
            **per_step,
            subagent=pick([""]),
            segment=pick([""]),
            prompt=1_000 * step + rng.integers(0, 1_000, steps),
            is_compaction=rng.random(steps) < 0.01,
        ),
        table(
            ACTIONS,
            steps,
            rng,
            **per_step,
            action=np.ones(steps, dtype=int),
            verb=verbs,
            reads=np.isin(verbs, ["read", "search"]),
            writes=np.isin(verbs, ["edit", "write"]),
            file=pick([f"src/module_{one}.py" for one in range(20)] + [None] * 20),
            failed=rng.random(steps) < 0.1,
            key=pick([f"{one:016x}" for one in range(5_000)]),
        ),
    )


def table(schema: pa.DataFrameSchema, rows: int, rng: np.random.Generator, **given: np.ndarray) -> pd.DataFrame:
    """A table of all columns of a schema: those that are given, and others of the right dtype."""
    anything = {
        "Int64": lambda: rng.integers(1, 5_000, rows),
        "Float64": lambda: rng.random(rows),
        "boolean": lambda: rng.random(rows) < 0.1,
        "string": lambda: np.full(rows, "some text", dtype=object),
        "datetime64[us, UTC]": lambda: np.full(rows, pd.Timestamp("2026-03-01", tz="UTC")),
    }
    columns: dict[str, pd.Series] = {}
    for name, column in schema.columns.items():
        dtype = str(column.dtype)
        columns[name] = pd.Series(
            given[name] if name in given else anything[dtype.partition("[pyarrow")[0]](), dtype=dtype
        )
    return pd.DataFrame(columns)


def seconds(work: Callable[[], object]) -> float:
    """CPU time of doing it once."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def measured(steps: int) -> dict[str, float]:
    """What one size takes, medians of some rounds in turn, after one that is not counted."""
    tables = made_up(steps)
    work: dict[str, Callable[[], object]] = {
        "sum": lambda: tables.steps.groupby("trial")["cost_usd"].sum(),
        "metrics": lambda: variants_table(*tables, baseline="agent@1/lab/model-0"),
    }
    rounds = [{name: seconds(one) for name, one in work.items()} for _ in range(ROUNDS + 1)][1:]
    return {
        **{name: statistics.median(one[name] for one in rounds) for name in work},
        "ratio": statistics.median(one["metrics"] / one["sum"] for one in rounds),
        "intervals": seconds(lambda: [variant_results(part) for part in by_dataset(tables.trials).values()]),
        "peak_mb": peak_kilobytes() / 1024,
    }


def main() -> None:
    """Measures every size in a process of its own."""
    for steps in SIZES:
        found = apart("benchmarks.cost", steps)
        print(
            f"cost: {steps:,} steps to variant metrics: {found['metrics']:.2f} s, "
            f"{found['metrics'] / steps * 1e6:.2f} µs per step, {found['ratio']:.1f} times a groupby-sum of one column "
            f"(aim: at most 40), peak memory {found['peak_mb']:.0f} MB (aim: below 2,000); "
            f"the intervals of a comparison of the same trials: {found['intervals']:.2f} s"
        )


if __name__ == "__main__":
    print(json.dumps(measured(int(sys.argv[1]))))
