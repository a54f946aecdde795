"""What Kilo keeps of its sessions, whichever file it was read from: sessions, their messages, the messages' parts.

Only what the conversion rests on is typed here; the rest stays as it was written (`data`), since it differs from
version to version. Times are milliseconds since 1970, as Kilo writes them; None where there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from operator import attrgetter

from adapter.loose import Json, count, mapping, number, text
from adapter.trial import JsonValue

_LATEST = 4_102_444_800_000
"""Milliseconds from 1970 to 2100: later times are none."""
_LONGEST_MESSAGE = 2000
"""Characters that are kept of an error's message: some hold a whole page of a proxy."""


class Origin(StrEnum):
    """Which of Kilo's files a log was read from."""

    DATABASE = "kilo.db"
    EXPORT = "export"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a message: a text, some reasoning, a tool call, the begin or the end of an LLM call, ...

    Attributes:
        id: ascending in the order in which the parts of a message were begun.
        kind: Kilo's `type`.
    """

    id: str
    kind: str
    data: Json


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that Kilo recorded, without the headers and the body of the answer, which may hold secrets."""

    name: str
    message: str
    status_code: int | None = None

    def fields(self) -> dict[str, str | int]:
        """What is known of it."""
        known: dict[str, str | int] = {"name": self.name, "message": self.message}
        return known if self.status_code is None else known | {"status_code": self.status_code}


@dataclass(frozen=True, slots=True)
class Message:
    """What was said to the model, or one answer of it: an assistant's message is one LLM call.

    Attributes:
        role: `user` or `assistant`.
        model: `provider/model` that answered, or that a user's message was meant for; None where nothing says so.
        parts: in the order in which they were begun.
        data: without its parts.
    """

    id: str
    role: str
    created: int | None = None
    model: str | None = None
    failure: Failure | None = None
    parts: tuple[Part, ...] = ()
    data: Json = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation of an agent, or of a sub-agent that it started.

    Attributes:
        parent: the session that started it; None for one of the user's own.
        version: of Kilo.
        agent: the mode that it works in (`code`, `explore`).
        variant: the reasoning effort that was asked for; None for the model's own.
        messages: in the order in which they were made.
        failures: what went wrong and stands on no message.
    """

    id: str
    parent: str | None = None
    title: str | None = None
    version: str | None = None
    agent: str | None = None
    directory: str | None = None
    variant: str | None = None
    created: int | None = None
    messages: tuple[Message, ...] = ()
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class Log:
    """One session of the user's own, and all that were started below it.

    Attributes:
        root: the id of that session.
        sessions: by id.
        notes: what of the log could not be read, a sentence each.
        has_user: whether the log holds what the user said, too.
        has_children: whether it holds the sub-agents' sessions, too.
    """

    origin: Origin
    root: str
    sessions: Mapping[str, Session]
    notes: tuple[str, ...] = ()
    has_user: bool = True
    has_children: bool = True

    def children(self) -> dict[str, list[Session]]:
        """The sessions that each session started, the oldest first."""
        found: dict[str, list[Session]] = {}
        for one in sorted(self.sessions.values(), key=lambda one: (one.created or 0, one.id)):
            if one.parent is not None:
                found.setdefault(one.parent, []).append(one)
        return found

    def with_root(self, changed: Session, *notes: str) -> Log:
        """The same log with its root session changed, and with more notes."""
        return replace(self, sessions={**self.sessions, self.root: changed}, notes=(*self.notes, *notes))


def read_message(id_: str, info: Json, parts: Iterable[Part]) -> Message:
    """A message from Kilo's own JSON of it."""
    named = info if "modelID" in info else mapping(info.get("model"))
    provider, model = text(named.get("providerID")), text(named.get("modelID"))
    return Message(
        id=id_,
        role=text(info.get("role")) or "unknown",
        created=moment_of(mapping(info.get("time")).get("created")),
        model=f"{provider}/{model}" if provider and model else model,
        failure=read_failure(info.get("error")),
        parts=tuple(sorted(parts, key=attrgetter("id"))),
        data=info,
    )


def read_part(id_: str | None, data: Json) -> Part:
    """A part from Kilo's own JSON of it, which may hold its id."""
    return Part(id_ or text(data.get("id")) or "", text(data.get("type")) or "unknown", data)


def read_failure(error: JsonValue) -> Failure | None:
    """An error from Kilo's own JSON of it: an object, or a bare sentence."""
    if (said := text(error)) is not None:
        return Failure("Error", said[:_LONGEST_MESSAGE])
    if not (found := mapping(error)):
        return None
    data = mapping(found.get("data"))
    message = text(data.get("message")) or text(found.get("message")) or ""
    return Failure(text(found.get("name")) or "Error", message[:_LONGEST_MESSAGE], count(data.get("statusCode")))


def moment_of(value: JsonValue) -> int | None:
    """Milliseconds since 1970, else None."""
    found = number(value)
    return int(found) if found is not None and 0 < found < _LATEST else None


def variant_of(model: JsonValue | Json) -> str | None:
    """The reasoning effort in Kilo's record of a model; None for the model's own."""
    found = text(mapping(model).get("variant"))
    return None if found == "default" else found


def in_order(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Messages in the order in which they were made."""
    return tuple(sorted(messages, key=lambda one: (one.created or 0, one.id)))


def below(root: str, parents: Mapping[str, str | None]) -> Iterator[str]:
    """A session and all that were started below it, each once.

    Args:
        root: its id.
        parents: the session that started each, by id.
    """
    children: dict[str, list[str]] = {}
    for id_, parent in parents.items():
        if parent is not None:
            children.setdefault(parent, []).append(id_)
    seen = {root}
    waiting = [root]
    while waiting:
        yield (id_ := waiting.pop())
        waiting += [child for child in children.get(id_, ()) if child not in seen]
        seen.update(waiting)
