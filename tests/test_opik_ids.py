"""Ids are UUIDv7, the same for the same key and time window, and never older than Opik takes."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from adapter.opik_ids import fixed, mint, minted_at

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  (strategy bounds are naive)


@given(st.text(), MOMENTS)
def test_an_id_is_a_uuid7_of_its_window(key: str, now: datetime) -> None:
    made = uuid.UUID(mint(key, now))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert timedelta(0) <= now - minted_at(str(made)) < timedelta(hours=6)


@given(st.text(), st.text(), MOMENTS)
def test_ids_are_equal_only_for_equal_keys(one: str, other: str, now: datetime) -> None:
    assert (mint(one, now) == mint(other, now)) == (one == other)
    assert (fixed(one) == fixed(other)) == (one == other)


def test_an_id_stays_the_same_within_six_hours_and_for_ever_where_it_is_fixed() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert mint("k", noon) == mint("k", noon + timedelta(hours=5, minutes=59))
    assert mint("k", noon) != mint("k", noon + timedelta(hours=6))
    assert fixed("k") == "01941f29-7c00-" + fixed("k")[14:]
