"""Agents count tokens in different ways; here they become one convention (`adapter.trial.Tokens`).

ATIF's `prompt_tokens` holds cached tokens too; whether it also holds tokens written to the cache depends on
the agent, and the name of the key that carries them tells which.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from adapter.loose import Json, as_text, count, mapping, number
from adapter.trial import Finding, JsonValue, Severity, Tokens

_WRITES_IN_PROMPT = ("cache_creation_input_tokens", "cache_write_input_tokens")
"""Claude Code's and Codex's keys: the prompt holds these tokens."""
_WRITES_BESIDE_PROMPT = ("cache_write_tokens",)
"""The OpenCode family's key: the prompt does not hold them."""
_FOR_AN_HOUR = ("ephemeral_1h_input_tokens",)
"""Claude Code's key for the part of the cache writes that is kept for an hour."""
_COUNTS = ("prompt_tokens", "completion_tokens", "cached_tokens")
_REASONING = ("reasoning_output_tokens", "reasoning_tokens", "thoughts_tokens")


def _first(values: Json, keys: tuple[str, ...]) -> int | None:
    return next((found for key in keys if (found := count(values.get(key))) is not None), None)


def _is_unusable(values: Json, keys: tuple[str, ...]) -> bool:
    """Whether there is something under these keys, and no count."""
    return any(values.get(key) is not None for key in keys) and _first(values, keys) is None


def prompts_exclude_cache(metrics: Iterable[Json]) -> bool:
    """Whether an agent's prompts do not hold the cached tokens: so when one of a file's steps has more of these.

    It is decided once for a whole trajectory, since an agent counts in one way.
    """
    return any(_has_more_cached(one) for one in metrics)


def _has_more_cached(metrics: Json) -> bool:
    prompt = count(metrics.get("prompt_tokens"))
    inside = _first(mapping(metrics.get("extra")), _WRITES_IN_PROMPT) or 0
    return prompt is not None and (count(metrics.get("cached_tokens")) or 0) + inside > prompt


def normalise(
    prompt: JsonValue, completion: JsonValue, cached: JsonValue, extra: Json, *, excludes_cache: bool = False
) -> tuple[Tokens | None, Finding | None]:
    """One call's (or one run's) counts in the one convention.

    A count that is there and cannot be used is unknown, and with it the fresh input: what of the prompt was cached
    is then not known either. A prompt of 0 for a call that returned something is unknown too.

    Args:
        prompt: `prompt_tokens` as recorded.
        completion: `completion_tokens` as recorded; reasoning is part of it.
        cached: `cached_tokens` as recorded.
        extra: the metrics' `extra` object, where agents put what ATIF has no field for.
        excludes_cache: whether the prompt does not hold cached tokens (see `prompts_exclude_cache`).

    Returns:
        The tokens, None where none were recorded; and a finding when the counts do not fit together.
    """
    sent, returned, read = count(prompt), count(completion), count(cached)
    if sent is None and returned is None:
        return None, None
    inside, beside = _first(extra, _WRITES_IN_PROMPT), _first(extra, _WRITES_BESIDE_PROMPT)
    written = inside if inside is not None else beside
    reasoning = _first(extra, _REASONING)
    if reasoning is None:
        reasoning = count(mapping(extra.get("completion_tokens_details")).get("reasoning_tokens"))
    by_time = mapping(extra.get("cache_creation"))
    finding = None
    fresh = sent
    if sent is not None and (read or 0) + (inside or 0) > sent:
        finding = Finding(
            "cached_above_prompt",
            Severity.WARNING,
            f"{read or 0} cached and {inside or 0} cache-write tokens are more than the {sent} prompt tokens: the "
            "run's prompts are taken not to hold them.",
        )
    elif sent is not None and not excludes_cache:
        fresh = sent - (read or 0) - (inside or 0)
    if sent == 0 and returned and not read and not written:
        message = f"A prompt of 0 tokens for {returned} tokens of output: the prompt is not known."
        finding = Finding("prompt_zero_with_output", Severity.WARNING, message)
        fresh = None
    if (
        (cached is not None and read is None)
        or _is_unusable(extra, _WRITES_IN_PROMPT + _WRITES_BESIDE_PROMPT)
        or _is_unusable(by_time, _FOR_AN_HOUR)
    ):
        fresh = None
    return Tokens(fresh, read, written, returned, reasoning, _first(by_time, _FOR_AN_HOUR)), finding


def has_metrics(metrics: Json) -> bool:
    """Whether a step's `metrics` hold any count or cost."""
    return any(metrics.get(key) is not None for key in (*_COUNTS, "cost_usd"))


def read_metrics(
    metrics: Json, note: list[Finding], step: int, *, excludes_cache: bool
) -> tuple[Tokens | None, float | None]:
    """Tokens and recorded cost of one step's `metrics`; what is wrong with them is added to `note`.

    A count or cost that is no number, below 0, not finite or beyond belief is unknown. So are counts that are all
    0, since no call sends and returns nothing, and a cost of 0 for a call that used tokens.
    """
    for key in _COUNTS:
        value = metrics.get(key)
        if value is not None and count(value) is None:
            note.append(Finding("bad_token_count", Severity.WARNING, f"`{key}` is {_shown(value)}: not known.", step))
    prompt, completion, cached = (metrics.get(key) for key in _COUNTS)
    tokens, finding = normalise(
        prompt, completion, cached, mapping(metrics.get("extra")), excludes_cache=excludes_cache
    )
    if finding is not None:
        note.append(replace(finding, step=step))
    if tokens is not None and _is_zero(tokens):
        note.append(Finding("zero_tokens", Severity.INFO, "All token counts are 0: not known.", step))
        tokens = None
    cost = number(metrics.get("cost_usd"))
    if metrics.get("cost_usd") is not None and (cost is None or cost < 0):
        message = f"`cost_usd` is {_shown(metrics['cost_usd'])}: not known."
        note.append(Finding("bad_cost", Severity.WARNING, message, step))
        cost = None
    if cost == 0:
        if tokens is not None:
            note.append(
                Finding("cost_zero_with_tokens", Severity.WARNING, "A cost of 0 for tokens used: not known.", step)
            )
        cost = None
    return tokens, cost


def _shown(value: JsonValue) -> str:
    return as_text(value)[:40]


def _is_zero(tokens: Tokens) -> bool:
    """Whether no count says that anything was sent or returned."""
    return not any((tokens.input, tokens.cache_read, tokens.cache_write, tokens.output))


def read_totals(final: Json, *, excludes_cache: bool) -> tuple[Tokens | None, float | None]:
    """A run's own totals from ATIF's `final_metrics`; a total of 0 is taken as not known."""

    def either(key: str) -> JsonValue:
        value = final.get(f"total_{key}")
        return final.get(key) if value is None else value

    prompt, completion, cached = (either(key) for key in _COUNTS)
    extra = _without_total(mapping(final.get("extra")))
    tokens, _ = normalise(prompt, completion, cached, extra, excludes_cache=excludes_cache)
    cost = number(final.get("total_cost_usd"))
    return _unless_zero(tokens), cost if cost is not None and cost > 0 else None


def read_context(context: Json, *, excludes_cache: bool) -> tuple[Tokens | None, float | None]:
    """A run's own totals from Harbor's `agent_result`; a total of 0 is taken as not known."""
    tokens, _ = normalise(
        context.get("n_input_tokens"),
        context.get("n_output_tokens"),
        context.get("n_cache_tokens"),
        {},
        excludes_cache=excludes_cache,
    )
    cost = number(context.get("cost_usd"))
    return _unless_zero(tokens), cost if cost is not None and cost > 0 else None


def _unless_zero(tokens: Tokens | None) -> Tokens | None:
    return None if tokens is None or _is_zero(tokens) else tokens


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
        cache_write_1h=add(tokens.cache_write_1h for tokens in each),
    )
