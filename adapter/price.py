"""One model's price, and what tokens cost by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from adapter import price_rates
from adapter.costs import Billed
from adapter.off_peak import OffPeak
from adapter.price_rates import TIERS, Level, Rates
from adapter.price_rules import Rules, rules
from adapter.trial import Service, Tokens

_ORDINARY = frozenset({"", "standard", "default", "auto", "on_demand", "standard_only", "traffic_type_unspecified"})
"""What providers write down for the service that everyone gets; `auto` leaves the choice to them."""
_OTHER_NAMES = {"batches": "batch", "on_demand_flex": "flex", "on_demand_priority": "priority", "fast": "priority"}
"""Other names of service tiers: Google's `trafficType`, and OpenAI's second name of its priority tier."""
_ANYWHERE = frozenset({"", "global", "not_available"})
"""Regions that cost nothing more."""
_FAST = "fast"
_ELSEWHERE = "*"
"""Stands for all regions that have no name in `Price.regions`."""


@dataclass(frozen=True, slots=True)
class Price:
    """One model's entry in a price table.

    Attributes:
        name: the entry's key.
        source: the table and its version, as in `litellm 1.106.2`.
        rates: US dollars per token, by LiteLLM's names.
        provider: LiteLLM's name of who serves the model; its rules fill in for rates that the table lacks.
        off_peak: other prices at some hours.
        fast: what all of a call's cost is multiplied by where it was served fast; None where that has no price.
        regions: what it is multiplied by where the model ran in a region; `*` for any that is not global.
    """

    name: str
    source: str
    rates: dict[str, float]
    provider: str | None = None
    off_peak: OffPeak | None = None
    fast: float | None = None
    regions: Mapping[str, float] = field(default_factory=dict[str, float])
    _rules: Rules = field(init=False, repr=False, compare=False)
    _levels: dict[str | None, tuple[Level, ...] | None] = field(init=False, repr=False, compare=False)
    """By service tier; found out when first asked for."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_rules", rules(self.provider, self.name))
        object.__setattr__(self, "_levels", {})

    def __str__(self) -> str:
        return f"{self.source}: {self.name}"

    def named(self, service: Service | None = None, at: datetime | None = None) -> str:
        """Which price was applied to a call: `litellm 1.106.2: gpt-5 (flex)`; as `str` for the ordinary service."""
        service = service or Service()
        tier, region = _tier(service.tier), _plain(service.region)
        applied = [tier] if tier in TIERS else []
        if tier is None and self.off_peak is not None and at is not None and self.off_peak.holds(at):
            applied.append("off-peak")
        if _plain(service.speed) == _FAST:
            applied.append(_FAST)
        if self._region(region) != 1.0:
            applied.append(region if region in self.regions else "regional")
        return f"{self} ({', '.join(applied)})" if applied else str(self)

    def cost(self, tokens: Tokens, service: Service | None = None, at: datetime | None = None) -> float | None:
        """What one call with these tokens costs, in US dollars; None as `bill`."""
        billed = self.bill(tokens, service, at)
        return None if billed is None else billed.usd

    def bill(self, tokens: Tokens, service: Service | None = None, at: datetime | None = None) -> Billed | None:
        """What one call with these tokens costs, by how they are billed.

        Fresh input, cache reads, cache writes (those for an hour apart), output and reasoning, each at its rate. A
        long prompt has the rates for its size, which is counted with what was cached. None when a count or the rate
        for tokens that were used is not known, when the service tier has no price here, and when the price depends on
        the time and that is not known.

        Args:
            tokens: of the call.
            service: how the call was served, where that is recorded.
            at: when, for prices that depend on it.
        """
        if tokens.input is None or tokens.output is None:
            return None
        rates = self._rates(tokens.prompt or 0, _tier(None if service is None else service.tier), at)
        factor = self._factor(service)
        if rates is None or factor is None:
            return None
        write = tokens.cache_write or 0
        for_an_hour = min(tokens.cache_write_1h or 0, write)
        reasoning = min(tokens.reasoning or 0, tokens.output)
        parts = (
            _part(tokens.input, rates.input),
            _part(tokens.cache_read or 0, rates.read_where_written if write else rates.read),
            _part(write - for_an_hour, rates.write),
            _part(for_an_hour, rates.write_1h),
            _part(tokens.output - reasoning, rates.reasoning if reasoning and self._rules.thinking else rates.output),
            _part(reasoning, rates.reasoning),
        )
        known = [part * factor for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        fresh, read, short, hour, output, thought = known
        return Billed(fresh, read, short + hour, output, thought)

    def cost_of_run(self, tokens: Tokens) -> float | None:
        """What many calls with these tokens in all cost; None where rates depend on each call: its prompt, its hour."""
        if self.off_peak is not None or len(self._at(None) or ()) != 1:
            return None
        usual = self._rates(0, None, None)
        if usual is None or (self._rules.thinking and tokens.reasoning and usual.output != usual.reasoning):
            return None
        return self.cost(tokens)

    def _rates(self, prompt: int, tier: str | None, at: datetime | None) -> Rates | None:
        """The rates for a prompt of this size."""
        if tier is None and self.off_peak is not None:
            if at is None:
                return None
            if self.off_peak.holds(at):
                return price_rates.off_peak(self.rates, self.off_peak.rates, self._rules)
        size = prompt if self._rules.sizes_begin_at else prompt - 1
        passed = [level.rates for level in self._at(tier) or () if size >= level.above]
        return passed[-1] if passed else None

    def _at(self, tier: str | None) -> tuple[Level, ...] | None:
        if tier not in self._levels:
            is_tier = tier is None or tier in TIERS
            self._levels[tier] = price_rates.levels(self.rates, self._rules, tier) if is_tier else None
        return self._levels[tier]

    def _factor(self, service: Service | None) -> float | None:
        """What all of the cost is multiplied by; None for a speed that has no price here."""
        if service is None:
            return 1.0
        speed = _plain(service.speed)
        faster = 1.0 if speed in _ORDINARY else self.fast if speed == _FAST else None
        return None if faster is None else faster * self._region(_plain(service.region))

    def _region(self, region: str) -> float:
        return 1.0 if region in _ANYWHERE else self.regions.get(region, self.regions.get(_ELSEWHERE, 1.0))


def _plain(name: str | None) -> str:
    return (name or "").strip().lower()


def _tier(name: str | None) -> str | None:
    """A service tier in one spelling; None for the ordinary service."""
    plain = _plain(name).replace("-", "_")
    return None if plain in _ORDINARY else _OTHER_NAMES.get(plain, plain)


def _part(used: int, rate: float | None) -> float | None:
    """What so many tokens cost; nothing where none were used, whatever the rate."""
    return 0.0 if not used else None if rate is None else used * rate
