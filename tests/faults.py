"""A proxy on loopback in front of a store that lets one thing go wrong at the call that a test chooses."""

from __future__ import annotations

import gzip
import select
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

_HOP = ("connection", "transfer-encoding", "content-length", "keep-alive")
_PING = "GET /api/is-alive/ping"
"""The SDK asks this in a thread of its own, at any time."""
_LONG = 30.0
"""Seconds after which a client that should have given up has a fault of its own."""


@dataclass(frozen=True)
class Answer:
    """What the store said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer goes out at once and in one piece: small ones would wait for each other's acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server
    said: bytes
    """the body of what is asked, as text"""

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.said = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        fault = self.server.proxy.next_fault(f"{self.command} {urlsplit(self.path).path}")

        def forward() -> Answer:
            return self.server.proxy.forward(self.command, self.path, dict(self.headers), body)

        if fault is None:
            self.give(forward())
        else:
            fault(self, forward)

    def give(self, answer: Answer) -> None:
        """The whole answer."""
        self.head(answer.status, answer.headers, len(answer.body))
        self.wfile.write(answer.body)

    def head(self, status: int, headers: Mapping[str, str], length: int | None) -> None:
        """The head of an answer; without a length it lasts until the connection is closed."""
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        if length is None:
            self.send_header("Connection", "close")
        elif status != 204:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def hang_up(self, *, rudely: bool = False) -> None:
        """Closes the connection, with a reset where it is to be rude."""
        self.wfile.flush()
        self.close_connection = True
        if rudely:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Nothing."""

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815


type Fault = Callable[[_Handler, Callable[[], Answer]], None]


def status(code: int, headers: Callable[[], dict[str, str]] = dict, body: bytes = b'{"errors":["fault"]}') -> Fault:
    """The store does not get the call, and the client gets this status."""
    return lambda client, _: client.give(Answer(code, {"Content-Type": "application/json"} | headers(), body))


def reset(*, after: bool) -> Fault:
    """The connection is reset, before or after the store did what it was asked."""

    def fault(client: _Handler, forward: Callable[[], Answer]) -> None:
        if after:
            forward()
        client.hang_up(rudely=True)

    return fault


def slow(*, after: bool) -> Fault:
    """No answer comes until the client gives up."""

    def fault(client: _Handler, forward: Callable[[], Answer]) -> None:
        if after:
            forward()
        gave_up, _, _ = select.select([client.connection], [], [], _LONG)
        assert gave_up
        client.close_connection = True

    return fault


def half(client: _Handler, forward: Callable[[], Answer]) -> None:
    """The answer breaks off in the middle, and one can tell: its length was said."""
    answer = forward()
    if answer.body:
        client.head(answer.status, answer.headers, len(answer.body))
        client.wfile.write(answer.body[: len(answer.body) // 2])
    else:
        client.wfile.write(b"HTTP/1.1 20")
    client.hang_up()


def half_unnoticed(client: _Handler, forward: Callable[[], Answer]) -> None:
    """The answer breaks off in the middle, as if it were all."""
    answer = forward()
    client.head(answer.status, answer.headers, None if answer.body else 0)
    client.wfile.write(answer.body[: len(answer.body) // 2])
    client.hang_up()


def short(client: _Handler, forward: Callable[[], Answer]) -> None:
    """Of an answer in lines the first half comes, as if it were all; others come whole."""
    answer = forward()
    lines = answer.body.splitlines(keepends=True)
    kept = lines[: max(1, len(lines) // 2)] if len(lines) > 1 else lines
    client.give(Answer(answer.status, answer.headers, b"".join(kept)))


def refusing(code: int, is_refused: Callable[[bytes], bool]) -> Fault:
    """The store does not take some bodies."""

    def fault(client: _Handler, forward: Callable[[], Answer]) -> None:
        if is_refused(client.said):
            status(code)(client, forward)
        else:
            client.give(forward())

    return fault


def _in_seconds(seconds: int) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


FAULTS: dict[str, Fault] = {
    "429": status(429),
    "429, seconds": status(429, lambda: {"Retry-After": "3"}),
    "429, a date": status(429, lambda: {"Retry-After": _in_seconds(40)}),
    "429, Opik's own": status(429, lambda: {"RateLimit-Reset": "53", "Opik-User-Remaining-Limit": "0"}),
    "500": status(500),
    "502": status(502, lambda: {"Content-Type": "text/html"}, b"<html>Bad Gateway</html>"),
    "503": status(503, lambda: {"Retry-After": "1"}),
    "409": status(409),
    "reset before": reset(after=False),
    "reset after": reset(after=True),
    "slow before": slow(after=False),
    "slow after": slow(after=True),
    "half": half,
    "half, unnoticed": half_unnoticed,
    "short": short,
}
"""What may go wrong with one call."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    proxy: FaultyProxy

    def handle_error(self, *_: Any) -> None:
        """Clients that are gone are the point of it."""


class FaultyProxy:
    """Hands every call on to a store, but for those that `plan` has a fault for.

    Attributes:
        url: what a client takes for the store's address.
        calls: what was asked, such as `POST /api/v1/private/spans/batch`.
        plan: the fault at a call, by its number from 0 and by itself; None for none.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self._lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self._server.server_port}{self._upstream.path}"
        self.calls: list[str] = []
        self.plan: Callable[[int, str], Fault | None] = lambda _number, _call: None

    def next_fault(self, call: str) -> Fault | None:
        """Notes a call; what goes wrong with it."""
        if call == _PING:
            return None
        with self._lock:
            self.calls.append(call)
            return self.plan(len(self.calls) - 1, call)

    def begin(self, plan: Callable[[int, str], Fault | None] = lambda _number, _call: None) -> None:
        """Counts from 0 again, with another plan."""
        with self._lock:
            self.calls, self.plan = [], plan

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Asks the store."""
        connection = HTTPConnection(self._upstream.netloc, timeout=_LONG)
        try:
            sent = {name: value for name, value in headers.items() if name.lower() not in (*_HOP, "host")}
            connection.request(method, path, body, sent | {"Content-Length": str(len(body))})
            answer: HTTPResponse = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def __enter__(self) -> Self:
        # The poll decides how long the end takes.
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
