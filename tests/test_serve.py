"""`kilobench serve`: the report's pages of what an Opik holds, as it is now, on loopback only."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from builder import JobBuilder
from test_pages import PLANTED, flipping
from test_report import Page, loads_nothing

from adapter.embedded_opik import EmbeddedOpik
from adapter.embedded_opik.server import HOST
from adapter.home import home
from adapter.opik_connection import connect, store_path
from adapter.prices import BUNDLED
from pipelines.live_reports import LiveReports


def free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


@contextmanager
def serving(*arguments: str) -> Generator[str]:
    """The address of a `kilobench serve` of its own, which says when it is there."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("kilobench")), "serve", "--port", str(port), *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ | {"KILOBENCH_HOME": str(home())}) as server:
        try:
            assert server.stderr is not None
            line = server.stderr.readline().decode()
            assert f"http://127.0.0.1:{port}/" in line, line
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(20)


def links(html: str) -> list[str]:
    return [str(one["href"]) for one in Page(html).all("a") if one.get("href")]


def follow(address: str, seen: dict[str, str] | None = None) -> dict[str, str]:
    """All pages of a report that its first page leads to."""
    seen = {} if seen is None else seen
    if address not in seen:
        answer = httpx.get(address)
        assert answer.status_code == 200, address
        seen[address] = answer.text
        for link in links(answer.text):
            if not link.startswith(("http", "#")):
                follow(str(httpx.URL(address).join(link)).partition("#")[0], seen)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("is_elsewhere", [False, True], ids=["its own store", "another Opik"])
def test_the_same_pages_are_shown_live(
    tmp_path: Path, server: EmbeddedOpik, kilobench: Any, is_elsewhere: bool
) -> None:
    folder = tmp_path / "report"
    opik = ("--opik", server.url) if is_elsewhere else ()
    told = kilobench("compare", flipping(tmp_path, text=PLANTED), *opik, "--report", folder, "--pages", "all", "--json")
    with serving(*opik) as address:
        first = httpx.get(f"{address}/reports/")
        assert first.headers["x-content-type-options"] == "nosniff"
        assert all(one["name"] in first.text for one in told.json["views"])
        (report,) = [link for link in links(first.text) if link.endswith("/index.html")]
        pages = follow(f"{address}/reports/{report}")
        for html in pages.values():
            loads_nothing(html)
            assert html.count("<script") == 1
        root = f"{address}/reports/{report.partition('/')[0]}/"
        live = {place.removeprefix(root): html for place, html in pages.items()}
        written = {str(one.relative_to(folder)): one.read_text() for one in folder.rglob("*.html")}
        assert set(live) == set(written)

        def same(html: str) -> str:
            return re.sub(r"https?://127\.0\.0\.1:\d+|kilobench 0[^<]*UTC", "", html)

        for place in written:
            assert same(live[place]) == same(written[place]), place
        assert httpx.get(f"{root}elsewhere.html").status_code == 404
        assert httpx.get(f"{address}/reports/0198f7f0-0000-7000-8000-000000000000/index.html").status_code == 404
        assert httpx.get(f"{address}/reports", follow_redirects=True).text == first.text
        assert httpx.get(f"{address}/reports/", headers={"Host": "evil.example"}).status_code == 403
        cross = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        assert httpx.get(f"{address}/reports/", headers=cross).status_code == 403
        assert ("Saved views" in httpx.get(address).text) is not is_elsewhere


@pytest.fixture
def live(server: EmbeddedOpik) -> Generator[tuple[LiveReports, list[float], Callable[[], str]]]:
    """Reports with a clock of the test's own, and the id of the one project."""
    now = [0.0]
    with connect(server.url, "p") as connection:
        reports = LiveReports(lambda: connection, BUNDLED, lambda: now[0])

        def project() -> str:
            return str(connection.client.rest_client.projects.retrieve_project(name="p").id)

        yield reports, now, project


def test_a_report_is_read_again_when_it_is_old_or_when_that_is_asked_for(
    tmp_path: Path,
    server: EmbeddedOpik,
    kilobench: Any,
    live: tuple[LiveReports, list[float], Callable[[], str]],
) -> None:
    reports, now, project = live
    job = JobBuilder(tmp_path)
    job.trial("a__1")

    def store() -> None:
        assert kilobench("upload", job.path, "--opik", server.url, "--project", "p").code == 0

    def count(**how: bool) -> str:
        return Page(reports.page(project(), "index.html", **how)).text.partition("Trials read")[2][:1]

    store()
    assert count() == "1"
    job.trial("b__1")
    store()
    assert count() == "1"
    assert count(again=True) == "2"
    job.trial("c__1")
    store()
    now[0] = 599.0
    assert count() == "2"
    now[0] = 601.0
    assert count() == "3"
    with pytest.raises(KeyError):
        reports.page(project(), "../etc/passwd")


def test_projects_of_judges_are_no_reports(
    server: EmbeddedOpik, live: tuple[LiveReports, list[float], Callable[[], str]]
) -> None:
    with connect(server.url, "x") as connection:
        for name in ("p", "p.judges", "q.judges"):
            connection.client.rest_client.projects.create_project(name=name)
    shown = [name.strip() for name in re.findall(r'class="name" href="[^"]*">([^<]*)<', live[0].projects())]
    assert shown == ["p", "q.judges"]


def test_an_address_that_is_none_is_refused(kilobench: Any) -> None:
    result = kilobench("serve", "--opik", "nowhere")
    assert result.code == 2
    assert "is no address" in result.err
    assert not store_path().exists()
