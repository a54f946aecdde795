"""Two uploads of one job at once, wherever they meet: the job is stored once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from builder import JobBuilder, agent_step, user_step
from faults import Fault, FaultyProxy
from stored import Dump, dump, wipe
from test_changes import read, store_job

from adapter import opik_rest
from adapter.embedded_opik import EmbeddedOpik
from adapter.errors import IncompleteError
from adapter.opik_connection import connect
from adapter.opik_ids import ROUNDING_SECONDS
from adapter.opik_store import OpikStore
from adapter.opik_stored import Stored
from adapter.trial import Trial
from pipelines.doubles import sort_out
from pipelines.upload import Uploaded
from pipelines.written import Written

READ = ("Read", {"file_path": "a.py"}, "x = 1")
WINDOW = timedelta(seconds=ROUNDING_SECONDS)
LATER = [-WINDOW, timedelta(0), WINDOW]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting."""
    monkeypatch.setattr(opik_rest, "sleep", lambda _: None)


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> list[Trial]:
    """Two models on a task, with steps that are flagged."""
    job = JobBuilder(tmp_path_factory.mktemp("jobs"))
    job.trial("a__1", steps=[user_step("Fix a."), agent_step("Look.", READ, cost=0.25), agent_step("", READ, cost=0.5)])
    job.trial("a__2", model="anthropic/claude-sonnet-4-5", reward=0.0, exception="AgentTimeoutError")
    return read(job)


def store_at(url: str, trials: list[Trial], later: timedelta = timedelta(0)) -> Uploaded:
    """What another machine does, whose clock may be in another window."""
    with connect(url, "test") as connection:
        store = OpikStore(connection, "test")
        return store_job(trials, store, lambda: datetime.now(UTC) + later)


@pytest.fixture
def proxy(server: EmbeddedOpik) -> Iterator[FaultyProxy]:
    with FaultyProxy(server.url) as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, trials: list[Trial]) -> tuple[int, Dump]:
    """How many calls one upload takes, and what it leaves."""
    file = tmp_path_factory.mktemp("undisturbed") / "opik.db"
    with EmbeddedOpik(file) as server, FaultyProxy(server.url) as proxy:
        store_at(proxy.url, trials)
        return len(proxy.calls), dump(file)


@pytest.mark.slow
@pytest.mark.parametrize("later", LATER, ids=["a window before", "the same", "one after"])
def test_another_machine_may_store_the_job_at_any_moment(
    server: EmbeddedOpik,
    proxy: FaultyProxy,
    trials: list[Trial],
    tmp_path: Path,
    undisturbed: tuple[int, Dump],
    later: timedelta,
) -> None:
    calls, once = undisturbed
    # Every moment is met with one of the three clocks.
    for moment in range(LATER.index(later), calls, len(LATER)):
        wipe(server)

        def plan(number: int, call: str, moment: int = moment) -> Fault | None:
            if number == moment:
                store_at(server.url, trials, later)
            return None

        proxy.begin(plan)
        store_at(proxy.url, trials)
        assert dump(tmp_path / "opik.db") == once, moment
        assert store_at(server.url, trials).written == Written(), moment


@pytest.mark.slow
@pytest.mark.parametrize("later", [timedelta(0), WINDOW], ids=["same window", "different windows"])
def test_two_machines_at_once(
    server: EmbeddedOpik, trials: list[Trial], tmp_path: Path, undisturbed: tuple[int, Dump], later: timedelta
) -> None:
    # Under two names, so that they do not share the SDK's connections.
    urls = (server.url, server.url.replace("127.0.0.1", "localhost"))

    def one_machine(url: str, late: timedelta) -> None:
        # One that finds the ground gone under its feet says so, and the next run goes on.
        with suppress(IncompleteError):
            store_at(url, trials, late)

    for _ in range(5):
        wipe(server)
        both = [
            threading.Thread(target=one_machine, args=place) for place in zip(urls, (timedelta(0), later), strict=True)
        ]
        for one in both:
            one.start()
        for one in both:
            one.join()
        store_at(server.url, trials)
        assert dump(tmp_path / "opik.db") == undisturbed[1]


def row(row_id: str, trace_id: str, *twins: Stored) -> Stored:
    return Stored(row_id, "d", {}, datetime(2026, 3, 1, tzinfo=UTC), frozenset(), trace_id, twins=twins)


def test_of_two_traces_the_earlier_one_stays_with_its_spans() -> None:
    traces = {"j/t": row("1", "1", row("2", "2"))}
    spans = {"j/t/1": row("5", "2", row("6", "1")), "j/t/2": row("7", "1")}
    found = sort_out(traces, spans)
    assert found.strays == {"2"}
    assert {key: (one.id, one.trace_id, one.twins) for key, one in found.held["j/t"].items()} == {
        "j/t": ("1", "1", ()),
        "j/t/1": ("6", "1", ()),
        "j/t/2": ("7", "1", ()),
    }


def test_a_span_that_stands_twice_under_its_trace_keeps_its_twin() -> None:
    found = sort_out({"j/t": row("1", "1")}, {"j/t/1": row("5", "1", row("6", "1"))})
    assert [twin.id for twin in found.held["j/t"]["j/t/1"].twins] == ["6"]
    assert not found.strays


def test_spans_whose_trace_is_not_found_do_not_count_and_are_not_taken_away() -> None:
    found = sort_out({}, {"j/t/1": row("5", "1")})
    assert (found.held, found.strays) == ({}, frozenset())
