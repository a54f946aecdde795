"""When each step began and ended, from time stamps that mark different moments with different agents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from adapter.agents import Stamp
from adapter.durations import LONGEST
from adapter.trial import Span, Timing

type Stamped = tuple[datetime | None, float | None]
"""A step's time stamp, and its duration in seconds where the agent recorded one."""

_CLOCK_SKEW = 60.0
"""Seconds by which a trial may seem to begin before its job."""


def step_times(steps: Sequence[Stamped], stamp: Stamp, within: Span) -> list[tuple[Span, Timing]]:
    """Each step's time and where its length comes from.

    A recorded duration is laid from the stamp onward, or up to it where stamps mark ends. Without one, a step takes
    the time to the next later stamp (where stamps mark ends: from the last earlier one), and the outermost ends with
    the agent's own time. These gaps hold whatever happened in between, tools and waiting included.

    Args:
        steps: of one agent (or sub-agent), in order.
        stamp: what the agent's stamps mark.
        within: the agent's own time, as far as it is known.
    """
    if stamp is Stamp.NONE:
        return [(Span(), Timing.UNKNOWN)] * len(steps)
    at_end = stamp is Stamp.END
    outer = within.started_at if at_end else within.finished_at
    ordered = list(steps) if at_end else list(steps)[::-1]
    times: list[tuple[Span, Timing]] = []
    passed: list[datetime] = []  # stamps that were seen, the nearest on top, each farther than the one above it
    for at, duration in ordered:
        if at is None:
            times.append((Span(), Timing.UNKNOWN))
            continue
        while passed and (passed[-1] >= at if at_end else passed[-1] <= at):
            passed.pop()
        other = passed[-1] if passed else outer
        passed.append(at)
        times.append(_time(at, duration, other, at_end))
    return times if at_end else times[::-1]


def _time(at: datetime, duration: float | None, other: datetime | None, at_end: bool) -> tuple[Span, Timing]:
    if duration is not None and duration <= LONGEST:
        length = timedelta(seconds=duration)
        try:
            return (Span(at - length, at) if at_end else Span(at, at + length)), Timing.RECORDED
        except OverflowError:
            pass  # a stamp at the end of all time
    if other is None or (other > at if at_end else other < at):
        return (Span(None, at) if at_end else Span(at, None)), Timing.UNKNOWN
    return (Span(other, at) if at_end else Span(at, other)), Timing.GAP


def as_utc(local: Span, first: datetime | None) -> Span:
    """A job's own times in UTC.

    Harbor writes them in the local time of its machine, without a zone; its trials' times are in UTC. A job starts
    moments before its first trial, so the zone is the last whole quarter of an hour before the difference.

    Args:
        local: the job's times as they stand.
        first: when its first trial started; None when no trial says.
    """
    start, end = local.started_at, local.finished_at
    if start is None or start.tzinfo is not None:
        return local
    if first is None:
        return Span()
    ahead = (first.replace(tzinfo=None) - start).total_seconds()
    quarters = math.floor((ahead + _CLOCK_SKEW) / 900)
    offset = timedelta(minutes=15 * quarters)
    if abs(offset) > timedelta(hours=15):
        return Span()
    finished = end.replace(tzinfo=first.tzinfo) + offset if end is not None and end.tzinfo is None else end
    return Span(start.replace(tzinfo=first.tzinfo) + offset, finished)
