"""What a person sees of saved views."""

from __future__ import annotations

import re

from rich.console import Console
from rich.markdown import Markdown

from pipelines.terminal import line
from pipelines.view_results import DeletedViews, OpenedView, ShownView, ViewList
from views import format as fmt

_SERVE = "They are in the embedded store: `kilobench serve` shows them."

_TRACES = re.compile(r" \((?:\[[ab]\d*\]\(https?://[^()\s]*\)(?:, )?)+\)")
"""The links to a flipped task's traces: in a cell of a terminal's table there is no room for an address."""


def show_list(result: ViewList, console: Console) -> None:
    """Prints the views' names, with what each says and where it is."""
    if not result.views:
        console.print(line("", f"Project {result.project} has no saved view. `kilobench compare` saves some."))
    for view in result.views:
        console.print(line("", view.name))
        console.print(line("  ", view.description))
        console.print(line("  ", view.url))
    if result.views and result.embedded:
        console.print(line("", _SERVE))


def show_view(result: ShownView, console: Console) -> None:
    """Prints a view's text. It holds names from job folders, which cannot command a terminal."""
    console.print(line("", result.view.name))
    console.print(Markdown(_TRACES.sub("", fmt.plain(result.text)), hyperlinks=False))
    console.print(line("", result.view.url))


def show_opened(result: OpenedView, console: Console) -> None:
    """Prints where the view is."""
    console.print(line("opened " if result.opened else "open this in a browser: ", result.view.url))


def show_deleted(result: DeletedViews, console: Console) -> None:
    """Prints what was removed."""
    for view in result.deleted:
        console.print(line("removed ", view.name))
    if not result.deleted:
        console.print(line("", f"Project {result.project} has no saved view."))
