"""A test of a caller can ask the embedded store for 429, as a busy Opik answers."""

from __future__ import annotations

import httpx
import opik
from embedded import a_trace

from adapter.embedded_opik import EmbeddedOpik


def test_the_next_matching_requests_are_refused_with_429_and_the_rest_is_answered(server: EmbeddedOpik) -> None:
    server.app.state.throttle.refuse(2, method="GET", path_suffix="/projects", retry_after=0.5, rate_limit_reset=3)
    url = f"{server.url}/v1/private/projects"
    assert httpx.post(url, json={"name": "p"}).status_code == 201
    assert httpx.get(f"{server.url}/is-alive/ping").status_code == 200
    for _ in range(2):
        refused = httpx.get(url)
        assert refused.status_code == 429
        assert (refused.headers["retry-after"], refused.headers["ratelimit-reset"]) == ("0.5", "3")
    assert httpx.get(url).json()["total"] == 1
    assert server.app.state.requests["GET", "-", 429] == 2


def test_a_refusal_without_headers_has_none(server: EmbeddedOpik) -> None:
    server.app.state.throttle.refuse(1)
    refused = httpx.get(f"{server.url}/is-alive/ping")
    assert refused.status_code == 429
    assert not {"retry-after", "ratelimit-reset"} & set(refused.headers)


def test_the_sdk_waits_as_it_is_told_and_sends_again(sdk: opik.Opik, server: EmbeddedOpik) -> None:
    server.app.state.throttle.refuse(2, method="POST", path_suffix="/traces/batch", retry_after=0)
    sdk.rest_client.traces.create_traces(traces=[a_trace("t1")])
    assert server.app.state.rows_written["traces", "new"] == 1
    assert server.app.state.requests["POST", "-", 429] == 2
