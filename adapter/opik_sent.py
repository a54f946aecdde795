"""What is sent to an Opik: rows and scores as the SDK's types, in batches that fit into a request. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from opik.rest_api.types import ErrorInfo, ErrorInfoWrite, FeedbackScoreBatchItem, SpanWrite, TraceWrite
from pydantic_core import to_json

from adapter.opik_rows import DIGEST, Object, Row
from adapter.opik_stored import Score

BATCH_ROWS = 1000
"""Opik takes at most 1000 rows in one request."""
BATCH_BYTES = 4_000_000
"""A request's content is kept below this size; a row larger than that goes alone."""


class _QuickTrace(TraceWrite):
    """The SDK's type, written by pydantic itself: the SDK's own encoder, in Python, took most of an upload."""

    def dict(self, **_: object) -> Object:  # pyright: ignore[reportIncompatibleMethodOverride]  # called by the SDK's encoder
        return self.model_dump(mode="json", exclude_none=True)


class _QuickSpan(SpanWrite):
    """As `_QuickTrace`."""

    def dict(self, **_: object) -> Object:  # pyright: ignore[reportIncompatibleMethodOverride]  # called by the SDK's encoder
        return self.model_dump(mode="json", exclude_none=True)


def trace_write(row_id: str, row: Row, project: str) -> TraceWrite:
    """A trace as it is sent."""
    return _QuickTrace(
        id=row_id,
        project_name=project,
        start_time=row.start_time,
        tags=list(row.tags),
        error_info=error_of(row, ErrorInfoWrite),
        source="sdk",
        **content(row),
    )


def span_write(row_id: str, row: Row, ids: Mapping[str, str], project: str) -> SpanWrite:
    """A span as it is sent; `ids` gives the id of its trace and its parent by their keys."""
    return _QuickSpan(
        id=row_id,
        project_name=project,
        trace_id=ids[row.trace_key],
        parent_span_id=None if row.parent_key is None else ids[row.parent_key],
        type="general" if row.kind == "trace" else row.kind,
        start_time=row.start_time,
        model=row.model,
        provider=row.provider,
        usage=row.usage,
        total_estimated_cost=row.cost_usd,
        source="sdk",
        **content(row),
    )


def score_write(score: Score, project: str) -> FeedbackScoreBatchItem:
    """A score as it is sent: without the project, Opik would file it under another."""
    return FeedbackScoreBatchItem(
        id=score.row_id,
        project_name=project,
        name=score.name,
        value=score.value,
        category_name=score.category,
        reason=score.reason,
        source="sdk",
    )


def content(row: Row) -> dict[str, Any]:
    """What a row says of itself, under the names that all of the SDK's calls and types have for it."""
    return {
        "name": row.name,
        "end_time": row.end_time,
        "input": row.input,
        "output": row.output,
        "metadata": {**row.metadata, DIGEST: row.digest},
    }


def error_of[T: (ErrorInfo, ErrorInfoWrite)](row: Row, of_type: type[T]) -> T | None:
    """What a trace failed with, as one of the SDK's two types of it."""
    if row.error is None:
        return None
    kind, message, traceback = row.error
    return of_type(exception_type=kind, message=message, traceback=traceback)


def batches[T](items: Iterable[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Items in batches within the server's limits by count and by bytes."""
    batch: list[T] = []
    size = 0
    for item in items:
        more = size_of(item)
        if batch and (len(batch) == BATCH_ROWS or size + more > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += more
    if batch:
        yield batch


def row_size(row: tuple[str, Row]) -> int:
    """The length of a row as JSON, about."""
    return row[1].size


def score_size(score: Score) -> int:
    """The length of a score as JSON, about: its texts escaped, and room for ids and names."""
    return len(to_json(score.reason)) + len(score.name) + 300
