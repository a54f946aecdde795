"""What a shell command does to files, as far as its text tells: for counting, where a mistake is no verdict.

More is taken apart than in `adapter.shell`: redirections, here documents, sub-shells, scripts in quotes. What is not
understood counts as neither looking nor writing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from posixpath import normpath

from adapter.shell import runs_tests, unwrapped
from adapter.shell_parse import LONGEST, Command, parse

_LONGEST_PATH = 1_000
_LONGEST_FLAG = 200
# How many scripts within scripts (`bash -c '...'`) are looked into.
_DEEPEST = 3

_PATCHED = re.compile(r"^(?:\*\*\* (?:Update|Add|Delete) File: |\+\+\+ (?:b/)?)(?P<path>[^\t\n]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Effects:
    """What a tool call does to files.

    Attributes:
        reads: it looks at files, and changes none.
        writes: it writes, moves or removes a file.
        file: the one that it writes, in its shortest spelling; None where that is not known, or where it writes none.
        is_test: it runs tests.
    """

    reads: bool = False
    writes: bool = False
    file: str | None = None
    is_test: bool = False


def command_effects(text: str) -> Effects:
    """What running a command does."""
    return _script_effects(text, 0)[1]


def shortest(path: str) -> str | None:
    """A path as it is named, without `./` and detours; None for what names no file (a device, a pattern)."""
    path = path.strip()
    if not 0 < len(path) <= _LONGEST_PATH or path.startswith("/dev/") or any(sign in path for sign in "$*?{}\n\0"):
        return None
    return normpath(path)


def patched_file(text: str) -> str | None:
    """The first file that a patch changes; None where the text is no patch."""
    found = _PATCHED.search(text[:LONGEST])
    return None if found is None else shortest(found["path"])


class _Kind(Enum):
    LOOKS = auto()
    WRITES = auto()
    NEUTRAL = auto()
    """no file is touched"""
    UNKNOWN = auto()


def _script_effects(text: str, depth: int) -> tuple[_Kind, Effects]:
    kinds: set[_Kind] = set()
    file = None
    is_test = False
    for command in parse(text).commands:
        kind, written, tests = _effects(command, depth)
        kinds.add(kind)
        file, is_test = file or written, is_test or tests
    for kind in (_Kind.WRITES, _Kind.UNKNOWN, _Kind.LOOKS):
        if kind in kinds:
            return kind, Effects(kind is _Kind.LOOKS, kind is _Kind.WRITES, file, is_test)
    return _Kind.NEUTRAL, Effects()


def _effects(command: Command, depth: int) -> tuple[_Kind, str | None, bool]:
    """What one command does, which file it writes, and whether it runs tests."""
    words = unwrapped(command.words)
    while words[:1] == ("xargs",):
        words = words[1:]
        while words and words[0].startswith("-"):
            words = words[1:]
    kind, file, is_test = _named_effects(words, command.given, depth)
    written = [target for target in command.targets if not target.startswith("/dev/")]
    if written:
        kind, file = _Kind.WRITES, shortest(written[0]) or file
    return kind, file, is_test


def _named_effects(words: tuple[str, ...], given: str, depth: int) -> tuple[_Kind, str | None, bool]:
    """The same of its words alone."""
    if not words:
        return _Kind.NEUTRAL, None, False
    name, rest = words[0].rpartition("/")[2], words[1:]
    if name in _SHELLS and depth < _DEEPEST:
        script = " ".join(rest) if name == "eval" else _after(rest, _COMMAND_FLAG)
        if script or given:
            kind, effects = _script_effects(script or given, depth + 1)
            return kind, effects.file, effects.is_test
    if _INTERPRETER.fullmatch(name):
        script = given or _after(rest, _SCRIPT_FLAG) or ""
        edits = _in_place(name, rest) or _SCRIPT_WRITES.search(script) is not None
        return _Kind.WRITES if edits else _Kind.UNKNOWN, None, runs_tests(words)
    operands = [word for word in rest if not word.startswith("-")]
    if _writes(name, rest, operands):
        return _Kind.WRITES, _written(name, operands, given), False
    return _looks(name, rest, operands), None, runs_tests(words)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SHELLS = _words("bash sh zsh dash ksh eval")
_COMMAND_FLAG = re.compile(r"-[a-z]*c")
_SCRIPT_FLAG = re.compile(r"-[a-z]*[ce]")
_INTERPRETER = re.compile(r"(?:python|pypy|node|ruby|perl|php)[\d.]*")
_SCRIPT_WRITES = re.compile(
    r"\bopen\([^()\n]{0,200}(?:\([^()\n]{0,200}\))?[^()\n]{0,200},\s*(?:mode\s*=\s*)?['\"][rb]?[wax+]|\.write_(?:text|bytes)\("
    r"|\b(?:write|append)File(?:Sync)?\(|\bFile\.write\(|\bshutil\.(?:copy|move)|\bos\.(?:remove|rename|replace)\("
)
"""How scripts open a file to write to it, write it, or move it, in Python, JavaScript and Ruby."""

_WRITERS = _words("""
    cp mv rm rmdir unlink ln touch install truncate shred dd tee patch applypatch apply_patch unzip gunzip gzip
    split csplit rename
""")
_GIT_WRITERS = _words("""
    am apply checkout cherry-pick clean clone merge mv pull rebase reset restore revert rm stash switch
""")
_READERS = _words("""
    ack ag awk bat cat cmp column comm cut diff du egrep fd fgrep file find gawk grep head hexdump jq less ls md5sum
    more nl nm objdump od readelf readlink realpath rev rg sed sha1sum sha256sum sort stat strings tac tail tr tree
    uniq wc xxd yq zcat zgrep
""")
_GIT_READERS = _words("blame cat-file describe diff grep log ls-files ls-tree rev-parse shortlog show status")
_NEUTRAL = _words("""
    : [ [[ basename cd clear date dirname done echo env esac exit export false fi for hash id popd printenv printf pushd
    pwd set seq sleep source test true type uname unset wait whereis which whoami }
""")


def _after(words: tuple[str, ...], flag: re.Pattern[str]) -> str | None:
    """The word after the first that is such a flag."""
    place = next((place for place, word in enumerate(words) if flag.fullmatch(word)), len(words))
    return words[place + 1] if place + 1 < len(words) else None


def _has_flag(words: Iterable[str], flag: str) -> bool:
    """Whether one of these words is such a flag; on a long one, these patterns would take its length squared."""
    return any(len(word) <= _LONGEST_FLAG and re.fullmatch(flag, word) for word in words)


def _in_place(name: str, rest: tuple[str, ...]) -> bool:
    """Whether `sed` or `perl` changes its files."""
    flag = r"-[nErsuz]*i.*|--in-place.*" if name == "sed" else r"-[a-z0]*i(?:\..*|[a-z]*)"
    return name in ("sed", "perl") and _has_flag(rest, flag)


def _writes(name: str, rest: tuple[str, ...], operands: list[str]) -> bool:
    match name:
        case "git":
            return _git_command(operands) in _GIT_WRITERS
        case "sed":
            return _in_place(name, rest)
        case "find":
            acts = _after(rest, re.compile(r"-exec(?:dir)?|-ok"))
            place = rest.index(acts) if acts is not None else len(rest)
            return "-delete" in rest or (acts is not None and _writes(acts, rest[place + 1 :], []))
        case "sort":
            return any(word.startswith(("-o", "--output")) for word in rest)
        case "curl":
            return _has_flag(rest, r"-[a-zA-Z]*[oO].*|--output.*|--remote-name")
        case "wget":
            return not any(word == "-" or word.endswith("O-") for word in rest)
        case "tar":
            return _has_flag(rest[:1], r"-?[a-zA-Z]*[xc][a-zA-Z]*|--extract|--create")
        case "tee":
            return any(not word.startswith("/dev/") for word in operands)
        case _:
            return name in _WRITERS


def _git_command(operands: list[str]) -> str:
    # `git -C folder status`: what is no command is the folder.
    return next((word for word in operands[:3] if word in _GIT_WRITERS | _GIT_READERS), "")


def _written(name: str, operands: list[str], given: str) -> str | None:
    """The file that it writes, where it is surely one."""
    match name:
        case "sed":
            # With `-e` there is no script among the operands.
            return shortest(operands[-1]) if len(operands) == 2 else None
        case "tee" | "touch":
            return shortest(operands[0]) if len(operands) == 1 else None
        case "apply_patch" | "applypatch" | "patch" | "git":
            return patched_file(given) or next((file for text in operands if (file := patched_file(text))), None)
        case _:
            return None


def _looks(name: str, rest: tuple[str, ...], operands: list[str]) -> _Kind:
    match name:
        case "git":
            looks = _git_command(operands) in _GIT_READERS
        case "find":
            acts = _after(rest, re.compile(r"-exec(?:dir)?|-ok"))
            looks = acts is None or acts in _READERS
        case _:
            if name in _NEUTRAL:
                return _Kind.NEUTRAL
            looks = name in _READERS
    return _Kind.LOOKS if looks else _Kind.UNKNOWN
