"""Task sets: each task of ours is solved by its solution and by nothing else, and a task with a fault is found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY
from opik_harbor import LOCAL
from task_faults import CHEATS, faults, write_task

from pipelines.tasks.leaks import check_leaks
from pipelines.tasks.new import new_task, templates
from pipelines.tasks.results import Check, CheckedTask, Outcome, TasksCheckResult
from pipelines.tasks.schema import check_version

TASKS = REPOSITORY / "tasks"
OURS = ("template", "refactoring", "debugging", "terminal")
CLI = (sys.executable, "-m", "pipelines.cli")
FAULTS = tuple(faults(Path("/nowhere")))


def command(*arguments: object, cwd: Path, packages: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    """Runs kilobench in a process of its own."""
    variables = os.environ | {"PYTHONPATH": str(packages), "HOME": str(cwd), "COLUMNS": "160"}
    return subprocess.run(
        [*CLI, *map(str, arguments)], cwd=cwd, env=variables, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> TasksCheckResult:
    """One check of everything: our tasks, a new one, all planted faults and what cheats."""
    home = tmp_path_factory.mktemp("check")
    (home / "shared").mkdir()
    everything = home / "everything"
    for name in OURS:
        shutil.copytree(TASKS / name, everything / name)
    new_task("made/of-one-s-own", "refactoring", everything)
    (everything / "dataset.toml").unlink()
    for name, fault in faults(home / "shared").items():
        fault.plant(everything / name)
    for name, script in CHEATS.items():
        cheating = shutil.copytree(TASKS / "template", everything / name)
        (cheating / "solution" / "solve.sh").write_text(f"#!/bin/bash\n{script}\n")
        checks = cheating / "tests" / "checks.py"
        checks.write_text(checks.read_text().replace("SECONDS = 30", "SECONDS = 2"))
    partly = shutil.copytree(TASKS / "debugging", everything / "partly")
    solve = partly / "solution" / "solve.sh"
    solve.write_text(solve.read_text().replace('    "store.py": [', '    "store.py": [] and [', 1))
    options = ("-e", LOCAL, "--ek", f"shared={home / 'shared'}", "--jobs", "jobs", "--json")
    done = command("tasks", "check", everything, *options, cwd=home)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return TasksCheckResult.model_validate_json(done.stdout)


def of(result: TasksCheckResult, name: str) -> CheckedTask:
    return next(task for task in result.tasks if task.folder.name == name)


def failing(task: CheckedTask) -> set[Check]:
    return {one.check for one in task.checks if one.outcome is Outcome.FAILED}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*OURS, "of-one-s-own"])
def test_a_task_is_solved_by_its_solution_and_not_by_doing_nothing(result: TasksCheckResult, name: str) -> None:
    task = of(result, name)
    assert [(one.check, one.outcome) for one in task.checks] == [(check, Outcome.PASSED) for check in Check]
    rewards = [(one.agent, (one.rewards or {})["reward"]) for one in task.attempts]
    assert rewards == [("oracle", 1), ("oracle", 1), ("nop", 0), ("nop", 0)]


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_with_what_to_do(result: TasksCheckResult, name: str) -> None:
    task, fault = of(result, name), faults(Path("/nowhere"))[name]
    assert failing(task) == fault.found_by
    said = [one for one in task.checks if one.outcome is Outcome.FAILED]
    assert any(fault.says in (one.what or "") for one in said), said
    assert all(one.hint for one in said)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEATS)
def test_the_template_is_not_solved_by_cheating(result: TasksCheckResult, name: str) -> None:
    task = of(result, name)
    assert failing(task) == {Check.ORACLE}
    assert [one.rewards for one in task.attempts] == [{"reward": 0}] * 4


@pytest.mark.slow
def test_a_part_of_the_debugging_is_a_part_of_the_credit(result: TasksCheckResult) -> None:
    assert [one.rewards for one in of(result, "partly").attempts if one.agent == "oracle"] == [
        {"reward": 0, "symptoms_gone": 0.667}
    ] * 2


@pytest.mark.slow
def test_what_was_run_is_told_and_kept(result: TasksCheckResult) -> None:
    assert [one.exit_code for one in result.runs] == [0, 0]
    assert [one.command.split()[:2] for one in result.runs] == [["harbor", "run"]] * 2
    assert "-a oracle -k 2 -e adapter.local_environment:LocalEnvironment" in result.runs[0].command
    tried = of(result, "template").attempts[0]
    assert tried.folder is not None
    assert (
        "7 of 7 titles are right" in (result.folder.parent / tried.folder / "verifier" / "test-stdout.txt").read_text()
    )


# ---- without running


def test_our_set_can_be_published_as_it_is(kilobench: Any) -> None:
    done = kilobench("tasks", "check", TASKS, "--no-run", "--json")
    assert (done.code, done.err) == (0, "")
    assert [one["outcome"] for one in done.json["dataset"]] == ["passed", "passed"]
    assert {check["outcome"] for task in done.json["tasks"] for check in task["checks"]} == {"passed", "not_run"}
    assert {task["folder"].rsplit("/", 1)[-1] for task in done.json["tasks"]} == set(OURS)


def test_a_person_sees_a_row_for_each_task_and_what_is_wrong(kilobench: Any, tmp_path: Path) -> None:
    write_task(tmp_path / "set" / "good")
    faults(tmp_path)["version"].plant(tmp_path / "set" / "version")
    done = kilobench("tasks", "check", tmp_path / "set", "--no-run")
    assert done.code == 2
    good, bad = [line.split() for line in done.out.splitlines() if line.startswith(("good ", "version "))][:2]
    assert good[:4] == ["good", "ok", "1.0.0", "ok"]
    assert bad[:4] == ["version", "ok", "FAILED", "ok"]
    assert "version, version: v1.0 is no semantic version" in done.out
    assert "1 of 2 tasks have no fault that was found; none was run" in done.out


def test_each_step_of_a_task_needs_a_solution_and_has_an_instruction_that_may_leak(
    kilobench: Any, tmp_path: Path
) -> None:
    def said() -> list[str | None]:
        (task,) = kilobench("tasks", "check", tmp_path / "set", "--no-run", "--json").json["tasks"]
        return [one["what"] for one in task["checks"][:3]]

    toml = 'schema_version = "1.4"\n[task]\nname = "a/steps"\nversion = "1.0.0"\n'
    files: dict[str, str | None] = {"task.toml": toml, "environment/Dockerfile": "FROM x\n"}
    files |= dict.fromkeys(("instruction.md", "tests/test.sh", "solution/solve.sh"))
    for step in ("one", "two"):
        toml += f'[[steps]]\nname = "{step}"\n'
        files |= {f"steps/{step}/{part}": "touch /app/done\n" for part in ("tests/test.sh", "solution/solve.sh")}
        files[f"steps/{step}/instruction.md"] = f"Do {step}.\n"
    task = write_task(tmp_path / "set" / "steps", files | {"task.toml": toml})
    assert said() == [None, None, None]
    (task / "steps" / "two" / "instruction.md").write_text("The answer is 81549.\n")
    (task / "steps" / "one" / "tests" / "cases.py").write_text("ANSWER = 81549\n")
    assert said()[2] == "instruction.md has a number of steps/one/tests/cases.py: 81549"
    (task / "steps" / "two" / "solution" / "solve.sh").unlink()
    assert said()[0] == "there is no solution/solve.sh, nor one for each step"


@pytest.mark.parametrize("version", ["1.0.0", "0.1.0", "10.20.30", "1.0.0-rc.1", "1.0.0-alpha+build.5"])
def test_a_semantic_version_is_taken(version: str) -> None:
    assert check_version(version).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    "version", [None, "1", "1.0", "v1.0.0", "1.0.0\n", "01.0.0", "1.0.0-", "1.0.0-01", "latest", "1.0.٣"]
)
def test_any_other_version_is_not(version: str | None) -> None:
    assert check_version(version).outcome is Outcome.FAILED


LEAKS = [
    ({"tests/checks.py": 'assert slug("A  b") == "a-b"\n'}, 'It holds when\nassert slug("A b") == "a-b" does.'),
    ({"tests/checks.py": "EXPECTED = ['the quick brown fox']\n"}, "Write: the quick\nbrown fox"),
    ({"tests/cases.json": '{"answer": "the quick brown fox"}'}, "Write the quick brown fox."),
    ({"tests/checks.py": "check(81549)\n"}, "There are 81549 of them."),
    (
        {"solution/solve.sh": "sed -i 's/return a/return a + 1/' /app/x.py\n"},
        "sed -i 's/return a/return a + 1/' /app/x.py",
    ),
]


@pytest.mark.parametrize(("files", "instruction"), LEAKS)
def test_an_instruction_that_says_what_only_the_tests_may_know_leaks(
    tmp_path: Path, files: dict[str, str], instruction: str
) -> None:
    task = write_task(tmp_path / "task", files | {"instruction.md": instruction})
    assert check_leaks(task).outcome is Outcome.FAILED
    # Given anyway, it is no leak; and the task may say that it must be said.
    given = write_task(tmp_path / "given", files | {"instruction.md": instruction, "environment/x": instruction})
    assert check_leaks(given).outcome is Outcome.PASSED
    allowed = f"[metadata]\ninstruction_may_say = [{json.dumps(instruction)}]\n"
    assert check_leaks(write_task(task, files | {"instruction.md": instruction, "task.toml": allowed})).outcome is (
        Outcome.PASSED
    )


NO_LEAKS = [
    ({"tests/checks.py": "def is_part_number(text: str) -> bool: ...\n"}, "def is_part_number(text: str) -> bool"),
    ({"tests/checks.py": "open('/app/reports/monthly.json')\n"}, "Write /app/reports/monthly.json."),
    ({"tests/checks.py": "call('is_part_number_of_ours')\n"}, "Write is_part_number_of_ours."),
    (
        {"tests/checks.py": '"""Every item is on a page and none is empty."""\n'},
        "Every item is on a page and none is empty",
    ),
    (
        {"tests/checks.py": '"""What is checked.\n\nEvery item is on a page and none is empty.\n"""\n'},
        "Every item is on a page and none is empty.",
    ),
    ({"tests/checks.py": "# Every item is on a page and none is empty\n"}, "Every item is on a page and none is empty"),
    ({"tests/checks.py": "check(815)\ncheck('a-b')\n"}, "At most 815, such as a-b."),
    ({"tests/checks.py": "check(815490)\n"}, "There are 1815490 of them."),
]


@pytest.mark.parametrize(("files", "instruction"), NO_LEAKS)
def test_what_tests_and_instruction_must_share_is_no_leak(
    tmp_path: Path, files: dict[str, str], instruction: str
) -> None:
    assert check_leaks(write_task(tmp_path / "t", files | {"instruction.md": instruction})).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    "files",
    [
        {"environment/Dockerfile": "FROM x\nCOPY ../tests /seen\n"},
        {"environment/Dockerfile": "FROM x\nCOPY cases.py /solution/cases.py\n"},
        {"environment/Dockerfile": "FROM x\nRUN mkdir -p /tests && touch /tests/x\n"},
        {"environment/docker-compose.yaml": "services:\n  main:\n    volumes: ['../solution:/seen']\n"},
        {"environment/app/check": "print('the cases')\n", "tests/checks.py": "print('the cases')\n",
         "tests/test.sh": "python3 /tests/checks.py\n"},
        {"environment/app/old.sh": "touch /app/done\n", "solution/solve.sh": "touch /app/done\n"},
    ],
)  # fmt: skip
def test_an_image_that_holds_the_tests_or_the_solution_leaks(tmp_path: Path, files: dict[str, str]) -> None:
    assert check_leaks(write_task(tmp_path / "task", files)).outcome is Outcome.FAILED


def test_an_image_may_hold_tests_of_its_own_and_what_the_verifier_compares_with(tmp_path: Path) -> None:
    files = {
        "environment/Dockerfile": "FROM x\n# not ../tests\nCOPY app/ /app/\nRUN python3 /app/tests/all.py\n",
        "environment/app/tests/all.py": "print('ours')\n",
        "environment/app/was.py": "print('before')\n",
        "tests/before/was.py": "print('before')\n",
    }
    assert check_leaks(write_task(tmp_path / "task", files)).outcome is Outcome.PASSED


def test_a_manifest_that_is_behind_its_tasks_is_found(kilobench: Any, tmp_path: Path) -> None:
    def said() -> str:
        return " ".join(
            str(one["what"]) for one in kilobench("tasks", "check", into, "--no-run", "--json").json["dataset"]
        )

    into = tmp_path / "set"
    for name in ("one", "two"):
        new_task(f"acme/{name}", "template", into)
    assert said() == "None None"
    (into / "one" / "instruction.md").write_text("Something else.\n")
    assert "has the digest of other files than those of acme/one" in said()
    write_task(into / "three")
    assert "does not name planted/three" in said()
    shutil.copytree(into / "three", into / "four")
    assert "two tasks have the same name" in said()
    (into / "dataset.toml").write_text("[dataset]\nname = 'none'\n")
    assert "dataset.name" in said()


# ---- new


def test_a_new_task_carries_its_own_name_and_is_entered_in_its_set(kilobench: Any, tmp_path: Path) -> None:
    into = tmp_path / "my-set"
    first = kilobench("tasks", "new", "acme/one", "-o", into, "--from", "terminal", "--json").json
    second = kilobench("tasks", "new", "two", "-o", into)
    assert (first["task"], first["template"]) == ("acme/one", "terminal")
    assert "entered acme/two in" in second.out
    assert all(os.access(path, os.X_OK) for path in into.rglob("*.sh"))
    toml = (into / "one" / "task.toml").read_text()
    assert 'name = "acme/one"\nversion = "0.1.0"' in toml
    manifest = (into / "dataset.toml").read_text()
    assert 'name = "acme/my-set"' in manifest
    assert manifest.count("[[tasks]]") == 2
    assert kilobench("tasks", "check", into, "--no-run").code == 0


def test_a_new_set_without_an_organisation_is_local(tmp_path: Path) -> None:
    assert new_task("one", "template", tmp_path / "set").task == "local/one"


def test_a_new_task_that_cannot_be_is_refused_and_nothing_is_written(kilobench: Any, tmp_path: Path) -> None:
    into = tmp_path / "set"
    new_task("acme/one", "template", into)
    before = sorted(tmp_path.rglob("*"))
    for name, folder, why in [
        ("acme/one", into, "is there already"),
        ("../one", into, "is no name for a task"),
        ("a b", into, "is no name for a task"),
        ("two", into / "one", "is a task itself"),
        ("two", into / "dataset.toml", "is a file"),
    ]:
        done = kilobench("tasks", "new", name, "-o", folder)
        assert done.code == 2
        assert why in done.err
    assert kilobench("tasks", "new", "two", "--from", "nothing", "-o", into).code == 2
    assert sorted(tmp_path.rglob("*")) == before
    (into / "dataset.toml").write_text("[")
    assert "cannot be read" in kilobench("tasks", "new", "two", "-o", into).err


# ---- bad input


def test_a_folder_without_tasks_is_refused(kilobench: Any, tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        done = kilobench("tasks", "check", folder)
        assert done.code == 2
        assert "kilobench tasks new" in done.err


def test_kept_jobs_are_not_written_over(kilobench: Any, tmp_path: Path) -> None:
    (tmp_path / "jobs" / "oracle").mkdir(parents=True)
    done = kilobench("tasks", "check", write_task(tmp_path / "task"), "--jobs", tmp_path / "jobs")
    assert done.code == 2
    assert "is there already" in done.err


@pytest.mark.slow
def test_an_environment_that_cannot_be_had_is_said_with_what_to_do(kilobench: Any, tmp_path: Path) -> None:
    done = kilobench("tasks", "check", write_task(tmp_path / "task"), "-e", "no_such_module:Environment")
    assert done.code == 3
    assert "Harbor ran no trial" in done.err
    assert "no_such_module" in done.err
    assert "-e adapter.local_environment:LocalEnvironment" in done.err


# ---- where the templates are


def test_the_templates_of_a_checkout_are_its_tasks() -> None:
    assert templates() == TASKS


@pytest.mark.slow
def test_an_installed_package_brings_the_templates_along(tmp_path: Path) -> None:
    built = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(built, cwd=REPOSITORY, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "installed")
    brought = tmp_path / "installed" / "pipelines" / "_tasks"
    for path in (path for name in OURS for path in (TASKS / name).rglob("*") if path.suffix != ".pyc"):
        assert path.is_dir() or (brought / path.relative_to(TASKS)).read_bytes() == path.read_bytes()
    new = ("tasks", "new", "acme/mine", "--from", "debugging", "-o", "set")
    done = command(*new, cwd=tmp_path, packages=tmp_path / "installed")
    assert done.returncode == 0, done.stderr
    done = command("tasks", "check", "set", "--no-run", "--json", cwd=tmp_path, packages=tmp_path / "installed")
    assert done.returncode == 0, done.stdout
    assert [one["task"] for one in json.loads(done.stdout)["tasks"]] == ["acme/mine"]
