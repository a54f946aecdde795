"""How a run of Kilo ended, from its exit code and its event stream: by what really failed, not by what was printed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from adapter.loose import EMPTY, Json, mapping, text
from adapter.trial import JsonValue


class Failure(StrEnum):
    """What failed, by the name of Harbor's own error."""

    AUTHENTICATION = "AgentAuthenticationError"
    USAGE_LIMIT = "ApiUsageLimitError"
    NO_MODEL = "ModelNotFoundError"
    RATE_LIMIT = "ApiRateLimitError"
    OVERLOADED = "ApiOverloadedError"
    SERVER = "ApiInternalServerError"
    CONTEXT = "ContextWindowExceededError"
    OUTPUT = "OutputTokenExceededError"
    NETWORK = "NetworkConnectionError"
    STALLED = "ApiResponseStalledError"
    UNKNOWN_API = "UnknownApiError"
    EXIT = "NonZeroAgentExitCodeError"


@dataclass(frozen=True, slots=True)
class Failed:
    """A run that did not end as it should: what failed, and a line about it."""

    what: Failure
    message: str


_BY_STATUS = {
    401: Failure.AUTHENTICATION,
    402: Failure.USAGE_LIMIT,
    403: Failure.AUTHENTICATION,
    404: Failure.NO_MODEL,
    413: Failure.CONTEXT,
    429: Failure.RATE_LIMIT,
    503: Failure.OVERLOADED,
    529: Failure.OVERLOADED,
}
_BY_NAME = {
    "ContextOverflowError": Failure.CONTEXT,
    "ProviderAuthError": Failure.AUTHENTICATION,
    "MessageOutputLengthError": Failure.OUTPUT,
}
_BY_WORDS = (
    ("model not found", Failure.NO_MODEL),
    ("provider not found", Failure.NO_MODEL),
    ("api key", Failure.AUTHENTICATION),
    ("connect", Failure.NETWORK),
    ("enotfound", Failure.NETWORK),
    ("timed out", Failure.STALLED),
)
_SAYS_NOTHING = "unexpected server error"
_LONGEST = 500


def outcome(exit_code: int | None, stream: str) -> Failed | None:
    """What failed; None for a run that did its work, also where it recovered from an error on its way.

    Args:
        exit_code: Kilo's own; None where it did not come to one.
        stream: its standard output; what is no event is passed over.
    """
    events = [event for line in stream.splitlines() if (event := _event(line))]
    ends = [place for place, one in enumerate(events) if one.get("type") == "step_finish"]
    last = EMPTY if not ends else mapping(events[ends[-1]].get("part"))
    reason = text(last.get("reason"))
    errors = [(place, one.get("error")) for place, one in enumerate(events) if one.get("type") == "error"]
    is_recovered = all(place < ends[-1] or _is_repeated(error) for place, error in errors) if ends else False
    # After an error, Kilo's exit code is 1 though the run went on and did its work.
    if reason == "stop" and is_recovered and (errors or exit_code in (0, None)):
        return None
    found = [_failed(error) for _, error in errors]
    telling = [one for one in found if _SAYS_NOTHING not in one.message.lower()] or found
    if telling:
        return next((one for one in telling if one.what is not Failure.EXIT), telling[-1])
    if reason == "stop":
        return Failed(Failure.EXIT, f"Kilo ended with exit code {exit_code}.")
    if reason == "length":
        return Failed(Failure.OUTPUT, "The model's last answer was cut at its longest.")
    if not ends:
        return Failed(Failure.NETWORK if exit_code is None else Failure.EXIT, _silent(exit_code))
    return Failed(Failure.UNKNOWN_API, f"The last answer of the model broke off (finish reason: {reason}).")


def _silent(exit_code: int | None) -> str:
    how = "was ended" if exit_code is None else f"ended with exit code {exit_code}"
    return f"Kilo {how} before the model answered once; kilo.stderr may say why."


def _is_repeated(error: JsonValue) -> bool:
    """Whether it is the error that Kilo tells once more at its end, after it has recovered from it."""
    return text(mapping(error).get("name")) == "ContextOverflowError"


def _event(line: str) -> Json:
    try:
        return mapping(json.loads(line))
    except (ValueError, RecursionError):
        return EMPTY


def _failed(error: JsonValue) -> Failed:
    said = mapping(error)
    data = mapping(said.get("data"))
    message = " ".join((text(data.get("message")) or text(error) or text(said.get("name")) or "unknown error").split())
    # Headers and bodies of responses are left out: they can hold what is nobody's business.
    return Failed(_what(said, data, message.lower()), message[:_LONGEST])


def _what(said: Json, data: Json, message: str) -> Failure:
    name, status = text(said.get("name")) or "", data.get("statusCode")
    if name in _BY_NAME:
        return _BY_NAME[name]
    if isinstance(status, int) and not isinstance(status, bool):
        return _BY_STATUS.get(status, Failure.SERVER if status >= 500 else Failure.UNKNOWN_API)
    found = next((what for words, what in _BY_WORDS if words in message), None)
    return found or (Failure.UNKNOWN_API if name == "APIError" else Failure.EXIT)
