"""What of a row goes up where it is too large for one request: its texts lose their middles, and say how much.

The whole of it is in the trace's attachments.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_core import to_json

from adapter.trial import JsonValue, Object

LONGEST_TEXT = 1_000_000
"""Characters of one text that go up."""
LARGEST_ROW = 4_000_000
"""Bytes of a row as JSON that go up: Opik, and what stands before it, refuse requests of some megabytes."""
_SHORTER = (LONGEST_TEXT, 300_000, 100_000, 30_000, 10_000, 3_000, 1_000)
"""Lengths to which the texts of a row are cut, one after the other, until it fits."""


@dataclass(frozen=True, slots=True)
class Content:
    """A row's content as it goes up.

    Attributes:
        digest: of all of it, a hash in hexadecimal digits.
        size: its bytes as JSON, about.
        left_out: characters that are not in it.
    """

    input: Object
    output: Object
    digest: str
    size: int
    left_out: int


def fitted(input: Object, output: Object, rest: Mapping[str, object]) -> Content:  # noqa: A002  (Opik's own name for it)
    """A row's content, cut to `LARGEST_ROW`.

    Args:
        input: what may be cut.
        output: likewise.
        rest: what goes up as it is; its `key` is no content.
    """
    fixed = {name: value for name, value in rest.items() if name != "key"}
    # What cannot be cut may be too large by itself: then nothing is gained by cutting the rest further.
    shorter = _SHORTER if len(to_json(fixed)) < LARGEST_ROW else _SHORTER[:1]
    for longest in shorter:
        cutter = _Cutter(longest)
        content = {"input": cutter.object(input), "output": cutter.object(output)}
        data = to_json(fixed | content)
        if len(data) <= LARGEST_ROW or len(shorter) == 1:
            return _content(content["input"], content["output"], data, cutter.left_out)
    # Not a few long texts but very many short ones: the larger side goes, and the other one where that is not enough.
    sides: dict[str, Object] = {"input": input, "output": output}
    left_out, data = 0, b""
    for side in sorted(sides, key=lambda side: len(to_json(sides[side])), reverse=True):
        left_out += (lost := len(to_json(sides[side])))
        sides[side] = {"left_out": _mark(lost)}
        data = to_json(fixed | sides)
        if len(data) <= LARGEST_ROW:
            break
    return _content(sides["input"], sides["output"], data, left_out)


def _content(input: Object, output: Object, data: bytes, left_out: int) -> Content:  # noqa: A002
    return Content(input, output, hashlib.sha256(data).hexdigest()[:16], len(data), left_out)


def clip(text: str, longest: int = LONGEST_TEXT) -> str:
    """A text without its middle where it is too long; a mark says how much was left out."""
    return _Cutter(longest).text(text)


def _mark(left_out: int) -> str:
    return f"[... {left_out} characters left out by kilobench: they are in the trace's attachments ...]"


class _Cutter:
    """Cuts the texts of a value, and counts what it cut."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self.left_out = 0

    def object(self, value: Object) -> Object:
        """An object with each of its texts cut; the names of its fields stay."""
        return {key: self.value(item) for key, item in value.items()}

    def value(self, value: JsonValue) -> JsonValue:
        """A value with each of its texts cut."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return self.object(value) if isinstance(value, dict) else value

    def text(self, text: str) -> str:
        """A text, cut."""
        if len(text) <= self._longest:
            return text
        half, left_out = self._longest // 2, len(text) - self._longest
        self.left_out += left_out
        return f"{text[:half]}\n{_mark(left_out)}\n{text[len(text) - half :]}"
