"""What a call's cost was spent on: a true partition of it, and the steps' shares of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from adapter.costs import CallCost
from adapter.trial import Step
from pipelines.cost.attribution import Parts
from pipelines.cost.context import Flow
from pipelines.cost.pricing import arguments_length


@dataclass(frozen=True, slots=True)
class Shares:
    """The four of KiloBench's pie, as shares of the cost that prices explain; in all, 1.

    Attributes:
        resent_context: input that the call before already held, however it was billed.
        tool_overhead: input that was new, however it was billed: what tools returned, for the most part.
        reasoning: None where the agent records none (it is then among the useful output).
        useful_output: what was said, and the tools' arguments.
    """

    resent_context: float
    tool_overhead: float
    reasoning: float | None
    useful_output: float


def parts(cost: CallCost, flow: Flow | None, members: Sequence[Step]) -> Parts:
    """What a call's cost was spent on; all None where its tokens, its price or its cost is not known.

    A provider's cache holds the beginning of a prompt; what it is asked to keep comes next, and the rest is billed in
    full. What was re-sent is the beginning, too. So each of the six kinds of input is where two stretches overlap.

    Reasoning is what was counted as such. Where nothing was counted and the reasoning can be read, it has its share of
    the output by the length of the texts; where it cannot, it is unknown. What is left of the output is shared by
    length between the message and the tools' names and arguments.
    """
    tokens, billed = cost.tokens, cost.billed
    if tokens is None or billed is None or flow is None or cost.usd is None:
        return Parts()
    read = tokens.cache_read or 0
    written = read + (tokens.cache_write or 0)
    prompt = written + (tokens.input or 0)
    stretches = ((billed.cache_read, 0, read), (billed.cache_write, read, written), (billed.input, written, prompt))
    again = [
        usd * (max(0, min(end, flow.resent) - start) / (end - start)) if end > start else 0.0
        for usd, start, end in stretches
    ]
    fresh = [usd - resent for (usd, _, _), resent in zip(stretches, again, strict=True)]
    reasoning, message, calls = _output(cost, members)
    return Parts(
        resent=again[2],
        resent_cached=again[0],
        resent_written=again[1],
        new=fresh[2],
        new_cached=fresh[0],
        new_written=fresh[1],
        reasoning=reasoning,
        tool_calls=calls,
        message=message,
        unexplained=cost.usd - billed.usd,
    )


def _output(cost: CallCost, members: Sequence[Step]) -> tuple[float | None, float, float]:
    """What reasoning, the message and the tool calls cost."""
    billed, tokens = cost.billed, cost.tokens
    if billed is None or tokens is None:
        return None, 0.0, 0.0
    said = sum(len(step.message) for step in members)
    asked = sum(arguments_length(step) for step in members)
    reasoning: float | None = billed.reasoning
    left = billed.output
    if tokens.reasoning is None:
        # Split turns repeat it on each of their steps.
        thought = sum(map(len, dict.fromkeys(step.reasoning or "" for step in members)))
        whole = said + asked + thought
        reasoning = left * (thought / whole) if thought else None
        left -= reasoning or 0.0
    calls = left * (asked / (said + asked)) if asked else 0.0
    return reasoning, left - calls, calls


def scaled(whole: Parts, share: float) -> Parts:
    """A share of each part; what is not known stays so."""
    if not whole.known or share == 1.0:
        return whole
    values = {one.name: getattr(whole, one.name) for one in fields(whole)}
    return Parts(**{name: None if value is None else value * share for name, value in values.items()})


def summed(many: Sequence[Parts]) -> Parts:
    """The sum of each part over those that have any; reasoning is None where none has it."""
    known = [one for one in many if one.known]
    if not known:
        return Parts()
    values = {one.name: [getattr(part, one.name) for part in known] for one in fields(Parts)}
    return Parts(
        **{
            name: sum(value for value in column if value is not None) if any(v is not None for v in column) else None
            for name, column in values.items()
        }
    )


def pie(whole: Parts) -> Shares | None:
    """A breakdown as KiloBench's four shares; None where there is none, or nothing to share."""
    if not whole.known:
        return None
    resent = (whole.resent or 0.0) + (whole.resent_cached or 0.0) + (whole.resent_written or 0.0)
    new = (whole.new or 0.0) + (whole.new_cached or 0.0) + (whole.new_written or 0.0)
    useful = (whole.tool_calls or 0.0) + (whole.message or 0.0)
    explained = resent + new + useful + (whole.reasoning or 0.0)
    if explained <= 0:
        return None
    reasoning = None if whole.reasoning is None else whole.reasoning / explained
    return Shares(resent / explained, new / explained, reasoning, useful / explained)
