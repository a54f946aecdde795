"""What the tests of the embedded store share: the real SDK's client, and rows to send."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

from opik import id_helpers
from opik.rest_api.types.feedback_score_batch_item import FeedbackScoreBatchItem
from opik.rest_api.types.span_write import SpanWrite
from opik.rest_api.types.trace_write import TraceWrite

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PROJECT = "demo"


def uid(key: str, at: datetime = T0) -> str:
    """A version 7 id that is the same for the same key."""
    seed = uuid.UUID(bytes=hashlib.sha256(key.encode()).digest()[:16], version=4)
    return str(id_helpers.uuid4_to_uuid7(at, str(seed)))


def a_trace(key: str, **more: object) -> TraceWrite:
    """A finished trace of `PROJECT`; its id is `uid(key)`."""
    values: dict[str, object] = {
        "id": uid(key),
        "project_name": PROJECT,
        "name": key,
        "start_time": T0,
        "end_time": T0 + timedelta(seconds=2),
        "input": {"task": key},
        "metadata": {"kilobench_job": "job-1"},
        "tags": ["kilobench"],
    }
    return TraceWrite.model_validate(values | more)


def a_span(key: str, trace: str = "t1", **more: object) -> SpanWrite:
    """A finished span of the trace `uid(trace)`; its id is `uid(key)`."""
    values: dict[str, object] = {
        "id": uid(key),
        "trace_id": uid(trace),
        "project_name": PROJECT,
        "name": key,
        "type": "llm",
        "start_time": T0,
        "end_time": T0 + timedelta(milliseconds=1500),
        "input": {"message": "hi"},
        "output": {"text": "ok"},
        "metadata": {"kilobench_job": "job-1"},
        "model": "m-1",
        "provider": "openai",
        "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
        "total_estimated_cost": 0.25,
    }
    return SpanWrite.model_validate(values | more)


def a_score(key: str, name: str, value: float, project: str = PROJECT) -> FeedbackScoreBatchItem:
    """A score of the trace or span `uid(key)`."""
    return FeedbackScoreBatchItem(
        id=uid(key), name=name, value=value, source="sdk", project_name=project, reason="because", category_name="good"
    )
