"""What `kilobench views` says: the models behind its `--json`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from pipelines.results import SavedView


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ListedView(SavedView):
    """A saved view. `kind` is Opik's type of dashboard: `experiments`, or `multi_project` for that of the steps."""

    description: str
    kind: str | None


class ViewList(_Result):
    """The saved views of a project, by name."""

    project: str
    opik: str
    embedded: bool
    views: tuple[ListedView, ...]


class ShownView(_Result):
    """A saved view with its Markdown."""

    view: ListedView
    text: str


class OpenedView(_Result):
    """A saved view, and whether a browser was found that was asked to open it."""

    view: ListedView
    opened: bool


class DeletedViews(_Result):
    """The saved views that were removed; the next `kilobench compare` makes them again."""

    project: str
    deleted: tuple[ListedView, ...]
