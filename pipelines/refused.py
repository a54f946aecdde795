"""What Opik does not take while it takes others: named in the result, and the rest goes on."""

from __future__ import annotations

from collections.abc import Mapping

from adapter.opik_rows import trace_of
from adapter.opik_store import OpikStore
from pipelines.read import Skipped
from pipelines.upload import Uploaded


def drain_refused(store: OpikStore, uploaded: Uploaded) -> list[Skipped]:
    """What was refused since this was last asked, under the names that a user knows."""
    if not store.refused:
        return []
    keys = {row.id: key for rows in (uploaded.traces, uploaded.spans) for key, row in rows.items()}
    skipped = [Skipped(_place(what, keys, uploaded.names), reason) for what, reason in store.refused.items()]
    store.refused.clear()
    return skipped


def _place(what: str, keys: Mapping[str, str], names: Mapping[str, str]) -> str:
    """`job/trial`, with the step and call where it is a span; with a score's name before it; else what it is."""
    score, on, row_id = what.rpartition(" on ")
    key = keys.get(row_id, row_id)
    trial = trace_of(key)
    if trial not in names:
        return what
    parts = zip(("step", "call"), key.split("/")[2:], strict=False)
    return score + on + ", ".join([names[trial], *map(" ".join, parts)])
