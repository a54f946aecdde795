"""What people label in Opik: annotation queues, the labels to choose from, and the small traces that wait in a queue.

A queue takes traces and no spans, so a step that is to be labelled is a trace of its own, and says whose step it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from opik.rest_api.client import OpikApi
from opik.rest_api.types import (
    CategoricalFeedbackDetailCreate,
    CategoricalFeedbackDetailPublic,
    FeedbackCreate_Categorical,
    FeedbackScorePublic,
    TraceFilterPublic,
)

from adapter.errors import BadInputError
from adapter.loose import count, mapping, text
from adapter.opik_connection import Connection
from adapter.opik_ids import mint
from adapter.opik_rest import Identified, Rest, if_there
from adapter.opik_rows import JOB, KEY
from adapter.opik_stored import Score, of_people
from adapter.opik_traces import as_json

LABELS = "kilobench-labels"
"""Stands in place of a job in the metadata of each step that is to be labelled."""
STEP = "label_of"
"""The metadata key under which such a trace says whose step it is."""

_PAGE = 100
_DESCRIPTION = 255


@dataclass(frozen=True, slots=True)
class LabelledStep:
    """A step that waits to be labelled, or was.

    Attributes:
        id: its small trace.
        key: the trace's key.
        trial: `job/trial`.
        step: the step's number there.
        queue: the name of the queue that it was put into.
        scores: what people scored.
    """

    id: str
    key: str
    trial: str
    step: int
    queue: str
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class Queue:
    """An annotation queue, and the project that it is of."""

    id: str
    name: str
    project: str


class _Found(Identified):
    metadata: dict[str, object] | None = None
    feedback_scores: list[FeedbackScorePublic] | None = None


class Annotation:
    """What people label in one Opik."""

    def __init__(self, connection: Connection) -> None:
        self._rest = Rest(connection.client)

    def steps(self, project: str) -> list[LabelledStep]:
        """The steps to label in a project; none where there is no such project.

        Raises:
            IncompleteError: Opik refuses, or is still in trouble after the last try.
        """
        if self._project_id(project) is None:
            return []
        ours = [TraceFilterPublic(field="metadata", operator="=", key=JOB, value=LABELS)]

        def page(api: OpikApi, size: int, after: str | None) -> Iterator[bytes]:
            return api.traces.search_traces(
                project_name=project,
                filters=ours,
                limit=size,
                last_retrieved_id=after,
                truncate=False,
                exclude=["input", "output", "span_feedback_scores"],
            )

        found = (_step(row) for row in self._rest.rows("the search for labelled steps", _Found, page))
        return [one for one in found if one is not None]

    def define(self, name: str, description: str, categories: Mapping[str, float]) -> None:
        """Makes a feedback definition with these labels, and the number that each stands for.

        Raises:
            BadInputError: there is one of this name with other labels.
            IncompleteError: Opik refuses, or is still in trouble after the last try.
        """

        def find(api: OpikApi) -> bool | None:
            for number in itertools.count(1):
                page = api.feedback_definitions.find_feedback_definitions(page=number, size=_PAGE, name=name)
                for one in page.content or []:
                    if one.name == name:
                        details = one.details
                        is_alike = isinstance(details, CategoricalFeedbackDetailPublic)
                        return is_alike and details.categories == dict(categories)
                if len(page.content or []) < _PAGE:
                    break
            return None

        def make(api: OpikApi) -> bool:
            api.feedback_definitions.create_feedback_definition(
                request=FeedbackCreate_Categorical(
                    name=name,
                    description=description[:_DESCRIPTION],
                    details=CategoricalFeedbackDetailCreate(categories=dict(categories)),
                )
            )
            return True

        what = f"feedback definition {name}"
        is_ours = self._rest.call(what, find)
        if is_ours is None:
            is_ours = self._rest.call(what, make, there=find)
        if not is_ours:
            raise BadInputError(
                f"Opik holds a feedback definition {name} with other labels.",
                f"Rename it in Opik, or give it these: {', '.join(categories)}.",
            )

    def find_queue(self, name: str, project: str | None = None) -> Queue | None:
        """The queue of this name, in this project or in any; None where there is none.

        Raises:
            BadInputError: several projects have one.
            IncompleteError: Opik refuses, or is still in trouble after the last try.
        """
        found = self._rest.call(f"annotation queue {name}", lambda api: _queues(api, name, project))
        if len({one.project for one in found}) > 1:
            projects = ", ".join(sorted({one.project for one in found}))
            raise BadInputError(f"Several projects have a queue {name}: {projects}.", "Give --experiment, too.")
        return min(found, key=lambda one: one.id, default=None)

    def fill_queue(
        self, name: str, project: str, instructions: str, definitions: Sequence[str], trace_ids: Sequence[str]
    ) -> Queue:
        """Makes a queue of a project where it is missing, and puts traces into it; twice is the same as once.

        Raises:
            BadInputError: there is no such project.
            IncompleteError: Opik refuses, or is still in trouble after the last try.
        """
        project_id = self._project_id(project)
        if project_id is None:
            raise BadInputError(f"Opik holds no project {project}.", "Run the same command again.")
        queue = self.find_queue(name, project)
        if queue is None:
            new = mint(f"{project_id}/{name}", datetime.now(UTC))

            def make(api: OpikApi) -> Queue:
                api.annotation_queues.create_annotation_queue(
                    id=new,
                    project_id=project_id,
                    name=name,
                    scope="trace",
                    instructions=instructions,
                    comments_enabled=True,
                    feedback_definition_names=list(definitions),
                )
                return Queue(new, name, project)

            queue = self._rest.call(
                f"annotation queue {name}", make, there=lambda api: next(iter(_queues(api, name, project)), None)
            )
        for some in itertools.batched(trace_ids, _PAGE):

            def put(api: OpikApi, some: Sequence[str] = some, queue: Queue = queue) -> None:
                api.annotation_queues.add_items_to_annotation_queue(queue.id, ids=list(some))

            self._rest.call(f"annotation queue {name}", put)
        return queue

    def _project_id(self, name: str) -> str | None:
        found = self._rest.call(
            f"project {name}", lambda api: if_there(lambda: api.projects.retrieve_project(name=name))
        )
        return None if found is None else found.id


def _queues(api: OpikApi, name: str, project: str | None) -> list[Queue]:
    found: list[Queue] = []
    for number in itertools.count(1):
        page = api.annotation_queues.find_annotation_queues(page=number, size=_PAGE, name=name)
        found += [
            Queue(str(one.id), one.name, one.project_name or "")
            for one in page.content or []
            if one.name == name and project in (None, one.project_name)
        ]
        if len(page.content or []) < _PAGE:
            break
    return found


def _step(row: _Found) -> LabelledStep | None:
    metadata = as_json(row.metadata)
    said = mapping(metadata.get(STEP))
    key, trial, step = text(metadata.get(KEY)), text(said.get("trial")), count(said.get("step"))
    if key is None or trial is None or step is None:
        return None  # Somebody else's trace in this project.
    return LabelledStep(
        row.id, key, trial, step, text(said.get("queue")) or "", of_people(row.id, row.feedback_scores or ())
    )
