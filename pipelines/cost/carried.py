"""What a step's words cost again: in every later call that was sent them, at the price which that call paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapter.costs import CallCost
from pipelines.cost.context import Context, Epoch, Item

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

type _Floats = NDArray[np.float64]


@dataclass(slots=True)
class Carried:
    """What the words of steps cost as input, by step; and those of no step.

    Attributes:
        entry: the first time that what came back to a step was sent, as new input.
        again: all that its words cost after that, as far as it is known.
        open: the steps whose words were sent in calls of unknown cost: their `again` is a lower bound.
        open_entry: the steps for which even the first time is not known.
        prompt: what instructions, tasks and contexts made anew cost; a lower bound where a call's cost is not known.
    """

    entry: dict[int, float] = field(default_factory=dict[int, float])
    again: dict[int, float] = field(default_factory=dict[int, float])
    open: set[int] = field(default_factory=set[int])
    open_entry: set[int] = field(default_factory=set[int])
    prompt: float = 0.0


def carried(context: Context) -> Carried:
    """What the words of each step cost as input, over all calls of a trial.

    Every call pays for each token of its prompt at the rate of the stretch that it lies in: read from the cache, then
    written to it, then in full. Summed over an epoch's calls, that is a price for each place in the context; a step's
    words cost the integral of it over where they lie. So it takes time in proportion to the calls and items, not to
    their product.
    """
    found = Carried(open=set(context.lost), open_entry=set(context.lost))
    for epoch in context.epochs:
        _add(epoch, found)
    return found


def _add(epoch: Epoch, found: Carried) -> None:
    import numpy as np  # Whoever only prices does without it.

    last_unknown = max((number for number, call in enumerate(epoch.calls) if _stretches(call) is None), default=-1)
    if not epoch.items:
        return
    starts = np.array([item.start for item in epoch.items])
    ends = np.array([item.end for item in epoch.items])
    places, integral = _integral(epoch.calls)
    costs = np.interp(ends, places, integral) - np.interp(starts, places, integral)
    for item, cost in zip(epoch.items, costs.tolist(), strict=True):
        if item.step is None:
            found.prompt += cost
            continue
        first = 0.0 if item.is_output else _once(epoch.calls[item.since], item)
        if first is None:
            found.open_entry.add(item.step)
        found.entry[item.step] = found.entry.get(item.step, 0.0) + (first or 0.0)
        found.again[item.step] = found.again.get(item.step, 0.0) + max(0.0, cost - (first or 0.0))
        if item.since <= last_unknown:
            found.open.add(item.step)


def _stretches(call: CallCost) -> tuple[tuple[float, float, float], ...] | None:
    """Where in a call's prompt which price per token is paid; None where that is not known."""
    tokens, billed = call.tokens, call.billed
    if call.usd is None or tokens is None or billed is None or tokens.input is None:
        return None
    read = tokens.cache_read or 0
    written = read + (tokens.cache_write or 0)
    prompt = written + tokens.input
    parts = ((0, read, billed.cache_read), (read, written, billed.cache_write), (written, prompt, billed.input))
    return tuple((float(start), float(end), usd / (end - start)) for start, end, usd in parts if end > start)


def _once(call: CallCost, item: Item) -> float | None:
    """What a stretch costs in one call."""
    stretches = _stretches(call)
    if stretches is None:
        return None
    return sum(max(0.0, min(end, item.end) - max(start, item.start)) * rate for start, end, rate in stretches)


def _integral(calls: Sequence[CallCost]) -> tuple[_Floats, _Floats]:
    """Places in a context, and what all tokens up to each cost over all of these calls; linear in between."""
    import numpy as np

    steps: dict[float, float] = {0.0: 0.0}
    for call in calls:
        for start, end, rate in _stretches(call) or ():
            steps[start] = steps.get(start, 0.0) + rate
            steps[end] = steps.get(end, 0.0) - rate
    places = np.array(sorted(steps))
    rates = np.cumsum([steps[place] for place in places.tolist()])
    return places, np.concatenate(([0.0], np.cumsum(rates[:-1] * np.diff(places))))
