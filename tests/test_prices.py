"""Rates that depend on the prompt's size or on how long the cache is kept."""

from __future__ import annotations

import pytest

from adapter.prices import Price, find_price
from adapter.trial import Tokens

BASE = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "cache_creation_input_token_cost": 3e-6}


def price(**rates: float) -> Price:
    return Price("m", "table", BASE | rates)


@pytest.mark.parametrize("thousands", [100, 128, 200, 256, 272, 512, 1000])
def test_a_prompt_above_any_size_that_the_entry_names_has_that_rate(thousands: int) -> None:
    table = price(**{f"input_cost_per_token_above_{thousands}k_tokens": 5e-6})
    assert table.cost(Tokens(thousands * 1000, 0, 0, 0)) == pytest.approx(thousands * 1e-3)
    assert table.cost(Tokens(thousands * 1000 + 1, 0, 0, 0)) == pytest.approx(thousands * 5e-3, rel=1e-4)


def test_the_highest_size_that_is_passed_decides() -> None:
    table = price(input_cost_per_token_above_128k_tokens=9e-6, input_cost_per_token_above_1000k_tokens=4e-6)
    assert table.cost(Tokens(500_000, 0, 0, 0)) == pytest.approx(4.5)
    assert table.cost(Tokens(2_000_000, 0, 0, 0)) == pytest.approx(8)


# Another rate of the entry, and whether a run's cost can then be had from its total tokens.
OTHER_RATES = [
    ("cache_creation_input_token_cost_above_1hr", True),
    ("input_cost_per_token_above_200k_tokens_priority", True),
    ("input_cost_per_character_above_128k_tokens", True),
    ("input_cost_per_token_above_512k_tokens", False),
    ("cache_creation_input_token_cost_above_1hr_above_200k_tokens", False),
]


@pytest.mark.parametrize(("rate", "is_known"), OTHER_RATES)
def test_a_runs_tokens_have_a_cost_unless_rates_depend_on_each_prompts_size(rate: str, is_known: bool) -> None:
    cost = price(**{rate: 9e-6}).cost_of_run(Tokens(1_000_000, 0, 0, 500_000))
    assert cost == (pytest.approx(2.0) if is_known else None)


def test_cache_writes_for_an_hour_have_their_own_rate_or_no_known_cost() -> None:
    tokens = Tokens(0, 0, 300_000, 0, cache_write_1h=100_000)
    assert price(cache_creation_input_token_cost_above_1hr=6e-6).cost(tokens) == pytest.approx(1.2)
    assert price().cost(tokens) is None


def test_the_tables_entries_with_tiers_are_read() -> None:
    found = find_price("anthropic", "claude-sonnet-4-5")
    assert found is not None
    assert found.cost(Tokens(0, 0, 1_000, 0, cache_write_1h=1_000)) == pytest.approx(0.006)
    tiered = find_price("gemini", "gemini-2.5-pro")
    assert tiered is not None
    assert tiered.cost_of_run(Tokens(10, 0, 0, 10)) is None
