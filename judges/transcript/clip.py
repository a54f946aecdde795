"""Steps as text: in full, with what is too long clipped and marked; and in short, for what came before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from adapter.actions import exit_status, failed, target
from adapter.trial import Source
from judges.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.trial import JsonValue, Step, ToolCall

TASK = (5_000, 1_000)
"""Characters of the task that are shown: from its head, and from its tail."""
_MESSAGE = (2_000, 500)
_ARGUMENTS = (1_500, 500)
_OUTPUT = (1_100, 700)
_SHORT_SAID, _SHORT_CALL, _SHORT_FIRST, _SHORT_LAST = 140, 160, 100, 140
_BRIEF = 90
_SHORT_USER = 600
"""What the user said later on may be another task: of it, more is told."""
_SLACK = 200
"""So few characters are not worth a mark."""


class Marks:
    """Writes the marks of one trajectory.

    Args:
        boundary: the trajectory's.
        run: which of several runs is told; empty where there is one.
    """

    def __init__(self, boundary: str, run: str = "") -> None:
        self._boundary = boundary
        self._run = f"{run}, " if run else ""

    def mark(self, text: str) -> str:
        """One mark; it is a line of its own, or the beginning of one."""
        return f"[{self._boundary} {text}]"

    def clipped(self, text: str, size: tuple[int, int]) -> str:
        """The plain text, without its middle where it is longer than its head and tail may be."""
        whole = plain(text)
        head, tail = size
        left_out = len(whole) - head - tail
        if left_out <= _SLACK:
            return whole
        return f"{whole[:head]}\n{self.mark(f'clipped: {left_out} characters are not shown')}\n{whole[-tail:]}"

    def full(self, step: Step, before: Step | None = None) -> str:
        """A step with all its parts, each below a mark; thinking that stands in the step before is not told again."""
        lines = [self._step(step)]
        if step.subagent:
            lines += [self.mark("sub-agent"), _one_line(step.subagent, _BRIEF)]
        if step.message.strip():
            lines += [self.mark("message"), self.clipped(step.message, _MESSAGE)]
        if step.reasoning is not None and step.reasoning.strip():
            if before is not None and before.reasoning == step.reasoning:
                # One LLM call that was recorded as several steps repeats its thinking on each.
                lines.append(self.mark(f"thinking: that of step {before.number}"))
            else:
                lines += [self.mark("thinking"), self.clipped(step.reasoning, _MESSAGE)]
        for number, call in enumerate(step.tool_calls, 1):
            lines += [self.mark(f"call {number}: tool"), _one_line(call.name, _BRIEF)]
            lines += [self.mark(f"call {number}: arguments"), self.clipped(_arguments(call.arguments), _ARGUMENTS)]
            if call.output is None:
                lines.append(self.mark(f"call {number}: no output is recorded"))
            else:
                lines += [self.mark(f"call {number}: output{_ended(call)}"), self.clipped(call.output, _OUTPUT)]
        for text in step.observations:
            lines += [self.mark("observation"), self.clipped(text, _OUTPUT)]
        return "\n".join(lines) + "\n"

    def short(self, step: Step) -> str:
        """A step in a few lines: what was said, and of each call the tool, what it was about, and how it ended."""
        lines = [self._line(step, _said_in_short(step, _SHORT_SAID))]
        for call in step.tool_calls:
            lines.append(f"{_one_line(call.name, _BRIEF)}: {_one_line(_about(call), _SHORT_CALL)}")
            lines += _ends(call.output, _ended(call))
        for text in step.observations:
            lines += _ends(text, "")
        return "\n".join(lines) + "\n"

    def brief(self, step: Step) -> str:
        """A step in one line."""
        calls = "; ".join(f"{_one_line(call.name, 30)} {_one_line(_about(call), 60)}" for call in step.tool_calls)
        return self._line(step, calls or _said_in_short(step, _BRIEF)) + "\n"

    def _line(self, step: Step, text: str) -> str:
        return f"{self._step(step)} {text}".rstrip()

    def _step(self, step: Step) -> str:
        return self.mark(f"{self._run}step {step.number}: {_who(step)}")


def _who(step: Step) -> str:
    if step.is_copied:
        return "copied context"
    if step.source is not Source.AGENT:
        return step.source.value
    return "sub-agent" if step.subagent else "agent"


def _said_in_short(step: Step, most: int) -> str:
    said = step.message if step.message.strip() else step.reasoning or ""
    return _one_line(said, _SHORT_USER if step.source is Source.USER and not step.is_copied else most)


def _about(call: ToolCall) -> str:
    return target(call) or _arguments(call.arguments)


def _ended(call: ToolCall) -> str:
    """How a call ended, as far as its output tells."""
    status = exit_status(call)
    if status is not None:
        return f", exit status {status}"
    return ", failed" if failed(call) else ""


def _ends(output: str | None, ended: str) -> Iterator[str]:
    """The first and the last line of an output."""
    if output is None:
        return
    lines = [line for line in plain(output).split("\n") if line.strip()]
    if not lines:
        yield f"-> (no text{ended})"
        return
    count = f" ({len(lines)} lines{ended})" if len(lines) > 1 or ended else ""
    yield f"-> {_one_line(lines[0], _SHORT_FIRST)}{count}"
    if len(lines) > 1:
        yield f".. {_one_line(lines[-1], _SHORT_LAST)}"


def _one_line(text: str, most: int) -> str:
    # Only the beginning is looked at: a text can be megabytes.
    line = " ".join(plain(text[: 8 * most]).split())
    return line if len(line) <= most else f"{line[:most]}…"


def _arguments(arguments: dict[str, JsonValue] | str) -> str:
    """Arguments by name, texts as they are, so that they can be quoted."""
    if isinstance(arguments, str):
        return arguments
    return "\n".join(f"{name}: {_value(value)}" for name, value in arguments.items())


def _value(value: JsonValue) -> str:
    if isinstance(value, str):
        return f"\n{value}" if "\n" in value else value
    return json.dumps(value, ensure_ascii=False)
