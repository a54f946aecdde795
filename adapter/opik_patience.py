"""When a call to Opik is tried again, and how long is waited before: the policy, and nothing that sends.

How long one call is waited for in all depends on what goes wrong, and is kept for each kind on its own:

| what goes wrong | waited in all |
| --- | --- |
| Opik says that it gets too much (429) | 2 minutes |
| it cannot be reached, breaks off, or fails (5xx) | half a minute |
| it does not answer within the client's timeout (100 s by default) | 2 seconds, which are 3 tries |
| it says that the row is being changed or is there already (409) | 4 seconds |
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus

import httpx
from opik.rest_api.core.api_error import ApiError
from tenacity import RetryCallState

_FIRST_WAIT = 0.5
"""Seconds; each further wait of the same kind is twice as long."""
_FOR_GOOD = frozenset((501, 505, 507))
"""Failures of a server that no second try changes: not there, not spoken, no space."""
_BROKEN_OFF = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError, httpx.DecodingError)
_A_TIME = 1_000_000_000
"""A reset that is larger than this is a time (seconds since 1970), a smaller one is a wait."""
_WINDOW = re.compile(r"opik-.+-remaining-limit-ttl-millis")


class Trouble(Enum):
    """A kind of failure that may pass: seconds that are waited for it in all, and at a time where nothing is asked."""

    LIMITED = (120.0, 30.0)
    AWAY = (30.0, 8.0)
    SLOW = (2.0, 1.0)
    CLASH = (4.0, 2.0)

    @property
    def most(self) -> float:
        """Seconds that one call is waited for in all."""
        return self.value[0]

    @property
    def longest(self) -> float:
        """Seconds of one wait."""
        return self.value[1]


def trouble(error: BaseException | None) -> Trouble | None:
    """What kind of failure this is; None where it will not pass."""
    if isinstance(error, httpx.TimeoutException):
        return Trouble.SLOW
    if isinstance(error, _BROKEN_OFF):
        return Trouble.AWAY
    status = status_of(error)
    if status is None or status in _FOR_GOOD:
        return None
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Trouble.LIMITED
    if status == HTTPStatus.CONFLICT:
        return Trouble.CLASH
    may_pass = status >= 500 or status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY) or _is_cut(error)
    return Trouble.AWAY if may_pass else None


def _is_cut(error: BaseException | None) -> bool:
    """Whether this is a success that cannot be read because it came in part; a web page is no part of an answer."""
    if not isinstance(error, ApiError) or (error.status_code or 0) >= HTTPStatus.MULTIPLE_CHOICES:
        return False
    return not str(error.body).lstrip().startswith("<")


def status_of(error: BaseException | None) -> int | None:
    """The HTTP status behind an error."""
    if isinstance(error, ApiError):
        return error.status_code
    return error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None


def seconds_asked(error: BaseException | None, now: datetime) -> float | None:
    """How long the server asks to wait; None where it does not say.

    Read are `Retry-After` (seconds or a date), `Retry-After-Ms`, `RateLimit-Reset` and `X-RateLimit-Reset` (seconds
    to wait, or a time), and Opik's own `Opik-*-Remaining-Limit-TTL-Millis` of the limits that are used up.

    Args:
        error: what the call came to.
        now: the current time, for dates that come without the server's own.
    """
    if isinstance(error, ApiError):
        return _asked(httpx.Headers(error.headers or {}), now)
    return _asked(error.response.headers, now) if isinstance(error, httpx.HTTPStatusError) else None


def _asked(headers: httpx.Headers, now: datetime) -> float | None:
    # A date is by the server's clock, and so is what it is compared with.
    now = _date(headers.get("date")) or now
    after, reset = headers.get("retry-after"), headers.get("ratelimit-reset", headers.get("x-ratelimit-reset"))
    waits = (_thousandth(headers.get("retry-after-ms")), _seconds(after), _until(_date(after), now), _reset(reset, now))
    found = next((wait for wait in (*waits, _used_up(headers)) if wait is not None), None)
    return None if found is None else max(found, 0.0)


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _thousandth(text: str | None) -> float | None:
    seconds = _seconds(text)
    return None if seconds is None else seconds / 1000


def _date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def _until(date: datetime | None, now: datetime) -> float | None:
    return None if date is None else (date - now).total_seconds()


def _reset(text: str | None, now: datetime) -> float | None:
    seconds = _seconds(text)
    if seconds is None or seconds < _A_TIME:
        return seconds
    return (seconds / 1000 if seconds > _A_TIME * 1000 else seconds) - now.timestamp()


def _used_up(headers: Mapping[str, str]) -> float | None:
    """The longest wait of the limits of which nothing remains: Opik tells of all that apply."""
    waits = [
        wait
        for name, value in headers.items()
        if _WINDOW.fullmatch(name.lower())
        and headers.get(name.removesuffix("-ttl-millis")) == "0"
        and (wait := _thousandth(value)) is not None
    ]
    return max(waits, default=None)


class Patience:
    """What tenacity asks while one call is tried: how long to wait, and whether that is too long."""

    def __init__(self) -> None:
        self._waited: dict[Trouble, float] = {}
        self._times: Counter[Trouble] = Counter()

    def wait(self, state: RetryCallState) -> float:
        """Seconds before the next try: what the server asks, else ever longer."""
        error = _error(state)
        asked = seconds_asked(error, datetime.now(UTC))
        if asked is not None:
            return max(asked, _FIRST_WAIT)
        kind = trouble(error)
        return 0.0 if kind is None else min(_FIRST_WAIT * 2 ** self._times[kind], kind.longest)

    def stop(self, state: RetryCallState) -> bool:
        """Whether waiting that long is more than this kind of failure is worth."""
        kind = trouble(_error(state))
        if kind is None:
            return True
        waited = self._waited.get(kind, 0.0) + state.upcoming_sleep
        if waited > kind.most:
            return True
        self._waited[kind] = waited
        self._times[kind] += 1
        return False


def _error(state: RetryCallState) -> BaseException | None:
    return None if state.outcome is None else state.outcome.exception()
