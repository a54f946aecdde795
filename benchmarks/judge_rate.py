"""Judging at the configured rate while workers are busy: calls a second at the model against the limit.

`kilobench judge` asks a scripted model that takes 200 ms, in a process of its own, which notes when each call came; the
trials are read by Dask's two workers, which read others in between, so that they are never idle. The limit allows ten
seconds' worth of calls at once after a lull (`judges.llm.limits`): so many are left out of the count, and no time is.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain, repeat
from multiprocessing.connection import Connection
from pathlib import Path

from adapter.jobs import Job, find_jobs
from adapter.prices import BUNDLED
from adapter.status import BY_REWARD
from benchmarks.scale import make
from pipelines.engine.dask_engine import DaskEngine
from pipelines.judge_request import JudgeRequest, Which
from pipelines.judging import judge
from pipelines.notes import DETAILS, Wanted
from pipelines.progress import Bars
from pipelines.read import without_trials
from pipelines.trial_work import How, work

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

MODEL = "openai/gpt-4.1-mini"
SECONDS = 0.2
RATES = (600, 1_200, 2_400)
"""Calls a minute."""
BURST = 10
"""Seconds' worth of calls."""
MEASURED = 60
"""Seconds of calls beside them."""
STEPS_PER_CALL = 12
"""At the default window, of the trials that are made: some windows are not full."""
AT_ONCE = 64


def main() -> None:
    """Prints the calls a second for several limits, and their share of the limit."""
    for rpm in RATES:
        calls = rpm * (BURST + MEASURED) // 60
        with tempfile.TemporaryDirectory() as to, _model() as (url, times):
            os.environ |= {"KILOBENCH_HOME": f"{to}/home", "OPENAI_API_KEY": "none"}
            make(Path(to) / "jobs", calls * STEPS_PER_CALL)
            with DaskEngine(workers=2) as engine, _busy(engine, Path(to) / "jobs") as done:
                request = JudgeRequest(
                    which=Which(paths=(Path(to) / "jobs",)),
                    models=(MODEL,),
                    api_base=url,
                    opik="embedded",
                    max_spend_usd=1_000.0,
                    concurrency=AT_ONCE,
                    rpm=rpm,
                )
                result = judge(request, Bars(quiet=True), engine=engine)
                worked = len(done)
            came = times()
        if result.run.calls != len(came) or result.failed:
            raise AssertionError((result.run.calls, len(came), len(result.failed)))
        seconds = came[-1] - came[0]
        rate = (len(came) - rpm * BURST / 60) / seconds
        print(
            f"judge-rate {rpm} calls a minute: {rate:.1f} a second, {60 * rate / rpm:.2f} of the limit (aim 0.95), "
            f"over {seconds:.0f} s; meanwhile the workers read {worked} trials beside the judged ones",
            flush=True,
        )


@contextmanager
def _busy(engine: DaskEngine, folder: Path) -> Iterator[list[None]]:
    """Has the workers read, price and judge trials by rules all the time; a list with an item for each that is done."""
    job = find_jobs([folder])[0]
    how = How(without_trials(job), BY_REWARD, BUNDLED, is_judged=True, wanted=Wanted(DETAILS))
    done: list[None] = []
    ends = threading.Event()

    def keep_busy() -> None:
        for few in chain.from_iterable(repeat(_few(job))):
            if ends.is_set():
                return
            done.extend(engine.map(partial(_only, how), few))

    thread = threading.Thread(target=keep_busy)
    thread.start()
    try:
        yield done
    finally:
        ends.set()
        thread.join()


def _few(job: Job) -> list[tuple[Path, ...]]:
    """The trials of a job, as many at a time as keep two workers busy for a few seconds."""
    return [job.trials[start : start + 96] for start in range(0, len(job.trials), 96)]


def _only(how: How, folder: Path) -> None:
    """The work, without its result: that of the judged ones is enough for the first process."""
    work(how, folder)


@contextmanager
def _model() -> Iterator[tuple[str, Callable[[], list[float]]]]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there,), daemon=True)
    process.start()
    url = here.recv()

    def times() -> list[float]:
        here.send("times")
        return here.recv()

    try:
        yield url, times
    finally:
        process.terminate()
        process.join()


def _serve(port: Connection) -> None:
    from judging import good
    from scripted_judge import Answer, Asked, ScriptedJudge

    came: list[float] = []

    def answer(asked: Asked) -> Answer:
        came.append(time.monotonic())
        time.sleep(SECONDS)
        return good(asked)

    with ScriptedJudge(answer) as model:
        port.send(model.url)
        port.recv()
        port.send(came)
        port.recv()


if __name__ == "__main__":
    main()
