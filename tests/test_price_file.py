"""The user's own prices, and what is said where they cannot be used."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from adapter.errors import BadInputError
from adapter.home import home
from adapter.price_file import read_prices
from adapter.prices import BUNDLED, PriceBook, find_price
from adapter.trial import Service, Tokens

MILLION = Tokens(1_000_000, 0, 0, 1_000_000)
M = """
[[price]]
model = "m"
source = "https://example.test/prices"
date = 2026-11-01
input = 1
output = 2
"""


def book(folder: Path, text: str) -> PriceBook:
    path = folder / "prices.toml"
    path.write_text(text)
    return PriceBook.of(path)


FULL = """
[[price]]
provider = "moonshot"
model = "kimi-k2.5"
source = "https://platform.moonshot.ai"
date = 2026-11-01
currency = "USD"
input = 0.60
output = 3
cache_read = 0.10
cache_write = 0.75
cache_write_1h = 1.20
reasoning = 4

[[price.tier]]
above = 200000
input = 1.20
output = 6
cache_read = 0.20
reasoning = 8

[price.batch]
input = 0.30
output = 1.5

[price.flex]
input = 0.40
output = 2

[[price.flex.tier]]
above = 200000
input = 0.80

[price.priority]
input = 1.20
output = 6
"""


def test_a_price_is_in_usd_per_million_tokens_and_says_where_it_is_from(tmp_path: Path) -> None:
    found = book(tmp_path, FULL).find("moonshot", "kimi-k2.5")
    assert found is not None
    assert str(found) == "prices.toml 2026-11-01 (https://platform.moonshot.ai): moonshot/kimi-k2.5"
    assert found.named(Service("flex")) == f"{found} (flex)"
    # 1,000 x 0.6, 2,000 x 0.1, 2,000 x 0.75 and 1,000 x 1.2, 400 x 3, 100 x 4 millionths of a dollar.
    billed = found.bill(Tokens(1_000, 2_000, 3_000, 500, 100, 1_000))
    assert billed is not None
    assert billed.usd == pytest.approx(0.0051)
    # Above 200,000 tokens: 1.2 and 0.2, 6 and 8.
    assert found.cost(Tokens(100_000, 100_001, 0, 1_000, 500)) == pytest.approx(0.12 + 100_001 * 0.2e-6 + 0.003 + 0.004)


# A service tier, tokens, and the cost: what is left out keeps its proportion to the rest.
TIERS = [
    ("batch", Tokens(1_000, 0, 0, 1_000), 0.0018),
    ("batch", Tokens(0, 1_000, 0, 0), 0.00005),
    ("batch", Tokens(300_000, 0, 0, 0), 0.18),
    ("flex", Tokens(1_000, 0, 0, 1_000), 0.0024),
    ("flex", Tokens(300_000, 0, 0, 0), 0.24),
    ("priority", Tokens(1_000, 0, 0, 1_000), 0.0072),
    ("priority", Tokens(300_000, 0, 0, 0), 0.72),
    ("scale", Tokens(1_000, 0, 0, 1_000), None),
]


@pytest.mark.parametrize(("tier", "tokens", "usd"), TIERS)
def test_a_service_tier_has_its_own_rates(tmp_path: Path, tier: str, tokens: Tokens, usd: float | None) -> None:
    found = book(tmp_path, FULL).find("moonshot", "kimi-k2.5")
    assert found is not None
    assert found.cost(tokens, Service(tier)) == (None if usd is None else pytest.approx(usd))


# How a model is written in the file, and how a run names its provider and model; they are one.
SPELLINGS = [
    ('model = "moonshot/kimi-k2.5"', "moonshotai", "Kimi-K2.5"),
    ('provider = "moonshotai"\nmodel = "Kimi-K2.5"', "moonshot", "kimi-k2.5"),
    ('provider = "google"\nmodel = "gemini-2.5-pro"', "gemini", "gemini-2.5-pro"),
    ('model = "openrouter/anthropic/claude-sonnet-4.5"', "openrouter", "claude-sonnet-4-5"),
    ('model = "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"', "bedrock-us", "claude-sonnet-4-5"),
    ('provider = "acme"\nmodel = "Tiny"', "acme", "tiny"),
    # Without a provider, of whoever serves it.
    ('model = "claude-sonnet-4-5"', "acme", "claude-sonnet-4.5"),
    ('model = "claude-sonnet-4-5"', "anthropic", "claude-sonnet-4-5-20250929"),
    ('model = "claude-sonnet-4-5"', None, "claude-sonnet-4-5"),
]


@pytest.mark.parametrize(("written", "provider", "model"), SPELLINGS)
def test_a_model_is_found_however_it_is_spelled(tmp_path: Path, written: str, provider: str | None, model: str) -> None:
    found = book(tmp_path, M.replace('model = "m"', written)).find(provider, model)
    assert found is not None
    assert found.source.startswith("prices.toml")
    assert found.cost(MILLION) == pytest.approx(3)


def test_other_models_and_providers_have_litellms_price(tmp_path: Path) -> None:
    own = book(tmp_path, M.replace('"m"', '"openai/gpt-5"'))
    assert own.find("openai", "gpt-5") != find_price("openai", "gpt-5")
    assert own.find("azure", "gpt-5") == find_price("azure", "gpt-5")
    assert own.find("openai", "gpt-5-mini") == find_price("openai", "gpt-5-mini")
    assert own.find("openai", "no-such-model") is None


def test_a_price_for_one_provider_comes_before_one_for_all(tmp_path: Path) -> None:
    own = book(tmp_path, M + M.replace('"m"', '"acme/m"').replace("input = 1", "input = 5"))
    assert [own.find(provider, "m").cost(MILLION) for provider in ("acme", "other")] == pytest.approx([7, 3])  # type: ignore[union-attr]


# A time, and the input price then: 1 from 1 November on, 5 from 15 November on, both days in UTC.
DAYS = [
    (datetime(2026, 11, 14, 23, 59, tzinfo=UTC), 1),
    (datetime(2026, 11, 15, tzinfo=UTC), 5),
    (datetime(2026, 11, 15, 1, tzinfo=timezone(timedelta(hours=2))), 1),
    (datetime(2027, 1, 1, tzinfo=UTC), 5),
    # Before all of them, the first: whoever writes down a price means it for the runs that they have.
    (datetime(2025, 1, 1, tzinfo=UTC), 1),
    (None, 5),
]


@pytest.mark.parametrize(("at", "usd"), DAYS)
def test_the_price_in_force_at_the_time_counts(tmp_path: Path, at: datetime | None, usd: float) -> None:
    later = M.replace("2026-11-01", "2026-11-15").replace("input = 1", "input = 5")
    found = book(tmp_path, later + M).find("acme", "m", at)
    assert found is not None
    assert found.cost(Tokens(1_000_000, 0, 0, 0)) == pytest.approx(usd)


def test_a_price_says_its_file_in_text_that_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"p\xff.toml")
    path.write_text(M)
    assert str(read_prices(path).find(None, "m", None)).startswith("p\ufffd.toml ")


@pytest.mark.parametrize("tier", [None, "batch"])
def test_a_model_that_costs_nothing_is_known_to(tmp_path: Path, tier: str | None) -> None:
    free = M.replace("= 1\n", "= 0\n").replace("= 2\n", "= 0.0\n").replace('"m"', '"openai/m"')
    found = book(tmp_path, free).find("openai", "m")
    assert found is not None
    assert found.cost(Tokens(10, 20, 30, 40, 5, 6), Service(tier)) == 0


def test_a_rate_that_is_left_out_is_the_providers_or_unknown(tmp_path: Path) -> None:
    own = book(tmp_path, M + M.replace('"m"', '"acme/claude-x"'))
    reads = Tokens(0, 1_000_000, 0, 0)
    assert own.find("acme", "m").cost(reads) is None  # type: ignore[union-attr]
    assert own.find("acme", "claude-x").cost(reads) == pytest.approx(0.1)  # type: ignore[union-attr]


def test_what_a_price_for_all_providers_leaves_out_is_as_the_one_bills_that_serves_the_model(tmp_path: Path) -> None:
    own, reads = book(tmp_path, M), Tokens(0, 1_000_000, 0, 0)
    known = own.find("openai", "m")
    assert known is not None
    assert known.cost(reads) == known.cost(Tokens(1_000_000, 0, 0, 0))
    unknown = own.find("acme", "m")
    assert unknown is not None
    assert unknown.cost(reads) is None


def test_a_file_in_kilobenchs_home_is_found_by_itself() -> None:
    assert PriceBook.of(None) is BUNDLED
    home().mkdir(parents=True, exist_ok=True)
    (home() / "prices.toml").write_text(M)
    found = PriceBook.of(None).find("acme", "m")
    assert found is not None
    assert found.cost(MILLION) == pytest.approx(3)


def test_an_empty_file_has_no_prices(tmp_path: Path) -> None:
    assert book(tmp_path, "# nothing yet\n").find("acme", "m") is None


# A file, and what the error says of it.
REFUSED = {
    "an unknown key": (M + "inptu = 3", "price 1 (m): `inptu` is no key of a price file."),
    "an unknown key at the top": ("prices = 1", "`prices` is no key of a price file."),
    "a negative number": (M + "cache_read = -0.1", "price 1 (m): `cache_read` must not be negative."),
    "the second price": (M + M + "reasoning = -1", "price 2 (m): `reasoning` must not be negative."),
    "no number": (M + "cache_read = nan", "price 1 (m): `cache_read` must be a finite number."),
    "an infinite number": (M + "cache_read = inf", "price 1 (m): `cache_read` must be a finite number."),
    "a number in quotes": (M + 'cache_read = "0.1"', "price 1 (m): `cache_read` must be a number."),
    "a truth": (M + "cache_read = true", "price 1 (m): `cache_read` must be a number."),
    "too large a number": (M + "cache_read = 1e9", "price 1 (m): `cache_read` is too large"),
    "a huge number": (M + f"cache_read = 1{'0' * 400}", "price 1 (m): `cache_read` must be a number."),
    "a number of too many digits": (M + f"cache_read = {'1' * 5_000}", "is no TOML"),
    "another currency": (M + 'currency = "EUR"', 'price 1 (m): `currency` must be "USD"'),
    "no model": (M.replace('model = "m"', ""), "price 1: `model` is missing."),
    "no source": (M.replace("source", "# source"), "price 1 (m): `source` is missing."),
    "no date": (M.replace("date", "# date"), "price 1 (m): `date` is missing."),
    "no price": (M.replace("output", "# output"), "price 1 (m): `output` is missing."),
    "an empty model": (M.replace('"m"', '" "'), "`model` must not be empty."),
    "a model that is a number": (M.replace('"m"', "5"), "price 1: `model` must be text."),
    "a date in quotes": (M.replace("2026-11-01", '"2026-11-01"'), "`date` must be a date, such as 2026-11-01"),
    "a date with an hour": (M.replace("2026-11-01", "2026-11-01T00:00:00Z"), "`date` must be a date"),
    "the same twice": (M + M, "price 2 (m) is a second one for m from 2026-11-01 on."),
    "the same, spelled otherwise": (
        M.replace('"m"', '"google/gemini-2.5-pro"') + M.replace('"m"', '"Gemini-2.5-Pro"\nprovider = "gemini"'),
        "price 2 (Gemini-2.5-Pro) is a second one for gemini/gemini-2.5-pro",
    ),
    "a tier's key": (M + "[price.batch]\ninptu = 1", "price 1 (m): `batch.inptu` is no key of a price file."),
    "a size that is missing": (M + "[[price.tier]]\ninput = 1", "price 1 (m): `tier.1.above` is missing."),
    "a size that is none": (M + "[[price.tier]]\nabove = 0", "price 1 (m): `tier.1.above` must be more than 0."),
    "the same size twice": (
        M + "[[price.batch.tier]]\nabove = 5\n" * 2,
        "price 1 (m): `batch.tier` has two of the same `above`.",
    ),
    "single brackets": ('[price]\nmodel = "m"', "`price` must be a list: write its heading in double brackets"),
    "no TOML": ("price: 1", "is no TOML"),
    "nested too deep": (f"a = {'[' * 5_000}", "is no TOML"),
    "too large a file": ("#" * 1_000_001, "is larger than 1000000 bytes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_error_names_file_entry_and_key(tmp_path: Path, case: str) -> None:
    text, said = REFUSED[case]
    with pytest.raises(BadInputError) as caught:
        book(tmp_path, text)
    assert said in caught.value.what
    assert str(tmp_path / "prices.toml") in caught.value.what
    assert caught.value.hint


def test_what_is_no_file_of_text_is_refused(tmp_path: Path) -> None:
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'[[price]]\nmodel = "caf\xe9"\n')
    for path, said in [
        (latin, "is not UTF-8 text"),
        (tmp_path, "is no file"),
        (tmp_path / "missing.toml", "cannot be read"),
    ]:
        with pytest.raises(BadInputError, match=said):
            PriceBook.of(path)


def test_a_folder_at_home_is_refused_too() -> None:
    (home() / "prices.toml").mkdir(parents=True)
    with pytest.raises(BadInputError, match="is no file"):
        PriceBook.of(None)
