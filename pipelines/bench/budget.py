"""When a trial may start: what was spent, and what runs, may not come to more than the cap. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum


class May(StrEnum):
    """What is to become of a trial that is ready."""

    START = "start"
    WAIT = "wait"
    """until one that runs has ended"""
    STOP = "stop"
    """and no other trial of this job either"""


def expected_usd(costs: Sequence[float | None], history: float | None) -> float | None:
    """What an attempt is expected to cost: the mean of those that ended here, else what history says; None if unknown.

    Args:
        costs: what attempts cost, in US dollars; None where that is not known.
        history: the mean of finished jobs' attempts.
    """
    known = [cost for cost in costs if cost is not None]
    return math.fsum(known) / len(known) if known else history


def spent_usd(costs: Sequence[float | None], each: float | None) -> float | None:
    """What attempts cost together, one whose cost is not known counting as much as is expected of one.

    None where one is not known and nothing is expected.
    """
    if each is None and None in costs:
        return None
    return math.fsum(each if cost is None and each is not None else cost or 0.0 for cost in costs)


def may_start(cap: float, costs: Sequence[float | None], running: int, history: float | None) -> May:
    """Whether another trial may start.

    Where nothing is known of what an attempt costs, the first runs alone; where it is not known afterwards either, no
    other follows, as no cap could be kept.

    Args:
        cap: US dollars.
        costs: of the attempts that ended, in US dollars; None where that is not known.
        running: how many trials run now.
        history: what an attempt is expected to cost before one has ended here; None if unknown.
    """
    each = expected_usd(costs, history)
    if each is None:
        if running:
            return May.WAIT
        return May.STOP if costs or cap <= 0 else May.START
    spent = spent_usd(costs, each) or 0.0
    if spent + (running + 1) * each <= cap * (1 + 1e-9):
        return May.START
    return May.WAIT if running else May.STOP
