"""A task's category is read from its own file alone, wherever the job says that it lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, read_one
from hypothesis import given
from hypothesis import strategies as st

from adapter.task_metadata import task_category

TOML = 'version = "1.0"\n[metadata]\ncategory = "bug fix"\n'


def category(tmp_path: Path, content: str | bytes | None, place: Any, **result: Any) -> str | None:
    """The category of a trial in tmp_path/jobs/job, whose task lies in tmp_path/tasks/a."""
    if content is not None:
        folder = tmp_path / "tasks" / "a"
        folder.mkdir(parents=True)
        (folder / "task.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    return task_category({"config": {"task": {"path": place}}} | result, tmp_path / "jobs" / "job")


# What it shows, task.toml, and the category.
FILES: list[tuple[str, str | bytes | None, str | None]] = [
    ("a category", TOML, "bug fix"),
    ("under its other name", '[metadata]\ntask_category = "docs"\n', "docs"),
    ("tags are no category", '[metadata]\ntags = ["a"]\n', None),
    ("elsewhere", 'category = "docs"\n', None),
    ("blank", '[metadata]\ncategory = "  "\n', None),
    ("no text", "[metadata]\ncategory = 5\n", None),
    ("what cannot be printed", '[metadata]\ncategory = "a\\u0007\\nb\\u202e"\n', "ab"),
    ("too long", f'[metadata]\ncategory = "{"x" * 150}"\n', "x" * 100),
    ("no TOML", "[metadata\ncategory", None),
    ("no UTF-8", b'[metadata]\ncategory = "\xff"\n', None),
    ("nested too deeply", f"category = {'[' * 50_000}\n", None),
    ("too large", TOML + "#" * 300_000, None),
    ("not there", None, None),
]


@pytest.mark.parametrize(("content", "expected"), [row[1:] for row in FILES], ids=[row[0] for row in FILES])
def test_the_category_is_a_short_text_of_the_task_s_file(
    content: str | bytes | None, expected: str | None, tmp_path: Path
) -> None:
    assert category(tmp_path, content, "tasks/a") == expected


@pytest.mark.parametrize(
    "place", ["../etc", "tasks/../../a", "", "tasks/a\0", 5, None, "x" * 5000, "/nowhere", "tasks"]
)
def test_a_place_that_is_no_task_s_gives_none(place: Any, tmp_path: Path) -> None:
    assert category(tmp_path, TOML, place) is None


def test_a_task_is_found_by_its_whole_path_beside_the_jobs_or_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert category(tmp_path, TOML, str(tmp_path / "tasks" / "a")) == "bug fix"
    assert category(tmp_path, None, "tasks/a") == "bug fix"
    assert category(tmp_path, None, "a") is None
    monkeypatch.chdir(tmp_path / "tasks")
    assert category(tmp_path, None, "a") == "bug fix"


def test_the_task_s_id_names_its_place_where_the_settings_do_not(tmp_path: Path) -> None:
    assert category(tmp_path, TOML, "x", config={}, task_id={"path": "tasks/a"}) == "bug fix"


def test_another_task_of_the_same_place_is_not_the_trial_s(tmp_path: Path) -> None:
    named = f'{TOML}[task]\nname = "survey/a"\n'
    assert category(tmp_path, named, "tasks/a", task_name="survey/b") is None
    assert category(tmp_path, None, "tasks/a", task_name="survey/a") == "bug fix"


def test_no_link_is_followed_to_a_task(tmp_path: Path) -> None:
    category(tmp_path, TOML, "tasks/a")
    (tmp_path / "tasks" / "b").symlink_to(tmp_path / "tasks" / "a")
    (tmp_path / "tasks" / "c").mkdir()
    (tmp_path / "tasks" / "c" / "task.toml").symlink_to(tmp_path / "tasks" / "a" / "task.toml")
    for place in ("tasks/b", "tasks/c", str(tmp_path / "tasks" / "b"), str(tmp_path / "tasks" / "c")):
        assert category(tmp_path, None, place) is None


def test_tasks_that_harbor_fetched_are_found_in_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harbor.models.task.id.TASK_CACHE_DIR", tmp_path / "tasks")
    monkeypatch.setattr("harbor.models.task.id.PACKAGE_CACHE_DIR", tmp_path / "packages")
    from harbor.models.task.id import GitTaskId, PackageTaskId

    git = {"git_url": "https://example.com/tasks.git", "git_commit_id": "abc", "path": "set/a"}
    package = {"name": "org/a", "ref": f"sha256:{'0' * 64}"}
    places = [
        GitTaskId(git_url=git["git_url"], git_commit_id="abc", path=Path("set/a")).get_local_path(),
        PackageTaskId(org="org", name="a", ref=package["ref"]).get_local_path(),
    ]
    for place in places:
        place.mkdir(parents=True)
        (place / "task.toml").write_text(TOML)
    job = tmp_path / "jobs" / "job"
    assert [task_category({"config": {"task": one}}, job) for one in (git, package)] == ["bug fix"] * 2
    hostile: list[dict[str, Any]] = [
        git | {"path": "../../a"},
        {"name": "../a", "ref": package["ref"]},
        {"name": "org/a", "ref": "sha256:../../a"},
        {"name": "org/a"},
    ]
    assert [task_category({"config": {"task": one}}, job) for one in hostile] == [None] * len(hostile)


def test_a_trial_has_its_task_s_category(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path / "jobs")
    trial = job.trial()
    assert read_one(job, trial).category is None
    folder = tmp_path / "tasks" / trial.name
    folder.mkdir(parents=True)
    (folder / "task.toml").write_text(TOML)
    assert read_one(job, job.trial(config={"task": {"path": str(folder)}})).category == "bug fix"


def test_a_secret_in_a_category_is_replaced(tmp_path: Path) -> None:
    key = "ghp_" + "a1B2c3D4" * 4 + "e5F6"
    job = JobBuilder(tmp_path / "jobs")
    (tmp_path / "tasks" / "a").mkdir(parents=True)
    (tmp_path / "tasks" / "a" / "task.toml").write_text(f'[metadata]\ncategory = "{key}"\n')
    found = read_one(job, job.trial(config={"task": {"path": "tasks/a"}})).category
    assert found
    assert key not in found


@given(content=st.binary(max_size=200), place=st.text(max_size=20))
def test_no_file_and_no_place_breaks_the_reading(
    content: bytes, place: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    found = category(folder, b'[metadata]\ncategory = "' + content + b'"\n', "tasks/a")
    assert found is None or (0 < len(found) <= 100 and found.isprintable())
    assert task_category({"config": {"task": {"path": place}}}, folder / "jobs" / "job") is None
