"""Kilo Code: its command line as an agent of Harbor's, and what it leaves of a session as ATIF.

The agent is `adapter.kilo:KiloCode`. It is imported only when it is asked for: those who only convert sessions do
without Harbor's agents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapter.kilo.agent import KiloCode

__all__ = ["KiloCode"]


def __getattr__(name: str) -> type[KiloCode]:
    if name == "KiloCode":
        from adapter.kilo.agent import KiloCode

        return KiloCode
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
