"""Everything that is sent to and read from an Opik, in one place.

The SDK's REST client is used synchronously: its background sender can lose rows and still report success. Every
call here raises one kind of error, and what is found is returned as our own types.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from opik.api_objects.dashboard.types import DashboardSection
from opik.api_objects.rest_stream_parser import read_and_parse_full_stream
from opik.rest_api.core.api_error import ApiError
from opik.rest_api.types import (
    DatasetItemWrite,
    DatasetPublic,
    ErrorInfo,
    ErrorInfoWrite,
    ExperimentItem,
    ExperimentPublic,
    ExperimentScore,
    FeedbackScoreBatchItem,
    FeedbackScorePublic,
    SpanPublic,
    SpanWrite,
    TracePublic,
    TraceWrite,
)

from adapter.loose import mapping, text
from adapter.opik_connection import Connection
from adapter.opik_errors import telling
from adapter.opik_rows import DIGEST, JOB, KEY, Object, Row
from adapter.trial import JsonValue

BATCH_ROWS = 1000
"""Opik takes at most 1000 rows in one request."""
BATCH_BYTES = 4_000_000
"""A request's content is kept below this size; a row larger than that goes alone."""
_ALL = 1_000_000_000
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Score:
    """One feedback score on a trace or span."""

    row_id: str
    name: str
    value: float
    category: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A row that Opik holds.

    Attributes:
        id: its id.
        digest: of its content.
        scores: what is scored under each name: one score, or one for each author. A person's labels are not here.
        start_time: its start.
        has: which of `end_time`, `usage`, `cost` and `error` are stored with it.
    """

    id: str
    digest: str | None
    scores: dict[str, tuple[Score, ...]]
    start_time: datetime
    has: frozenset[str]


@dataclass(frozen=True, slots=True)
class StoredExperiment:
    """An experiment that Opik holds."""

    id: str
    name: str
    metadata: Object
    scores: dict[str, float]


class _QuickTrace(TraceWrite):
    """The SDK's type, written by pydantic itself: the SDK's own encoder, in Python, took most of an upload."""

    def dict(self, **_: object) -> Object:  # pyright: ignore[reportIncompatibleMethodOverride]  # called by the SDK's encoder
        return self.model_dump(mode="json", exclude_none=True)


class _QuickSpan(SpanWrite):
    """As `_QuickTrace`."""

    def dict(self, **_: object) -> Object:  # pyright: ignore[reportIncompatibleMethodOverride]  # called by the SDK's encoder
        return self.model_dump(mode="json", exclude_none=True)


class OpikStore:
    """One project of one Opik."""

    def __init__(self, connection: Connection, project: str) -> None:
        self.connection = connection
        self._client = connection.client
        self._rest = connection.client.rest_client
        self.project = self._spelling(project)

    def _spelling(self, project: str) -> str:
        """The project's name as Opik has it: there it is the same in any case."""
        with telling(f"project {project}"):
            try:
                return self._rest.projects.retrieve_project(name=project).name
            except ApiError as error:
                if error.status_code == 404:
                    return project
                raise

    def find_traces(self, job_id: str) -> dict[str, Stored]:
        """The traces of a job that are stored, by key."""
        return self._find(self._client.search_traces, job_id, ["input", "output", "span_feedback_scores"])

    def find_spans(self, job_id: str) -> dict[str, Stored]:
        """The spans of a job that are stored, by key."""
        return self._find(self._client.search_spans, job_id, ["input", "output"])

    def _find(
        self, search: Callable[..., Sequence[TracePublic] | Sequence[SpanPublic]], job_id: str, exclude: list[str]
    ) -> dict[str, Stored]:
        with telling("the search for what is stored"):
            try:
                found = search(
                    project_name=self.project,
                    filter_string=f'metadata.{JOB} = "{job_id}"',
                    max_results=_ALL,
                    truncate=False,
                    exclude=exclude,
                )
            except ApiError as error:
                if error.status_code == 404:  # Before the first upload there is no project.
                    return {}
                raise
        return _by_key(found)

    def send_traces(self, rows: Iterable[tuple[str, Row]]) -> None:
        """Stores traces under the ids given; what is stored under an id already is replaced."""
        for batch in _batches(rows):
            with telling("traces"):
                self._rest.traces.create_traces(traces=[self._trace(row_id, row) for row_id, row in batch])

    def send_spans(self, rows: Iterable[tuple[str, Row]], ids: Mapping[str, str]) -> None:
        """Stores spans; `ids` gives the id of each trace and parent span by its key."""
        for batch in _batches(rows):
            with telling("spans"):
                self._rest.spans.create_spans(spans=[self._span(row_id, row, ids) for row_id, row in batch])

    def update_trace(self, row_id: str, row: Row) -> None:
        """Changes a stored trace in place: its id may be too old to be sent as new."""
        with telling(f"the update of {row.name}"):
            self._rest.traces.update_trace(
                row_id,
                project_name=self.project,
                **_content(row),
                tags=list(row.tags),
                error_info=_error(row, ErrorInfo),
            )

    def update_span(self, row_id: str, row: Row, ids: Mapping[str, str]) -> None:
        """Changes a stored span in place: its id may be too old to be sent as new."""
        with telling(f"the update of {row.key}"):
            self._rest.spans.update_span(
                row_id,
                trace_id=ids[row.trace_key],
                parent_span_id=None if row.parent_key is None else ids[row.parent_key],
                project_name=self.project,
                **_content(row),
                model=row.model,
                provider=row.provider,
                usage=row.usage,
                total_estimated_cost=row.cost_usd,
            )

    def delete_traces(self, row_ids: Sequence[str]) -> None:
        """Removes traces with their spans and scores."""
        for batch in itertools.batched(row_ids, BATCH_ROWS):
            with telling("the removal of traces"):
                self._rest.traces.delete_traces(ids=list(batch))

    def score_traces(self, scores: Sequence[Score]) -> None:
        """Sets scores on traces; a score of the same name is replaced."""
        for batch in itertools.batched(scores, BATCH_ROWS):
            with telling("trace scores"):
                self._rest.traces.score_batch_of_traces(scores=[self._score(score) for score in batch])

    def score_spans(self, scores: Sequence[Score]) -> None:
        """Sets scores on spans; a score of the same name is replaced."""
        for batch in itertools.batched(scores, BATCH_ROWS):
            with telling("span scores"):
                self._rest.spans.score_batch_of_spans(scores=[self._score(score) for score in batch])

    def delete_trace_score(self, score: Score) -> None:
        """Takes a score from a trace."""
        with telling("the removal of a score"):
            self._rest.traces.delete_trace_feedback_score(score.row_id, name=score.name)

    def delete_span_score(self, score: Score) -> None:
        """Takes a score from a span."""
        with telling("the removal of a score"):
            self._rest.spans.delete_span_feedback_score(score.row_id, name=score.name)

    def dataset(self, name: str) -> dict[str, Object]:
        """A dataset's items by task name (with their `id`); the dataset is made where there is none."""
        with telling(f"dataset {name}"):
            if self._find_dataset(name) is None:
                self._rest.datasets.create_dataset(name=name, project_name=self.project)
                return {}
            items = self._client.get_dataset(name, project_name=self.project).get_items()
        return {task: item for item in items if (task := text(item.get("task"))) is not None}

    def _find_dataset(self, name: str) -> DatasetPublic | None:
        try:
            return self._rest.datasets.get_dataset_by_identifier(dataset_name=name, project_name=self.project)
        except ApiError as error:
            if error.status_code == 404:
                return None
            raise

    def send_dataset_items(self, dataset: str, items: Mapping[str, Object]) -> None:
        """Stores dataset items by id, all in one call: every call makes a version of the dataset."""
        with telling(f"the items of dataset {dataset}"):
            self._rest.datasets.create_or_update_dataset_items(
                dataset_name=dataset,
                project_name=self.project,
                items=[DatasetItemWrite(id=item_id, source="sdk", data=data) for item_id, data in items.items()],
            )

    def find_experiments(self, job_id: str) -> dict[str, StoredExperiment]:
        """The experiments of a job in this project, by their key."""
        of_job = [{"field": "metadata", "operator": "=", "key": JOB, "value": job_id, "type": "dictionary"}]
        found: dict[str, StoredExperiment] = {}
        for page in itertools.count(1):
            with telling("the search for experiments"):
                answer = self._rest.experiments.find_experiments(page=page, size=_PAGE, filters=json.dumps(of_job))
            for one in answer.content or []:
                stored = _experiment(one)
                key = text(stored.metadata.get(KEY))
                if key is not None and stored.metadata.get("project") == self.project:
                    found[key] = stored
            if len(answer.content or []) < _PAGE:
                break
        return found

    def create_experiment(
        self, experiment_id: str, dataset: str, name: str, metadata: Object, tags: Sequence[str]
    ) -> None:
        """Makes an experiment."""
        with telling(f"experiment {name}"):
            self._rest.experiments.create_experiment(
                id=experiment_id,
                dataset_name=dataset,
                project_name=self.project,
                name=name,
                metadata=metadata,
                tags=list(tags),
            )

    def update_experiment(self, experiment_id: str, metadata: Object, scores: Mapping[str, float]) -> None:
        """Sets an experiment's configuration and scores."""
        with telling("an experiment's update"):
            self._rest.experiments.update_experiment(
                experiment_id,
                metadata=metadata,
                experiment_scores=[ExperimentScore(name=key, value=value) for key, value in scores.items()],
            )

    def delete_experiment(self, experiment_id: str) -> None:
        """Removes an experiment; its traces stay."""
        with telling("the removal of an experiment"):
            self._rest.experiments.delete_experiments_by_id(ids=[experiment_id])

    def experiment_items(self, name: str, experiment_id: str) -> dict[str, str]:
        """The items of an experiment: the trace's id by the item's id."""
        with telling("the items of an experiment"):
            items = read_and_parse_full_stream(
                read_source=lambda size, last: self._rest.experiments.stream_experiment_items(
                    experiment_name=name, limit=size, last_retrieved_id=last, truncate=True
                ),
                parsed_item_class=ExperimentItem,
                max_results=None,
                strict=True,
            )
        return {str(item.id): item.trace_id for item in items if item.experiment_id == experiment_id}

    def send_experiment_items(self, items: Sequence[tuple[str, str, str, str]]) -> None:
        """Stores experiment items: (id, experiment id, dataset item id, trace id) each."""
        for batch in itertools.batched(items, BATCH_ROWS):
            with telling("experiment items"):
                self._rest.experiments.create_experiment_items(
                    experiment_items=[
                        ExperimentItem(
                            id=item_id, experiment_id=experiment, dataset_item_id=dataset_item, trace_id=trace
                        )
                        for item_id, experiment, dataset_item, trace in batch
                    ]
                )

    def delete_experiment_items(self, item_ids: Sequence[str]) -> None:
        """Takes items out of their experiment; the traces stay."""
        for batch in itertools.batched(item_ids, BATCH_ROWS):
            with telling("the removal of experiment items"):
                self._rest.experiments.delete_experiment_items(ids=list(batch))

    def save_dashboard(self, name: str, description: str, sections: list[Object]) -> tuple[str, bool]:
        """Makes the dashboard of this name, or sets it to these sections where they differ.

        Returns:
            Its id, and whether anything was written.
        """
        with telling(f"the dashboard {name}"):
            named = [one for one in self._client.get_dashboards(name=name) if one.name == name]
            if not named:
                made = self._client.create_dashboard(
                    name,
                    type="experiments",
                    description=description,
                    sections=cast("list[DashboardSection | dict[str, Any]]", sections),
                )
                return made.id, True
            oldest = min(named, key=lambda one: one.id)
            same_sections = oldest.config.get("sections") == sections
            if not same_sections:
                oldest.replace_sections(cast("list[DashboardSection | dict[str, Any]]", sections))
            if oldest.description != description:
                oldest.set_description(description)
                return oldest.id, True
            return oldest.id, not same_sections

    def _trace(self, row_id: str, row: Row) -> TraceWrite:
        return _QuickTrace(
            id=row_id,
            project_name=self.project,
            start_time=row.start_time,
            tags=list(row.tags),
            error_info=_error(row, ErrorInfoWrite),
            source="sdk",
            **_content(row),
        )

    def _span(self, row_id: str, row: Row, ids: Mapping[str, str]) -> SpanWrite:
        return _QuickSpan(
            id=row_id,
            project_name=self.project,
            trace_id=ids[row.trace_key],
            parent_span_id=None if row.parent_key is None else ids[row.parent_key],
            type="general" if row.kind == "trace" else row.kind,
            start_time=row.start_time,
            model=row.model,
            provider=row.provider,
            usage=row.usage,
            total_estimated_cost=row.cost_usd,
            source="sdk",
            **_content(row),
        )

    def _score(self, score: Score) -> FeedbackScoreBatchItem:
        return FeedbackScoreBatchItem(
            id=score.row_id,
            project_name=self.project,
            name=score.name,
            value=score.value,
            category_name=score.category,
            reason=score.reason,
            source="sdk",
        )


def _content(row: Row) -> dict[str, Any]:
    """What a row says of itself, under the names that all of the SDK's calls and types have for it."""
    return {
        "name": row.name,
        "end_time": row.end_time,
        "input": row.input,
        "output": row.output,
        "metadata": {**row.metadata, DIGEST: row.digest},
    }


def _error[T: (ErrorInfo, ErrorInfoWrite)](row: Row, of_type: type[T]) -> T | None:
    if row.error is None:
        return None
    kind, message, traceback = row.error
    return of_type(exception_type=kind, message=message, traceback=traceback)


def _batches(rows: Iterable[tuple[str, Row]]) -> Iterator[list[tuple[str, Row]]]:
    """Rows in batches within the server's limits by count and by bytes."""
    batch: list[tuple[str, Row]] = []
    size = 0
    for row in rows:
        if batch and (len(batch) == BATCH_ROWS or size + row[1].size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row[1].size
    if batch:
        yield batch


def _by_key(found: Sequence[TracePublic] | Sequence[SpanPublic]) -> dict[str, Stored]:
    """Stored rows by key; of two under one key the older id counts."""
    stored: dict[str, Stored] = {}
    for row in found:
        metadata = mapping(cast("JsonValue", row.metadata))
        key = text(metadata.get(KEY))
        if key is None or row.id is None or (key in stored and stored[key].id < row.id):
            continue
        there = {
            "end_time": row.end_time,
            "usage": row.usage,
            "cost": row.total_estimated_cost,
            "error": row.error_info,
        }
        stored[key] = Stored(
            id=row.id,
            digest=text(metadata.get(DIGEST)),
            scores={one.name: _scores(row.id, one) for one in row.feedback_scores or []},
            start_time=row.start_time,
            has=frozenset(name for name, value in there.items() if value),
        )
    return stored


def _scores(row_id: str, score: FeedbackScorePublic) -> tuple[Score, ...]:
    """What programs scored under one name; Opik shows the mean of several authors, and each beside it."""
    authors = list((score.value_by_author or {}).values())
    given = [(one.source, one.value, one.category_name, one.reason) for one in authors]
    if len(given) < 2:
        given = [(score.source, score.value, score.category_name, score.reason)]
    return tuple(
        Score(row_id, score.name, float(value), category, reason)
        for source, value, category, reason in given
        if source == "sdk" and value is not None
    )


def _experiment(one: ExperimentPublic) -> StoredExperiment:
    return StoredExperiment(
        id=str(one.id),
        name=one.name or "",
        metadata=dict(mapping(cast("JsonValue", one.metadata))),
        scores={score.name: float(score.value) for score in one.experiment_scores or []},
    )
