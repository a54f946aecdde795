"""All that secrets are found by, as one: the built-in patterns and the user's, behind a quick look at the bytes."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from adapter import redact_forms, redact_names, redact_places
from adapter.redact_forms import Hit
from adapter.redact_settings import LinearPattern, Settings, UserPattern, settings, sources
from adapter.words import Words

_EDITION = 1
"""Raised when what is found changes and no pattern does."""
_ESCAPE = r"\\u00(?:0[9a-dA-D]|[2-7])"
"""JSON's escape for a plain character, which could hide any secret."""
_MARK = re.compile(r"\[REDACTED: [^\[\]]{1,60}\]")
_PASSES = 10
"""A key that stood glued to another is seen once that one is gone; only a text made for it needs many passes."""


@dataclass(frozen=True, slots=True)
class _Finder:
    """One way to find secrets, and the words of which one stands in whatever it finds something in."""

    words: tuple[Words, ...]
    hits: Callable[[str], Iterator[Hit]]


@dataclass(frozen=True, slots=True)
class Rules:
    """What is looked for, and what is left.

    Attributes:
        is_on: False where the user has turned redaction off.
        digest: short hash of all of it: two texts that were redacted under the same one were redacted alike.
    """

    is_on: bool
    digest: str
    finders: tuple[_Finder, ...]
    allow: tuple[LinearPattern, ...]
    words: tuple[Words, ...]

    def may_find(self, text: str) -> bool:
        """Whether a text is worth a closer look; and where it is JSON, so are the texts in it."""
        return any(words.found_in(text) for words in self.words)

    def is_allowed(self, secret: str) -> bool:
        """Whether the user said to leave it."""
        return any(pattern.is_match(secret, whole=True) for pattern in self.allow)

    def replace(self, text: str, found: Counter[str]) -> str:
        """The text with a mark for every secret; `found` counts them by kind."""
        for _ in range(_PASSES):
            if not self.may_find(text):
                break
            before = text
            for finder in self.finders:
                if any(words.found_in(text) for words in finder.words):
                    text = self._marked(text, finder.hits(text), found)
            if text == before:
                break
        return text

    def _marked(self, text: str, hits: Iterator[Hit], found: Counter[str]) -> str:
        marks: list[tuple[int, int]] | None = None
        parts: list[str] = []
        at = 0
        for start, end, kind in sorted(hits, key=lambda hit: (hit.start, -hit.end)):
            if start < at or self.is_allowed(text[start:end]):
                continue
            marks = [mark.span() for mark in _MARK.finditer(text)] if marks is None else marks
            if _cuts(start, end, marks):
                continue
            parts += (text[at:start], mark_of(kind))
            found[kind] += 1
            at = end
        return "".join((*parts, text[at:])) if parts else text


def _cuts(start: int, end: int, marks: list[tuple[int, int]]) -> bool:
    """Whether a hit lies in a mark, or begins or ends in one; marks are in order."""
    for place in (start, end):
        at = bisect_right(marks, place, key=lambda mark: mark[0]) - 1
        if at >= 0:
            first, last = marks[at]
            if (first <= start and end <= last) or first < place < last:
                return True
    return False


def mark_of(kind: str) -> str:
    """What stands in the place of a secret."""
    return f"[REDACTED: {kind}]"


def rules() -> Rules:
    """The rules in force, by the environment and the user's files as they were first read.

    Raises:
        BadInputError: a file of the user's cannot be used; the message says which, and why.
    """
    return _rules(*sources())


@lru_cache(maxsize=8)
def _rules(chosen: str, kept: Path) -> Rules:
    said = settings(chosen, kept)
    built_in = (
        _Finder((_OWN,), redact_forms.own_hits),
        _Finder(_LIBRARY, redact_forms.library_hits),
        _Finder((_PLACES,), redact_places.hits),
        _Finder((_NAMES,), redact_names.hits),
    )
    finders = (*built_in, *map(_finder, said.patterns))
    words = tuple(words for finder in finders for words in finder.words)
    return Rules(said.is_on, _digest(said), finders, said.allow, words)


def _finder(one: UserPattern) -> _Finder:
    # Without letters to look for, any text may hold it.
    return _Finder((Words(re.escape(one.pattern.prefix)),), partial(_users_hits, one))


def _users_hits(one: UserPattern, text: str) -> Iterator[Hit]:
    return (Hit(start, end, one.name) for start, end in one.pattern.spans(text))


def _digest(said: Settings) -> str:
    if not said.is_on:
        return "off"
    users = [(one.name, one.pattern.regex) for one in said.patterns], [one.regex for one in said.allow]
    built_in = redact_forms.edition(), redact_names.edition(), redact_places.edition()
    return hashlib.sha256(repr((_EDITION, built_in, users)).encode()).hexdigest()[:16]


_OWN = Words(redact_forms.OWN_HINT)
_LIBRARY = tuple(map(Words, redact_forms.LIBRARY_HINTS))
_PLACES = Words(redact_places.HINT)
_NAMES = Words(redact_names.HINT)
ESCAPES = Words(_ESCAPE)
