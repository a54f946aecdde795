"""`kilobench cost` of many trials together: by variant, by kind of task, as tables, as Kilo's records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from builder import JobBuilder, agent_step, user_step
from spending import regraded, spending

from pipelines.cost_groups import CostOfCategories, CostOfVariants
from views.tables import ACTIONS, CALLS, STEPS, TRIALS, VARIANTS

GPT, CLAUDE = "toy@1.0/openai/gpt-5-mini", "toy@1.0/anthropic/claude-sonnet-4-5"
TABLES = {"trials": TRIALS, "steps": STEPS, "calls": CALLS, "actions": ACTIONS, "variants": VARIANTS}


def paid(cost: float | None) -> list[dict[str, Any]]:
    """The steps of a run that cost so much; of one that nobody knows the cost of."""
    return [user_step(), agent_step("Done.", tokens=None if cost is None else (1000, 50, 0), cost=cost)]


def two_variants(job: JobBuilder) -> None:
    """GPT passes one of two at $1 each; Claude both, at $3 each."""
    for number, (task, reward) in enumerate([("a", 1.0), ("b", 0.0)]):
        job.trial(f"{task}__{number}", task=f"org/{task}", reward=reward, steps=paid(1.0))
        job.trial(f"{task}__{number}c", task=f"org/{task}", steps=paid(3.0), model="anthropic/claude-sonnet-4-5")


def variants(result: Any) -> dict[str, Any]:
    CostOfVariants.model_validate(result.json)
    return {one["variant"]: one for one in result.json["variants"]}


def test_a_variant_is_compared_with_the_one_that_passes_most_often(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    two_variants(job)
    found = variants(kilobench("cost", job.path, "--by", "variant", "--json"))
    gpt, claude = found[GPT], found[CLAUDE]
    assert {one["baseline"] for one in found.values()} == {CLAUDE}
    assert (gpt["passes"], gpt["attempts"], gpt["tasks"], gpt["pass_rate"]) == (1, 2, 2, 0.5)
    assert gpt["cost"]["per_attempt"]["mean"] == gpt["intervals"]["cost_per_attempt_usd"]["value"] == 1.0
    assert gpt["cost"]["of_task_set"]["value"] == 2.0
    assert gpt["cost"]["to_complete"]["value"] == 2.0
    assert gpt["cost"]["per_point"]["value"] == pytest.approx(2 / 50)
    assert gpt["cost"]["efficiency"]["value"] == pytest.approx((6 / 100) / (2 / 50))
    assert claude["cost"]["efficiency"]["value"] == 1.0
    assert gpt["behaviour"]["steps"]["median"] == 1


def test_another_baseline_can_be_named(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    two_variants(job)
    found = variants(kilobench("cost", job.path, "--by", "variant", "--baseline", GPT, "--json"))
    assert found[CLAUDE]["cost"]["efficiency"]["value"] == pytest.approx((2 / 50) / (6 / 100))
    result = kilobench("cost", job.path, "--by", "variant", "--baseline", "gpt-6")
    assert result.code == 2
    assert "No trial is of the variant gpt-6." in result.err
    assert f"Give one of those that are there: {CLAUDE}, {GPT}." in result.err


def test_the_baseline_of_each_dataset_is_its_own_best(kilobench: Any, tmp_path: Path) -> None:
    first, other = JobBuilder(tmp_path, "first"), JobBuilder(tmp_path, "other")
    two_variants(first)
    for name, reward, model in (("a__1", 1.0, "openai/gpt-5-mini"), ("a__2", 0.0, "anthropic/claude-sonnet-4-5")):
        folder = other.trial(name, reward=reward, model=model, steps=paid(1.0))
        text = (folder / "result.json").read_text()
        (folder / "result.json").write_text(text.replace('"source": "set"', '"source": "other"'))
    rows = kilobench("cost", first.path, other.path, "--by", "variant", "--json").json["variants"]
    assert {(one["dataset"], one["baseline"]) for one in rows} == {("set", CLAUDE), ("other", GPT)}


def test_what_has_no_known_cost_is_no_baseline(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    job.trial("a__1", agent="oracle", model=None, steps=[])
    job.trial("a__2", steps=paid(1.0))
    job.trial("a__3", reward=0.0, steps=paid(1.0))
    found = variants(kilobench("cost", job.path, "--by", "variant", "--json"))
    assert {one["baseline"] for one in found.values()} == {GPT}
    assert found[GPT]["cost"]["efficiency"]["value"] == 1.0
    nothing = JobBuilder(tmp_path, "nothing")
    nothing.trial("a__1", agent="oracle", model=None, steps=[])
    (only,) = variants(kilobench("cost", nothing.path, "--by", "variant", "--json")).values()
    assert only["baseline"] == only["variant"]


def test_without_a_success_completing_is_infinite_and_with_unknown_costs_a_lower_bound(
    kilobench: Any, tmp_path: Path
) -> None:
    job = JobBuilder(tmp_path)
    job.trial("a__1", reward=0.0, steps=paid(1.0))
    job.trial("a__2", steps=paid(2.0), model="nobody/knows")
    job.trial("a__3", reward=None, exception="AgentTimeoutError", steps=paid(None), model="nobody/knows")
    result = kilobench("cost", job.path, "--by", "variant", "--json")
    found = variants(result)
    never = found[GPT]["cost"]["to_complete"]
    assert (never["value"], never["infinite"]) == (None, True)
    some = found["toy@1.0/nobody/knows"]["cost"]["to_complete"]
    assert (some["value"], some["at_least"], some["missing"]) == (2.0, True, 1)
    shown = kilobench("cost", job.path, "--by", "variant").out
    rows = cells(shown)
    assert rows["$ to complete"] == ["≥", "$2.00", "∞"]
    assert rows["$ per attempt"] == ["$2.00", "[1/2]", "$1.00"]
    assert rows["$ spent"] == ["$2.00", "$1.00"]


def cells(shown: str) -> dict[str, list[str]]:
    """What stands beside each name in the table of variants."""
    return {name: more.split() for line in shown.splitlines() for name, _, more in [line.partition("  ")] if more}


def test_a_regrade_is_no_attempt_of_its_own_and_its_grade_counts(kilobench: Any, tmp_path: Path) -> None:
    first, again = regraded(tmp_path)
    spent = kilobench("cost", first.path, "--json").json["totals"]["cost_usd"]
    found = variants(kilobench("cost", first.path, again.path, "--by", "variant", "--json"))[GPT]
    assert (found["attempts"], found["passes"]) == (1, 1)
    assert found["cost"]["total"] == pytest.approx(spent)


def test_what_the_money_of_a_variant_went_for(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    spending(job)
    spending(job, "task-b__1")
    (trial, _) = kilobench("cost", job.path, "--json").json["trials"]
    shares = variants(kilobench("cost", job.path, "--by", "variant", "--json"))[GPT]["shares"]
    assert shares == pytest.approx(trial["shares"])


def test_a_person_sees_the_variants_side_by_side(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    two_variants(job)
    lines = kilobench("cost", job.path, "--by", "variant").out.splitlines()
    assert lines[0].startswith("set: toy")
    assert lines[1].split() == ["claude-sonnet-4-5", "gpt-5-mini"]
    rows = cells("\n".join(lines))
    assert rows["passed"] == ["2/2", "1/2"]
    assert rows["$ per attempt"] == ["$3.00", "$1.00"]
    assert rows["$ for the task set"] == ["$6.00", "$2.00"]
    assert rows["$ to complete"] == ["$3.00", "$2.00"]
    assert rows["efficiency"] == ["1.0x", "(baseline)", "1.5x"]
    for name in ("steps", "calls", "tool calls", "repeats", "timed out", "broke off", "context growth"):
        assert name in rows
    assert f"baseline: {CLAUDE} (--baseline NAME chooses another)" in "\n".join(lines)
    assert max(map(len, lines)) <= 120


def categories(result: Any) -> dict[tuple[str | None, str], Any]:
    CostOfCategories.model_validate(result.json)
    return {(one["category"], one["variant"]): one for one in result.json["categories"]}


def test_what_each_kind_of_task_costs_with_each_variant(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    two_variants(job)
    job.trial("c__1", reward=0.0, steps=paid(5.0))
    file = tmp_path / "categories.toml"
    file.write_text('a = "bugfix"\n"org/*" = "review"\n')
    call = ("cost", job.path, "--by", "task-category", "--categories", file)
    found = categories(kilobench(*call, "--json"))
    assert list(found) == [("bugfix", CLAUDE), ("bugfix", GPT), ("review", CLAUDE), ("review", GPT), (None, GPT)]
    assert [one["cost_usd"] for one in found.values()] == [3.0, 1.0, 3.0, 1.0, 5.0]
    assert found[None, GPT]["intervals"]["cost_to_complete_usd"]["infinite"]
    shown = kilobench(*call).out
    assert [line.split()[0] for line in shown.splitlines() if "claude" in line or "gpt" in line][:5] == [
        *("bugfix", "bugfix", "review", "review", "uncategorised")
    ]
    assert max(map(len, shown.splitlines())) <= 120


def test_without_a_file_the_tasks_own_metadata_say_what_kind_they_are(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    task = tmp_path / "tasks" / "a"
    task.mkdir(parents=True)
    (task / "task.toml").write_text('[metadata]\ncategory = "docs"\n')
    folder = job.trial("a__1", steps=paid(1.0))
    result = json.loads((folder / "result.json").read_text())
    result["config"]["task"]["path"] = str(task)
    (folder / "result.json").write_text(json.dumps(result))
    job.trial("b__1", steps=paid(2.0))
    found = categories(kilobench("cost", job.path, "--by", "task-category", "--json"))
    assert {kind: one["cost_usd"] for (kind, _), one in found.items()} == {"docs": 1.0, None: 2.0}


def test_the_tables_are_written_checked_and_the_same_by_both_commands(
    kilobench: Any, tmp_path: Path, server: Any
) -> None:
    job = JobBuilder(tmp_path / "jobs")
    spending(job)
    two_variants(job)
    regraded(tmp_path / "jobs")
    jobs = tmp_path / "jobs"
    assert kilobench("cost", jobs, "--tables", tmp_path / "cost").code == 0
    assert kilobench("run", jobs, "--opik", server.url, "--tables", tmp_path / "run").code == 0
    for name, schema in TABLES.items():
        ours, theirs = (pd.read_parquet(tmp_path / which / f"{name}.parquet") for which in ("cost", "run"))
        pd.testing.assert_frame_equal(ours, theirs)
        assert len(schema.validate(ours)) > 0
    steps = pd.read_parquet(tmp_path / "cost" / "steps.parquet").set_index(["trial", "step"])
    (trial, *_) = (
        one
        for one in kilobench("cost", job.path, "--by", "step", "--json").json["trials"]
        if one["trial"] == "job/task-a__1"
    )
    for step in trial["steps"]:
        row = steps.loc[trial["trial"], step["step"]]
        assert row["cost_usd"] == pytest.approx(step["cost_usd"])
        assert row["resent_usd"] == pytest.approx(step["breakdown"]["resent"])
        assert row["carried_usd"] == pytest.approx(step["carried_usd"])


def test_without_any_trial_that_has_a_result_the_tables_are_empty(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    (job.trial("cut__1") / "result.json").write_text('{"id": "x"')
    for by, rows in (("trial", "trials"), ("variant", "variants"), ("task-category", "categories")):
        result = kilobench("cost", job.path, "--by", by, "--tables", tmp_path / "tables", "--json")
        assert len(result.json[rows]) == (by == "trial")
        assert any(one["path"] == "job/cut__1" for one in result.json["skipped"]) == (by != "trial")
        assert result.code == kilobench("cost", job.path, "--by", by).code == 3
    for name, schema in TABLES.items():
        assert schema.validate(pd.read_parquet(tmp_path / "tables" / f"{name}.parquet")).empty


def test_the_results_are_printed_as_kilos_records(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    two_variants(job)
    claude, gpt = kilobench("cost", job.path, "--export", "kilo").json
    assert gpt["bench_eval_name"] == f"set/{GPT}/job"
    assert (gpt["model"], gpt["n_attempts"], gpt["overall_score"]) == ("openai/gpt-5-mini", 1, 0.5)
    assert (gpt["avg_cost_usd"], gpt["total_cost_usd"], gpt["avgAttemptCostUsd"]) == (1.0, 2.0, 2.0)
    assert claude["avgAttemptCostUsd"] == 6.0
    assert kilobench("cost", job.path, "--export", "kilo", "--by", "variant", "--json").json == [claude, gpt]
    result = kilobench("cost", job.path, "--export", "kilo", "--by", "step")
    assert (result.code, "goes with no other --by" in " ".join(result.err.split())) == (2, True)


PRICES = """
[[price]]
model = "{model}"
source = "a contract"
date = 2026-01-01
input = 1.0
output = 1000000.0
"""


def test_your_own_prices_count_in_every_command(kilobench: Any, tmp_path: Path, server: Any) -> None:
    job = JobBuilder(tmp_path)
    job.trial(model="nobody/knows", steps=[user_step(), agent_step("x", tokens=(1000, 2, 0))])
    file = tmp_path / "prices.toml"
    file.write_text(PRICES.format(model="nobody/knows"))
    usd = pytest.approx(2.001)
    assert kilobench("cost", job.path, "--json").json["trials"][0]["cost_usd"] is None
    found = kilobench("cost", job.path, "--by", "step", "--prices", file, "--json").json
    (step,) = found["trials"][0]["steps"]
    assert step["cost_usd"] == usd
    assert "a contract" in step["price"]
    assert found["prices"] == [step["price"]]
    assert kilobench("inspect", job.path, "--prices", file, "--json").json["trials"][0]["cost_usd"] == usd
    for command in ("run", "upload"):
        result = kilobench(command, job.path, "--opik", server.url, "--prices", file, "--json")
        assert result.json["totals"]["cost_usd"] == usd, command


def test_prices_in_kilobenchs_home_count_without_being_named(
    kilobench: Any, tmp_path: Path, own_home: Path, server: Any
) -> None:
    job = JobBuilder(tmp_path)
    job.trial(model="nobody/knows", steps=[user_step(), agent_step("x", tokens=(1000, 2, 0))])
    (own_home / "kilobench").mkdir(exist_ok=True)
    (own_home / "kilobench" / "prices.toml").write_text(PRICES.format(model="nobody/knows"))
    costs = [kilobench(command, job.path, "--json").json["trials"][0]["cost_usd"] for command in ("cost", "inspect")]
    costs += [
        kilobench(command, job.path, "--opik", server.url, "--json").json["totals"]["cost_usd"]
        for command in ("run", "upload")
    ]
    assert costs == [pytest.approx(2.001)] * 4


@pytest.mark.parametrize("command", ["cost", "inspect", "run", "upload"])
def test_a_file_of_prices_that_cannot_be_used_is_named(kilobench: Any, tmp_path: Path, command: str) -> None:
    job = JobBuilder(tmp_path)
    spending(job)
    (tmp_path / "prices.toml").write_text(PRICES.format(model="a/b").replace("1.0", "-1.0", 1))
    result = kilobench(command, job.path, "--prices", tmp_path / "prices.toml")
    assert result.code == 2
    assert "prices.toml" in result.err


def test_a_folder_for_tables_that_cannot_be_written_to_is_told_before_the_work(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    spending(job)
    result = kilobench("cost", job.path, "--tables", "/dev/null/x")
    assert (result.code, result.out) == (2, "")
    assert "/dev/null/x cannot be written to" in result.err


def test_names_of_variants_are_shown_as_plain_text(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    job.trial("a__1", steps=paid(1.0), model="openai/\x1b[2J\u202e")
    job.trial("a__2", steps=paid(1.0), version="[red]2\x1b]0;mine\x07")
    for by in ("variant", "task-category", "trial"):
        shown = kilobench("cost", job.path, "--by", by).out
        assert not set(shown) & set("\x1b\x07\u202e")
        assert "[red]2" in shown
