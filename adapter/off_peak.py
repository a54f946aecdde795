"""The hours of a week in which a provider has other prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from adapter.loose import Json, mapping, number, sequence, text
from adapter.trial import JsonValue

_EVERY_DAY = frozenset(range(1, 8))


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of some days of the week.

    Attributes:
        days: 1 for Monday to 7 for Sunday, in the calendar of `OffPeak.calendar`.
        begins: in UTC; of the window.
        ends: in UTC, and not of the window; up to `begins` of the next day where it is not later.
    """

    days: frozenset[int]
    begins: time
    ends: time


@dataclass(frozen=True, slots=True)
class OffPeak:
    """Prices for some hours.

    Attributes:
        windows: the hours.
        rates: US dollars per token, by LiteLLM's names; they take the place of those that hold otherwise.
        calendar: whose days of the week count.
    """

    windows: tuple[Window, ...]
    rates: Mapping[str, float]
    calendar: tzinfo = UTC

    def holds(self, at: datetime) -> bool:
        """Whether a time lies in one of the windows; one without a zone is taken as UTC."""
        moment = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        day, clock = moment.astimezone(self.calendar).isoweekday(), moment.time()
        for window in self.windows:
            if day not in window.days:
                continue
            if window.begins < window.ends:
                if window.begins <= clock < window.ends:
                    return True
            elif clock >= window.begins or clock < window.ends:
                return True
        return False


def off_peak(block: JsonValue | Json) -> OffPeak | None:
    """The block `off_peak_pricing` of an entry of LiteLLM's table; None where it has no hours that can be read."""
    block = mapping(block)
    windows = [*_windows(block.get("hours_utc"), _EVERY_DAY)]
    for rule in map(mapping, sequence(block.get("windows"))):
        days = rule.get("weekdays")
        named = _EVERY_DAY if days is None else frozenset(day for day in sequence(days) if isinstance(day, int))
        windows += _windows(rule.get("hours_utc"), named)
    rates = {name: rate for name, value in block.items() if "cost" in name and (rate := number(value)) is not None}
    return OffPeak(tuple(windows), rates, _calendar(text(block.get("weekday_timezone")))) if windows else None


def _windows(hours: JsonValue, days: frozenset[int]) -> list[Window]:
    """Of `HH:MM-HH:MM`, or a list of such."""
    found: list[Window] = []
    for one in [hours] if isinstance(hours, str) else sequence(hours):
        begins, _, ends = one.partition("-") if isinstance(one, str) else ("", "", "")
        try:
            found.append(Window(days, time.fromisoformat(begins.strip()), time.fromisoformat(ends.strip())))
        except ValueError:
            continue
    return found


def _calendar(zone: str | None) -> tzinfo:
    try:
        return UTC if zone is None else ZoneInfo(zone.strip())
    except (ValueError, ZoneInfoNotFoundError):
        return UTC
