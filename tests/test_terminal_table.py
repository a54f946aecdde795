"""Tables on a terminal: plain text, whole numbers, whatever the width."""

from __future__ import annotations

from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipelines.terminal_table import Column, show_table

COLUMNS = (
    Column("what", least=4),
    Column("cost"),
    Column("re-sent", spare=1),
    Column("new", spare=1),
    Column("time", spare=2),
)
ROW = ["something long", "$0.0000123", "98 %", "2 %", "1 min 05 s"]


def shown(width: int, columns: tuple[Column, ...] = COLUMNS, row: list[str] = ROW) -> tuple[str, tuple[str, ...]]:
    out = StringIO()
    console = Console(file=out, width=width)
    left_out = show_table(console, "title", columns, [row])
    assert console.width == width
    return out.getvalue(), left_out


@given(st.integers(1, 100))
def test_no_number_is_ever_cut(width: int) -> None:
    text, left_out = shown(width)
    for column, cell in zip(COLUMNS, ROW, strict=True):
        if column.least is None:
            assert (cell in text) == (column.name not in left_out)


@pytest.mark.parametrize(
    ("width", "left_out"),
    [(60, ()), (42, ()), (41, ("re-sent", "new")), (28, ("re-sent", "new")), (27, ("re-sent", "new", "time"))],
)
def test_texts_give_way_first_then_spare_columns_go_and_are_named(width: int, left_out: tuple[str, ...]) -> None:
    text, named = shown(width)
    assert named == left_out
    assert max(len(line.rstrip()) for line in text.split("\n")) <= width


def test_headings_titles_and_cells_are_plain_text() -> None:
    evil = "[red]a[/red]\x1b[2J\u202e\nb"
    text, _ = shown(80, (Column(evil, least=4), Column("cost")), [evil, "$1.00"])
    assert not set(text) & set("\x1b\u202e")
    assert text.count("[red]a[/red]") == 2
