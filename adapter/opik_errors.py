"""The SDK's errors as one kind of ours, that says what was being done and what to do next."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import httpx
from opik.rest_api.core.api_error import ApiError
from pydantic import ValidationError

from adapter.errors import IncompleteError

AGAIN = "Run the same command again: it goes on where it stopped, and nothing is stored twice."
_HINTS = {
    401: "Check OPIK_API_KEY and OPIK_WORKSPACE, or run `opik configure`.",
    403: "Check that this workspace and key may write to the project.",
    400: "Running it again will not help: this Opik does not take such a row. Report it with the message above.",
    413: "Running it again will not help: this Opik takes smaller requests only. Report it with the message above.",
    422: "Running it again will not help: this Opik does not take such a row. Report it with the message above.",
    429: f"This Opik limits how much is sent in a minute. {AGAIN}",
} | dict.fromkeys((500, 507), f"If the message speaks of the disk, free some space. {AGAIN}")

_CLOCK = f"Set this machine's clock: Opik takes nothing that is a day off its own. {AGAIN}"


@contextmanager
def telling(what: str) -> Generator[None]:
    """Turns the SDK's errors into one that says what was being done and what to do next."""
    try:
        yield
    except ApiError as error:
        if (error.status_code or 0) < 300:
            raise IncompleteError(f"The answer to {what} came in part: {str(error.body)[:300]}", AGAIN) from error
        hint = _CLOCK if "ingestion window" in str(error.body) else _HINTS.get(error.status_code or 0, AGAIN)
        raise IncompleteError(f"Opik refused {what}: {error.status_code} {str(error.body)[:300]}", hint) from error
    except ValidationError as error:
        raise IncompleteError(
            f"What answers {what} is no Opik, or one that this version does not know: {error.errors()[0]['msg']}",
            "Check the address (--opik or OPIK_URL_OVERRIDE).",
        ) from error
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        raise IncompleteError(f"Opik refused {what}: {status}", _HINTS.get(status, AGAIN)) from error
    except httpx.HTTPError as error:
        raise IncompleteError(f"Opik did not answer while {what}: {error or type(error).__name__}", AGAIN) from error
