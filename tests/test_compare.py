"""`kilobench compare`: from job folders or from Opik the same, saved once, and written as files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from builder import JobBuilder, agent_step, user_step

from adapter.embedded_opik import EmbeddedOpik
from adapter.home import home
from adapter.opik_connection import connect
from adapter.opik_store import OpikStore, Score
from pipelines.compare_results import CompareResult

SMALL, LARGE = "openai/gpt-5-mini", "anthropic/claude-sonnet-4-5"
TASKS = [f"task-{letter}" for letter in "abcdefg"]


def job(folder: Path, name: str, passes: int, cost: float, **variant: Any) -> Path:
    """A job of one variant, which passes the first `passes` tasks."""
    made = JobBuilder(folder, name)
    for place, task in enumerate(TASKS):
        steps = [user_step(), agent_step("Done.", ("bash", {"command": "ls"}, "a"), cost=cost * (1 + place))]
        made.trial(f"{task}__1", reward=float(place < passes), steps=steps, **variant)
    return made.path


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    folder = tmp_path / "jobs"
    job(folder, "small", 1, 0.01, model=SMALL)
    job(folder, "large", 7, 0.03, model=LARGE)
    job(folder, "newer", 6, 0.02, model=SMALL, version="1.1")
    return folder


def told(result: Any) -> list[dict[str, Any]]:
    """The comparisons without what the saved views are called."""
    CompareResult.model_validate(result.json)
    assert result.code == 0
    return [{name: value for name, value in one.items() if name != "dashboards"} for one in result.json["comparisons"]]


def test_job_folders_named_experiments_and_the_whole_project_compare_the_same(kilobench: Any, jobs: Path) -> None:
    from_jobs = kilobench("compare", jobs, "--json")
    names = [
        f"set/toy@1.0/{SMALL}/small",
        f"set/toy@1.0/{LARGE}/large",
        f"set/toy@1.1/{SMALL}/newer",
    ]
    named = [argument for name in names for argument in ("--experiment", name)]
    from_experiments, bare = kilobench("compare", *named, "--json"), kilobench("compare", "--json")
    assert told(from_jobs) == told(from_experiments) == told(bare)
    assert [one["by"] for one in told(bare)] == ["model", "version"]
    (pair,) = told(bare)[0]["pairs"]
    verdicts = {one["metric"]: one["verdict"] for one in pair["metrics"]}
    assert (verdicts["pass_rate"], verdicts["cost_usd"]) == ("worse", "better")
    assert set(told(bare)[0]["fingerprints"]) == {pair["a"], pair["b"]}


def test_two_of_three_experiments_are_compared_without_the_third(kilobench: Any, jobs: Path) -> None:
    kilobench("run", jobs)
    two = [f"set/toy@1.0/{SMALL}/small", f"set/toy@1.0/{LARGE}/large"]
    found = kilobench("compare", "--experiment", two[0], "--experiment", two[1], "--json").json
    assert [one["by"] for one in found["comparisons"]] == ["model"]
    assert found["jobs"] == ["large", "small"]


def test_a_second_time_the_views_are_the_same_and_nothing_is_written(kilobench: Any, jobs: Path) -> None:
    kilobench("run", jobs)
    first, second = (kilobench("compare", "--json").json for _ in range(2))
    views = [view for one in first["comparisons"] for view in one["dashboards"]]
    assert views == [view for one in second["comparisons"] for view in one["dashboards"]]
    assert len(views) == 2
    assert not any(second["written"].values())


@pytest.mark.parametrize(("by", "compared"), [("model", 1), ("version", 1), ("agent", 0), ("effort", 0)])
def test_one_kind_of_comparison_can_be_asked_for(kilobench: Any, jobs: Path, by: str, compared: int) -> None:
    found = kilobench("compare", jobs, "--by", by, "--json")
    assert [one["by"] for one in told(found)] == [by] * compared


def test_the_files_that_people_ask_for_are_written(kilobench: Any, jobs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = kilobench(
        *("compare", jobs, "--json", "--csv", out / "csv", "--tables", out / "tables"),
        *("--markdown", out / "summary.md", "--charts", out / "charts", "--report", out / "report"),
    ).json
    pairs = pd.read_csv(out / "csv" / "pairs.csv")
    (row,) = pairs[(pairs["by"] == "model") & (pairs["metric"] == "pass_rate")].to_dict("records")
    (told_row,) = [one for one in found["comparisons"][0]["pairs"][0]["metrics"] if one["metric"] == "pass_rate"]
    assert row["difference"] == pytest.approx(told_row["difference"])
    assert row["verdict"] == told_row["verdict"]
    assert len(pd.read_csv(out / "csv" / "variants.csv")) == 3
    assert len(pd.read_csv(out / "csv" / "flips.csv")) == 6 + 5
    assert len(pd.read_parquet(out / "tables" / "trials.parquet")) == 21
    text = (out / "summary.md").read_text()
    assert found["comparisons"][0]["headline"].split(":")[0] in text
    assert found["comparisons"][0]["dashboards"][0]["url"] in text
    spec = json.loads((out / "charts" / "set-cost.vl.json").read_text())
    assert spec["$schema"].startswith("https://vega.github.io/schema/vega-lite/")
    assert (out / "report" / "index.html").is_file()
    paths = {"csv": "csv", "tables": "tables", "markdown": "summary.md", "charts": "charts"}
    assert {name: found[name] for name in paths} == {name: str(out / path) for name, path in paths.items()}


def test_what_a_person_sees_is_the_answer_the_pairs_and_the_views(kilobench: Any, jobs: Path) -> None:
    said = kilobench("compare", jobs, "--by", "model").out
    for text in (
        "passes less than",
        "pass rate",
        "cost to complete",
        "worse",
        "rule: b is called better",
        "saved as http://127",
    ):
        assert text in " ".join(said.split())


@pytest.mark.parametrize(
    ("shape", "refusal", "tables"),
    [
        ("one attempt against five", "7 tasks were tried another number of times", 1),
        ("no common task", "2 tasks were run with one of the two only; no task in common", 0),
    ],
)
def test_why_a_pair_gets_no_verdict_is_said_once_for_all_its_metrics(
    kilobench: Any, tmp_path: Path, shape: str, refusal: str, tables: int
) -> None:
    BAD_INPUT[shape][0](tmp_path / "jobs")
    said = kilobench("compare", tmp_path / "jobs", "--report", tmp_path, "--markdown", tmp_path / "x.md").out
    (page,) = (tmp_path / "comparisons").iterdir()
    html, text = page.read_text(), (tmp_path / "x.md").read_text()
    assert f"No verdict: {refusal}." in html
    assert f"No verdict: {refusal}." in text
    assert f"no verdict: {refusal}" in " ".join(said.split())
    # Once in the headline, and once for the pair.
    assert html.count(refusal.partition(";")[0]) == text.count(refusal.partition(";")[0]) == 2
    assert text.count("| Metric |") == tables
    assert ("cost to complete" in text) == bool(tables)
    assert ("There is no task to compare" in html) != bool(tables)


def test_a_calibrated_judges_share_is_shown_as_it_is_and_corrected(
    kilobench: Any, jobs: Path, server: EmbeddedOpik
) -> None:
    kilobench("run", jobs, "--opik", server.url)
    with connect(server.url, "kilobench") as connection:
        store = OpikStore(connection, "kilobench")
        for name in store_jobs_ids(jobs):
            reason = "1 of 2 steps that were judged\n[by lab/judge, prompt efficiency@2]"
            store.score_traces(
                [
                    Score(trace.id, "efficiency_flagged", 0.26, reason=reason)
                    for trace in store.find_traces(name).values()
                ]
            )
    kept = {
        "model": "lab/judge",
        "prompt_version": "efficiency@2",
        "kappa": 0.8,
        "low": None,
        "high": None,
        "agreement": 0.9,
        "flagged": [90, 20, 10, 180],
        "steps": 300,
        "trials": 30,
        "labels": "x",
        "made_at": "2026-01-01T00:00:00+00:00",
    }
    home().mkdir(parents=True, exist_ok=True)
    (home() / "calibrations.json").write_text(json.dumps({"calibrations": [kept]}))
    for arguments in ((), (jobs,)):
        found = kilobench("compare", *arguments, "--opik", server.url, "--json").json
        variant = found["comparisons"][0]["variants"][0]
        assert variant["scores"]["efficiency"]["value"] == pytest.approx(0.26)
        assert variant["corrected"]["efficiency"]["value"] == pytest.approx(0.2)
        assert "tool_choice" not in variant["corrected"]


def store_jobs_ids(folder: Path) -> list[str]:
    return [json.loads(path.read_text())["id"] for path in folder.glob("*/result.json")]


def two(folder: Path, **of_second: Any) -> None:
    job(folder, "a", 3, 0.01)
    job(folder, "b", 3, 0.01, version="2.0", **of_second)


def one_only(folder: Path) -> None:
    job(folder, "a", 3, 0.01)


def no_common_task(folder: Path) -> None:
    JobBuilder(folder, "a").trial("x__1")
    JobBuilder(folder, "b").trial("y__1", version="2.0")


def all_alike(reward: int) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        job(folder, "a", reward, 0.01)
        job(folder, "b", reward, 0.01, version="2.0")

    return make


def no_cost(folder: Path) -> None:
    for name, version in (("a", "1.0"), ("b", "2.0")):
        made = JobBuilder(folder, name)
        for task in TASKS:
            made.trial(f"{task}__1", version=version, model=None, steps=[user_step(), agent_step("Hm.", tokens=None)])


def one_against_five(folder: Path) -> None:
    for name, version, attempts in (("a", "1.0", 1), ("b", "2.0", 5)):
        made = JobBuilder(folder, name)
        for task in TASKS:
            for attempt in range(attempts):
                made.trial(f"{task}__{attempt}", version=version)


def hostile(folder: Path) -> None:
    for name, version in (("a", "1.0"), ("b", "2.0")):
        made = JobBuilder(folder, name)
        made.trial("x__1", task="../a/<script>alert(1)</script>|`x`\n=1+1", version=version)


def no_steps(folder: Path) -> None:
    for name, version in (("a", "1.0"), ("b", "2.0")):
        made = JobBuilder(folder, name)
        for task in TASKS:
            made.trial(f"{task}__1", version=version, steps=[])


BAD_INPUT: dict[str, tuple[Callable[[Path], None], str]] = {
    "one variant only": (one_only, "There is one variant only"),
    "no common task": (no_common_task, "No verdict: 2 tasks were run with one of the two only; no task in common."),
    "all passed": (all_alike(7), "no difference in pass rate is shown"),
    "all failed": (all_alike(0), "have no success"),
    "every cost unknown": (no_cost, "an unknown amount"),
    "one attempt against five": (one_against_five, "No verdict: 7 tasks were tried another number of times."),
    "slashes and markup": (hostile, "fewer than 6 tasks in common"),
    "no steps": (no_steps, "no difference in pass rate is shown"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_what_cannot_be_said_is_said_not_to_be(kilobench: Any, tmp_path: Path, case: str) -> None:
    make, said = BAD_INPUT[case]
    make(tmp_path / "jobs")
    out = tmp_path / "out"
    found = kilobench(
        "compare",
        tmp_path / "jobs",
        "--json",
        "--report",
        out,
        "--pages",
        "all",
        "--markdown",
        out / "x.md",
        "--csv",
        out,
        "--charts",
        out,
    )
    told(found)
    assert not pd.read_csv(out / "variants.csv").empty
    # Each with its head, also where it has no row.
    assert "metric" in pd.read_csv(out / "pairs.csv").columns
    assert "a_passes" in pd.read_csv(out / "flips.csv").columns
    for forbidden in ("NaN", "Infinity"):
        assert forbidden not in found.out
    text = (out / "x.md").read_text()
    assert said in text
    assert "<script" not in text
    pages = [one.read_text() for one in out.rglob("*.html")]
    assert len(pages) > 3
    for page in pages:
        assert not re.search(r">[^<]*\b(nan|inf|<na>)\b", page.partition("<script>")[0].lower())
        assert "<script>alert" not in page
    if case == "no steps":
        assert sum("The trial has no step" in page for page in pages) == 2 * len(TASKS)
    for pair in (pair for one in found.json["comparisons"] for pair in one["pairs"]):
        for metric in pair["metrics"]:
            assert metric["reason"] or None not in (metric["low"], metric["high"])
            assert metric["verdict"] in (None, "no difference shown")


MISTAKES = [
    (("x", "--experiment", "y"), 2, "Both job folders and --experiment were given."),
    (("--reward", "quality"), 2, "--reward and --pass-at are for job folders"),
    (("--experiment", "set/none/job"), 2, "Opik holds no experiment set/none/job."),
    (("--project", "nowhere"), 2, "Opik holds no project nowhere."),
    (("--report", "/proc/none"), 2, "/proc/none cannot be written to"),
]


@pytest.mark.parametrize(("arguments", "code", "said"), MISTAKES)
def test_a_mistake_is_one_clear_line_and_what_to_do(
    kilobench: Any, arguments: tuple[str, ...], code: int, said: str
) -> None:
    result = kilobench("compare", *arguments)
    assert result.code == code
    assert said in result.err
    assert result.err.count("\n") <= 3
