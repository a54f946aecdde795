"""Each source's total of a run stands by itself, and says whether it was computed or recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, codes, read_one, trajectory, user_step

from adapter.trial import Provenance, RunTotal, Tokens, Trial

PRICED, RECORDED, UNKNOWN = Provenance.PRICED, Provenance.RECORDED, Provenance.UNKNOWN
SENT = (1000, 50, 200)


def final(cost: Any = None, prompt: Any = 1000, **extra: Any) -> dict[str, Any]:
    return {
        "total_prompt_tokens": prompt,
        "total_completion_tokens": 50,
        "total_cached_tokens": 200,
        "total_cost_usd": cost,
        "extra": extra,
    }


def context(cost: Any = None, prompt: Any = 1000) -> dict[str, Any]:
    return {"n_input_tokens": prompt, "n_output_tokens": 50, "n_cache_tokens": 200, "cost_usd": cost}


def trial_of(tmp_path: Path, value: dict[str, Any], log: str | None = None, **result: Any) -> Trial:
    job = JobBuilder(tmp_path)
    agent = value["agent"]["name"]
    folder = job.trial(agent=agent, model="anthropic/claude-sonnet-4-5", raw_trajectory=value, **result)
    if log is not None:
        (folder / "agent" / "claude-code.txt").write_text(log)
    return read_one(job, folder)


def run(metrics: dict[str, Any] | None = None, agent: str = "toy", **fields: Any) -> dict[str, Any]:
    return (
        trajectory([user_step(), agent_step("Done.", tokens=SENT)], agent={"name": agent}, final_metrics=metrics)
        | fields
    )


USED = Tokens(800, 200, None, 50)
# What it shows, the trajectory, Harbor's account, and the totals.
SOURCES: list[tuple[str, dict[str, Any], dict[str, Any] | None, list[RunTotal]]] = [
    ("nobody says anything", run(), None, []),
    (
        "both",
        run(final(0.5)),
        context(0.75, 1200),
        [RunTotal("trajectory", 0.5, RECORDED, USED), RunTotal("harbor", 0.75, RECORDED, Tokens(1000, 200, None, 50))],
    ),
    ("the trajectory alone", run(final(0.5)), None, [RunTotal("trajectory", 0.5, RECORDED, USED)]),
    ("Harbor alone", run(), context(0.5), [RunTotal("harbor", 0.5, RECORDED, USED)]),
    (
        "an agent whose costs Harbor computes",
        run(final(0.5), agent="codex"),
        context(0.5),
        [RunTotal("trajectory", 0.5, PRICED, USED), RunTotal("harbor", 0.5, PRICED, USED)],
    ),
    (
        "one that says that it was computed, and Harbor's copy of it",
        run(final(0.5, cost_source="litellm_estimate")),
        context(0.5),
        [RunTotal("trajectory", 0.5, PRICED, USED), RunTotal("harbor", 0.5, PRICED, USED)],
    ),
    (
        "0 for tokens used",
        run(final(0)),
        context(0),
        [RunTotal("trajectory", None, UNKNOWN, USED), RunTotal("harbor", None, UNKNOWN, USED)],
    ),
    ("below 0", run(final(-0.5)), context(-1), [RunTotal("trajectory", tokens=USED), RunTotal("harbor", tokens=USED)]),
    ("NaN", run(final(float("nan"))), None, [RunTotal("trajectory", tokens=USED)]),
    ("a cost without tokens", run({"total_cost_usd": 0.5}), None, [RunTotal("trajectory", 0.5, RECORDED)]),
]


@pytest.mark.parametrize(("value", "harbor", "totals"), [row[1:] for row in SOURCES], ids=[row[0] for row in SOURCES])
def test_each_source_says_what_it_says(
    value: dict[str, Any], harbor: dict[str, Any] | None, totals: list[RunTotal], tmp_path: Path
) -> None:
    assert list(trial_of(tmp_path, value, agent_result=harbor).totals) == totals


def test_a_multi_step_trial_s_totals_are_the_sums_of_its_steps(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    names = ("one", "two")
    results = [{"step_name": name, "agent_result": context(0.5)} for name in names]
    folder = job.trial(steps=[], step_results=results)
    for minute, name in enumerate(names):
        step = agent_step(name, at=f"2026-03-01T10:0{minute}:00Z", tokens=SENT)
        job.segment(folder.name, name, trajectory([step], final_metrics=final(0.25)))
    twice = Tokens(1600, 400, None, 100)
    assert list(read_one(job, folder).totals) == [
        RunTotal("trajectory", 0.5, RECORDED, twice),
        RunTotal("harbor", 1.0, RECORDED, twice),
    ]
    (folder / "steps" / "two" / "agent" / "trajectory.json").unlink()
    assert [total.source for total in read_one(job, folder).totals] == ["harbor"]


def test_the_last_segment_of_a_run_holds_those_before_it(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    folder = job.trial(raw_trajectory=run(final(0.25), continued_trajectory_ref="trajectory.cont-1.json"))
    more = trajectory([agent_step("And on.", at="2026-03-01T10:02:00Z")], final_metrics=final(0.5, 2000))
    (folder / "agent" / "trajectory.cont-1.json").write_text(json.dumps(more))
    assert list(read_one(job, folder).totals) == [RunTotal("trajectory", 0.5, RECORDED, Tokens(1800, 200, None, 50))]


def test_what_harbor_copied_from_a_trajectory_is_what_the_trajectory_says(tmp_path: Path) -> None:
    """OpenCode's prompts hold no cache writes, and Harbor has no place for these."""
    step = agent_step("Done.", tokens=SENT)
    step["metrics"]["extra"] = {"cache_write_tokens": 30}
    value = trajectory([step], agent={"name": "opencode"}, final_metrics=final())
    for number, prompt, written in ((0, 1000, 30), (1, 1100, None)):
        _, harbor = trial_of(tmp_path / str(number), value, agent_result=context(None, prompt)).totals
        assert harbor.tokens == Tokens(prompt - 200, 200, written, 50)


def test_a_free_model_s_total_may_be_0(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial(model="ollama/qwen3", raw_trajectory=run(final(0.0))))
    assert [(total.usd, total.provenance) for total in trial.totals] == [(0.0, RECORDED)]


SONNET, HAIKU = "claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001"


def used(usd: Any, fresh: Any = 10, **more: Any) -> dict[str, Any]:
    counts = {"inputTokens": fresh, "cacheReadInputTokens": 500, "cacheCreationInputTokens": 90, "outputTokens": 40}
    return counts | {"costUSD": usd} | more


def ended(cost: Any = 0.3, **fields: Any) -> str:
    usage = {"input_tokens": 7, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2, "output_tokens": 1}
    event = {"type": "result", "subtype": "success", "result": "Done.", "total_cost_usd": cost, "usage": usage}
    return json.dumps(event | fields)


BEFORE = '{"type":"system"}\nno JSON\n{"type":"assistant","message":{"content":[{"text":"\\"type\\":\\"result\\""}]}}\n'
BOTH = {SONNET: used(0.25), HAIKU: used(0.05)}
# What it shows, Claude Code's output, and its total.
LOGS: list[tuple[str, str, RunTotal | None]] = [
    ("by model", BEFORE + ended(modelUsage=BOTH), RunTotal("agent", 0.3, RECORDED, Tokens(20, 1000, 180, 80))),
    ("for the run", BEFORE + ended() + "\n", RunTotal("agent", 0.3, RECORDED, Tokens(7, 3, 2, 1))),
    ("the last of several", f"{ended(0.1)}\n{ended(0.2)}\n", RunTotal("agent", 0.2, RECORDED, Tokens(7, 3, 2, 1))),
    ("the last was cut off", f"{ended(0.1)}\n{ended(0.2)[:-9]}", RunTotal("agent", 0.1, RECORDED, Tokens(7, 3, 2, 1))),
    ("one model's counts are not there", ended(modelUsage={SONNET: used(0.2, None)}), RunTotal("agent", 0.3, RECORDED)),
    ("0 for tokens used", ended(0), RunTotal("agent", None, UNKNOWN, Tokens(7, 3, 2, 1))),
    ("below 0", ended(-1), RunTotal("agent", None, UNKNOWN, Tokens(7, 3, 2, 1))),
    ("no number", ended("0.3"), RunTotal("agent", None, UNKNOWN, Tokens(7, 3, 2, 1))),
    ("true is no number", ended(cost=True), RunTotal("agent", None, UNKNOWN, Tokens(7, 3, 2, 1))),
    ("nothing used", ended(None, usage={}), None),
    ("it was killed", BEFORE, None),
    ("empty", "", None),
]


@pytest.mark.parametrize(("log", "total"), [row[1:] for row in LOGS], ids=[row[0] for row in LOGS])
def test_claude_code_s_own_total_is_its_last_word(log: str, total: RunTotal | None, tmp_path: Path) -> None:
    trial = trial_of(tmp_path, run(agent="claude-code"), log)
    assert list(trial.totals) == ([] if total is None else [total])


def test_only_the_end_of_a_log_is_read(tmp_path: Path) -> None:
    noise = json.dumps({"type": "assistant", "text": "x" * 1000}) + "\n"
    assert trial_of(tmp_path / "a", run(agent="claude-code"), noise * 2000 + ended()).totals
    assert not trial_of(tmp_path / "b", run(agent="claude-code"), ended() + "\n" + noise * 2000).totals


def test_a_log_is_no_link_and_another_agent_s_is_not_read(tmp_path: Path) -> None:
    assert not trial_of(tmp_path / "a", run(agent="toy"), ended()).totals
    job = JobBuilder(tmp_path / "b")
    folder = job.trial(raw_trajectory=run(agent="claude-code"))
    (tmp_path / "log").write_text(ended())
    (folder / "agent" / "claude-code.txt").symlink_to(tmp_path / "log")
    trial = read_one(job, folder)
    assert (trial.totals, codes(trial) & {"file_unreadable"}) == ((), set())


def test_logs_of_a_multi_step_trial_are_summed_if_all_are_there(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    folder = job.trial(steps=[], step_results=[{"step_name": "one"}, {"step_name": "two"}])
    for minute, name in enumerate(("one", "two")):
        step = agent_step(name, at=f"2026-03-01T10:0{minute}:00Z")
        job.segment(folder.name, name, trajectory([step], agent={"name": "claude-code"}))
        (folder / "steps" / name / "agent" / "claude-code.txt").write_text(ended(modelUsage=BOTH))
    trial = read_one(job, folder)
    assert list(trial.totals) == [RunTotal("agent", 0.6, RECORDED, Tokens(40, 2000, 360, 160))]
    assert f"{HAIKU} (0.1 USD)" in other(trial)
    (folder / "steps" / "two" / "agent" / "claude-code.txt").unlink()
    assert not read_one(job, folder).totals


def other(trial: Trial) -> str:
    """What was found of models that no step names."""
    return " ".join(one.message for one in trial.findings if one.code == "calls_of_other_models")


def model_usage(usage: dict[str, Any]) -> dict[str, Any]:
    return {"agent_result": {"model_usage": usage}}


# What it shows, Claude Code's log, Harbor's account, and what must be told of other models.
OTHERS: list[tuple[str, dict[str, Any] | None, dict[str, Any], str]] = [
    ("in the agent's log", BOTH, {}, f"{HAIKU} (0.05 USD)"),
    ("in Harbor's account", None, model_usage({HAIKU: {"cost_usd": 0.07}}), f"{HAIKU} (0.07 USD)"),
    ("without a cost", {HAIKU: used(None)}, {}, HAIKU),
    ("that was not called", {HAIKU: dict.fromkeys(used(0), 0)}, {}, ""),
    ("the variant's, dated and with a larger context", {f"{SONNET}[1m]": used(0.1)}, {}, ""),
    ("a step's", {"claude-opus-4-5": used(0.1)}, {}, ""),
    ("no model", {"<synthetic>": used(0.1)}, {}, ""),
    ("none", None, model_usage({SONNET: {"cost_usd": 0.1}}), ""),
]


@pytest.mark.parametrize(("log", "harbor", "told"), [row[1:] for row in OTHERS], ids=[row[0] for row in OTHERS])
def test_calls_of_models_that_no_step_names_are_told(
    log: dict[str, Any] | None, harbor: dict[str, Any], told: str, tmp_path: Path
) -> None:
    value = run(agent="claude-code")
    value["steps"].append({"step_id": 3} | agent_step("Opus.", model_name="claude-opus-4-5"))
    found = other(trial_of(tmp_path, value, None if log is None else ended(modelUsage=log), **harbor))
    assert found.endswith(f": {told}.") if told else not found


def test_a_secret_in_a_model_s_name_is_replaced(tmp_path: Path) -> None:
    key = "sk-ant-api03-" + "a1B2" * 23 + "AA"
    found = other(trial_of(tmp_path, run(agent="claude-code"), ended(modelUsage={key: used(0.1)})))
    assert found
    assert key not in found


# What it shows, a step's `extra`, and the finding that tells of it.
MARKS: list[tuple[str, Any, str | None]] = [
    ("Kilo's call that never ended", {"incomplete": True}, "calls_unfinished"),
    ("its tries", {"retries": 2}, "calls_retried"),
    ("its summary", {"compaction_summary": True}, "context_summarised"),
    ("Terminus's", {"context_management": {"type": "compaction", "boundary": "replace"}}, "context_summarised"),
    ("Muse Code's", {"muse_compaction": {"id": 1}}, "context_summarised"),
    ("nothing of the kind", {"incomplete": False, "retries": 0, "context_management": {"type": "trim"}}, None),
    ("odd values", {"incomplete": "yes", "retries": -1, "context_management": 5, "muse_compaction": None}, None),
]


@pytest.mark.parametrize(("extra", "code"), [row[1:] for row in MARKS], ids=[row[0] for row in MARKS])
def test_what_steps_are_marked_with_tells_why_a_total_is_more(extra: Any, code: str | None, tmp_path: Path) -> None:
    value = run()
    value["steps"][1]["extra"] = extra
    told = {one.code: one.step for one in trial_of(tmp_path, value).findings}
    marks = {"calls_unfinished", "calls_retried", "context_summarised"}
    assert {name: step for name, step in told.items() if name in marks} == ({} if code is None else {code: 2})


def test_marks_are_counted_in_one_finding(tmp_path: Path) -> None:
    steps = [agent_step(str(minute), at=f"2026-03-01T10:0{minute}:00Z", extra={"retries": minute}) for minute in (1, 2)]
    (told,) = [one for one in trial_of(tmp_path, run() | {"steps": steps}).findings if one.code == "calls_retried"]
    assert told.message == "2 LLM calls were tried again, 3 times in all."
