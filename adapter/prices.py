"""What a model's tokens cost, from the price table that LiteLLM brings along.

Only the table's file is read: importing LiteLLM itself takes seconds and may download a newer table, and a price
must not depend on when it was asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from adapter.costs import Billed
from adapter.loose import mapping, number, text
from adapter.models import entries, explicit, price_table, provider_name
from adapter.trial import Service, Tokens

_LOCAL = frozenset({"docker_model_runner", "lemonade", "llamafile", "lm_studio", "ollama", "oobabooga"})
"""LiteLLM's names of what serves models on the user's own machine. (vLLM's are served by anyone, at any price.)"""
_INPUT, _READ, _OUTPUT = "input_cost_per_token", "cache_read_input_token_cost", "output_cost_per_token"
_WRITE, _WRITE_1H = "cache_creation_input_token_cost", "cache_creation_input_token_cost_above_1hr"
_TIER = re.compile(r"(?P<rate>.+)_above_(?P<thousands>\d+)k_tokens")
"""A rate of its own for prompts of more than so many thousand tokens."""


@dataclass(frozen=True, slots=True)
class Price:
    """One model's entry in a price table.

    Attributes:
        name: the entry's key.
        source: the table and its version, as in `litellm 1.106.2`.
        rates: US dollars per token, by LiteLLM's names.
    """

    name: str
    source: str
    rates: dict[str, float]

    def __str__(self) -> str:
        return f"{self.source}: {self.name}"

    def cost(self, tokens: Tokens) -> float | None:
        """What one call with these tokens costs, in US dollars.

        Fresh input, cache reads, cache writes (those for an hour apart) and output, each at its rate; reasoning
        tokens are output. A long prompt has the rates of its tier. None when a count or the rate for tokens that
        were used is not known.
        """
        if tokens.input is None or tokens.output is None:
            return None
        for_an_hour = min(tokens.cache_write_1h or 0, tokens.cache_write or 0)
        parts = (
            (tokens.input, _INPUT),
            (tokens.cache_read or 0, _READ),
            ((tokens.cache_write or 0) - for_an_hour, _WRITE),
            (for_an_hour, _WRITE_1H),
            (tokens.output, _OUTPUT),
        )
        cost = 0.0
        for used, rate in parts:
            if used:
                price = self._rate(rate, tokens.prompt or 0)
                if price is None:
                    return None
                cost += used * price
        return cost

    def bill(self, tokens: Tokens, service: Service | None = None, at: datetime | None = None) -> Billed | None:
        """What one call with these tokens costs, by how they are billed; None where a count or a rate is not known.

        Args:
            tokens: of the call.
            service: how the call was served, where that is recorded.
            at: when, for prices that depend on it.
        """
        del service, at
        usd = self.cost(tokens)
        if usd is None:
            return None
        prompt = tokens.prompt or 0
        write = tokens.cache_write or 0
        hour = min(tokens.cache_write_1h or 0, write)

        def part(used: int, rate: str) -> float:
            return used * (self._rate(rate, prompt) or 0.0)

        reasoning = min(tokens.reasoning or 0, tokens.output or 0)
        return Billed(
            part(tokens.input or 0, _INPUT),
            part(tokens.cache_read or 0, _READ),
            part(write - hour, _WRITE) + part(hour, _WRITE_1H),
            part((tokens.output or 0) - reasoning, _OUTPUT),
            part(reasoning, _OUTPUT),
        )

    def cost_of_run(self, tokens: Tokens) -> float | None:
        """What many calls with these tokens in all cost; None where the rates depend on the size of each prompt."""
        has_tiers = any(self._tiers(rate) for rate in (_INPUT, _READ, _WRITE, _WRITE_1H, _OUTPUT))
        return None if has_tiers else self.cost(tokens)

    def _rate(self, rate: str, prompt: int) -> float | None:
        """The rate of the highest tier below this prompt's size, else the ordinary one."""
        passed = [(tier, price) for tier, price in self._tiers(rate).items() if prompt > tier]
        return max(passed)[1] if passed else self.rates.get(rate)

    def _tiers(self, rate: str) -> dict[int, float]:
        """Prompt sizes in tokens, and the rate above each."""
        return {
            int(found["thousands"]) * 1000: price
            for name, price in self.rates.items()
            if (found := _TIER.fullmatch(name)) and found["rate"] == rate
        }


class PriceBook:
    """Where prices are looked up: the user's own first, then the table that LiteLLM brings along."""

    def find(self, provider: str | None, model: str, at: datetime | None = None) -> Price | None:
        """The price of a model at a time; None when nothing holds it, or holds it without a price."""
        del at
        return find_price(provider, model)


BUNDLED = PriceBook()
"""LiteLLM's table alone."""


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
        price = _price(key, None if provider is None else named.provider)
        if price is not None:
            return price
    known = [price for key in entries(named) if (price := _price(key, None))]
    fullest = max(known, key=lambda price: len(price.rates), default=None)
    return fullest if fullest and all(_agree(fullest, price) for price in known) else None


def _price(key: str, provider: str | None) -> Price | None:
    """The price in one entry of the table, if it is this provider's."""
    source, table = price_table()
    entry = mapping(table.get(key))
    if not entry or provider not in (None, provider_name(text(entry.get("litellm_provider")) or "")):
        return None
    rates = {name: rate for name, value in entry.items() if "cost" in name and (rate := number(value)) is not None}
    # A price of 0 both ways is how the table says that it does not know one.
    return Price(key, source, rates) if rates.get(_INPUT) or rates.get(_OUTPUT) else None


def _agree(one: Price, other: Price) -> bool:
    """Whether two entries have the same rate per token for whatever both of them have a rate for."""
    shared = one.rates.keys() & other.rates.keys()
    return all(one.rates[name] == other.rates[name] for name in shared if "token" in name)


def is_free(provider: str | None, model: str) -> bool:
    """Whether a model costs nothing by its nature, so that a recorded cost of 0 is what it cost.

    That is so of names that end with `:free` (OpenRouter's mark, which other gateways have taken over), and of
    what runs on the user's own machine. Ollama's `-cloud` models do not. A price of 0 in LiteLLM's table is no sign
    of it: most of these say that the price is not known, or that a subscription covers it.
    """
    named = explicit(model, provider)
    if named.name.endswith(":free"):
        return True
    return named.provider in _LOCAL and not named.name.endswith(("-cloud", ":cloud"))
