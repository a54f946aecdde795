"""Workers send what they read: the store and the tables are those of one process, whatever becomes of the workers."""

from __future__ import annotations

import os
import platform
import signal
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from builder import JobBuilder, agent_step, user_step
from stored import Dump, dump, wipe

from adapter import opik_reach
from adapter.embedded_opik import EmbeddedOpik
from adapter.errors import BadInputError
from adapter.opik_connection import connect
from adapter.opik_reach import Reach, why_out_of_reach
from adapter.opik_store import OpikStore
from pipelines.engine import Engine, LocalEngine
from pipelines.engine.dask_engine import DaskEngine
from pipelines.engine.local import FEW
from pipelines.progress import Bars
from pipelines.run import Options, run
from pipelines.worker_upload import check_reach

KILLED, SLOW, FREES = 25, 46, 50
"""Places of the trials at which a worker is killed, and one waits until another trial is done."""


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = JobBuilder(tmp_path_factory.mktemp("jobs"), "many")
    repeated = ("Read", {"file_path": "a.py"}, "x = 1")
    for number in range(FEW + 6):
        steps = [user_step(), *(agent_step(f"Step {n}.", repeated, cost=0.01 * n) for n in range(1, 3 + number % 3))]
        made.trial(f"task-{number:02}__1", model=f"openai/m{number % 2}", reward=float(number % 3 > 0), steps=steps)
    made.trial("broken__1", raw_trajectory="{")
    return made.path


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "opik.db"


@pytest.fixture(scope="module")
def server(database: Path) -> Iterator[EmbeddedOpik]:
    with EmbeddedOpik(database) as running:
        yield running


@pytest.fixture(scope="module")
def alone(
    job: Path, server: EmbeddedOpik, database: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Dump, Path, Any]:
    """What one process makes of the job: the store, the tables, the result."""
    tables = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KILOBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        result = run(Options((job,), "p", server.url, tables=tables), Bars())
    return dump(database), tables, result


@pytest.fixture(scope="module", params=["processes", "dask"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with LocalEngine(2) if request.param == "processes" else DaskEngine(workers=2) as found:
        yield found


class Disturbed:
    """An engine whose workers have bad luck: one is very slow, and one is killed when it has just sent a trial."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        os.mkfifo(folder / "waiting")

    def map[T, R](self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        return self._engine.map(partial(unlucky, function, self._folder), list(enumerate(items)))

    def spreads(self, number: int) -> bool:
        return self._engine.spreads(number)

    def ask_workers[R](self, question: Callable[[], R]) -> dict[str, R]:
        return self._engine.ask_workers(question)


def unlucky[T, R](function: Callable[[T], R], folder: Path, item: tuple[int, T]) -> R:
    place, what = item
    result = function(what)
    if place == KILLED and not (folder / "killed").exists():
        (folder / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if place == SLOW and not (folder / "waited").exists():
        (folder / "waited").touch()
        (folder / "waiting").read_bytes()
    if place == FREES and not (folder / "freed").exists():
        (folder / "freed").touch()
        (folder / "waiting").write_bytes(b"on")
    return result


@pytest.mark.slow
def test_killed_and_slow_workers_leave_the_same_store_and_tables(
    job: Path,
    server: EmbeddedOpik,
    database: Path,
    alone: tuple[Dump, Path, Any],
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def not_here(_store: OpikStore, rows: Sequence[object], _ids: object) -> None:
        assert not rows, "the rows of new trials are sent by the workers alone"

    expected, expected_tables, expected_result = alone
    wipe(server)
    tables = tmp_path / "tables"
    with monkeypatch.context() as here:
        here.setattr(OpikStore, "send_spans", not_here)
        result = run(Options((job,), "p", server.url, tables=tables), Bars(), Disturbed(engine, tmp_path))
    assert {"killed", "waited", "freed"} <= {path.name for path in tmp_path.iterdir()}
    assert dump(database) == expected
    for path in sorted(expected_tables.glob("*.parquet")):
        pd.testing.assert_frame_equal(pd.read_parquet(path), pd.read_parquet(tables / path.name))
    for name in ("totals", "variants", "findings", "verdicts", "skipped", "written", "exit_code"):
        assert getattr(result, name) == getattr(expected_result, name), name
    again = run(Options((job,), "p", server.url), Bars(), engine)
    assert (again.written.traces, again.written.spans, again.written.scores) == (0, 0, 0)


def test_a_store_on_loopback_is_no_store_for_workers_elsewhere(
    server: EmbeddedOpik, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Elsewhere(LocalEngine):
        def ask_workers[R](self, question: Callable[[], R]) -> dict[str, R]:
            with monkeypatch.context() as there:
                there.setattr(opik_reach.platform, "node", lambda: "node-7")
                return {"tcp://10.0.0.7:4000": question()}

    with connect(server.url, "p") as connection, pytest.raises(BadInputError) as error:
        check_reach(Elsewhere(), OpikStore(connection, "p"))
    assert "The worker tcp://10.0.0.7:4000 does not reach the Opik at http://127.0.0.1" in error.value.what
    assert f"on the loopback of {platform.node()}, and the worker runs on node-7" in error.value.what


def test_a_worker_that_had_a_store_in_an_earlier_run_says_that_it_is_gone(tmp_path: Path) -> None:
    with EmbeddedOpik(tmp_path / "opik.db") as store:
        reach = Reach(store.url, "p", "default", store.url, platform.node())
        assert why_out_of_reach(reach) is None
    assert (why_out_of_reach(reach) or "").startswith("No Opik answers at")


def test_a_store_that_does_not_answer_a_worker_is_said_at_once() -> None:
    why = why_out_of_reach(Reach("http://127.0.0.1:1/api", "p", "default", "http://127.0.0.1:1", platform.node()))
    assert why is not None
    assert why.startswith("No Opik answers at http://127.0.0.1:1/api")
