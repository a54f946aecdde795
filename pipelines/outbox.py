"""Rows on their way to Opik: collected over trials, sent in requests within the server's limits."""

from __future__ import annotations

from adapter.opik_rows import Row
from adapter.opik_store import BATCH_BYTES, BATCH_ROWS, OpikStore
from pipelines.plan import Plan
from pipelines.written import Written


class Outbox:
    """Does what plans say. What waits here is at most one request's worth of rows.

    What a stop at any moment leaves in Opik is in order: a trial that is sent anew is removed before, and a trace is
    stored before its spans, so that the next run finds the id that the spans name.

    Args:
        store: where to.
        written: counts the rows.
    """

    def __init__(self, store: OpikStore, written: Written) -> None:
        self._store = store
        self._written = written
        self._ids: dict[str, str] = {}
        self._remove: list[str] = []
        self._traces: list[tuple[str, Row]] = []
        self._spans: list[tuple[str, Row]] = []
        self._size = 0

    def put(self, plan: Plan) -> None:
        """Takes a trial's plan; sends what has come together where no more fits into a request."""
        if plan.remove is not None:
            self._remove.append(plan.remove)
        for row_id, row in plan.change:
            self._count(row)
            if row.kind == "trace":
                self._store.update_trace(row_id, row)
            else:
                self._store.update_span(row_id, row, plan.ids)
        for row_id, row in plan.send:
            self._count(row)
            waiting = self._traces if row.kind == "trace" else self._spans
            if len(waiting) == BATCH_ROWS or self._size + row.size > BATCH_BYTES:
                self.flush()
            waiting.append((row_id, row))
            self._ids |= {key: plan.ids[key] for key in (row.trace_key, row.parent_key) if key is not None}
            self._size += row.size

    def flush(self) -> None:
        """Sends what waits."""
        self._store.delete_traces(self._remove)
        self._store.send_traces(self._traces)
        # A trial whose trace Opik does not take has no spans either: they would hang on nothing.
        self._store.send_spans([one for one in self._spans if one[1].trace_key not in self._store.refused], self._ids)
        for waiting in (self._remove, self._traces, self._spans, self._ids):
            waiting.clear()
        self._size = 0

    def _count(self, row: Row) -> None:
        if row.kind == "trace":
            self._written.traces += 1
        else:
            self._written.spans += 1
