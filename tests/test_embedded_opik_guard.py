"""Only this machine's own programs reach the embedded store, whatever the address: API, schema and pages."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import httpx
import pytest
from starlette.datastructures import Headers

from adapter.embedded_opik import EmbeddedOpik
from adapter.embedded_opik.guard import foreign

FOREIGN = {
    "another host's name": {"host": "evil.example"},
    "a name that begins like ours": {"host": "127.0.0.1.evil.example"},
    "a name that ends like ours": {"host": "evil-localhost"},
    "a user name like ours": {"host": "localhost@evil.example"},
    "another machine's address": {"host": "192.168.0.7:5173"},
    "no host": {"host": ""},
    "another origin": {"origin": "https://evil.example"},
    "another port's page": {"origin": "http://localhost:3000"},
    "a page without an origin": {"origin": "null"},
    "another site": {"sec-fetch-site": "cross-site"},
    "a sibling site": {"sec-fetch-site": "same-site"},
    "a frame": {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    "a script": {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"},
}
LINK = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
PAGES = ["/", "/default/dashboards", "/opik/default/projects/x/", "/default/redirect/projects?name=x"]
SCHEMA = "/api/openapi.json"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedOpik]:
    with EmbeddedOpik(tmp_path_factory.mktemp("guard") / "store.db") as running:
        yield running


@pytest.fixture(scope="module")
def client(store: EmbeddedOpik) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=store.url.removesuffix("/api")) as one:
        yield one


def _everything(client: httpx.Client) -> list[tuple[str, str]]:
    """Every route of the schema, the schema itself, the pages, and what is not there."""
    paths = client.get(SCHEMA).json()["paths"]
    routes = [(method.upper(), re.sub(r"\{\w+\}", "x", path)) for path, methods in paths.items() for method in methods]
    assert len(routes) > 50
    rest = [SCHEMA, *PAGES, "/api/v1/session/redirect/projects/?trace_id=x", "/api/v1/private/nothing", "/nothing"]
    return [*routes, *(("GET", path) for path in rest), ("OPTIONS", "/api/v1/private/projects")]


@pytest.mark.parametrize("who", FOREIGN)
def test_every_address_is_closed_to(store: EmbeddedOpik, client: httpx.Client, who: str) -> None:
    for method, path in _everything(client):
        answer = client.request(method, path, headers=FOREIGN[who], content=b'{"name": "planted"}')
        assert answer.status_code == 403, f"{method} {path}"
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert not store.app.state.rows_written


def test_a_link_from_elsewhere_opens_a_page_and_nothing_else(client: httpx.Client) -> None:
    for method, path in _everything(client):
        page = method == "GET" and not path.startswith("/api")
        assert (client.request(method, path, headers=LINK).status_code != 403) == page, f"{method} {path}"
    assert client.post("/", headers=LINK).status_code == 403
    assert client.get("/", headers={**LINK, "host": "evil.example"}).status_code == 403


@pytest.mark.parametrize("path", [SCHEMA, "/", "/api/v1/private/projects"])
def test_its_own_pages_and_programs_may_ask(client: httpx.Client, path: str) -> None:
    own = str(client.base_url).rstrip("/")
    for headers in ({}, {"origin": own}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}):
        assert client.get(path, headers=headers).status_code == 200


def test_two_hosts_in_one_request_are_refused(store: EmbeddedOpik) -> None:
    with socket.create_connection(("127.0.0.1", store.port), timeout=10) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        assert raw.recv(4096).split()[1] in {b"400", b"403"}
    # Not every server under it refuses them by itself.
    assert foreign("GET", "/", Headers(raw=[(b"host", b"localhost"), (b"host", b"evil.example")])) is not None


def test_it_listens_on_the_one_loopback_address(store: EmbeddedOpik) -> None:
    with pytest.raises(OSError), socket.create_connection(("127.0.0.2", store.port), timeout=10):  # noqa: PT011
        pass
