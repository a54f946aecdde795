"""Agents count tokens in different ways; here they become one convention (`adapter.trial.Tokens`).

ATIF's `prompt_tokens` holds cached tokens too. Some agents leave them out, which their numbers show; whether it also
holds tokens written to the cache depends on the agent, and the name of the key that carries them tells which.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

from adapter.agents import GENERIC, Habits
from adapter.loose import EMPTY, Json, as_text, count, mapping, number
from adapter.trial import Finding, JsonValue, Severity, Tokens

_FOR_AN_HOUR = (
    "cache_creation.ephemeral_1h_input_tokens",
    "prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens",
)
"""The keys of the part of the cache writes that is kept for an hour: Anthropic's own, and LiteLLM's."""
_COUNTS = ("prompt_tokens", "completion_tokens", "cached_tokens")
_REASONING = (
    "reasoning_output_tokens",
    "reasoning_tokens",
    "thoughts_tokens",
    "completion_tokens_details.reasoning_tokens",
)
_REASONING_INSIDE = ("reasoning_output_tokens", "completion_tokens_details.reasoning_tokens")
"""Names that say that it is a part of the output, whatever the agent's habit."""
_OF_REASONING = frozenset(key.partition(".")[0] for key in _REASONING)
_LARGEST = 1e15
"""Numbers beyond it, in either direction, are not kept: no reader of JSON must hold them exactly."""
MOST_USD = 1e6
"""The largest cost that is believed, in US dollars."""
_PROOF = 2
"""How many of a file's steps must have more cached than prompt tokens to show that its prompts hold none of them."""


@dataclass(frozen=True, slots=True)
class Convention:
    """How one trajectory's counts are to be taken.

    Attributes:
        habits: of its agent.
        excludes_cache: whether its prompt counts do not hold cached tokens.
        is_doubtful: whether some step speaks against that, so that what was fresh in a total is not known.
        excludes_reasoning: whether its completion counts do not hold reasoning; None where nothing tells.
        counts_reads: whether any step counts cached tokens, so that a step without a count had none.
        counts_writes: likewise for tokens written to the cache.
        counts_reasoning: likewise for reasoning.
    """

    habits: Habits = GENERIC
    excludes_cache: bool = False
    is_doubtful: bool = False
    excludes_reasoning: bool | None = False
    counts_reads: bool = False
    counts_writes: bool = False
    counts_reasoning: bool = False


def convention_of(metrics: Iterable[Json], habits: Habits, version: str | None = None) -> Convention:
    """The convention of a trajectory, from all of its steps' metrics: an agent counts in one way.

    Prompts hold no cached tokens where more than half of the steps that read from the cache have more cached than
    prompt tokens, and at least two have. (A single step of that kind shows only that its counts do not fit.)
    Completions hold no reasoning where any step has more reasoning than completion tokens; they hold it where its name
    says so; else the agent's version tells.

    Args:
        metrics: of each step that has any.
        habits: of the agent.
        version: the agent's.
    """
    above = within = 0
    reads = writes = reasons = is_beside = is_inside = False
    for one in metrics:
        prompt, cached = count(one.get("prompt_tokens")), count(one.get("cached_tokens"))
        reads = reads or cached is not None
        extra = mapping(one.get("extra"))
        inside = _first(extra, habits.writes_in_prompt) if extra else None
        writes = writes or inside is not None
        if extra and not writes:
            writes = _first(extra, habits.writes_beside_prompt) is not None
        if prompt is not None and cached:
            if cached + (inside or 0) > prompt:
                above += 1
            else:
                within += 1
        if extra and not _OF_REASONING.isdisjoint(extra):
            reasoning, output = _first(extra, _REASONING), count(one.get("completion_tokens"))
            reasons = reasons or reasoning is not None
            is_inside = is_inside or _first(extra, _REASONING_INSIDE) is not None
            is_beside = is_beside or (output is not None and (reasoning or 0) > output)
    excludes_reasoning: bool | None = False
    if habits.reasoning_beside is not None and reasons:
        excludes_reasoning = True if is_beside else False if is_inside else habits.reasoning_beside(version)
    excludes_cache = above >= _PROOF and above > within
    is_doubtful = bool(above) and not excludes_cache
    return Convention(habits, excludes_cache, is_doubtful, excludes_reasoning, reads, writes, reasons)


@cache
def _paths(keys: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Keys as paths: `a.b.c` is what stands under `c` in the object `b` of the object `a`."""
    return tuple((outer, tuple(inner)) for outer, *inner in (key.split(".") for key in keys))


def _look(values: Json, keys: tuple[str, ...]) -> tuple[int | None, bool]:
    """The first count under these keys; and whether, without one, something else stands there."""
    is_there = False
    for outer, inner in _paths(keys):
        value = values.get(outer)
        for name in inner:
            if value is None:
                break
            value = mapping(value).get(name)
        if value is not None:
            found = count(value)
            if found is not None:
                return found, False
            is_there = True
    return None, is_there


def _first(values: Json, keys: tuple[str, ...]) -> int | None:
    return _look(values, keys)[0]


def normalise(
    prompt: JsonValue,
    completion: JsonValue,
    cached: JsonValue,
    extra: Json,
    convention: Convention,
    *,
    is_call: bool = False,
) -> tuple[Tokens | None, Finding | None]:
    """One call's (or one run's) counts in the one convention.

    A count that is there and cannot be used is unknown, and with it the fresh input: what of the prompt was cached
    is then not known either; so it is where written tokens are among those that were read. The fresh input is
    unknown too where more was cached than was sent, and where a call that returned something was sent nothing.

    Args:
        prompt: `prompt_tokens` as recorded.
        completion: `completion_tokens` as recorded.
        cached: `cached_tokens` as recorded.
        extra: the metrics' `extra` object, where agents put what ATIF has no field for.
        convention: how the numbers are to be taken.
        is_call: whether they are one call's, so that what other calls of the run count and it does not is 0.

    Returns:
        The tokens, None where none were recorded; and a finding when the counts do not fit together.
    """
    sent, returned, read = count(prompt), count(completion), count(cached)
    if sent is None and returned is None:
        return None, None
    written = reasoning = hour = None
    inside = 0
    finding = None
    unusable = cached is not None and read is None
    if convention.habits.mixes_cache and read:
        read, unusable = None, True
    if extra:
        habits = convention.habits
        written, is_broken = _look(extra, habits.writes_in_prompt)
        inside = written or 0
        if written is None:
            written, is_broken_too = _look(extra, habits.writes_beside_prompt)
            is_broken = written is None and (is_broken or is_broken_too)
        reasoning = _first(extra, _REASONING)
        hour, is_broken_hour = _look(extra, _FOR_AN_HOUR)
        unusable = unusable or is_broken or is_broken_hour
        misplaced = _first(extra, habits.input_in_output) if habits.input_in_output else None
        if misplaced and sent is not None and returned is not None and misplaced <= returned:
            sent, returned = sent + misplaced, returned - misplaced
    if not is_call and convention.is_doubtful:
        unusable = True
    if is_call:
        if read is None and cached is None and convention.counts_reads:
            read = 0
        if written is None and convention.counts_writes and not unusable:
            written = 0
        if reasoning is None and convention.counts_reasoning:
            reasoning = 0
    if convention.excludes_reasoning and returned is not None:
        returned += reasoning or 0
    fresh = sent
    if sent is not None and not convention.excludes_cache:
        fresh = sent - (read or 0) - inside
        if fresh < 0:
            fresh = None
            message = (
                f"{read or 0} cached and {inside} cache-write tokens are more than the {sent} prompt tokens: what of "
                "the prompt was fresh is not known."
            )
            finding = Finding("cached_above_prompt", Severity.WARNING, message)
    if sent == 0 and returned and not read and not written:
        message = f"A prompt of 0 tokens for {returned} tokens of output: the prompt is not known."
        finding = Finding("prompt_zero_with_output", Severity.WARNING, message)
        fresh = None
    return Tokens(None if unusable else fresh, read, written, returned, reasoning, hour), finding


def has_metrics(metrics: Json) -> bool:
    """Whether a step's `metrics` hold any count or cost."""
    get = metrics.get
    return (
        get("prompt_tokens") is not None
        or get("completion_tokens") is not None
        or get("cached_tokens") is not None
        or get("cost_usd") is not None
    )


def raw_numbers(metrics: Json, path: str = "") -> dict[str, int | float]:
    """Every number in `metrics`, by its path (`extra.reasoning_tokens`); what stands in lists is left out."""
    numbers: dict[str, int | float] = {}
    for key, value in metrics.items():
        if isinstance(value, int | float):
            if not isinstance(value, bool) and -_LARGEST <= value <= _LARGEST:
                numbers[path + key] = value
        elif isinstance(value, dict):
            numbers |= raw_numbers(value, f"{path}{key}.")
    return numbers


def read_metrics(
    metrics: Json, note: list[Finding], step: int, convention: Convention
) -> tuple[Tokens | None, float | None]:
    """Tokens and recorded cost of one step's `metrics`; what is wrong with them is added to `note`.

    A count or cost that is no number, below 0, not finite or beyond belief is unknown. So are counts that are all
    0, since no call sends and returns nothing. A cost of 0 is returned as it stands: whether the model is free is
    not known here.
    """
    if not metrics:
        return None, None
    prompt, completion, cached = (
        metrics.get("prompt_tokens"),
        metrics.get("completion_tokens"),
        metrics.get("cached_tokens"),
    )
    for key, value in zip(_COUNTS, (prompt, completion, cached), strict=True):
        if value is not None and count(value) is None:
            note.append(Finding("bad_token_count", Severity.WARNING, f"`{key}` is {_shown(value)}: not known.", step))
    extra = metrics.get("extra")
    tokens, finding = normalise(
        prompt, completion, cached, mapping(extra) if extra else EMPTY, convention, is_call=True
    )
    if finding is not None:
        note.append(replace(finding, step=step))
    if tokens is not None and _is_zero(tokens):
        note.append(Finding("zero_tokens", Severity.INFO, "All token counts are 0: not known.", step))
        tokens = None
    recorded = metrics.get("cost_usd")
    cost = number(recorded)
    if recorded is not None and (cost is None or not 0 <= cost <= MOST_USD):
        note.append(Finding("bad_cost", Severity.WARNING, f"`cost_usd` is {_shown(recorded)}: not known.", step))
        cost = None
    return tokens, cost


def _shown(value: JsonValue) -> str:
    return as_text(value)[:40]


def _is_zero(tokens: Tokens) -> bool:
    """Whether no count says that anything was sent or returned."""
    return not (tokens.input or tokens.cache_read or tokens.cache_write or tokens.output)


def read_totals(final: Json, note: list[Finding], convention: Convention) -> tuple[Tokens | None, float | None]:
    """A run's own totals from ATIF's `final_metrics`; tokens that are all 0 are not known."""
    prompt, completion, cached = (recorded_total(final, key) for key in _COUNTS)
    extra = _without_total(mapping(final.get("extra")))
    cost = recorded_total(final, "cost_usd")
    return _totals(prompt, completion, cached, extra, cost, "final_metrics", note, convention)


def recorded_total(final: Json, key: str) -> JsonValue:
    """What `final_metrics` say of a count: ATIF puts `total_` before its name, some producers do not."""
    value = final.get(f"total_{key}")
    return final.get(key) if value is None else value


def read_context(context: Json, note: list[Finding], convention: Convention) -> tuple[Tokens | None, float | None]:
    """A run's own totals from Harbor's `agent_result`; tokens that are all 0 are not known."""
    counts = (context.get(f"n_{kind}_tokens") for kind in ("input", "output", "cache"))
    prompt, completion, cached = counts
    return _totals(prompt, completion, cached, EMPTY, context.get("cost_usd"), "agent_result", note, convention)


def _totals(
    prompt: JsonValue,
    completion: JsonValue,
    cached: JsonValue,
    extra: Json,
    recorded: JsonValue,
    place: str,
    note: list[Finding],
    convention: Convention,
) -> tuple[Tokens | None, float | None]:
    for value in (prompt, completion, cached):
        if value is not None and count(value) is None:
            message = f"A total in `{place}` is {_shown(value)}: not known."
            note.append(Finding("bad_token_count", Severity.WARNING, message))
    tokens, finding = normalise(prompt, completion, cached, extra, convention)
    if finding is not None:
        note.append(replace(finding, message=f"`{place}`: {finding.message}"))
    if tokens is not None and _is_zero(tokens):
        note.append(Finding("zero_tokens", Severity.INFO, f"All token totals in `{place}` are 0: not known."))
    cost = number(recorded)
    if recorded is not None and (cost is None or not 0 <= cost <= MOST_USD):
        message = f"The cost in `{place}` is {_shown(recorded)}: not known."
        note.append(Finding("bad_cost", Severity.WARNING, message))
        cost = None
    return None if tokens is None or _is_zero(tokens) else tokens, cost


def _without_total(extra: Json) -> Json:
    """The `extra` of totals names the same counts with `total_` before them."""
    return {key.removeprefix("total_"): value for key, value in extra.items()}


def total(calls: Iterable[Tokens | None]) -> Tokens | None:
    """The sum over calls: None as soon as one call's tokens are not known, and likewise for each field."""
    rows: list[tuple[int | None, ...]] = []
    for one in calls:
        if one is None:
            return None
        rows.append((one.input, one.cache_read, one.cache_write, one.output, one.reasoning, one.cache_write_1h))
    if not rows:
        return None
    return Tokens(*(_sum(column) for column in zip(*rows, strict=True)))


def _sum(counts: tuple[int | None, ...]) -> int | None:
    return None if None in counts else sum(count for count in counts if count is not None)
