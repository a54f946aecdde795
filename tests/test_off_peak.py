"""The hours of a week that have prices of their own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from adapter.off_peak import off_peak
from adapter.trial import Object

RATES: Object = {"input_cost_per_token": 1e-6}
NIGHT: Object = RATES | {"hours_utc": "22:00-06:00"}
WEEKEND: Object = RATES | {"windows": [{"hours_utc": ["00:00-00:00"], "weekdays": [6, "Sunday"]}]}
SHANGHAI: Object = WEEKEND | {"weekday_timezone": "Asia/Shanghai"}
NO_ZONE: Object = WEEKEND | {"weekday_timezone": "Mars/Olympus"}
FRIDAY, SATURDAY, SUNDAY, MONDAY = (datetime(2026, 11, day, tzinfo=UTC) for day in (20, 21, 22, 23))
HOUR = timedelta(hours=1)

# A block of the table, a time, and whether its prices hold then.
TIMES = [
    (NIGHT, MONDAY + 21.99 * HOUR, False),
    (NIGHT, MONDAY + 22 * HOUR, True),
    (NIGHT, MONDAY, True),
    (NIGHT, MONDAY + 6 * HOUR, False),
    (NIGHT, datetime(2026, 11, 23, 0, tzinfo=timezone(-6 * HOUR)), False),
    (NIGHT, datetime(2026, 11, 23, 6, tzinfo=timezone(2 * HOUR)), True),
    (WEEKEND, FRIDAY + 23 * HOUR, False),
    (WEEKEND, SATURDAY, True),
    (WEEKEND, SUNDAY + 23 * HOUR, True),
    (WEEKEND, MONDAY, False),
    # There it is Saturday eight hours earlier.
    (SHANGHAI, FRIDAY + 16 * HOUR, True),
    (SHANGHAI, SUNDAY + 16 * HOUR, False),
    (NO_ZONE, SATURDAY, True),
]


@pytest.mark.parametrize(("block", "at", "holds"), TIMES)
def test_a_time_lies_in_a_window_or_not(block: Object, at: datetime, holds: bool) -> None:
    found = off_peak(block)
    assert found is not None
    assert found.rates == RATES
    assert found.holds(at) is holds
    assert found.holds(at.astimezone(UTC).replace(tzinfo=None)) is holds


NONE: list[Object | None] = [None, {}, RATES, RATES | {"hours_utc": "night"}, RATES | {"windows": [{"weekdays": [1]}]}]


@pytest.mark.parametrize("block", NONE)
def test_without_hours_that_can_be_read_there_are_no_such_prices(block: Object | None) -> None:
    assert off_peak(block) is None
