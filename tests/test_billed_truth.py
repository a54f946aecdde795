"""What a provider billed is what `kilobench cost` says, call by call, whoever's log it was converted from.

Every run is written as its agent writes it, converted by Harbor's own converter, and priced with the costs that are in
it, and without any. Bills are list prices in USD per million tokens: tokens times price is in millionths.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from billed import AGENTS, Used, anthropic_usage, litellm_usage, total, trial
from builder import JobBuilder, agent_step, read_one, trajectory
from hypothesis import given
from hypothesis import strategies as st

from adapter.cache_writes import with_writes
from adapter.prices import find_price
from adapter.trial import Service, Tokens
from pipelines.cost import price_trial

# Input, read from a cache, written to it for five minutes, for an hour, output.
CARDS = {
    "sonnet": (3, 0.3, 3.75, 6, 15),
    "sonnet in the US": (3.3, 0.33, 4.125, 6.6, 16.5),
    "gpt-5": (1.25, 0.125, 1.25, 1.25, 10),
    "gpt-5 flex": (0.625, 0.0625, 0.625, 0.625, 5),
    "gpt-5.6": (4, 0.4, 5, 5, 20),
    "gemini": (1.25, 0.125, 1.25, 1.25, 10),
    "gemini, over 200,000": (2.5, 0.25, 2.5, 2.5, 15),
    "kimi": (0.6, 0.1, 0.6, 0.6, 3),
}


def bill(card: str, *calls: Used) -> list[Used]:
    def usd(one: Used) -> float:
        fresh, read, written, hour, output = CARDS[card]
        parts = (one.fresh * fresh, one.read * read, (one.written - one.hour) * written, one.hour * hour)
        return (sum(parts) + one.output * output) / 1_000_000

    return [replace(one, usd=usd(one)) for one in calls]


# Each call reads what those before it wrote. By hand, the first: 10 x 3 + 12,000 x 3.75 + 300 x 15 = 49,530 millionths.
CLAUDE = (
    Used(10, 0, 12_000, 300),
    Used(12, 12_000, 1_500, 250),
    Used(8, 13_500, 40_000, 900),
    Used(9, 53_500, 700, 120),
    Used(9, 54_200, 2_700, 420),
)
SONNET = bill("sonnet", *CLAUDE)
FOR_AN_HOUR = bill("sonnet", *(replace(one, hour=one.written) for one in CLAUDE))
IN_THE_US = bill("sonnet in the US", *CLAUDE)
assert SONNET[0].usd == pytest.approx(0.04953)
THOUGHT = (
    Used(9_000, 0, 0, 1_200, 500),
    Used(1_240, 8_960, 0, 400, 128),
    Used(3_000, 10_112, 0, 2_500, 1_200),
    Used(900, 13_056, 0, 90),
)
GPT = bill("gpt-5", *THOUGHT)
FLEX = bill("gpt-5 flex", *THOUGHT)
SOL = bill("gpt-5.6", Used(200, 0, 9_000, 1_200, 500), Used(100, 9_000, 1_140, 400, 128), Used(90, 10_140, 1_500, 80))
GEMINI = [
    *bill("gemini", Used(7_000, 0, 0, 160, 120), Used(1_200, 6_144, 0, 900, 700)),
    *bill("gemini, over 200,000", Used(150_000, 60_000, 0, 2_000, 1_500)),
]
GEMINIS_TOOLS = bill("gemini", Used(7_000, 0, 900, 1_160, 120), Used(1_200, 6_144, 0, 900, 700))
KIMI = bill("kimi", Used(7_000, 0, 0, 160), Used(1_200, 6_144, 800, 900))
CLAUDES, DATED = "anthropic/claude-sonnet-4-5", "claude-sonnet-4-5-20250929"
BEDROCKS = "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"

# Who ran, the model as asked for, as the log spells it, and what was billed.
RUNS: dict[str, tuple[str, str, str, list[Used]]] = {
    "claude-code": ("claude-code", CLAUDES, DATED, SONNET),
    "claude-code, an hour": ("claude-code", CLAUDES, DATED, FOR_AN_HOUR),
    "claude-code, bedrock": ("claude-code", BEDROCKS, DATED, IN_THE_US),
    "cline": ("cline-cli", CLAUDES, DATED, SONNET),
    "codex": ("codex", "openai/gpt-5", "gpt-5-2025-08-07", GPT),
    "codex, writes": ("codex", "openai/gpt-5.6", "gpt-5.6", SOL),
    "eve": ("eve", CLAUDES, "", SONNET),
    "eve, openai": ("eve", "openai/gpt-5", "", GPT),
    "gemini-cli": ("gemini-cli", "google/gemini-2.5-pro", "gemini-2.5-pro", GEMINI),
    "gemini-cli, its tools": ("gemini-cli", "google/gemini-2.5-pro", "gemini-2.5-pro", GEMINIS_TOOLS),
    "kimi-cli": ("kimi-cli", "moonshot/kimi-k2.5", "kimi-k2.5", KIMI),
    "mini-swe-agent": ("mini-swe-agent", CLAUDES, CLAUDES, SONNET),
    "mini-swe-agent, an hour": ("mini-swe-agent", CLAUDES, CLAUDES, FOR_AN_HOUR),
    "mini-swe-agent, openai": ("mini-swe-agent", "openai/gpt-5", "openai/gpt-5", GPT),
    "mini-swe-agent, gemini": ("mini-swe-agent", "gemini/gemini-2.5-pro", "gemini/gemini-2.5-pro", GEMINI),
    "opencode": ("opencode", CLAUDES, "", SONNET),
    "opencode, reasoning beside": ("opencode", "openai/gpt-5", "", GPT),
    "opencode, reasoning inside": ("opencode 1.3.15", "openai/gpt-5", "", GPT),
    "openclaw": ("openclaw", CLAUDES, "", SONNET),
    "openhands": ("openhands", CLAUDES, CLAUDES, SONNET),
    "openhands, openai": ("openhands", "openai/gpt-5", "openai/gpt-5", GPT),
    "pi": ("pi", "openrouter/anthropic/claude-sonnet-4.5", "anthropic/claude-4.5-sonnet-20250929", SONNET),
    "qwen-code, openai": ("qwen-coder", "openai/gpt-5", "gpt-5", GPT),
    "qwen-code, claude": ("qwen-coder", CLAUDES, "claude-sonnet-4-5", SONNET),
    "rovodev": ("rovodev-cli", CLAUDES, DATED, SONNET),
    "terminus": ("terminus-2", CLAUDES, CLAUDES, SONNET),
    "terminus, openai": ("terminus-2", "openai/gpt-5", "openai/gpt-5", GPT),
    "terminus, writes": ("terminus-2", "openai/gpt-5.6", "openai/gpt-5.6", SOL),
    "trae": ("trae-agent", "openai/gpt-5", "gpt-5", GPT),
}


def errors(calls: Sequence[dict[str, Any]], billed: Sequence[Used]) -> list[float]:
    return [abs(one["cost_usd"] - true.usd) / true.usd for one, true in zip(calls, billed, strict=True)]


@pytest.mark.parametrize("costs", [True, False], ids=["as recorded", "without costs"])
@pytest.mark.parametrize("name", RUNS)
def test_a_call_costs_what_the_provider_billed(
    kilobench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, costs: bool
) -> None:
    monkeypatch.setitem(os.environ, "LITELLM_LOCAL_MODEL_COST_MAP", "True")  # Harbor's converters import LiteLLM
    agent, model, spelled, billed = RUNS[name]
    job = JobBuilder(tmp_path)
    trial(job, AGENTS[agent], model, spelled, billed, costs=costs)
    (found,) = kilobench("cost", job.path, "--by", "call", "--json").json["trials"]
    off = errors(found["calls"], billed)
    assert statistics.median(off) < 0.001
    assert max(off) < 0.005
    assert found["cost_usd"] == pytest.approx(total(billed).usd, rel=0.001)


def test_a_tier_that_was_asked_for_counts_before_what_harbor_estimates(
    kilobench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "LITELLM_LOCAL_MODEL_COST_MAP", "True")
    job = JobBuilder(tmp_path)
    trial(job, AGENTS["codex"], "openai/gpt-5", "gpt-5", FLEX, costs=True, service_tier="flex")
    (found,) = kilobench("cost", job.path, "--by", "call", "--json").json["trials"]
    assert max(errors(found["calls"], FLEX)) < 1e-9
    assert found["cost_usd"] == pytest.approx(total(FLEX).usd)


def test_a_users_own_price_counts_before_what_harbor_estimates(
    kilobench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "LITELLM_LOCAL_MODEL_COST_MAP", "True")
    entry = ('model = "gpt-5"', 'source = "a contract"', "date = 2026-01-01", "input = 1", "output = 8")
    (tmp_path / "own.toml").write_text("\n".join(("[[price]]", *entry, "cache_read = 0.1")))
    job = JobBuilder(tmp_path)
    trial(job, AGENTS["codex"], "openai/gpt-5", "gpt-5", GPT, costs=True)
    (found,) = kilobench("cost", job.path, "--by", "call", "--json", "--prices", tmp_path / "own.toml").json["trials"]
    # All of gpt-5's rates times 0.8.
    assert [one["cost_usd"] for one in found["calls"]] == pytest.approx([0.8 * one.usd for one in GPT])


@pytest.mark.parametrize("wrong", [0.0, 0.5, 2.0])
def test_recorded_costs_that_do_not_come_to_the_runs_total_are_not_believed(tmp_path: Path, wrong: float) -> None:
    steps = [
        agent_step(f"{one}", tokens=(one.prompt, one.output, one.read), cost=wrong * one.usd, model_name="gpt-5")
        for one in GPT
    ]
    sums = total(GPT)
    final = {"total_prompt_tokens": sums.prompt, "total_completion_tokens": sums.output, "total_cost_usd": sums.usd}
    job = JobBuilder(tmp_path)
    made = trajectory(steps, final_metrics=final | {"total_cached_tokens": sums.read})
    found = price_trial(read_one(job, job.trial(model="openai/gpt-5", raw_trajectory=made)))
    assert [one.usd for one in found.calls] == pytest.approx([one.usd for one in GPT])


def test_what_a_discount_leaves_of_the_list_price_is_believed(tmp_path: Path) -> None:
    """Recorded costs that come to the run's total are a bill, whatever the list says."""
    steps = [agent_step(f"{one}", tokens=(one.prompt, one.output, one.read), cost=one.usd / 2) for one in GPT]
    job = JobBuilder(tmp_path)
    made = trajectory(steps, final_metrics={"total_cost_usd": total(GPT).usd / 2})
    found = price_trial(read_one(job, job.trial(model="openai/gpt-5", raw_trajectory=made)))
    assert [one.usd for one in found.calls] == pytest.approx([one.usd / 2 for one in GPT])


def test_what_nothing_tells_is_unknown_and_not_too_little(kilobench: Any, tmp_path: Path) -> None:
    """Trae counts neither what Claude wrote nor, in the prompt, what it read: nothing follows the last call."""
    job = JobBuilder(tmp_path)
    trial(job, AGENTS["trae-agent"], CLAUDES, "claude-sonnet-4-5", SONNET, costs=True)
    (found,) = kilobench("cost", job.path, "--by", "call", "--json").json["trials"]
    *known, last = (one["cost_usd"] for one in found["calls"])
    assert known == pytest.approx([one.usd for one in SONNET[:-1]])
    assert (last, found["cost_usd"]) == (None, None)


def tokens(one: Used) -> Tokens:
    return Tokens(one.fresh + one.written, one.read, None, one.output)


def test_writes_are_what_the_next_call_reads_beyond_this_one() -> None:
    found = with_writes([tokens(one) for one in CLAUDE])
    assert [one.cache_write for one in found[:-1]] == [one.written for one in CLAUDE[:-1]]
    # The last wrote as much of its 2,709 new tokens as the call before of its 709.
    assert found[-1].cache_write == round(2_709 * 700 / 709)
    assert [one.prompt for one in found] == [one.prompt for one in CLAUDE]


# Prompts and what of each was read; what each wrote.
WRITES = {
    "no cache": ([(5_000, 0), (6_000, 0)], [None, None]),
    "only the instructions are kept": ([(6_000, 0), (7_000, 5_000), (9_000, 5_000)], [5_000, 0, 0]),
    "the cache ran out": ([(5_000, 0), (6_000, 5_000), (7_000, 0), (8_000, 7_000)], [5_000, 1_000, 7_000, 1_000]),
    "the context was made anew": ([(50_000, 0), (60_000, 50_000), (9_000, 4_000)], [50_000, 10_000, 5_000]),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_call_whose_writes_do_not_show_wrote_as_the_nearest_one(name: str) -> None:
    calls, wrote = WRITES[name]
    found = with_writes([Tokens(prompt - read, read, None, 100) for prompt, read in calls])
    assert [one.cache_write for one in found] == wrote


@given(
    calls=st.lists(st.tuples(st.integers(0, 10**6) | st.none(), st.integers(0, 10**6)), max_size=6),
    beside=st.booleans(),
)
def test_what_was_sent_stays_the_same_whatever_was_read(calls: list[tuple[int | None, int]], *, beside: bool) -> None:
    before = [Tokens(fresh, read, None, 1) for fresh, read in calls]
    after = with_writes(before, beside_input=beside)
    assert len(after) == len(before)
    if not beside:
        assert [one.prompt for one in after] == [one.prompt for one in before]
    assert all((one.input or 0) >= 0 and (one.cache_write or 0) >= 0 for one in after)


@pytest.mark.filterwarnings("ignore")  # LiteLLM's own
@pytest.mark.parametrize("tier", ["standard", "batch"])
def test_litellms_calculator_bills_the_providers_own_usage_alike(monkeypatch: pytest.MonkeyPatch, tier: str) -> None:
    monkeypatch.setitem(os.environ, "LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm
    from litellm.llms.anthropic.chat.transformation import AnthropicConfig

    for one in (*SONNET, *FOR_AN_HOUR):
        usage = AnthropicConfig().calculate_usage(anthropic_usage(one), None)
        response = litellm.ModelResponse(model="claude-sonnet-4-5", usage=usage)
        assert litellm.completion_cost(response, custom_llm_provider="anthropic") == pytest.approx(one.usd)
    for one in GPT:
        response = litellm.ModelResponse(model="gpt-5", usage=litellm.Usage(**litellm_usage(one)))
        assert litellm.completion_cost(response, custom_llm_provider="openai") == pytest.approx(one.usd)
    price = find_price("openai", "gpt-5")
    assert price is not None
    for one in GPT:
        used = Tokens(one.fresh, one.read, one.written, one.output, one.reasoning)
        assert price.cost(used, Service(tier)) == pytest.approx(one.usd * (0.5 if tier == "batch" else 1))
