"""What Opik holds, as it is found again: of each row its id, a digest of its content and its scores, and no more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

from opik.rest_api.types import ExperimentPublic, FeedbackScorePublic
from pydantic import BaseModel, Field

from adapter.loose import mapping, text
from adapter.opik_rest import Identified
from adapter.opik_rows import DIGEST, KEY, Object
from adapter.trial import JsonValue


@dataclass(frozen=True, slots=True)
class Score:
    """One feedback score on a trace or span."""

    row_id: str
    name: str
    value: float
    category: str | None = None
    reason: str | None = None
    author: str | None = field(default=None, compare=False)
    """who gave a stored one: one is removed for its author alone"""


@dataclass(frozen=True, slots=True)
class Stored:
    """A row that Opik holds.

    Attributes:
        id: its id.
        digest: of its content.
        scores: what is scored under each name: one score, or one for each author. A person's labels are not here.
        labels: names under which people alone have scored it.
        by_people: what people scored, each author's own.
        start_time: its start.
        has: which of `end_time`, `usage`, `cost` and `error` are stored with it.
        trace_id: the trace it belongs to; a trace's own id.
        parent_id: the span it stands under.
        twins: further rows under the same key, by ascending id: two machines stored it at the same time.
    """

    id: str
    digest: str | None
    scores: dict[str, tuple[Score, ...]]
    start_time: datetime
    has: frozenset[str]
    trace_id: str
    parent_id: str | None = None
    labels: frozenset[str] = frozenset()
    by_people: tuple[Score, ...] = ()
    twins: tuple[Stored, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredExperiment:
    """An experiment that Opik holds; `twins` are further ones under the same key, by ascending id."""

    id: str
    name: str
    metadata: Object
    scores: dict[str, float]
    tags: frozenset[str] = frozenset()
    twins: tuple[StoredExperiment, ...] = ()


class _Metadata(BaseModel):
    key: str | None = Field(None, alias=KEY)
    digest: str | None = Field(None, alias=DIGEST)


class FoundRow(Identified):
    """A trace or span as a search answers it: of what it says itself, only whether it says it."""

    metadata: _Metadata | None = None
    trace_id: str | None = None
    parent_span_id: str | None = None
    start_time: datetime
    end_time: datetime | None = None
    usage: object | None = None
    total_estimated_cost: object | None = None
    error_info: object | None = None
    feedback_scores: list[FeedbackScorePublic] | None = None


class FoundItem(Identified):
    """An experiment item as a search answers it."""

    experiment_id: str
    trace_id: str


class FoundTask(Identified):
    """A dataset item as a search answers it."""

    data: dict[str, object] | None = None


def by_key(found: Iterable[FoundRow]) -> dict[str, Stored]:
    """Stored rows by key; of several under one key the oldest id counts, and the others are its twins.

    Opik names a trace once for each experiment that it is in: that is one row.
    """
    rows: dict[str, dict[tuple[str, str | None], Stored]] = {}
    for row in found:
        if row.metadata is not None and row.metadata.key is not None:
            rows.setdefault(row.metadata.key, {})[row.id, row.trace_id] = _stored(row, row.metadata.digest)
    return {key: with_twins(several.values()) for key, several in rows.items()}


def with_twins[S: (Stored, StoredExperiment)](rows: Iterable[S]) -> S:
    """The one of several rows under a key that counts, on every machine the same: the one of the smallest id."""
    first, *twins = sorted(rows, key=lambda row: row.id)
    return replace(first, twins=tuple(twins))


def _stored(row: FoundRow, digest: str | None) -> Stored:
    there = {
        "end_time": row.end_time,
        "usage": row.usage,
        "cost": row.total_estimated_cost,
        "error": row.error_info,
    }
    return Stored(
        id=row.id,
        digest=digest,
        scores={one.name: scores_of(row.id, one) for one in row.feedback_scores or ()},
        labels=labels_of(row.feedback_scores or ()),
        start_time=row.start_time,
        has=frozenset(name for name, value in there.items() if value),
        trace_id=row.trace_id or row.id,
        parent_id=row.parent_span_id,
    )


def scores_of(row_id: str, score: FeedbackScorePublic) -> tuple[Score, ...]:
    """What programs scored under one name; Opik shows the mean of several authors, and each beside it."""
    return tuple(one for source, one in _given(row_id, score) if source == "sdk")


def of_people(row_id: str, scores: Iterable[FeedbackScorePublic]) -> tuple[Score, ...]:
    """What people scored in Opik's pages, each author's own."""
    return tuple(one for score in scores for source, one in _given(row_id, score) if source == "ui")


def _given(row_id: str, score: FeedbackScorePublic) -> list[tuple[str | None, Score]]:
    """What each author gave under one name, with where it was given."""
    authors = score.value_by_author or {}
    given = [(author, one.source, one.value, one.category_name, one.reason) for author, one in authors.items()]
    if len(given) < 2:
        author = next(iter(authors), None)
        given = [(author, score.source, score.value, score.category_name, score.reason)]
    return [
        (source, Score(row_id, score.name, float(value), category, reason, author))
        for author, source, value, category, reason in given
        if value is not None
    ]


def labels_of(scores: Iterable[FeedbackScorePublic]) -> frozenset[str]:
    """The names under which people have scored a row, and no program has."""
    return frozenset(one.name for one in scores if one.source == "ui" and not scores_of("", one))


def experiments_by_key(found: Iterable[ExperimentPublic], project: str) -> dict[str, StoredExperiment]:
    """A project's experiments by key; of several under one key the oldest counts, and the others are its twins."""
    experiments: dict[str, list[StoredExperiment]] = {}
    for one in found:
        metadata = dict(mapping(cast("JsonValue", one.metadata)))
        key = text(metadata.get(KEY))
        if key is not None and metadata.get("project") == project:
            scores = {score.name: float(score.value) for score in one.experiment_scores or []}
            stored = StoredExperiment(
                id=str(one.id),
                name=one.name or "",
                metadata=metadata,
                scores=scores,
                tags=frozenset(one.tags or ()),
            )
            experiments.setdefault(key, []).append(stored)
    return {key: with_twins(several) for key, several in experiments.items()}
