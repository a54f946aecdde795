"""Kilo Code: the agent for Harbor, and what its command line leaves of a session as ATIF."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapter.kilo.agent import KiloCode

__all__ = ["KiloCode"]


def __getattr__(name: str) -> object:
    """Harbor, which the agent needs and the conversion does not, is imported with the agent alone."""
    if name == "KiloCode":
        from adapter.kilo.agent import KiloCode

        return KiloCode
    raise AttributeError(name)
