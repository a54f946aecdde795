"""Confusion matrices as a picture: how often each label of people met each label of a judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from views import format as fmt
from views.charts import Spec

_CELL = 64
_LONGEST_TITLE = 90


@dataclass(frozen=True, slots=True)
class Matrix:
    """A confusion matrix.

    Attributes:
        title: what it is of.
        labels: in their order, the same for both sides.
        counts: a row for each label of people, in it a count for each label of the judge.
    """

    title: str
    labels: tuple[str, ...]
    counts: Sequence[Sequence[int]]


def confusion(matrices: Sequence[Matrix]) -> Spec | None:
    """The matrices below each other: a cell is the darker, the larger its share of its row, and says its count.

    Returns:
        None where there is no matrix with a count.
    """
    import altair as alt

    drawn = [one for one in matrices if any(map(any, one.counts))]
    if not drawn:
        return None
    spec: dict[str, Any] = (
        alt.vconcat(*map(_chart, drawn), spacing=28)
        .resolve_scale(color="independent")
        .configure(background="transparent", font="sans-serif")
        .configure_view(stroke=None)
        .configure_axis(labelColor="currentColor", titleColor="currentColor", domain=False, ticks=False)
        .configure_title(color="currentColor", anchor="start", fontSize=13)
        .to_dict(validate=False)
    )
    return spec


def _chart(matrix: Matrix) -> Any:
    import altair as alt

    labels = [fmt.one_line(label) for label in matrix.labels]
    cells: list[dict[str, Any]] = []
    for label, row in zip(labels, matrix.counts, strict=True):
        total = sum(row)
        for other, count in zip(labels, row, strict=True):
            share = count / total if total else 0.0
            cells.append(
                {
                    "people": label,
                    "judge": other,
                    "count": count,
                    "share": share,
                    "ink": _ink(share),
                    "text": f"{count:,}",
                }
            )
    base = alt.Chart(alt.InlineData(values=cells)).encode(
        x=alt.X("judge:N", sort=labels, title="the judge says", axis=alt.Axis(labelAngle=0, orient="top")),
        y=alt.Y("people:N", sort=labels, title="people say"),
    )
    title = fmt.one_line(matrix.title)
    cut = title if len(title) <= _LONGEST_TITLE else f"{title[: _LONGEST_TITLE - 1]}…"
    # Numbers stand in every cell: the colour only helps the eye.
    return (
        alt.layer(
            base.mark_rect().encode(
                color=alt.Color("share:Q", scale=alt.Scale(domain=[0, 1], range=["#eef4fa", "#0b4a7f"]), legend=None)
            ),
            base.mark_text(fontSize=14).encode(text="text:N", color=alt.Color("ink:N", scale=None)),
        )
        .resolve_scale(color="independent")
        .properties(title=cut, width=_CELL * 1.6 * len(labels), height=_CELL * 0.7 * len(labels))
    )


def _ink(share: float) -> str:
    """A colour that can be read on a cell's."""
    return "#ffffff" if share > 0.5 else "#1b1b1b"
