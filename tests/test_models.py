"""One model has one name, whoever spells it, with its provider apart."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.models import ModelName, normalise, price_table

# A spelling, and the provider and name that it stands for.
SPELLINGS = [
    ("anthropic/claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
    ("claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
    ("Claude-Sonnet-4.5", "anthropic", "claude-sonnet-4-5"),
    ("  claude_sonnet_4.5\n", "anthropic", "claude-sonnet-4-5"),
    ("claude-sonnet-4-5-20250929", "anthropic", "claude-sonnet-4-5"),
    ("moonshotai/kimi-k2.5", "moonshot", "kimi-k2.5"),
    ("alibaba/qwen3-max", "dashscope", "qwen3-max"),
    ("google-vertex/gemini-2.5-pro", "vertex_ai", "gemini-2.5-pro"),
    ("xiaomi/mimo-v2.6-pro", "xiaomi_mimo", "mimo-v2.6-pro"),
    ("moonshot/kimi-k2.5", "moonshot", "kimi-k2.5"),
    ("Kimi-K2.5", "moonshot", "kimi-k2.5"),
    ("kimi-k2.5", "moonshot", "kimi-k2.5"),
    ("gpt-5-mini-2025-08-07", "openai", "gpt-5-mini"),
    ("glm-4.6", "zai", "glm-4.6"),
    ("MiniMax-M2.5", "minimax", "minimax-m2.5"),
    # Gateways keep their own prices: they stay the provider.
    ("openrouter/anthropic/claude-sonnet-4.5", "openrouter", "claude-sonnet-4-5"),
    ("openrouter/z-ai/glm-4.6", "openrouter", "glm-4.6"),
    ("kilo/x-ai/grok-4.3", "kilo", "grok-4.3"),
    ("openrouter/z-ai/glm-4.6:free", "openrouter", "glm-4.6:free"),
    ("together/moonshotai/Kimi-K2-Instruct", "together_ai", "kimi-k2-instruct"),
    ("fireworks_ai/accounts/fireworks/models/kimi-k2p5", "fireworks_ai", "kimi-k2.5"),
    ("vertex_ai/claude-sonnet-4-5@20250929", "vertex_ai", "claude-sonnet-4-5"),
    ("claude-opus-4-6@default", "vertex_ai", "claude-opus-4-6"),
    ("vertex_ai/moonshotai/kimi-k2-thinking-maas", "vertex_ai", "kimi-k2-thinking"),
    # A region has its own prices, so it is part of who serves the model.
    ("bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock", "claude-sonnet-4-5"),
    ("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock-us", "claude-sonnet-4-5"),
    ("us.anthropic.claude-opus-4-6-v1", "bedrock-us", "claude-opus-4-6"),
    ("amazon-bedrock/moonshotai.kimi-k2.5", "bedrock", "kimi-k2.5"),
    ("bedrock/us-east-1/moonshotai.kimi-k2.5", "bedrock-us-east-1", "kimi-k2.5"),
    ("bedrock/deepseek.v3.2", "bedrock", "deepseek-v3.2"),
    ("anthropic.claude-v2:1", "bedrock", "claude-v2:1"),
    ("azure/eu/gpt-5-mini", "azure-eu", "gpt-5-mini"),
    # Harbor's and other names of a provider.
    ("google/gemini-2.5-pro", "gemini", "gemini-2.5-pro"),
    ("z-ai/glm-4.6", "zai", "glm-4.6"),
    ("x-ai/grok-4.3", "xai", "grok-4.3"),
    ("github-copilot/gpt-5-mini", "github_copilot", "gpt-5-mini"),
    # Several dated versions: they are different models.
    ("gpt-4o", "openai", "gpt-4o"),
    ("gpt-4o-2024-05-13", "openai", "gpt-4o-2024-05-13"),
    ("gpt-4o-2024-11-20", "openai", "gpt-4o-2024-11-20"),
    ("claude-sonnet-4-5-20991231", None, "claude-sonnet-4-5-20991231"),
    # Google serves it on two platforms: a bare name does not say on which.
    ("gemini-2.5-pro", None, "gemini-2.5-pro"),
    # The table knows nothing of these.
    ("Toy-Model.X", None, "toy-model.x"),
    ("acme/Toy-Model", "acme", "toy-model"),
    ("acme/labs/Toy-Model", "acme", "labs/toy-model"),
    ("/toy", None, "/toy"),
    ("toy/", None, "toy/"),
    ("", None, ""),
    (" \x00\ud800 ", None, ""),
]


@pytest.mark.parametrize(("spelling", "provider", "name"), SPELLINGS)
def test_a_spelling_stands_for_one_model_of_one_provider(spelling: str, provider: str | None, name: str) -> None:
    assert normalise(spelling) == ModelName(provider, name)


# A name with the provider that stands apart from it.
APART = [
    ("anthropic/claude-sonnet-4.5", "openrouter", "openrouter", "claude-sonnet-4-5"),
    ("anthropic/claude-sonnet-4.5", "anthropic", "anthropic", "claude-sonnet-4-5"),
    ("us.anthropic.claude-sonnet-4-6", "anthropic", "bedrock-us", "claude-sonnet-4-6"),
    ("claude-sonnet-4-5@20250929", "anthropic", "vertex_ai", "claude-sonnet-4-5"),
    ("Kimi-K2.5", "openrouter", "openrouter", "kimi-k2.5"),
    ("kimi-k2.5", " ", "moonshot", "kimi-k2.5"),
    ("gpt-5", "Azure/EU", "azure-eu", "gpt-5"),
    ("", "openai", "openai", ""),
]


@pytest.mark.parametrize(("spelling", "apart", "provider", "name"), APART)
def test_a_provider_that_stands_apart_counts(spelling: str, apart: str, provider: str, name: str) -> None:
    assert normalise(spelling, apart) == ModelName(provider, name)


@pytest.mark.parametrize("provider", [None, "openrouter", "bedrock", "azure", "anthropic", "vertex_ai"])
def test_every_name_in_the_table_is_stable_once_it_is_normalised(provider: str | None) -> None:
    for key in price_table()[1]:
        _is_stable(normalise(key, provider))


PIECES = st.sampled_from(
    [
        "us.",
        "eu/",
        "anthropic.",
        "anthropic/",
        "@",
        "-v1:0",
        ":free",
        "20250929",
        "-",
        "/",
        "p",
        "1",
        "x",
        "Σ",
        "İ",
        " ",
    ]
)
PROVIDERS = st.none() | st.sampled_from(["bedrock", "azure", "vertex_ai", "fireworks_ai", "oci", "openai"]) | st.text()


@given(st.text() | st.lists(PIECES).map("".join), PROVIDERS)
def test_any_text_is_stable_once_it_is_normalised(spelling: str, provider: str | None) -> None:
    _is_stable(normalise(spelling, provider))


def _is_stable(model: ModelName) -> None:
    assert normalise(model.name, model.provider) == model
    model.name.encode()


def test_a_name_of_megabytes_is_cut_and_costs_no_time() -> None:
    started = time.perf_counter()
    name = normalise("us.anthropic.\ud800\x1b[31m" + "a." * 5_000_000, "p" * 5_000_000)
    assert time.perf_counter() - started < 1
    assert len(str(name)) < 500
    assert "\x1b" not in str(name)
