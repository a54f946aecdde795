"""Jobs are found, and what cannot be read is a reason or bad input, never a traceback."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, codes, read_one, trajectory, user_step
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.errors import BadInputError, UnreadableError
from adapter.harbor import read_trial
from adapter.jobs import find_jobs, read_job
from adapter.trial import Status

BROKEN_RESULTS = [
    ("", "empty"),
    ('{"id": "x", "task_na', "no JSON"),
    ("[]", "no trial result"),
    ("{" * 3, "no JSON"),
    ("[" * 100_000, "nested too deeply"),
]


@pytest.mark.parametrize(("text", "reason"), BROKEN_RESULTS)
@pytest.mark.parametrize("has_steps", [True, False])
def test_a_result_that_cannot_be_read_is_named_and_the_steps_are_read(
    tmp_path: Path, text: str, reason: str, has_steps: bool
) -> None:
    job = JobBuilder(tmp_path)
    folder = job.trial(steps=None if has_steps else [])
    (folder / "result.json").write_text(text)
    if not has_steps:
        with pytest.raises(UnreadableError, match=reason):
            read_one(job, folder)
        return
    trial = read_one(job, folder)
    assert (trial.status, trial.passed, trial.reward, len(trial.steps)) == (Status.UNREADABLE, None, None, 2)
    (why,) = (finding.message for finding in trial.findings if finding.code == "result_unreadable")
    assert reason in why


@pytest.mark.parametrize("data", [bytes(range(256)) * 10, None])
def test_a_result_that_is_no_file_or_no_text_is_a_reason(tmp_path: Path, data: bytes | None) -> None:
    job = JobBuilder(tmp_path)
    folder = job.trial(steps=[])
    (folder / "result.json").unlink()
    if data is None:
        (folder / "result.json").mkdir()
    else:
        (folder / "result.json").write_bytes(data)
    with pytest.raises(UnreadableError, match=r"no text|no JSON|directory"):
        read_one(job, folder)


def test_a_trial_without_a_result_is_running_and_read_as_far_as_it_goes(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    folders = [job.trial(), job.trial("b__1", steps=[])]
    for folder in folders:
        (folder / "result.json").unlink()
    begun, waiting = (read_one(job, folder) for folder in folders)
    assert [trial.status for trial in (begun, waiting)] == [Status.RUNNING, Status.RUNNING]
    assert [trial.passed for trial in (begun, waiting)] == [None, None]
    assert [len(trial.steps) for trial in (begun, waiting)] == [2, 0]
    # What was asked for stands in the trial's own settings.
    assert (begun.task, begun.dataset, begun.variant.model_name) == ("task-a__1", "set", "openai/gpt-5-mini")
    assert "no_result" in codes(begun)


def test_a_trial_without_a_result_that_was_graded_has_its_grade(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    folder = job.trial()
    (folder / "result.json").unlink()
    (folder / "verifier").mkdir()
    (folder / "verifier" / "reward.txt").write_text("1.0")
    trial = read_one(job, folder)
    assert (trial.status, trial.reward) == (Status.PASSED, 1.0)
    assert {"no_result", "reward_from_verifier"} <= codes(trial)


def test_a_folder_that_holds_nothing_of_a_trial_is_a_reason(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    folder = job.trial(steps=[])
    for name in ("result.json", "config.json"):
        (folder / name).unlink()
    with pytest.raises(UnreadableError, match="still running or was killed"):
        read_one(job, folder)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "\x00\x01"])
def test_a_broken_trajectory_leaves_the_trial_and_its_reward(tmp_path: Path, text: str) -> None:
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial(raw_trajectory=text))
    assert (trial.status, trial.steps) == (Status.PASSED, ())
    assert "trajectory_unreadable" in codes(trial) or "no_trajectory" in codes(trial)


@pytest.mark.parametrize("count", [0, 10_000])
def test_a_trajectory_of_any_length_is_read(tmp_path: Path, count: int) -> None:
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial(raw_trajectory=trajectory([agent_step("x") for _ in range(count)])))
    assert len(trial.steps) == count


def test_a_lone_surrogate_does_not_hide_the_rest(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    text = json.dumps(trajectory([agent_step("before \ud800 after")]))
    assert read_one(job, job.trial(raw_trajectory=text)).steps[0].message == "before ? after"


def test_a_folder_of_links_that_go_in_a_circle_is_a_reason(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    folder, other = job.trial("a__1"), job.trial("b__1")
    for path in (folder / "result.json", other / "agent" / "trajectory.json", job.path / "result.json"):
        path.unlink()
        path.symlink_to(path)
    (read,) = find_jobs([job.path])
    assert [trial.name for trial in read.trials] == ["a__1", "b__1"]
    assert [finding.code for finding in read.findings] == ["file_unreadable"]
    assert any("symbolic link" in finding.message for finding in read_trial(read, folder).findings)
    trial = read_trial(read, other)
    assert (trial.status, trial.steps, trial.is_whole) == (Status.PASSED, (), False)
    assert "trajectory_unreadable" in codes(trial)


def test_a_name_that_is_too_long_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot be read: File name too long"):
        find_jobs([tmp_path / ("x" * 300)])


@contextmanager
def without_permission(*folders: Path) -> Generator[None]:
    """Nobody may look into these folders; whoever runs this as root is somebody else meanwhile."""
    modes = [folder.stat().st_mode for folder in folders]
    is_root = os.geteuid() == 0
    for folder in folders:
        folder.chmod(0)
    try:
        if is_root:
            os.seteuid(65534)
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for folder, mode in zip(folders, modes, strict=True):
            folder.chmod(mode)


@pytest.fixture
def open_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that every user can reach, which pytest's own are not; kilobench's home is in it."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    monkeypatch.setenv("KILOBENCH_HOME", str(folder / "kilobench"))
    yield folder
    shutil.rmtree(folder)


def test_what_may_not_be_looked_into_is_named_and_the_rest_is_read(open_folder: Path) -> None:
    job = JobBuilder(open_folder)
    whole, closed, part = (job.trial(name) for name in ("a__1", "b__1", "c__1"))
    segments = job.trial("d__1", steps=[], reward=None)
    job.segment("d__1", "draft", trajectory([agent_step("x")]))
    (segments / "verifier").mkdir()
    with without_permission(closed, part / "agent", segments / "steps", segments / "verifier"):
        (read,) = find_jobs([job.path])
        assert [trial.name for trial in read.trials] == ["a__1", "b__1", "c__1", "d__1"]
        assert read_trial(read, whole).findings == ()
        with pytest.raises(UnreadableError, match="Permission denied"):
            read_trial(read, closed)
        for folder in (part, segments):
            trial = read_trial(read, folder)
            assert (trial.steps, trial.is_whole) == ((), False)
            assert "trajectory_unreadable" in codes(trial)
        assert "file_unreadable" in codes(trial)


def test_patterns_that_may_not_be_looked_at_end_the_command_before_anything_is_read(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = JobBuilder(open_folder)
    trial = job.trial()
    home = open_folder / "closed"
    home.mkdir()
    monkeypatch.setenv("KILOBENCH_HOME", str(home))
    with (
        without_permission(home),
        pytest.raises(BadInputError, match=r"redact\.toml cannot be read: Permission denied"),
    ):
        read_one(job, trial)


@pytest.mark.parametrize("asked", ["job", "."])
def test_a_job_that_may_not_be_looked_into_is_bad_input(open_folder: Path, asked: str) -> None:
    job = JobBuilder(open_folder)
    job.trial()
    with without_permission(job.path), pytest.raises(BadInputError, match=r"job.* cannot be read: Permission denied"):
        find_jobs([open_folder / asked])
    with without_permission(job.path), pytest.raises(BadInputError, match="cannot be read: Permission denied"):
        read_job(job.path)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    if isinstance(value, dict):
        return [path, *(place for key, item in value.items() for place in places(item, (*path, key)))]
    if isinstance(value, list):
        return [path, *(place for index, item in enumerate(value) for place in places(item, (*path, index)))]
    return [path]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_stands_in_a_field_the_trial_is_read_or_there_is_one_reason(
    tmp_path: Path, data: st.DataObject
) -> None:
    job_folder = tmp_path / "job"
    if not job_folder.exists():
        job = JobBuilder(tmp_path)
        job.trial(steps=[user_step(), agent_step("x", ("bash", {"command": "ls"}, "out"), cost=0.1)])
    folder = job_folder / "task-a__1"
    for name in ("result.json", "agent/trajectory.json"):
        original = (folder / name).with_suffix(".original")
        if not original.exists():
            original.write_text((folder / name).read_text())
        value = json.loads(original.read_text())
        place = data.draw(st.sampled_from(places(value)))
        new = data.draw(JSON_VALUES)
        if place:
            parent = value
            for key in place[:-1]:
                parent = parent[key]
            parent[place[-1]] = new
        else:
            value = new
        (folder / name).write_text(json.dumps(value))
    try:
        trial = read_trial(read_job(job_folder), folder)
    except UnreadableError as error:
        assert str(error)  # noqa: PT017  (either outcome is right; neither may be a traceback)
        return
    for step in trial.steps:
        assert step.recorded_cost_usd is None or step.recorded_cost_usd > 0
        assert step.tokens is None or all(
            count is None or count >= 0 for count in (step.tokens.input, step.tokens.output, step.tokens.cache_read)
        )


def test_jobs_are_found_in_a_job_and_in_a_folder_of_jobs(tmp_path: Path) -> None:
    for name in ("one", "two"):
        JobBuilder(tmp_path / "jobs", name).trial()
    (tmp_path / "jobs" / "notes").mkdir()
    assert [job.name for job in find_jobs([tmp_path / "jobs"])] == ["one", "two"]
    assert [job.name for job in find_jobs([tmp_path / "jobs" / "two", tmp_path / "jobs"])] == ["two", "one"]


def test_one_job_at_two_places_is_refused(tmp_path: Path) -> None:
    here, there = (JobBuilder(tmp_path / place) for place in ("here", "there"))
    here.trial()
    there.trial()
    with pytest.raises(BadInputError, match="the same job") as caught:
        find_jobs([here.path, there.path])
    assert str(here.path) in caught.value.what
    assert str(there.path) in caught.value.what
    assert len(find_jobs([here.path, here.path])) == 1


def test_jobs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    ids = [f"{digit * 8}-0000-4000-8000-000000000000" for digit in "12"]
    jobs = [JobBuilder(tmp_path / place, id=job_id) for place, job_id in zip("ab", ids, strict=True)]
    other = JobBuilder(tmp_path, "other")
    for job in (*jobs, other):
        job.trial()
    found = find_jobs([*(job.path for job in jobs), other.path])
    assert [job.name for job in found] == ["job@11111111", "job@22222222", "other"]
    assert read_trial(found[0], found[0].trials[0]).name == "job@11111111/task-a__1"


def test_a_link_out_of_a_job_is_not_followed(tmp_path: Path) -> None:
    job, other = JobBuilder(tmp_path, "job"), JobBuilder(tmp_path, "other")
    job.trial("a__1")
    (job.path / "b__1").symlink_to(other.trial("b__1"))
    assert [folder.name for folder in read_job(job.path).trials] == ["a__1"]


def test_a_job_without_its_own_files_keeps_its_trials(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    job.trial()
    (job.path / "result.json").write_text("{")
    read = read_job(job.path)
    assert (len(read.trials), read.is_finished) == (1, False)
    assert [finding.code for finding in read.findings] == ["file_unreadable"]


def bad_paths(tmp_path: Path) -> dict[str, Path]:
    """One of each thing that is no job."""
    empty_job = JobBuilder(tmp_path, "empty-job")
    job = JobBuilder(tmp_path, "job")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    return {
        "does not exist": tmp_path / "missing",
        "is a file": tmp_path / "file",
        "no Harbor job": tmp_path / "folder",
        "empty job": empty_job.path,
        "is a trial": job.trial(),
    }


@pytest.mark.parametrize("reason", ["does not exist", "is a file", "no Harbor job", "empty job", "is a trial"])
def test_a_path_that_is_no_job_is_refused_with_what_to_do(tmp_path: Path, reason: str) -> None:
    with pytest.raises(BadInputError, match=reason) as caught:
        find_jobs([bad_paths(tmp_path)[reason]])
    assert "folder" in caught.value.hint
