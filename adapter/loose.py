"""Reading untrusted JSON: bytes to plain values, and plain values to the types that are wanted, or None."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from pydantic_core import from_json, to_json

from adapter.errors import UnreadableError
from adapter.trial import JsonValue

type Json = Mapping[str, JsonValue]

EMPTY: Json = {}

MAX_COUNT = 2**31 - 1
"""The largest count that is believed, and that every store can hold."""


def is_there(path: Path) -> bool:
    """Whether there is something to read: False only where there surely is nothing.

    What cannot be looked at (no permission, a loop of links, a name too long) is there: reading it says why not.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def read_bytes(path: Path) -> bytes:
    """What is in a file.

    Raises:
        UnreadableError: it cannot be read; the message says why.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{path.name}: {error.strerror or error}") from error


def read_json(path: Path) -> JsonValue:
    """The JSON value in a file.

    Raises:
        UnreadableError: the file cannot be read or holds no JSON; the message says why and where.
    """
    data = read_bytes(path)
    if not data.strip():
        raise UnreadableError(f"{path.name} is empty")
    try:
        return cast("JsonValue", from_json(data))
    except ValueError as error:
        return _second_try(path.name, data, error)


def _second_try(name: str, data: bytes, first: ValueError) -> JsonValue:
    """Python's own parser takes lone surrogates, which the fast one refuses; they become U+FFFD."""
    try:
        value: JsonValue = json.loads(data)
        text = json.dumps(value, ensure_ascii=False)
        # Read again by the fast parser, which also bounds the depth.
        return cast("JsonValue", from_json(text.encode("utf-8", "replace")))
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{name} is no text: {error.reason} at byte {error.start}") from error
    except RecursionError as error:
        raise UnreadableError(f"{name} is nested too deeply") from error
    except ValueError as error:
        raise UnreadableError(f"{name} is no JSON: {first}") from error


def mapping(value: JsonValue | Json) -> Json:
    """The value if it is an object, else an empty one."""
    return cast("Json", value) if isinstance(value, Mapping) else EMPTY


def sequence(value: JsonValue) -> Sequence[JsonValue]:
    """The value if it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def text(value: JsonValue) -> str | None:
    """The value if it is a string that is not blank, else None."""
    return value if isinstance(value, str) and value.strip() else None


def count(value: JsonValue) -> int | None:
    """A number of things: a whole number from 0 to `MAX_COUNT`, else None. True and False are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= MAX_COUNT or value != int(value):
        return None
    return int(value)


def number(value: JsonValue) -> float | None:
    """A finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def moment(value: JsonValue) -> datetime | None:
    """An ISO 8601 time in UTC, else None; a time without a zone is taken as UTC."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    try:
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except OverflowError:
        return None


def as_text(value: JsonValue | Json) -> str:
    """Any value as readable text: a string as it is, None as nothing, everything else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else to_json(value).decode()
