"""Why the tokens of an LLM call have no price."""

from __future__ import annotations

from datetime import datetime

from adapter.price import Price
from adapter.trial import Service, Tokens


def why_unpriced(
    model: str | None, price: Price | None, tokens: Tokens | None, service: Service | None, at: datetime | None
) -> str | None:
    """Why counted tokens have no price; None where they are not counted, which is said by the reader's findings.

    Args:
        model: whose they are, with its provider; None when not known.
        price: of that model; None when no table has one.
        tokens: of the call; None when not known.
        service: how the call was served.
        at: when.
    """
    if tokens is None or tokens.input is None or tokens.output is None:
        return None
    if model is None:
        return "tokens of a model that is not named"
    if price is None:
        return f"no table has a price for {model}"
    return f"{price} has no price for {_lacking(price, tokens, service, at)}"


def _lacking(price: Price, tokens: Tokens, service: Service | None, at: datetime | None) -> str:
    """What a price does not say of these tokens."""
    plain = Tokens(input=tokens.input, output=tokens.output)
    if price.bill(plain, service, at) is None:
        tier = None if service is None else service.tier
        return "how and when it was served" if tier is None else f"the service tier {tier}"
    read = Tokens(input=tokens.input, output=tokens.output, cache_read=tokens.cache_read)
    return "reading from the cache" if price.bill(read, service, at) is None else "writing to the cache"
