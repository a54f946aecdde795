"""Reading what `kilo export SESSION` prints: one session, as JSON. Each sub-agent's session is an export of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adapter.errors import BadInputError, UnreadableError
from adapter.files import parse_json as parse
from adapter.files import read_bytes
from adapter.kilo.choice import choose
from adapter.kilo.records import (
    Log,
    Origin,
    Session,
    below,
    in_order,
    moment_of,
    read_message,
    read_part,
    variant_of,
)
from adapter.loose import Json, mapping, sequence, text
from adapter.trial import JsonValue

_HINT = "Write it again: kilo export SESSION > export.json"


def is_export(value: JsonValue) -> bool:
    """Whether a JSON value is an export of a session."""
    found = mapping(value)
    return isinstance(found.get("info"), dict) and isinstance(found.get("messages"), list)


def read_exports(paths: Sequence[Path], wanted: str | None = None) -> Log:
    """A session and its sub-agents' from exports of them.

    Args:
        paths: the files, at least one; a sub-agent whose session is in none of them is not known.
        wanted: the session's id; None for the only one that no other started.

    Raises:
        BadInputError: one cannot be read or is no export, or which session is meant is not clear.
    """
    sessions: dict[str, Session] = {}
    for path in paths:
        try:
            value = parse(read_bytes(path), path.name)
        except UnreadableError as error:
            raise BadInputError(f"{error}.", _HINT) from error
        if not is_export(value):
            raise BadInputError(f"{path.name} is no export of a Kilo session.", _HINT)
        session = _session(mapping(value), path.name)
        sessions[session.id] = session
    root = choose(sessions, wanted, paths[0].name if len(paths) == 1 else paths[0].parent.name)
    ids = below(root, {one.id: one.parent for one in sessions.values()})
    return Log(Origin.EXPORT, root, {id_: sessions[id_] for id_ in ids}, has_children=len(paths) > 1)


def _session(value: Json, name: str) -> Session:
    info = mapping(value.get("info"))
    messages = [
        read_message(
            text(mapping(one.get("info")).get("id")) or f"message {number}",
            mapping(one.get("info")),
            [read_part(None, mapping(part)) for part in sequence(one.get("parts"))],
        )
        for number, one in enumerate(map(mapping, sequence(value.get("messages"))), 1)
    ]
    return Session(
        id=text(info.get("id")) or name,
        parent=text(info.get("parentID")),
        title=text(info.get("title")),
        version=text(info.get("version")),
        agent=text(info.get("agent")),
        directory=text(info.get("directory")),
        variant=variant_of(info.get("model")),
        created=moment_of(mapping(info.get("time")).get("created")),
        messages=in_order(messages),
    )
