"""`kill -9` at any moment: the next run makes of what is there exactly the job."""

from __future__ import annotations

import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from builder import JobBuilder, agent_step, user_step
from stored import dump

from adapter.embedded_opik import EmbeddedOpik

READ = ("Read", {"file_path": "a.py"}, "x = 1")
EMBEDDED = "embedded"

WARM = """
import os, sys
from adapter import opik_store
from pipelines import cli, outbox, run
from adapter.embedded_opik import EmbeddedOpik

opik_store.BATCH_ROWS = outbox.BATCH_ROWS = 20  # Many requests for a small job.
print("warm", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        sys.argv = ["kilobench", "run", *line.split()]
        cli.main()
        os._exit(9)  # It ends by itself.
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""
"""A process that has loaded everything, and forks one that runs kilobench for each line of arguments."""


class Runner:
    """Runs `kilobench run` in a process of its own, which may be killed."""

    def __init__(self, jobs: Path) -> None:
        self._jobs = jobs
        self._warm = subprocess.Popen(
            [sys.executable, "-c", WARM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert self._line() == "warm"

    def _line(self) -> str:
        assert self._warm.stdout is not None
        return self._warm.stdout.readline().strip()

    def run(self, opik: str, kill_after: float | None = None) -> int:
        """Its exit code; minus 9 where it was killed after so many seconds."""
        assert self._warm.stdin is not None
        self._warm.stdin.write(f"{self._jobs} --opik {opik}\n")
        child = int(self._line())
        if kill_after is not None:
            ended, _, _ = select.select([self._warm.stdout], [], [], kill_after)
            if not ended:
                os.kill(child, signal.SIGKILL)
        return int(self._line())

    def timed(self, opik: str) -> float:
        """Seconds that a whole run takes."""
        before = time.monotonic()
        assert self.run(opik) == 0
        return time.monotonic() - before

    def close(self) -> None:
        self._warm.communicate()


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    """For a job of two models on three tasks, whose rows fill several requests."""
    job = JobBuilder(tmp_path / "jobs")
    for task in ("a", "b", "c"):
        steps = [agent_step(f"Step {number}.", READ, READ, cost=0.25) for number in range(8)]
        job.trial(f"{task}__1", steps=[user_step(f"Fix {task}."), *steps])
        job.trial(f"{task}__2", model="anthropic/claude-sonnet-4-5", reward=0.0, steps=[user_step(), *steps[:5]])
    running = Runner(tmp_path / "jobs")
    yield running
    running.close()


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_moment_is_completed_by_the_next(
    tmp_path: Path, server: EmbeddedOpik, runner: Runner
) -> None:
    seconds = runner.timed(server.url)
    undisturbed = dump(tmp_path / "opik.db")
    moments, killed = random.Random(4), 0
    for number in range(50):
        with server.app.state.store.write() as connection:
            for table in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                connection.execute(f"DELETE FROM {table['name']}")
        killed += runner.run(server.url, kill_after=moments.uniform(0, seconds)) == -signal.SIGKILL
        assert runner.run(server.url) == 0
        assert dump(tmp_path / "opik.db") == undisturbed, number
    assert killed >= 40


@pytest.mark.slow
def test_a_run_that_is_killed_with_the_store_inside_it_is_completed_by_the_next(own_home: Path, runner: Runner) -> None:
    seconds = runner.timed(EMBEDDED)
    file = own_home / "kilobench" / "opik.db"
    undisturbed = dump(file)
    moments, killed = random.Random(5), 0
    for number in range(20):
        shutil.rmtree(own_home / "kilobench")
        killed += runner.run(EMBEDDED, kill_after=moments.uniform(0, seconds)) == -signal.SIGKILL
        assert runner.run(EMBEDDED) == 0
        assert dump(file) == undisturbed, number
    assert killed >= 15
