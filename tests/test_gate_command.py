"""`kilobench gate`: jobs, experiments and saved baselines give the same answer; its outputs; what it refuses."""

from __future__ import annotations

import json
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, user_step

from adapter.jobs import read_job
from adapter.prices import BUNDLED
from pipelines.cost import price_trial
from pipelines.gate.attempts import side_of
from pipelines.gate.baseline import write_baseline
from pipelines.gate.results import GateResult, SavedBaseline
from pipelines.notes import Notes
from pipelines.read import read_trials
from pipelines.subsets import subset_of

MODEL = "openai/gpt-5-mini"
TASKS = [f"task-{number:02d}" for number in range(12)]
OLD, NEW = f"toy@1.0/{MODEL}", f"toy@1.1/{MODEL}"


def job(
    folder: Path,
    name: str,
    passing: int,
    *,
    tasks: list[str] = TASKS,
    attempts: int = 3,
    cost: float = 0.01,
    broken: tuple[str, ...] = (),
    **variant: Any,
) -> Path:
    """A job that passes the first `passing` tasks, at every attempt; of the broken ones there is no result."""
    made = JobBuilder(folder, name)
    for place, task in enumerate(tasks):
        for number in range(attempts):
            steps = [user_step(), agent_step("Done.", ("bash", {"command": "ls"}, "a"), cost=cost * (1 + place))]
            made.trial(
                f"task-{place:02d}__{number}",
                task=task,
                reward=None if task in broken else float(place < passing),
                exception="EnvironmentStartTimeoutError" if task in broken else None,
                steps=steps,
                **variant,
            )
    return made.path


def kept(folder: Path) -> Path:
    """The same job as a saved baseline, which needs no Opik: not judged."""
    notes, found = Notes(), read_job(folder)
    for trial in read_trials([found], [], lambda _: None):
        notes.add(trial, price_trial(trial, BUNDLED), None)
    file = folder.with_suffix(".json")
    write_baseline(side_of(notes.trials(notes.standings()), "baseline", str(folder)), file)
    return file


def gate(kilobench: Any, baseline: object, candidate: object, *more: object) -> Any:
    return kilobench("gate", "--baseline", baseline, "--candidate", candidate, "--json", *more)


def told(result: Any) -> GateResult:
    return GateResult.model_validate(result.json)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Saved, as the two others."""
    return kept(job(tmp_path, "good", 12))


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    return kept(job(tmp_path, "bad", 3, version="1.1"))


@pytest.fixture
def same(tmp_path: Path) -> Path:
    return kept(job(tmp_path, "same", 12, version="1.1"))


def test_a_collapse_is_a_regression_and_an_unchanged_release_passes_or_is_open(
    kilobench: Any, good: Path, bad: Path, same: Path
) -> None:
    worse = gate(kilobench, good, bad)
    assert worse.code == 1
    found = told(worse)
    assert (found.decision, found.tasks, found.excluded, found.needed_attempts) == ("regression", 12, 0, None)
    assert found.checks[0].difference == pytest.approx(-0.75)
    assert (found.baseline.variant, found.candidate.variant) == (OLD, NEW)
    assert "Regression in pass rate" in found.headline
    assert found.next_command is None
    assert (gate(kilobench, good, same, "--margin", "0.1").code, gate(kilobench, good, same).code) == (0, 3)


@pytest.mark.slow
def test_jobs_experiments_and_saved_baselines_give_the_same_and_the_view_is_that_of_compare(
    kilobench: Any, tmp_path: Path
) -> None:
    good = job(tmp_path, "good", 12, attempts=1)
    bad = job(tmp_path, "bad", 3, attempts=1, version="1.1")
    by_folder = told(gate(kilobench, good, bad))
    assert by_folder.decision == "regression"
    assert "efficiency_flagged" in [one.metric for one in by_folder.checks]
    file, again, other = (tmp_path / "kept" / f"{name}.json" for name in ("baseline", "again", "other"))
    saved = kilobench("gate", "--baseline", good, "--save-baseline", file, "--json")
    assert saved.code == 0
    one = SavedBaseline.model_validate(saved.json)
    assert (one.saved_baseline, one.baseline.attempts, one.baseline.passes) == (str(file), 12, 12)
    kilobench("gate", "--baseline", f"set/{OLD}/good", "--save-baseline", again)
    assert again.read_text() == file.read_text()
    kilobench("gate", "--baseline", f"set/{NEW}/bad", "--save-baseline", other)
    for baseline, candidate in ((f"set/{OLD}/good", f"set/{NEW}/bad"), (file, f"set/{NEW}/bad"), (file, other)):
        assert told(gate(kilobench, baseline, candidate)).checks == by_folder.checks
    (view,) = by_folder.comparisons
    (compared,) = kilobench("compare", good, bad, "--json").json["comparisons"]
    assert view.name == compared["name"]
    assert [shown.model_dump() for shown in view.dashboards] == compared["dashboards"]
    itself = told(gate(kilobench, good, good))
    assert (itself.comparisons, itself.decision) == ((), "inconclusive")
    assert "same variant" in itself.warnings[0]


@pytest.mark.slow
def test_one_folder_of_jobs_holds_both_sides_where_their_variants_are_named(kilobench: Any, tmp_path: Path) -> None:
    jobs = tmp_path / "jobs"
    for name, passing, version in (("good", 12, "1.0"), ("bad", 0, "1.1"), ("more", 12, "1.0")):
        job(jobs, name, passing, attempts=1, version=version)
    names = ("--baseline-variant", "toy@1.0", "--candidate-variant", NEW)
    both = gate(kilobench, jobs, jobs, *names)
    assert both.code == 1
    assert (told(both).candidate.variant, told(both).baseline.attempts) == (NEW, 24)  # Of two jobs of one variant.
    said = refused(gate(kilobench, jobs, jobs))
    assert OLD in said
    assert NEW in said
    assert "--baseline-variant" in said
    said = refused(gate(kilobench, jobs, jobs, *names[:3], "nobody"))
    assert "holds no variant nobody" in said
    assert NEW in said


def test_what_the_infrastructure_broke_is_left_out_of_both_sides_and_counted(
    kilobench: Any, tmp_path: Path, good: Path
) -> None:
    few = kept(job(tmp_path, "few", 12, version="1.1", broken=("task-00", "task-11")))
    many = kept(job(tmp_path, "many", 0, version="1.2", broken=("task-00", "task-01", "task-02")))
    found = told(gate(kilobench, good, few, "--margin", "0.12"))
    assert (found.decision, found.tasks, found.excluded) == ("pass", 10, 6)
    assert found.excluded_by["candidate"] == {"infrastructure_error": 6}
    assert set(found.left_out) == {"task-00", "task-11"}
    lost = gate(kilobench, good, many)
    assert lost.code == 3
    assert "too many to decide" in told(lost).reasons[0]


def test_a_job_that_has_no_end_passes_nothing(kilobench: Any, tmp_path: Path, good: Path) -> None:
    running = JobBuilder(tmp_path, "running", finished_at=None)
    for task in TASKS:
        running.trial(f"{task}__1", version="1.1")
    found = gate(kilobench, good, running.path, "--margin", "0.5")
    assert found.code == 3
    assert "not there yet" in told(found).reasons[0]
    assert any("has no end" in one for one in told(found).warnings)


def test_an_inconclusive_gate_says_what_would_go_on(kilobench: Any, tmp_path: Path, good: Path, same: Path) -> None:
    subset = tmp_path / "some of it.txt"
    subset.write_text("task-0*\n")
    summary = tmp_path / "summary.md"
    found = told(gate(kilobench, good, same, "--subset", subset, "--summary", summary))
    assert (found.decision, found.tasks) == ("inconclusive", 10)
    assert f"```sh\n{found.next_command}\n```" in summary.read_text()
    assert found.needed_attempts is not None
    words = shlex.split(found.next_command or "")
    assert words[:2] == ["kilobench", "bench"]
    assert words[2:4] == ["-d", "set@2.0"]
    options = dict(zip(words[4::2], words[5::2], strict=False))
    assert (options["-a"], options["-m"], options["--subset"]) == ("toy@1.1", MODEL, str(subset))
    assert words[-3:] == ["--until-decided", "--max-attempts", str(found.needed_attempts)]
    assert f"{found.needed_attempts} attempts" in found.headline


def test_a_look_of_several_has_its_own_level(kilobench: Any, good: Path, same: Path) -> None:
    found = told(gate(kilobench, good, same, "--margin", "0.1", "--look", 3, "--max-attempts", 5))
    assert (found.look, found.looks, found.decision) == (3, 5, "inconclusive")
    assert found.level == pytest.approx(0.0139, abs=1e-4)
    assert kilobench("gate", "--baseline", good, "--candidate", same, "--look", 3).code == 2
    assert gate(kilobench, good, same, "--look", 3, "--max-attempts", 2).code == 2


def test_costs_have_thresholds_of_their_own(kilobench: Any, tmp_path: Path, good: Path) -> None:
    dear = kept(job(tmp_path, "dear", 12, version="1.1", cost=0.02))
    found = told(gate(kilobench, good, dear, "--margin", "0.1"))
    assert (found.decision, [one.metric for one in found.checks if one.decision == "regression"]) == (
        "regression",
        ["cost_usd", "cost_to_complete_usd"],
    )
    options = ("--max-cost-increase", "1.5", "--max-cost-to-complete-increase", "1.5")
    allowed = told(gate(kilobench, good, dear, "--margin", "0.1", *options))
    assert allowed.decision == "pass"
    assert {one.metric for one in allowed.checks if one.required} == {"pass_rate", "cost_usd", "cost_to_complete_usd"}
    assert gate(kilobench, good, dear, "--max-cost-increase", "-1").code == 2
    assert gate(kilobench, good, dear, "--max-flagged-increase", "charm=1").code == 2
    asked = told(gate(kilobench, good, dear, "--max-flagged-increase", "efficiency=0.2"))
    (flagged,) = [one for one in asked.checks if one.metric == "efficiency_flagged"]
    assert (flagged.threshold, flagged.required, flagged.reason) == (0.2, True, "not judged")


HOSTILE = "x\n::error::mine\n| <b>`a`</b> ![i](http://evil.example/) \x1b[31m \x00 %0A::stop-commands::z ##[error]no"


@pytest.fixture
def hostile(tmp_path: Path) -> tuple[Path, Path]:
    """Two jobs whose names of tasks, agents and statuses are commands and markup."""
    tasks = [f"{HOSTILE}{number}" for number in range(12)]
    old = job(tmp_path, "old", 12, tasks=tasks, attempts=2, agent=HOSTILE)
    more = {"agent": HOSTILE, "version": "1.1\n::error::mine", "attempts": 2}
    new = job(tmp_path, "new", 2, tasks=tasks[:11], broken=(tasks[10],), **more)
    return old, new


def test_the_outputs_are_well_formed_whatever_stands_in_the_jobs(
    kilobench: Any, tmp_path: Path, hostile: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    junit, summary = tmp_path / "out" / "junit.xml", tmp_path / "out" / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = gate(kilobench, *hostile, "--junit", junit, "--summary", summary)
    assert result.code == 1
    assert (told(result).junit, told(result).summary) == (str(junit), str(summary))
    assert len(result.out.splitlines()) == 1
    suite = ET.parse(junit).getroot()[0]
    cases = {one.get("name"): one for one in suite.iter("testcase")}
    assert int(suite.get("tests", "0")) == len(cases)
    failed = {name for name, one in cases.items() if one.find("failure") is not None}
    assert failed >= {"pass_rate", "decision"}
    assert int(suite.get("failures", "0")) == len(failed)
    text = summary.read_text()
    assert "<b>" not in text
    assert "](http" not in text.replace("[Saved view](http", "")
    assert not any(line.startswith(("::", "##[")) for line in text.splitlines())
    commands = [line for line in result.err.splitlines() if line.startswith(("::", "##["))]
    assert commands
    assert all(line.startswith("::error title=kilobench gate") and "mine" not in line for line in commands)


def test_what_a_person_sees_holds_no_command_to_githubs_machines(
    kilobench: Any, hostile: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    said = kilobench("gate", "--baseline", kept(hostile[0]), "--candidate", kept(hostile[1])).out
    assert "::" not in said
    assert "##[" not in said
    assert "\x1b[31m" not in said


def test_a_person_sees_the_answer_the_checks_and_how_to_go_on(
    kilobench: Any, good: Path, bad: Path, same: Path
) -> None:
    said = " ".join(kilobench("gate", "--baseline", good, "--candidate", bad).out.split())
    for text in ("Regression in pass rate", "cost to complete", "95 %", NEW):
        assert text in said
    said = kilobench("gate", "--baseline", good, "--candidate", same).out
    assert "to go on:" in said
    assert "kilobench bench -d set@2.0" in said


def test_githubs_step_summary_is_added_to_and_nothing_is_said_elsewhere(
    kilobench: Any, tmp_path: Path, good: Path, same: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = tmp_path / "step.md"
    step.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    result = gate(kilobench, good, same)
    assert step.read_text().startswith("before\n### Gate: ")
    assert "::" not in result.err
    assert told(result).summary == str(step)


def test_junit_tells_what_is_open_from_what_is_not_required(
    kilobench: Any, tmp_path: Path, good: Path, same: Path
) -> None:
    junit = tmp_path / "junit.xml"
    gate(kilobench, good, same, "--junit", junit)
    suite = ET.parse(junit).getroot()[0]
    assert [suite.get(name) for name in ("failures", "errors")] == ["0", "2"]


def refused(result: Any) -> str:
    assert result.code == 2, result.err
    lines = result.err.strip().splitlines()
    bars = [line for line in lines if line.startswith(("Read ", "Upload "))]
    assert len(lines) == len(bars) + 2
    assert lines[-2].startswith("kilobench: ")
    return result.err


def test_two_jobs_without_a_common_task_are_refused(kilobench: Any, tmp_path: Path, good: Path) -> None:
    other = kept(job(tmp_path, "other", 12, tasks=[f"else-{number}" for number in range(12)]))
    assert "no task in common" in refused(gate(kilobench, good, other))


def test_changed_tasks_are_refused_unless_that_is_allowed(kilobench: Any, tmp_path: Path, good: Path) -> None:
    made = JobBuilder(tmp_path, "changed")
    for place, task in enumerate(TASKS):
        for number in range(3):
            made.trial(f"{task}__{number}", version="1.1", task_checksum="d" * 8 if place == 0 else "c" * 8)
    said = refused(gate(kilobench, good, kept(made.path)))
    assert "1 of 12 tasks changed" in said
    assert "--allow-unequal" in said
    found = told(gate(kilobench, good, kept(made.path), "--allow-unequal"))
    assert (found.tasks, list(found.left_out)) == (11, ["task-00"])


def test_other_versions_of_the_dataset_are_refused_where_no_checksum_speaks_for_them(
    kilobench: Any, tmp_path: Path
) -> None:
    folders: list[Path] = []
    for name, version in (("one", "2.0"), ("two", "3.0")):
        made = JobBuilder(tmp_path, name)
        made._write("config.json", {"job_name": name, "datasets": [{"name": "set", "version": version}]})
        for task in TASKS:
            made.trial(f"{task}__1", version=name, task_checksum=None)
        folders.append(kept(made.path))
    assert "other versions of the tasks, set@2.0 and set@3.0" in refused(gate(kilobench, *folders))
    assert gate(kilobench, *folders, "--allow-unequal").code == 3


def test_a_baseline_without_an_attempt_that_counts_is_refused(kilobench: Any, tmp_path: Path, good: Path) -> None:
    empty = job(tmp_path, "empty", 12, tasks=TASKS[:2], broken=tuple(TASKS))
    said = refused(gate(kilobench, empty, good))
    assert "holds no attempt that counts" in said
    assert "infrastructure_error" in said
    assert "holds no attempt" in refused(kilobench("gate", "--baseline", empty, "--save-baseline", tmp_path / "x.json"))


@pytest.mark.parametrize("suffix", [".txt", ".toml"])
def test_a_subset_with_a_task_that_neither_side_tried_is_refused(
    kilobench: Any, tmp_path: Path, good: Path, bad: Path, suffix: str
) -> None:
    file = tmp_path / f"subset{suffix}"
    file.write_text('[[task]]\nname = "task-01"\n[[task]]\nname = "gone"' if suffix == ".toml" else "task-01\ngone\n")
    said = refused(gate(kilobench, good, bad, "--subset", file))
    assert "gone" in said
    assert "task-00" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda file: file | {"kilobench_baseline": 2},
            "written by a newer kilobench (format 2; this one reads up to 1)",
        ),
        (lambda _: {"a": 1}, "is no saved baseline"),
        (lambda _: [], "is no saved baseline"),
        (lambda file: file | {"tasks": {}}, "holds no attempt that counts"),
        (lambda file: file | {"tasks": {"t": {"attempts": [{"passed": "maybe"}]}}}, "is damaged: tasks.t.attempts.0"),
    ],
)
def test_a_baseline_file_that_cannot_be_used_is_refused(
    kilobench: Any, tmp_path: Path, good: Path, change: Any, said: str
) -> None:
    file = tmp_path / "baseline.json"
    file.write_text(json.dumps(change(json.loads(good.read_text()))))
    assert said in refused(gate(kilobench, file, good))


def test_what_is_nothing_at_all_is_refused(kilobench: Any, tmp_path: Path, good: Path) -> None:
    assert "no folder and no file" in refused(gate(kilobench, "nowhere", good))
    assert "No candidate" in refused(kilobench("gate", "--baseline", good))
    assert "No baseline" in refused(kilobench("gate", "--candidate", good))
    file = tmp_path / "text.json"
    file.write_text("no JSON")
    assert "cannot be read" in refused(gate(kilobench, file, good))
    assert "stands alone" in refused(gate(kilobench, file, good, "--baseline", good))
    assert "which is none" in refused(gate(kilobench, tmp_path, good, "--baseline", "nowhere"))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('[[task]]\nname = "a"\nchosen = true\nwhy = "fast"\n[[task]]\nname = "b"\nchosen = false\n', ("a",)),
        ('tasks = ["a", "b"]', ("a", "b")),
        ('[[tasks]]\nname = "a"\n[[tasks]]\nname = "b"\n', ("a", "b")),
    ],
)
def test_a_subset_in_toml_is_of_the_tasks_that_were_chosen(tmp_path: Path, text: str, names: tuple[str, ...]) -> None:
    file = tmp_path / "subset.toml"
    file.write_text(text)
    assert subset_of(file) == names


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tasks = 3",
        '[[task]]\nwhy = "x"',
        '[[task]]\nname = "a"\nchosen = "yes"',
        '[[task]]\nname = "a"\nchosen = false',
        "[[",
    ],
)
def test_a_subset_in_toml_that_names_none_is_refused(kilobench: Any, tmp_path: Path, good: Path, text: str) -> None:
    file = tmp_path / "subset.toml"
    file.write_text(text)
    assert "--subset" in refused(gate(kilobench, good, good, "--subset", file))
