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
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, user_step
from faults import Answer, FaultyProxy
from stored import dump, wipe

from adapter.embedded_opik import EmbeddedOpik
from adapter.errors import ExitCode
from pipelines.progress import Bars
from pipelines.run import Options, run

READ = ("Read", {"file_path": "a.py"}, "x = 1")

WARM = """
import os, sys
from pathlib import Path
from adapter import opik_sent
from adapter.embedded_opik import EmbeddedOpik
from adapter.jobs import find_jobs
from pipelines import cli, outbox, run
from pipelines.cost import price_trial
from pipelines.judge import judge_trial
from pipelines.read import read_trials

for trial in read_trials(find_jobs([Path(sys.argv[1])]), [], lambda _: None):
    price_trial(trial), judge_trial(trial)  # What is loaded at first use.
opik_sent.BATCH_ROWS = outbox.BATCH_ROWS = 20  # Many requests for a small job.
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
        self.jobs = jobs
        self._child = 0
        self._warm = subprocess.Popen(
            [sys.executable, "-c", WARM, str(jobs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self._line() == "warm"

    def _line(self) -> str:
        assert self._warm.stdout is not None
        return self._warm.stdout.readline().strip()

    def run(self, opik: str, kill_after: float | None = None) -> int:
        """Its exit code; minus 9 where it was killed, at the latest after so many seconds."""
        assert self._warm.stdin is not None
        self._warm.stdin.write(f"{self.jobs} --opik {opik}\n")
        self._child = int(self._line())
        if kill_after is not None:
            ended, _, _ = select.select([self._warm.stdout], [], [], kill_after)
            if not ended:
                self.kill()
        return int(self._line())

    def kill(self) -> None:
        """Ends the one that runs, at once and with no word."""
        os.kill(self._child, signal.SIGKILL)

    def close(self) -> None:
        self._warm.communicate()


def complete(jobs: Path, opik: str) -> None:
    """The next run."""
    assert run(Options((jobs,), "test", opik), Bars(quiet=True)).exit_code == ExitCode.DONE


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    """For a job of two models on two tasks, whose rows fill several requests."""
    job = JobBuilder(tmp_path / "jobs")
    for task in ("a", "b"):
        steps = [agent_step(f"Step {number}.", READ, READ, cost=0.25) for number in range(6)]
        job.trial(f"{task}__1", steps=[user_step(f"Fix {task}."), *steps])
        job.trial(f"{task}__2", model="anthropic/claude-sonnet-4-5", reward=0.0, steps=[user_step(), *steps[:4]])
    running = Runner(tmp_path / "jobs")
    yield running
    running.close()


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_moment_is_completed_by_the_next(
    tmp_path: Path, server: EmbeddedOpik, runner: Runner
) -> None:
    moments = random.Random(4)
    with FaultyProxy(server.url) as proxy:
        assert runner.run(f"{proxy.url} --project test") == 0
        undisturbed, calls = dump(tmp_path / "opik.db"), len(proxy.calls)
        assert calls > 35

        def killing(client: Any, forward: Callable[[], Answer]) -> None:
            if moments.random() < 0.5:  # Else the store never hears of it.
                forward()
            runner.kill()
            client.close_connection = True

        for number in range(30):
            wipe(server)
            moment = moments.randrange(calls)
            proxy.begin(lambda now, _, moment=moment: killing if now == moment else None)
            assert runner.run(f"{proxy.url} --project test") == -signal.SIGKILL
            complete(runner.jobs, server.url)
            assert dump(tmp_path / "opik.db") == undisturbed, (number, moment)


@pytest.mark.slow
def test_a_run_that_is_killed_with_the_store_inside_it_is_completed_by_the_next(own_home: Path, runner: Runner) -> None:
    before = time.monotonic()
    assert runner.run("embedded --project test") == 0
    seconds = time.monotonic() - before
    file = own_home / "kilobench" / "opik.db"
    undisturbed = dump(file)
    moments, ended = random.Random(5), Counter[int]()
    for number in range(10):
        shutil.rmtree(own_home / "kilobench")
        ended[runner.run("embedded --project test", kill_after=moments.uniform(0.2, 0.9) * seconds)] += 1
        complete(runner.jobs, "embedded")
        assert dump(file) == undisturbed, number
    assert ended[-signal.SIGKILL] >= 3
