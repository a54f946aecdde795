"""Texts of a trajectory as they stand on a page: escaped, shortened where they are huge, with evidence marked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup, escape

from views import format as fmt

LONGEST = 60_000
"""Characters of a text that a page holds; of a longer one the middle is left out, and the page says so."""
_FOLDED_LINES = 12
_FOLDED = 1200


@dataclass(frozen=True, slots=True)
class Shown:
    """A text on a page.

    Attributes:
        html: escaped, with evidence in `<mark>`.
        lines: how many the whole text has; `characters` likewise.
        is_long: whether it is folded away at first.
        first: its first line with something on it, for the fold.
    """

    html: Markup
    lines: int
    characters: int
    is_long: bool
    first: str


def shown(text: str, quotes: Iterable[str] = ()) -> Shown:
    """A text as a page shows it.

    Args:
        text: hostile, of any length.
        quotes: words to mark in it, as far as they stand there; white space may be folded.
    """
    lines = text.count("\n") + 1
    spans = _spans(text, quotes)
    first = next((line.strip() for line in text[:LONGEST].splitlines() if line.strip()), "")
    return Shown(
        html=_marked(text, spans),
        lines=lines,
        characters=len(text),
        is_long=(lines > _FOLDED_LINES or len(text) > _FOLDED) and not spans,
        first=first if len(first) <= 110 else f"{first[:109]}…",
    )


def _spans(text: str, quotes: Iterable[str]) -> list[tuple[int, int]]:
    """Where the quotes stand, in order and without overlaps."""
    found: list[tuple[int, int]] = []
    for quote in quotes:
        words = quote.split()
        if not words:
            continue
        at = text.find(quote)
        if at >= 0:
            found.append((at, at + len(quote)))
        elif match := re.search(r"\s+".join(map(re.escape, words)), text):
            found.append(match.span())
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _marked(text: str, spans: list[tuple[int, int]]) -> Markup:
    parts: list[Markup] = []
    at = 0
    for start, end in [*spans, (len(text), len(text))]:
        parts.append(_cut(text[at:start]))
        if end > start:
            parts.append(Markup("<mark>{}</mark>").format(_cut(text[start:end])))
        at = end
    return Markup("").join(parts)


def _cut(text: str) -> Markup:
    """A stretch of text without marks; of a huge one the middle is left out."""
    if len(text) <= LONGEST:
        return escape(fmt.plain(text))
    head, tail = text[: LONGEST // 2], text[-LONGEST // 2 :]
    left_out = len(text) - len(head) - len(tail)
    return Markup('{}\n<i class="cut">… {} characters are left out here …</i>\n{}').format(
        fmt.plain(head), f"{left_out:,}", fmt.plain(tail)
    )
