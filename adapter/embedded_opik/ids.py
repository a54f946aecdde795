"""Identifiers: the version 7 rule, the ingestion window, and the ids the store mints itself."""

from __future__ import annotations

import hashlib
import re
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from opik import id_helpers

from adapter.embedded_opik.errors import RefusedError, UnreadableBodyError

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)
_RFC_VARIANT = "89abAB"


def uuid_text(value: str, what: str) -> str:
    """The id in lower case; refused with 400 where it is no UUID at all."""
    if _UUID.fullmatch(value) is None:
        raise UnreadableBodyError(f"{what} id is not a UUID: {value[:64]!r}")
    return value.lower()


def version7(value: str, what: str) -> str:
    """The id in lower case; refused with 400 where it is not a version 7 UUID, as Opik does."""
    match = _UUID.fullmatch(value)
    if match is None:
        raise UnreadableBodyError(f"{what} id is not a UUID: {value[:64]!r}")
    if match[1] != "7" or match[2] not in _RFC_VARIANT:
        raise RefusedError(400, f"{what} id must be a version 7 UUID")
    return value.lower()


def embedded_time(identifier: str) -> datetime:
    """The time in the first 48 bits of a version 7 UUID."""
    milliseconds = int(identifier[:8] + identifier[9:13], 16)
    # Added to the epoch, not given to fromtimestamp: 48 bits reach beyond the years a datetime can hold.
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def check_window(identifier: str, window: timedelta | None, now: datetime) -> None:
    """Refuse an id minted too far from now (Opik's UuidV7TimestampValidator; off with `window=None`)."""
    if window is None:
        return
    minted = embedded_time(identifier)
    if now - window <= minted <= now + window:
        return
    reason = "too_old" if minted < now else "too_far_future"
    raise RefusedError(
        400,
        f"Invalid UUID for id with timestamp '{minted.isoformat()}' must be in the allowed ingestion window of "
        f"'{_duration(window)}' around now, reason '{reason}'",
    )


def mint(now: datetime) -> str:
    """A new version 7 UUID of this moment."""
    return id_helpers.generate_id(now)


def thread_model_id(project: str, thread: str) -> str:
    """The id that stands for a thread: a version 7 UUID of the time its project was made and a hash of its name."""
    seed = uuid.UUID(bytes=hashlib.sha256(f"{project}/{thread}".encode()).digest()[:16], version=4)
    return str(id_helpers.uuid4_to_uuid7(embedded_time(project), str(seed)))


def _duration(window: timedelta) -> str:
    """The window as Java's Duration prints it: hours, minutes, seconds."""
    hours, rest = divmod(int(window.total_seconds()), 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [f"{hours}H" if hours else "", f"{minutes}M" if minutes else "", f"{seconds}S" if seconds else ""]
    return "PT" + ("".join(parts) or "0S")


def path_part(text: str) -> str:
    """Text as one part of an address."""
    return quote(text, safe="")
