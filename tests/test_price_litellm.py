"""The whole table against LiteLLM's own calculator, which is imported here and nowhere in the product.

Where the two differ, it is for a reason that stands in `DELIBERATE`, and docs/prices.md says more about it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import litellm
import pytest
from litellm.cost_calculator import batch_cost_calculator, cost_per_token
from litellm.litellm_core_utils.llm_cost_calc.utils import generic_cost_per_token
from litellm.types.utils import (
    CacheCreationTokenDetails,
    CompletionTokensDetailsWrapper,
    PromptTokensDetailsWrapper,
    Usage,
)

from adapter.litellm_prices import priced_entry
from adapter.loose import Json, mapping, number, sequence, text
from adapter.models import price_table
from adapter.price import Price
from adapter.trial import Service, Tokens

pytestmark = pytest.mark.filterwarnings("ignore:Items? .* on TypedDict class:UserWarning")
"""What pydantic says of LiteLLM's types when they are loaded."""

READ, WRITE, HOUR = (
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "cache_creation_input_token_cost_above_1hr",
)
ALIBABA = ("dashscope", "qwencloud", "qwen_ai_platform")
PASSED_OVER = {
    "github_copilot": "LiteLLM logs in to it before it says what it costs",
    "perplexity": "LiteLLM's calculator takes no notice of its cache",
}
"""Providers, and why LiteLLM cannot be asked about them."""
SHADOWED = ("gemini-exp-1206", "deepseek-chat")
"""Entries that LiteLLM looks up under another key of its table, `provider/name`, where it says something else."""


def _has(entry: Json, name: str) -> bool:
    tiers = sequence(entry.get("tiered_pricing"))
    return any(number(mapping(one).get(name)) is not None for one in ([entry, *tiers]))


def _is_no_surcharge(entry: Json) -> bool:
    """Whether some rate for writing is below the one for input."""
    base = number(entry.get("input_cost_per_token")) or 0.0
    return any(
        rate < (number(entry.get(name.replace(WRITE, "input_cost_per_token"))) or base)
        for name, value in entry.items()
        if name.startswith(WRITE) and (rate := number(value)) is not None
    )


def _serves(entry: Json) -> str:
    return text(entry.get("litellm_provider")) or ""


# Why a call costs another sum here than by LiteLLM: by the entry's key, the entry and the tokens.
DELIBERATE: dict[str, Callable[[str, Json, Tokens], bool]] = {
    "LiteLLM bills cached input in full where an entry has no rate for it; here it is the provider's rule or unknown": (
        lambda _, entry, used: bool(used.cache_read) and not _has(entry, READ)
    ),
    "LiteLLM bills what Claude writes as input where an entry has no rate for it; here it is 1.25 and 2 times that": (
        lambda key, entry, used: (
            "claude" in key and bool(used.cache_write) and not (_has(entry, WRITE) and _has(entry, HOUR))
        )
    ),
    "LiteLLM takes writing for less than input, or for nothing, where that is how the table says `no surcharge`": (
        lambda _, entry, used: bool(used.cache_write) and _is_no_surcharge(entry)
    ),
    "LiteLLM bills an hour like five minutes where writing has a rate and an hour has none; here that is unknown": (
        lambda _, entry, used: bool(used.cache_write_1h) and _has(entry, WRITE) and not _has(entry, HOUR)
    ),
    "LiteLLM takes input without a rate for free; here its cost is unknown": (
        lambda _, entry, used: bool(used.input) and not _has(entry, "input_cost_per_token")
    ),
    "LiteLLM knows nothing of the two caches of Alibaba": (
        lambda _, entry, used: _serves(entry) in ALIBABA and bool(used.cache_write)
    ),
    "LiteLLM bills the answer of a Qwen that thinks like that of one which does not": (
        lambda _, entry, used: (
            _serves(entry) in ALIBABA and bool(used.reasoning) and _has(entry, "output_cost_per_reasoning_token")
        )
    ),
}


def chat_models() -> Iterator[tuple[str, Json, Price]]:
    """The models that have a price, and that LiteLLM can be asked about."""
    for key, value in price_table()[1].items():
        entry = mapping(value)
        if entry.get("mode") not in ("chat", "completion", "responses") or _serves(entry) in PASSED_OVER:
            continue
        price = priced_entry(key, None)
        if price is not None and key not in SHADOWED:
            yield key, entry, price


def usage(tokens: Tokens) -> Usage:
    """The tokens as LiteLLM takes them."""
    prompt, output = tokens.prompt or 0, tokens.output or 0
    write, hour = tokens.cache_write or 0, tokens.cache_write_1h or 0
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=output,
        total_tokens=prompt + output,
        prompt_tokens_details=PromptTokensDetailsWrapper(
            cached_tokens=tokens.cache_read,
            cache_creation_tokens=write,
            cache_creation_token_details=CacheCreationTokenDetails(
                ephemeral_5m_input_tokens=write - hour, ephemeral_1h_input_tokens=hour
            ),
        ),
        completion_tokens_details=CompletionTokensDetailsWrapper(reasoning_tokens=tokens.reasoning),
    )


def some_tokens(chance: random.Random) -> Tokens:
    """Tokens of a short or a long prompt; each kind is there in half of them."""

    def some(most: int) -> int:
        return chance.randint(1, most) if chance.random() < 0.5 else 0

    size = chance.choice([3_000, 50_000, 400_000, 1_500_000])
    write, output = some(size // 4), chance.randint(0, 50_000)
    return Tokens(chance.randint(1, size), some(size), write, output, some(output), some(write) if write else 0)


@pytest.fixture(scope="module", autouse=True)
def quiet() -> None:
    litellm.suppress_debug_info = True


def test_every_chat_model_costs_what_litellm_says_but_for_known_reasons() -> None:
    chance = random.Random(5)
    compared, explained = 0, dict.fromkeys(DELIBERATE, 0)
    wrong: list[str] = []
    for key, entry, price in chat_models():
        if price.off_peak is not None:
            continue
        for _ in range(4):
            tokens = some_tokens(chance)
            expected = sum(cost_per_token(model=key, custom_llm_provider=_serves(entry), usage_object=usage(tokens)))
            cost = price.cost(tokens)
            if cost is not None and cost == pytest.approx(expected, abs=1e-9, rel=1e-12):
                compared += 1
                continue
            reasons = [why for why, applies in DELIBERATE.items() if applies(key, entry, tokens)]
            if not reasons:
                wrong.append(f"{key}: {tokens} costs {cost}, by LiteLLM {expected}")
            for why in reasons:
                explained[why] += 1
    assert not wrong, "\n".join(wrong[:20])
    assert compared > 5_000
    assert all(explained.values()), "a difference that no longer is one goes from the list"


# A service tier, and where its rates are taken from LiteLLM's table as LiteLLM takes them.
TIERS = [("flex", "openai"), ("flex", "gemini"), ("priority", "openai"), ("priority", "azure"), ("priority", "gemini")]


@pytest.mark.parametrize(("tier", "provider"), TIERS)
def test_a_service_tier_costs_what_litellm_says(tier: str, provider: str) -> None:
    chance = random.Random(6)
    compared = 0
    for key, entry, price in chat_models():
        # Where a tier has no output rate, LiteLLM takes the ordinary one; here it is unknown or follows from the input.
        has_tier = all(f"{way}_cost_per_token_{tier}" in entry for way in ("input", "output"))
        if _serves(entry) != provider or not has_tier or _is_no_surcharge(entry) or not _has(entry, f"{READ}_{tier}"):
            continue
        for _ in range(5):
            tokens = some_tokens(chance)
            tokens = Tokens(tokens.input, tokens.cache_read, 0, tokens.output, tokens.reasoning)
            is_long = (tokens.prompt or 0) > 200_000 and f"input_cost_per_token_above_272k_tokens_{tier}" not in entry
            if is_long and any("_above_" in name for name in price.rates):
                continue  # a discount holds for long prompts here, and in LiteLLM only where the table says so
            expected = sum(
                cost_per_token(model=key, custom_llm_provider=provider, usage_object=usage(tokens), service_tier=tier)
            )
            assert price.cost(tokens, Service(tier)) == pytest.approx(expected, abs=1e-9), (key, tokens)
            compared += 1
    assert compared > 50


@pytest.mark.parametrize("provider", ["anthropic", "openai", "gemini"])
def test_a_batch_costs_what_litellm_says(provider: str) -> None:
    chance = random.Random(7)
    compared = 0
    for key, entry, price in chat_models():
        if _serves(entry) != provider or f"{READ}_batches" not in entry or _is_no_surcharge(entry):
            continue
        for _ in range(5):
            tokens = some_tokens(chance)
            write = tokens.cache_write if f"{WRITE}_batches" in entry else 0
            tokens = Tokens(tokens.input, tokens.cache_read, write, tokens.output, tokens.reasoning)
            if (tokens.prompt or 0) > 200_000 and any("_above_200k" in name for name in price.rates):
                continue  # LiteLLM halves the price of a short prompt for a long one
            expected = sum(batch_cost_calculator(usage(tokens), key, custom_llm_provider=provider))
            assert price.cost(tokens, Service("batch")) == pytest.approx(expected, abs=1e-9), (key, tokens)
            compared += 1
    assert compared > 50


@pytest.mark.parametrize("hour", range(0, 24, 3))
@pytest.mark.parametrize("day", [21, 22, 23])
def test_an_hours_price_is_what_litellm_says(day: int, hour: int) -> None:
    at = datetime(2026, 11, day, hour, tzinfo=UTC)
    tokens = Tokens(1_000, 9_000, 0, 2_000, 500)
    models = [one for one in chat_models() if one[2].off_peak is not None]
    assert models
    for key, entry, price in models:
        expected = sum(
            generic_cost_per_token(model=key, usage=usage(tokens), custom_llm_provider=_serves(entry), current_time=at)
        )
        assert price.cost(tokens, None, at) == pytest.approx(expected, abs=1e-12), key
