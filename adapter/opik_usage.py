"""The tokens of one LLM call as Opik counts them, and the provider as Opik names it.

From a span without a cost, Opik makes one up from model, provider and usage. Each provider's calculator reads keys of
its own (`SpanCostCalculator` in Opik's backend): an Anthropic call under OpenAI's keys would be billed in full for what
came from the cache. So the keys go with the provider; and where our cost is unknown, no key goes up that a calculator
reads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from adapter.loose import MAX_COUNT

if TYPE_CHECKING:
    from adapter.trial import Tokens

type Counts = dict[str, int | None]

_CLAUDE = "claude"
_VERTEX_CLAUDE = "anthropic_vertexai"


def opik_provider(provider: str | None, model: str | None = None) -> str | None:
    """A provider as Opik's price table names it; one that Opik does not know keeps its name.

    Args:
        provider: LiteLLM's name, a region behind it where prices differ by region (`bedrock-us`).
        model: what it serves: Vertex AI's Claude models have a provider of their own in Opik.
    """
    if provider is None:
        return None
    known = _known_providers()
    name = known.get(provider) or known.get(provider.partition("-")[0], provider)
    return _VERTEX_CLAUDE if name == known["vertex_ai"] and _CLAUDE in (model or "") else name


@cache
def _known_providers() -> dict[str, str]:
    """The SDK's own table; reading it loads the SDK."""
    from opik.llm_usage.litellm_provider_mapping import LITELLM_PROVIDER_MAPPING

    return {name: provider.value for name, provider in LITELLM_PROVIDER_MAPPING.items()}


def usage(tokens: Tokens | None, provider: str | None, *, has_cost: bool) -> dict[str, int] | None:
    """Opik's usage keys for one call.

    With a cost of ours beside them they are Opik's own, the provider's details under `original_usage`. Without one only
    totals go up, under names from which Opik computes no cost: it would make up a number for what is not known.

    Args:
        tokens: of the call; None when not known.
        provider: as Opik names it.
        has_cost: whether a cost is sent with them.

    Returns:
        Counts by key; None where none is known.
    """
    if tokens is None:
        return None
    prompt, output = tokens.prompt, tokens.output
    whole = None if prompt is None or output is None else prompt + output
    known: Counts
    if has_cost:
        details = _DETAILS.get(provider or "", _openai)(tokens)
        known = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": whole}
        known |= {f"original_usage.{name}": value for name, value in details.items()}
    else:
        known = {"input_tokens_sent": prompt, "output_tokens_received": output, "tokens_in_all": whole}
    # Sums of counts may be beyond what Opik can hold, and one such number has the whole request refused.
    return {name: value for name, value in known.items() if value is not None and value <= MAX_COUNT} or None


def _openai(tokens: Tokens) -> Counts:
    return {
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.output,
        "prompt_tokens_details.cached_tokens": tokens.cache_read,
        "completion_tokens_details.reasoning_tokens": tokens.reasoning,
    }


def _anthropic(tokens: Tokens) -> Counts:
    """What was read from the cache or written to it is not among the input."""
    return {
        "input_tokens": tokens.input,
        "output_tokens": tokens.output,
        "cache_read_input_tokens": tokens.cache_read,
        "cache_creation_input_tokens": tokens.cache_write,
    }


def _bedrock(tokens: Tokens) -> Counts:
    """As Anthropic's, in the spelling of the Converse API."""
    return {
        "inputTokens": tokens.input,
        "outputTokens": tokens.output,
        "cacheReadInputTokens": tokens.cache_read,
        "cacheWriteInputTokens": tokens.cache_write,
    }


def _google(tokens: Tokens) -> Counts:
    """The cached part is among the prompt; thoughts are counted beside the candidates."""
    visible = None if tokens.output is None else max(0, tokens.output - (tokens.reasoning or 0))
    return {
        "prompt_token_count": tokens.prompt,
        "cached_content_token_count": tokens.cache_read,
        "candidates_token_count": visible,
        "thoughts_token_count": tokens.reasoning,
    }


_DETAILS: dict[str, Callable[[Tokens], Counts]] = {
    "anthropic": _anthropic,
    _VERTEX_CLAUDE: _anthropic,
    "bedrock": _bedrock,
    "google_ai": _google,
    "google_vertexai": _google,
}
