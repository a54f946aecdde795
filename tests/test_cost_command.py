"""`kilobench cost`: where the money went, by step, call, trial, variant and kind of task."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, user_step
from conftest import REPOSITORY
from spending import regraded, spending

from pipelines.cost_results import CostedStep, CostOfCalls, CostOfSteps, CostOfTrials

PARTS = (
    *("resent", "resent_cached", "resent_written", "new", "new_cached", "new_written"),
    *("reasoning", "tool_calls", "message", "unexplained"),
)


def test_each_step_says_what_it_cost_what_for_and_what_it_cost_by_the_end(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    spending(job)
    found = kilobench("cost", job.path, "--by", "step", "--json").json
    CostOfSteps.model_validate(found)
    (trial,) = found["trials"]
    assert (trial["trial"], trial["provenance"]) == ("job/task-a__1", "priced")
    assert [step["step"] for step in trial["steps"]] == [2, 3, 4]
    for step in trial["steps"]:
        assert set(step) == set(CostedStep.model_fields)
        assert tuple(step["breakdown"]) == PARTS
        known = [value for value in step["breakdown"].values() if value is not None]
        assert math.isclose(sum(known), step["cost_usd"], abs_tol=1e-9)
        assert "gpt-5-mini" in step["price"]
    costs = [step["cost_usd"] for step in trial["steps"]]
    followed = [step[name] for step in trial["steps"] for name in ("own_usd", "carried_usd")]
    assert sum(costs) == pytest.approx(trial["cost_usd"], abs=1e-9)
    assert sum(followed) + trial["prompt_usd"] + trial["unexplained_usd"] == pytest.approx(sum(costs), abs=1e-9)
    assert sum(share or 0 for share in trial["shares"].values()) == pytest.approx(1)
    listing, read, done = trial["steps"]
    assert listing["own_usd"] + listing["carried_usd"] > read["own_usd"] + read["carried_usd"]
    assert (done["carried_usd"], done["did"]) == (0, None)
    assert (listing["did"], read["did"]) == ("sh ls -R", "read a.py")
    assert found["prices"] == [listing["price"]]
    assert found["totals"] == {
        "trials": 1,
        "cost_usd": trial["cost_usd"],
        "cost_known": 1,
        "cost_unknown": 0,
        "regrades": 0,
    }


def test_a_call_that_produced_several_steps_keeps_its_own_number(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    at = "2026-03-01T10:01:00Z"
    split = [
        agent_step("First, look.", ("bash", {"command": "ls"}, "a"), tokens=(1000, 100, 0), cost=0.02, at=at),
        agent_step("", ("bash", {"command": "pwd"}, "/"), tokens=None, at=at),
    ]
    for step in split:
        step["llm_call_count"] = 1 if "metrics" in step else 0
    job.trial(steps=[user_step(), *split], agent="claude-code")
    by_step = kilobench("cost", job.path, "--by", "step", "--json").json["trials"][0]["steps"]
    found = kilobench("cost", job.path, "--by", "call", "--json").json
    CostOfCalls.model_validate(found)
    calls = found["trials"][0]["calls"]
    assert sum(call["cost_usd"] for call in calls) == pytest.approx(0.02)
    assert sum(step["cost_usd"] or 0 for step in by_step) == pytest.approx(0.02)
    assert [step for call in calls for step in call["steps"]] == sorted({s["step"] for s in by_step if s["call"]})


def test_without_by_there_is_a_row_per_trial(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    spending(job)
    found = kilobench("cost", job.path, "--json").json
    CostOfTrials.model_validate(found)
    (trial,) = found["trials"]
    assert found["by"] == "trial"
    assert not {"steps", "calls"} & set(trial)
    assert sum(trial["breakdown"][part] for part in PARTS if trial["breakdown"][part] is not None) == pytest.approx(
        trial["cost_usd"]
    )
    assert trial["breakdown"]["reasoning"] is None
    assert (trial["llm_calls"], trial["llm_calls_explained"], trial["agent_steps"]) == (3, 3, 3)


def test_what_is_not_known_is_null_and_never_0(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    job.trial("none__1", steps=[], model=None, version=None)
    job.trial("free__1", model="nobody/knows", steps=[agent_step("x", tokens=None)])
    job.trial("total__1", model="nobody/knows", agent_result={"cost_usd": 0.5}, steps=[agent_step("x", tokens=None)])
    found = kilobench("cost", job.path, "--by", "step", "--json").json
    free, none, total = found["trials"]
    for trial in (free, none):
        assert (trial["cost_usd"], trial["provenance"], trial["residual_usd"]) == (None, "unknown", None)
        assert (trial["unattributed"], trial["shares"], trial["prompt_usd"]) == (None, None, None)
        assert set(trial["breakdown"].values()) == {None}
    assert (none["llm_calls"], none["agent_steps"], none["wasted_usd"]) == (None, None, None)
    assert (total["cost_usd"], total["recorded_usd"], total["residual_usd"]) == (0.5, 0.5, None)
    (step,) = total["steps"]
    assert set(step["breakdown"].values()) == {None}
    assert (step["cost_usd"], step["own_usd"], step["carried_usd"], step["provenance"]) == (None, None, None, "unknown")
    assert (found["totals"]["cost_usd"], found["totals"]["cost_unknown"], found["prices"]) == (0.5, 2, [])


def test_the_residual_is_a_row_of_its_own_with_the_reasons_that_the_data_show(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    job.trial(
        steps=[user_step(), agent_step("x", tokens=(1000, 50, 0), cost=0.02)],
        agent_result={"cost_usd": 0.05, "n_input_tokens": 3000, "n_output_tokens": 150, "n_cache_tokens": 0},
    )
    (trial,) = kilobench("cost", job.path, "--json").json["trials"]
    assert trial["residual_usd"] == pytest.approx(0.03)
    assert trial["unattributed"]["cost_usd"] == pytest.approx(0.03)
    assert [one["reason"] for one in trial["unattributed"]["reasons"]] == ["calls_without_steps"]
    (harbor,) = (one for one in trial["compared"] if one["source"] == "harbor")
    assert (harbor["usd"], harbor["prompt_tokens"], harbor["output_tokens"]) == (0.05, 2000, 100)
    shown = kilobench("cost", job.path, "--by", "step").out
    (row,) = (line.split() for line in shown.splitlines() if line.split()[:1] == ["unattributed"])
    assert row == ["unattributed", "+$0.0300"]
    assert "The run's own total is $0.0300 more than its steps. The run's own totals hold 2,000 tokens" in shown


@pytest.mark.parametrize("by", ["step", "call", "trial"])
def test_a_regrade_costs_nothing_new_and_is_in_no_sum(kilobench: Any, tmp_path: Path, by: str) -> None:
    first, again = regraded(tmp_path)
    found = kilobench("cost", first.path, again.path, "--by", by, "--json").json
    grade = next(one for one in found["trials"] if one["trial"].startswith("again/"))
    spent = next(one for one in found["trials"] if one["trial"].startswith("first/"))
    assert (grade["is_regrade"], spent["is_regrade"]) == (True, False)
    assert (grade["cost_usd"], grade["provenance"], grade["wasted_usd"]) == (None, "unknown", None)
    rows = grade.get("steps") or grade.get("calls") or []
    assert {one["cost_usd"] for one in rows} <= {None}
    assert found["totals"]["cost_usd"] == pytest.approx(spent["cost_usd"])
    assert (found["totals"]["regrades"], found["totals"]["cost_unknown"]) == (1, 0)
    shown = " ".join(kilobench("cost", again.path, "--by", by).out.split())
    assert "none new" in shown or "at no new cost" in shown


def test_the_steps_that_the_rules_call_redundant_or_wrong_are_wasted(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    again = ("bash", {"command": "cat a.py"}, "x = 1\n" * 20)
    steps = [agent_step("", again, tokens=(1000 + 300 * number, 50, 0)) for number in range(3)]
    job.trial(steps=[user_step(), *steps, agent_step("Done.", tokens=(2000, 10, 0))])
    (trial,) = kilobench("cost", job.path, "--by", "step", "--json").json["trials"]
    wasted = [step for step in trial["steps"] if step["is_wasted"]]
    assert wasted
    assert trial["wasted_usd"] == pytest.approx(sum(step["own_usd"] + step["carried_usd"] for step in wasted))
    assert {step["is_wasted"] for step in trial["steps"]} == {True, False}
    assert "✗ Wasted, by the rules" in kilobench("cost", job.path, "--by", "step").out
    (trial,) = kilobench("cost", job.path, "--by", "step", "--json", "--no-judge").json["trials"]
    assert (trial["wasted_usd"], {step["is_wasted"] for step in trial["steps"]}) == (None, {None})


def test_inspect_and_cost_agree(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    spending(job)
    job.trial("recorded__1")
    job.trial("none__1", steps=[])
    read = kilobench("inspect", job.path, "--json").json["trials"]
    spent = kilobench("cost", job.path, "--json").json["trials"]
    for one, other in zip(read, spent, strict=True):
        assert (one["trial"], one["cost_usd"], one["cost_provenance"]) == (
            other["trial"],
            other["cost_usd"],
            other["provenance"],
        )
        assert (one["tokens"], one["llm_calls"], one["agent_steps"]) == (
            other["tokens"],
            other["llm_calls"],
            other["agent_steps"],
        )


def test_a_person_sees_where_a_trials_money_went(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    spending(job)
    shown = kilobench("cost", job.path, "--by", "step").out
    lines = shown.splitlines()
    assert lines[0].startswith("job/task-a__1: toy@1.0/openai/gpt-5-mini; passed; $0.00")
    (first,) = (line.split() for line in lines if "sh ls -R" in line and "≈" in line)
    assert first[:5] == ["2", "1", "sh", "ls", "-R"]
    for row in ("prompt", "unexplained", "all steps", "unattributed", "total"):
        assert any(line.strip().startswith(row) for line in lines), row
    assert re.search(
        r"Step 2 \(sh ls -R\) cost most by the end: \$\S+ at once; its output of 100 tokens and the 2.00k that came "
        r"back cost \$\S+ more in the calls after it\.",
        " ".join(shown.split()),
    )
    assert "price: litellm" in shown
    assert "read: 1 trials; $0.00" in shown
    assert max(map(len, lines)) <= 120


def test_by_trial_and_by_call_a_person_sees_a_row_for_each(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    spending(job)
    spending(job, "task-b__1", model="nobody/knows", reward=0.0)
    lines = kilobench("cost", job.path).out.splitlines()
    (known,) = (line.split() for line in lines if line.startswith("task-a__1"))
    (unknown,) = (line.split() for line in lines if line.startswith("task-b__1"))
    assert lines[0] == "job: toy@1.0"
    assert known[1:3] + known[3:4] == ["gpt-5-mini", "passed", "≈"]
    assert unknown[1:7] == ["knows", "failed", *["–"] * 4]
    calls = kilobench("cost", job.path, "--by", "call").out.splitlines()
    assert sum(line.split()[:1] == ["2"] for line in calls) == 2
    assert max(map(len, lines + calls)) <= 120


def test_jobs_of_one_trial_each_share_a_table(kilobench: Any, tmp_path: Path) -> None:
    jobs = [JobBuilder(tmp_path, name) for name in ("one", "two")]
    for job in jobs:
        spending(job)
    shown = kilobench("cost", *(job.path for job in jobs)).out.splitlines()
    assert [line.split()[0] for line in shown[:5] if "task" in line] == ["one/task-a__1", "two/task-a__1"]


LACKING = """[[price]]
model = "gpt-5-mini"
provider = "moonshot"
source = "a page"
date = 2026-01-01
input = 1.0
output = 2.0
"""


def test_it_is_said_why_tokens_have_no_price(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    two = [agent_step("x", at=f"2026-03-01T10:0{at}:00Z") for at in (1, 2)]
    job.trial("a__1", model="nobody/knows", steps=two)
    job.trial("b__1", model=None, steps=[agent_step("x")])
    job.trial("c__1", model="moonshot/gpt-5-mini", steps=[agent_step("x", tokens=(1000, 50, 400))])
    job.trial("d__1", model="nobody/knows", steps=[agent_step("x", tokens=None)])
    job.trial("e__1", model="nobody/knows", steps=[agent_step("x", cost=0.1)])
    prices = tmp_path / "prices.toml"
    prices.write_text(LACKING)
    found = kilobench("cost", job.path, "--prices", prices, "--json").json
    lacking = "prices.toml 2026-01-01 (a page): moonshot/gpt-5-mini has no price for reading from the cache"
    assert [(one["reason"], one["calls"], one["trial"]) for one in found["unpriced"]] == [
        ("no table has a price for nobody/knows", 3, "job/a__1"),
        (lacking, 1, "job/c__1"),
        ("tokens of a model that is not named", 1, "job/b__1"),
    ]
    shown = kilobench("cost", job.path, "--prices", prices).out
    assert "no price: no table has a price for nobody/knows (3 LLM calls, for example in job/a__1)" in shown


def test_what_several_steps_cost_together_and_times_between_stamps_are_marked(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    steps = [
        user_step(),
        agent_step("One.", ("bash", {"command": "ls"}, "a"), tokens=(1000, 10, 0), cost=1.0),
        agent_step("Two.", tokens=(1000, 30, 0), cost=2.0, at="2026-03-01T10:02:00Z"),
    ]
    job.trial("shared__1", steps=steps, model="nobody/knows", agent_result={"cost_usd": 0.5})
    job.trial("empty__1", steps=[])
    shown = kilobench("cost", job.path, "--by", "step").out
    (first,) = (line.split() for line in shown.splitlines() if line.split()[:1] == ["2"])
    assert first[4:6] == ["÷", "$0.167"]
    assert first[-4:] == ["~1", "min", "00", "s"]
    assert "each has a share of a total" in shown
    assert "job/empty__1: toy@1.0/openai/gpt-5-mini; passed; cost unknown; there is no step" in shown
    shown = kilobench("cost", job.path, "--by", "call").out
    assert "total: $0.500; less the steps: $0 (by harbor)" in shown
    assert "cost unknown; there is no LLM call" in shown


def test_texts_from_a_trajectory_are_shown_as_plain_text(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    evil = "[red]echo[/red] \x1b[2J\n\u202eskipped: nothing"
    for number, tokens in enumerate([(1000, 50, 0), (1200, 50, 0)]):
        job.trial(f"t__{number}", steps=[user_step(), agent_step("", ("bash", {"command": evil}, "a"), tokens=tokens)])
    for by in ("step", "call", "trial"):
        shown = kilobench("cost", job.path, "--by", by).out
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert not any(line.lstrip().startswith("skipped: nothing") for line in shown.splitlines())
    assert "[red]echo[/red]" in kilobench("cost", job.path, "--by", "step").out
    assert kilobench("cost", job.path, "--by", "step", "--json").out.isascii()


def test_a_trial_without_an_end_is_said_and_the_exit_code_is_3(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    (spending(job) / "result.json").unlink()
    result = kilobench("cost", job.path, "--json")
    assert result.code == 3
    assert [trial["status"] for trial in result.json["trials"]] == ["running"]
    assert result.json["trials"][0]["cost_usd"] is not None


BAD: dict[str, tuple[list[str], str]] = {
    "no job": (["{tmp}/nothing"], "nothing"),
    "unknown by": (["{tmp}/job", "--by", "month"], "'month'"),
    "no such reward": (["{tmp}/job", "--reward", "hours"], "No trial has a reward named hours"),
    "a baseline of nothing": (["{tmp}/job", "--baseline", "x"], "--baseline is for --by variant"),
    "categories that are not there": (["{tmp}/job", "--categories", "{tmp}/none.toml"], "cannot be read"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_with_what_to_do(kilobench: Any, tmp_path: Path, case: str) -> None:
    arguments, said = BAD[case]
    spending(JobBuilder(tmp_path))
    result = kilobench("cost", *(one.format(tmp=tmp_path) for one in arguments))
    assert result.code == 2
    assert said in " ".join(result.err.replace("│", " ").split())


# How the output goes wrong, the options, and the exit code that is right all the same.
OUTPUTS = [
    ("| head -c 1 >/dev/null", "--by step", 0),
    ("| head -c 1 >/dev/null", "--by step --json", 0),
    ("| head -c 1 >/dev/null", "--json --tables '{tmp}/tables'", 3),
    (">&-", "--by variant", 0),
    (">/dev/full", "--by step", 3),
    (">/dev/full", "--by task-category --json", 3),
]


@pytest.mark.slow
@pytest.mark.parametrize(("redirect", "options", "code"), OUTPUTS)
def test_output_that_nobody_reads_ends_it_quietly(tmp_path: Path, redirect: str, options: str, code: int) -> None:
    job = JobBuilder(tmp_path)
    for number in range(100):
        spending(job, f"t__{number}")
    binary = Path(sys.executable).with_name("kilobench")
    options = options.format(tmp=tmp_path)
    done = subprocess.run(
        ["bash", "-c", f"'{binary}' cost '{job.path}' {options} {redirect}; exit ${{PIPESTATUS[0]}}"],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert done.returncode == code, done.stderr


def test_by_step_nothing_heavy_is_imported(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    spending(job)
    code = (
        "import sys; from pipelines.cli import app\n"
        f"app(['cost', {str(job.path)!r}, '--by', 'step', '--json'], standalone_mode=False)\n"
        "print(sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ, cwd=REPOSITORY
    )
    loaded = done.stderr.splitlines()[-1]
    for heavy in ("litellm", "opik", "pandas", "scipy", "altair", "pyarrow", "fastapi"):
        assert f"'{heavy}'" not in loaded


def test_every_trial_is_written_as_soon_as_it_was_read(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    for number in range(3):
        spending(job, f"t__{number}")
    lines = kilobench("cost", job.path, "--by", "step", "--json").out.splitlines()
    assert [json.loads(line.removesuffix(","))["trial"] for line in lines[1:4]] == [f"job/t__{n}" for n in range(3)]


def test_the_example_in_the_readme_is_what_the_command_prints(kilobench: Any) -> None:
    command, example = re.findall(
        r"^\$ (kilobench cost examples/\S+ --by step)\n(.*?)^```",
        (REPOSITORY / "README.md").read_text(),
        re.DOTALL | re.MULTILINE,
    )[0]
    name, folder, *options = command.split()[1:]
    printed = [line.rstrip() for line in kilobench(name, REPOSITORY / folder, *options).out.splitlines()]
    shown = [line for line in example.splitlines() if line != "…"]
    assert len(shown) > 10
    assert [line for line in shown if line not in printed] == []
