"""What a Dockerfile copies from beside it into the image, so that it lies there where no image is built.

Of all its instructions only COPY and ADD of files beside it, and WORKDIR, are read: programs are the machine's own.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

_CONTINUED = re.compile(r"\\[ \t]*\n(?:[ \t]*#[^\n]*\n)*")
_INSTRUCTION = re.compile(r"^\s*([A-Za-z]+)\s+(.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Copied:
    """One COPY.

    Attributes:
        sources: files, folders and patterns, relative to the Dockerfile's folder.
        target: an absolute path in the image.
        is_folder: whether the target is a folder that the sources go into, also where it is not there yet.
    """

    sources: tuple[str, ...]
    target: PurePosixPath
    is_folder: bool


def copies(text: str) -> list[Copied]:
    """The COPY and ADD instructions of a Dockerfile's last stage, in their order.

    What comes from another stage, another image or the network is left out, and so is what a variable names.
    """
    found: list[Copied] = []
    workdir = PurePosixPath("/")
    for name, value in _instructions(text):
        if name == "FROM":
            found, workdir = [], PurePosixPath("/")
        elif name == "WORKDIR":
            workdir /= value.strip("\"'")
        elif name in ("COPY", "ADD") and (one := _copied(value, workdir)) is not None:
            found.append(one)
    return found


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    for found in _INSTRUCTION.finditer(_CONTINUED.sub(" ", text)):
        yield found[1].upper(), found[2]


def _copied(value: str, workdir: PurePosixPath) -> Copied | None:
    words = _words(value)
    options = [word for word in words if word.startswith("--")]
    *sources, target = [word for word in words if not word.startswith("--")] or [""]
    is_elsewhere = any(one.startswith("--from") for one in options) or any("://" in one for one in sources)
    if not sources or is_elsewhere or any("$" in one or "<<" in one for one in (*sources, target)):
        return None
    return Copied(tuple(sources), workdir / target, target.endswith(("/", ".")) or len(sources) > 1)


def _words(value: str) -> list[str]:
    """The words of an instruction, which are a list in JSON or as in a shell."""
    begin = value.find("[")
    if begin >= 0 and value.rstrip().endswith("]"):
        try:
            listed: object = json.loads(value[begin:])
        except ValueError:
            listed = None
        if isinstance(listed, list):
            return [*value[:begin].split(), *map(str, listed)]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    try:
        return shlex.split(value)
    except ValueError:
        return []
