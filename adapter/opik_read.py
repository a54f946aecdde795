"""Stored trials, one after the other, wherever in Opik they are: by an experiment, by a search, by their traces' ids.

Everything is read to its last page, and no text is cut. One trial is held at a time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from opik.api_objects.opik_query_language import OpikQueryLanguage
from opik.rest_api.client import OpikApi
from opik.rest_api.types import ExperimentPublic, FeedbackScorePublic, SpanPublic, TraceFilterPublic, TracePublic

from adapter.errors import BadInputError, IncompleteError, UnreadableError
from adapter.opik_connection import Connection
from adapter.opik_patience import status_of
from adapter.opik_rest import Identified, Rest, if_there
from adapter.opik_rows import trial_key
from adapter.opik_stored import FoundItem, Stored, labels_of, of_people, scores_of
from adapter.opik_traces import as_json, stored_trial
from adapter.redact import redact
from adapter.trial import Object, Trial

_PAGE = 100
_SPANS_AT_ONCE = 500
"""Spans hold whole outputs: a page of them stays at some megabytes."""


@dataclass(frozen=True, slots=True)
class FoundTrial:
    """A trial that was read from Opik.

    Attributes:
        trial: the record.
        project: the name of the project that it is in; `project_id` its id.
        trace: its trace, by the trial's key.
        spans: the spans of its agent steps, by the step's key.
    """

    trial: Trial
    project: str
    project_id: str
    trace: dict[str, Stored]
    spans: dict[str, Stored]


@dataclass(frozen=True, slots=True)
class FoundExperiment:
    """An experiment in Opik, whoever made it; `metadata` is its configuration."""

    id: str
    name: str
    metadata: Object


class _FoundSpan(SpanPublic, Identified):
    id: str  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues]  # a stored one has it


class OpikReader:
    """Reads from all projects of one Opik."""

    def __init__(self, connection: Connection) -> None:
        self._rest = Rest(connection.client)
        self._projects: dict[str, str] = {}

    def experiments(self, name: str) -> list[FoundExperiment]:
        """The experiments of this name: Opik may hold several.

        Raises:
            BadInputError: there is none.
            IncompleteError: Opik refuses, or is still in trouble after the last try.
        """
        found = [
            FoundExperiment(str(one.id), name, dict(as_json(one.metadata)))
            for one in self._experiments(name)
            if one.name == name
        ]
        if not found:
            raise BadInputError(
                f"Opik holds no experiment {name}.", "`kilobench run` prints their names: dataset/variant/job."
            )
        return found

    def of_experiment(self, experiment: FoundExperiment) -> Iterator[str]:
        """The traces in an experiment.

        Raises:
            IncompleteError: Opik refuses, or is still in trouble after the last try.
        """

        def page(api: OpikApi, size: int, after: str | None) -> Iterator[bytes]:
            return api.experiments.stream_experiment_items(
                experiment_name=experiment.name, limit=size, last_retrieved_id=after, truncate=True
            )

        items = self._rest.rows("the items of an experiment", FoundItem, page)
        return (item.trace_id for item in items if item.experiment_id == experiment.id)

    def projects(self) -> dict[str, str]:
        """The names of all projects, by id.

        Raises:
            IncompleteError: Opik refuses, or is still in trouble after the last try.
        """
        found: dict[str, str] = {}
        for number in itertools.count(1):
            answer = self._rest.call(
                "the list of projects", lambda api, number=number: api.projects.find_projects(page=number, size=_PAGE)
            )
            found |= {one.id: one.name for one in answer.content or [] if one.id is not None}
            if len(answer.content or []) < _PAGE:
                return found
        return found

    def _experiments(self, name: str) -> Iterator[ExperimentPublic]:
        """Those whose names hold this one."""
        for number in itertools.count(1):
            answer = self._rest.call(
                "the search for experiments",
                lambda api, number=number: api.experiments.find_experiments(page=number, size=_PAGE, name=name),
            )
            yield from answer.content or []
            if len(answer.content or []) < _PAGE:
                return

    def of_project(self, project: str, oql: str | None = None) -> Iterator[str]:
        """The traces of a project that match a filter in Opik's query language; without one, all.

        Raises:
            BadInputError: the filter cannot be read, or there is no such project.
            IncompleteError: Opik refuses, or is still in trouble after the last try.
        """
        try:
            wanted = OpikQueryLanguage.for_traces(oql).get_filter_expressions() or []
        except ValueError as error:
            raise BadInputError(
                f"--filter {oql} cannot be read: {error}",
                "Write it as in Opik, such as 'tags contains \"job:nightly\"'.",
            ) from error
        filters = [TraceFilterPublic.model_validate(one) for one in wanted]
        known = self._rest.call(
            f"project {project}", lambda api: if_there(lambda: api.projects.retrieve_project(name=project))
        )
        if known is None:
            raise BadInputError(f"Opik holds no project {project}.", "Name another with --project.")

        def page(api: OpikApi, size: int, after: str | None) -> Iterator[bytes]:
            return api.traces.search_traces(
                project_name=project,
                filters=filters,
                limit=size,
                last_retrieved_id=after,
                truncate=True,
                # Scores stay: an Opik that leaves them out cannot filter by them.
                exclude=["input", "output", "metadata"],
            )

        try:
            for row in self._rest.rows("the search for traces", Identified, page):
                yield row.id
        except IncompleteError as error:
            if oql is None or status_of(error.__cause__) != HTTPStatus.BAD_REQUEST:
                raise
            raise BadInputError(f"Opik does not take --filter {oql}: {error.what}", "Correct the filter.") from error

    def trial(self, trace_id: str) -> FoundTrial:
        """The trial that a trace stands for, without secrets: others than kilobench may have stored it.

        Raises:
            UnreadableError: there is no such trace, or it is no trial; the message says why.
            IncompleteError: Opik refuses, or is still in trouble after the last try.
        """
        trace = self._trace(trace_id)
        if trace is None or trace.project_id is None:
            raise UnreadableError("Opik holds no such trace")
        spans = list(self._spans(trace.project_id, trace_id))
        found = stored_trial(trace, spans)
        trial = redact(found.trial)
        by_id = {span.id: span for span in spans}
        return FoundTrial(
            trial=trial,
            project=self._project(trace.project_id),
            project_id=trace.project_id,
            trace={trial_key(trial): _stored(trace, trace.feedback_scores, trace_id)},
            spans={
                key: _stored(by_id[span_id], by_id[span_id].feedback_scores, trace_id)
                for key, span_id in found.span_ids.items()
            },
        )

    def _trace(self, trace_id: str) -> TracePublic | None:
        try:
            known = str(UUID(trace_id))
        except ValueError:
            return None
        return self._rest.call(f"trace {known}", lambda api: if_there(lambda: api.traces.get_trace_by_id(known)))

    def _spans(self, project_id: str, trace_id: str) -> Iterator[_FoundSpan]:
        def page(api: OpikApi, size: int, after: str | None) -> Iterator[bytes]:
            return api.spans.search_spans(
                project_id=project_id,
                trace_id=trace_id,
                limit=min(size, _SPANS_AT_ONCE),
                last_retrieved_id=after,
                truncate=False,
            )

        return self._rest.rows(f"the spans of trace {trace_id}", _FoundSpan, page)

    def _project(self, project_id: str) -> str:
        if project_id not in self._projects:
            found = self._rest.call("a project", lambda api: api.projects.get_project_by_id(project_id))
            self._projects[project_id] = found.name
        return self._projects[project_id]


def _stored(row: TracePublic | _FoundSpan, scores: list[FeedbackScorePublic] | None, trace_id: str) -> Stored:
    return Stored(
        id=str(row.id),
        digest=None,
        scores={one.name: scores_of(str(row.id), one) for one in scores or ()},
        labels=labels_of(scores or ()),
        by_people=of_people(str(row.id), scores or ()),
        start_time=row.start_time,
        has=frozenset(),
        trace_id=trace_id,
        parent_id=row.parent_span_id if isinstance(row, _FoundSpan) else None,
    )
