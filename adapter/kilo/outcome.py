"""How a run of Kilo ended, from its exit code and its events: whether it failed, and what failed.

Kilo's exit code alone does not say: it is 0 for an answer that was cut off, and 1 for a run that did its work after an
error that it recovered from. An error counts when nothing after it came to a proper end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic_core import from_json, to_json

from adapter.errors import UnreadableError
from adapter.files import parse_json
from adapter.kilo.records import Failure, read_failure
from adapter.loose import Json, mapping, text

_SIGNALS = {124: "a time limit", 130: "SIGINT", 137: "SIGKILL (out of memory?)", 139: "SIGSEGV", 143: "SIGTERM"}
_VAGUE = "Unexpected server error"
"""What Kilo says beside the real reason, or in its place."""
_REASON = re.compile(r'level=ERROR\b.*?\bmessage=process\b.*?\berror="((?:[^"\\]|\\.)*)"')
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_DETAILS = ("responseHeaders", "responseBody", "metadata")


class Kind(StrEnum):
    """What failed, by the name of Harbor's error."""

    AUTHENTICATION = "AgentAuthenticationError"
    USAGE_LIMIT = "ApiUsageLimitError"
    RATE_LIMIT = "ApiRateLimitError"
    OVERLOADED = "ApiOverloadedError"
    SERVER = "ApiInternalServerError"
    CONNECTION_CLOSED = "ApiConnectionClosedError"
    STALLED = "ApiResponseStalledError"
    OUTPUT_LENGTH = "OutputTokenExceededError"
    CONTEXT = "ContextWindowExceededError"
    REFUSAL = "AgentSafetyRefusalError"
    MODEL = "ModelNotFoundError"
    NETWORK = "NetworkConnectionError"
    API = "UnknownApiError"
    OTHER = "NonZeroAgentExitCodeError"


_BY_NAME = {
    "ContextOverflowError": Kind.CONTEXT,
    "MessageOutputLengthError": Kind.OUTPUT_LENGTH,
    "ContentFilterError": Kind.REFUSAL,
    "ProviderAuthError": Kind.AUTHENTICATION,
}
_BY_MESSAGE = (
    (r"model not found|model .{0,80} (does not exist|not found)", Kind.MODEL),
    (r"api key is missing|incorrect api key|invalid.{0,3}api.?key", Kind.AUTHENTICATION),
    (r"insufficient.{0,3}(quota|credits|funds|balance)|exceeded your current quota|usage limit", Kind.USAGE_LIMIT),
    (r"maximum context length|context.{0,3}(length|window).{0,20}exceed|prompt is too long", Kind.CONTEXT),
    (r"rate.?limit|too many requests", Kind.RATE_LIMIT),
    (r"overloaded", Kind.OVERLOADED),
    (r"cannot connect|unable to connect|econnrefused|enotfound|getaddrinfo|certificate", Kind.NETWORK),
    (r"timed? ?out", Kind.STALLED),
    (r"connection.{0,20}(closed|reset|lost)|econnreset|socket", Kind.CONNECTION_CLOSED),
    (r"no output|returned nothing", Kind.API),
)
_BY_FINISH = {
    "length": (Kind.OUTPUT_LENGTH, "The model's last answer was cut off at its longest length."),
    "content-filter": (Kind.REFUSAL, "The provider's content filter ended the last answer."),
    "other": (Kind.CONNECTION_CLOSED, "The model's last answer broke off."),
    "unknown": (Kind.CONNECTION_CLOSED, "The model's last answer broke off."),
    "error": (Kind.API, "The model's last answer ended in an error."),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a run failed."""

    kind: Kind
    message: str


def problem_of(exit_code: int, lines: Iterable[bytes], stderr: str = "") -> Problem | None:
    """What made a run fail; None for one that did its work.

    Args:
        exit_code: of the process.
        lines: its standard output, an event each; other lines are passed over.
        stderr: looked into for a reason only where the events give none.
    """
    errors: list[Failure] = []
    reason: str | None = None
    for event in _events(lines):
        if event.get("type") == "step_finish":
            reason = text(mapping(event.get("part")).get("reason")) or "unknown"
            if reason == "stop":
                errors.clear()  # what went wrong before did not keep it from its end
        elif event.get("type") == "error" and (found := read_failure(event.get("error"))) is not None:
            errors.append(found)
    if errors:
        return _of_errors(errors, stderr)
    if exit_code in _SIGNALS or exit_code > 128:
        return Problem(Kind.OTHER, f"Kilo was ended by {_SIGNALS.get(exit_code) or f'signal {exit_code - 128}'}.")
    if reason in _BY_FINISH:
        return Problem(*_BY_FINISH[reason])
    if reason == "stop" or (reason is not None and exit_code == 0):
        return None
    return Problem(Kind.OTHER, f"Kilo ended with exit code {exit_code}: {_last(stderr) or 'it did not say why'}")


def without_answers(line: bytes) -> bytes:
    """An error's event without the headers and the body of the API's answer, which may hold secrets."""
    if b'"error"' not in line[:40]:
        return line
    try:
        event = from_json(line)
    except ValueError:
        return line
    data = event.get("error", {}).get("data") if isinstance(event.get("error"), dict) else None
    if not isinstance(data, dict) or not any(key in data for key in _DETAILS):
        return line
    event["error"]["data"] = {key: value for key, value in data.items() if key not in _DETAILS}
    return to_json(event) + (b"\n" if line.endswith(b"\n") else b"")


def _events(lines: Iterable[bytes]) -> Iterable[Json]:
    for line in lines:
        if line.startswith(b"{"):
            try:
                yield mapping(parse_json(line, "a line"))
            except UnreadableError:
                continue


def _of_errors(errors: Sequence[Failure], stderr: str) -> Problem:
    """The error that says most, which Kilo gives last."""
    telling = [one for one in errors if not one.message.startswith(_VAGUE)]
    if not telling:
        logged = _REASON.findall(stderr)
        telling = [Failure(errors[-1].name, logged[-1])] if logged else [errors[-1]]
    last = telling[-1]
    status = f" (HTTP {last.status_code})" if last.status_code is not None else ""
    return Problem(_kind(last), f"{last.name}{status}: {last.message}")


def _kind(failure: Failure) -> Kind:
    said = failure.message.lower()
    by_message = next((kind for pattern, kind in _BY_MESSAGE if re.search(pattern, said)), None)
    if failure.name in _BY_NAME:
        return _BY_NAME[failure.name]
    match failure.status_code:
        case 401 | 403:
            return Kind.AUTHENTICATION
        case 402:
            return Kind.USAGE_LIMIT
        case 404:
            return Kind.MODEL
        case 429:
            return Kind.USAGE_LIMIT if by_message is Kind.USAGE_LIMIT else Kind.RATE_LIMIT
        case 503 | 529:
            return Kind.OVERLOADED
        case int(status) if status >= 500:
            return Kind.OVERLOADED if by_message is Kind.OVERLOADED else Kind.SERVER
        case _:
            return by_message or (Kind.API if failure.name == "APIError" else Kind.OTHER)


def _last(stderr: str) -> str:
    """The last thing that it said to people: lines of its log are none."""
    lines = (_COLOURS.sub("", line).strip() for line in stderr.splitlines())
    said = [line for line in lines if line and not re.match(r"(timestamp=|(DEBUG|INFO|WARN|ERROR) +\d)", line)]
    return said[-1][:500] if said else ""
