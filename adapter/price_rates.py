"""A price table's rates for one model, resolved: what each kind of token costs at a service tier and a prompt's size.

The names are LiteLLM's, whose grammar is `<rate>[_above_<size>_tokens][_<tier>]`, in US dollars per token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from adapter.price_rules import Rules

INPUT, OUTPUT, READ = "input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost"
WRITE, WRITE_1H = "cache_creation_input_token_cost", "cache_creation_input_token_cost_above_1hr"
REASONING, EXPLICIT_READ = "output_cost_per_reasoning_token", "explicit_cache_read_input_token_cost"
NAMES = (INPUT, OUTPUT, READ, WRITE, WRITE_1H, REASONING, EXPLICIT_READ)
TIERS = {"batch": "batches", "flex": "flex", "priority": "priority", "balanced": "balanced", "ultrafast": "ultrafast"}
"""Service tiers, and the ending of their rates' names."""
_NAME = re.compile(
    rf"(?P<rate>{'|'.join(sorted(NAMES, key=len, reverse=True))})"
    rf"(?:_above_(?P<size>\d+)(?P<thousands>k?)_tokens)?(?:_(?P<tier>{'|'.join(TIERS.values())}))?"
)


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars per token, by how it is billed; None where that is not known.

    Attributes:
        input: at the full price.
        output: but for reasoning.
        read: read from a cache.
        write: written to a cache for five minutes, or for however long the provider keeps it.
        write_1h: written to a cache for an hour.
        reasoning: reasoning tokens.
        read_where_written: read from a cache by a call that writes to one too.
    """

    input: float | None
    output: float | None
    read: float | None
    write: float | None
    write_1h: float | None
    reasoning: float | None
    read_where_written: float | None


@dataclass(frozen=True, slots=True)
class Level:
    """The rates for prompts of more than so many tokens (of all prompts, where that is -1)."""

    above: int
    rates: Rates


def levels(rates: Mapping[str, float], rules: Rules, tier: str | None) -> tuple[Level, ...] | None:
    """The rates at a service tier (None for the ordinary service), from the smallest prompts to the largest.

    None where the tier has no price: the table has none, and the provider's rules tell of none.
    """
    card = _card(rates)
    sizes = sorted({size for _, size, of in card if of in (None, tier)} | {-1})
    if tier is None:
        return tuple(Level(size, _complete(_ordinary(card, size), rules)) for size in sizes)
    if (INPUT, -1, tier) not in card and (OUTPUT, -1, tier) not in card:
        if tier == "flex" and rules.flex_is_batch:
            return levels(rates, rules, "batch")
        if tier != "batch" or rules.batch is None:
            return None
    return tuple(Level(size, _complete(_at_tier(card, size, tier, rules), rules)) for size in sizes)


type _Card = dict[tuple[str, int, str | None], float]
"""Rates by name, size of the prompt (-1 for the rate that is not for long ones) and service tier."""


def _card(rates: Mapping[str, float]) -> _Card:
    tiers = {ending: tier for tier, ending in TIERS.items()}
    card: _Card = {}
    for name, rate in rates.items():
        found = _NAME.fullmatch(name)
        if found is not None:
            size = int(found["size"]) * (1000 if found["thousands"] else 1) if found["size"] else -1
            card[found["rate"], size, tiers[found["tier"]] if found["tier"] else None] = rate
    return card


def _passed(card: _Card, name: str, size: int, tier: str | None) -> float | None:
    """The rate of the largest size up to this one that the table has this rate for, sizes of all prompts apart."""
    sizes = [above for rate, above, of in card if rate == name and of == tier and -1 < above <= size]
    return card[name, max(sizes), tier] if sizes else None


def _ordinary(card: _Card, size: int) -> dict[str, float | None]:
    return {name: _or(_passed(card, name, size, None), card.get((name, -1, None))) for name in NAMES}


def _at_tier(card: _Card, size: int, tier: str, rules: Rules) -> dict[str, float | None]:
    """The rates at a service tier, and for those that the table lacks there, what follows from the others."""
    ordinary, short = _ordinary(card, size), _ordinary(card, -1)
    found = {name: _tiered(card, name, size, tier, ordinary[name], short[name], rules) for name in NAMES}
    if found[INPUT] is None and tier == "batch":
        found[INPUT] = _times(ordinary[INPUT], rules.batch)
    ratio = _ratio(found[INPUT], ordinary[INPUT])
    if found[OUTPUT] is None and ratio is not None and ratio <= 1:
        # A discount is one for all. What a surcharge makes of output, the one for input does not tell: LiteLLM's entry
        # for gpt-5-nano has that alone, fifty times the ordinary rate.
        found[OUTPUT] = _times(ordinary[OUTPUT], ratio)
    for name in (READ, WRITE, WRITE_1H, EXPLICIT_READ):
        if found[name] is None:
            keeps = name in (READ, EXPLICIT_READ) and rules.reads_keep_price
            found[name] = ordinary[name] if keeps else _times(ordinary[name], ratio)
    if found[REASONING] is None:
        found[REASONING] = _times(ordinary[REASONING], _ratio(found[OUTPUT], ordinary[OUTPUT]))
    return found


def _tiered(
    card: _Card, name: str, size: int, tier: str, ordinary: float | None, short: float | None, rules: Rules
) -> float | None:
    """The table's rate at a service tier; `ordinary` is that without the tier, `short` that for short prompts."""
    long, flat = _passed(card, name, size, tier), card.get((name, -1, tier))
    if long is not None or flat is None or ordinary == short:
        return flat if long is None else long
    if rules.long_has_no_surcharge and short is not None and flat > short:
        return ordinary
    return _times(ordinary, _ratio(flat, short))


def _ratio(one: float | None, other: float | None) -> float | None:
    """How one rate compares with another; 1 where both are 0."""
    if one is None or other is None:
        return None
    return one / other if other else 1.0 if one == 0 else None


def _times(rate: float | None, factor: float | None) -> float | None:
    if rate == 0:
        return 0.0  # what costs nothing costs nothing at any multiple
    return None if rate is None or factor is None else rate * factor


def off_peak(rates: Mapping[str, float], instead: Mapping[str, float], rules: Rules) -> Rates:
    """The rates of the hours that have their own: flat ones, in place of those of a service tier or a long prompt."""
    card = _card({**rates, **instead})
    return _complete(_ordinary(card, -1), rules)


def _complete(found: Mapping[str, float | None], rules: Rules) -> Rates:
    """The rates, and for those that the table lacks, what the provider is known to bill."""
    fresh = found[INPUT]
    read = _or(found[READ], _times(fresh, rules.read))
    write, hour = found[WRITE], _or(found[WRITE_1H], _times(fresh, rules.write_1h))
    if write is None:
        write = _times(fresh, rules.write)
        hour = _or(hour, write)  # where writing has no rate of its own, neither has how long it is kept
    explicit = found[EXPLICIT_READ]
    if found[READ] is None:
        explicit = _or(explicit, _times(fresh, rules.read_where_written))
    output, reasoning = found[OUTPUT], found[REASONING]
    return Rates(
        input=fresh,
        output=output,
        read=read,
        write=write,
        write_1h=hour,
        reasoning=_or(reasoning, output),
        read_where_written=_or(explicit, read),
    )


def _or(rate: float | None, other: float | None) -> float | None:
    return other if rate is None else rate
