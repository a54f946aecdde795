"""Who may ask: this machine's own programs, and pages of this server. Also counts what was asked.

A server on loopback is reachable from every web page the user visits. A page that rebinds its name to
127.0.0.1 is told by its Host header, one that sends requests across sites by Origin and Sec-Fetch-Site.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapter.embedded_opik.throttle import Throttle

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})


class Guard:
    """The outermost layer: refuses foreign requests with 403, those of `throttle` with 429, and counts every answer."""

    def __init__(self, app: ASGIApp, requests: Counter[tuple[str, str, int]], throttle: Throttle) -> None:
        self.app = app
        self.requests = requests
        self.throttle = throttle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "-")
                self.requests[scope["method"], route, message["status"]] += 1
            await send(message)

        refused = foreign(scope["method"], scope["path"], Headers(scope=scope))
        if refused is not None:
            await JSONResponse({"errors": [refused]}, 403)(scope, receive, counted)
            return
        limited = self.throttle.take(scope["method"], scope["path"])
        if limited is not None:
            await JSONResponse({"errors": ["Too Many Requests"]}, 429, limited)(scope, receive, counted)
            return
        await self.app(scope, receive, counted)


def foreign(method: str, path: str, headers: Headers) -> str | None:
    """Why a request is not for us, None where it is.

    A link from elsewhere (the HTML report, a chat) may open a page: that is a top-level navigation, which
    sends nothing and which the other site cannot read.
    """
    hosts = headers.getlist("host")
    host = hosts[0] if len(hosts) == 1 else ""
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name.lower() not in LOOPBACK:
        return "This server answers to 127.0.0.1 and localhost only"
    navigation = (
        method in {"GET", "HEAD"}
        and not path.startswith("/api")
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )
    origin = headers.get("origin")
    if origin is not None and origin.lower() != f"http://{host.lower()}":
        return "Cross-site requests are refused"
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"} and not navigation:
        return "Cross-site requests are refused"
    return None
