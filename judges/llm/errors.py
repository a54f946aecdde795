"""What LiteLLM raises, as what it means for a call: tried again, and after how long, or over, and why."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

import httpx

from adapter.redact import redact_text
from judges.llm.call import CallFailed, Why

_DETAIL = 300
"""Characters of a provider's own words."""
_NO_CREDIT = re.compile(
    r"insufficient_quota|billing|credit balance|payment required|exceeded your current quota", re.IGNORECASE
)
_NO_KEY = re.compile(
    r"missing credentials|api[_ ]key client option|must be set either|authentication method|no api[_ ]key|"
    r"missing .{0,40}api[_ ]key|could not resolve (?:authentication|credentials)|unable to locate credentials",
    re.IGNORECASE,
)
"""What clients say that were given no key: nothing was sent, and nothing will be."""
_TOO_LONG = re.compile(
    r"context (?:length|window)|context_length_exceeded|maximum context|too many tokens|prompt is too long|"
    r"input (?:is )?too long|exceeds? the (?:maximum|model).{0,40}(?:tokens|length)|reduce the length",
    re.IGNORECASE,
)
_UNKNOWN_MODEL = re.compile(
    r"model_not_found|model .{0,80}(?:does not exist|not found|is not supported)|no such model|unknown model|"
    r"LLM Provider NOT provided|invalid model",
    re.IGNORECASE,
)
_FORM = re.compile(r"response_format|json_schema|structured output|tool_choice|\btools?\b|function call", re.IGNORECASE)
_FILTER = re.compile(r"content[_ ]filter|content management policy|content policy|safety", re.IGNORECASE)
_PREFIX = re.compile(r"^(?:litellm\.\w+:\s*)+(?:\w+(?:Error|Exception)\s*[-:]\s*)*")
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
_SHORTEST_SECRET = 6
_LONGEST_WAIT = 600.0
"""Seconds of a Retry-After that are believed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What a failed try means.

    Attributes:
        failure: what the call failed with, should this be the last try.
        again: whether another try may help.
        limited: whether the provider says that it is asked too much.
        retry_after: seconds that it asks to be left alone for; None where it does not say.
        billed: whether the provider may bill the try all the same.
        form: whether it may be the form of the answer that is refused.
    """

    failure: CallFailed
    again: bool = False
    limited: bool = False
    retry_after: float | None = None
    billed: bool = False
    form: bool = False


def fault(error: Exception) -> Fault:
    """What an exception of `litellm.acompletion` means. It never repeats a secret."""
    from litellm import exceptions

    said = one_line(str(getattr(error, "message", None) or error))
    status = getattr(error, "status_code", None)
    if isinstance(error, TimeoutError | exceptions.Timeout | httpx.TimeoutException):
        connected = not isinstance(error.__cause__, httpx.ConnectTimeout)
        return Fault(CallFailed(Why.HANGS, said), again=True, billed=connected)
    if isinstance(error, exceptions.RateLimitError):
        if _NO_CREDIT.search(said):
            return Fault(CallFailed(Why.NO_ACCESS, said))
        return Fault(CallFailed(Why.UNAVAILABLE, said), again=True, limited=True, retry_after=_retry_after(error))
    if lacks_key(said):
        return Fault(CallFailed(Why.NO_ACCESS, said))
    refused = _refused(error, said)
    if refused is not None:
        return Fault(refused, form=refused.why is Why.REFUSED and bool(_FORM.search(said)))
    if isinstance(error, exceptions.APIConnectionError):
        # LiteLLM says so of faults of its own, too; whether the request went out is known only where it did not.
        sent = not is_connect_error(error)
        return Fault(CallFailed(Why.UNAVAILABLE, said), again=True, billed=sent)
    gateways = (502, 504)
    return Fault(
        CallFailed(Why.UNAVAILABLE, said),
        again=True,
        retry_after=_retry_after(error),
        billed=status in gateways,
    )


def _refused(error: Exception, said: str) -> CallFailed | None:
    """Why a provider will not answer this call, however often it is asked; None where it might."""
    from litellm import exceptions

    if isinstance(error, exceptions.ContextWindowExceededError):
        return CallFailed(Why.CONTEXT, said)
    if isinstance(error, exceptions.ContentPolicyViolationError):
        return CallFailed(Why.FILTERED, said)
    no_access = (exceptions.AuthenticationError, exceptions.PermissionDeniedError)
    if isinstance(error, no_access) or getattr(error, "status_code", None) == httpx.codes.PAYMENT_REQUIRED:
        return CallFailed(Why.NO_ACCESS, said)
    if isinstance(error, exceptions.NotFoundError):
        return CallFailed(Why.NO_MODEL, said)
    wrong = (exceptions.BadRequestError, exceptions.UnprocessableEntityError, exceptions.UnsupportedParamsError)
    if not isinstance(error, wrong):
        return None
    for pattern, why in ((_TOO_LONG, Why.CONTEXT), (_UNKNOWN_MODEL, Why.NO_MODEL), (_FILTER, Why.FILTERED)):
        if pattern.search(said):
            return CallFailed(why, said)
    return CallFailed(Why.NO_ACCESS if _NO_CREDIT.search(said) else Why.REFUSED, said)


def lacks_key(said: str) -> bool:
    """Whether a client says that it was given no key: nothing was sent."""
    return _NO_KEY.search(said) is not None


def is_connect_error(error: BaseException) -> bool:
    """Whether no connection came about."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, httpx.ConnectError | ConnectionRefusedError):
            return True
        seen = seen.__cause__ or seen.__context__
    return "Cannot connect to host" in str(error)


def _retry_after(error: Exception) -> float | None:
    """Seconds, from a `Retry-After` of seconds or of a date, or from `retry-after-ms`."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    said = getattr(error, "litellm_response_headers", None) or {}
    found = {str(name).lower(): str(value) for one in (said, headers) for name, value in dict(one).items()}
    in_ms, plain = _number(found.get("retry-after-ms")), found.get("retry-after")
    seconds = in_ms / 1000 if in_ms is not None else _number(plain)
    if seconds is None and plain is not None:
        try:
            at = parsedate_to_datetime(plain)
        except ValueError:
            return None
        seconds = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp()
    return None if seconds is None else min(max(seconds, 0.0), _LONGEST_WAIT)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if isfinite(value) else None


def one_line(text: str) -> str:
    """A provider's own words, cut short, without a secret."""
    clean = redact_text(_PREFIX.sub("", " ".join(text.split())), Counter())
    # Providers repeat the key that they refuse, whatever its form.
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= _SHORTEST_SECRET:
            clean = clean.replace(value, "[REDACTED]")
    return clean if len(clean) <= _DETAIL else f"{clean[:_DETAIL]}…"
