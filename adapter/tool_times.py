"""How long tools ran, where an agent says it elsewhere than beside the call or its result.

Only at places that the harness writes: what a tool prints may look like anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from adapter.atif_steps import StepDraft
from adapter.durations import LONGEST, OF_STEP, seconds
from adapter.loose import Json, mapping

type _Look = Callable[[StepDraft, Json], None]
"""Gives a step's calls their times, from the step as the file has it."""

_CODEX_HEADER = re.compile(
    r"(?:Chunk ID: \w{1,40}\n|Exit code: -?\d{1,10}\n)?Wall time: (?P<seconds>\d{1,9}(?:\.\d{1,9})?) seconds?\n"
)
"""How Codex begins what it tells the model of a command (`format_exec_output_for_model`, and its unified exec)."""
_CODEX_SHELLS = frozenset(
    ("apply_patch", "container.exec", "exec_command", "local_shell", "shell", "shell_command", "write_stdin")
)
"""Its tools whose results begin so. What others return begins with a text of their own."""


def give_tool_times(steps: Sequence[StepDraft], raw: Sequence[Json], agent: str | None) -> None:
    """Gives calls the time that they ran, as this agent writes it.

    Args:
        steps: the steps, with their calls and results.
        raw: the same steps as the file has them.
        agent: its name in the trajectory.
    """
    look = _AGENTS.get(agent or "")
    if look is None:
        return
    for step, value in zip(steps, raw, strict=True):
        if step.tool_calls:
            look(step, mapping(value.get("extra")))


def _codex(step: StepDraft, extra: Json) -> None:
    """In the step's details of a call where the tool's result was JSON, else at the beginning of what it returned."""
    details = mapping(extra.get("tool_call_details"))
    for call in step.tool_calls:
        if call.seconds is not None:
            continue
        call.seconds = seconds(mapping(mapping(details.get(call.id or "")).get("metadata")), OF_STEP)
        if call.seconds is None and call.name in _CODEX_SHELLS:
            found = _CODEX_HEADER.match(call.output or "")
            took = None if found is None else float(found["seconds"])
            call.seconds = took if took is not None and took <= LONGEST else None


def _claude_code(step: StepDraft, extra: Json) -> None:
    """Harbor's older converter wrote a step per call, and Claude Code's account of the result beside the step."""
    if "tool_result_metadata" in extra and len(step.tool_calls) == 1:
        step.tool_calls[0].take_time(extra)


_AGENTS: dict[str, _Look] = {"claude-code": _claude_code, "codex": _codex}
"""By the name that stands in the trajectory."""
