"""What a tool call does, in a form in which the calls of different runs, and of different harnesses, can be equal.

A shell call is as many acts as it has commands: `cd x && sudo timeout 60 pytest -q tests/x` is `sh:pytest tests/x`.
What differs between two runs of one and the same is left out: flags, temporary paths, ids, times, where the work is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from adapter.actions import Verb, target, verb
from adapter.shell import unwrapped
from adapter.shell_parse import parse
from adapter.trial import Step, ToolCall

_LONGEST = 160
_MOST_WORDS = 6
_MOST_COMMANDS = 12
"""Of a longer script the first ones: the rest is the script's own affair."""

_NO_ACTS = frozenset(
    {"cd", "export", "set", "unset", "source", ".", "echo", "true", ":", "clear", "pushd", "popd", "["}
)
"""Commands that only prepare others, or talk."""
_LIMITS = frozenset({"head", "tail", "cat", "less", "more"})
"""Behind a pipe these only shorten what another command shows."""

_WORK = re.compile(r"^(?:\./|/(?:app|testbed|workspace|repo|workdir|work|src|root|project|home/[^/]+)/)+")
_TEMPORARY = re.compile(r"(?:/private)?/(?:var/)?tmp/[^\s'\"]+")
_IDS = re.compile(
    r"\b(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?=[0-9a-f]*\d)[0-9a-f]{12,64})\b",
    re.IGNORECASE,
)
_TIMES = re.compile(r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?(?:\.\d+)?Z?)?\b|\b\d{2}:\d{2}:\d{2}\b")
_NUMBERS = re.compile(r"\b\d{5,}\b")


@dataclass(frozen=True, slots=True)
class Signature:
    """One act.

    Attributes:
        verb: what is done (`adapter.actions.Verb`).
        target: to what: a command with its operands, a path, a pattern; empty where nothing says.
    """

    verb: Verb
    target: str

    def __str__(self) -> str:
        return f"{self.verb.value}:{self.target}"


def signatures(call: ToolCall) -> tuple[Signature, ...]:
    """The acts of a tool call, in order; at least one."""
    action, about = verb(call), target(call)
    if action is Verb.SH and about is not None:
        return _of_script(about) or (Signature(action, _short(about)),)
    if about is None:
        return (Signature(action, "" if action is not Verb.OTHER else _short(call.name.lower())),)
    return (Signature(action, _short(about)),)


def acts(step: Step) -> tuple[tuple[int, Signature], ...]:
    """All acts of a step, each with the place of its tool call in the step, from 0."""
    return tuple((place, one) for place, call in enumerate(step.tool_calls) for one in signatures(call))


@lru_cache(maxsize=8192)
def _of_script(text: str) -> tuple[Signature, ...]:
    found: list[Signature] = []
    for command in parse(text).commands:
        words = unwrapped(command.words)
        if not words:
            continue
        name = words[0].rpartition("/")[2]
        if (name in _NO_ACTS and not command.targets) or (command.joined_by == "|" and name in _LIMITS and found):
            continue
        operands = [word for word in words[1:] if not word.startswith("-")]
        said = " ".join((name, *operands[:_MOST_WORDS], *(f">{one}" for one in command.targets if one[:5] != "/dev/")))
        found.append(Signature(Verb.SH, _short(said)))
        if len(found) == _MOST_COMMANDS:
            break
    return tuple(found)


def _short(text: str) -> str:
    """Without what differs from run to run, on one line."""
    line = " ".join(text[: 4 * _LONGEST].split())
    for pattern, name in ((_TEMPORARY, "<tmp>"), (_TIMES, "<time>"), (_IDS, "<id>"), (_NUMBERS, "<n>")):
        line = pattern.sub(name, line)
    return " ".join(_WORK.sub("", word) or word for word in line.split(" "))[:_LONGEST]
