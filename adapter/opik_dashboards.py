"""Opik's dashboards: saved views, found by name, made through the SDK's own objects, which check what they send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from opik.exceptions import DashboardValidationError

from adapter.errors import IncompleteError
from adapter.opik_patience import status_of
from adapter.opik_rest import Rest

if TYPE_CHECKING:
    from opik.api_objects.dashboard.dashboard import Dashboard
    from opik.api_objects.dashboard.types import DashboardSection

    from adapter.opik_connection import Connection
    from adapter.trial import Object

SCHEMA_VERSION = 4
"""The version of the frontend's dashboard schema that is written here."""

_REFUSALS = range(400, 500)
_NOT_A_REFUSAL = frozenset({401, 403, 408, 429})
"""Whose fault is not the dashboard's."""

type DashboardType = Literal["experiments", "multi_project"]


class ViewRefusedError(Exception):
    """This Opik, or the SDK, does not take a dashboard as it is written here; the message says why."""


@dataclass(frozen=True, slots=True)
class StoredView:
    """A dashboard as it is stored; `parts` are its sections' titles by their ids, `text` its Markdown."""

    id: str
    name: str
    description: str
    type: str | None
    parts: dict[str, str]
    text: str


class Dashboards:
    """The dashboards of one Opik's workspace.

    Args:
        connection: how it is reached.
        rest: its API.
    """

    def __init__(self, connection: Connection, rest: Rest) -> None:
        self._client = connection.client
        self._rest = rest

    def save(
        self,
        name: str,
        description: str,
        sections: list[Object],
        kind: DashboardType = "experiments",
        project: str | None = None,
    ) -> tuple[str, bool]:
        """Makes the dashboard of this name, or sets it to these sections where they differ.

        Of several under the name it is the oldest: names are not unique in Opik.

        Args:
            name: its name.
            description: what its list says of it.
            sections: its content.
            kind: its type, which decides the kinds of widget that it may hold.
            project: the id of the project that it shows; those of experiments have none.

        Returns:
            Its id, and whether anything was written.

        Raises:
            ViewRefusedError: Opik, or the SDK, does not take it as it is.
            IncompleteError: Opik is still in trouble after the last try.
        """
        # They try nothing again.
        what, given = f"the dashboard {name}", cast("list[DashboardSection | dict[str, Any]]", sections)
        _check_version()

        def find(_: object = None) -> Dashboard | None:
            named = [one for one in self._client.get_dashboards(name=name) if one.name == name]
            return min(named, key=lambda one: one.id, default=None)

        def make(_: object) -> Dashboard:
            return self._client.create_dashboard(
                name, type=kind, description=description, sections=given, project_id=project
            )

        try:
            stored = self._rest.call(what, find)
            if stored is None:
                return self._rest.call(what, make, there=find).id, True
            same_sections = stored.config.get("sections") == sections
            if not same_sections:
                self._rest.call(what, lambda _: stored.replace_sections(given))
            if stored.description != description:
                self._rest.call(what, lambda _: stored.set_description(description))
                return stored.id, True
        except DashboardValidationError as error:
            raise ViewRefusedError(str(error)) from error
        except IncompleteError as error:
            status = status_of(error.__cause__)
            if status is None or status not in _REFUSALS or status in _NOT_A_REFUSAL:
                raise
            raise ViewRefusedError(error.what) from error
        return stored.id, not same_sections

    def all(self, prefix: str) -> list[StoredView]:
        """Those whose names begin so, by name, whoever made them.

        Raises:
            IncompleteError: Opik refuses, or is still in trouble after the last try.
        """
        found = self._rest.call(
            "the search for dashboards", lambda _: self._client.get_dashboards(name=prefix, max_results=_MOST)
        )
        views = [_view(one) for one in found if one.name.startswith(prefix)]
        return sorted(views, key=lambda one: (one.name, one.id))

    def delete(self, view: StoredView) -> None:
        """Removes one.

        Raises:
            IncompleteError: Opik refuses, or is still in trouble after the last try.
        """
        self._rest.call(f"the removal of {view.name}", lambda api: api.dashboards.delete_dashboard(view.id))


_MOST = 10_000


def _check_version() -> None:
    from opik.api_objects.dashboard.types import DASHBOARD_VERSION

    if DASHBOARD_VERSION != SCHEMA_VERSION:
        raise ViewRefusedError(
            f"the Opik SDK writes dashboards of schema version {DASHBOARD_VERSION}, and kilobench those of "
            f"{SCHEMA_VERSION}: update kilobench"
        )


def _view(one: Dashboard) -> StoredView:
    sections: list[dict[str, Any]] = one.config.get("sections") or []
    widgets = [widget for section in sections for widget in section.get("widgets") or []]
    texts = [(widget.get("config") or {}).get("content") for widget in widgets if widget.get("type") == "text_markdown"]
    return StoredView(
        id=one.id,
        name=one.name,
        description=one.description or "",
        type=one.type,
        parts={str(section.get("id")): str(section.get("title")) for section in sections},
        text="\n\n".join(text for text in texts if isinstance(text, str)),
    )
