"""The application: every route, Opik's error shapes, and what the store answers to all it does not have."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import cache, partial
from importlib import metadata
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response

from adapter.embedded_opik import (
    annotation_queues,
    attachments,
    bulk,
    dashboards,
    dataset_items,
    dataset_versions,
    datasets,
    environments,
    experiment_items,
    experiments,
    feedback_definitions,
    groups,
    pages,
    projects,
    prompts,
    schema,
    spans,
    threads,
    traces,
    wire,
)
from adapter.embedded_opik.db import Store, utc_now
from adapter.embedded_opik.errors import RefusedError, UnreadableBodyError
from adapter.embedded_opik.guard import Guard
from adapter.embedded_opik.throttle import Throttle

_log = logging.getLogger(__name__)
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
WORKSPACE = "default"


def create_app(
    path: Path,
    *,
    ingestion_window: timedelta | None = None,
    clock: Callable[[], datetime] = utc_now,
    beside: Sequence[APIRouter] = (),
) -> FastAPI:
    """The embedded store over one SQLite file.

    `app.state.requests` counts answers by (method, route template, status), `app.state.rows_written` rows by
    (table, "new" | "updated" | "deleted"), both since the application was made. `app.state.throttle` answers
    429 on demand, for tests.

    Args:
        path: The SQLite file; made, with its folder, where it does not exist.
        ingestion_window: Refuse a trace or span id whose embedded time is further than this from now, as Opik
            Cloud does (24 hours there). None, as in a self-hosted Opik: any time will do.
        clock: Returns the current time, with a time zone.
        beside: Further pages, which come before the store's own.

    Raises:
        StoreError: The file cannot be opened.
    """
    store = Store(path, clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        store.close()

    app = FastAPI(
        title="kilobench embedded store",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        responses=schema.responses(*schema.EVERYWHERE),
    )
    app.openapi = cache(partial(schema.document, app))
    requests: Counter[tuple[str, str, int]] = Counter()
    app.state.store = store
    app.state.requests = requests
    app.state.rows_written = store.rows_written
    app.state.throttle = Throttle()
    app.add_middleware(Guard, requests=requests, throttle=app.state.throttle)
    _add_error_shapes(app)
    _add_meta(app)
    for router in _routers(store, ingestion_window):
        app.include_router(router)

    app.include_router(pages.links(store))

    @app.api_route("/api/{path:path}", methods=_METHODS, include_in_schema=False)
    def not_here(path: str, request: Request) -> Response:
        return JSONResponse({"errors": [f"{request.method} /{path} is not in the embedded store"]}, 501)

    for router in beside:
        app.include_router(router)
    app.include_router(pages.router(store, has_reports=bool(beside)))
    return app


def _routers(store: Store, window: timedelta | None) -> list[APIRouter]:
    of_datasets, of_experiments = APIRouter(prefix=f"{wire.API}/datasets"), APIRouter(prefix=f"{wire.API}/experiments")
    dataset_items.add_routes(of_datasets, store)
    dataset_versions.add_routes(of_datasets, store)
    experiment_items.add_dataset_routes(of_datasets, store)
    experiment_items.add_routes(of_experiments, store)
    bulk.add_routes(of_experiments, store, window)
    groups.add_routes(of_experiments, store)
    return [
        projects.router(store),
        threads.router(store),
        traces.router(store, window),
        spans.router(store, window),
        of_datasets,
        datasets.router(store),
        of_experiments,
        experiments.router(store),
        dashboards.router(store),
        attachments.router(store),
        prompts.router(store),
        environments.router(store),
        feedback_definitions.router(store),
        annotation_queues.router(store),
    ]


def _add_meta(app: FastAPI) -> None:
    """What a client asks about the server itself."""

    @app.get("/api/is-alive/ping")
    def ping() -> Response:
        return JSONResponse({"message": "Healthy Server", "healthy": True})

    @app.get("/api/is-alive/ver")
    def version() -> Response:
        # The SDK reads what the server can do from this number: the API spoken here is that of its own version.
        return JSONResponse({"version": metadata.version("opik")})

    @app.get(f"{wire.API}/auth/workspace")
    def workspace_name() -> Response:
        return JSONResponse({"workspace_name": WORKSPACE})

    @app.post(f"{wire.API}/auth", **schema.gives(204))
    def access() -> Response:
        return wire.no_content()


def _add_error_shapes(app: FastAPI) -> None:
    """Errors as Opik words them: the reason, and never a stack trace."""

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> Response:
        if isinstance(error, UnreadableBodyError):
            body = {"code": 400, "message": "Unable to process JSON", "details": error.errors[0]}
            return JSONResponse(body, 400)
        return JSONResponse({"errors": list(error.errors)}, error.status)

    @app.exception_handler(RequestValidationError)
    async def bad_parameter(_: Request, error: RequestValidationError) -> Response:
        said = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5]]
        return JSONResponse({"errors": said}, 400)

    @app.exception_handler(sqlite3.Error)
    async def storage(_: Request, error: sqlite3.Error) -> Response:
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        busy = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
        _log.warning("the embedded store could not finish a request: %s", error)
        if full:
            return JSONResponse({"errors": ["The disk of the store is full: free some space and retry"]}, 507)
        if busy:
            return JSONResponse({"errors": ["The store is busy with another writer: retry"]}, 503)
        return JSONResponse({"errors": [f"The store failed: {error}"]}, 500)
