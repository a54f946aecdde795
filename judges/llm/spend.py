"""The spend cap: what a call may cost at most is set aside before it is sent, so that the cap is never passed.

    spent + lost + held <= cap, always

`spent` is what answered calls cost, `held` what those on their way may cost, and `lost` what those may cost that were
sent and never answered: the provider may bill them, so they stay under the cap for as long as it counts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from adapter.prices import PriceBook, is_free
from adapter.trial import Service, Tokens
from judges.llm.call import CallFailed, Why

if TYPE_CHECKING:
    from adapter.price import Price
    from judges.llm.call import Call

_FRAME_TOKENS = 2_000
"""What providers put around a prompt: roles, the instructions for tools and for answers in JSON."""
_ROUNDING = 1e-9
"""US dollars by which sums of floats may be off."""


def most_tokens(call: Call) -> int:
    """At least as many tokens as a prompt has: a token is one byte of UTF-8 or more."""
    return len(call.system.encode()) + len(call.text.encode()) + 2 * len(call.schema) + _FRAME_TOKENS


def worst_case(call: Call, price: Price, at: datetime, service: Service | None = None) -> float | None:
    """The most that a call can cost, in US dollars: all of the prompt at its dearest rate, and the longest answer.

    None where the price does not tell.
    """
    sent, answered = most_tokens(call), call.max_tokens
    plain = price.cost(Tokens(input=sent, cache_read=0, cache_write=0, output=answered, reasoning=0), service, at)
    thought = price.cost(
        Tokens(input=sent, cache_read=0, cache_write=0, output=answered, reasoning=answered), service, at
    )
    written = price.cost(Tokens(input=0, cache_read=0, cache_write=sent, output=answered, reasoning=0), service, at)
    known = [cost for cost in (plain, thought, written) if cost is not None]
    return max(known) if plain is not None else None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a model charges.

    Attributes:
        price: None where no table holds it.
        is_free: whether it costs nothing by its nature.
        service: how it is served; None for the ordinary way.
    """

    price: Price | None
    is_free: bool = False
    service: Service | None = None

    @classmethod
    def of(cls, model: str, book: PriceBook, service: Service | None = None) -> Terms:
        """Those of the model of this name. Raises what LiteLLM does where no provider has one."""
        import litellm

        bare, provider, *_ = litellm.get_llm_provider(model)
        return cls(book.find(provider, bare, datetime.now(UTC)), is_free(provider, bare), service)

    def most(self, call: Call) -> float | None:
        """What a call can cost now at most, in US dollars; None where that is not known."""
        if self.is_free:
            return 0.0
        return None if self.price is None else worst_case(call, self.price, datetime.now(UTC), self.service)

    def cost(self, tokens: Tokens) -> float | None:
        """What a call with these tokens costs now, in US dollars; None where that is not known."""
        if self.is_free:
            return 0.0
        return None if self.price is None else self.price.cost(tokens, self.service, datetime.now(UTC))


@dataclass(slots=True)
class Held:
    """Money that is set aside for a call. `usd` is None where there is no cap and no price."""

    usd: float | None
    is_open: bool = True


@dataclass(slots=True)
class Ledger:
    """What calls cost, and may cost, under one cap.

    Attributes:
        cap_usd: None where there is none.
        spent_usd: what answered calls cost, as far as that is known.
        lost_usd: what calls may cost that were sent and not answered.
        held_usd: what calls on their way may cost.
        unknown: calls that were billed, for what is not known.
    """

    cap_usd: float | None
    spent_usd: float = 0.0
    lost_usd: float = 0.0
    held_usd: float = 0.0
    unknown: int = 0
    _open: int = 0
    _waiting: deque[asyncio.Future[None]] = field(default_factory=lambda: deque["asyncio.Future[None]"]())

    async def hold(self, usd: float | None) -> Held:
        """Sets money aside, as soon as what others hold and do not need leaves room for it.

        Raises:
            CallFailed: it does not fit, whatever the calls on their way come to.
        """
        if self.cap_usd is None:
            return self._take(usd)
        if usd is None:
            raise CallFailed(Why.NO_PRICE, "its cost is not known, and there is a cap on spending")
        while not self._fits(usd):
            if not self._open:
                left = max(0.0, self.cap_usd - self.spent_usd - self.lost_usd)
                raise CallFailed(Why.CAPPED, f"it may cost ${usd:.4f}, and ${left:.4f} of ${self.cap_usd:g} are left")
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
        return self._take(usd)

    def settle(self, held: Held, usd: float | None) -> None:
        """The call was answered, and cost this much; where that is not known, all that was set aside counts."""
        if usd is None:
            self.unknown += 1
            self.lost_usd += held.usd or 0.0
        else:
            self.spent_usd += usd
        self._give_back(held)

    def paid(self, usd: float | None) -> None:
        """A call was answered for which nothing was set aside here: in a batch, under the same cap."""
        self.unknown += usd is None
        self.spent_usd += usd or 0.0

    def lose(self, held: Held) -> None:
        """The call was sent, and nobody knows whether it is billed."""
        self.unknown += held.usd is None
        self.lost_usd += held.usd or 0.0
        self._give_back(held)

    def release(self, held: Held) -> None:
        """The call was not sent, or certainly not billed."""
        self._give_back(held)

    def _fits(self, usd: float) -> bool:
        in_all = self.spent_usd + self.lost_usd + self.held_usd + usd
        return self.cap_usd is None or in_all <= self.cap_usd + _ROUNDING

    def _take(self, usd: float | None) -> Held:
        self.held_usd += usd or 0.0
        self._open += 1
        return Held(usd)

    def _give_back(self, held: Held) -> None:
        if not held.is_open:
            raise ValueError("money that was set aside is given back once")
        held.is_open = False
        self._open -= 1
        self.held_usd = self.held_usd - (held.usd or 0.0) if self._open else 0.0
        # Each looks again whether it fits: what was given back may be room for one, for several, or for none.
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
