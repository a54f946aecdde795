"""What an LLM call used and cost, from the `step-finish` of its message, in ATIF's terms.

Kilo changed what `output` means: up to 7.0.33 it holds the reasoning tokens, from 7.7 on these stand beside it. Both
write the provider's `total`, so that what came back is the total less what was sent, whatever the version. A call's
cost is that of its `step-finish`; the cost on the message holds the sub-agents' that it started, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from adapter.loose import Json, count, mapping, number
from adapter.tokens import MOST_USD


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call used.

    Attributes:
        prompt: all tokens that were sent, those of the cache among them.
        completion: all that came back, reasoning among them.
        cache_read: what of the prompt was read from the cache; `cache_write` what was written to it.
        cost: US dollars as Kilo recorded them; 0 also where it knows no price. None where nothing is recorded.
        reasoning_in_output: whether Kilo's `output` held the reasoning, so that a cost that Kilo computed from its
            own prices, which charges both, charges the reasoning twice.
    """

    prompt: int
    completion: int
    cache_read: int
    cache_write: int
    reasoning: int
    cost: float | None
    reasoning_in_output: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing was counted: the provider sent no usage."""
        return not (self.prompt or self.completion)


def usage_of(finish: Json) -> Usage:
    """What a `step-finish` says; a count that is none is taken as 0, as Kilo writes what it was not told."""
    tokens = mapping(finish.get("tokens"))
    cache = mapping(tokens.get("cache"))
    fresh, output, reasoning = (count(tokens.get(key)) or 0 for key in ("input", "output", "reasoning"))
    read, write = (count(cache.get(key)) or 0 for key in ("read", "write"))
    prompt, total = fresh + read + write, count(tokens.get("total"))
    cost = number(finish.get("cost"))
    least = max(output, reasoning)
    has_total = total is not None and total - prompt >= least
    return Usage(
        prompt=prompt,
        completion=total - prompt if total is not None and has_total else output + reasoning,
        cache_read=read,
        cache_write=write,
        reasoning=reasoning,
        cost=cost if cost is not None and 0 <= cost <= MOST_USD else None,
        reasoning_in_output=has_total and reasoning > 0 and total == prompt + output,
    )


def sum_of(usages: Iterable[Usage]) -> Usage | None:
    """What several calls used together; None for none. The cost is None as soon as one call's is."""
    found = list(usages)
    if not found:
        return None
    costs = [one.cost for one in found if one.cost is not None]
    return Usage(
        prompt=sum(one.prompt for one in found),
        completion=sum(one.completion for one in found),
        cache_read=sum(one.cache_read for one in found),
        cache_write=sum(one.cache_write for one in found),
        reasoning=sum(one.reasoning for one in found),
        cost=sum(costs) if len(costs) == len(found) else None,
        reasoning_in_output=any(one.reasoning_in_output for one in found),
    )
