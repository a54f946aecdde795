"""A million steps: the stages of `kilobench run` but for Opik, by both engines.

Ten thousand trials of a hundred steps on average are made of the longest trials at hand, as hard links, in jobs of 500
with ids of their own: read, priced, judged by rules, made into rows, compared, and made into the report's pages. Each
engine and size is measured in a process of its own; `python -m benchmarks.scale STEPS ENGINE FOLDER` is one of them.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from adapter.harbor import read_trial
from adapter.jobs import find_jobs
from adapter.prices import BUNDLED
from adapter.status import BY_REWARD
from benchmarks import data
from pipelines.all_tables import all_tables
from pipelines.compare import variants_by_dataset
from pipelines.engine.choice import engine_of
from pipelines.notes import DETAILS, Notes
from pipelines.read import each_trial, without_trials
from pipelines.trial_work import How, Worked, work
from views.comparisons import compare

SIZES = (10_000, 100_000, 1_000_000)
STEPS_PER_TRIAL = 100
TRIALS_PER_JOB = 500
WORKERS = 2


def main() -> None:
    """Prints seconds per step and the workers' peak memory by size, and the ratio of the engines."""
    with tempfile.TemporaryDirectory(
        dir=data.folder().parent if os.access(data.folder().parent, os.W_OK) else None
    ) as to:
        seconds: dict[tuple[int, str], float] = {}
        for steps in SIZES:
            folder = Path(to) / str(steps)
            made, trials = make(folder, steps)
            for engine in ("local", "dask"):
                command = [sys.executable, "-m", "benchmarks.scale", str(steps), engine, str(folder)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
                assert found["steps"] == made, (found, made)
                seconds[steps, engine] = found["seconds"]
                print(
                    f"scale {engine}: {made:,} steps in {trials:,} trials: {found['seconds']:.0f} s, "
                    f"{1e6 * found['seconds'] / made:.0f} µs a step ({1e6 * found['worked'] / made:.0f} on trials, "
                    f"{1e6 * found['tables'] / made:.0f} on tables and comparisons); "
                    f"peak of a worker {found['worker_mb']:.0f} MB, of this process {found['own_mb']:.0f} MB",
                    flush=True,
                )
            ratio = seconds[steps, "dask"] / seconds[steps, "local"]
            print(f"scale dask / local at {steps:,} steps: {ratio:.2f} (aim 1.2)")
            shutil.rmtree(folder)
        for engine in ("local", "dask"):
            small, large = (seconds[steps, engine] / steps for steps in (SIZES[0], SIZES[-1]))
            print(f"scale {engine}: time per step, {SIZES[-1]:,} to {SIZES[0]:,}: {large / small:.2f} (aim about 1)")


def make(folder: Path, steps: int) -> tuple[int, int]:
    """Writes jobs with about so many steps; how many steps and trials they came to."""
    sources = [
        (len(read_trial(job, path).steps), path, job.path) for job in find_jobs([data.folder()]) for path in job.trials
    ]
    sources.sort(key=lambda one: (-one[0], one[1]))
    # The longest, as many as have the wanted mean together; where all are short, all of them.
    count = max(
        (n for n in range(1, len(sources) + 1) if sum(s for s, _, _ in sources[:n]) >= n * STEPS_PER_TRIAL), default=0
    )
    sources = sources[: count or len(sources)]
    made = trials = 0
    while made < steps:
        target = folder / f"job-{trials // TRIALS_PER_JOB:03}"
        length, source, job = sources[trials % len(sources)]
        if not target.exists():
            target.mkdir(parents=True)
            for name in ("config.json", "result.json"):
                content = json.loads((job / name).read_text())
                if name == "result.json":
                    content["id"] = str(uuid.uuid5(uuid.NAMESPACE_URL, target.name))
                (target / name).write_text(json.dumps(content))
        _link(source, target / f"{source.name}-{trials}")
        made, trials = made + length, trials + 1
    return made, trials


def _link(source: Path, target: Path) -> None:
    """A trial of its own: its files are the source's, and its result has another id."""

    def link(one: str, other: str) -> None:
        try:
            os.link(one, other)
        except OSError:
            shutil.copy2(one, other)

    shutil.copytree(source, target, copy_function=link)
    for name in ("result.json", "config.json"):
        with suppress(FileNotFoundError):
            content = json.loads((source / name).read_text())
            content |= {"trial_name": target.name}
            if name == "result.json":
                content["id"] = str(uuid.uuid5(uuid.NAMESPACE_URL, str(target)))
            (target / name).unlink()
            (target / name).write_text(json.dumps(content))


def one(engine_name: Any, folder: Path) -> dict[str, float]:
    """What one engine took for the jobs of a folder."""
    with engine_of(engine_name, None, WORKERS) as engine:
        list(engine.map(abs, range(TRIALS_PER_JOB)))  # Its processes have started.
        began = time.perf_counter()
        notes = Notes(details=DETAILS)
        steps = 0
        for job in find_jobs([folder]):
            how = How(without_trials(job), BY_REWARD, BUNDLED, is_judged=True, wanted=notes.wanted)
            for _, done in each_trial(job, [], lambda _: None, engine, partial(work, how), _trial):
                if done.noted is not None:
                    notes.take(done.trial, done.judgement, done.noted)
                steps += len(done.trial.steps)
        worked = time.perf_counter()
        trials = notes.trials(notes.standings())
        compare(trials)
        variants_by_dataset(trials, {})
        all_tables(notes, trials)
        ended = time.perf_counter()
        peaks = list(engine.map(_peak, range(TRIALS_PER_JOB)))
    return {
        "steps": steps,
        "seconds": ended - began,
        "worked": worked - began,
        "tables": ended - worked,
        "worker_mb": max(peaks),
        "own_mb": _peak(0),
    }


def _trial(done: Worked) -> Any:
    return done.trial


def _peak(_: int) -> float:
    """The peak memory of the process that this runs in, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    print(json.dumps(one(sys.argv[2], Path(sys.argv[3]))))
