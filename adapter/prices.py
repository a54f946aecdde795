"""What a model's tokens cost, from the price table that LiteLLM brings along.

Only the table's file is read: importing LiteLLM itself takes seconds and may download a newer table, and a price
must not depend on when it was asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from adapter.loose import Json, mapping, number, read_json, text
from adapter.trial import Tokens

_TABLE = "model_prices_and_context_window_backup.json"
_PROVIDERS = {"google": "gemini"}
"""Providers that Harbor's `-m` and LiteLLM's table spell differently."""
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


@cache
def _table() -> tuple[str, Json]:
    spec = find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        return "litellm", {}
    path = Path(spec.submodule_search_locations[0]) / _TABLE
    return f"litellm {version('litellm')}", mapping(read_json(path))


@cache
def find_price(provider: str | None, model: str) -> Price | None:
    """The price of a model; None when the table does not hold it, or holds it without a price.

    The entry is `provider/model`, or `model` where its provider is the one asked for (or none was asked for). A
    model whose provider is not known is not guessed from its other providers' entries: they differ.
    """
    source, table = _table()
    provider = _PROVIDERS.get(provider or "", provider)
    names = [model] if provider is None else [f"{provider}/{model}", model]
    for name in names:
        entry = mapping(table.get(name))
        if not entry or (name == model and provider not in (None, text(entry.get("litellm_provider")))):
            continue
        rates = {key: rate for key, value in entry.items() if "cost" in key and (rate := number(value)) is not None}
        # A price of 0 both ways is how the table says that it does not know one.
        if rates.get("input_cost_per_token") or rates.get("output_cost_per_token"):
            return Price(name, source, rates)
    return None
