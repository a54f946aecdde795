"""From tables to finished pages: 6 variants on 89 tasks with 5 attempts of 60 steps each, and up to ten times that.

The measure is what cannot be avoided: reading the same tables from Parquet and, for each pair and metric, the bootstrap
and the test by themselves.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.apart import apart
from benchmarks.cost import Tables, table
from benchmarks.memory import peak_kilobytes
from views import paired
from views.comparisons import compare
from views.headline import headline
from views.metrics import by_dataset, variant_results
from views.report import Site, write_report
from views.report_model import Report, ReportComparison
from views.resampling import forget
from views.spending import spending, spent_on
from views.tables import ACTIONS, CALLS, STEPS, TRIALS
from views.variants import behaviour_of, variants_table

VARIANTS, TASKS, STEPS_PER_TRIAL = 6, 89, 60
ATTEMPTS = (5, 15, 50)
METRICS = 8
ROUNDS = 3


def made_up(attempts: int) -> Tables:
    """Tables of so many attempts at each task, the same every time."""
    rng = np.random.default_rng(2)
    trials = VARIANTS * TASKS * attempts
    steps = trials * STEPS_PER_TRIAL
    number = np.arange(trials)
    variant, task = number % VARIANTS, number // VARIANTS % TASKS
    names = np.array([f"job-{v}/task-{t:03}__{n:06}" for n, v, t in zip(number, variant, task, strict=True)], object)
    chance = rng.beta(0.7, 0.7, TASKS)[task]
    passed = rng.random(trials) < chance
    per_step = {
        "trial": names[np.repeat(number, STEPS_PER_TRIAL)],
        "step": np.tile(np.arange(1, STEPS_PER_TRIAL + 1), trials),
        "call": np.tile(np.arange(1, STEPS_PER_TRIAL + 1), trials),
    }
    none, empty = np.full(trials, None, object), np.full(steps, "", object)
    return Tables(
        table(
            TRIALS,
            trials,
            rng,
            trial=names,
            task=np.array([f"task-{one:03}" for one in task], object),
            task_checksum=np.full(trials, "c" * 8, object),
            dataset=np.full(trials, "bench", object),
            dataset_version=np.full(trials, "1", object),
            variant=np.array([f"agent@1/lab/model-{one}" for one in variant], object),
            agent=np.full(trials, "agent", object),
            agent_version=np.full(trials, "1", object),
            provider=np.full(trials, "lab", object),
            model=np.array([f"model-{one}" for one in variant], object),
            effort=none,
            digest=none,
            status=np.where(passed, "passed", "failed").astype(object),
            passed=passed,
            regrade_of=none,
            graded_by=none,
            exception=none,
            cost_usd=rng.lognormal(-2, 0.8, trials) * (1 + variant),
            cost_provenance=np.full(trials, "recorded", object),
            agent_steps=np.full(trials, STEPS_PER_TRIAL),
            llm_calls=np.full(trials, STEPS_PER_TRIAL),
            tool_calls=np.full(trials, STEPS_PER_TRIAL),
        ),
        table(STEPS, steps, rng, **per_step),
        table(CALLS, steps, rng, **per_step, subagent=empty, segment=empty),
        table(
            ACTIONS,
            steps,
            rng,
            **per_step,
            action=np.ones(steps, int),
            verb=np.array(["sh", "read", "edit", "search"], object)[rng.integers(0, 4, steps)],
            key=np.array([f"{one:016x}" for one in range(5_000)], object)[rng.integers(0, 5_000, steps)],
        ),
    )


def read(folder: Path) -> Tables:
    """The tables, from Parquet."""
    return Tables(*(pd.read_parquet(folder / f"{name}.parquet") for name in Tables._fields))


def pages(tables: Tables, folder: Path) -> Path:
    """All that `kilobench compare --report` does once the tables are there, but for saving the views in Opik."""
    results = {name: tuple(variant_results(part)) for name, part in by_dataset(tables.trials).items()}
    comparisons = compare(tables.trials)
    report = Report(
        title="bench",
        trials=tables.trials,
        variants=results,
        comparisons=tuple(ReportComparison(one, headline(one)) for one in comparisons),
        spending=spending(tables.trials, spent_on([tables.calls])),
        behaviour=behaviour_of(variants_table(*tables)),
    )
    return write_report(folder, Site(report, pages="none"))


def tests(rng: np.random.Generator) -> None:
    """The bootstrap and the test of each pair and metric, on numbers alone."""
    for _ in combinations(range(VARIANTS), 2):
        a, b = rng.lognormal(0, 1, (2, METRICS, TASKS))
        for metric in range(METRICS):
            paired.paired_difference(a[metric], b[metric])
        for metric in range(3):
            paired.paired_ratio(a[metric], b[metric])
        paired.totals_between(paired.Totals(a[0], np.ones(TASKS)), paired.Totals(b[0], np.ones(TASKS)))


def measured(attempts: int) -> dict[str, float]:
    """What one size takes, medians of some rounds in turn, after one that is not counted."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for table_name, one in made_up(attempts)._asdict().items():
            one.to_parquet(folder / f"{table_name}.parquet", index=False)
        rounds: list[dict[str, float]] = []
        index = folder / "index.html"
        for number in range(ROUNDS + 1):
            forget()
            begun = time.process_time()
            index = pages(read(folder), folder / "report")
            done = time.process_time()
            read(folder)
            was_read = time.process_time()
            tests(np.random.default_rng(number))
            tested = time.process_time()
            rounds.append({"all": done - begun, "read": was_read - done, "tests": tested - was_read})
        middle = {name: statistics.median(one[name] for one in rounds[1:]) for name in rounds[0]}
        return middle | {
            "ratio": statistics.median(one["all"] / (one["read"] + one["tests"]) for one in rounds[1:]),
            "overview_kb": index.stat().st_size / 1000,
            "peak_mb": peak_kilobytes() / 1024,
        }


def main() -> None:
    """Measures every size in a process of its own."""
    for attempts in ATTEMPTS:
        found = apart("benchmarks.compare", attempts)
        steps = VARIANTS * TASKS * attempts * STEPS_PER_TRIAL
        print(
            f"compare: {steps:,} steps to overview and comparison pages: {found['all']:.1f} s, {found['ratio']:.2f} "
            f"times reading the tables ({found['read']:.1f} s) and the tests alone ({found['tests']:.1f} s) "
            "(aim: at most 3); "
            f"{found['all'] / steps * 1e6:.1f} µs per step; overview {found['overview_kb']:.0f} kB (aim: below 3,000); "
            f"peak memory {found['peak_mb']:.0f} MB"
        )


if __name__ == "__main__":
    print(json.dumps(measured(int(sys.argv[1]))))
