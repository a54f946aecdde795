"""The ids of what is stored in Opik.

A row is known by its key, which is kept in its metadata: what Opik already holds under a key keeps its id. An id is
minted only for what is missing: a UUIDv7 of the current time, rounded down to 6 hours, and a hash of the key. So
nothing that is sent is older than the day that Opik Cloud allows, and two uploads at about the same time agree.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime

ROUNDING_SECONDS = 6 * 3600
_LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)


def mint(key: str, now: datetime) -> str:
    """A UUIDv7 (RFC 9562) for a key.

    Args:
        key: the row's key; the same key and 6-hour window give the same id.
        now: the current time, aware.
    """
    seconds = int(now.timestamp())
    return _uuid7((seconds - seconds % ROUNDING_SECONDS) * 1000, key)


def fixed(key: str) -> str:
    """A UUIDv7 that a key always has, whatever the time: for dataset items, whose ids may be old."""
    return _uuid7(int(_LONG_AGO.timestamp()) * 1000, key)


def _uuid7(milliseconds: int, key: str) -> str:
    hashed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:10])
    random_a, random_b = hashed >> 68, hashed & ((1 << 62) - 1)
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | random_a << 64 | 2 << 62 | random_b))


def minted_at(row_id: str) -> datetime:
    """The time inside a UUIDv7."""
    return datetime.fromtimestamp((uuid.UUID(row_id).int >> 80) / 1000, tz=UTC)
