"""What Opik does not take while it takes others: named in the result, and the rest goes on."""

from __future__ import annotations

from collections.abc import Mapping

from adapter.opik_rows import trace_of
from adapter.opik_store import OpikStore
from pipelines.read import Skipped


def drain_refused(store: OpikStore, names: Mapping[str, str]) -> list[Skipped]:
    """What was refused since this was last asked, under the names that a user knows.

    Args:
        store: what refuses.
        names: the trials' names, by their keys.
    """
    skipped = [Skipped(_place(key, names), reason) for key, reason in store.refused.items()]
    store.refused.clear()
    return skipped


def _place(key: str, names: Mapping[str, str]) -> str:
    """`job/trial`, with the step and call where it is one's span; the key itself where it is no row's."""
    trial = trace_of(key)
    if trial not in names:
        return key
    words = ("step", "call")
    return ", ".join([names[trial], *map(" ".join, zip(words, key.split("/")[2:], strict=False))])
