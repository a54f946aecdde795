"""A run holds one trial at a time: memory does not grow with the number of trials."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path

import pytest
from builder import JobBuilder, agent_step, user_step

from adapter.embedded_opik import EmbeddedOpik
from adapter.errors import IncompleteError
from adapter.jobs import read_job
from adapter.opik_connection import Connection
from adapter.opik_rows import Row
from adapter.opik_store import OpikStore, Stored
from adapter.status import BY_REWARD
from adapter.trial import Trial
from pipelines.cost import price_trial
from pipelines.cost_command import write_json
from pipelines.costing import Costing, Request
from pipelines.judge import judge_trial
from pipelines.notes import DETAILS, Notes
from pipelines.one_job import OneJob
from pipelines.progress import Advance, Bars
from pipelines.read import Skipped, read_trials
from pipelines.run import Options, run

AT_ONCE = 3
"""The trial in work, the one before it that a caller still names, and the one that is just being made of it."""


class Counting(Bars):
    """Counts the trials that are alive whenever one was read."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.alive: list[int] = []

    def stage(self, name: str, unit: str, total: int | None) -> Advance:
        """As always; and counts at each step of the reading."""
        advance = super().stage(name, unit, total)

        def counted(done: int) -> None:
            advance(done)
            if name == "Read":
                self.alive.append(sum(type(one) is Trial for one in gc.get_objects()))

        return counted


@pytest.mark.parametrize("per_job", [1, 24], ids=["many jobs", "one job"])
def test_at_most_a_few_trials_are_alive_at_once(tmp_path: Path, server: EmbeddedOpik, per_job: int) -> None:
    for number in range(24 // per_job):
        job = JobBuilder(tmp_path / "jobs", f"job-{number}")
        for trial in range(per_job):
            job.trial(f"task-{trial}__1")
    gc.collect()
    before = sum(type(one) is Trial for one in gc.get_objects())
    bars = Counting()
    options = Options((tmp_path / "jobs",), "test", server.url, report=tmp_path / "report", tables=tmp_path / "tables")
    result = run(options, bars)
    assert (result.totals.trials, len(bars.alive)) == (24, 24)
    assert max(bars.alive) - before <= AT_ONCE


def test_costs_are_written_while_at_most_a_few_trials_are_alive(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    for trial in range(24):
        job.trial(f"task-{trial}__1")
    gc.collect()
    before = sum(type(one) is Trial for one in gc.get_objects())
    bars, out = Counting(), StringIO()
    request = Request((job.path,), by="step", tables=tmp_path / "tables")
    write_json(Costing(request), "step", bars, out)
    assert (out.getvalue().count('"trial": '), len(bars.alive)) == (24, 24)
    assert max(bars.alive) - before <= AT_ONCE


LENGTH = 500_000
"""Characters of each trial's text."""


def test_what_is_noted_of_a_trial_does_not_hold_its_texts(tmp_path: Path) -> None:
    def peak(trials: int) -> int:
        job = JobBuilder(tmp_path, f"job-{trials}")
        for number in range(trials):
            letter = chr(ord("a") + number % 26)
            read = ("Read", {"file_path": "a.py"}, letter * LENGTH)
            job.trial(f"t__{number}", steps=[user_step(), agent_step("", read), agent_step("", read)])
        found = read_job(job.path)
        notes, skipped = Notes(details=DETAILS), list[Skipped]()
        tracemalloc.start()
        for trial in read_trials([found], skipped, lambda _: None, BY_REWARD):
            cost = price_trial(trial)
            notes.add(trial, cost, judge_trial(trial))
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (len(notes.details().whole("steps")), skipped) == (3 * trials, [])
        return highest

    peak(3)  # What is loaded at first use does not count.
    assert peak(40) - peak(5) < LENGTH


class Losing(OpikStore):
    """A store that loses the first spans it takes."""

    has_lost = False

    def send_spans(self, *arguments: object) -> None:
        """Takes them, the second time."""
        if self.has_lost:
            super().send_spans(*arguments)  # type: ignore[arg-type]
        self.has_lost = True


class Changing(Losing):
    """As `Losing`; and the job's folder changes meanwhile."""

    broken: Path | None = None

    def find_spans(self, job_id: str) -> dict[str, Stored]:
        """What is there; after the first loss, a trial's result is cut."""
        if self.has_lost and self.broken is not None:
            self.broken.write_text("{")
        return super().find_spans(job_id)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting for what will not come."""
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)


def stored(job: JobBuilder, store: OpikStore) -> tuple[int, int]:
    """Stores a job; how many traces and spans are there then."""
    one = OneJob(read_job(job.path), BY_REWARD, prompts={}, notes=Notes(), skipped=[])
    uploaded = one.store(store, lambda _: None, lambda _: None)
    return len(uploaded.traces), len(uploaded.spans)


@pytest.mark.usefixtures("quick")
def test_what_opik_does_not_hold_is_read_again_and_sent_again(tmp_path: Path, connection: Connection) -> None:
    job = JobBuilder(tmp_path)
    for number in range(3):
        job.trial(f"t__{number}")
    assert stored(job, Losing(connection, "test")) == (3, 6)
    assert len(connection.client.search_spans(project_name="test", max_results=100)) == 6


@pytest.mark.usefixtures("quick")
def test_a_trial_that_breaks_while_it_is_sent_is_named(tmp_path: Path, connection: Connection) -> None:
    job = JobBuilder(tmp_path)
    store = Changing(connection, "test")
    store.broken = job.trial("t__1") / "result.json"
    with pytest.raises(IncompleteError, match="job/t__1 changed while it was sent"):
        stored(job, store)


class Weighing(OpikStore):
    """A store that notes the ids it is given beyond those that its rows name."""

    def send_spans(self, rows: Iterable[tuple[str, Row]], ids: Mapping[str, str]) -> None:
        """Sends them."""
        sent = list(rows)
        self.spare.append(set(ids) - {key for _, row in sent for key in (row.trace_key, row.parent_key)})
        super().send_spans(sent, ids)

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, "test")
        self.spare: list[set[str]] = []


def test_no_ids_are_kept_of_what_was_sent(tmp_path: Path, connection: Connection) -> None:
    job = JobBuilder(tmp_path)
    for number in range(3):
        calls = [("bash", {"command": "ls"}, "x" * 900_000)] * 3
        job.trial(f"t__{number}", steps=[user_step(), agent_step("", *calls), agent_step("", *calls)])
    store = Weighing(connection)
    assert stored(job, store) == (3, 24)
    assert len(store.spare) > 3
    assert set().union(*store.spare) == set()


def test_rows_of_many_trials_share_a_request(tmp_path: Path, server: EmbeddedOpik, connection: Connection) -> None:
    job = JobBuilder(tmp_path)
    for number in range(60):
        job.trial(f"t__{number}")
    assert stored(job, OpikStore(connection, "test")) == (60, 120)
    requests = server.app.state.requests
    sent = {
        kind: sum(number for (method, path, _), number in requests.items() if (method, path[-len(kind) :]) == kind_of)
        for kind, kind_of in (("traces/batch", ("POST", "traces/batch")), ("spans/batch", ("POST", "spans/batch")))
    }
    assert sent == {"traces/batch": 1, "spans/batch": 1}
