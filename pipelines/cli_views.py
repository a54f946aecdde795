"""The commands `kilobench views ...`: they only wire."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli_options import Json, Opik, Project, tell

if TYPE_CHECKING:
    from pipelines.saved import Saved

views = typer.Typer(
    help="List, show, open and delete the saved views of a project.", no_args_is_help=True, rich_markup_mode=None
)

Name = Annotated[str, typer.Argument(help="The view's name, with or without the project's, or its id.", metavar="NAME")]


@contextmanager
def _saved(project: str | None, opik: str | None) -> Generator[Saved]:
    from adapter.opik_connection import connect
    from pipelines.live import DEFAULT_PROJECT
    from pipelines.saved import Saved

    name = project or DEFAULT_PROJECT
    with connect(opik, name) as connection:
        yield Saved(connection, name)


@views.command("list")
def list_views(project: Project = None, opik: Opik = None, json: Json = False) -> None:
    """List the saved views, with what each says and where it is."""
    from pipelines.terminal_views import show_list

    with _saved(project, opik) as saved:
        tell(saved.list(), show_list, json=json)


@views.command("show")
def show_view(name: Name, project: Project = None, opik: Opik = None, json: Json = False) -> None:
    """Print what a saved view says: the verdict, the table, the flips."""
    from pipelines.terminal_views import show_view as show

    with _saved(project, opik) as saved:
        tell(saved.show(name), show, json=json)


@views.command("open")
def open_view(name: Name, project: Project = None, opik: Opik = None, json: Json = False) -> None:
    """Open a saved view in the browser. One in the embedded store needs `kilobench serve`."""
    from pipelines.opening import open_in_browser
    from pipelines.terminal_views import show_opened

    with _saved(project, opik) as saved:
        found = saved.find(name)
    tell(open_in_browser(found), show_opened, json=json)


@views.command("delete")
def delete_views(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names, with or without the project's, or ids.", metavar="NAME...", show_default=False),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Delete all saved views of the project.")] = False,
    project: Project = None,
    opik: Opik = None,
    json: Json = False,
) -> None:
    """Delete saved views; the next `kilobench compare` makes them again. What others made is left alone."""
    from adapter.errors import BadInputError
    from pipelines.terminal_views import show_deleted

    if bool(names) == every:
        raise BadInputError("It is not said which views to delete.", "Name some, or give --all, and not both.")
    with _saved(project, opik) as saved:
        tell(saved.delete(None if every else names), show_deleted, json=json)
