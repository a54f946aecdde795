"""What providers are known to bill where a price table has no rate; docs/prices.md says where each rule comes from."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Rules:
    """A provider's own rules, as multiples of its input rate; None where nobody can tell.

    Attributes:
        read: reading from the cache.
        read_where_written: reading from the cache, in a call that writes to it too, where that differs.
        write: writing to the cache. A provider that has no rate for it bills it as the input that it is.
        write_1h: writing to the cache for an hour.
        batch: what a batch costs, as a multiple of the ordinary price.
        flex_is_batch: whether the flex tier has the prices of batches.
        reads_keep_price: whether reads from the cache cost the same in a discounted service tier.
        sizes_begin_at: whether a long prompt's rates begin at the size that is named, and not above it.
        thinking: whether reasoning makes all of a call's output cost what reasoning costs.
    """

    read: float | None = None
    read_where_written: float | None = None
    write: float = 1.0
    write_1h: float | None = None
    batch: float | None = None
    flex_is_batch: bool = False
    reads_keep_price: bool = False
    sizes_begin_at: bool = False
    thinking: bool = False


_ANY = Rules()
_HALF = Rules(batch=0.5)
# Cached input at the full price where no other is published: OpenAI's page has a dash there (gpt-5-pro, gpt-4).
_OPENAI = Rules(read=1.0, batch=0.5, flex_is_batch=True)
_GOOGLE = Rules(batch=0.5, flex_is_batch=True, reads_keep_price=True)
# Reads at 20 % for the cache that is always on. One that a request asks for costs 125 % to write and 10 % to read, and
# a call has one or the other: what writes is the latter.
_ALIBABA = Rules(read=0.2, read_where_written=0.1, write=1.25, batch=0.5, thinking=True)

_BY_PROVIDER = {
    "anthropic": _HALF,
    "openai": _OPENAI,
    "azure": Rules(read=1.0, batch=0.5),
    "gemini": _GOOGLE,
    "vertex_ai": _GOOGLE,
    "bedrock": _HALF,
    "bedrock_mantle": _HALF,
    "mistral": _HALF,
    "groq": _HALF,
    "fireworks_ai": Rules(read=0.5, batch=0.5),
    "xai": Rules(sizes_begin_at=True),
    "dashscope": _ALIBABA,
    "qwencloud": _ALIBABA,
    "qwen_ai_platform": _ALIBABA,
}


def rules(provider: str | None, model: str) -> Rules:
    """The rules for a model at a provider, in LiteLLM's spelling; a region behind the provider makes no difference.

    Claude has Anthropic's multipliers wherever it is served: 0.1 for reading, 1.25 for writing for five minutes, 2 for
    an hour. They stack with the discount of a batch.
    """
    found = _BY_PROVIDER.get((provider or "").partition("-")[0], _ANY)
    if "claude" in model.lower():
        return replace(found, read=0.1, write=1.25, write_1h=2.0, flex_is_batch=False, reads_keep_price=False)
    return found
