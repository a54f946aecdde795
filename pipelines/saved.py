"""The saved views of a project, as they are stored in Opik: listed, found by name, and removed."""

from __future__ import annotations

from collections.abc import Sequence

from adapter.errors import BadInputError
from adapter.opik_connection import Connection
from adapter.opik_dashboards import StoredView
from adapter.opik_store import OpikStore
from pipelines.view_results import DeletedViews, ListedView, ShownView, ViewList
from views.widgets import is_made_here

_MOST_NAMED = 8


class Saved:
    """The views that were saved for one project; dashboards that others made are not among them.

    Args:
        connection: to the Opik that holds them.
        project: the project's name, with which theirs begin.
    """

    def __init__(self, connection: Connection, project: str) -> None:
        self._connection = connection
        self._project = project
        self._dashboards = OpikStore(connection, project).dashboards

    def list(self) -> ViewList:
        """All of them.

        Raises:
            IncompleteError: Opik refuses, or is still in trouble after the last try.
        """
        return ViewList(
            project=self._project,
            opik=self._connection.address,
            embedded=self._connection.is_embedded,
            views=tuple(self._listed(one) for one in self._stored()),
        )

    def show(self, name: str) -> ShownView:
        """One with its text; see `find`."""
        found = self._find(name)
        return ShownView(view=self._listed(found), text=found.text)

    def find(self, name: str) -> ListedView:
        """The one of this name.

        Args:
            name: its name, with or without the project's before it; or its id.

        Raises:
            BadInputError: there is none.
            IncompleteError: Opik refuses, or is still in trouble after the last try.
        """
        return self._listed(self._find(name))

    def delete(self, names: Sequence[str] | None) -> DeletedViews:
        """Removes those of these names; None for all. Nothing is removed where one is not there.

        Raises:
            BadInputError: there is none of a name.
            IncompleteError: Opik refuses, or is still in trouble after the last try.
        """
        found = self._stored() if names is None else [self._find(name) for name in names]
        unique = list({one.id: one for one in found}.values())
        for one in unique:
            self._dashboards.delete(one)
        return DeletedViews(project=self._project, deleted=tuple(self._listed(one) for one in unique))

    def _stored(self) -> list[StoredView]:
        return [one for one in self._dashboards.all(f"{self._project}: ") if is_made_here(one.name, one.parts)]

    def _find(self, name: str) -> StoredView:
        there = self._stored()
        for one in there:
            if name in (one.id, one.name) or one.name == f"{self._project}: {name}":
                return one
        if not there:
            raise BadInputError(
                f"Project {self._project} has no saved view.",
                "`kilobench compare` saves some; or name another --project.",
            )
        near = [one.name for one in there if name.lower() in one.name.lower()] or [one.name for one in there]
        more = f", and {len(near) - _MOST_NAMED} more" if len(near) > _MOST_NAMED else ""
        raise BadInputError(
            f"Project {self._project} has no saved view {name}.",
            f"Name one that is there: {'; '.join(near[:_MOST_NAMED])}{more}.",
        )

    def _listed(self, one: StoredView) -> ListedView:
        url = self._connection.view_url(one.id)
        return ListedView(name=one.name, id=one.id, url=url, description=one.description, kind=one.type)
