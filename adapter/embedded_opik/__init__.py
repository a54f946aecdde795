"""The embedded store: a small server on loopback that speaks the part of Opik's REST API this project uses.

`EmbeddedOpik` runs it in a thread of this process, `serve` in the foreground; `create_app` is the application
itself. FastAPI and the Opik SDK (seconds to import) are loaded when one of them is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.embedded_opik.errors import StoreError

if TYPE_CHECKING:
    from adapter.embedded_opik.app import create_app
    from adapter.embedded_opik.server import EmbeddedOpik, PortInUseError, serve, serve_pages

__all__ = ["EmbeddedOpik", "PortInUseError", "StoreError", "create_app", "serve", "serve_pages"]


def __getattr__(name: str) -> object:
    if name == "create_app":
        from adapter.embedded_opik.app import create_app

        return create_app
    if name in __all__:
        from adapter.embedded_opik import server

        return getattr(server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
