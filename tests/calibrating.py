"""What tests of `kilobench calibrate` share: lines of label files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

NAMES = {"n": "necessary", "a": "avoidable", "r": "redundant"}


def lines(trial: str, labels: str, first: int = 1, **fields: Any) -> list[dict[str, Any]]:
    """A line for each step; each letter is the beginning of its label, a dot no line."""
    return [
        {"trial": trial, "step": step, "criterion": "efficiency", "label": NAMES[letter]} | fields
        for step, letter in enumerate(labels, first)
        if letter != "."
    ]


def written(path: Path, said: Iterable[dict[str, Any] | str]) -> Path:
    """A label file."""
    path.write_text("".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in said))
    return path
