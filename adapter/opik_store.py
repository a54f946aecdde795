"""Everything that is sent to and read from an Opik, in one place.

The SDK's REST client is used synchronously: its background sender can lose rows and still report success. Every
call here raises one kind of error, and what is found is returned as our own types. A row that Opik does not take, while
it takes others, is noted in `refused`, and the rest goes on.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import cast

from opik.id_helpers import generate_id
from opik.rest_api.client import OpikApi
from opik.rest_api.core.api_error import ApiError
from opik.rest_api.types import (
    DatasetItemWrite,
    DatasetPublic,
    ErrorInfo,
    ExperimentItem,
    ExperimentPublic,
    ExperimentScore,
    PromptVersionLinkWrite,
    SpanFilterPublic,
    TraceFilterPublic,
)
from pydantic_core import to_json

from adapter.loose import text
from adapter.opik_connection import Connection
from adapter.opik_dashboards import Dashboards
from adapter.opik_rest import Refused, Rest, if_there
from adapter.opik_rows import JOB, Object, Row
from adapter.opik_sent import (
    BATCH_BYTES,
    BATCH_ROWS,
    batches,
    content,
    error_of,
    row_size,
    score_size,
    score_write,
    span_write,
    trace_write,
)
from adapter.opik_stored import (
    FoundItem,
    FoundRow,
    FoundTask,
    Score,
    Stored,
    StoredExperiment,
    by_key,
    experiments_by_key,
)

__all__ = ["BATCH_BYTES", "BATCH_ROWS", "OpikStore", "Score", "Stored", "StoredExperiment"]

_PAGE = 100


class OpikStore:
    """One project of one Opik.

    Attributes:
        connection: how it is reached.
        project: the project's name.
        rest: Opik's API, for what has no method here.
        dashboards: those of its workspace.
        refused: why Opik does not take a row, by the row's key; it grows as rows are sent.
    """

    def __init__(self, connection: Connection, project: str) -> None:
        self.connection = connection
        self._client = connection.client
        self.rest = Rest(connection.client)
        self.dashboards = Dashboards(connection, self.rest)
        self.refused: dict[str, str] = {}
        self.project = project
        self._project_id: str | None = None
        self._owners: dict[str, str] = {}
        self._find_project()

    def _find_project(self) -> None:
        """The project's name as Opik has it, where it is the same in any case, and its id."""
        found = self.rest.call(
            f"project {self.project}", lambda api: if_there(lambda: api.projects.retrieve_project(name=self.project))
        )
        if found is not None:
            self.project, self._project_id = found.name, found.id

    def project_id(self) -> str | None:
        """The project's id; None where Opik has no project of this name yet."""
        if self._project_id is None:
            self._find_project()
        return self._project_id

    def find_traces(self, job_id: str) -> dict[str, Stored]:
        """The traces of a job that are stored, by key."""
        of_job = [TraceFilterPublic(field="metadata", operator="=", key=JOB, value=job_id)]

        def page(api: OpikApi, size: int, after: str | None) -> Iterator[bytes]:
            return api.traces.search_traces(
                project_name=self.project,
                filters=of_job,
                limit=size,
                last_retrieved_id=after,
                truncate=False,
                exclude=["input", "output", "span_feedback_scores"],
            )

        return by_key(self._rows("the search for traces", FoundRow, page))

    def find_spans(self, job_id: str) -> dict[str, Stored]:
        """The spans of a job that are stored, by key."""
        of_job = [SpanFilterPublic(field="metadata", operator="=", key=JOB, value=job_id)]

        def page(api: OpikApi, size: int, after: str | None) -> Iterator[bytes]:
            return api.spans.search_spans(
                project_name=self.project,
                filters=of_job,
                limit=size,
                last_retrieved_id=after,
                truncate=False,
                exclude=["input", "output"],
            )

        return by_key(self._rows("the search for spans", FoundRow, page))

    def _rows[M: FoundRow | FoundTask | FoundItem](
        self, what: str, model: type[M], page: Callable[[OpikApi, int, str | None], Iterator[bytes]]
    ) -> Iterator[M]:
        """All rows of a search; none before the first upload, when there is no project."""

        def there(api: OpikApi, size: int, after: str | None) -> Iterator[bytes]:
            try:
                yield from page(api, size, after)
            except ApiError as error:
                if error.status_code != HTTPStatus.NOT_FOUND:
                    raise

        return self.rest.rows(what, model, there)

    def send_traces(self, rows: Iterable[tuple[str, Row]]) -> None:
        """Stores traces under the ids given; what is stored under an id already is replaced."""

        def put(api: OpikApi, batch: Sequence[tuple[str, Row]]) -> None:
            api.traces.create_traces(traces=[trace_write(row_id, row, self.project) for row_id, row in batch])

        for batch in batches(rows, row_size):
            self._note(self.rest.send("traces", batch, put), lambda row: row[1].key)

    def send_spans(self, rows: Iterable[tuple[str, Row]], ids: Mapping[str, str]) -> None:
        """Stores spans; `ids` gives the id of each trace and parent span by its key."""

        def put(api: OpikApi, batch: Sequence[tuple[str, Row]]) -> None:
            api.spans.create_spans(spans=[span_write(row_id, row, ids, self.project) for row_id, row in batch])

        for batch in batches(rows, row_size):
            self._note(self.rest.send("spans", batch, put), lambda row: row[1].key)

    def update_trace(self, row_id: str, row: Row) -> None:
        """Changes a stored trace in place: its id may be too old to be sent as new."""

        def put(api: OpikApi, _: Sequence[Row]) -> None:
            api.traces.update_trace(
                row_id,
                project_name=self.project,
                **content(row),
                tags=list(row.tags),
                error_info=error_of(row, ErrorInfo),
            )

        self._note(self.rest.send(f"the update of {row.name}", [row], put), lambda row: row.key)

    def update_span(self, row_id: str, row: Row, ids: Mapping[str, str]) -> None:
        """Changes a stored span in place: its id may be too old to be sent as new."""

        def put(api: OpikApi, _: Sequence[Row]) -> None:
            api.spans.update_span(
                row_id,
                trace_id=ids[row.trace_key],
                parent_span_id=None if row.parent_key is None else ids[row.parent_key],
                project_name=self.project,
                **content(row),
                model=row.model,
                provider=row.provider,
                usage=row.usage,
                total_estimated_cost=row.cost_usd,
            )

        self._note(self.rest.send(f"the update of {row.key}", [row], put), lambda row: row.key)

    def tag_span(self, span: Stored, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Gives a stored span these tags beside those that it has, and takes others from it."""

        def put(api: OpikApi) -> None:
            api.spans.update_span(
                span.id,
                trace_id=span.trace_id,
                parent_span_id=span.parent_id,
                project_name=self.project,
                tags_to_add=list(add),
                tags_to_remove=list(remove),
            )

        self.rest.call("a span's tags", put)

    def delete_traces(self, row_ids: Sequence[str]) -> None:
        """Removes traces with their spans and scores; spans also where their trace is gone already."""
        for batch in itertools.batched(row_ids, BATCH_ROWS):
            if self._project_id is None:
                self._find_project()
            # Without the project, Opik passes over an id that has spans and no trace.
            self.rest.call(
                "the removal of traces",
                lambda api, batch=batch: api.traces.delete_traces(ids=list(batch), project_id=self._project_id),
            )

    def score_traces(self, scores: Sequence[Score]) -> None:
        """Sets scores on traces; a score of the same name is replaced."""

        def put(api: OpikApi, batch: Sequence[Score]) -> None:
            api.traces.score_batch_of_traces(scores=[score_write(score, self.project) for score in batch])

        for batch in batches(scores, score_size):
            self._note(self.rest.send("trace scores", batch, put), _score_name)

    def score_spans(self, scores: Sequence[Score]) -> None:
        """Sets scores on spans; a score of the same name is replaced."""

        def put(api: OpikApi, batch: Sequence[Score]) -> None:
            api.spans.score_batch_of_spans(scores=[score_write(score, self.project) for score in batch])

        for batch in batches(scores, score_size):
            self._note(self.rest.send("span scores", batch, put), _score_name)

    def delete_trace_score(self, score: Score) -> None:
        """Takes a score from a trace."""
        self.rest.call(
            "the removal of a score",
            lambda api: api.traces.delete_trace_feedback_score(score.row_id, name=score.name, author=score.author),
        )

    def delete_span_score(self, score: Score) -> None:
        """Takes a score from a span."""
        self.rest.call(
            "the removal of a score",
            lambda api: api.spans.delete_span_feedback_score(score.row_id, name=score.name, author=score.author),
        )

    def dataset(self, name: str) -> dict[str, Object]:
        """A dataset's items by task name (with their `id`); the dataset is made where there is none."""

        def find(api: OpikApi) -> DatasetPublic | None:
            return if_there(
                lambda: api.datasets.get_dataset_by_identifier(dataset_name=name, project_name=self.project)
            )

        def make(api: OpikApi) -> DatasetPublic | None:
            return api.datasets.create_dataset(name=name, project_name=self.project)

        def page(api: OpikApi, size: int, after: str | None) -> Iterator[bytes]:
            return api.datasets.stream_dataset_items(
                dataset_name=name, project_name=self._owners[name], steam_limit=size, last_retrieved_id=after
            )

        what = f"dataset {name}"
        there = self.rest.call(what, find)
        self._owners[name] = self._owner(there)
        if there is None:
            self.rest.call(what, make, there=find)
            return {}
        items = self._rows(what, FoundTask, page)
        found = {item.id: cast("Object", item.data or {}) for item in items}
        return {
            task: data | {"id": item} for item, data in found.items() if (task := text(data.get("task"))) is not None
        }

    def dataset_id(self, name: str) -> str | None:
        """A dataset's id; None where there is none of this name."""
        found = self.rest.call(
            f"dataset {name}",
            lambda api: if_there(
                lambda: api.datasets.get_dataset_by_identifier(dataset_name=name, project_name=self.project)
            ),
        )
        return None if found is None else found.id

    def _owner(self, dataset: DatasetPublic | None) -> str:
        """The project that a dataset is in: its name may be another project's, whose items are then ours, too."""
        owner = None if dataset is None else dataset.project_id
        if owner is None or owner == self._project_id:
            return self.project
        return self.rest.call("a dataset's project", lambda api: api.projects.get_project_by_id(owner)).name

    def send_dataset_items(self, dataset: str, items: Mapping[str, Object]) -> None:
        """Stores dataset items by id, all as one version of the dataset."""
        version = generate_id()

        def put(api: OpikApi, batch: Sequence[tuple[str, Object]]) -> None:
            api.datasets.create_or_update_dataset_items(
                dataset_name=dataset,
                project_name=self._owners.get(dataset, self.project),
                batch_group_id=version,
                items=[DatasetItemWrite(id=item_id, source="sdk", data=data) for item_id, data in batch],
            )

        for batch in batches(items.items(), lambda item: len(to_json(item[1]))):
            refused = self.rest.send(f"the items of dataset {dataset}", batch, put)
            self._note(refused, lambda item: f"{dataset}/{item[1].get('task')}")

    def find_experiments(self, job_id: str) -> dict[str, StoredExperiment]:
        """The experiments of a job in this project, by their key."""
        of_job = json.dumps([{"field": "metadata", "operator": "=", "key": JOB, "value": job_id, "type": "dictionary"}])
        found: list[ExperimentPublic] = []
        for page in itertools.count(1):
            answer = self.rest.call(
                "the search for experiments",
                lambda api, page=page: api.experiments.find_experiments(page=page, size=_PAGE, filters=of_job),
            )
            found += answer.content or []
            if len(answer.content or []) < _PAGE:
                break
        return experiments_by_key(found, self.project)

    def create_experiment(
        self,
        experiment_id: str,
        dataset: str,
        name: str,
        metadata: Object,
        tags: Sequence[str],
        prompt_versions: Sequence[str] = (),
    ) -> None:
        """Makes an experiment, linked to versions of prompts; one that is there under this id is left as it is."""
        self.rest.call(
            f"experiment {name}",
            lambda api: api.experiments.create_experiment(
                id=experiment_id,
                dataset_name=dataset,
                project_name=self.project,
                name=name,
                metadata=metadata,
                tags=list(tags),
                prompt_versions=[PromptVersionLinkWrite(id=one) for one in prompt_versions] or None,
            ),
        )

    def update_experiment(
        self, experiment_id: str, metadata: Object, scores: Mapping[str, float] | None = None
    ) -> None:
        """Sets an experiment's configuration, and its scores unless they are to stay."""

        def put(api: OpikApi) -> None:
            if scores is None:
                api.experiments.update_experiment(experiment_id, metadata=metadata)
                return
            given = [ExperimentScore(name=key, value=value) for key, value in scores.items()]
            api.experiments.update_experiment(experiment_id, metadata=metadata, experiment_scores=given)

        self.rest.call("an experiment's update", put)

    def tag_experiment(self, experiment_id: str, tags: Sequence[str]) -> None:
        """Gives an experiment these tags beside those that it has."""
        self.rest.call(
            "an experiment's tags", lambda api: api.experiments.update_experiment(experiment_id, tags_to_add=list(tags))
        )

    def delete_experiment(self, experiment_id: str) -> None:
        """Removes an experiment with its items; its traces stay."""
        self.rest.call(
            "the removal of an experiment",
            lambda api: api.experiments.delete_experiments_by_id(ids=[experiment_id]),
        )

    def experiment_items(self, name: str, experiment_id: str) -> dict[str, str]:
        """The items of an experiment: the trace's id by the item's id."""

        def page(api: OpikApi, size: int, after: str | None) -> Iterator[bytes]:
            return api.experiments.stream_experiment_items(
                experiment_name=name, limit=size, last_retrieved_id=after, truncate=True
            )

        items = self._rows("the items of an experiment", FoundItem, page)
        return {item.id: item.trace_id for item in items if item.experiment_id == experiment_id}

    def send_experiment_items(self, items: Sequence[tuple[str, str, str, str]]) -> None:
        """Stores experiment items: (id, experiment id, dataset item id, trace id) each."""

        def put(api: OpikApi, batch: Sequence[tuple[str, str, str, str]]) -> None:
            api.experiments.create_experiment_items(
                experiment_items=[
                    ExperimentItem(id=item_id, experiment_id=experiment, dataset_item_id=dataset_item, trace_id=trace)
                    for item_id, experiment, dataset_item, trace in batch
                ]
            )

        for batch in itertools.batched(items, BATCH_ROWS):
            refused = self.rest.send("experiment items", batch, put)
            self._note(refused, lambda item: f"item of experiment {item[1]} for trace {item[3]}")

    def delete_experiment_items(self, item_ids: Sequence[str]) -> None:
        """Takes items out of their experiment; the traces stay."""
        for batch in itertools.batched(item_ids, BATCH_ROWS):
            self.rest.call(
                "the removal of experiment items",
                lambda api, batch=batch: api.experiments.delete_experiment_items(ids=list(batch)),
            )

    def _note[T](self, refused: Sequence[Refused[T]], name: Callable[[T], str]) -> None:
        self.refused |= {name(one.row): one.reason for one in refused}


def _score_name(score: Score) -> str:
    return f"score {score.name} on {score.row_id}"
