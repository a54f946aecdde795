"""The recipes for CI: they keep to their services' schemas, pin what they use, and their commands are taken."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import REPOSITORY

RECIPES = REPOSITORY / "examples" / "ci"
GITHUB, GITLAB = RECIPES / "github-actions.yml", RECIPES / "gitlab-ci.yml"


def github() -> dict[str, Any]:
    return yaml.safe_load(GITHUB.read_text())["jobs"]


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, job in github().items():
        for step in job["steps"]:
            yield name, step


@pytest.mark.parametrize(("path", "schema"), [(GITHUB, "github-workflows"), (GITLAB, "gitlab-ci")])
def test_a_recipe_keeps_to_its_schema(path: Path, schema: str) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    done = subprocess.run([*check, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_would_find_a_fault(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text(GITHUB.read_text().replace("runs-on:", "run-on:"))
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*check, broken], capture_output=True, text=True, check=False)
    assert done.returncode == 1


def test_every_action_is_pinned_by_a_commit_and_says_its_version() -> None:
    used = re.findall(r"uses: (.*)", GITHUB.read_text())
    assert len(used) == sum("uses" in step for _, step in steps())
    for one in used:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one), one


def test_secrets_are_where_they_are_needed_and_what_is_untrusted_is_never_code() -> None:
    with_secrets = [step["name"] for _, step in steps() if "secrets." in str(step)]
    assert with_secrets == ["Run the subset until it is decided"]
    assert yaml.safe_load(GITHUB.read_text())["permissions"] == {}
    assert {name: job["permissions"] for name, job in github().items()} == {
        "gate": {"contents": "read"},
        "comment": {"pull-requests": "write"},
    }
    # What may write to the pull request runs nothing of it.
    assert not any("checkout" in step.get("uses", "") for name, step in steps() if name == "comment")
    # An expression in a script would be pasted into it.
    assert not any("${{" in step.get("run", "") for _, step in steps())


def script_of(recipe: str) -> str:
    if recipe == "github":
        return next(step["run"] for _, step in steps() if "--until-decided" in step.get("run", ""))
    return next(one for one in yaml.safe_load(GITLAB.read_text())["gate"]["script"] if "--until-decided" in one)


@pytest.mark.parametrize("recipe", ["github", "gitlab"])
def test_the_command_of_a_recipe_is_taken_with_the_version_of_the_branch(recipe: str, tmp_path: Path) -> None:
    (tmp_path / "ci").mkdir()
    shutil.copy(RECIPES / "suite.toml", tmp_path / "ci")
    (tmp_path / "ci" / "subset.toml").write_text('[[task]]\nname = "one"\n')
    (tmp_path / "ci" / "baseline.json").write_text("{}")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{script_of(recipe).rstrip()} --dry-run"],
        cwd=tmp_path,
        env=os.environ
        | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "BRANCH": "release/7.7.10",
            "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "release/7.7.10",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    commands = [one for one in done.stdout.splitlines() if one.startswith("opik harbor run")]
    assert len(commands) == 5
    assert all("--ak version=7.7.10" in one and "-i one" in one for one in commands)
