"""Which Opik to talk to: the one that is configured, else the embedded store."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from adapter.errors import BadInputError, IncompleteError
from adapter.home import home

if TYPE_CHECKING:
    import opik

    from adapter.embedded_opik import EmbeddedOpik

EMBEDDED_PORT = 5173
"""The port of `kilobench serve`, which is Opik's own; saved views are printed with it."""
WORKSPACE = "default"


def store_path() -> Path:
    """The embedded store's SQLite file."""
    return home() / "opik.db"


@dataclass(frozen=True, slots=True)
class Connection:
    """An open connection to an Opik.

    Attributes:
        client: the SDK's client.
        address: what a browser opens: the API's address without its `/api`.
        workspace: the workspace's name, a part of every page's path.
        is_embedded: whether it is the embedded store; its pages are shown by `kilobench serve`.
    """

    client: opik.Opik
    address: str
    workspace: str
    is_embedded: bool

    @property
    def root(self) -> str:
        """What the addresses of the workspace's pages begin with."""
        return f"{self.address}/{self.workspace}"

    def view_url(self, dashboard_id: str) -> str:
        """The page of a saved view, in Opik's own path shape."""
        return f"{self.root}/dashboards/{dashboard_id}"

    def trace_url(self, project_id: str, trace_id: str) -> str:
        """The page of a trace, in Opik's own path shape."""
        return f"{self.root}/projects/{project_id}/traces?trace={trace_id}"


def is_configured() -> bool:
    """Whether the user has told the Opik SDK where to go: by environment or by its configuration file."""
    if os.environ.get("OPIK_URL_OVERRIDE") or os.environ.get("OPIK_API_KEY"):
        return True
    return Path(os.environ.get("OPIK_CONFIG_PATH") or "~/.opik.config").expanduser().is_file()


@contextmanager
def connect(where: str | None, project: str) -> Generator[Connection]:
    """Opens a connection, starting the embedded store when it is the one to use, and closes both.

    Args:
        where: `embedded`, the address of an Opik's API, or None for what is configured, else the embedded store.
        project: the project that rows go into.

    Raises:
        BadInputError: the address is none, or the configured Opik refuses the workspace or key.
        IncompleteError: nothing answers there.
    """
    # The SDK reports its use and errors to its makers unless told not to; a benchmark's data stay where they are.
    os.environ.setdefault("OPIK_SENTRY_ENABLE", "false")
    os.environ.setdefault("OPIK_ANALYTICS_ENABLE", "false")
    if where not in (None, "embedded") and not _is_address(where):
        raise BadInputError(
            f"--opik {where} is no address.", "Give `embedded` or the API's URL, such as http://localhost:5173/api."
        )
    if not project.strip() or not project.isprintable():
        raise BadInputError(f"--project {project!a} is no name.", "Give a name of printable characters.")
    with ExitStack() as stack:
        embedded = where == "embedded" or (where is None and not is_configured())
        host = where
        if embedded:
            host = stack.enter_context(_embedded()).url
        _check_configured(host)
        client = open_client(host, project, WORKSPACE if embedded else None)
        stack.callback(_end, client)
        url = client.config.url_override.rstrip("/")
        address = f"http://127.0.0.1:{EMBEDDED_PORT}" if embedded else _shown(url).removesuffix("/api")
        check_answers(client, url)
        yield Connection(client, address, client.config.workspace, embedded)


@contextmanager
def _embedded() -> Generator[EmbeddedOpik]:
    from adapter.embedded_opik import EmbeddedOpik, StoreError

    store = EmbeddedOpik(store_path())
    try:
        store.start()
    except StoreError as error:
        raise IncompleteError(str(error), error.hint) from error
    try:
        yield store
    finally:
        store.stop()


def open_client(host: str | None, project: str, workspace: str | None) -> opik.Opik:
    """The SDK's client, to be ended by whoever opens it; what is None is taken from the configuration, as the key is.

    Args:
        host: the API's address.
        project: the project that rows go into.
        workspace: the workspace's name.
    """
    import opik

    # The SDK asks now and then, in a thread of its own, whether the server is there, and tells of trouble with a
    # traceback. Nothing of ours waits on that: our own calls say what is wrong.
    logging.getLogger("opik.healthcheck").setLevel(logging.CRITICAL)
    return opik.Opik(
        project_name=project,
        host=host,
        workspace=workspace,
        _show_misconfiguration_message=False,
    )


def _end(client: opik.Opik) -> None:
    """Ends the client. Nothing of ours waits in the SDK's queue, which others in this process may share with it.

    A live integration may have left there what cannot be sent, ever: that is its loss, and not ours to report.
    """
    from pydantic import ValidationError

    with suppress(ValidationError):
        client.end()


def _check_configured(host: str | None) -> None:
    """Refuses an address in the SDK's configuration that is none: the SDK tells of it with a traceback."""
    from opik.config import OpikConfig

    if host is not None:
        return
    configured = OpikConfig().url_override
    if not _is_address(configured):
        raise BadInputError(
            f"{configured} is no address.", "Correct OPIK_URL_OVERRIDE, or the file that `opik configure` wrote."
        )


def _shown(url: str) -> str:
    """An address without the user and password that may stand in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def is_loopback(url: str) -> bool:
    """Whether an address is one of this machine's own, which no other can reach."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def check_answers(client: opik.Opik, url: str) -> None:
    """Two cheap calls, so that a wrong address or key is told before any work is done.

    Raises:
        BadInputError: what answers there is no Opik, or refuses the workspace or key.
        IncompleteError: nothing answers.
    """
    import httpx
    from pydantic import ValidationError

    from adapter.opik_patience import status_of, trouble
    from adapter.opik_rest import Rest

    hint = "Check the address (--opik or OPIK_URL_OVERRIDE) and that the server runs; --opik embedded needs none."
    try:
        # Once: where nothing listens, nobody wants to wait to be told so.
        httpx.get(f"{url}/is-alive/ping", timeout=10.0).raise_for_status()
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            raise IncompleteError(f"Opik at {_shown(url)} is in trouble: it answers {status}.", hint) from error
        end = hint if url.endswith("/api") else f"An API's address ends in /api: try {_shown(url)}/api."
        raise BadInputError(f"What answers at {_shown(url)} is no Opik's API: {status}.", end) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise IncompleteError(f"No Opik answers at {_shown(url)}: {error or type(error).__name__}.", hint) from error
    try:
        page = Rest(client).call(
            "a first question",
            lambda api: api.projects.find_projects(size=1, request_options={"timeout_in_seconds": 20}),
        )
    except IncompleteError as error:
        cause = error.__cause__
        if trouble(cause) is not None:
            raise
        is_opik = not isinstance(cause, ValidationError) and (status_of(cause) or 0) >= HTTPStatus.BAD_REQUEST
        said = (
            f"Opik at {_shown(url)} refuses: {error.what}" if is_opik else f"What answers at {_shown(url)} is no Opik."
        )
        raise BadInputError(said, hint) from error
    if page.content is None:
        raise BadInputError(f"What answers at {_shown(url)} is no Opik.", hint)
