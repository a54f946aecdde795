"""Running the embedded store: in a thread of this process, or in the foreground."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import APIRouter, FastAPI

from adapter.embedded_opik.app import create_app
from adapter.embedded_opik.db import utc_now
from adapter.embedded_opik.errors import StoreError
from adapter.embedded_opik.guard import Guard
from adapter.embedded_opik.throttle import Throttle

HOST = "127.0.0.1"
_READY_SECONDS = 30.0
_STOP_SECONDS = 1


class PortInUseError(StoreError):
    """The port is taken by another program."""


class EmbeddedOpik:
    """The embedded store in a daemon thread of this process, on a loopback port.

    Args:
        path: The SQLite file of the store.
        port: The port to take; 0 takes any free one.
        ingestion_window: See `create_app`.
        clock: See `create_app`.

    Raises:
        StoreError: On `start`, where the file or the port cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        port: int = 0,
        *,
        ingestion_window: timedelta | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._path = path
        self._port = port
        self._window = ingestion_window
        self._clock = clock
        self._app: FastAPI | None = None
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def app(self) -> FastAPI:
        """The running application (its `state` holds the counters)."""
        if self._app is None:
            raise RuntimeError("the embedded store is not started")
        return self._app

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def url(self) -> str:
        """What the Opik SDK takes as its host."""
        return f"http://{HOST}:{self._port}/api"

    def start(self) -> Self:
        """Open the store and listen; it answers when this returns."""
        listener = _listen(self._port)
        try:
            self._app = create_app(self._path, ingestion_window=self._window, clock=self._clock)
        except StoreError:
            listener.close()
            raise
        self._port = listener.getsockname()[1]
        self._server = _Server(_config(self._app))
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="embedded-opik", daemon=True)
        self._thread.start()
        if not self._server.ready.wait(_READY_SECONDS) or not self._server.started:
            self.stop()
            raise StoreError("The embedded store did not start.", "Run it alone with `kilobench serve` to see why.")
        return self

    def stop(self) -> None:
        """Finish what is being answered, for at most a second, and close the store. Safe to call twice."""
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is None or thread is None:
            return
        server.should_exit = True
        thread.join(_STOP_SECONDS + 5)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def serve(
    path: Path, port: int, listening: Callable[[], None] = lambda: None, beside: Sequence[APIRouter] = ()
) -> None:
    """Run the store in the foreground until Ctrl-C.

    Args:
        path: The SQLite file of the store.
        port: The port to take.
        listening: Called once the port and the file are open.
        beside: Further pages that it shows.

    Raises:
        PortInUseError: Another program listens on the port.
        StoreError: The file cannot be opened.
    """
    listener = _listen(port)
    try:
        app = create_app(path, beside=beside)
    except StoreError:
        listener.close()
        raise
    _run(app, listener, listening)


def serve_pages(router: APIRouter, port: int, listening: Callable[[], None]) -> None:
    """Serve pages without a store, in the foreground until Ctrl-C, to this machine alone.

    Args:
        router: The pages.
        port: The port to take.
        listening: Called once the port is open.

    Raises:
        PortInUseError: Another program listens on the port.
        StoreError: The port cannot be opened.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, requests=Counter(), throttle=Throttle())
    app.include_router(router)
    _run(app, _listen(port), listening)


def _run(app: FastAPI, listener: socket.socket, listening: Callable[[], None]) -> None:
    listening()
    # Uvicorn finishes what it is answering, then raises the interrupt again.
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(_config(app)).run([listener])


class _Server(uvicorn.Server):
    """Tells another thread when it is ready, or when it has given up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.ready.set()


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,  # uvicorn's own wants a standard output, which may be closed
        log_level="warning",
        access_log=False,
        lifespan="on",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )


def _listen(port: int) -> socket.socket:
    """A listening loopback socket, taken before the server starts so that nobody can come between."""
    # The protocol is named because asyncio sends small answers at once (TCP_NODELAY) only where it is: each
    # request on a kept connection would else wait 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(
                f"Port {port} is in use.", "Stop the other server, or choose another port with --port."
            ) from error
        raise StoreError(
            f"Port {port} cannot be opened: {error.strerror}.", "Choose another port with --port."
        ) from error
    return listener
