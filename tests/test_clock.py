"""An Opik that takes no id a day off its clock takes whatever we send, whenever we send it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from builder import JobBuilder, agent_step, user_step
from faults import FAULTS, FaultyProxy
from stored import Dump, dump
from test_changes import read, store_job

from adapter import opik_rest
from adapter.embedded_opik import EmbeddedOpik
from adapter.errors import IncompleteError
from adapter.opik_connection import connect
from adapter.opik_store import OpikStore

CALLS = ("traces/batch", "spans/batch", "datasets/items", "experiments", "experiments/items", "feedback-scores")
"""Where the first upload stops."""


@dataclass
class Time:
    """Of the store and of the machine that uploads."""

    now: datetime = datetime(2026, 11, 1, 11, 59, tzinfo=UTC)

    def __call__(self) -> datetime:
        """The time."""
        return self.now


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting."""
    monkeypatch.setattr(opik_rest, "sleep", lambda _: None)


@contextmanager
def strict(file: Path, time: Time) -> Iterator[tuple[FaultyProxy, OpikStore]]:
    with (
        EmbeddedOpik(file, ingestion_window=timedelta(hours=24), clock=time) as server,
        FaultyProxy(server.url) as proxy,
        connect(proxy.url, "test") as connection,
    ):
        yield proxy, OpikStore(connection, "test")


@pytest.fixture
def job(tmp_path: Path) -> JobBuilder:
    """A job of March, with a flagged step."""
    read_file = ("Read", {"file_path": "a.py"}, "x = 1")
    made = JobBuilder(tmp_path)
    made.trial("a__1", steps=[user_step(), agent_step("One.", read_file, cost=0.5), agent_step("Two.", read_file)])
    made.trial("b__1")
    return made


@pytest.fixture
def undisturbed(tmp_path: Path, job: JobBuilder) -> Dump:
    time = Time()
    with strict(tmp_path / "undisturbed.db", time) as (_, store):
        store_job(read(job), store, time)
    return dump(tmp_path / "undisturbed.db")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("days", [1 / 24, 3, 400])
def test_an_upload_that_stopped_is_completed_days_later(
    tmp_path: Path, job: JobBuilder, undisturbed: Dump, call: str, days: float
) -> None:
    time = Time()
    with strict(tmp_path / "opik.db", time) as (proxy, store):
        proxy.begin(lambda _, asked: FAULTS["500"] if asked.endswith(call) and "GET" not in asked else None)
        with pytest.raises(IncompleteError):
            store_job(read(job), store, time)
        proxy.begin()
        time.now += timedelta(days=days)
        store_job(read(job), store, time)
        assert not store.refused
    assert dump(tmp_path / "opik.db") == undisturbed


@pytest.mark.parametrize("hours", [-5, 5, 17])
def test_a_clock_that_is_some_hours_off_does_no_harm(
    tmp_path: Path, job: JobBuilder, undisturbed: Dump, hours: int
) -> None:
    time = Time()
    with strict(tmp_path / "opik.db", time) as (_, store):
        store_job(read(job), store, lambda: time() - timedelta(hours=hours))
        assert not store.refused
    assert dump(tmp_path / "opik.db") == undisturbed
