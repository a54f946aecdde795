"""Trials whose costs are worked by hand, for the tests of where the money went."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from adapter.trial import Source, Status, Step, Tokens, ToolCall, Trial, Variant
from pipelines.cost import attribute, price_trial
from pipelines.cost.attribution import Attribution

SONNET = Variant("toy", "1.0", "claude-sonnet-4-5", "anthropic")
"""In millionths of a dollar per token: 3 in full, 0.3 from the cache, 3.75 into it, 15 of output."""
MILLIONTH = 1e-6


def step(number: int, call: int | None, tokens: Tokens | None, output: str = "", **fields: Any) -> Step:
    """A step with one tool call of eight characters, and what came back."""
    made = Step(number, number, Source.AGENT, call=call, tokens=tokens, tool_calls=(ToolCall("sh", "ls -la", output),))
    return replace(made, **fields)


def told(number: int, message: str = "Go on.") -> Step:
    return Step(number, number, Source.USER, message=message)


def trial(*steps: Step, variant: Variant = SONNET, **fields: Any) -> Trial:
    made = Trial("j", "t", "job", "trial", "task", "set", variant, Status.PASSED, steps)
    return replace(made, **fields)


def spent(made: Trial, **options: Any) -> Attribution:
    return attribute(made, price_trial(made), **options)


# A listing of 20,000 tokens: written to the cache by the call after it, read from there by the one after that.
LISTING = trial(
    told(1),
    step(2, 1, Tokens(0, 0, 10_000, 100), "a listing"),
    step(3, 2, Tokens(0, 10_000, 20_100, 100)),
    step(4, 3, Tokens(0, 30_100, 100, 10), tool_calls=(), message="Done."),
)


COMPACTED = trial(
    told(1),
    step(2, 1, Tokens(5_000, 0, 0, 100), "x" * 100),
    step(3, 2, Tokens(50_000, 0, 0, 1_000), tool_calls=(), message="A summary of it all."),
    step(4, 3, Tokens(7_000, 0, 0, 50)),
    step(5, 4, Tokens(7_250, 0, 0, 50)),
)
