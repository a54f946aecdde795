"""The one way to judge models: each call is looked up, paced, paid for under the cap, tried again, and kept."""

from __future__ import annotations

import asyncio
import random
import time
import warnings
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from adapter.prices import PriceBook
from adapter.trial import Tokens
from judges.llm.call import FATAL, Call, CallFailed, Reply, Why
from judges.llm.errors import Fault, fault
from judges.llm.limits import Bucket, Pace
from judges.llm.request import Form, arguments, first_form, in_body, next_form, takes_body, takes_marks
from judges.llm.response import FILTERED, added, answer, usage
from judges.llm.spend import Held, Ledger, Terms, most_tokens

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from types import TracebackType

    from judges.llm.batch import Batched
    from judges.llm.cache import Cache

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0
_GRACE = 5.0
"""Seconds beyond the time-out after which a call is cut that the HTTP client has not cut itself."""
_HANGS = 2
"""Tries of a call that hangs: each may be billed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one model is asked at most.

    Attributes:
        concurrency: calls at a time.
        rpm: calls a minute; None for what the provider takes.
        tpm: tokens a minute, likewise.
        timeout: seconds until a call is given up.
        tries: of one call.
    """

    concurrency: int = 16
    rpm: int | None = None
    tpm: int | None = None
    timeout: float = 120.0
    tries: int = 6


class _Again(Exception):  # noqa: N818  (no error: it asks for another try)
    """A try failed, and another may help."""

    def __init__(self, found: Fault) -> None:
        super().__init__(str(found.failure))
        self.fault = found


@dataclass(slots=True)
class _Model:
    """What is known of a model while it is asked."""

    pace: Pace
    form: Form
    marked: bool
    as_it_is: bool
    terms: Terms
    dead: CallFailed | None = None
    """why no other call to it needs to be tried"""


class Gateway:
    """Takes calls to models, and brings back their replies: an async context manager, which lives in one event loop.

    Args:
        book: where prices are looked up.
        max_spend_usd: what all calls together may cost; None lifts the cap.
        cache: the answers on disk; None for none.
        limits: what each model is asked at most.
        batched: what a batch answered, which was paid for under the same cap, and what it did not, which is not asked.
        sleep: waits; tests put another in its place.
        clock: seconds, from anywhere.
        chance: 0 to 1.

    Attributes:
        ledger: what was spent.
        sent: calls that were sent, each counted once however often it was tried.
        cached: calls that the cache answered.
        tokens: of all that was answered, as far as it was told; a count that any answer leaves out is None.
    """

    def __init__(
        self,
        *,
        book: PriceBook,
        max_spend_usd: float | None,
        cache: Cache | None,
        limits: Limits | None = None,
        batched: Batched | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.ledger = Ledger(max_spend_usd)
        self.sent = 0
        self.cached = 0
        self.tokens = Tokens(0, 0, 0, 0, 0)
        self._book = book
        self._cache = cache
        self._limits = limits or Limits()
        self._sleep = sleep
        self._clock = clock
        self._chance = chance
        self._models: dict[str, _Model] = {}
        self._flying: dict[str, asyncio.Future[Reply]] = {}
        self._batched = {} if batched is None else dict(batched.replies)
        self._unasked = {} if batched is None else batched.failed
        for reply in self._batched.values():
            self.sent += 1
            self.tokens = added(self.tokens, reply.tokens)
            self.ledger.paid(reply.usd)

    @property
    def spent_usd(self) -> float | None:
        """What the answered calls cost; None where that of any is not known."""
        return None if self.ledger.unknown else self.ledger.spent_usd

    @property
    def held_usd(self) -> float:
        """What unanswered calls may still come to: it counts under the cap."""
        return self.ledger.lost_usd + self.ledger.held_usd

    async def __aenter__(self) -> Self:
        import litellm

        litellm.suppress_debug_info = True
        # Said of LiteLLM's own types, whenever it loads another part of itself: nothing that a user could do about.
        warnings.filterwarnings("ignore", message=r".*`ReadOnly` qualifier", category=UserWarning)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from litellm.llms.custom_httpx.async_client_cleanup import close_litellm_async_clients

        await close_litellm_async_clients()

    def forget(self, keys: Iterable[str]) -> None:
        """Lets the next run ask these calls anew."""
        if self._cache is not None:
            self._cache.forget(keys)

    async def ask(self, call: Call) -> Reply:
        """The reply to a call: from the cache, from an equal call on its way, or from the model.

        Raises:
            CallFailed: there is none, and why.
        """
        key = call.key
        batched = self._batched.pop(key, None)
        if batched is not None:
            return _unfiltered(batched)
        kept = None if self._cache is None else self._cache.get(key)
        if kept is not None:
            self.cached += 1
            return kept
        if key in self._unasked:
            raise self._unasked[key]
        flying = self._flying.get(key)
        if flying is not None:
            self.cached += 1
            return replace(await asyncio.shield(flying), is_cached=True)
        future = asyncio.get_running_loop().create_future()
        self._flying[key] = future
        try:
            reply = await self._answered(call, key)
        except BaseException as error:
            future.set_exception(error if isinstance(error, CallFailed) else CallFailed(Why.UNAVAILABLE, "stopped"))
            future.exception()  # Nobody may be waiting for it.
            raise
        else:
            future.set_result(reply)
            return reply
        finally:
            del self._flying[key]

    async def _answered(self, call: Call, key: str) -> Reply:
        model = self._model(call.model)
        counted = False

        async def attempt() -> Reply:
            nonlocal counted
            if model.dead is not None:
                raise model.dead
            let_in = await model.pace.enter(most_tokens(call) // 4)
            try:
                held = await self.ledger.hold(model.terms.most(call))
                if not counted:
                    counted = True
                    self.sent += 1
                return await self._try(call, key, model, held, let_in)
            finally:
                model.pace.leave()

        tries = AsyncRetrying(
            retry=retry_if_exception_type(_Again),
            stop=lambda state: stop_after_attempt(_tries(state, self._limits.tries))(state),
            wait=self._wait,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            reply = await tries(attempt)
        except _Again as last:
            raise last.fault.failure from last
        except CallFailed as failure:
            if failure.why in FATAL:
                model.dead = failure
            raise
        if self._cache is not None:
            await self._cache.put(reply)
        return reply

    async def _try(self, call: Call, key: str, model: _Model, held: Held, let_in: float) -> Reply:
        """One try; whatever comes of it, the money that was set aside is accounted for."""
        import litellm

        started_at, began = datetime.now(UTC), self._clock()
        form = model.form
        given = arguments(call, form, marked=model.marked)
        given = in_body(given) if model.as_it_is else given
        timeout = self._limits.timeout
        try:
            async with asyncio.timeout(timeout + _GRACE):
                response = await litellm.acompletion(**given, timeout=timeout, num_retries=0, max_retries=0)
        except asyncio.CancelledError:
            self.ledger.lose(held)
            raise
        except Exception as error:
            found = fault(error)
            (self.ledger.lose if found.billed else self.ledger.release)(held)
            if found.limited:
                model.pace.limited(let_in, found.retry_after)
            weaker = next_form(form) if found.form else None
            if weaker is not None:
                model.form = weaker if model.form is form else model.form
                return await self._try(call, key, model, await self.ledger.hold(held.usd), let_in)
            if found.again:
                raise _Again(found) from error
            raise found.failure from error
        model.pace.succeeded()
        tokens, said_usd = usage(response)
        usd = model.terms.cost(tokens) if said_usd is None else said_usd
        self.ledger.settle(held, usd)
        self.tokens = added(self.tokens, tokens)
        text, finish = answer(response, form)
        return _unfiltered(
            Reply(
                key=key,
                text=text,
                finish=finish,
                tokens=tokens,
                usd=usd,
                is_cached=False,
                started_at=started_at,
                seconds=self._clock() - began,
            )
        )

    def _model(self, name: str) -> _Model:
        if name not in self._models:
            try:
                terms = Terms.of(name, self._book)
            except Exception as error:
                raise fault(error).failure from error
            limits = self._limits
            self._models[name] = _Model(
                pace=Pace(
                    limits.concurrency,
                    Bucket(limits.rpm, limits.rpm),
                    Bucket(limits.tpm, limits.tpm),
                    clock=self._clock,
                    sleep=self._sleep,
                ),
                form=first_form(name),
                marked=takes_marks(name),
                as_it_is=takes_body(name),
                terms=terms,
            )
        return self._models[name]

    def _wait(self, state: RetryCallState) -> float:
        """What the provider asks for, else twice as long each time, less up to half of it by chance."""
        error = None if state.outcome is None else state.outcome.exception()
        asked = error.fault.retry_after if isinstance(error, _Again) else None
        longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** (state.attempt_number - 1))
        jitter = longest * (0.5 + 0.5 * self._chance())
        # All that wait for the same moment would be too much again when it has come.
        return jitter if asked is None else asked + _FIRST_WAIT * self._chance()


def _tries(state: RetryCallState, usual: int) -> int:
    error = None if state.outcome is None else state.outcome.exception()
    hangs = isinstance(error, _Again) and error.fault.failure.why is Why.HANGS
    return min(usual, _HANGS) if hangs else usual


def _unfiltered(reply: Reply) -> Reply:
    """A reply, unless its provider held it back."""
    if reply.finish == FILTERED and not reply.text.strip():
        raise CallFailed(Why.FILTERED, "the model's provider held the answer back")
    return reply
