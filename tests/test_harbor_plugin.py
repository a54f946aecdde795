"""Harbor's plugin: what it can be told, what it notes, and that it never harms a job."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import opik
import pytest
from builder import JobBuilder, read_one
from harbor.models.trajectories import Step
from opik.integrations.harbor import opik_tracker
from opik.message_processing.batching import batch_manager_constuctors
from pydantic import BaseModel

from adapter.embedded_opik import EmbeddedOpik
from adapter.live_traces import NOTES, NotedTrace, current_live_trace, read_notes, take_off_step_patch
from adapter.opik_connection import Connection, connect
from adapter.opik_rows import KEY
from pipelines.harbor_plugin import KilobenchPlugin, PluginOptions


def test_harbor_finds_it_by_its_name() -> None:
    (found,) = [one for one in entry_points(group="harbor.plugins") if one.name == "kilobench"]
    assert found.load() is KilobenchPlugin


def test_what_can_be_told_is_read_as_harbor_gives_it() -> None:
    given = {"project": 42, "judge": "off", "pass_at": 0.5, "prices": "own.toml"}
    assert PluginOptions.model_validate(given) == PluginOptions(
        project="42", judge=False, pass_at=0.5, prices=Path("own.toml")
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"projct": "a"}, "--pk projct: Extra inputs are not permitted. It knows project, judge, "),
        ({"judge": "maybe"}, "--pk judge: Input should be a valid boolean"),
        ({"pass_at": float("nan")}, "--pk pass_at: Input should be a finite number"),
        ({"project": ["a"]}, "--pk project: Input should be a valid string"),
        ({"prices": "/nowhere/prices.toml"}, "/nowhere/prices.toml cannot be read"),
        ({"report": "/dev/null/report"}, "/dev/null/report cannot be written to: Not a directory."),
    ],
)
def test_what_cannot_be_followed_ends_the_job_before_it_costs_anything(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match="kilobench: ") as refused:
        KilobenchPlugin(**given)
    assert said in str(refused.value)


def test_a_model_that_is_to_judge_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    KilobenchPlugin(judge_model="openai/gpt-5")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("kilobench: judge_model=openai/gpt-5 is not used")


@pytest.fixture
def traced(connection: Connection) -> Iterator[str]:
    """A live trace that this test runs in; its id."""
    opik.set_global_client(connection.client, context_wise=True)
    with opik.start_as_current_trace("toy/a__1", metadata={"created_from": "harbor"}) as trace:
        yield trace.id


def started(folder: Path) -> None:
    """A plugin's own part of a trial's start."""
    plugin = KilobenchPlugin()
    hooks: list[Any] = []
    job = SimpleNamespace(job_dir=folder, on_trial_started=hooks.append)

    async def run() -> None:
        await plugin.on_job_start(job)  # pyright: ignore[reportArgumentType]
        for hook in hooks:
            await hook(SimpleNamespace(trial_id="1", trial_name="a__1"))

    asyncio.run(run())


def test_a_trials_live_trace_is_noted(
    tmp_path: Path, traced: str, monkeypatch: pytest.MonkeyPatch, connection: Connection
) -> None:
    monkeypatch.setenv("OPIK_URL_OVERRIDE", connection.client.config.url_override)
    started(tmp_path)
    assert read_notes(tmp_path) == (NotedTrace(trial_id="1", trial="a__1", trace_id=traced, project="test"),)


def test_where_nothing_is_configured_there_is_nothing_to_note(tmp_path: Path, traced: str) -> None:
    started(tmp_path)
    assert not (tmp_path / NOTES).exists()


def test_a_hook_never_raises(
    tmp_path: Path, traced: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPIK_URL_OVERRIDE", "http://127.0.0.1:9/api")
    started(tmp_path / "nowhere")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("kilobench: the live trace of a__1 could not be noted: FileNotFoundError")


def test_nothing_that_the_live_integration_still_holds_comes_after_our_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: EmbeddedOpik
) -> None:
    monkeypatch.setenv("OPIK_URL_OVERRIDE", server.url)
    began = datetime.now(UTC)
    made = JobBuilder(tmp_path, started_at=began.isoformat(), finished_at=(began + timedelta(hours=1)).isoformat())
    folder = made.trial("a__1")
    plugin = KilobenchPlugin()
    monkeypatch.setattr(batch_manager_constuctors, "CREATE_TRACES_MESSAGE_BATCHER_FLUSH_INTERVAL_SECONDS", 3600.0)
    client = opik.Opik(project_name="test")
    opik.set_global_client(client, context_wise=True)

    async def run() -> None:
        hooks: list[Any] = []
        job = SimpleNamespace(job_dir=made.path, on_trial_started=hooks.append)
        await plugin.on_job_start(job)  # pyright: ignore[reportArgumentType]
        live = {"input": {"trial_name": "a__1"}, "metadata": {"created_from": "harbor"}}
        with opik.start_as_current_trace("toy/a__1", **live):
            await hooks[0](SimpleNamespace(trial_id=read_one(made, folder).trial_id, trial_name="a__1"))
        await plugin.on_job_end(SimpleNamespace())  # pyright: ignore[reportArgumentType]

    asyncio.run(run())
    client.end()
    with connect(server.url, "test") as connection:
        (trace,) = connection.client.search_traces(project_name="test")
    (noted,) = read_notes(made.path)
    assert trace.id == noted.trace_id
    assert KEY in trace.metadata


def test_a_trace_of_somebody_elses_is_not_a_trials(connection: Connection) -> None:
    assert current_live_trace() is None
    opik.set_global_client(connection.client, context_wise=True)
    with opik.start_as_current_trace("my experiment"):
        assert current_live_trace() is None


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Harbor's `Step` as the live integration leaves it."""
    opik_tracker._patch_step_class()
    yield
    Step.__init__ = BaseModel.__init__
    del opik_tracker._patch_step_class._patched


def test_the_patch_of_step_is_taken_off_for_good(patched: None) -> None:
    assert Step.__init__ is not BaseModel.__init__
    assert take_off_step_patch()
    assert Step.__init__ is BaseModel.__init__
    assert not take_off_step_patch()
    opik_tracker._patch_step_class()  # as a later track_harbor() does
    assert Step.__init__ is BaseModel.__init__
    assert Step(step_id=1, source="user", message="Do it.").message == "Do it."


def test_it_goes_when_a_job_starts_and_when_tracking_starts_later(patched: None, tmp_path: Path) -> None:
    plugin = KilobenchPlugin()
    hooks: list[Any] = []
    job = SimpleNamespace(job_dir=tmp_path, on_trial_started=hooks.append)
    with_spans = Step.__init__
    asyncio.run(plugin.on_job_start(job))  # pyright: ignore[reportArgumentType]
    assert Step.__init__ is BaseModel.__init__
    Step.__init__ = with_spans
    asyncio.run(hooks[0](SimpleNamespace(trial_id="1", trial_name="a__1")))
    assert Step.__init__ is BaseModel.__init__


def test_nobody_elses_patch_is_taken_off(patched: None) -> None:
    with_spans = Step.__init__

    @functools.wraps(with_spans)
    def theirs(self: Step, *args: Any, **kwargs: Any) -> None:
        with_spans(self, *args, **kwargs)

    Step.__init__ = theirs
    assert not take_off_step_patch()
    assert Step.__init__ is theirs
