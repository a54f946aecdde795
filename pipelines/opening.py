"""A saved view in the user's browser."""

from __future__ import annotations

import webbrowser

import httpx

from adapter.errors import BadInputError
from pipelines.view_results import ListedView, OpenedView

_WAIT = 5.0


def open_in_browser(view: ListedView) -> OpenedView:
    """Asks the browser, if there is one, to open a view.

    Raises:
        BadInputError: nothing answers where the view is.
    """
    try:
        httpx.head(view.url, timeout=_WAIT)
    except httpx.HTTPError as error:
        raise BadInputError(
            f"Nothing answers at {view.url}.", "If it is in the embedded store, run `kilobench serve` beside this."
        ) from error
    return OpenedView(view=view, opened=webbrowser.open(view.url))
