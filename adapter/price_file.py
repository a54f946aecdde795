"""The user's own prices: `prices.toml`, in USD per million tokens. docs/prices.md describes it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from adapter.errors import BadInputError
from adapter.models import ModelName, explicit
from adapter.price import Price
from adapter.price_rates import INPUT, OUTPUT, READ, REASONING, TIERS, WRITE, WRITE_1H
from adapter.trial import JsonValue

_LARGEST = 1_000_000
"""Bytes of the largest file that is read: some ten thousand prices."""
_HINT = "Correct the file; docs/prices.md shows its form."
_NAMES = {
    "input": INPUT,
    "output": OUTPUT,
    "cache_read": READ,
    "cache_write": WRITE,
    "cache_write_1h": WRITE_1H,
    "reasoning": REASONING,
}
"""The file's names of rates, and LiteLLM's."""

type _Usd = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False, strict=True)]
type _Text = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True, strict=True)]


class _OtherRates(BaseModel):
    """USD per million tokens, of what can do without a rate of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cache_read: _Usd | None = None
    cache_write: _Usd | None = None
    cache_write_1h: _Usd | None = None
    reasoning: _Usd | None = None


class _Rates(_OtherRates):
    input: _Usd | None = None
    output: _Usd | None = None


class _LongPrompt(_Rates):
    """The rates of prompts of more than so many tokens; what is left out stays as for shorter ones."""

    above: Annotated[int, Field(gt=0, lt=10**9, strict=True)]


class _Service(_Rates):
    """The rates of a service tier; what is left out follows from the rest, as with LiteLLM's table."""

    tier: tuple[_LongPrompt, ...] = ()


class _Entry(_OtherRates):
    """One `[[price]]`."""

    model: _Text
    source: _Text
    date: Annotated[date, Field(strict=True)]
    provider: _Text | None = None
    currency: Literal["USD"] = "USD"
    input: _Usd
    output: _Usd
    tier: tuple[_LongPrompt, ...] = ()
    batch: _Service | None = None
    flex: _Service | None = None
    priority: _Service | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    price: tuple[_Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Dated:
    """A price and the day from which it holds (UTC)."""

    since: date
    price: Price


@dataclass(frozen=True, slots=True)
class OwnPrices:
    """The prices in the user's file, by model; a model without a provider is that of whoever serves it."""

    by_model: dict[ModelName, tuple[Dated, ...]]
    _served: dict[ModelName, tuple[Dated, ...]] = field(
        default_factory=dict[ModelName, tuple[Dated, ...]], init=False, repr=False, compare=False
    )
    """Prices without a provider, by the model of the provider that was asked for."""

    def find(self, provider: str | None, model: str, at: datetime | None) -> Price | None:
        """The price in force: the latest that does not begin after `at`.

        A time before all of them has the first one, since whoever writes down today's price means it for the runs that
        they have. Without a time, it is the last one.
        """
        named = explicit(model, provider)
        dated = self.by_model.get(named) or self._of_whoever_serves(named)
        if not dated:
            return None
        if at is None:
            return dated[-1].price
        day = (at if at.tzinfo is None else at.astimezone(UTC)).date()
        return next((one.price for one in reversed(dated) if one.since <= day), dated[0].price)

    def _of_whoever_serves(self, named: ModelName) -> tuple[Dated, ...]:
        """The prices of a model without a provider: what they leave out is as the provider bills it that serves it."""
        if named not in self._served:
            dated = self.by_model.get(ModelName(None, named.name), ())
            self._served[named] = tuple(
                replace(one, price=replace(one.price, provider=named.provider)) for one in dated
            )
        return self._served[named]


def read_prices(path: Path) -> OwnPrices:
    """The user's prices.

    Raises:
        BadInputError: the file cannot be read, is no TOML, or something in it is no price; it names the entry and key.
    """
    table = _toml(path)
    try:
        file = _File.model_validate(table)
    except ValidationError as error:
        raise BadInputError(f"{path}: {_problem(error, table)}", _HINT) from error
    found: dict[ModelName, dict[date, Price]] = {}
    for number, entry in enumerate(file.price, start=1):
        model = explicit(entry.model, entry.provider)
        dated = found.setdefault(model, {})
        if entry.date in dated:
            raise BadInputError(
                f"{path}: price {number} ({entry.model}) is a second one for {model} from {entry.date} on.",
                "Remove one of the two, or give each the date from which it holds.",
            )
        dated[entry.date] = _price(entry, model, path, number)
    return OwnPrices({model: tuple(Dated(day, dated[day]) for day in sorted(dated)) for model, dated in found.items()})


def _toml(path: Path) -> dict[str, JsonValue]:
    try:
        if path.exists() and not path.is_file():
            raise BadInputError(f"{path} is no file.", "Give a file of prices.")
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror or error}.", "Give a file of prices.") from error
    if len(content) > _LARGEST:
        raise BadInputError(f"{path} is larger than {_LARGEST} bytes: no file of prices is.", _HINT)
    try:
        return cast("dict[str, JsonValue]", tomllib.loads(content.decode()))
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}.", _HINT) from error
    except (ValueError, RecursionError) as error:  # a ValueError is also what a number of 5,000 digits raises
        raise BadInputError(f"{path} is no TOML: {error or 'it is nested too deep'}.", _HINT) from error


def _price(entry: _Entry, model: ModelName, path: Path, number: int) -> Price:
    rates: dict[str, float] = {}
    services: dict[str | None, _Service | _Entry | None] = {
        None: entry,
        "batch": entry.batch,
        "flex": entry.flex,
        "priority": entry.priority,
    }
    for tier, service in services.items():
        if service is None:
            continue
        sizes = [long.above for long in service.tier]
        if len(set(sizes)) < len(sizes):
            which = "tier" if tier is None else f"{tier}.tier"
            raise BadInputError(
                f"{path}: price {number} ({entry.model}): `{which}` has two of the same `above`.", _HINT
            )
        rates.update(_named(service, tier))
    spelled = entry.model if entry.provider is None else f"{entry.provider}/{entry.model}"
    file = os.fsencode(path.name).decode("utf-8", "replace")  # It stands in the tables, which hold text only.
    return Price(spelled, f"{file} {entry.date} ({entry.source})", rates, provider=model.provider)


def _named(service: _Service | _Entry, tier: str | None) -> Iterator[tuple[str, float]]:
    """The rates of a service tier in US dollars per token, by LiteLLM's names."""
    ending = "" if tier is None else f"_{TIERS[tier]}"
    for rates, size in [(service, ""), *((long, f"_above_{long.above}_tokens") for long in service.tier)]:
        for key, name in _NAMES.items():
            rate: float | None = getattr(rates, key)
            if rate is not None:
                yield f"{name}{size}{ending}", rate / 1_000_000


_SAID = {
    "extra_forbidden": "is no key of a price file",
    "missing": "is missing",
    "greater_than_equal": "must not be negative",
    "greater_than": "must be more than 0",
    "less_than": "is too large",
    "less_than_equal": "is too large: prices are in USD per million tokens",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_too_long": "is too long",
    "date_type": "must be a date, such as 2026-11-01 (without quotes)",
    "literal_error": 'must be "USD": prices in another currency cannot be added up',
    "tuple_type": "must be a list: write its heading in double brackets, as in [[price]]",
}
"""What is wrong, by pydantic's name of it."""


def _problem(error: ValidationError, table: dict[str, JsonValue]) -> str:
    """The first thing that is wrong, with the entry and the key that it is in."""
    first = error.errors(include_url=False)[0]
    where = [part + 1 if isinstance(part, int) else part for part in first["loc"]]
    said = _SAID.get(first["type"], first["msg"])
    key = ".".join(str(part) for part in where)
    if len(where) > 1:
        key = ".".join(str(part) for part in where[2:]) or str(where[0])
        return f"price {where[1]}{_model(table, first['loc'])}: `{key}` {said}."
    return f"`{key}` {said}."


def _model(table: dict[str, JsonValue], where: tuple[int | str, ...]) -> str:
    """The model of the entry that a problem is in, where that much can be read."""
    entries, number = table.get("price"), where[1]
    entry = entries[number] if isinstance(entries, list) and isinstance(number, int) else None
    model = entry.get("model") if isinstance(entry, dict) else None
    return f" ({model})" if isinstance(model, str) and model else ""
