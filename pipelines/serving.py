"""`kilobench serve`: the embedded store with its pages, or the pages of another Opik's content."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from adapter.embedded_opik import StoreError, serve_pages
from adapter.embedded_opik import serve as serve_store
from adapter.errors import BadInputError, KilobenchError
from adapter.opik_connection import connect, store_path
from adapter.prices import PriceBook
from pipelines.live import DEFAULT_PROJECT
from pipelines.live_reports import LiveReports
from views.pages.html import render
from views.pages.places import INDEX

_HEADERS = {
    # The pages bring a policy of their own; here is what only a header can say.
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def serve(port: int, opik: str | None, book: PriceBook, tell: Callable[[str], None]) -> None:
    """Serves until Ctrl-C, to this machine alone.

    Args:
        port: the port on 127.0.0.1.
        opik: the address of an Opik's API whose content is shown; None for the embedded store, which is run.
        book: where prices are looked up.
        tell: is told where the pages are, once they are there.

    Raises:
        BadInputError: the port, the store or the address cannot be used.
        IncompleteError: nothing answers at the address.
    """
    with ExitStack() as stack:
        where = f"http://127.0.0.1:{port}"
        try:
            if opik is None:
                # The store is asked over HTTP like any other: it does not answer before it runs.
                own = LiveReports(lambda: stack.enter_context(connect(f"{where}/api", DEFAULT_PROJECT)), book)
                said = f"The embedded store is at {where}/ (its API at /api, reports at /reports/). Ctrl-C ends it."
                serve_store(store_path(), port, lambda: tell(said), [router(own)])
            else:
                there = stack.enter_context(connect(opik, DEFAULT_PROJECT))
                said = f"Reports on what {there.address} holds are at {where}/reports/. Ctrl-C ends it."
                serve_pages(router(LiveReports(lambda: there, book)), port, lambda: tell(said))
        except StoreError as error:
            raise BadInputError(str(error), error.hint) from error


def router(reports: LiveReports) -> APIRouter:
    """The pages of reports, below `/reports/`."""
    pages = APIRouter(include_in_schema=False)

    @pages.get("/reports/")
    def projects() -> Response:
        return _answer(reports.projects)

    @pages.get("/reports")
    @pages.get("/reports/{project_id}/")
    def first(project_id: str | None = None) -> Response:
        return RedirectResponse("/reports/" if project_id is None else INDEX, 307, headers=_HEADERS)

    @pages.get("/reports/{project_id}/{place:path}")
    def page(project_id: str, place: str, again: bool = False) -> Response:
        return _answer(lambda: reports.page(project_id, place, again=again))

    return pages


def _answer(make: Callable[[], str]) -> Response:
    try:
        return HTMLResponse(make(), headers=_HEADERS)
    except KeyError:
        what, code = "There is no such page.", 404
    except BadInputError as error:
        what, code = f"{error.what} {error.hint}", 404
    except KilobenchError as error:
        what, code = f"{error.what} {error.hint}", 503
    return HTMLResponse(render("trouble.html", INDEX, title="kilobench", what=what), code, headers=_HEADERS)
