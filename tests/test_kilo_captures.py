"""Real sessions of Kilo 7.7.9 and 7.0.33 against a scripted model: what became of them is what the script said.

The expected numbers are the script's own (`usage(prompt, cached, output, reasoning)` of each answer), not the logs'.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, read_one
from conftest import SHARED_DATA
from harbor.models.trajectories import Step, Trajectory

from adapter.kilo.atif import trajectory_of
from adapter.kilo.source import read_log
from adapter.prices import PriceBook
from adapter.trial import Severity, Tokens
from pipelines.cost import price_trial

INPUT, OUTPUT, CACHE_READ = 2.0e-6, 8.0e-6, 0.5e-6
"""US dollars per token, as the scripted server's models were configured."""


@dataclass(frozen=True)
class Script:
    """What a scenario came to.

    Attributes:
        steps: who speaks in each, by initial.
        calls: how many tools were called; `results` how many of them returned, failed or printed anything.
        used: prompt, completion, cached and reasoning tokens of its own calls; None where no usage was recorded.
        is_priced: whether its model had a price.
        below: likewise of each sub-agent.
        error: what the run's error says.
        incomplete: how many calls never ended.
    """

    steps: str
    calls: int = 0
    results: int = 0
    used: tuple[int, int, int, int] | None = None
    is_priced: bool = True
    below: tuple[tuple[int, int, int, int], ...] = ()
    error: str | None = None
    incomplete: int = 0


MULTI = Script("uaaaaaa", 5, 5, (57_600, 450, 47_232, 102))
CHILDREN = ((8_200, 52, 3_968, 9), (10_100, 55, 4_864, 0))
SCRIPTS = {
    "api_autherr": Script("ua", error="Incorrect API key provided: sk-xxx."),
    "api_ratelimit": Script("ua", error="Rate limit reached for requests"),
    "compact": Script("uaasasa", 2, 2, (49_900, 220, 8_960, 0)),
    "empty": Script("ua", used=(8_000, 0, 0, 0), is_priced=False),
    "interrupted_term": Script("ua", 1, 1, incomplete=1),
    "length": Script("ua", used=(8_000, 4_096, 0, 0), is_priced=False),
    "multi": MULTI,
    "nothinking": MULTI,
    "overflow_once": Script("uasasa", 1, 1, (18_000, 60, 0, 0), error="This model's maximum context length is 20000"),
    "parallel": Script("uaaa", 8, 8, (28_200, 390, 22_400, 92)),
    "permission_deny_auto": MULTI,
    "subagent": Script("uaa", 2, 2, (18_400, 110, 8_960, 16), below=CHILDREN),
    "timeout_mid": Script("uaaa", 3, 3, (18_400, 145, 9_088, 50), incomplete=1),
    "tooltimeout": Script("uaaaa", 3, 3, (32_600, 100, 24_192, 0), is_priced=False),
    "unknown_model": Script("u", error="Model not found: mock/nosuchmodel."),
}
CAPTURES = [
    (version, name)
    for version in ("7.7.9", "7.0.33")
    for name in SCRIPTS
    if not SHARED_DATA.is_dir() or (SHARED_DATA / "kilo-captures" / version / name).is_dir()
]
WITH_DATABASE = [one for one in CAPTURES if one[1] != "tooltimeout"]


def captured(data: Path, version: str, name: str) -> Path:
    return data / "kilo-captures" / version / name


def read(path: Path) -> Trajectory:
    """The trajectory, as Harbor's model has it after it was written and read again."""
    written = json.dumps(trajectory_of(read_log(path)).to_json_dict())
    return Trajectory.model_validate_json(written)


def agent_steps(trajectory: Trajectory) -> list[Step]:
    return [step for step in trajectory.steps if step.source == "agent"]


def used(trajectory: Trajectory) -> tuple[int | None, ...] | None:
    """Prompt, completion, cached and reasoning tokens by the totals."""
    final = trajectory.final_metrics
    assert final is not None
    if final.total_prompt_tokens is None:
        return None
    reasoning = (final.extra or {})["total_reasoning_output_tokens"]
    return final.total_prompt_tokens, final.total_completion_tokens, final.total_cached_tokens, reasoning


def price(tokens: tuple[int, int, int, int], version: str) -> float:
    """What the configured prices say; 7.0.33 charges reasoning within the output, and once more."""
    prompt, completion, cached, reasoning = tokens
    charged = completion + (reasoning if version == "7.0.33" else 0)
    return (prompt - cached) * INPUT + cached * CACHE_READ + charged * OUTPUT


def results(trajectory: Trajectory) -> Iterator[Any]:
    for step in trajectory.steps:
        yield from step.observation.results if step.observation else ()


@pytest.mark.parametrize(("version", "name"), CAPTURES)
def test_a_session_converts_to_what_the_script_said(shared_data: Path, version: str, name: str) -> None:
    script, trajectory = SCRIPTS[name], read(captured(shared_data, version, name))
    assert "".join(step.source[0] for step in trajectory.steps) == script.steps
    assert sum(len(step.tool_calls or ()) for step in trajectory.steps) == script.calls
    assert len([*results(trajectory)]) == script.results
    assert used(trajectory) == script.used
    below = trajectory.subagent_trajectories or []
    assert tuple(used(one) for one in below) == script.below
    assert [step.extra["incomplete"] for step in trajectory.steps if "incomplete" in (step.extra or {})] == [
        True
    ] * script.incomplete
    final = trajectory.final_metrics
    assert final is not None
    assert final.total_steps == len(script.steps)
    if script.used is None or not script.is_priced:
        assert final.total_cost_usd is None
    else:
        expected = sum(price(one, version) for one in (script.used, *script.below))
        assert final.total_cost_usd == pytest.approx(expected, abs=1e-12)
    errors = [one["message"] for one in (trajectory.extra or {}).get("errors", [])]
    assert any(one.startswith(script.error) for one in errors) if script.error else name == "empty" or not errors


def test_the_known_totals_come_out_to_the_micro_dollar(shared_data: Path) -> None:
    def cost(version: str, name: str) -> float:
        final = read(captured(shared_data, version, name) / "kilo.db").final_metrics
        assert final is not None
        assert final.total_cost_usd is not None
        return round(final.total_cost_usd, 9)

    assert cost("7.7.9", "multi") == 0.047952
    assert cost("7.0.33", "multi") == 0.048768
    assert cost("7.7.9", "subagent") == 0.048448
    root = read(captured(shared_data, "7.7.9", "subagent"))
    own = sum(step.metrics.cost_usd or 0 for step in root.steps if step.metrics)
    assert round(own, 9) == 0.02424


@pytest.mark.parametrize(("version", "name"), CAPTURES)
def test_the_tokens_of_each_call_at_the_configured_prices_are_its_recorded_cost(
    shared_data: Path, version: str, name: str
) -> None:
    trajectory = read(captured(shared_data, version, name))
    for one in (trajectory, *(trajectory.subagent_trajectories or ())):
        for step in agent_steps(one):
            if step.metrics is None or not SCRIPTS[name].is_priced:
                assert step.metrics is None or step.metrics.cost_usd is None
                continue
            extra = step.metrics.extra or {}
            prompt, completion, cached = (
                step.metrics.prompt_tokens,
                step.metrics.completion_tokens,
                step.metrics.cached_tokens,
            )
            assert prompt is not None
            assert completion is not None
            tokens = (prompt, completion, cached or 0, extra["reasoning_output_tokens"])
            assert step.metrics.cost_usd == pytest.approx(price(tokens, version), abs=1e-12)
            is_twice = version == "7.0.33" and extra["reasoning_output_tokens"] > 0
            assert extra.get("reasoning_charged_twice") == (True if is_twice else None)


@pytest.mark.parametrize(("version", "name"), CAPTURES)
def test_that_reasoning_is_charged_twice_stands_in_the_notes(shared_data: Path, version: str, name: str) -> None:
    script = SCRIPTS[name]
    notes = read(captured(shared_data, version, name)).notes or ""
    has_reasoning = script.used is not None and script.used[3] > 0
    assert ("reasoning twice" in notes) == (version == "7.0.33" and has_reasoning)


def moment(step: Step) -> datetime:
    assert step.timestamp is not None
    return datetime.fromisoformat(step.timestamp)


def comparable(step: Step, *, with_reasoning: bool, with_duration: bool) -> dict[str, Any]:
    """What the event stream and the database both know of a step."""
    value = step.model_dump()
    for key in ("step_id", "model_name", "timestamp", *(() if with_reasoning else ("reasoning_content",))):
        del value[key]
    ended = {call["tool_call_id"]: call for call in value["tool_calls"] or [] if call["extra"]["status"] != "running"}
    found = (value["observation"] or {"results": []})["results"]
    value["tool_calls"] = list(ended.values())
    value["observation"] = [one for one in found if one["source_call_id"] in ended]
    left_out = {"agent", "error", "notices"} | (set() if with_duration else {"duration_ms"})
    value["extra"] = {key: one for key, one in value["extra"].items() if key not in left_out}
    return value


@pytest.mark.parametrize(("version", "name"), WITH_DATABASE)
def test_the_database_and_the_event_stream_agree(shared_data: Path, version: str, name: str) -> None:
    folder = captured(shared_data, version, name)
    database, events = read(folder / "kilo.db"), read(folder / "events.jsonl")
    assert database.session_id == events.session_id
    if SCRIPTS[name].used is None and not SCRIPTS[name].incomplete:
        assert [step.source for step in events.steps] == ["system"]  # nothing but the error was printed
        assert SCRIPTS[name].error in events.steps[0].message
        return
    # What the command printed in this one holds no reasoning; in 7.0.33 no call says how long it took.
    kept = {"with_reasoning": name not in ("nothinking", "timeout_mid"), "with_duration": version != "7.0.33"}
    pairs = zip(agent_steps(database), agent_steps(events), strict=True)
    for ours, theirs in pairs:
        assert comparable(theirs, **kept) == comparable(ours, **kept)
        assert abs(moment(theirs) - moment(ours)) < timedelta(milliseconds=20)
    assert [step.source for step in events.steps] == [step.source for step in database.steps[1:]]
    assert database.final_metrics is not None
    assert events.final_metrics is not None
    # The sub-agents are not in the stream, so what they cost is not known.
    expected = None if SCRIPTS[name].below else database.final_metrics.total_cost_usd
    assert events.final_metrics.total_cost_usd == expected


@pytest.mark.parametrize(("version", "name"), WITH_DATABASE)
def test_the_database_and_the_export_are_the_same_trajectory(
    shared_data: Path, tmp_path: Path, version: str, name: str
) -> None:
    folder = captured(shared_data, version, name)
    for path in folder.glob("export*.json"):
        shutil.copy(path, tmp_path)
    has_children = len([*tmp_path.iterdir()]) > 1
    exported, database = read(tmp_path), read(folder / "kilo.db")
    if not SCRIPTS[name].below or has_children:
        theirs, ours = exported.to_json_dict(), database.to_json_dict()
        assert theirs | {"notes": ""} == ours | {"notes": ""}
    else:
        assert exported.steps == database.steps


@pytest.mark.parametrize(("version", "name"), CAPTURES)
def test_the_reader_takes_a_converted_session_for_what_it_was(
    shared_data: Path, tmp_path: Path, version: str, name: str
) -> None:
    script, trajectory = SCRIPTS[name], read(captured(shared_data, version, name))
    job = JobBuilder(tmp_path)
    raw = trajectory.to_json_dict()
    trial = read_one(
        job, job.trial(agent="kilo", version=version, model=trajectory.agent.model_name, raw_trajectory=raw)
    )
    expected = None
    if script.used is not None:
        prompt, completion, cached, reasoning = (sum(column) for column in zip(script.used, *script.below, strict=True))
        expected = Tokens(prompt - cached, cached, 0, completion, reasoning)
    assert trial.recorded_tokens == expected
    assert trial.recorded_cost_usd == (trajectory.final_metrics and trajectory.final_metrics.total_cost_usd)
    assert trial.is_whole
    assert trial.atif_version == "ATIF-v1.7"
    assert {step.subagent for step in trial.steps} == {
        "",
        *(one["session_id"] for one in raw.get("subagent_trajectories", [])),
    }
    assert all(finding.severity is not Severity.ERROR for finding in trial.findings)
    assert {finding.code for finding in trial.findings} <= {
        "calls_unfinished",
        "calls_without_tokens",
        "context_summarised",
        "no_step_metrics",
        *(["reasoning_charged_twice"] if version == "7.0.33" else []),
    }


@pytest.mark.parametrize(("name", "usd"), [("multi", 0.047952), ("subagent", 0.048448)])
@pytest.mark.parametrize("version", ["7.7.9", "7.0.33"])
def test_a_session_costs_what_the_server_charged_whatever_its_version_recorded(
    shared_data: Path, tmp_path: Path, version: str, name: str, usd: float
) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(
        f'[[price]]\nprovider = "mock"\nmodel = "{name}"\nsource = "the scripted server"\ndate = 2026-01-01\n'
        "input = 2.0\noutput = 8.0\ncache_read = 0.5\n"
    )
    trajectory = read(captured(shared_data, version, name))
    job = JobBuilder(tmp_path)
    folder = job.trial(agent="kilo", version=version, model=f"mock/{name}", raw_trajectory=trajectory.to_json_dict())
    cost = price_trial(read_one(job, folder), PriceBook.of(prices))
    assert cost.usd == pytest.approx(usd, abs=1e-9)
    assert sum(one.usd or 0 for one in cost.steps) == pytest.approx(usd, abs=1e-9)
    assert sum(one.billed.usd for one in cost.calls if one.billed) == pytest.approx(usd, abs=1e-9)


@pytest.mark.parametrize("version", ["7.7.9", "7.0.33"])
def test_a_killed_run_keeps_its_open_step_with_what_its_tool_had_printed(shared_data: Path, version: str) -> None:
    last = read(captured(shared_data, version, "timeout_mid")).steps[-1]
    assert (last.message, last.reasoning_content) == ("Now a long build.", "This may take long.")
    assert last.metrics is None
    assert last.tool_calls is not None
    assert last.observation is not None
    assert (last.tool_calls[0].extra or {})["status"] == "running"
    assert last.observation.results[0].content == "building\n"
    assert last.observation.results[0].extra == {"incomplete": True}


@pytest.mark.parametrize("version", ["7.7.9", "7.0.33"])
def test_calls_carry_their_status_exit_code_and_time(shared_data: Path, version: str) -> None:
    trajectory = read(captured(shared_data, version, "multi"))
    calls = [call for step in trajectory.steps for call in step.tool_calls or ()]
    assert [(call.function_name, (call.extra or {}).get("status")) for call in calls] == [
        ("bash", "completed"),
        ("read", "completed"),
        ("read", "error"),
        ("edit", "completed"),
        ("bash", "completed"),
    ]
    assert [(call.extra or {}).get("exit_code") for call in calls] == [0, None, None, None, 3]
    assert all((call.extra or {})["duration_ms"] >= 0 for call in calls)
    assert all((call.extra or {})["started_at"].endswith("+00:00") for call in calls)
    failed = [*results(trajectory)][2]
    assert failed.content.endswith("File not found: /tmp/app/missing_test.py")
    assert failed.extra == {"is_error": True}


@pytest.mark.parametrize("version", ["7.7.9", "7.0.33"])
def test_a_compaction_is_a_system_step_and_its_summary_is_marked(shared_data: Path, version: str) -> None:
    steps = read(captured(shared_data, version, "compact")).steps
    assert (steps[3].extra or {})["kind"] == "compaction"
    assert [(step.extra or {}).get("compaction_summary") for step in steps] == [None] * 4 + [True, None, None]
    assert str(steps[4].message).startswith("## Summary")
    assert (steps[5].extra or {})["kind"] == "synthetic"


@pytest.mark.parametrize("version", ["7.7.9", "7.0.33"])
def test_each_sub_agent_is_started_by_the_call_that_names_it(shared_data: Path, version: str) -> None:
    trajectory = read(captured(shared_data, version, "subagent"))
    references = [one.subagent_trajectory_ref for one in results(trajectory)]
    assert [one[0].trajectory_id for one in references if one] == [
        one.trajectory_id for one in trajectory.subagent_trajectories or ()
    ]
    assert [(one.extra or {})["parent_session_id"] for one in trajectory.subagent_trajectories or ()] == [
        trajectory.session_id
    ] * 2


def test_a_log_with_its_write_ahead_log_is_read_and_stays_as_it_is(shared_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    shutil.copytree(captured(shared_data, "7.7.9", "timeout_mid") / "raw_db", folder)
    folder.chmod(0o755)

    def state() -> dict[str, tuple[str, int]]:
        return {
            path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
            for path in folder.iterdir()
        }

    before = state()
    trajectory = read(folder)
    assert state() == before
    assert trajectory.steps == read(captured(shared_data, "7.7.9", "timeout_mid") / "kilo.db").steps
