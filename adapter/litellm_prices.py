"""Prices from the table that LiteLLM brings along.

Only the table's file is read: importing LiteLLM itself takes seconds and may download a newer table, and a price
must not depend on when it was asked for.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

from adapter.loose import Json, mapping, number, sequence, text
from adapter.models import ModelName, entries, explicit, price_table, provider_name
from adapter.off_peak import off_peak
from adapter.price import Price
from adapter.price_rates import INPUT, OUTPUT, WRITE

_PASS_ON = frozenset({"kilo", "kilocode", "openrouter"})
"""Gateways that bill what the provider bills, by their own word; the table has no prices of theirs."""
_MAKER_OF = {
    "claude-": "anthropic",
    "gemini-": "gemini",
    "gpt-": "openai",
    "grok-": "xai",
    "o3": "openai",
    "o4": "openai",
}
"""Whose models begin so, of those that cost the same wherever they are served."""
_MAKERS = re.compile(rf"(?!gpt-oss)(?:{'|'.join(_MAKER_OF)})")
_HOSTS_OF_CLAUDE = ("bedrock", "vertex_ai")
"""Hosts with Anthropic's own prices, whose entries outlive Anthropic's in the table."""
_HIT = "input_cost_per_token_cache_hit"
"""An older name of the rate for reading from the cache."""
_REGIONAL = "regional_processing_uplift_multiplier_"
"""What stands before a region in the name of OpenAI's factor for it."""


@cache
def find_price(provider: str | None, model: str) -> Price | None:
    """The price of a model; None when the table does not hold it, or holds it without a price.

    The entry is `provider/model`, or `model` where its provider is the one asked for (or none was asked for); else
    one that is another spelling of them (`adapter.models`). A model whose provider is not known is not guessed from
    its other providers' entries: they differ. Where one provider has several entries for a model (Bedrock's regions)
    that differ in their rates, the price is not known.
    """
    named = explicit(model, provider)
    if provider is not None:
        exact = [f"{named.provider}/{model}", model]
    else:
        exact = [model] if named.provider is not None else [model, named.name]
    for key in exact:
        price = priced_entry(key, None if provider is None else named.provider)
        if price is not None:
            return price
    known = [price for key in entries(named) if (price := priced_entry(key, None))]
    fullest = max(known, key=lambda price: len(price.rates), default=None)
    if fullest is None:
        return _passed_on(named) or _hosted(named)
    return fullest if all(_agree(fullest, price) for price in known) else None


def _passed_on(model: ModelName) -> Price | None:
    """The maker's price of a model that a gateway without prices of its own serves.

    Only of models that cost the same wherever they are served. Open weights are served by many, each at its own price.
    """
    maker = _MAKERS.match(model.name) if model.provider in _PASS_ON else None
    price = None if maker is None else find_price(_MAKER_OF[maker[0]], model.name)
    return None if price is None else replace(price, via=model.provider)


def _hosted(model: ModelName) -> Price | None:
    """The price of an older Claude that the table has only where others host it: Anthropic's list price there, too."""
    if model.provider != "anthropic" or not model.name.startswith("claude-"):
        return None
    found = (find_price(host, model.name) for host in _HOSTS_OF_CLAUDE)
    price = next((one for one in found if one is not None), None)
    return None if price is None else replace(price, provider="anthropic", regions={}, fast=None)


def priced_entry(key: str, provider: str | None) -> Price | None:
    """The price in one entry of the table, if it is this provider's."""
    source, table = price_table()
    entry = mapping(table.get(key))
    served_by = provider_name(text(entry.get("litellm_provider")) or "")
    if not entry or provider not in (None, served_by):
        return None
    rates = _rates(entry)
    # A price of 0 both ways is how the table says that it does not know one; a fee for each request is none per token.
    if not (rates.get(INPUT) or rates.get(OUTPUT)) or number(entry.get("input_cost_per_request")):
        return None
    multipliers = mapping(entry.get("provider_specific_entry"))
    return Price(
        name=key,
        source=source,
        rates=rates,
        provider=served_by,
        off_peak=off_peak(entry.get("off_peak_pricing")),
        fast=number(multipliers.get("fast")),
        regions=_regions(entry, multipliers),
    )


def _rates(entry: Json) -> dict[str, float]:
    """US dollars per token, by LiteLLM's names."""
    rates = {name: rate for name, value in entry.items() if "cost" in name and (rate := number(value)) is not None}
    if _HIT in rates:
        rates.setdefault("cache_read_input_token_cost", rates[_HIT])
    for tier in map(mapping, sequence(entry.get("tiered_pricing"))):
        # Alibaba's tiers: the whole request has the rates of the one that its prompt is in, as with any other's sizes.
        begins = number(next(iter(sequence(tier.get("range"))), None))
        if begins is not None:
            size = f"_above_{int(begins)}_tokens" if begins > 0 else ""
            found = {name + size: rate for name, value in tier.items() if (rate := number(value)) is not None}
            rates.update(found)
    return {name: rate for name, rate in rates.items() if not _is_no_write(name, rate, rates)}


def _is_no_write(name: str, rate: float, rates: dict[str, float]) -> bool:
    """Whether a rate for writing to the cache is none: nobody writes for less than plain input costs.

    Where the table says so, it says 0 for "no surcharge" (DeepSeek, Z.ai, OpenAI through Vercel), or has the rate for
    reading there (Gemini above 200,000 tokens, some of Azure's gpt-4o).
    """
    return name.startswith(WRITE) and rate < rates.get(name.replace(WRITE, INPUT), rates.get(INPUT, 0.0))


def _regions(entry: Json, multipliers: Json) -> dict[str, float]:
    found = {name: value for name, value in multipliers.items() if name != "fast"}
    found |= {name.removeprefix(_REGIONAL): value for name, value in entry.items() if name.startswith(_REGIONAL)}
    found["*"] = entry.get("regional_endpoint_uplift_multiplier")  # Google's, for any that is not global
    return {name: factor for name, value in found.items() if (factor := number(value)) is not None}


def _agree(one: Price, other: Price) -> bool:
    """Whether two entries have the same rate per token for whatever both of them have a rate for."""
    shared = one.rates.keys() & other.rates.keys()
    return all(one.rates[name] == other.rates[name] for name in shared if "token" in name)
