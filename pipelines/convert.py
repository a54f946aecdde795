"""Turning an agent's own log into an ATIF trajectory: for people who ran the agent by hand."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from harbor.models.trajectories import Trajectory
from pydantic import BaseModel

from adapter.errors import BadInputError
from adapter.kilo.atif import trajectory_of
from adapter.kilo.source import read_log


class ConvertResult(BaseModel):
    """What a conversion came to.

    Attributes:
        output: the file that it was written to; None where it was not written to any.
        trajectory: the trajectory itself, in that case.
        session: the agent's own id of it.
        steps: of the agent itself and of its sub-agents; so the rest.
        subagents: how many trajectories of sub-agents it holds.
        cost_usd: US dollars; None when not known.
        notes: what of the log could not be read, and what is unusual about it.
    """

    output: str | None
    session: str
    agent: str
    agent_version: str
    model: str | None
    steps: int
    tool_calls: int
    subagents: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost_usd: float | None
    notes: list[str]
    trajectory: dict[str, Any] | None

    def as_json(self) -> str:
        """All of it."""
        return self.model_dump_json()

    def as_text(self) -> str:
        """For people: the trajectory where it was not written to a file, else a line about it."""
        if self.trajectory is not None:
            return _written(self.trajectory)
        cost = "an unknown cost" if self.cost_usd is None else f"${self.cost_usd:.6f}"
        parts = [f"{self.steps} steps", f"{self.tool_calls} tool calls"]
        if self.subagents:
            parts.append(f"{self.subagents} sub-agents")
        tokens = f"{self.prompt_tokens:,} prompt and {self.completion_tokens:,} completion tokens"
        return f"{self.output}: {self.agent} {self.agent_version}, {', '.join(parts)}, {tokens}, {cost}"


def convert_kilo(path: Path, output: Path | None = None, session: str | None = None) -> ConvertResult:
    """Reads a Kilo session and, where a file is named, writes its trajectory there, in the place of what was there.

    Raises:
        BadInputError: the session cannot be read, which one is meant is not clear, or the file cannot be written.
    """
    trajectory = trajectory_of(read_log(path, session))
    value = trajectory.to_json_dict()
    if output is not None:
        _write(output, _written(value) + "\n")
    every = [*_walk(trajectory)]
    counted = [step.metrics for one in every for step in one.steps if step.metrics is not None]
    return ConvertResult(
        output=None if output is None else str(output),
        session=trajectory.session_id or "",
        agent=trajectory.agent.name,
        agent_version=trajectory.agent.version,
        model=trajectory.agent.model_name,
        steps=sum(len(one.steps) for one in every),
        tool_calls=sum(len(step.tool_calls or ()) for one in every for step in one.steps),
        subagents=len(every) - 1,
        prompt_tokens=sum(one.prompt_tokens or 0 for one in counted),
        completion_tokens=sum(one.completion_tokens or 0 for one in counted),
        cached_tokens=sum(one.cached_tokens or 0 for one in counted),
        cost_usd=None if trajectory.final_metrics is None else trajectory.final_metrics.total_cost_usd,
        notes=(trajectory.notes or "").splitlines()[1:],
        trajectory=value if output is None else None,
    )


def _walk(trajectory: Trajectory) -> Iterator[Trajectory]:
    """A trajectory and those of its sub-agents."""
    yield trajectory
    for below in trajectory.subagent_trajectories or ():
        yield from _walk(below)


def _written(value: dict[str, Any]) -> str:
    """As Harbor writes its own: readable, other scripts as they are. Half a character becomes a question mark.

    There is no NaN in it, which JSON does not have.
    """
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace").decode()


def _write(path: Path, text: str) -> None:
    """Writes the file as a whole or not at all.

    Raises:
        BadInputError: it cannot be written.
    """
    written: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name[:100]}.", delete=False
        ) as file:
            written = Path(file.name)
            file.write(text)
        written.chmod(0o666 & ~_umask())
        written.replace(path)
    except OSError as error:
        if written is not None:
            with suppress(OSError):
                written.unlink()
        what = f"{path} cannot be written: {error.strerror or error}."
        raise BadInputError(what, "Name another file with -o.") from error


def _umask() -> int:
    """What new files may not be, which can only be asked by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
