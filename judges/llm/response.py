"""What LiteLLM hands back of an answer, as kilobench counts and reads it."""

from __future__ import annotations

from typing import cast

from adapter.trial import Tokens
from judges.llm.request import Form

FILTERED = "content_filter"
"""How an answer ends that its provider held back."""


def usage(response: object) -> tuple[Tokens, float | None]:
    """The tokens of an answer in kilobench's convention, and what its provider says that it cost."""
    told = getattr(response, "usage", None)
    prompt, output = _count(told, "prompt_tokens"), _count(told, "completion_tokens")
    if not prompt and not output:
        return Tokens(), None  # No prompt is empty: nothing was counted.
    details = getattr(told, "prompt_tokens_details", None)
    read = _count(details, "cached_tokens") or _count(told, "cache_read_input_tokens") or 0
    written = _count(told, "cache_creation_input_tokens") or _count(details, "cache_creation_tokens") or 0
    thought = _count(getattr(told, "completion_tokens_details", None), "reasoning_tokens") or 0
    fresh = None if prompt is None else max(0, prompt - read - written)
    said = getattr(told, "cost", None)
    usd = float(said) if isinstance(said, int | float) and not isinstance(said, bool) and said >= 0 else None
    return Tokens(fresh, read, written, output, thought), usd


def _count(holder: object, name: str) -> int | None:
    value = getattr(holder, name, None)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def added(one: Tokens, other: Tokens) -> Tokens:
    """Both together; a count that either leaves out is None."""

    def plus(first: int | None, second: int | None) -> int | None:
        return None if first is None or second is None else first + second

    return Tokens(
        plus(one.input, other.input),
        plus(one.cache_read, other.cache_read),
        plus(one.cache_write, other.cache_write),
        plus(one.output, other.output),
        plus(one.reasoning, other.reasoning),
    )


def answer(response: object, form: Form) -> tuple[str, str]:
    """The text of an answer, and why it ended."""
    choices = cast("list[object]", getattr(response, "choices", None) or [])
    if not choices:
        return "", "none"
    message = getattr(choices[0], "message", None)
    finish = str(getattr(choices[0], "finish_reason", None) or "none")
    text = getattr(message, "content", None) or ""
    calls = cast("list[object]", getattr(message, "tool_calls", None) or [])
    if form is Form.TOOL and calls:
        text = getattr(getattr(calls[0], "function", None), "arguments", None) or ""
    # LiteLLM keeps what is OpenAI's own apart.
    own = cast("dict[str, object]", getattr(message, "provider_specific_fields", None) or {})
    if not text and (getattr(message, "refusal", None) or own.get("refusal")):
        return "", FILTERED
    return str(text), finish
