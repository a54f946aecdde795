"""What a run gets done, found without a model: files changed, tests and builds passing, a server that answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from adapter.actions import Verb, effects, failed, target, verb
from adapter.shell import is_check, runs_tests, unwrapped
from adapter.shell_parse import parse
from adapter.signatures import signatures
from adapter.trial import Step, ToolCall, Trial

_INSTALLERS = {
    "pip": "install", "pip3": "install", "uv": "add", "npm": "install", "pnpm": "add", "yarn": "add", "apt": "install",
    "apt-get": "install", "apk": "add", "brew": "install", "cargo": "install", "gem": "install", "conda": "install",
    "dnf": "install", "yum": "install",
}  # fmt: skip
_ASKERS = frozenset({"curl", "wget", "http", "nc"})
_HERE = re.compile(r"\b(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::\d+)?")
_NO_ANSWER = re.compile(r"connection refused|failed to connect|could not connect|timed out|empty reply", re.IGNORECASE)
FINAL_ANSWER = "final answer"
CHANGED = "changed "
"""What the names of changed files begin with; a pattern stands for every file that it matches."""


def milestones(trial: Trial) -> dict[str, int]:
    """What the agent got done, each with the step at which it first did.

    An act counts where its harness says that it succeeded, or does not say that it failed and leaves no doubt.
    """
    reached: dict[str, int] = {}
    last: Step | None = None
    for step in trial.agent_steps:
        last = step
        for call in step.tool_calls:
            for name in _of_call(call):
                reached.setdefault(name, step.number)
    if last is not None and not last.tool_calls and last.message.strip():
        reached.setdefault(FINAL_ANSWER, last.number)
    return reached


def is_reached(name: str, reached: Iterable[str]) -> bool:
    """Whether a milestone is among those that were reached, or is a file that a pattern among them matches."""
    return any(one == name or (one.startswith(CHANGED) and fnmatchcase(name, one)) for one in reached)


def _of_call(call: ToolCall) -> Iterator[str]:
    if failed(call):
        return
    done = effects(call)
    if done.writes and done.file is not None:
        yield f"{CHANGED}{_place(done.file)}"
    elif done.writes and verb(call) is Verb.SH:
        # Which files `sed -i ... src/*.py` changes is not said, and any of them may be meant.
        for word in (target(call) or "").split():
            if "*" in word and "/" not in word.partition("*")[2]:
                yield f"{CHANGED}{_place(word)}"
    if verb(call) is not Verb.SH:
        return
    # Of several commands the harness tells the last one's status: the others' are not known.
    commands = parse(target(call) or "").commands
    last = unwrapped(commands[-1].words) if commands else ()
    piped = bool(commands) and commands[-1].joined_by == "|"
    for command in commands:
        words = unwrapped(command.words)
        is_known = failed(call) is False and (words == last or all(one.joined_by in ("", "&&") for one in commands))
        if not words:
            continue
        if is_known and not piped and runs_tests(words):
            yield "tests pass"
        elif is_known and not piped and is_check(words):
            yield "build succeeds"
        yield from _installed(words)
    if _answers(call):
        yield "server answers"


def _place(path: str) -> str:
    """A path without where the work is, as signatures have it."""
    return signatures(ToolCall("write", {"path": path}))[0].target


def _installed(words: tuple[str, ...]) -> Iterator[str]:
    if words[:3] == ("uv", "pip", "install"):
        words = words[1:]
    if re.fullmatch(r"python[\d.]*", words[0]) and words[1:3] == ("-m", "pip"):
        words = words[2:]
    if len(words) > 2 and _INSTALLERS.get(words[0].rpartition("/")[2]) == words[1]:
        for word in words[2:]:
            if re.match(r"[A-Za-z@]", word):
                yield f"installed {re.split(r'[=<>~!\[]', word)[0].lower()}"


def _answers(call: ToolCall) -> bool:
    """Whether a server of this machine was asked, and answered."""
    text = target(call) or ""
    asked = any(
        one.words and one.words[0] in _ASKERS and _HERE.search(" ".join(one.words)) for one in parse(text).commands
    )
    return (
        asked
        and failed(call) is False
        and bool((call.output or "").strip())
        and not _NO_ANSWER.search(call.output or "")
    )
