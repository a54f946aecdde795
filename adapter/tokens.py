"""Agents count tokens in different ways; here they become one convention (`adapter.trial.Tokens`).

ATIF's `prompt_tokens` holds cached tokens too; whether it also holds tokens written to the cache depends on
the agent, and the name of the key that carries them tells which.
"""

from __future__ import annotations

from collections.abc import Iterable

from adapter.loose import Json, count, mapping, number
from adapter.trial import Finding, Severity, Tokens

_WRITES_IN_PROMPT = ("cache_creation_input_tokens", "cache_write_input_tokens")
"""Claude Code's and Codex's keys: the prompt holds these tokens."""
_WRITES_BESIDE_PROMPT = ("cache_write_tokens",)
"""The OpenCode family's key: the prompt does not hold them."""
_REASONING = ("reasoning_output_tokens", "reasoning_tokens", "thoughts_tokens")


def _first(values: Json, keys: tuple[str, ...]) -> int | None:
    return next((found for key in keys if (found := count(values.get(key))) is not None), None)


def normalise(
    prompt: int | None, completion: int | None, cached: int | None, extra: Json
) -> tuple[Tokens | None, str | None]:
    """One call's (or one run's) counts in the one convention.

    Args:
        prompt: `prompt_tokens` as recorded.
        completion: `completion_tokens` as recorded; reasoning is part of it.
        cached: `cached_tokens` as recorded.
        extra: the metrics' `extra` object, where agents put what ATIF has no field for.

    Returns:
        The tokens, None where none were recorded; and a sentence when the counts do not fit together.
    """
    inside, beside = _first(extra, _WRITES_IN_PROMPT), _first(extra, _WRITES_BESIDE_PROMPT)
    written = inside if inside is not None else beside
    reasoning = _first(extra, _REASONING)
    if reasoning is None:
        reasoning = count(mapping(extra.get("completion_tokens_details")).get("reasoning_tokens"))
    if prompt is None and completion is None:
        return None, None
    problem = None
    fresh = prompt
    if prompt is not None:
        fresh = prompt - (cached or 0) - (inside or 0)
        if fresh < 0:
            problem = (
                f"{cached or 0} cached and {inside or 0} cache-write tokens are more than the {prompt} "
                "prompt tokens: the prompt is taken not to hold them."
            )
            fresh = prompt
    return Tokens(fresh, cached, written, completion, reasoning), problem


def read_metrics(metrics: Json, note: list[Finding], step: int) -> tuple[Tokens | None, float | None]:
    """Tokens and recorded cost of one step's `metrics`; what is wrong with them is added to `note`.

    A count or cost that is no number, below 0 or not finite is unknown. So are counts that are all 0, since no
    call sends and returns nothing, and a cost of 0 for a call that used tokens.
    """

    def clean(key: str) -> int | None:
        value = metrics.get(key)
        found = count(value)
        if value is not None and found is None:
            note.append(Finding("bad_token_count", Severity.WARNING, f"`{key}` is {value!r:.40}: not known.", step))
        return found

    tokens, problem = normalise(
        clean("prompt_tokens"),
        clean("completion_tokens"),
        clean("cached_tokens"),
        mapping(metrics.get("extra")),
    )
    if problem is not None:
        note.append(Finding("cached_above_prompt", Severity.WARNING, problem, step))
    if tokens is not None and not tokens.prompt and not tokens.output:
        note.append(Finding("zero_tokens", Severity.INFO, "All token counts are 0: not known.", step))
        tokens = None
    cost = number(metrics.get("cost_usd"))
    if metrics.get("cost_usd") is not None and (cost is None or cost < 0):
        note.append(
            Finding("bad_cost", Severity.WARNING, f"`cost_usd` is {metrics['cost_usd']!r:.40}: not known.", step)
        )
        cost = None
    if cost == 0:
        if tokens is not None:
            note.append(
                Finding("cost_zero_with_tokens", Severity.WARNING, "A cost of 0 for tokens used: not known.", step)
            )
        cost = None
    return tokens, cost


def read_totals(final: Json) -> tuple[Tokens | None, float | None]:
    """A run's own totals from ATIF's `final_metrics`; a total of 0 is taken as not known."""

    def clean(*keys: str) -> int | None:
        return _first(final, keys)

    tokens, _ = normalise(
        clean("total_prompt_tokens", "prompt_tokens"),
        clean("total_completion_tokens", "completion_tokens"),
        clean("total_cached_tokens", "cached_tokens"),
        _without_total(mapping(final.get("extra"))),
    )
    if tokens is not None and not tokens.prompt and not tokens.output:
        tokens = None
    cost = number(final.get("total_cost_usd"))
    return tokens, cost if cost is not None and cost > 0 else None


def _without_total(extra: Json) -> Json:
    """The `extra` of totals names the same counts with `total_` before them."""
    return {key.removeprefix("total_"): value for key, value in extra.items()}


def total(calls: Iterable[Tokens | None]) -> Tokens | None:
    """The sum over calls: None as soon as one call's tokens are not known, and likewise for each field."""
    known = list(calls)
    if not known or None in known:
        return None

    def add(values: Iterable[int | None]) -> int | None:
        counts = list(values)
        return None if None in counts else sum(count for count in counts if count is not None)

    each = [tokens for tokens in known if tokens is not None]
    return Tokens(
        input=add(tokens.input for tokens in each),
        cache_read=add(tokens.cache_read for tokens in each),
        cache_write=add(tokens.cache_write for tokens in each),
        output=add(tokens.output for tokens in each),
        reasoning=add(tokens.reasoning for tokens in each),
    )
