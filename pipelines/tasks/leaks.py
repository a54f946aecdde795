"""Whether an agent is given what only the verifier may know.

The rule, as docs/task-sets.md states it. What stands in environment/ is given anyway, and so is no leak.
"""

from __future__ import annotations

import ast
import re
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path

from adapter.local_dockerfile import copies
from pipelines.tasks.results import Check, Checked
from pipelines.tasks.schema import failed, passed

LONG_LINE = 24
"""Characters from which on a line of the tests or the solution is told from a chance likeness."""
LONG_TEXT = 16
"""Characters of a text in them, likewise."""
LONG_NUMBER = 5
"""Digits of a number in them, likewise."""

ALLOWED = "instruction_may_say"
"""The key of a task's [metadata] that lists what the instruction has to say although the tests say it."""

_LARGEST = 2**20
"""Bytes up to which a file is looked through."""
_INTERFACE = re.compile(r"(async def|def|class|import|from|@)\b|#|//")
"""How a line begins that an instruction may share: it says how something is called, or is a comment."""
_NAME = re.compile(r"[A-Za-z_.-]+|[\w.~{}-]*/[\w./~{}-]*")
"""A name or a path: what an instruction must spell as the tests do."""
_QUOTED = re.compile(r"\"([^\"\n]+)\"|'([^'\n]+)'")
_NUMBER = re.compile(r"(?<![\w.])\d[\d_]*(?:\.\d+)?(?![\w])")
_OUT = re.compile(r"(?:^|[\s:\"'=,\[])(?:\.\./)+(?:tests|solution)\b|(?:^|[\s:\"'=,\[])/(?:tests|solution)(?=[/\s:\"',\]]|$)")
_BUILDS = ("Dockerfile*", "docker-compose*.y*ml", "compose*.y*ml")
_SCRIPTS = ("test.sh", "solve.sh", "test.bat", "solve.bat")


def check_leaks(task: Path) -> Checked:
    """The check of one task's folder."""
    found = [*_in_image(task), *_in_instructions(task)]
    if not found:
        return passed(Check.LEAKS)
    more = f", and {len(found) - 3} more" if len(found) > 3 else ""
    hint = (
        f"Say what is wanted in other words, and test other cases than the examples; or list it under {ALLOWED} in "
        "[metadata] of task.toml. Tests and solution are brought by Harbor, never by the image."
    )
    return failed(Check.LEAKS, "; ".join(found[:3]) + more, hint)


def _in_instructions(task: Path) -> Iterator[str]:
    """What an instruction shares with the tests or the solution, and not with the environment."""
    said = " ".join(_flat(_read(path)) for path in [task / "instruction.md", *task.glob("steps/*/instruction.md")])
    given = " ".join(_flat(_read(path)) for path in _files(task, "environment"))
    allowed = " ".join(map(_flat, _allowed(task)))
    numbers = set(_NUMBER.findall(said)) - set(_NUMBER.findall(f"{given} {allowed}"))
    told: set[str] = set()
    for path in _files(task, "tests", "solution"):
        text = _read(path)
        where = path.relative_to(task).as_posix()
        for piece in (*_lines(path, text), *_texts(path, text)):
            if piece in said and piece not in given and piece not in allowed and piece not in told:
                told.add(piece)
                yield f"instruction.md says what {where} says: {piece[:60]}"
        for number in dict.fromkeys(_NUMBER.findall(text)):
            if sum(map(str.isdigit, number)) >= LONG_NUMBER and number in numbers - told:
                told.add(number)
                yield f"instruction.md has a number of {where}: {number}"


def _in_image(task: Path) -> Iterator[str]:
    """How the image gets hold of the tests or the solution."""
    environment = task / "environment"
    for path in (path for pattern in _BUILDS for path in sorted(environment.glob(pattern))):
        text = _read(path)
        targets = [one.target for one in copies(text)] if path.name.startswith("Dockerfile") else []
        into = next((target for target in targets if target.parts[1:2] in (("tests",), ("solution",))), None)
        lines = [line.strip() for line in text.splitlines() if not line.lstrip().startswith("#")]
        line = next((line for line in lines if _OUT.search(line)), None)
        if into is not None or line is not None:
            yield f"environment/{path.name} brings tests or solution along: {line or f'COPY to {into}'}"
    secret = {data: path for path in _run_files(task) if (data := path.read_bytes()).strip()}
    for path in _files(task, "environment"):
        if (same := secret.get(path.read_bytes())) is not None:
            names = (one.relative_to(task).as_posix() for one in (path, same))
            yield " is a copy of ".join(names)


def _run_files(task: Path) -> list[Path]:
    """The scripts that Harbor runs, and the files beside them that these name."""
    files = _files(task, "tests", "solution")
    scripts = [path for path in files if path.name in _SCRIPTS]
    text = "\n".join(map(_read, scripts))
    return [path for path in files if path in scripts or re.search(rf"(?<![\w.-]){re.escape(path.name)}\b", text)]


def _lines(path: Path, text: str) -> Iterator[str]:
    """The lines that are neither names, nor how something is called, nor said to people."""
    tree = _parsed(path, text)
    said = {number for one in _docstrings(tree) for number in range(one.lineno, (one.end_lineno or one.lineno) + 1)}
    for number, line in enumerate(text.splitlines(), start=1):
        flat = _flat(line)
        is_plain = number not in said and not _INTERFACE.match(flat) and not _NAME.fullmatch(flat)
        if len(flat) >= LONG_LINE and is_plain:
            yield flat


def _texts(path: Path, text: str) -> Iterator[str]:
    """The texts in quotes that are no names and no paths; of Python all of its literals but the docstrings."""
    tree = _parsed(path, text)
    if tree is None:
        found = [pair[0] or pair[1] for pair in _QUOTED.findall(text)]
    else:
        said = {id(one.value) for one in _docstrings(tree)}
        constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in said]
        found = [node.value for node in constants if isinstance(node.value, str)]
    for one in found:
        flat = _flat(one)
        if len(flat) >= LONG_TEXT and not _NAME.fullmatch(flat):
            yield flat


def _docstrings(tree: ast.Module | None) -> list[ast.Expr]:
    """The texts that stand by themselves: they are for people, and change nothing."""
    bare = [] if tree is None else [node for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    return [node for node in bare if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)]


def _parsed(path: Path, text: str) -> ast.Module | None:
    """The code of a file of Python; None for any other."""
    if path.suffix != ".py":
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError):
        return None


def _allowed(task: Path) -> list[str]:
    """What the task's own [metadata] lets its instruction say."""
    try:
        listed: object = tomllib.loads(_read(task / "task.toml")).get("metadata", {}).get(ALLOWED, [])
    except (ValueError, AttributeError):
        return []
    return [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []


def _files(task: Path, *folders: str) -> list[Path]:
    """The plain files of these folders of a task, and of its steps' folders of these names."""
    roots = [root for name in folders for root in (task / name, *sorted(task.glob(f"steps/*/{name}")))]
    return [
        path
        for root in roots
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts and path.stat().st_size <= _LARGEST
    ]


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _flat(text: str) -> str:
    """The text on one line, with one blank between words: an instruction breaks its lines elsewhere."""
    return " ".join(text.split())
