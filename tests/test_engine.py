"""Engines: the same results in the same order from this process, from processes beside it and from Dask's workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, user_step

from adapter.errors import BadInputError, IncompleteError
from pipelines.engine import IN_PROCESS, Engine, LocalEngine, dask_engine
from pipelines.engine.dask_engine import DaskEngine
from pipelines.engine.local import FEW, NICE

MANY = FEW + 6


def squared(number: int) -> tuple[int, int]:
    return number**2, os.getpid()


def dies_once(mark: Path, number: int) -> int:
    """Kills its own process the first time that it comes to 40."""
    if number == 40 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def dies(number: int) -> int:
    if number == 40:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.fixture(scope="module")
def dask() -> Iterator[DaskEngine]:
    with DaskEngine(workers=2) as engine:
        yield engine


@pytest.fixture(params=["here", "processes", "dask"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "here":
        yield IN_PROCESS
    elif request.param == "dask":
        yield request.getfixturevalue("dask")
    else:
        with LocalEngine(2) as found:
            yield found


@pytest.mark.slow
def test_results_come_in_the_order_of_the_items(engine: Engine) -> None:
    found = list(engine.map(squared, range(MANY)))
    assert [square for square, _ in found] == [number**2 for number in range(MANY)]
    assert (os.getpid() in {pid for _, pid in found}) == (engine is IN_PROCESS)
    assert list(engine.map(squared, [])) == []


def test_few_items_are_done_here() -> None:
    with LocalEngine(2) as engine:
        assert {pid for _, pid in engine.map(squared, range(FEW - 1))} == {os.getpid()}


@pytest.mark.slow
def test_what_a_killed_worker_had_is_done_by_another(tmp_path: Path, dask: DaskEngine) -> None:
    with LocalEngine(2) as processes:
        for engine, mark in ((processes, tmp_path / "local"), (dask, tmp_path / "dask")):
            assert list(engine.map(partial(dies_once, mark), range(MANY))) == list(range(MANY))
            assert mark.exists()


def niceness(_: int) -> int:
    return os.nice(0)


@pytest.mark.slow
def test_workers_here_yield_to_the_process_that_asks_models(dask: DaskEngine) -> None:
    with LocalEngine(2) as processes:
        for engine in (processes, dask):
            assert set(engine.map(niceness, range(MANY))) == {min(19, os.nice(0) + NICE)}


@pytest.mark.slow
def test_an_item_that_kills_every_worker_ends_it_with_what_to_do() -> None:
    with LocalEngine(2) as engine, pytest.raises(IncompleteError, match="died 3 times in a row") as error:
        list(engine.map(dies, range(MANY)))
    assert "--workers 1" in error.value.hint


def refuses(folder: Path, number: int) -> int:
    if number == 40:
        (folder / str(os.getpid())).open("a").write("refused\n")
        raise IncompleteError("Opik refuses.", "Look at its log.")
    return number


@pytest.mark.slow
def test_an_error_for_the_user_comes_from_a_worker_as_it_is_and_once(tmp_path: Path, dask: DaskEngine) -> None:
    with LocalEngine(2) as processes:
        for engine in (processes, dask):
            with pytest.raises(IncompleteError, match="Opik refuses") as error:
                list(engine.map(partial(refuses, tmp_path), range(MANY)))
            assert error.value.hint == "Look at its log."
            (written,) = list(tmp_path.iterdir())
            assert written.read_text() == "refused\n"
            written.unlink()


def job_of(folder: Path, trials: int) -> Path:
    job = JobBuilder(folder, "many")
    for number in range(trials):
        steps = [user_step(), *(agent_step(f"Step {n}.", cost=0.01 * n) for n in range(1, 3 + number % 3))]
        job.trial(f"task-{number:02}__1", model=f"openai/m{number % 2}", reward=float(number % 3 > 0), steps=steps)
    job.trial("broken__1", raw_trajectory="{")
    return job.path


@pytest.mark.slow
@pytest.mark.parametrize("command", [("inspect",), ("cost", "--by", "call")])
def test_every_engine_reads_and_prices_the_same(tmp_path: Path, kilobench: Any, command: tuple[str, ...]) -> None:
    job = job_of(tmp_path, MANY)
    told = [
        kilobench(*command, job, "--json", *engine)
        for engine in (("--workers", "1"), ("--workers", "2"), ("--engine", "dask", "--workers", "2"))
    ]
    assert {one.code for one in told} == {0}, told[0].err
    assert told[0].json == told[1].json == told[2].json


def test_a_scheduler_that_does_not_answer_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_engine, "_PATIENCE", 0.2)
    with pytest.raises(BadInputError, match=r"The scheduler tcp://127\.0\.0\.1:1 does not answer"):
        DaskEngine("tcp://127.0.0.1:1")


@pytest.mark.slow
def test_workers_that_are_not_there_or_are_others_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", host="127.0.0.1", silence_logs=50) as cluster:
        with pytest.raises(BadInputError, match="has no workers"):
            DaskEngine(cluster.scheduler_address)
        cluster.scale(1)
        cluster.wait_for_workers(1)
        with DaskEngine(cluster.scheduler_address) as engine:
            assert [square for square, _ in engine.map(squared, range(5))] == [0, 1, 4, 9, 16]
        own = dask_engine.facts()
        for other, said in (
            (replace(own, python="3.11.2", kilobench="0.0.1"), r"this process Python 3\.11\.2 and kilobench 0\.0\.1"),
            (replace(own, redaction="another"), "takes other secrets out"),
        ):
            monkeypatch.setattr(dask_engine, "_own", lambda other=other: other)
            with pytest.raises(BadInputError, match=said):
                DaskEngine(cluster.scheduler_address)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--scheduler", "tcp://127.0.0.1:1"), "--scheduler is Dask's"),
        (("--engine", "dask", "--scheduler", "tcp://127.0.0.1:1", "--workers", "2"), "--workers is for this machine"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    tmp_path: Path, kilobench: Any, options: tuple[str, ...], said: str
) -> None:
    result = kilobench("inspect", job_of(tmp_path, 1), *options)
    assert result.code == 2
    assert said in " ".join(result.err.split())


def test_dask_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(BadInputError, match="needs Dask") as error:
        DaskEngine()
    assert 'pip install "kilobench[dask]"' in error.value.hint


def test_the_work_on_a_trial_can_be_sent_to_another_machine(tmp_path: Path) -> None:
    import pickle

    from adapter.jobs import read_job
    from adapter.prices import BUNDLED
    from adapter.status import BY_REWARD
    from pipelines.notes import DETAILS, Wanted
    from pipelines.read import without_trials
    from pipelines.trial_work import How, Worked, work

    job = read_job(job_of(tmp_path, 100))
    how = How(without_trials(job), BY_REWARD, BUNDLED, is_judged=True, wanted=Wanted(DETAILS))
    sent = pickle.dumps(partial(work, how))
    # What goes along with each trial does not grow with the job.
    assert len(sent) < 5_000
    found = pickle.loads(pickle.dumps(pickle.loads(sent)(job.trials[0])))
    assert isinstance(found, Worked)
    assert found == work(how, job.trials[0])
    assert found.noted is not None
    assert len(found.noted.details["steps"]) == len(found.trial.steps)
