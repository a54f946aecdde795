"""What each provider bills, worked by hand from its list prices in USD per million tokens: one million of a dollar's
millionths is a dollar, so tokens times price is in millionths."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.price import Price
from adapter.prices import find_price
from adapter.trial import Service, Tokens

MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MONDAY_MORNING = datetime(2026, 11, 23, 2, tzinfo=UTC)
SUNDAY_MORNING = datetime(2026, 11, 22, 2, tzinfo=UTC)


def price(provider: str | None, rates: dict[str, float], name: str = "m") -> Price:
    return Price(name, "table", rates, provider=provider)


# Provider, model, tokens (input, cache_read, cache_write, output, reasoning, cache_write_1h), service, and the parts of
# the bill in millionths of a dollar: input, cache reads, cache writes, output, reasoning.
BILLS = {
    # Sonnet 4.5: 3 in, 0.30 read, 3.75 written for 5 minutes, 6 for an hour, 15 out.
    "anthropic, 5 minutes": (
        ("anthropic", "claude-sonnet-4-5", Tokens(1_000, 10_000, 2_000, 500, 100), None),
        (1_000 * 3, 10_000 * 0.3, 2_000 * 3.75, 400 * 15, 100 * 15),
    ),
    "anthropic, an hour": (
        ("anthropic", "claude-sonnet-4-5", Tokens(1_000, 0, 2_000, 500, None, 1_500), None),
        (1_000 * 3, 0, 500 * 3.75 + 1_500 * 6, 500 * 15, 0),
    ),
    # A batch is half of everything, writes for an hour too: half of 2 x 3.
    "anthropic, batch": (
        ("anthropic", "claude-sonnet-4-5", Tokens(1_000, 10_000, 2_000, 500, 0, 1_000), Service("batch")),
        (1_000 * 1.5, 10_000 * 0.15, 1_000 * 1.875 + 1_000 * 3, 500 * 7.5, 0),
    ),
    # Opus 4.8: 5 in, 0.50 read, 6.25 written, 25 out; twice that when fast, 1.1 times when bound to the US.
    "anthropic, fast in the US": (
        ("anthropic", "claude-opus-4-8", Tokens(1_000, 10_000, 2_000, 500), Service("standard", "fast", "us")),
        (1_000 * 11, 10_000 * 1.1, 2_000 * 13.75, 500 * 55, 0),
    ),
    # Older than data residency: the same price wherever it runs.
    "anthropic, an older model in the US": (
        ("anthropic", "claude-sonnet-4-5", Tokens(1_000, 0, 0, 500), Service(region="us")),
        (1_000 * 3, 0, 0, 500 * 15, 0),
    ),
    # Haiku 5.5: 0.1 in, 0.01 read, 0.5 out; five times that where the whole prompt, cached tokens too, exceeds 100,000.
    "anthropic, a long prompt": (
        ("anthropic", "claude-haiku-5-5", Tokens(1_000, 100_000, 0, 500), None),
        (1_000 * 0.5, 100_000 * 0.05, 0, 500 * 2.5, 0),
    ),
    # Opus 4.1, which the table has at Bedrock alone: 15 in, 1.50 read, 18.75 written and 30 for an hour, 75 out.
    "anthropic, an older model": (
        ("anthropic", "claude-opus-4-1-20250805", Tokens(1_000, 10_000, 2_000, 500, None, 1_000), None),
        (1_000 * 15, 10_000 * 1.5, 1_000 * 18.75 + 1_000 * 30, 500 * 75, 0),
    ),
    # Sonnet 4.5 above 200,000 tokens at Bedrock: 6 in, 0.60 read, 7.50 and 12 written, 22.50 out; a tenth more in
    # the US.
    "bedrock, a long prompt": (
        ("bedrock-us", "claude-sonnet-4-5", Tokens(1_000, 250_000, 4_000, 500, None, 1_000), None),
        tuple(1.1 * part for part in (1_000 * 6, 250_000 * 0.6, 3_000 * 7.5 + 1_000 * 12, 500 * 22.5, 0)),
    ),
    # Haiku 3.5 at Bedrock: 0.80 in; its entry has no rate for an hour, which is 2 x 0.80 at Anthropic.
    "bedrock, an hour": (
        ("bedrock", "claude-3-5-haiku-20241022", Tokens(0, 0, 2_000, 500, None, 2_000), None),
        (0, 0, 2_000 * 1.6, 500 * 4, 0),
    ),
    # Nova Lite: 0.06 in, 0.015 read, 0.24 out. Amazon takes nothing more for writing.
    "bedrock, Amazon's own": (
        ("bedrock", "amazon.nova-lite-v1:0", Tokens(1_000, 4_000, 2_000, 500), None),
        (1_000 * 0.06, 4_000 * 0.015, 2_000 * 0.06, 500 * 0.24, 0),
    ),
    # Opus 4.6: 5 in, 25 out; a tenth more at any endpoint that is not the global one.
    "vertex, a region": (
        ("vertex_ai", "claude-opus-4-6", Tokens(1_000, 0, 0, 500), Service(region="us-east5")),
        (1_000 * 5.5, 0, 0, 500 * 27.5, 0),
    ),
    # GPT-5: 1.25 in, 0.125 cached, 10 out. Nothing more for filling the cache.
    "openai, cached": (
        ("openai", "gpt-5", Tokens(1_000, 9_000, 0, 2_000, 1_500), Service("default")),
        (1_000 * 1.25, 9_000 * 0.125, 0, 500 * 10, 1_500 * 10),
    ),
    "openai, written": (
        ("openai", "gpt-5", Tokens(1_000, 0, 2_000, 0), None),
        (1_000 * 1.25, 0, 2_000 * 1.25, 0, 0),
    ),
    "openai, flex": (
        ("openai", "gpt-5", Tokens(1_000, 9_000, 0, 2_000), Service("flex")),
        (1_000 * 0.625, 9_000 * 0.0625, 0, 2_000 * 5, 0),
    ),
    "openai, priority": (
        ("openai", "gpt-5", Tokens(1_000, 9_000, 0, 2_000), Service("priority")),
        (1_000 * 2.5, 9_000 * 0.25, 0, 2_000 * 20, 0),
    ),
    "openai, batch": (
        ("openai", "gpt-5", Tokens(1_000, 9_000, 0, 2_000), Service("batch")),
        (1_000 * 0.625, 9_000 * 0.0625, 0, 2_000 * 5, 0),
    ),
    # GPT-5 pro: 15 in, 120 out, and no price for cached input: it is input.
    "openai, no discount": (
        ("openai", "gpt-5-pro", Tokens(1_000, 9_000, 0, 2_000), None),
        (1_000 * 15, 9_000 * 15, 0, 2_000 * 120, 0),
    ),
    # GPT-5.5 above 272,000 tokens: 10 in, 1 cached, 45 out; half of it in a batch.
    "openai, at the size": (
        ("openai", "gpt-5.5", Tokens(2_000, 270_000, 0, 1_000), None),
        (2_000 * 5, 270_000 * 0.5, 0, 1_000 * 30, 0),
    ),
    "openai, above the size": (
        ("openai", "gpt-5.5", Tokens(2_001, 270_000, 0, 1_000), None),
        (2_001 * 10, 270_000 * 1, 0, 1_000 * 45, 0),
    ),
    "openai, a long prompt in a batch": (
        ("openai", "gpt-5.5", Tokens(30_000, 270_000, 0, 1_000), Service("batch")),
        (30_000 * 5, 270_000 * 0.5, 0, 1_000 * 22.5, 0),
    ),
    # Gemini 2.5 Pro: 1.25 in, 0.125 cached, 10 out with its thoughts; 2.50, 0.25 and 15 above 200,000.
    "gemini, thoughts": (
        ("gemini", "gemini-2.5-pro", Tokens(50_000, 150_000, 0, 3_000, 2_000), Service("ON_DEMAND")),
        (50_000 * 1.25, 150_000 * 0.125, 0, 1_000 * 10, 2_000 * 10),
    ),
    "gemini, a long prompt": (
        ("gemini", "gemini-2.5-pro", Tokens(50_001, 150_000, 0, 3_000, 2_000), None),
        (50_001 * 2.5, 150_000 * 0.25, 0, 1_000 * 15, 2_000 * 15),
    ),
    # Half for long prompts too, and what is cached costs as much as ever.
    "gemini, a long prompt in a batch": (
        ("gemini", "gemini-3.1-pro-preview", Tokens(250_000, 0, 0, 1_000), Service("batch")),
        (250_000 * 2, 0, 0, 1_000 * 9, 0),
    ),
    "gemini, cached in the flex tier": (
        ("gemini", "gemini-2.5-pro", Tokens(1_000, 9_000, 0, 1_000), Service("ON_DEMAND_FLEX")),
        (1_000 * 0.625, 9_000 * 0.125, 0, 1_000 * 5, 0),
    ),
    # DeepSeek bills a cache miss as input and a hit at a tenth; LiteLLM has 0 for what is written.
    "deepseek, hits": (
        ("deepseek", "deepseek-chat", Tokens(1_000, 9_000, 500, 2_000), None),
        (1_000 * 0.28, 9_000 * 0.028, 500 * 0.28, 2_000 * 0.42, 0),
    ),
    # Kimi K2.5: 0.60 in, 0.10 for a hit, 3 out.
    "moonshot": (
        ("moonshot", "kimi-k2.5", Tokens(1_000, 9_000, 0, 2_000, 800), None),
        (1_000 * 0.6, 9_000 * 0.1, 0, 1_200 * 3, 800 * 3),
    ),
    # GLM 4.6: 0.60 in, 0.11 cached, 2.20 out; keeping is free, but what is written was read by the model.
    "zai": (
        ("zai", "glm-4.6", Tokens(1_000, 9_000, 500, 2_000), None),
        (1_000 * 0.6, 9_000 * 0.11, 500 * 0.6, 2_000 * 2.2, 0),
    ),
    # Grok 4.3: 1.25 in, 0.20 cached, 2.50 out; twice that from 200,000 tokens on, which is where xAI begins.
    "xai, below the size": (
        ("xai", "grok-4.3", Tokens(1_000, 198_999, 0, 2_000, 1_000), None),
        (1_000 * 1.25, 198_999 * 0.2, 0, 1_000 * 2.5, 1_000 * 2.5),
    ),
    "xai, at the size": (
        ("xai", "grok-4.3", Tokens(1_000, 199_000, 0, 2_000, 1_000), None),
        (1_000 * 2.5, 199_000 * 0.4, 0, 1_000 * 5, 1_000 * 5),
    ),
    # Qwen3 Coder Plus: all of a request has the rates of the tier that its prompt is in. Up to 32,000 tokens 1 in, 0.1
    # cached and 5 out; up to 128,000 it is 1.8, 0.18 and 9; above 256,000 it is 6, 0.6 and 60.
    "alibaba, first tier": (
        ("dashscope", "qwen3-coder-plus", Tokens(2_000, 30_000, 0, 1_000), None),
        (2_000 * 1, 30_000 * 0.1, 0, 1_000 * 5, 0),
    ),
    "alibaba, second tier": (
        ("dashscope", "qwen3-coder-plus", Tokens(2_001, 30_000, 0, 1_000), None),
        (2_001 * 1.8, 30_000 * 0.18, 0, 1_000 * 9, 0),
    ),
    "alibaba, beyond the last tier": (
        ("dashscope", "qwen3-coder-plus", Tokens(2_000_000, 0, 0, 1_000), None),
        (2_000_000 * 6, 0, 0, 1_000 * 60, 0),
    ),
    # Qwen3 Max, 1.2 in: 20 % of it for what its own cache held; where the call fills one itself, 125 % and 10 %.
    "alibaba, its own cache": (
        ("dashscope", "qwen3-max", Tokens(1_000, 9_000, 0, 1_000), None),
        (1_000 * 1.2, 9_000 * 0.24, 0, 1_000 * 6, 0),
    ),
    "alibaba, a cache that was asked for": (
        ("dashscope", "qwen3-max", Tokens(1_000, 9_000, 2_000, 1_000), None),
        (1_000 * 1.2, 9_000 * 0.12, 2_000 * 1.5, 1_000 * 6, 0),
    ),
    # Qwen Plus: 1.20 out, and 4 for thoughts and answer alike where it thinks.
    "alibaba, thinking": (
        ("dashscope", "qwen-plus-latest", Tokens(1_000, 0, 0, 1_000, 600), None),
        (1_000 * 0.4, 0, 0, 400 * 4, 600 * 4),
    ),
    "alibaba, not thinking": (
        ("dashscope", "qwen-plus-latest", Tokens(1_000, 0, 0, 1_000, 0), None),
        (1_000 * 0.4, 0, 0, 1_000 * 1.2, 0),
    ),
    # MiniMax M3: 0.30 in, 0.06 read, 1.20 out; twice that above 512,000 tokens.
    "minimax": (
        ("minimax", "MiniMax-M3", Tokens(2_000, 510_000, 0, 1_000), None),
        (2_000 * 0.3, 510_000 * 0.06, 0, 1_000 * 1.2, 0),
    ),
    "minimax, a long prompt": (
        ("minimax", "MiniMax-M3", Tokens(2_001, 510_000, 0, 1_000), None),
        (2_001 * 0.6, 510_000 * 0.12, 0, 1_000 * 2.4, 0),
    ),
    # Kimi K2 at Fireworks: 0.60 in, half of it for what is cached, 2.50 out.
    "fireworks": (
        ("fireworks_ai", "kimi-k2-instruct-0905", Tokens(1_000, 9_000, 0, 1_000), None),
        (1_000 * 0.6, 9_000 * 0.3, 0, 1_000 * 2.5, 0),
    ),
}


@pytest.mark.parametrize("case", BILLS)
def test_a_call_costs_what_the_provider_bills(case: str) -> None:
    (provider, model, tokens, service), expected = BILLS[case]
    found = find_price(provider, model)
    assert found is not None
    billed = found.bill(tokens, service)
    assert billed is not None
    parts = (billed.input, billed.cache_read, billed.cache_write, billed.output, billed.reasoning)
    assert parts == pytest.approx([part / 1_000_000 for part in expected], rel=1e-12, abs=1e-15)
    assert found.cost(tokens, service) == pytest.approx(sum(expected) / 1_000_000, rel=1e-12)


# DeepSeek V4 Pro: 1.32 in, 0.044 for a hit, 3.96 out; half of it outside of China's office hours and on weekends.
HOURS = [(MONDAY_MORNING, 1.0), (MONDAY_NOON, 0.5), (SUNDAY_MORNING, 0.5), (datetime(2026, 11, 23, 2), 1.0)]  # noqa: DTZ001


@pytest.mark.parametrize(("at", "factor"), HOURS)
def test_some_hours_have_prices_of_their_own(at: datetime, factor: float) -> None:
    found = find_price("deepseek", "deepseek-v4-pro")
    assert found is not None
    tokens = Tokens(1_000, 9_000, 500, 2_000)
    expected = (1_000 * 1.32 + 9_000 * 0.044 + 500 * 1.32 + 2_000 * 3.96) / 1_000_000
    assert found.cost(tokens, None, at) == pytest.approx(expected * factor)
    assert found.named(None, at).endswith(" (off-peak)") == (factor < 1)
    assert found.cost(tokens) is None, "at an hour that is not known, the price is not known"
    assert found.cost_of_run(tokens) is None


CHEAP = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}

# What nobody can tell: the price, the tokens, and how they were served.
UNKNOWN = {
    "no discount is published": (price("zai", CHEAP), Tokens(1, 1, 0, 1), None),
    "an hour at a provider that bills writes": (
        price(None, CHEAP | {"cache_creation_input_token_cost": 2e-6}),
        Tokens(1, 0, 1, 1, None, 1),
        None,
    ),
    "a tier that the table does not price": (price("anthropic", CHEAP), Tokens(1, 0, 0, 1), Service("priority")),
    "bought in advance": (price("openai", CHEAP), Tokens(1, 0, 0, 1), Service("scale")),
    "a batch of a provider that may not halve": (price("moonshot", CHEAP), Tokens(1, 0, 0, 1), Service("batch")),
    "a speed without a price": (price("anthropic", CHEAP), Tokens(1, 0, 0, 1), Service(speed="fast")),
    "no input count": (price("openai", CHEAP), Tokens(None, 5, 0, 1), None),
    "no output count": (price("openai", CHEAP), Tokens(1, 0, 0, None), None),
    "no output price": (price("openai", {"input_cost_per_token": 1e-6}), Tokens(1, 0, 0, 1), None),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_nobody_can_tell_has_no_cost(case: str) -> None:
    found, tokens, service = UNKNOWN[case]
    assert found.bill(tokens, service) is None
    assert found.cost(tokens, service) is None


def test_a_rate_is_missed_only_for_tokens_that_were_used() -> None:
    assert price("zai", CHEAP).cost(Tokens(1_000, 0, 0, 0)) == pytest.approx(0.001)


# Who serves a Claude whose entry has input and output alone, and what is batch there.
CLAUDES = ["anthropic", "bedrock-eu", "vertex_ai", "openrouter", "gmi", None]


@pytest.mark.parametrize("provider", CLAUDES)
def test_claude_has_anthropics_multipliers_wherever_it_is_served(provider: str | None) -> None:
    # 1,000 + 0.1 x 10,000 + 1.25 x 2,000 + 2 x 3,000 at 1, and 500 at 2.
    billed = price(provider, CHEAP, "any/claude-x").bill(Tokens(1_000, 10_000, 5_000, 500, 0, 3_000))
    assert billed is not None
    assert billed.usd == pytest.approx(0.0115)


HALVE = ["anthropic", "openai", "azure", "gemini", "vertex_ai", "bedrock-us", "mistral", "groq", "dashscope"]


@pytest.mark.parametrize("provider", HALVE)
def test_a_batch_is_half_where_the_provider_halves(provider: str) -> None:
    table = price(provider, CHEAP)
    assert table.cost(Tokens(1_000, 0, 500, 100), Service("batch")) == pytest.approx(
        (table.cost(Tokens(1_000, 0, 500, 100)) or math.nan) / 2
    )


NAMES = [
    (None, "t: m"),
    (Service(), "t: m"),
    (Service("Standard", "standard", "global"), "t: m"),
    (Service("default"), "t: m"),
    (Service("ON_DEMAND"), "t: m"),
    (Service("batch"), "t: m (batch)"),
    (Service("Flex"), "t: m (flex)"),
    (Service("fast"), "t: m (priority)"),
    (Service("standard", "fast", "US"), "t: m (fast, us)"),
    (Service(region="mars"), "t: m (regional)"),
    (Service("[bold]what[/bold]"), "t: m"),
]


@pytest.mark.parametrize(("service", "name"), NAMES)
def test_a_price_names_the_service_that_it_was_applied_to(service: Service | None, name: str) -> None:
    table = Price("m", "t", CHEAP, provider="anthropic", fast=2.0, regions={"us": 1.1, "*": 1.2})
    assert table.named(service) == name


def test_reasoning_is_output_at_a_rate_of_its_own_where_there_is_one() -> None:
    billed = price(None, CHEAP | {"output_cost_per_reasoning_token": 5e-6}).bill(Tokens(0, 0, 0, 1_000, 300))
    assert billed is not None
    assert (billed.output, billed.reasoning) == pytest.approx((700 * 2e-6, 300 * 5e-6))


count = st.integers(0, 2_000_000)
KNOWN = [
    found
    for provider, model in [
        ("anthropic", "claude-sonnet-4-5"),
        ("bedrock-us", "claude-sonnet-4-5"),
        ("openai", "gpt-5.5"),
        ("gemini", "gemini-2.5-pro"),
        ("dashscope", "qwen3-coder-plus"),
        ("deepseek", "deepseek-v4-pro"),
        ("xai", "grok-4.3"),
    ]
    if (found := find_price(provider, model)) is not None
]


@given(
    table=st.sampled_from(KNOWN),
    tokens=st.builds(Tokens, count, count, count, count, st.none() | count, st.none() | count),
    tier=st.sampled_from([None, "batch", "flex", "priority"]),
    more=st.sampled_from(["input", "cache_read", "cache_write", "output"]),
)
def test_a_bill_is_whole_and_grows_with_every_token(table: Price, tokens: Tokens, tier: str | None, more: str) -> None:
    billed = table.bill(tokens, Service(tier), MONDAY_NOON)
    if billed is None:
        return
    parts = [billed.input, billed.cache_read, billed.cache_write, billed.output, billed.reasoning]
    assert all(math.isfinite(part) and part >= 0 for part in parts)
    assert billed.usd == pytest.approx(sum(parts), abs=1e-9)
    counts = {name: getattr(tokens, name) for name in Tokens.__slots__}
    larger = table.bill(Tokens(**counts | {more: counts[more] + 1}), Service(tier), MONDAY_NOON)
    assert larger is not None
    assert larger.usd > billed.usd or math.isclose(larger.usd, billed.usd, rel_tol=1e-12)


def test_known_prices_were_found() -> None:
    assert len(KNOWN) == 7


def test_a_surcharge_for_input_alone_tells_nothing_of_output() -> None:
    # LiteLLM's entry for gpt-5-nano: 2.50 for priority input, 0.05 otherwise, and no priority output.
    table = price("openai", CHEAP | {"input_cost_per_token_priority": 5e-6})
    assert table.cost(Tokens(1_000, 0, 0, 1), Service("priority")) is None
    assert table.cost(Tokens(1_000, 0, 0, 0), Service("priority")) == pytest.approx(0.005)


# The provider, rates beside input 1 and output 2 (half of that in a batch), tokens, service tier, and the cost in
# millionths of a dollar.
HALF = {"input_cost_per_token_batches": 0.5e-6, "output_cost_per_token_batches": 1e-6}
LONG = {"input_cost_per_token_above_200k_tokens": 3e-6}
FOLLOWS = {
    "Google's cached tokens cost the same in a batch": (
        "gemini", HALF | {"cache_read_input_token_cost": 0.1e-6}, Tokens(0, 1_000, 0, 0), "batch", 100
    ),
    "others' cost half": (
        "openai", HALF | {"cache_read_input_token_cost": 0.1e-6}, Tokens(0, 1_000, 0, 0), "batch", 50
    ),
    "OpenAI's flex tier has the prices of batches": ("openai", HALF, Tokens(1_000, 0, 0, 100), "flex", 600),
    "Azure has one of its own or none": ("azure", HALF, Tokens(1_000, 0, 0, 100), "flex", None),
    "OpenAI has no surcharge on long prompts": (
        "openai", LONG | {"input_cost_per_token_priority": 2e-6}, Tokens(300_000, 0, 0, 0), "priority", 900_000
    ),
    "others have": (
        "gemini", LONG | {"input_cost_per_token_priority": 2e-6}, Tokens(300_000, 0, 0, 0), "priority", 1_800_000
    ),
    "what is read for nothing is so at any tier": (
        "openai",
        {"cache_read_input_token_cost": 0.0, "output_cost_per_token_priority": 4e-6},
        Tokens(0, 1_000, 0, 100),
        "priority",
        400,
    ),
    "OpenAI has its discount on long prompts": ("openai", LONG | HALF, Tokens(300_000, 0, 0, 0), "batch", 450_000),
    "a discount holds for long prompts": ("anthropic", LONG | HALF, Tokens(300_000, 0, 0, 0), "batch", 450_000),
}  # fmt: skip


@pytest.mark.parametrize("case", FOLLOWS)
def test_what_a_service_tier_leaves_out_follows_from_the_rest(case: str) -> None:
    provider, rates, tokens, tier, expected = FOLLOWS[case]
    cost = price(provider, CHEAP | rates).cost(tokens, Service(tier))
    assert cost == (None if expected is None else pytest.approx(expected / 1_000_000))
