"""Tokens as Opik counts them: what its own calculators would make of the keys that go up is the price of the tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.opik_usage import opik_provider, usage
from adapter.prices import Price, find_price
from adapter.trial import Tokens

PROVIDERS = [
    ("openai", "gpt-5-mini", "openai"),
    ("anthropic", "claude-sonnet-4-5", "anthropic"),
    ("bedrock", "claude-sonnet-4-5", "bedrock"),
    ("bedrock-us", "claude-sonnet-4-5", "bedrock"),
    ("gemini", "gemini-2.5-pro", "google_ai"),
    ("vertex_ai", "gemini-2.5-pro", "google_vertexai"),
    ("vertex_ai", "claude-sonnet-4-5", "anthropic_vertexai"),
    ("groq", "llama-3.3-70b-versatile", "groq"),
    ("openrouter", "x", "openrouter"),
    (None, "x", None),
]


@pytest.mark.parametrize(("provider", "model", "expected"), PROVIDERS)
def test_a_provider_has_the_name_that_opik_prices_it_under(
    provider: str | None, model: str, expected: str | None
) -> None:
    assert opik_provider(provider, model) == expected


class Usage(dict[str, int]):
    """A usage dictionary as Opik's backend reads it: the provider's own key first, else the common one."""

    def first(self, *names: str) -> int:
        return next((self[name] for name in names if name in self), 0)


def opiks_own_cost(provider: str, usage: Usage, price: Price) -> float:
    """`SpanCostCalculator` of Opik's backend, as far as texts go (no audio, no tiers)."""
    rates = price.rates
    read = rates.get("cache_read_input_token_cost", 0.0)
    write = rates.get("cache_creation_input_token_cost", 0.0)
    o = "original_usage."
    reads = written = 0
    if provider in ("anthropic", "anthropic_vertexai"):
        fresh = usage.first(f"{o}input_tokens", "prompt_tokens")
        output = usage.first(f"{o}output_tokens", "completion_tokens")
        reads = usage.first(f"{o}cache_read_input_tokens", "cache_read_input_tokens")
        written = usage.first(f"{o}cache_creation_input_tokens", "cache_creation_input_tokens")
    elif provider == "bedrock":
        fresh = usage.first(f"{o}inputTokens", "prompt_tokens")
        output = usage.first(f"{o}outputTokens", "completion_tokens")
        reads = usage.first(f"{o}cacheReadInputTokens", "cache_read_input_tokens")
        written = usage.first(f"{o}cacheWriteInputTokens", "cache_creation_input_tokens")
    elif provider in ("google_ai", "google_vertexai"):
        reads = usage.first(f"{o}cached_content_token_count", "cache_read_input_tokens")
        fresh = max(0, usage.first(f"{o}prompt_token_count", "prompt_tokens") - reads)
        output = usage.first("completion_tokens", f"{o}candidates_token_count")
    elif provider == "openai":
        reads = usage.first(f"{o}prompt_tokens_details.cached_tokens", "cache_read_input_tokens")
        fresh = max(0, usage.first(f"{o}prompt_tokens", "prompt_tokens") - reads)
        output = usage.first(f"{o}completion_tokens", "completion_tokens")
    else:
        fresh, output = usage.first("prompt_tokens"), usage.first("completion_tokens")
    return (
        fresh * rates["input_cost_per_token"] + output * rates["output_cost_per_token"] + reads * read + written * write
    )


CALCULATED = [
    ("openai", "gpt-5-mini", False),
    ("anthropic", "claude-sonnet-4-5", True),
    ("bedrock-us", "claude-sonnet-4-5", True),
    ("gemini", "gemini-2.5-flash", False),
    ("vertex_ai", "gemini-2.5-flash", False),
]
few = st.integers(0, 20_000)


@pytest.mark.parametrize(("provider", "model", "writes"), CALCULATED)
@given(fresh=few, read=few, written=few, output=few, thought=few)
def test_opiks_own_calculator_comes_to_the_price_of_the_tokens(
    provider: str, model: str, *, writes: bool, fresh: int, read: int, written: int, output: int, thought: int
) -> None:
    price = find_price(provider, model)
    assert price is not None
    tokens = Tokens(fresh, read, written if writes else 0, output, min(thought, output))
    named = opik_provider(provider, model) or ""
    sent = usage(tokens, named, has_cost=True)
    assert sent is not None
    assert opiks_own_cost(named, Usage(sent), price) == pytest.approx(price.cost(tokens))


@pytest.mark.parametrize("provider", [None, "openai", "anthropic", "bedrock", "google_ai", "groq"])
def test_without_a_cost_of_ours_opik_has_nothing_to_make_one_up_from(provider: str | None) -> None:
    sent = usage(Tokens(100, 1000, 200, 50, 20), provider, has_cost=False)
    assert sent == {"input_tokens_sent": 1300, "output_tokens_received": 50, "tokens_in_all": 1350}
    price = Price("any", "a table", {"input_cost_per_token": 1.0, "output_cost_per_token": 1.0})
    assert opiks_own_cost(provider or "", Usage(sent), price) == 0


def test_a_count_that_is_not_known_or_too_large_for_opik_is_not_sent() -> None:
    assert usage(None, "openai", has_cost=True) is None
    assert usage(Tokens(), "openai", has_cost=True) is None
    assert usage(Tokens(output=5), "openai", has_cost=False) == {"output_tokens_received": 5}
    assert usage(Tokens(2**31 - 1, 1, output=1), "openai", has_cost=False) == {"output_tokens_received": 1}
