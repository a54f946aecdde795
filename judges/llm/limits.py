"""How fast a model may be asked: calls at a time, calls and tokens a minute, all of which give way to a 429.

Calls at a time follow additive increase and multiplicative decrease (Chiu and Jain, 1989): halved when a provider says
that it is too much, once for all calls that were on their way then, and let grow by one for each round of successes.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

_BURST = 10.0
"""Seconds' worth of calls that may go at once after a lull."""
_BACK = 0.8
"""Of the rate at which a provider said that it was too much."""
_GROWTH = 1.1
"""By so much a rate that was learnt may grow in a minute without trouble."""
_ENOUGH = 10
"""Calls in a minute from which on their rate says something."""
_MINUTE = 60.0


@dataclass(slots=True)
class Bucket:
    """So many a minute, with a burst after a lull (a token bucket).

    Attributes:
        per_minute: None for no limit.
        most: the limit that was asked for, which a learnt one never passes; None for none.
    """

    per_minute: float | None
    most: float | None = None
    _level: float = 0.0
    _at: float | None = None

    def take(self, count: float, now: float) -> float:
        """Takes from it, and says how many seconds to wait before that is allowed."""
        if self.per_minute is None:
            return 0.0
        rate = self.per_minute / _MINUTE
        room = rate * _BURST
        self._level = room if self._at is None else min(room, self._level + (now - self._at) * rate)
        self._at = now
        self._level -= count
        return max(0.0, -self._level / rate)

    def limit(self, per_minute: float) -> None:
        """Learns that this rate is as much as there is."""
        self.per_minute = per_minute if self.per_minute is None else min(self.per_minute, per_minute)

    def grow(self, minutes: float) -> None:
        """Tries a little more after so long without trouble."""
        if self.per_minute is not None and self.per_minute != self.most:
            grown = self.per_minute * _GROWTH**minutes
            self.per_minute = grown if self.most is None else min(grown, self.most)


@dataclass(slots=True)
class Pace:
    """The limits of one model.

    Attributes:
        most: calls at a time at most.
        requests: calls a minute.
        tokens: tokens a minute.
        clock: seconds, from anywhere.
        sleep: waits.
    """

    most: int
    requests: Bucket = field(default_factory=lambda: Bucket(None))
    tokens: Bucket = field(default_factory=lambda: Bucket(None))
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _limit: float = 0.0
    _inside: int = 0
    _waiting: deque[asyncio.Future[None]] = field(default_factory=lambda: deque["asyncio.Future[None]"]())
    _paused_until: float = 0.0
    _cut_at: float = float("-inf")
    _grown_at: float = float("-inf")
    _sent: deque[tuple[float, int]] = field(default_factory=lambda: deque[tuple[float, int]]())

    def __post_init__(self) -> None:
        self._limit = float(self.most)

    @property
    def limit(self) -> int:
        """Calls at a time, as of now."""
        return max(1, int(self._limit))

    async def enter(self, tokens: int) -> float:
        """Waits until a call of so many tokens may be sent.

        Returns:
            when it was let in, by the clock.
        """
        while self._inside >= self.limit:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                self._wake()  # It may have been this one's turn.
                raise
        self._inside += 1
        try:
            now = self.clock()
            wait = max(self.requests.take(1, now), self.tokens.take(tokens, now))
            if wait > 0:
                await self.sleep(wait)
            while (wait := self._paused_until - self.clock()) > 0:
                await self.sleep(wait)
        except BaseException:
            self.leave()
            raise
        now = self.clock()
        self._sent.append((now, tokens))
        while self._sent[0][0] < now - _MINUTE:
            self._sent.popleft()
        return now

    def leave(self) -> None:
        """A call is over."""
        self._inside -= 1
        self._wake()

    def succeeded(self) -> None:
        """A call was answered: a little more may be tried."""
        self._limit = min(float(self.most), self._limit + 1 / max(1.0, self._limit))
        now = self.clock()
        since = now - max(self._grown_at, self._cut_at)
        if since >= _MINUTE and self._cut_at > float("-inf"):
            self._grown_at = now
            self.requests.grow(1.0)
            self.tokens.grow(1.0)

    def limited(self, sent_at: float, retry_after: float | None) -> None:
        """A provider says that it is too much.

        Args:
            sent_at: when the call was let in.
            retry_after: seconds that the provider asks for, of all calls to this model; None where it does not say.
        """
        now = self.clock()
        if retry_after is not None:
            self._paused_until = max(self._paused_until, now + retry_after)
        if sent_at <= self._cut_at:
            return  # It was on its way when the last cut was made, and says what is known.
        self._cut_at = now
        self._limit = max(1.0, self._limit / 2)
        count = len(self._sent)
        span = max(now - self._sent[0][0], 1.0) if self._sent else 1.0
        if count >= _ENOUGH:
            self.requests.limit(_BACK * count * _MINUTE / max(span, 1.0))
            self.tokens.limit(_BACK * sum(tokens for _, tokens in self._sent) * _MINUTE / span)

    def _wake(self) -> None:
        free = self.limit - self._inside
        while free > 0 and self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                free -= 1
