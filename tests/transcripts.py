"""Trials for what is told to judges, and a strict reader of the prompts about them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapter.trial import Source, Status, Step, ToolCall, Trial, Variant
from judges.transcript.render import Rendered


def made_trial(*steps: Step, name: str = "task-a__1", **fields: Any) -> Trial:
    """A trial with these steps."""
    given: dict[str, Any] = {"variant": Variant(agent="toy"), "status": Status.FAILED} | fields
    return Trial("j", "t", "job", name, "task-a", "set", steps=steps, **given)


def user(number: int, message: str = "Make the tests pass.") -> Step:
    """What the user said."""
    return Step(number, number, Source.USER, message)


def acted(number: int, message: str = "I look.", output: str | None = "a.py\nb.py", **fields: Any) -> Step:
    """A step of the agent's with a call."""
    calls = (ToolCall("bash", {"command": f"ls dir-{number}"}, output),)
    return Step(number, number, Source.AGENT, **({"message": message, "tool_calls": calls} | fields))


def long_trial(steps: int) -> Trial:
    """A task, and so many steps of the agent's."""
    return made_trial(user(1), *(acted(number) for number in range(2, steps + 2)))


@dataclass(frozen=True)
class Parsed:
    """A prompt, taken apart."""

    boundary: str
    marks: list[str]
    """all within the fence, in order"""
    shown: str
    """what stands in the fence"""
    question: str
    """what stands below it"""


def parsed(rendered: Rendered) -> Parsed:
    """Takes a prompt apart; fails when it is not built as every prompt is."""
    text = "".join(part.text for part in rendered.parts)
    first, rest = text.split("\n", 1)
    opening = re.fullmatch(r"Marks in this message begin with \[([0-9a-f]{10})\.", first)
    assert opening is not None
    boundary = opening[1]
    marks: list[str] = []
    places: list[int] = []
    for number, line in enumerate(rest.split("\n")):
        found = re.match(rf"\[{boundary} ([^\[\]\n]+)\](.*)", line)
        assert (boundary in line) is bool(found)
        if found is not None:
            assert boundary not in found[2]
            marks.append(found[1])
            places.append(number)
    assert marks[0] == "trajectory begins"
    assert places[0] == 0
    assert marks.count("trajectory begins") == marks.count("trajectory ends") == 1
    end = marks.index("trajectory ends")
    lines = rest.split("\n")
    return Parsed(boundary, marks[1:end], "\n".join(lines[1 : places[end]]), "\n".join(lines[places[end] + 1 :]))


def plain_marks(marks: list[str]) -> list[str]:
    """Marks without what depends on a text's length, or on how a call ended."""
    return [re.sub(r", (exit status -?\d+|failed)$", "", mark) for mark in marks if not mark.startswith("clipped: ")]


def asked_of_all(numbers: tuple[int, ...], known: Mapping[str, object]) -> list[tuple[int, str]]:
    """These steps by all criteria."""
    return [(number, name) for number in numbers for name in known]
