"""Hostile text in Markdown: shown, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from views import format as fmt

_LONGEST = 160

# What means something inside a paragraph or a cell of GitHub's Markdown, HTML among it.
_MARKUP = re.compile(r"[&<>\\`*_\[\]|~!$^]")
# What it makes a link of without any markup: addresses of the web and of mail.
_LINK = re.compile(r"(?i)(?<=http)(?=s?://)|(?<=www)(?=\.)|(?=@[\w.-]*[a-z])|(?<=mailto)(?=:)|(?<=xmpp)(?=:)")
_SAFE_CODE = re.compile(r"[\w.@/+#=,:()-][\w.@/+#=,:() -]*", re.ASCII)


def escaped(text: str) -> str:
    """Hostile text as one line of Markdown that shows it and does nothing else: no markup, HTML, link, image.

    Character references cannot stand for structure (CommonMark 6.2), not even for the bars of a table. Addresses
    are linked without any structure; a word joiner, which is not seen, breaks them.
    """
    line = " ".join(fmt.plain(text).split())
    line = _LINK.sub("\u2060", line)
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", line)


def code(name: str) -> str:
    """A hostile name for a cell or a paragraph: as code where nothing in it could end that, else escaped."""
    line = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    return f"`{line}`" if _SAFE_CODE.fullmatch(line) else escaped(line)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
