"""Which of several sessions is meant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from adapter.errors import BadInputError
from adapter.kilo.records import Session

_LISTED = 20
"""How many sessions an error names."""


def choose(sessions: Mapping[str, Session], wanted: str | None, where: str) -> str:
    """The id of the session to convert: the one that was asked for, else the only one of the user's own.

    Args:
        sessions: by id.
        wanted: an id, or None.
        where: the file's name, for messages.

    Raises:
        BadInputError: there is none, there are several, or the one that was asked for is not there.
    """
    roots = [one for one in sessions.values() if one.parent is None or one.parent not in sessions]
    if wanted is not None:
        if wanted in sessions:
            return wanted
        hint = f"It holds:\n{_listed(roots)}" if roots else "It holds none."
        raise BadInputError(f"{where} holds no session {wanted[:80]}.", hint)
    if not roots:
        hint = "Copy kilo.db together with kilo.db-wal, which often holds everything, and convert that."
        raise BadInputError(f"{where} holds no session.", hint)
    if len(roots) > 1:
        hint = f"Name one of them with --session ID:\n{_listed(roots)}"
        raise BadInputError(f"{where} holds {len(roots)} sessions.", hint)
    return roots[0].id


def _listed(sessions: list[Session]) -> str:
    newest = sorted(sessions, key=lambda one: (one.created or 0, one.id), reverse=True)
    lines = [f"  {one.id}  {_date(one.created)}  {(one.title or '')[:60]!r}" for one in newest[:_LISTED]]
    if len(newest) > _LISTED:
        lines.append(f"  and {len(newest) - _LISTED} older ones")
    return "\n".join(lines)


def _date(created: int | None) -> str:
    return "unknown" if created is None else f"{datetime.fromtimestamp(created / 1000, UTC):%Y-%m-%d %H:%M}"
