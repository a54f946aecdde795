"""How fast jobs are read, against Harbor's own model on the same trajectories; how time and memory grow with more jobs.

The copies of the job are jobs of their own: hard links to its trials (copies where the file system has none), and job
files with an id of each copy's own.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from harbor.models.trajectories import Trajectory
from pydantic import ValidationError

from adapter.jobs import find_jobs
from benchmarks import data
from pipelines.read import read_trials

ROUNDS = 9
COPIES = (1, 10, 50)
COPY_ROUNDS = 3

_PEAK = """
import sys
from pathlib import Path
from benchmarks.memory import peak_kilobytes as peak
"""
READ = """
from adapter.jobs import find_jobs
from pipelines.read import read_trials
for _ in read_trials(find_jobs([Path(sys.argv[1])]), [], lambda _: None):
    pass
print(peak(), file=sys.stderr)
"""
INSPECT = """
from pipelines.cli import main
sys.argv = ["kilobench", "inspect", sys.argv[1], *sys.argv[2:]]
try:
    main()
finally:
    print(peak(), file=sys.stderr)
"""


def read(folder: Path) -> None:
    """Reads every trial as all commands do, and lets it go."""
    for _ in read_trials(find_jobs([folder]), [], lambda _: None):
        pass


def validate(files: list[bytes]) -> None:
    """Harbor's strict model alone: bytes to a checked object."""
    for file in files:
        with suppress(ValidationError):  # It was looked at all the same.
            Trajectory.model_validate_json(file)


class Spent(NamedTuple):
    """Seconds of wall time, and of this process's own work: the latter does not see who else uses the machine."""

    wall: float
    cpu: float


def spent(work: Callable[[], None]) -> Spent:
    """What it took."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - wall, time.process_time() - cpu)


def make_copies(number: int, where: Path) -> Path:
    """A folder with so many copies of the benchmarks' jobs, each under a name and an id of its own."""
    for job in find_jobs([data.folder()]):
        for copy in range(number):
            to = where / f"{job.name}-{copy}"
            shutil.copytree(job.path, to, copy_function=_link, ignore=_links)
            for name in ("result.json", "config.json"):
                value = json.loads((job.path / name).read_text()) if (job.path / name).exists() else {}
                own = {"id": str(uuid.uuid5(uuid.NAMESPACE_URL, to.name))} if name == "result.json" else {}
                (to / name).unlink(missing_ok=True)
                (to / name).write_text(json.dumps(value | {"job_name": to.name} | own))
    return where


def _link(source: str, to: str) -> None:
    try:
        os.link(source, to)
    except OSError:
        shutil.copyfile(source, to)


def _links(folder: str, names: list[str]) -> list[str]:
    """Symbolic links, which no reader follows."""
    return [name for name in names if (Path(folder) / name).is_symlink()]


def peak_megabytes(script: str, folder: Path, *options: str) -> float:
    """Peak resident memory of a fresh process that runs the script."""
    done = subprocess.run(
        [sys.executable, "-c", _PEAK + script, str(folder), *options],
        cwd=data.REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return int(done.stderr.split()[-1]) / 1024


def against_harbor() -> None:
    """Prints the ratio to Harbor's model."""
    folder = data.folder()
    files = [path.read_bytes() for path in sorted(folder.rglob("trajectory.json"))]
    ours: list[Spent] = []
    theirs: list[Spent] = []
    for _ in range(ROUNDS + 1):
        ours.append(spent(lambda: read(folder)))
        theirs.append(spent(lambda: validate(files)))
    print(
        f"reading: {len(files)} trajectories, {sum(map(len, files)) / 1e6:.1f} MB; aim: at most 4 times Harbor's model"
    )
    for at, name in enumerate(Spent._fields):
        # The first round warms the caches.
        mine, others = [one[at] for one in ours[1:]], [one[at] for one in theirs[1:]]
        ratios = [one / other for one, other in zip(mine, others, strict=True)]
        print(
            f"reading: {name} time: ours {statistics.median(mine) * 1000:.0f} ms, Trajectory.model_validate_json "
            f"{statistics.median(others) * 1000:.0f} ms, ratio {statistics.median(ratios):.2f} "
            f"(median of {ROUNDS} rounds, {min(ratios):.2f} to {max(ratios):.2f})"
        )


def growth(folders: dict[int, Path]) -> None:
    """Prints how time and memory grow with the number of copies."""
    least = COPIES[0]
    times: dict[int, list[Spent]] = {number: [] for number in folders}
    for _ in range(COPY_ROUNDS):
        for number, folder in folders.items():
            times[number].append(spent(lambda folder=folder: read(folder)))
    each = {
        number: Spent(*(statistics.median(values) / number for values in zip(*found, strict=True)))
        for number, found in times.items()
    }
    for number, one in each.items():
        print(
            f"reading: copies read: {number:2d}; each takes {one.wall / each[least].wall:.2f} of what one alone takes "
            f"(wall time; {one.cpu / each[least].cpu:.2f} in CPU time; aim: about 1)"
        )
    for name, script, options in (("reading", READ, ()), ("inspect", INSPECT, ()), ("inspect", INSPECT, ("--json",))):
        first, last = (peak_megabytes(script, folders[number], *options) for number in (least, COPIES[-1]))
        what = " ".join((name, *options))
        print(
            f"reading: peak memory of {what}: {first:.0f} MB for {least} copy, {last:.0f} MB for {COPIES[-1]}: "
            f"{(last / first - 1) * 100:+.1f} % (aim: below 20 %)"
        )


def main() -> None:
    """Prints all of it."""
    against_harbor()
    with tempfile.TemporaryDirectory() as folder:
        growth({number: make_copies(number, Path(folder) / str(number)) for number in COPIES})


if __name__ == "__main__":
    main()
