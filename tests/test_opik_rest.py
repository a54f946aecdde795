"""Calls to Opik: what is tried again, how long is waited, and that no answer is taken for whole that is not."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from faults import FAULTS, Fault, FaultyProxy, half_unnoticed, short, status
from opik.httpx_client import upload_transport
from opik.rest_api.client import OpikApi
from opik.rest_api.core.api_error import ApiError
from opik.rest_api.types import TraceWrite

from adapter import opik_rest
from adapter.embedded_opik import EmbeddedOpik
from adapter.errors import IncompleteError
from adapter.opik_connection import connect
from adapter.opik_patience import Trouble, seconds_asked, trouble
from adapter.opik_rest import Identified, Rest

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits, none of which takes any time."""
    waits: list[float] = []
    monkeypatch.setattr(opik_rest, "sleep", waits.append)
    return waits


@pytest.fixture
def proxy(server: EmbeddedOpik) -> Iterator[FaultyProxy]:
    with FaultyProxy(server.url) as running:
        yield running


@pytest.fixture
def rest(proxy: FaultyProxy) -> Iterator[Rest]:
    with connect(proxy.url, "test") as connection:
        upload_transport(connection.client.rest_client)[0].timeout = httpx.Timeout(5, read=1.5)
        proxy.begin()
        yield Rest(connection.client)


def projects(rest: Rest) -> list[str]:
    page = rest.call("projects", lambda api: api.projects.find_projects())
    return [one.name for one in page.content or []]


def make(name: str) -> Callable[[OpikApi], object]:
    return lambda api: api.projects.create_project(name=name)


@pytest.mark.parametrize("kind", FAULTS)
def test_what_goes_wrong_once_is_not_noticed(rest: Rest, proxy: FaultyProxy, waited: list[float], kind: str) -> None:
    assert projects(rest) == []
    proxy.begin(lambda number, _: FAULTS[kind] if number == 0 else None)
    assert projects(rest) == []
    assert len(proxy.calls) == len(waited) + 1 <= 2


LAST: dict[str, tuple[int, float, float]] = {
    "429": (9, 90, 120),
    "429, seconds": (41, 120, 120),
    "429, a date": (4, 100, 120),
    "429, Opik's own": (3, 106, 106),
    "500": (7, 20, 30),
    "502": (7, 20, 30),
    "409": (4, 3, 4),
    "reset before": (7, 20, 30),
    "slow before": (3, 1, 2),
    "half": (7, 20, 30),
    "half, unnoticed": (7, 20, 30),
}
"""Tries, and seconds waited in all."""


@pytest.mark.parametrize("kind", LAST)
def test_patience_ends_and_the_error_says_what_to_do(
    rest: Rest, proxy: FaultyProxy, waited: list[float], kind: str
) -> None:
    proxy.begin(lambda *_: FAULTS[kind])
    with pytest.raises(IncompleteError, match=r"Run the same command again: it goes on where it stopped"):
        projects(rest)
    tries, least, most = LAST[kind]
    assert len(proxy.calls) == tries
    assert least <= sum(waited) <= most


@pytest.mark.parametrize("code", [400, 401, 403, 404, 413, 422, 501, 507])
def test_what_will_not_change_is_asked_once(rest: Rest, proxy: FaultyProxy, waited: list[float], code: int) -> None:
    proxy.begin(lambda *_: status(code))
    with pytest.raises(IncompleteError, match=f"Opik refused projects: {code}"):
        projects(rest)
    assert (len(proxy.calls), waited) == (1, [])


def test_a_pause_that_is_longer_than_our_patience_ends_the_command_at_once(
    rest: Rest, proxy: FaultyProxy, waited: list[float]
) -> None:
    proxy.begin(lambda *_: status(429, lambda: {"Retry-After": "3600"}))
    with pytest.raises(IncompleteError, match="limits how much is sent"):
        projects(rest)
    assert (len(proxy.calls), waited) == (1, [])


def test_each_kind_of_trouble_has_a_patience_of_its_own(rest: Rest, proxy: FaultyProxy, waited: list[float]) -> None:
    faults: list[Fault] = [FAULTS["429, Opik's own"]] * 2 + [FAULTS["500"]] * 6 + [FAULTS["409"]] * 3
    proxy.begin(lambda number, _: faults[number] if number < len(faults) else None)
    assert projects(rest) == []
    assert len(waited) == len(faults)


@pytest.mark.parametrize("kind", ["reset after", "slow after", "half", "409"])
def test_what_is_made_is_looked_for_before_it_is_made_again(
    rest: Rest, proxy: FaultyProxy, waited: list[float], kind: str
) -> None:
    found: list[str] = []

    def there(api: OpikApi) -> bool | None:
        found.extend(one.name for one in api.projects.find_projects(name="new").content or [])
        return bool(found) or None

    if kind == "409":
        rest.call("a project", make("new"))
    proxy.begin(lambda number, _: FAULTS[kind] if number == 0 else None)
    rest.call("a project", make("new"), there=there)
    assert found == ["new"]
    assert [call.split()[0] for call in proxy.calls] == ["POST", "GET"]
    assert projects(rest) == ["new"]


def test_a_long_wait_is_told(
    rest: Rest, proxy: FaultyProxy, waited: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    proxy.begin(lambda number, _: FAULTS["429, Opik's own"] if number == 0 else None)
    with caplog.at_level(logging.WARNING, "adapter"):
        projects(rest)
    assert caplog.messages == ["Opik asks for a pause: projects wait for 53 seconds."]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After-Ms": "1500", "Retry-After": "2"}, 1.5),
        ({"Retry-After": "Sun, 01 Mar 2026 12:00:30 GMT"}, 30),
        ({"Retry-After": "Sun, 01 Mar 2026 11:00:00 GMT"}, 0),
        # The server's clock is a day ahead, and so is its date.
        ({"Retry-After": "Mon, 02 Mar 2026 12:00:30 GMT", "Date": "Mon, 02 Mar 2026 12:00:10 GMT"}, 20),
        ({"Retry-After": "soon", "RateLimit-Reset": "9"}, 9),
        ({"RateLimit-Reset": str(int((NOW + timedelta(seconds=44)).timestamp()))}, 44),
        ({"X-RateLimit-Reset": str(int((NOW + timedelta(seconds=44)).timestamp() * 1000))}, 44),
        ({"Opik-User-Remaining-Limit": "0", "Opik-User-Remaining-Limit-TTL-Millis": "997"}, 0.997),
        ({"Opik-User-Remaining-Limit": "12", "Opik-User-Remaining-Limit-TTL-Millis": "997"}, None),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf", "RateLimit-Reset": "1"}, 1),
    ],
)
def test_how_long_the_server_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert seconds_asked(ApiError(status_code=429, headers=headers), NOW) == seconds
    response = httpx.Response(429, headers=headers, request=httpx.Request("PUT", "http://a"))
    error = httpx.HTTPStatusError("limited", request=response.request, response=response)
    assert (seconds_asked(error, NOW), trouble(error)) == (seconds, Trouble.LIMITED)


def trace(number: int) -> dict[str, str]:
    return {"id": f"0192{number:04x}-0000-7000-8000-000000000000"}


def search(api: OpikApi, size: int, after: str | None) -> Iterator[bytes]:
    return api.traces.search_traces(project_name="test", limit=min(size, 100), last_retrieved_id=after)


@pytest.fixture
def traces(rest: Rest) -> list[str]:
    """The ids of 250 stored traces, as a search gives them."""
    ids = [trace(number)["id"] for number in range(250)]
    rows = [TraceWrite(id=one, project_name="test", start_time=NOW, name="x" * 500) for one in ids]
    rest.call("traces", lambda api: api.traces.create_traces(traces=rows))
    return ids[::-1]


@pytest.mark.parametrize("kind", FAULTS)
def test_a_page_that_does_not_come_whole_is_asked_for_again_and_no_row_is_left_out(
    rest: Rest, proxy: FaultyProxy, waited: list[float], traces: list[str], kind: str
) -> None:
    for bad in range(4):
        proxy.begin(lambda number, _, bad=bad: FAULTS[kind] if number == bad else None)
        assert [row.id for row in rest.rows("traces", Identified, search)] == traces


def test_pages_that_never_come_whole_are_no_result(
    rest: Rest, proxy: FaultyProxy, waited: list[float], traces: list[str]
) -> None:
    proxy.begin(lambda number, _: half_unnoticed if number else None)
    with pytest.raises(IncompleteError, match="broke off"):
        list(rest.rows("traces", Identified, search))
    proxy.begin(lambda *_: short)
    assert [row.id for row in rest.rows("traces", Identified, search)] == traces


def test_rows_that_are_refused_are_found_and_the_others_sent(rest: Rest) -> None:
    sent: list[int] = []

    def put(_: OpikApi, part: list[int]) -> None:
        calls.append(len(part))
        if any(number % 400 == 7 for number in part):
            raise ApiError(status_code=422, body="7 is not taken")
        sent.extend(part)

    calls: list[int] = []
    refused = rest.send("numbers", list(range(1000)), put)  # type: ignore[arg-type]
    assert [(one.row, one.reason) for one in refused] == [
        (number, "Opik refused numbers: 422 7 is not taken") for number in (7, 407, 807)
    ]
    assert sorted(sent) == [number for number in range(1000) if number % 400 != 7]
    assert len(calls) <= 3 * 2 * 10 + 1


def test_where_everything_is_refused_it_is_not_the_rows(rest: Rest) -> None:
    calls = 0

    def put(*_: object) -> None:
        nonlocal calls
        calls += 1
        raise ApiError(status_code=400, body="This workspace is closed.")

    with pytest.raises(IncompleteError, match="This workspace is closed"):
        rest.send("numbers", range(1000), put)
    assert calls < 100


def test_time_passes_where_nothing_stands_in_for_it() -> None:
    before = time.monotonic()
    opik_rest.sleep(0.01)
    assert time.monotonic() - before >= 0.01
