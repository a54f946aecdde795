"""What becomes of live traces: kept, replaced, removed, or left where it is not certain whose they are."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builder import START, JobBuilder, agent_step, user_step
from opik.rest_api.types import ExperimentItem, FeedbackScoreBatchItem, SpanWrite, TraceWrite
from test_changes import contents

from adapter.embedded_opik import EmbeddedOpik
from adapter.errors import BadInputError, IncompleteError
from adapter.jobs import read_job
from adapter.live_traces import NOTES, NotedTrace, note, read_notes
from adapter.opik_connection import connect
from adapter.opik_ids import mint
from adapter.opik_live import LiveTrace
from adapter.opik_rows import KEY, trial_key
from adapter.opik_store import OpikStore
from adapter.opik_stored import Stored
from adapter.status import BY_REWARD
from pipelines.live import LiveJob, Sorted, Tried, noted_project, sort_out
from pipelines.notes import Notes
from pipelines.one_job import OneJob
from pipelines.read import Skipped
from pipelines.upload import Uploaded

BEGAN = datetime.fromisoformat(START)
TRIALS = ("a__1", "b__1")


@pytest.fixture
def job(tmp_path: Path) -> JobBuilder:
    """Two trials, one of them with a second reward."""
    made = JobBuilder(tmp_path)
    made.trial("a__1", verifier_result={"rewards": {"reward": 1, "speed": 0.5}})
    made.trial("b__1", exception="AgentTimeoutError", steps=[user_step(), agent_step("Hm.", cost=0.5)])
    return made


@dataclass
class Live:
    """What the live integration stores, through the same endpoints."""

    store: OpikStore
    job: JobBuilder
    minted: datetime

    def __post_init__(self) -> None:
        self.rest = self.store.connection.client.rest_client

    def trace(
        self, trial: str, *, at: datetime = BEGAN, steps: bool = False, noted: str | None = None, project: str = "test"
    ) -> str:
        """A trial's live trace with its spans; `noted` is the id of the trial in whose name it is noted."""
        trace = mint(f"{trial}{at}{steps}", self.minted)
        made: dict[str, Any] = {"project_name": project, "metadata": {"created_from": "harbor"}}
        self.rest.traces.create_traces(
            traces=[
                TraceWrite(
                    id=trace,
                    name=f"toy/{trial}",
                    start_time=at,
                    end_time=at + timedelta(minutes=6),
                    input={"trial_name": trial},
                    output={"trial_name": trial},
                    tags=["harbor"],
                    **made,
                )
            ]
        )
        names = [("setup_agent", "general"), ("verify", "general"), *[("step_2", "llm")] * steps]
        spans = [
            SpanWrite(
                id=mint(f"{trace}{name}", self.minted),
                trace_id=trace,
                name=name,
                type=kind,  # pyright: ignore[reportArgumentType]
                start_time=at,
                total_estimated_cost=9.0 if kind == "llm" else None,
                **made,
            )
            for name, kind in names
        ]
        self.rest.spans.create_spans(spans=spans)
        scores = [
            FeedbackScoreBatchItem(id=trace, project_name=project, name=name, value=value, source="sdk")
            for name, value in self.rewards(trial).items()
        ]
        self.rest.traces.score_batch_of_traces(scores=scores)
        if noted is not None:
            note(self.job.path, NotedTrace(trial_id=noted, trial=trial, trace_id=trace, project=project))
        return trace

    def rewards(self, trial: str) -> dict[str, float]:
        """What the trial's verifier gave."""
        result = self.job.path / trial / "result.json"
        return json.loads(result.read_text())["verifier_result"]["rewards"] if result.exists() else {"reward": 1.0}

    def experiment(self, *traces: str, name: str | None = None, made_by: str = "harbor") -> str:
        """A live experiment with these traces."""
        name, project = name or f"harbor-job-{self.job.id[:8]}", "test"
        experiment = mint(f"{name}{traces}", self.minted)
        self.rest.datasets.create_dataset(name=f"set-{len(traces)}", project_name=project)
        self.rest.experiments.create_experiment(
            id=experiment,
            dataset_name=f"set-{len(traces)}",
            project_name=project,
            name=name,
            metadata={"created_from": made_by},
        )
        items = [
            ExperimentItem(
                id=mint(f"{experiment}{trace}", self.minted),
                experiment_id=experiment,
                dataset_item_id=mint("item", self.minted),
                trace_id=trace,
            )
            for trace in traces
        ]
        if items:
            self.rest.experiments.create_experiment_items(experiment_items=items)
        return experiment


@contextmanager
def opened(path: Path, window: timedelta | None = None) -> Iterator[OpikStore]:
    with EmbeddedOpik(path, ingestion_window=window) as server, connect(server.url, "test") as connection:
        yield OpikStore(connection, "test")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OpikStore]:
    with opened(tmp_path / "opik.db") as found:
        yield found


@pytest.fixture
def live(store: OpikStore, job: JobBuilder) -> Live:
    return Live(store, job, datetime.now(UTC))


def run(job: JobBuilder, store: OpikStore) -> list[str]:
    """Stores the job as `kilobench run` does; what it has to say."""
    skipped: list[Skipped] = []
    one = OneJob(read_job(job.path), BY_REWARD, prompts={}, notes=Notes(), skipped=skipped)
    one.store(store, lambda _: None, lambda _: None)
    return [one.reason for one in skipped]


def trial_id(job: JobBuilder, name: str) -> str:
    (found,) = [one for one in _read(job) if one.trial == name]
    return found.trial_id


def _read(job: JobBuilder) -> list[Any]:
    from adapter.harbor import read_trial

    found = read_job(job.path)
    return [read_trial(found, folder) for folder in found.trials]


def ordinary(job: JobBuilder, tmp_path: Path) -> dict[str, Any]:
    """What a store holds in which the job never ran live."""
    with opened(tmp_path / "ordinary.db") as other:
        notes = job.path / NOTES
        kept = notes.read_bytes() if notes.exists() else None
        notes.unlink(missing_ok=True)
        run(job, other)
        if kept is not None:
            notes.write_bytes(kept)
        return contents(other)


def traces(store: OpikStore) -> dict[str, Any]:
    return {one.id: one for one in store.connection.client.search_traces(project_name="test", max_results=100)}


def experiments(store: OpikStore) -> list[str | None]:
    found = store.connection.client.rest_client.experiments.find_experiments(size=100).content or []
    return [one.name for one in found if one.name and "harbor-job-" in one.name]


@pytest.mark.parametrize("age", [timedelta(0), timedelta(days=30)], ids=["today", "a month ago"])
def test_a_noted_trace_keeps_its_id_and_becomes_what_an_upload_makes(
    tmp_path: Path, job: JobBuilder, age: timedelta
) -> None:
    with opened(tmp_path / "opik.db") as store:
        live = Live(store, job, datetime.now(UTC) - age)
        ids = {live.trace(name, noted=trial_id(job, name)) for name in TRIALS}
        live.experiment(*ids)
    with opened(tmp_path / "opik.db", timedelta(days=1)) as store:
        assert run(job, store) == []
        assert traces(store).keys() == ids
        assert contents(store) == ordinary(job, tmp_path)
        spans = store.connection.client.search_spans(project_name="test", max_results=100)
        assert sum(span.name in ("setup_agent", "verify") for span in spans) == 4
        assert run(job, store) == []
        assert contents(store) == ordinary(job, tmp_path)


REPLACED: dict[str, Callable[[Live], object]] = {
    "nothing is noted": lambda live: [live.trace(name, steps=True) for name in TRIALS],
    "nothing is noted, and no step is there": lambda live: [live.trace(name) for name in TRIALS],
    "it holds partial steps": lambda live: [
        live.trace(name, steps=True, noted=trial_id(live.job, name)) for name in TRIALS
    ],
    "it is noted for a trial of another name": lambda live: [
        live.trace("a__1", noted=trial_id(live.job, "b__1")),
        live.trace("b__1", noted=trial_id(live.job, "a__1")),
    ],
    "it started moments before its trial": lambda live: [
        live.trace(name, at=BEGAN - timedelta(seconds=1), steps=True) for name in TRIALS
    ],
}


@pytest.mark.parametrize("case", REPLACED)
def test_a_trace_that_cannot_be_kept_is_replaced_whole(
    tmp_path: Path, job: JobBuilder, store: OpikStore, live: Live, case: str
) -> None:
    REPLACED[case](live)
    before = traces(store).keys()
    live.experiment(*before)
    assert run(job, store) == []
    assert contents(store) == ordinary(job, tmp_path)
    assert len(traces(store)) == 2
    assert not traces(store).keys() & before
    assert experiments(store) == []


def test_traces_of_other_jobs_and_their_experiments_are_left_alone(
    job: JobBuilder, store: OpikStore, live: Live
) -> None:
    other = live.trace("z__1", steps=True)
    live.trace("a__1")
    live.experiment(other)
    (said,) = run(job, store)
    assert "holds none of its traces, and stays" in said
    assert other in traces(store)
    assert len(experiments(store)) == 1


@pytest.mark.parametrize(
    ("name", "made_by"), [("harbor-job-{}-again", "harbor"), ("my harbor-job-{}", "harbor"), ("harbor-job-{}", "me")]
)
def test_an_experiment_that_the_integration_did_not_make_for_this_job_stays(
    job: JobBuilder, store: OpikStore, live: Live, name: str, made_by: str
) -> None:
    trace = live.trace("a__1", noted=trial_id(job, "a__1"))
    live.experiment(trace, name=name.format(job.id[:8]), made_by=made_by)
    run(job, store)
    assert name.format(job.id[:8]) in experiments(store)


def test_where_no_trial_could_be_read_nothing_goes(job: JobBuilder, store: OpikStore, live: Live) -> None:
    live.experiment(*[live.trace(name, noted=trial_id(job, name)) for name in TRIALS])
    for name in TRIALS:
        (job.path / name / "result.json").unlink()
    run(job, store)
    assert len(experiments(store)) == 1
    assert len(traces(store)) == 2


def test_a_live_trace_that_is_found_only_after_an_upload_goes(
    tmp_path: Path, job: JobBuilder, store: OpikStore, live: Live
) -> None:
    run(job, store)
    before = traces(store).keys()
    late = live.trace("a__1", noted=trial_id(job, "a__1"))
    assert run(job, store) == []
    assert late not in before
    assert traces(store).keys() == before
    assert contents(store) == ordinary(job, tmp_path)


def test_a_trial_that_opik_refused_keeps_its_live_trace(job: JobBuilder, store: OpikStore, live: Live) -> None:
    kept, _ = live.trace("b__1", steps=True), live.trace("a__1", steps=True)
    of_job = LiveJob(read_job(job.path), store)
    stored, _ = trials = _read(job)
    assert [of_job.keep(trial) for trial in trials] == [None, None]
    row = Stored(mint("a", live.minted), None, {}, BEGAN, frozenset(), "a")
    assert of_job.finish(Uploaded(traces={trial_key(stored): row})) == []
    assert traces(store).keys() == {kept}


def test_an_experiment_without_traces_goes_with_its_job(job: JobBuilder, store: OpikStore, live: Live) -> None:
    live.experiment()
    assert run(job, store) == []
    assert experiments(store) == []


def test_a_trace_in_the_jobs_experiment_whose_trial_is_gone_stays_and_is_named(
    job: JobBuilder, store: OpikStore, live: Live
) -> None:
    gone, mine = live.trace("gone__1", steps=True), live.trace("a__1", steps=True)
    live.experiment(gone, mine)
    (said,) = run(job, store)
    assert f"gone__1 ({gone})" in said
    assert gone in traces(store)
    assert experiments(store) == []


@pytest.mark.parametrize("stop", ["delete_experiment", "delete_traces", "delete_trace_score"])
def test_what_is_stopped_in_between_is_completed_by_the_next_run(
    tmp_path: Path, job: JobBuilder, store: OpikStore, live: Live, stop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [live.trace("a__1", noted=trial_id(job, "a__1")), live.trace("b__1", steps=True)]
    live.experiment(*ids)

    def refuse(*_: object) -> None:
        raise IncompleteError("It stops here.", "")

    send = OpikStore.delete_traces
    with monkeypatch.context() as patched:
        # The first call removes nothing: it belongs to the upload.
        answers = {"delete_traces": lambda self, ids: refuse() if ids else send(self, ids)}
        patched.setattr(OpikStore, stop, answers.get(stop, refuse))
        with pytest.raises(IncompleteError):
            run(job, store)
    assert run(job, store) == []
    assert contents(store) == ordinary(job, tmp_path)
    assert len(traces(store)) == 2
    assert ids[0] in traces(store)
    assert experiments(store) == []


def asked(server: EmbeddedOpik) -> int:
    """How many requests the store got, those for attachments apart: each trial has files of its own."""
    return sum(
        number
        for (_, path, _), number in server.app.state.requests.items()
        if "attachment" not in path and "is-alive" not in path
    )


@pytest.mark.parametrize("noted", [True, False])
def test_the_number_of_requests_does_not_grow_with_the_trials(tmp_path: Path, noted: bool) -> None:
    numbers: list[int] = []
    for trials in (2, 12):
        job = JobBuilder(tmp_path / str(trials))
        for number in range(trials):
            job.trial(f"a__{number}")
        with EmbeddedOpik(tmp_path / f"{trials}.db") as server, connect(server.url, "test") as connection:
            store = OpikStore(connection, "test")
            live = Live(store, job, datetime.now(UTC))
            names = [f"a__{number}" for number in range(trials)]
            ids = [live.trace(name, noted=trial_id(job, name) if noted else None) for name in names]
            live.experiment(*ids)
            before = asked(server)
            run(job, store)
            numbers.append(asked(server) - before)
            assert len(traces(store)) == trials
    assert numbers[0] == numbers[1]


def test_notes_are_lines_and_what_is_none_is_passed_over(tmp_path: Path) -> None:
    notes = [NotedTrace(trial_id=str(number), trial="a__1", trace_id="t", project="p") for number in range(2)]
    note(tmp_path, notes[0])
    with (tmp_path / NOTES).open("ab") as file:
        file.write(b'{"trial_id": 3}\n\xff\n[]\n\n')
    note(tmp_path, notes[1])
    assert read_notes(tmp_path) == tuple(notes)
    assert read_notes(tmp_path / "nowhere") == ()


def test_notes_are_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / NOTES).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        note(tmp_path, NotedTrace(trial_id="1", trial="a__1", trace_id="t", project="p"))
    assert stat.S_ISLNK((tmp_path / NOTES).lstat().st_mode)
    assert read_notes(tmp_path) == ()


def test_the_project_is_that_of_the_live_traces(tmp_path: Path) -> None:
    jobs = [JobBuilder(tmp_path, name) for name in ("one", "two", "three")]
    read = [read_job(job.path) for job in jobs]
    assert noted_project(read) is None
    note(jobs[0].path, NotedTrace(trial_id="1", trial="a__1", trace_id="t", project="p"))
    assert noted_project(read) == "p"
    note(jobs[1].path, NotedTrace(trial_id="1", trial="a__1", trace_id="t", project="q"))
    with pytest.raises(BadInputError, match=r"in several projects: p \(one\), q \(two\)"):
        noted_project(read)


def test_an_upload_into_another_project_says_where_the_live_traces_are(
    job: JobBuilder, store: OpikStore, live: Live
) -> None:
    trace = live.trace("a__1", noted=trial_id(job, "a__1"), project="elsewhere")
    live.experiment(trace)
    assert "Its live traces are in the project elsewhere, and stay there. --project chooses it." in run(job, store)
    assert trace not in traces(store)
    assert len(experiments(store)) == 1
    found = store.connection.client.search_traces(project_name="elsewhere")
    assert [one.id for one in found] == [trace]
    assert KEY not in found[0].metadata


def at(seconds: float, trace: str = "t", trial: str = "a__1") -> LiveTrace:
    return LiveTrace(trace, trial, BEGAN + timedelta(seconds=seconds), has_steps=True)


NOTED = {
    "mine": NotedTrace(trial_id="1", trial="a__1", trace_id="mine", project="p"),
    "before": NotedTrace(trial_id="0", trial="a__1", trace_id="before", project="p"),
    "gone": NotedTrace(trial_id="2", trial="gone__1", trace_id="gone", project="p"),
    "runs": NotedTrace(trial_id="3", trial="runs__1", trace_id="runs", project="p"),
}
WHOSE: dict[str, tuple[list[LiveTrace], bool, Sorted]] = {
    "its own": ([at(-0.001)], False, Sorted(replaced=["t"])),
    "its own, by notes, whenever it started": ([at(99, "mine")], False, Sorted(replaced=["mine"])),
    "of another trial": ([at(0, trial="b__1")], False, Sorted()),
    "too early": ([at(-6)], False, Sorted(unclear={"t": "a__1"})),
    "too late": ([at(6)], True, Sorted(unclear={"t": "a__1"})),
    "of an attempt before": ([at(-60), at(0, "u")], True, Sorted(replaced=["u"], thrown_away=["t"])),
    "of an attempt moments before": ([at(-1.5), at(0, "u")], True, Sorted(replaced=["u"], thrown_away=["t"])),
    "of two, where nothing was tried again": (
        [at(-1.5), at(0, "u")],
        False,
        Sorted(replaced=["u"], unclear={"t": "a__1"}),
    ),
    "of an attempt before, by notes": ([at(0, "before")], False, Sorted(thrown_away=["before"])),
    "of a trial that is gone, by notes": ([at(0, "gone", "gone__1")], False, Sorted(thrown_away=["gone"])),
    "of a trial without a result, by notes": ([at(0, "runs", "runs__1")], False, Sorted(unclear={"runs": "runs__1"})),
}


@pytest.mark.parametrize("case", WHOSE)
def test_whose_a_live_trace_is(case: str) -> None:
    live, has_retries, expected = WHOSE[case]
    trial = Tried("job/1", "1", "a__1", BEGAN, {})
    assert sort_out(live, [trial], NOTED, {"a__1", "runs__1"}, has_retries=has_retries, is_complete=True) == expected


def test_without_its_start_a_trial_claims_no_trace() -> None:
    trial = Tried("job/1", "1", "a__1", None, {})
    assert sort_out([at(0)], [trial], {}, {"a__1"}, has_retries=True, is_complete=True) == Sorted(unclear={"t": "a__1"})


def test_a_noted_trial_whose_folder_is_missing_is_thrown_away_only_in_a_job_that_is_complete() -> None:
    trial = Tried("j/t", "t", "a__1", None, {})
    live = LiveTrace("trace", "b__1", datetime.now(UTC), has_steps=False)
    noted = {"trace": NotedTrace(trial_id="gone", trial="b__1", trace_id="trace", project="p")}
    for is_complete, expected in ((True, Sorted(thrown_away=["trace"])), (False, Sorted(unclear={"trace": "b__1"}))):
        assert sort_out([live], [trial], noted, {"a__1"}, has_retries=False, is_complete=is_complete) == expected
