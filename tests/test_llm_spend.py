"""The spend cap holds, whatever calls come to."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.prices import BUNDLED
from adapter.trial import Tokens
from judges.llm.call import Call, CallFailed, Part, Why
from judges.llm.spend import Ledger, most_tokens, worst_case

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def call(text: str = "text", system: str = "system", limit: int = 1_000) -> Call:
    return Call("openai/gpt-4.1-mini", system, (Part(text),), '{"type": "object"}', limit)


ENDS = ("answered", "unknown", "lost", "released")


@settings(max_examples=60, deadline=None)
@given(
    cap=st.floats(0.1, 5),
    calls=st.lists(st.tuples(st.floats(0.01, 1), st.floats(0, 1), st.sampled_from(ENDS)), max_size=40),
    together=st.integers(1, 8),
    seed=st.integers(0, 100),
)
def test_what_may_be_billed_never_passes_the_cap(
    cap: float, calls: list[tuple[float, float, str]], together: int, seed: int
) -> None:
    """Each call has a worst case, the part of it that it costs in the end, and how it ends."""
    chance = random.Random(seed)
    billed, capped = 0.0, 0
    taken: list[float] = []

    async def all_calls() -> Ledger:
        ledger = Ledger(cap)
        waiting = iter(calls)

        async def one() -> None:
            nonlocal billed, capped
            for most, part, ends in waiting:
                try:
                    held = await ledger.hold(most)
                except CallFailed as failure:
                    capped += failure.why is Why.CAPPED
                    continue
                taken.append(most)
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
                    assert ledger.spent_usd + ledger.lost_usd + ledger.held_usd <= cap + 1e-6
                if ends == "answered":
                    billed += most * part
                    ledger.settle(held, most * part)
                elif ends == "unknown":
                    billed += most
                    ledger.settle(held, None)
                elif ends == "lost":
                    billed += most
                    ledger.lose(held)
                else:
                    ledger.release(held)

        await asyncio.gather(*(one() for _ in range(together)))
        return ledger

    ledger = asyncio.run(all_calls())
    assert billed <= cap + 1e-6
    assert ledger.spent_usd + ledger.lost_usd == pytest.approx(billed)
    assert ledger.held_usd == 0
    assert len(taken) + capped == len(calls)


def test_a_call_waits_for_those_on_their_way_before_it_is_given_up() -> None:
    async def work() -> list[str]:
        ledger, said = Ledger(1.0), []
        first = await ledger.hold(0.9)

        async def second() -> None:
            held = await ledger.hold(0.5)
            said.append("second")
            ledger.settle(held, 0.5)

        task = asyncio.create_task(second())
        await asyncio.sleep(0)
        said.append("first")
        ledger.settle(first, 0.1)
        await task
        return said

    assert asyncio.run(work()) == ["first", "second"]


def test_what_cannot_fit_is_refused_once_nothing_is_on_its_way() -> None:
    async def work() -> None:
        ledger = Ledger(1.0)
        held = await ledger.hold(0.9)
        task = asyncio.create_task(ledger.hold(0.5))
        await asyncio.sleep(0)
        ledger.settle(held, 0.8)
        with pytest.raises(CallFailed, match=r"spend cap: it may cost \$0.5000, and \$0.2000 of \$1 are left"):
            await task

    asyncio.run(work())


def test_without_a_price_nothing_is_held_under_a_cap_and_anything_without_one() -> None:
    async def work() -> None:
        with pytest.raises(CallFailed, match="no price"):
            await Ledger(1.0).hold(None)
        free = Ledger(None)
        held = await free.hold(None)
        free.settle(held, None)
        assert (free.spent_usd, free.unknown) == (0, 1)

    asyncio.run(work())


def test_a_cap_of_nothing_lets_only_free_calls_through() -> None:
    async def work() -> None:
        ledger = Ledger(0.0)
        ledger.settle(await ledger.hold(0.0), 0.0)
        with pytest.raises(CallFailed, match="spend cap"):
            await ledger.hold(0.001)

    asyncio.run(work())


TEXTS = {
    "plain": "hello world " * 100,
    "digits": "1 2 3 4 5 " * 100,
    "hex": "9f86d081884c7d65" * 50,
    "emoji": "🙂" * 300,
    "symbols": "{}[]()<>;:" * 80,
    "chinese": "判断每一步" * 100,
    "accents": "a\u0301\u0300\u0302" * 200,
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_worst_case_is_no_less_than_what_such_a_call_costs(name: str) -> None:
    from litellm import token_counter

    price = BUNDLED.find("openai", "gpt-4.1-mini")
    assert price is not None
    asked = call(TEXTS[name])
    count = token_counter(model="gpt-4.1-mini", text=asked.text)
    assert count <= most_tokens(asked)
    cost = price.cost(Tokens(input=count, cache_read=0, cache_write=0, output=1_000, reasoning=0))
    most = worst_case(asked, price, NOW)
    assert most is not None
    assert cost is not None
    assert cost <= most


def test_tokens_that_are_written_to_a_cache_count_at_their_dearer_rate() -> None:
    price = BUNDLED.find("anthropic", "claude-sonnet-4-5")
    assert price is not None
    asked = call("x" * 100_000)
    sent = most_tokens(asked)
    written = price.cost(Tokens(input=0, cache_read=0, cache_write=sent, output=1_000, reasoning=0))
    fresh = price.cost(Tokens(input=sent, cache_read=0, cache_write=0, output=1_000, reasoning=0))
    assert written is not None
    assert fresh is not None
    assert written > fresh
    assert worst_case(asked, price, NOW) == pytest.approx(written)
