"""The tokens of a trial: of its LLM calls, and in all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from adapter.tokens import total
from adapter.trial import Step, Tokens, Trial


def calls(trial: Trial) -> dict[int, list[Step]]:
    """The agent's steps by the LLM call of the trial that produced them, in order."""
    found: dict[int, list[Step]] = defaultdict(list)
    for step in trial.agent_steps:
        if step.call is not None:
            found[step.call].append(step)
    return dict(found)


def trial_tokens(trial: Trial) -> Tokens | None:
    """All tokens of a trial.

    They are the sum over its calls where every call's are known, with what that lacks from the run's own totals. They
    are the run's own totals where some call's tokens are not known, where not all was read, and where these differ from
    the calls: an agent also makes calls that have no step (for a title; the last one before a time-out), and some write
    one call's counts on several steps. So tokens and cost are of one source.

    A regrade used none of its own.
    """
    if trial.source_trial_id is not None:
        return None
    run = trial.recorded_tokens
    tokens = (next((step.tokens for step in steps if step.tokens is not None), None) for steps in calls(trial).values())
    of_calls = _sum_tokens(list(tokens)) if trial.is_whole else None
    if of_calls is None or run is None:
        return of_calls or run
    differs = _differs(run.prompt, of_calls.prompt) or _differs(run.output, of_calls.output)
    return run if differs else _completed(of_calls, run)


def tokens_in_all(tokens: Tokens | None) -> int | None:
    """Everything sent and received; None where the prompt or the output is not known."""
    if tokens is None or tokens.prompt is None or tokens.output is None:
        return None
    return tokens.prompt + tokens.output


def _sum_tokens(tokens: Sequence[Tokens | None]) -> Tokens | None:
    """The sum over calls, whose prompt is the sum of their prompts.

    Where only some of a trial's agents record a cache, the calls of the others used none (`Tokens.prompt`).
    """
    known = [one for one in tokens if one is not None]
    if len(known) < len(tokens):
        return None
    reads = any(one.cache_read is not None for one in known)
    writes = any(one.cache_write is not None for one in known)
    return total(
        one
        if one.input is None
        else replace(
            one,
            cache_read=0 if reads and one.cache_read is None else one.cache_read,
            cache_write=0 if writes and one.cache_write is None else one.cache_write,
        )
        for one in known
    )


def _differs(run: int | None, of_calls: int | None) -> bool:
    return run is not None and of_calls is not None and run != of_calls


def _completed(of_calls: Tokens, run: Tokens) -> Tokens:
    """The calls' sums, with what they lack from the run's own totals.

    The parts of the prompt do not overlap, so they must be of one source where together they would make another prompt
    than either: what one source calls cached, the other may count as fresh.
    """
    filled = Tokens(
        input=_first(of_calls.input, run.input),
        cache_read=_first(of_calls.cache_read, run.cache_read),
        cache_write=_first(of_calls.cache_write, run.cache_write),
        output=_first(of_calls.output, run.output),
        reasoning=_first(of_calls.reasoning, run.reasoning),
        cache_write_1h=_first(of_calls.cache_write_1h, run.cache_write_1h),
    )
    prompt = _first(of_calls.prompt, run.prompt)
    if filled.prompt == prompt:
        return filled
    whole = run if run.prompt == prompt else of_calls
    return replace(
        filled,
        input=whole.input,
        cache_read=whole.cache_read,
        cache_write=whole.cache_write,
        cache_write_1h=whole.cache_write_1h,
    )


def _first(count: int | None, other: int | None) -> int | None:
    return other if count is None else count
