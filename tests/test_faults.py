"""Whatever goes wrong at whatever call: what is stored is exactly the job, or exit 3 says what is left to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import opik.httpx_client
import pytest
from builder import JobBuilder, agent_step, user_step
from faults import FAULTS, Fault, FaultyProxy, refusing, status
from stored import UUID, Dump, dump, wipe

from adapter import opik_rest
from adapter.embedded_opik import EmbeddedOpik
from adapter.errors import ExitCode, IncompleteError
from pipelines.progress import Bars
from pipelines.results import RunResult
from pipelines.run import Options, run

type Plan = Callable[[int, str], Fault | None]

READ = ("Read", {"file_path": "a.py"}, "x = 1")


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models on a task: with costs, an error, tool calls and steps that the rules flag."""
    folder = tmp_path_factory.mktemp("jobs")
    job = JobBuilder(folder)
    job.trial("a__1", steps=[user_step("Fix a."), agent_step("Look.", READ, cost=0.25), agent_step("", READ, cost=0.5)])
    job.trial("a__2", model="anthropic/claude-sonnet-4-5", reward=0.0, exception="AgentTimeoutError")
    return folder


@pytest.fixture(autouse=True)
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits, none of which takes any time."""
    waits: list[float] = []
    monkeypatch.setattr(opik_rest, "sleep", waits.append)
    return waits


@dataclass
class World:
    """A store behind a proxy, and a job."""

    jobs: Path
    server: EmbeddedOpik
    proxy: FaultyProxy
    file: Path

    def run(self, plan: Plan = lambda _number, _call: None) -> RunResult:
        """`kilobench run`, without its command line, while things go wrong as planned."""
        self.proxy.begin(plan)
        return run(Options((self.jobs,), "test", self.proxy.url), Bars(quiet=True))

    @property
    def holds(self) -> Dump:
        """What is stored."""
        return dump(self.file)


@contextmanager
def world(folder: Path, jobs: Path, **options: Any) -> Iterator[World]:
    file = folder / "opik.db"
    with EmbeddedOpik(file, **options) as server, FaultyProxy(server.url) as proxy:
        yield World(jobs, server, proxy, file)


@pytest.fixture
def here(tmp_path: Path, jobs: Path) -> Iterator[World]:
    """A world of the test's own."""
    with world(tmp_path, jobs) as one:
        yield one


@dataclass(frozen=True)
class Undisturbed:
    """What a run without faults asks and leaves."""

    calls: tuple[str, ...]
    holds: Dump


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, jobs: Path) -> Undisturbed:
    with world(tmp_path_factory.mktemp("undisturbed"), jobs) as one:
        assert one.run().exit_code == ExitCode.DONE
        return Undisturbed(tuple(one.proxy.calls), one.holds)


def once(at: int, fault: Fault) -> Plan:
    """The fault at one call."""
    return lambda number, _: fault if number == at else None


def from_there_on(at: int, fault: Fault) -> Plan:
    """The fault at a call and at all after it."""
    return lambda number, _: fault if number >= at else None


def everywhere(fault: Fault, *, at_first: bool = False) -> Plan:
    """The fault at every call, once: what is tried again goes through. Or at the first call of each kind."""
    seen: Counter[str] = Counter()
    last = False

    def plan(_: int, call: str) -> Fault | None:
        nonlocal last
        kind = UUID.sub("", call)
        seen[kind] += 1
        last = not last and (seen[kind] == 1 if at_first else seen[kind] % 2 == 1)
        return fault if last else None

    return plan


def test_the_calls_of_a_run_are_those_that_are_disturbed(undisturbed: Undisturbed) -> None:
    asked = {call.rpartition("private/")[2] for call in undisturbed.calls}
    assert {"traces/batch", "spans/batch", "traces/search", "spans/search", "experiments", "dashboards"} <= asked
    assert undisturbed.holds.keys() == {
        *("attachment", "dashboard", "dataset", "dataset item", "experiment", "experiment item"),
        *("prompt", "prompt version", "score", "span", "trace"),
    }
    assert all(len(rows) == 1 for of_kind in undisturbed.holds.values() for rows in of_kind.values())


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_at_every_call_is_not_to_be_seen_afterwards(
    here: World, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    slow = kind.startswith("slow")
    if slow:
        monkeypatch.setattr(opik.httpx_client, "READ_TIMEOUT_SECONDS", 1)
    assert here.run(everywhere(FAULTS[kind], at_first=slow)).exit_code == ExitCode.DONE
    assert here.holds == undisturbed.holds
    assert len(here.proxy.calls) > len(undisturbed.calls) or kind == "short"


UNLIKE = ("409", "reset after", "half", "half, unnoticed", "short")
"""Faults of which none leaves the store and the client as another does; after all others the call was not made."""
STAYING = ("500", "reset after", "half, unnoticed")


def shared_out(calls: tuple[str, ...], kinds: tuple[str, ...], kind: str, each: int) -> list[tuple[int, str]]:
    """The calls that are disturbed by a kind of fault, so that each call is by so many of the kinds."""
    place = kinds.index(kind)
    return [(number, call) for number, call in enumerate(calls) if (number - place) % len(kinds) < each]


@pytest.mark.slow
@pytest.mark.parametrize("kind", UNLIKE)
def test_a_fault_at_any_one_call_leaves_exactly_the_job(here: World, undisturbed: Undisturbed, kind: str) -> None:
    for number, call in shared_out(undisturbed.calls, UNLIKE, kind, each=2):
        wipe(here.server)
        assert here.run(once(number, FAULTS[kind])).exit_code == ExitCode.DONE, (number, call)
        assert here.holds == undisturbed.holds, (number, call)


@pytest.mark.slow
@pytest.mark.parametrize("kind", STAYING)
def test_a_fault_that_stays_ends_the_command_with_3_and_the_next_run_completes_it(
    here: World, undisturbed: Undisturbed, kind: str
) -> None:
    for number, call in shared_out(undisturbed.calls, STAYING, kind, each=1):
        wipe(here.server)
        with pytest.raises(IncompleteError, match="Run the same command again") as stopped:
            here.run(from_there_on(number, FAULTS[kind]))
        assert stopped.value.exit_code == 3, (number, call)
        assert here.run().exit_code == ExitCode.DONE, (number, call)
        assert here.holds == undisturbed.holds, (number, call)


def while_sending(what: str, fault: Fault) -> Plan:
    return lambda _, call: fault if call.endswith(what) else None


POISONED = [
    # What is sent, what stands in the row that is refused, what is named, how many spans are missing.
    ("spans/batch", b'"Look."', "job/a__1, step 2", 1),
    ("traces/batch", b"Fix a.", "job/a__1", 4),
    ("spans/feedback-scores", b"x = 1", "score efficiency on job/a__1, step 3", 0),
]


@pytest.mark.parametrize("code", [400, 413, 422])
@pytest.mark.parametrize(("what", "poison", "named", "spans"), POISONED, ids=[one[0] for one in POISONED])
def test_a_row_that_opik_does_not_take_is_named_and_the_rest_is_stored(
    here: World, undisturbed: Undisturbed, code: int, what: str, poison: bytes, named: str, spans: int
) -> None:
    result = here.run(while_sending(what, refusing(code, lambda body: poison in body)))
    assert result.exit_code == ExitCode.INCOMPLETE
    assert [one.path for one in result.skipped] == [named]
    assert f": {code} " in result.skipped[0].reason
    assert len(undisturbed.holds["span"].keys() - here.holds["span"].keys()) == spans
    assert here.run().exit_code == ExitCode.DONE
    assert here.holds == undisturbed.holds


def test_requests_that_are_too_large_are_halved(tmp_path: Path, here: World) -> None:
    job = JobBuilder(tmp_path, "large")
    job.trial("a__1", steps=[user_step(), *(agent_step(f"{n} " + "x" * 50_000) for n in range(20))])
    too_large = refusing(413, lambda body: len(body) > 300_000)
    there = replace(here, jobs=job.path)
    assert there.run(while_sending("spans/batch", too_large)).exit_code == ExitCode.DONE
    assert len(there.holds["span"]) == 20
    assert there.proxy.calls.count("POST /api/v1/private/spans/batch") == 7


def test_an_opik_that_takes_nothing_is_told_at_once(here: World) -> None:
    job = JobBuilder(here.file.parent, "long")
    job.trial("a__1", steps=[user_step(), *(agent_step(str(n)) for n in range(200))])
    with pytest.raises(IncompleteError, match="Opik refused spans: 400"):
        replace(here, jobs=job.path).run(while_sending("spans/batch", status(400)))


@pytest.mark.parametrize("hours", [25, -30])
def test_where_the_clocks_are_a_day_apart_the_trials_are_named_and_a_run_with_right_clocks_completes_it(
    tmp_path: Path, jobs: Path, undisturbed: Undisturbed, hours: int
) -> None:
    skew = timedelta(hours=hours)

    def clock() -> datetime:
        return datetime.now(UTC) + skew

    with world(tmp_path, jobs, ingestion_window=timedelta(hours=24), clock=clock) as one:
        result = one.run()
        assert result.exit_code == ExitCode.INCOMPLETE
        assert [item.path for item in result.skipped] == ["job/a__1", "job/a__2"]
        assert "allowed ingestion window" in result.skipped[0].reason
        skew = timedelta(0)
        assert one.run().exit_code == ExitCode.DONE
        assert one.holds == undisturbed.holds


def test_the_command_ends_with_3_and_says_what_to_do(here: World, kilobench: Any) -> None:
    here.proxy.begin(while_sending("spans/batch", status(500)))
    result = kilobench("run", here.jobs, "--opik", here.proxy.url)
    assert result.code == 3
    assert "Opik refused spans: 500" in " ".join(result.err.split())
    assert "Run the same command again" in " ".join(result.err.split())
