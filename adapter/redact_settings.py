"""What the user says of secrets: patterns of their own, what to leave, or that nothing is to be replaced.

Read from `redact.toml` in kilobench's home and from the file that the environment's `KILOBENCH_REDACT` names:

    allow = ["sk-test-.*"]              # a secret that is all of this stays

    [[pattern]]
    name = "ticket"                     # it becomes [REDACTED: ticket]
    regex = "TICKET-[0-9]{6}"

The expressions are RE2's, by way of pyarrow: no look-around and no back-references, and none takes longer than the
text is long. `KILOBENCH_REDACT=off` turns redaction off.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from adapter.errors import BadInputError
from adapter.files import is_there
from adapter.home import home

VARIABLE = "KILOBENCH_REDACT"
FILE = "redact.toml"
_FORM = 'Write [[pattern]] with name = "..." and regex = "...", and allow = ["..."] before them.'


class LinearPattern:
    """A regular expression that takes time linear in the text, whoever wrote it.

    Raises:
        ValueError: it is none of RE2's; the message says why.
    """

    def __init__(self, regex: str) -> None:
        self.regex = regex
        self.prefix = _prefix(regex)
        self.is_match("")

    def is_match(self, text: str, *, whole: bool = False) -> bool:
        """Whether it stands anywhere in a text, or is the whole of it."""
        import pyarrow.compute as pc

        pattern = rf"\A(?:{self.regex})\z" if whole else self.regex
        return bool(_computed("match_substring_regex", text, pc.MatchSubstringOptions(pattern)))

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where it stands in a text: start and end, from left to right."""
        import pyarrow.compute as pc

        if self.prefix not in text:
            return
        mark = next(chr(code) for code in range(0xE000, 0xF900) if chr(code) not in text)
        options = pc.ReplaceSubstringOptions(self.regex, rf"{mark}\0{mark}")
        at = 0
        for number, piece in enumerate(str(_computed("replace_substring_regex", text, options)).split(mark)):
            if number % 2 and piece:
                yield at, at + len(piece)
            at += len(piece)


def _computed(function: str, text: str, options: object) -> object:
    """What a function of Arrow's makes of one text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    # Half a character becomes `?`, so that all stays in its place.
    column = pa.array([text.encode("utf-8", "replace").decode()], pa.large_string())
    return pc.call_function(function, [column], options)[0].as_py()


def _prefix(regex: str) -> str:
    """The plain letters that every match begins with; empty where that is not plain to see."""
    found = re.match(r"[\w-]*", regex, re.ASCII)
    prefix = found[0] if found and "|" not in regex else ""
    # What follows may say that the last letter is optional.
    return prefix[:-1] if regex[len(prefix) : len(prefix) + 1] in tuple("?*{") else prefix


@dataclass(frozen=True, slots=True)
class UserPattern:
    """A pattern of the user's: what it is called, and the expression."""

    name: str
    pattern: LinearPattern


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user says.

    Attributes:
        is_on: whether secrets are looked for at all.
        allow: what is left.
    """

    is_on: bool = True
    patterns: tuple[UserPattern, ...] = ()
    allow: tuple[LinearPattern, ...] = ()


class _Pattern(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, StringConstraints(pattern=r"^[^\[\]\p{C}]{1,60}$", strip_whitespace=True)]
    regex: Annotated[str, StringConstraints(min_length=1)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    pattern: list[_Pattern] = []
    allow: list[str] = []


def sources() -> tuple[str, Path]:
    """What `settings` depends on: the environment's word, and the home."""
    return os.environ.get(VARIABLE, "").strip(), home()


def settings(chosen: str, kept: Path) -> Settings:
    """What the user's files say.

    Args:
        chosen: what `KILOBENCH_REDACT` says: `off`, a file, or nothing.
        kept: kilobench's home.

    Raises:
        BadInputError: a file is not there, cannot be read or says what cannot be used.
    """
    if chosen.lower() == "off":
        return Settings(is_on=False)
    files = [kept / FILE] if is_there(kept / FILE) else []
    if chosen:
        files.append(Path(chosen).expanduser())
    patterns: list[UserPattern] = []
    allow: list[LinearPattern] = []
    for path in files:
        said = _read(path)
        patterns += [UserPattern(one.name, _compiled(path, f"pattern {one.name!r}", one.regex)) for one in said.pattern]
        allow += [_compiled(path, f"allow {regex!r}", regex) for regex in said.allow]
    return Settings(patterns=tuple(patterns), allow=tuple(allow))


def _read(path: Path) -> _File:
    try:
        return _File.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        hint = f"Give {VARIABLE} the path of a TOML file, or `off`."
        raise BadInputError(f"{path} cannot be read: {error.strerror or error}.", hint) from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path} is no UTF-8.", "Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise BadInputError(f"{path} is no TOML: {error}.", _FORM) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"])
        raise BadInputError(f"{path}: {where}: {first['msg']}.", _FORM) from error


def _compiled(path: Path, which: str, regex: str) -> LinearPattern:
    try:
        pattern = LinearPattern(regex)
    except ValueError as error:
        _refuse(path, which, str(error).removeprefix("Invalid regular expression: "))
    if pattern.is_match(""):
        _refuse(path, which, "it matches the empty text")
    return pattern


def _refuse(path: Path, which: str, why: str) -> NoReturn:
    hint = "Write the regex in RE2's syntax: no look-around, no back-references, and it must match some text."
    raise BadInputError(f"{path}: the regex of {which} cannot be used: {why}.", hint)
