"""Text as a judge is shown it: what cannot be seen is taken out, and nothing else changes.

Trajectories hold characters that a person does not see and a model may read: terminal colours, zero-width and
right-to-left marks, Unicode's tag characters. They carry no meaning that a judge needs, and can carry instructions.
Quotes are looked up in the same plain text, so that a word that is seen can be quoted.
"""

from __future__ import annotations

import re
import unicodedata

_ANSI = re.compile(r"\x1b(?:\[[0-9;:?<=>]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
"""Terminal sequences: colours, cursor moves, titles."""
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")
_SUSPECTS = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000110bd\U000110cd\U00013430-\U0001345f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
"""What is not seen: controls, formats, fillers, variation selectors, tags, halves of characters."""


def plain(text: str) -> str:
    """The text without terminal sequences and invisible characters; every kind of line end becomes a line feed."""
    if text.isascii() and text.isprintable():
        return text
    return _SUSPECTS.sub("", _LINE_ENDS.sub("\n", _ANSI.sub("", text)))


def folded(text: str) -> str:
    """The plain text with white space folded to single spaces: how quotes are compared."""
    return " ".join(plain(text).split())


def skeleton(text: str) -> str:
    """The text reduced to what it could be taken for: compatibility forms, case and spaces are made one."""
    return "".join(unicodedata.normalize("NFKC", plain(text)).casefold().split())
