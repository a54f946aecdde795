"""Whose price a model has; rates that depend on the prompt's size or on how long the cache is kept."""

from __future__ import annotations

import pytest

from adapter.loose import mapping, text
from adapter.models import normalise, price_table
from adapter.prices import Price, find_price, is_free
from adapter.trial import Source, Status, Step, Tokens, Trial, Variant
from pipelines.cost import price_trial

BASE = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "cache_creation_input_token_cost": 3e-6}


def price(**rates: float) -> Price:
    return Price("m", "table", BASE | rates)


@pytest.mark.parametrize("thousands", [100, 128, 200, 256, 272, 512, 1000])
def test_a_prompt_above_any_size_that_the_entry_names_has_that_rate(thousands: int) -> None:
    table = price(**{f"input_cost_per_token_above_{thousands}k_tokens": 5e-6})
    assert table.cost(Tokens(thousands * 1000, 0, 0, 0)) == pytest.approx(thousands * 1e-3)
    assert table.cost(Tokens(thousands * 1000 + 1, 0, 0, 0)) == pytest.approx(thousands * 5e-3, rel=1e-4)


def test_the_highest_size_that_is_passed_decides() -> None:
    table = price(input_cost_per_token_above_128k_tokens=9e-6, input_cost_per_token_above_1000k_tokens=4e-6)
    assert table.cost(Tokens(500_000, 0, 0, 0)) == pytest.approx(4.5)
    assert table.cost(Tokens(2_000_000, 0, 0, 0)) == pytest.approx(8)


# Another rate of the entry, and whether a run's cost can then be had from its total tokens.
OTHER_RATES = [
    ("cache_creation_input_token_cost_above_1hr", True),
    ("input_cost_per_token_above_200k_tokens_priority", True),
    ("input_cost_per_character_above_128k_tokens", True),
    ("input_cost_per_token_above_512k_tokens", False),
    ("cache_creation_input_token_cost_above_1hr_above_200k_tokens", False),
]


@pytest.mark.parametrize(("rate", "is_known"), OTHER_RATES)
def test_a_runs_tokens_have_a_cost_unless_rates_depend_on_each_prompts_size(rate: str, is_known: bool) -> None:
    cost = price(**{rate: 9e-6}).cost_of_run(Tokens(1_000_000, 0, 0, 500_000))
    assert cost == (pytest.approx(2.0) if is_known else None)


def test_cache_writes_for_an_hour_have_their_own_rate_or_no_known_cost() -> None:
    tokens = Tokens(0, 0, 300_000, 0, cache_write_1h=100_000)
    assert price(cache_creation_input_token_cost_above_1hr=6e-6).cost(tokens) == pytest.approx(1.2)
    assert price().cost(tokens) is None


def test_the_tables_entries_with_tiers_are_read() -> None:
    found = find_price("anthropic", "claude-sonnet-4-5")
    assert found is not None
    assert found.cost(Tokens(0, 0, 1_000, 0, cache_write_1h=1_000)) == pytest.approx(0.006)
    tiered = find_price("gemini", "gemini-2.5-pro")
    assert tiered is not None
    assert tiered.cost_of_run(Tokens(10, 0, 0, 10)) is None


# A provider and a normalised model, and the entry that is its price.
OF_ONE_PROVIDER = [
    ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5"),
    ("vercel_ai_gateway", "claude-opus-4-5", "vercel_ai_gateway/anthropic/claude-opus-4.5"),
    ("moonshot", "kimi-k2.5", "moonshot/kimi-k2.5"),
    ("fireworks_ai", "kimi-k2-thinking", "fireworks_ai/accounts/fireworks/models/kimi-k2-thinking"),
    ("bedrock-us", "claude-sonnet-4-5", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("bedrock", "claude-sonnet-4-5", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("vertex_ai", "gemini-2.5-pro", "gemini-2.5-pro"),
    ("gemini", "gemini-2.5-pro", "gemini/gemini-2.5-pro"),
    ("azure-eu", "gpt-5-mini", "azure/eu/gpt-5-mini-2025-08-07"),
    ("azure", "gpt-5-mini", "azure/gpt-5-mini"),
    (None, "Claude-Sonnet-4.5", "claude-sonnet-4-5"),
    # Passed on by a gateway at the maker's price, where that is the same wherever the model is served.
    ("openrouter", "anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
    ("openrouter", "claude-opus-4-6", "claude-opus-4-6"),
    ("openrouter", "openai/gpt-5-mini", "gpt-5-mini"),
    ("openrouter", "google/gemini-2.5-pro", "gemini/gemini-2.5-pro"),
    ("kilo", "x-ai/grok-code-fast-1", "xai/grok-code-fast-1"),
    ("openrouter", "openai/gpt-oss-120b", None),
    ("openrouter", "moonshotai/kimi-k2.5", None),
    ("openrouter", "anthropic/claude-sonnet-4.5:thinking", None),
    ("openrouter", "anthropic/no-such-claude", None),
    # Sold by others, at prices of theirs.
    ("acme", "claude-sonnet-4-5", None),
    ("mistral", "kimi-k2.5", None),
    (None, "kimi-k2.5", None),
    (None, "", None),
]


@pytest.mark.parametrize(("provider", "model", "entry"), OF_ONE_PROVIDER)
def test_a_model_has_the_price_of_the_provider_that_served_it(
    provider: str | None, model: str, entry: str | None
) -> None:
    found = find_price(provider, model)
    assert (None if found is None else found.name) == entry


def test_a_gateway_that_passes_a_price_on_is_named() -> None:
    found = find_price("openrouter", "anthropic/claude-sonnet-4.5")
    assert str(found) == f"{price_table()[0]}: claude-sonnet-4-5 via openrouter"


# What Harbor's `-m` is given, and what agents write down, for the models that they run most.
AS_GIVEN = {
    "anthropic/claude-opus-4-6": "claude-opus-4-6",
    "anthropic/claude-sonnet-4-5-20250929": "claude-sonnet-4-5-20250929",
    "anthropic/claude-opus-4.8": "claude-opus-4-8",
    # The table has these at Bedrock alone, at Anthropic's list price.
    "anthropic/claude-sonnet-4-20250514": "anthropic.claude-sonnet-4-20250514-v1:0",
    "anthropic/claude-opus-4-1": "anthropic.claude-opus-4-1-20250805-v1:0",
    "openrouter/anthropic/claude-sonnet-4": "anthropic.claude-sonnet-4-20250514-v1:0",
    "bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0": "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "bedrock/global.anthropic.claude-sonnet-4-5-20250929-v1:0": "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "vertex_ai/claude-sonnet-4-5@20250929": "vertex_ai/claude-sonnet-4-5@20250929",
    "azure_ai/claude-sonnet-4-5": "azure_ai/claude-sonnet-4-5",
    "openai/gpt-5.2-codex": "gpt-5.2-codex",
    "openai/gpt-5-2025-08-07": "gpt-5-2025-08-07",
    "azure/gpt-5": "azure/gpt-5",
    "google/gemini-3.1-pro-preview": "gemini/gemini-3.1-pro-preview",
    "gemini/gemini-2.5-flash": "gemini/gemini-2.5-flash",
    "moonshotai/kimi-k2.5": "moonshot/kimi-k2.5",
    "deepseek/deepseek-v3.2": "deepseek/deepseek-v3.2",
    "z-ai/glm-4.7": "zai/glm-4.7",
    "minimax/minimax-m2.5": "minimax/MiniMax-M2.5",
    "dashscope/qwen3-coder-plus": "dashscope/qwen3-coder-plus",
    "xai/grok-4.3": "xai/grok-4.3",
    "x-ai/grok-code-fast-1": "xai/grok-code-fast-1",
    "mistral/devstral-medium-latest": "mistral/devstral-medium-latest",
    "groq/openai/gpt-oss-120b": "groq/openai/gpt-oss-120b",
}


@pytest.mark.parametrize("given", AS_GIVEN)
def test_a_model_is_found_as_agents_are_given_it(given: str) -> None:
    provider, _, model = given.partition("/")
    found = find_price(provider, model)
    assert found is not None
    assert found.name == AS_GIVEN[given]
    tokens = Tokens(1_000, 2_000, 500, 700, 300)
    billed = found.bill(tokens)
    assert billed is not None
    assert billed.usd > 0


def test_what_the_table_prices_has_a_price_under_its_normalised_name_too() -> None:
    unpriced: list[str] = []
    for key, value in price_table()[1].items():
        entry = mapping(value)
        if entry.get("mode") not in ("chat", "completion", "responses") or find_price(None, key) is None:
            continue
        model = normalise(key, None if "/" in key else text(entry.get("litellm_provider")))
        if find_price(model.provider, model.name) is None:
            unpriced.append(key)
    # Several entries of one provider for one model, which contradict each other.
    assert len(unpriced) < 10, unpriced


FREE = [
    ("openrouter", "z-ai/glm-4.5-air:free", True),
    ("openrouter", "z-ai/glm-4.5-air", False),
    ("kilo", "minimax-m2.5:free", True),
    ("ollama", "llama3:8b", True),
    ("ollama_chat", "llama3", True),
    ("ollama", "qwen3-coder:480b-cloud", False),
    ("lm-studio", "qwen3", True),
    ("lm_studio", "qwen3", True),
    # The table has 0 for these: their price is not known, or in a subscription.
    ("volcengine", "deepseek-v3-2-251201", False),
    ("github_copilot", "gpt-4o", False),
    ("openai", "gpt-5-mini", False),
    (None, "toy", False),
]


@pytest.mark.parametrize(("provider", "model", "free"), FREE)
def test_only_what_costs_nothing_by_its_nature_is_free(provider: str | None, model: str, free: bool) -> None:
    assert is_free(provider, model) is free


# A step's own model, and the entry that prices it where a gateway serves the variant's.
STEP_MODELS = [
    (None, "vercel_ai_gateway/anthropic/claude-opus-4.5"),
    ("claude-opus-4-5", "vercel_ai_gateway/anthropic/claude-opus-4.5"),
    ("glm-4.6", "vercel_ai_gateway/zai/glm-4.6"),
    ("zai/glm-4.6", "zai/glm-4.6"),
    ("zai/no-such-model", None),
]


@pytest.mark.parametrize(("model", "entry"), STEP_MODELS)
def test_a_steps_model_is_priced_at_the_variants_provider_unless_it_names_another(
    model: str | None, entry: str | None
) -> None:
    variant = Variant("toy", model="claude-opus-4-5", provider="vercel_ai_gateway")
    step = Step(1, 1, Source.AGENT, call=1, tokens=Tokens(1_000, 0, 0, 100), model=model)
    cost = price_trial(Trial("j", "t", "job", "trial", "task", "set", variant, Status.PASSED, (step,)))
    price = find_price(*entry.split("/", 1)) if entry else None
    assert cost.price == (None if entry is None else str(price))
    assert cost.steps[0].usd == (None if price is None else price.cost(Tokens(1_000, 0, 0, 100)))
