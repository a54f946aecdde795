"""429 on demand, for tests of those who call: the next requests of a kind are refused as a busy Opik does."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Refusal:
    left: int
    method: str | None
    path_suffix: str
    headers: Mapping[str, str]


@dataclass
class Throttle:
    """What is to be refused with 429 (`app.state.throttle`); nothing, until a test asks for it."""

    _refusals: list[_Refusal] = field(default_factory=list[_Refusal])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def refuse(
        self,
        times: int,
        *,
        method: str | None = None,
        path_suffix: str = "",
        retry_after: float | None = None,
        rate_limit_reset: int | None = None,
    ) -> None:
        """Answer the next matching requests with 429, before anything of them is read or stored.

        Args:
            times: How many; those after them are answered as ever.
            method: Only requests of this method; any, where it is None.
            path_suffix: Only paths that end with this.
            retry_after: The `Retry-After` header, in seconds; absent where it is None.
            rate_limit_reset: The `RateLimit-Reset` header that Opik Cloud sends, in seconds; absent where None.
        """
        headers: dict[str, str] = {}
        if retry_after is not None:
            headers["Retry-After"] = f"{retry_after:g}"
        if rate_limit_reset is not None:
            headers["RateLimit-Reset"] = str(rate_limit_reset)
        with self._lock:
            self._refusals.append(_Refusal(times, method, path_suffix, headers))

    def take(self, method: str, path: str) -> Mapping[str, str] | None:
        """The headers of the refusal of this request, which counts as one of them; None where it is answered."""
        with self._lock:
            for refusal in self._refusals:
                if refusal.left > 0 and refusal.method in {None, method} and path.endswith(refusal.path_suffix):
                    refusal.left -= 1
                    return refusal.headers
        return None
