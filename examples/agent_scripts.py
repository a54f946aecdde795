"""The scripts that the scripted agent follows, read from `scripts.yaml` and checked.

They stand for a model's replies: what it thinks, what it says and which tools it asks for. What the tools
then print is not scripted.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, model_validator

FILE = Path(__file__).with_name("scripts.yaml")

type Arguments = dict[str, str]


class Turn(BaseModel):
    """One reply of the "model".

    Attributes:
        think: its reasoning.
        say: its message.
        do: the tool calls, each a mapping of one tool name to its arguments.
        fails: the error that the model's API gives instead of a reply.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    think: str | None = None
    say: str = ""
    do: tuple[dict[str, Arguments], ...] = ()
    fails: str | None = None

    @property
    def calls(self) -> list[tuple[str, Arguments]]:
        """The tool calls as pairs of tool name and arguments."""
        return [pair for call in self.do for pair in call.items()]


class TaskScripts(BaseModel):
    """All scripts of one task.

    Attributes:
        runs: which script each attempt follows, by `model version`.
        scripts: runs as sequences of turns.
        turns: the turns by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: dict[str, tuple[str, ...]]
    scripts: dict[str, tuple[str, ...]]
    turns: dict[str, Turn]

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        """Refuses a name that is not defined, and a definition that nothing uses."""
        followed = {name for run in self.runs.values() for name in run}
        played = {name for script in self.scripts.values() for name in script}
        if wrong := (followed ^ self.scripts.keys()) | (played ^ self.turns.keys()):
            raise ValueError(f"undefined or unused: {', '.join(sorted(wrong))}")
        return self


@cache
def load(file: Path = FILE) -> dict[str, TaskScripts]:
    """All scripts, by task.

    Raises:
        pydantic.ValidationError: the file does not have the form described at its top.
    """
    return TypeAdapter(dict[str, TaskScripts]).validate_python(yaml.safe_load(file.read_text(encoding="utf-8")))


def turns(task: str, model: str, version: str, attempt: int) -> list[Turn]:
    """The replies of one trial.

    Args:
        task: the task's folder name.
        model: the model's name, with or without its provider.
        version: the agent's version.
        attempt: counted from 0; beyond the last script it starts over.

    Raises:
        ValueError: there is no script for such a trial.
    """
    variant = f"{model.rpartition('/')[2]} {version}"
    scripts = load().get(task)
    if scripts is None or variant not in scripts.runs:
        raise ValueError(f"No script for task {task} and variant {variant}. Add one to {FILE.name}.")
    names = scripts.runs[variant]
    return [scripts.turns[name] for name in scripts.scripts[names[attempt % len(names)]]]
