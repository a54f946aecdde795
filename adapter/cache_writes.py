"""What calls wrote to the cache, where the trajectory does not say.

Anthropic bills a quarter more for input that is written to the cache (OpenAI too, since GPT-5.6), and some agents'
trajectories have no place for it: Terminus', OpenHands', Qwen Code's. But nothing is read that was not written: what a
call reads beyond what the call before it read, that one wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from adapter.trial import Tokens


def with_writes(calls: Sequence[Tokens], *, beside_input: bool = False) -> list[Tokens]:
    """The calls of one agent with what each wrote to the cache; as they are where nothing was read from it.

    A call's writes do not show where the next one read less (the cache ran out, the context was made anew), nor with
    the last call. It is then taken to have written as large a part of its new input as the nearest other call did.

    Args:
        calls: in order; none of them counts what it wrote.
        beside_input: whether the input that they count holds nothing of it. What no call read is then not known, and
            with it the input.
    """
    if not any(one.cache_read for one in calls):
        return list(calls)
    wrote = [_rise(before, after) for before, after in pairwise(calls)] + [None]
    if beside_input:
        return [
            replace(one, input=None) if written is None else replace(one, cache_write=written)
            for one, written in zip(calls, wrote, strict=True)
        ]
    parts = [_part(one, written) for one, written in zip(calls, wrote, strict=True)]
    part = next((known for known in parts if known is not None), 0.0)
    found: list[Tokens] = []
    for one, own in zip(calls, parts, strict=True):
        part = part if own is None else own
        written = round((one.input or 0) * part)
        found.append(one if one.input is None else replace(one, input=one.input - written, cache_write=written))
    return found


def _rise(before: Tokens, after: Tokens) -> int | None:
    """What the second call read beyond the first; None where it read less."""
    rise = (after.cache_read or 0) - (before.cache_read or 0)
    return None if rise < 0 else rise


def _part(one: Tokens, written: int | None) -> float | None:
    """What part of its new input a call wrote; None where that does not show."""
    return None if written is None or not one.input else min(1.0, written / one.input)
