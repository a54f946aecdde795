"""Reading what `kilo run --format json` prints: an event a line, as things end.

It holds less than the database: neither what the user said nor the sub-agents' sessions, no model and no version of
Kilo, no tool that was still running, and reasoning only with `--thinking`. Events come in the order in which things
ended; the parts' ids give the order in which they began.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from adapter.errors import BadInputError, UnreadableError
from adapter.files import parse_json, read_bytes
from adapter.kilo.choice import choose
from adapter.kilo.records import Failure, Log, Message, Origin, Part, Session, moment_of, read_failure, read_part
from adapter.loose import Json, mapping, text

_HINT = "Give the file that the standard output of `kilo run --format json` was written to, or kilo.db."
_ID = re.compile(r"msg_([0-9a-f]{12})")
_COUNTER_BITS, _ID_BITS = 12, 48
_DAY = 86_400_000
"""Milliseconds. No LLM call takes longer from its begin to its first event."""
_GOES_ON = "Continue if you have next steps, or stop and ask for clarification if you are unsure how to proceed."
"""What Kilo tells the model once it has compacted the context; 7.0 does not mark it in any other way."""


@dataclass(slots=True)
class _Draft:
    """A session while its events are read."""

    created: int | None = None
    parts: dict[str, dict[str, Part]] = field(default_factory=dict[str, dict[str, Part]])
    """by message, then by id"""
    times: dict[str, int | None] = field(default_factory=dict[str, int | None])
    failures: list[Failure] = field(default_factory=list[Failure])


def read_events(path: Path, wanted: str | None = None) -> Log:
    """The session whose events stand in a file.

    Args:
        path: the file.
        wanted: the session's id; None for the only one.

    Raises:
        BadInputError: it cannot be read or holds no event, or which session is meant is not clear.
    """
    drafts: dict[str, _Draft] = {}
    broken = odd = 0
    try:
        lines = [line for line in read_bytes(path).splitlines() if line.strip()]
    except UnreadableError as error:
        raise BadInputError(f"{error}.", _HINT) from error
    for line in lines:
        try:
            event = mapping(parse_json(line, "a line"))
        except UnreadableError:
            broken += 1
            continue
        odd += not _take(event, drafts)
    notes = [f"{broken} of {len(lines)} lines are no JSON, and were left out."] if broken else []
    if odd:
        notes.append(f"{odd} events are of no kind that is known, and were left out.")
    if not drafts:
        raise BadInputError(f"{path.name} holds no event of a Kilo session.", _HINT)
    sessions = {id_: _session(id_, draft) for id_, draft in drafts.items()}
    root = choose(sessions, wanted, path.name)
    return Log(Origin.EVENTS, root, {root: sessions[root]}, tuple(notes), has_user=False, has_children=False)


def _take(event: Json, drafts: dict[str, _Draft]) -> bool:
    """Adds an event to its session; False for one that cannot be placed."""
    session, at = text(event.get("sessionID")), moment_of(event.get("timestamp"))
    part = mapping(event.get("part"))
    message = text(part.get("messageID"))
    if session is None or not (message or event.get("error")):
        return False
    draft = drafts.setdefault(session, _Draft(at))
    if (failure := read_failure(event.get("error"))) is not None:
        draft.failures.append(failure)
    if message is not None:
        read = read_part(None, part)
        # An event that comes twice is one part, as it was last.
        draft.parts.setdefault(message, {})[read.id] = read
        draft.times.setdefault(message, _begun(message, at))
    return True


def _begun(message: str, at: int | None) -> int | None:
    """When a message was made, to some milliseconds: its id begins with the last 36 bits of that time.

    Where an id is of another form, it is when its first event came.
    """
    found = _ID.match(message)
    if found is None or at is None:
        return at
    milliseconds = int(found[1], 16) >> _COUNTER_BITS
    before = (at - milliseconds) % (1 << (_ID_BITS - _COUNTER_BITS))
    return at - before if before <= _DAY else at


def _session(id_: str, draft: _Draft) -> Session:
    """The session as the database would have it, as far as the events say."""
    messages: list[Message] = []
    for message, by_id in draft.parts.items():
        parts = tuple(by_id[key] for key in sorted(by_id))
        created = draft.times[message]
        if not all(part.kind == "text" and part.data.get("synthetic") is True for part in parts):
            messages.append(Message(message, "assistant", created, parts=parts))
            continue
        if messages and any(_goes_on(part) for part in parts):
            messages[-1:] = _compaction(messages[-1])
        messages.append(Message(message, "user", created, parts=parts))
    return Session(id_, created=draft.created, messages=tuple(messages), failures=tuple(draft.failures))


def _goes_on(part: Part) -> bool:
    """Whether a text tells the model to go on after a compaction."""
    is_marked = mapping(part.data.get("metadata")).get("compaction_continue") is True
    return is_marked or part.data.get("text") == _GOES_ON


def _compaction(summary: Message) -> tuple[Message, Message]:
    """An answer that was a summary, after the request for it: neither is marked in the stream."""
    request = Message(f"{summary.id}:request", "user", summary.created, parts=(Part("", "compaction", {}),))
    marked = {"agent": "compaction", "summary": True}
    return request, Message(summary.id, summary.role, summary.created, parts=summary.parts, data=marked)
