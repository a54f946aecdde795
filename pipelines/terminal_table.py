"""Tables that fit the terminal, of texts that come from job folders: they are shown as plain text, each row short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from views import format as fmt

_GAP = 2
"""Blanks between two columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: its heading.
        least: the characters to which a column of texts gives way; None for a column of numbers, which does not.
        is_cut: whether a text that is too long loses its end; else it goes on in the next line.
    """

    name: str
    least: int | None = None
    is_cut: bool = False


def table(title: str, columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int) -> Table:
    """A table with a row for each of `rows`, in which texts give way, the widest first, until it fits.

    Args:
        title: above it; empty for none.
        columns: its columns.
        rows: their cells.
        room: how many characters a line may have.
    """
    cells = [[fmt.one_line(cell) for cell in row] for row in rows]
    made = Table(
        title=Text(fmt.one_line(title), overflow="fold") if title else None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, _GAP - 1, 0, 0),
    )
    for column, width in zip(columns, _widths(columns, cells, room), strict=True):
        made.add_column(
            Text(column.name),
            justify="right" if column.least is None else "left",
            no_wrap=column.least is None or column.is_cut,
            overflow="ellipsis" if column.is_cut else "fold",
            width=width,
        )
    for row in cells:
        made.add_row(*map(Text, row))
    return made


def cut(text: str, longest: int) -> str:
    """The text on one line, without its end where it is longer."""
    shown = fmt.one_line(text[: 2 * longest])
    return shown if len(shown) <= longest and len(text) <= 2 * longest else f"{shown[: longest - 1]}…"


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int) -> list[int]:
    widths = [
        max(cell_len(column.name), *(cell_len(row[place]) for row in rows), 0) for place, column in enumerate(columns)
    ]
    over = sum(widths) + _GAP * (len(widths) - 1) - room
    for _ in range(over):
        giving = [
            place
            for place, (column, width) in enumerate(zip(columns, widths, strict=True))
            if column.least is not None and width > column.least
        ]
        if not giving:
            break
        widths[max(giving, key=widths.__getitem__)] -= 1
    return widths
