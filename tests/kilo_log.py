"""Tiny logs of Kilo's, made by hand: a database, an event stream, an export of the same session."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

START = 1_795_215_950_000
"""Milliseconds: 2026-11-20T23:05:50Z."""
ROOT = "ses_root"
_SCHEMA = """
create table session (id text primary key, parent_id text, title text, version text, agent text, directory text,
                      model text, time_created integer);
create table message (id text primary key, session_id text, time_created integer, data text);
create table part (id text primary key, message_id text, session_id text, time_created integer, data text);
"""


def message_id(number: int) -> str:
    """An id as Kilo makes it: it begins with the last bits of the time."""
    return f"msg_{((START + 1000 * number) << 12) % (1 << 48):012x}{number:04d}"


def finish(
    prompt: tuple[int, int, int] = (1000, 0, 0),
    output: int = 50,
    reasoning: int = 0,
    cost: float | None = 0.0024,
    reason: str = "stop",
    **fields: Any,
) -> dict[str, Any]:
    """The end of an LLM call, as 7.7.9 writes it; the prompt is what was fresh, read from and written to the cache."""
    fresh, read, write = prompt
    tokens = {"input": fresh, "output": output, "reasoning": reasoning, "cache": {"read": read, "write": write}}
    tokens["total"] = sum(prompt) + output + reasoning
    time = {"start": START, "end": START + 300, "elapsed": 300}
    return {"type": "step-finish", "reason": reason, "cost": cost, "tokens": tokens, "time": time} | fields


def tool(
    name: str = "bash", status: str = "completed", call: str = "call_1", given: Any = None, **state: Any
) -> dict[str, Any]:
    """A tool call."""
    given = {"command": "ls"} if given is None else given
    state = {"status": status, "input": given, "time": {"start": START, "end": START + 25}} | state
    return {"type": "tool", "tool": name, "callID": call, "state": state}


def said(text: str, **fields: Any) -> dict[str, Any]:
    """A text."""
    return {"type": "text", "text": text} | fields


class KiloLog:
    """A session, with others below it, that messages are added to."""

    def __init__(self, version: str = "7.7.9") -> None:
        self.version = version
        self.sessions: dict[str, dict[str, Any]] = {}
        self.messages: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = []
        self.session(ROOT)

    def session(self, id_: str, parent: str | None = None, **fields: Any) -> str:
        """Adds a session."""
        created = START + len(self.sessions)
        self.sessions[id_] = {"id": id_, "parent_id": parent, "title": id_.title(), "time_created": created} | fields
        return id_

    def _add(self, session: str, info: dict[str, Any], parts: Iterable[dict[str, Any]]) -> str:
        number = len(self.messages) + 1
        id_ = message_id(number)
        base = {"id": id_, "sessionID": session, "time": {"created": START + 1000 * number}}
        own = [{"id": f"prt_{number:04d}{place:04d}", **part} for place, part in enumerate(parts)]
        self.messages.append((session, base | info, own))
        return id_

    def user(self, *parts: dict[str, Any], session: str = ROOT, **info: Any) -> str:
        """Adds what the user says."""
        return self._add(session, {"role": "user"} | info, parts or [said("Do it.")])

    def agent(self, *parts: dict[str, Any], session: str = ROOT, model: str = "multi", **info: Any) -> str:
        """Adds an answer."""
        own = {"role": "assistant", "providerID": "mock", "modelID": model, "agent": "code", "cost": 99}
        return self._add(session, own | info, parts)

    def database(self, path: Path, *, is_open: bool = False) -> sqlite3.Connection:
        """Writes it as `kilo.db`, in the mode that Kilo uses; closed unless `is_open`, so that no log is left."""
        connection = sqlite3.connect(path)
        connection.execute("pragma journal_mode = wal")
        connection.executescript(_SCHEMA)
        for one in self.sessions.values():
            row = {"version": self.version, "agent": "code", "directory": "/app", "model": None} | one
            names = ", ".join(row)
            connection.execute(f"insert into session ({names}) values ({', '.join('?' * len(row))})", [*row.values()])
        for session, info, parts in self.messages:
            created = info["time"].get("created")
            data = json.dumps({key: value for key, value in info.items() if key not in ("id", "sessionID")})
            connection.execute("insert into message values (?, ?, ?, ?)", (info["id"], session, created, data))
            for part in parts:
                data = json.dumps({key: value for key, value in part.items() if key != "id"})
                row = (part["id"], info["id"], session, created, data)
                connection.execute("insert into part values (?, ?, ?, ?, ?)", row)
        connection.commit()
        if not is_open:
            connection.close()
        return connection

    def export(self, path: Path, session: str = ROOT) -> None:
        """Writes a session as `kilo export` prints it."""
        own = self.sessions[session]
        info = {"id": session, "title": own["title"], "version": self.version, "directory": "/app", "agent": "code"}
        info |= {"time": {"created": own["time_created"]}} | (
            {"parentID": own["parent_id"]} if own["parent_id"] else {}
        )
        messages = [{"info": one, "parts": parts} for of, one, parts in self.messages if of == session]
        path.write_text(json.dumps({"info": info, "messages": messages}))

    def events(self, path: Path, *more: str | dict[str, Any]) -> None:
        """Writes the root session as `kilo run --format json --thinking` prints it; `more` are lines after it."""
        kinds = {"step-start": "step_start", "step-finish": "step_finish", "tool": "tool_use"}
        lines: list[str] = []
        for session, info, parts in self.messages:
            if session != ROOT:
                continue
            is_told = info["role"] == "assistant" or any(part.get("metadata") for part in parts)
            at = info["time"]["created"] + 150
            lines += [
                json.dumps(
                    {
                        "type": kinds.get(part["type"], part["type"]),
                        "timestamp": at,
                        "sessionID": session,
                        "part": part | {"messageID": info["id"], "sessionID": session},
                    }
                )
                for part in parts
                if is_told and part.get("state", {}).get("status") not in ("running", "pending")
            ]
        lines += [one if isinstance(one, str) else json.dumps(one) for one in more]
        path.write_text("\n".join(lines) + "\n")
