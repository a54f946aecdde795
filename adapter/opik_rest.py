"""The one way to Opik's REST API: every call is tried again where that may help, and reads come whole or not at all.

The SDK tries some of its calls three times on its own; here is a client without that, on the same connection, so that
one policy holds for all of them (`adapter/opik_patience.py`).
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import httpx
from opik.httpx_client import upload_transport
from opik.rest_api.client import OpikApi
from opik.rest_api.core.api_error import ApiError
from pydantic import BaseModel, ValidationError
from tenacity import RetryCallState, Retrying, retry_if_exception

from adapter.errors import IncompleteError
from adapter.opik_errors import telling
from adapter.opik_patience import Patience, Trouble, status_of, trouble

if TYPE_CHECKING:
    import opik

PAGE_ROWS = 2000
"""Opik gives at most 2000 rows in one answer."""
MOST_REFUSED = 20
"""So many rows of one kind are refused one by one; more are no matter of the rows."""
_SMALLEST_PAGE = 50
_TOLD = 5.0
"""Seconds of waiting from which on the user is told why."""
_ROWS_REFUSED = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)
_log = logging.getLogger(__name__)


class Identified(BaseModel):
    """What is read of each stored row: a model of its own, of the fields that are needed; the others are dropped."""

    id: str


@dataclass(frozen=True, slots=True)
class Refused[T]:
    """A row that Opik does not take, by itself."""

    row: T
    reason: str


def sleep(seconds: float) -> None:
    """Waits. The one place: tests let the time pass by putting another in its place."""
    time.sleep(seconds)


class Rest:
    """The API of one Opik.

    Attributes:
        http: the connection, for what the API has no call for.
        address: the API's address.
    """

    def __init__(self, client: opik.Opik) -> None:
        self.http, self.address = upload_transport(client.rest_client)
        # The SDK's own timeouts, for connecting and for reading; the type speaks of one number for both.
        timeout = cast("float", httpx.USE_CLIENT_DEFAULT)
        self._api = OpikApi(base_url=self.address, httpx_client=self.http, timeout=timeout)

    def call[T](self, what: str, ask: Callable[[OpikApi], T], there: Callable[[OpikApi], T | None] | None = None) -> T:
        """Makes one call.

        Args:
            what: what is done, for messages, such as `spans`.
            ask: the call; it may be made again, so whatever it does must be the same when done twice.
            there: for a call that makes something new each time: looks for what it was to make. An answer may be lost
                after the work was done, so it is asked before each further try, and where Opik says that it is there.

        Raises:
            IncompleteError: Opik refuses, or is still in trouble after the last try.
        """
        tried = itertools.count()

        def attempt() -> T:
            is_again = next(tried) > 0
            found = there(self._api) if is_again and there is not None else None
            return ask(self._api) if found is None else found

        patience = Patience()
        tries = Retrying(
            retry=retry_if_exception(lambda error: trouble(error) is not None),
            wait=patience.wait,
            stop=patience.stop,
            before_sleep=partial(_tell, what),
            sleep=lambda seconds: sleep(seconds),
            reraise=True,
        )
        with telling(what):
            return tries(attempt)

    def rows[M: Identified](
        self, what: str, model: type[M], page: Callable[[OpikApi, int, str | None], Iterator[bytes]]
    ) -> Iterator[M]:
        """All rows of a search, page by page. None is left out: a page that did not come whole is asked for again.

        Args:
            what: what is read, for messages.
            model: what is read of each.
            page: asks for so many rows after the row of this id.

        Raises:
            IncompleteError: as `call`.
        """
        size, cursor = PAGE_ROWS, None

        def read(after: str | None, api: OpikApi) -> list[M]:
            nonlocal size
            try:
                return list(_parsed(model, page(api, size, after)))
            except httpx.TransportError:
                size = max(size // 2, _SMALLEST_PAGE)  # A server may break off because the page is too much for it.
                raise

        # A short page may be one that broke off between two rows: only an empty one is the end.
        while found := self.call(what, partial(read, cursor)):
            yield from found
            cursor = found[-1].id

    def send[T](self, what: str, rows: Sequence[T], put: Callable[[OpikApi, Sequence[T]], object]) -> list[Refused[T]]:
        """Sends rows in one request, and in halves where Opik refuses it, so that only what it cannot take stays out.

        Args:
            what: what is sent, for messages.
            rows: at least one.
            put: sends them; doing so twice must be the same as once.

        Returns:
            The rows that are refused by themselves.

        Raises:
            IncompleteError: as `call`; or so many rows are refused that it is no matter of the rows.
        """
        refused: list[Refused[T]] = []
        waiting = [rows]
        while waiting:
            part = waiting.pop()
            try:
                self.call(what, lambda api, part=part: put(api, part))
            except IncompleteError as error:
                cause = error.__cause__
                if status_of(cause) not in _ROWS_REFUSED or len(refused) == MOST_REFUSED:
                    raise
                if len(part) == 1:
                    refused.append(Refused(part[0], error.what))
                else:
                    half = len(part) // 2
                    waiting += [part[half:], part[:half]]
        return refused


def _tell(what: str, state: RetryCallState) -> None:
    if state.upcoming_sleep < _TOLD or state.outcome is None:
        return
    limited = trouble(state.outcome.exception()) is Trouble.LIMITED
    why = "asks for a pause" if limited else "is not to be had"
    _log.warning("Opik %s: %s wait for %.0f seconds.", why, what, state.upcoming_sleep)


def _parsed[M: Identified](model: type[M], chunks: Iterator[bytes]) -> Iterator[M]:
    """The rows of an answer of one JSON object per line.

    Raises:
        httpx.RemoteProtocolError: it breaks off, or tells of a failure where the next row should be.
    """
    for line in _lines(chunks):
        try:
            yield model.model_validate_json(line)
        except ValidationError as error:
            said = line[:200].decode("utf-8", "replace")
            raise httpx.RemoteProtocolError(f"the answer broke off at {said!r}") from error


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest: list[bytes] = []
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        rest.append(first)
        for other in others:
            yield from filter(None, [b"".join(rest)])
            rest = [other]
    yield from filter(None, [b"".join(rest)])


def if_there[T](ask: Callable[[], T]) -> T | None:
    """What a call finds; None where Opik says that it is not there."""
    try:
        return ask()
    except ApiError as error:
        if error.status_code == HTTPStatus.NOT_FOUND:
            return None
        raise
