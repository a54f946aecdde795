"""Reading the traces that keep judge runs."""

from __future__ import annotations

from collections.abc import Iterator

from opik.rest_api.client import OpikApi
from opik.rest_api.types import TraceFilterPublic

from adapter.opik_connection import Connection
from adapter.opik_rest import Identified, Rest, if_there
from adapter.opik_rows import JOB


class _Found(Identified):
    metadata: dict[str, object] | None = None


def calls_of_project(connection: Connection, project: str, run: str | None) -> Iterator[dict[str, object]]:
    """The metadata of each trace in a project of judge runs; nothing where there is no such project.

    Args:
        connection: to the Opik that holds it.
        project: its name.
        run: only those of the run with this id.

    Raises:
        IncompleteError: Opik refuses, or is still in trouble after the last try.
    """
    rest = Rest(connection.client)
    known = rest.call(f"project {project}", lambda api: if_there(lambda: api.projects.retrieve_project(name=project)))
    if known is None:
        return
    of_run = [] if run is None else [TraceFilterPublic(field="metadata", operator="=", key=JOB, value=run)]

    def page(api: OpikApi, size: int, after: str | None) -> Iterator[bytes]:
        return api.traces.search_traces(
            project_name=project,
            filters=of_run,
            limit=size,
            last_retrieved_id=after,
            truncate=False,
            exclude=["input", "output", "feedback_scores", "span_feedback_scores"],
        )

    for row in rest.rows("the search for judge runs", _Found, page):
        yield row.metadata or {}
