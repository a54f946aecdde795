"""Tables that fit the terminal, of texts that come from job folders: they are shown as plain text, each row short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console
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
        least: the characters to which a column of texts gives way; None for a column of numbers, which does not: a
            number without its last digits is another one.
        is_cut: whether a text that is too long loses its end; else it goes on in the next line.
        spare: for columns that can be left out where the terminal has no room: those with the lowest number go first,
            together. None for those that are always there.
    """

    name: str
    least: int | None = None
    is_cut: bool = False
    spare: int | None = None


def show_table(
    console: Console, title: str, columns: Sequence[Column], rows: Sequence[Sequence[str]]
) -> tuple[str, ...]:
    """Prints a table with a row for each of `rows`, in which texts give way, the widest first, until it fits.

    Where it cannot fit, it is wider than the terminal: no number is cut.

    Args:
        console: where it is printed.
        title: above it; empty for none.
        columns: its columns.
        rows: their cells.

    Returns:
        the columns that were left out for want of room.
    """
    cells = [[fmt.one_line(cell) for cell in row] for row in rows]
    names = [fmt.one_line(column.name) for column in columns]
    longest = [max([cell_len(name), *(cell_len(row[place]) for row in cells)]) for place, name in enumerate(names)]
    room = console.width
    shown = _with_room(columns, longest, room)
    widths = _widths([columns[place] for place in shown], [longest[place] for place in shown], room)
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    for place, width in zip(shown, widths, strict=True):
        column = columns[place]
        made.add_column(
            Text(names[place]),
            justify="right" if column.least is None else "left",
            no_wrap=column.least is None or column.is_cut,
            overflow="ellipsis" if column.is_cut else "fold",
            width=width,
        )
    for row in cells:
        made.add_row(*(Text(row[place]) for place in shown))
    if title:
        console.print(Text(fmt.one_line(title), style="bold", overflow="fold"))
    console.width = max(room, _in_all(widths))
    console.print(made)
    console.width = room
    return tuple(names[place] for place in range(len(columns)) if place not in shown)


def cut(text: str, longest: int) -> str:
    """The text on one line, without its end where it is longer."""
    shown = fmt.one_line(text[: 2 * longest])
    return shown if len(shown) <= longest and len(text) <= 2 * longest else f"{shown[: longest - 1]}…"


def _with_room(columns: Sequence[Column], longest: Sequence[int], room: int) -> list[int]:
    """The places of the columns for which there is room, once the texts have given way as far as they do."""
    shown = list(range(len(columns)))
    for spare in sorted({column.spare for column in columns if column.spare is not None}):
        if _in_all([min(longest[place], columns[place].least or longest[place]) for place in shown]) <= room:
            break
        shown = [place for place in shown if columns[place].spare != spare]
    return shown


def _widths(columns: Sequence[Column], longest: Sequence[int], room: int) -> list[int]:
    widths = list(longest)
    for _ in range(_in_all(widths) - room):
        giving = [
            place
            for place, (column, width) in enumerate(zip(columns, widths, strict=True))
            if column.least is not None and width > column.least
        ]
        if not giving:
            break
        widths[max(giving, key=widths.__getitem__)] -= 1
    return widths


def _in_all(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)
