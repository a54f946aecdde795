"""The tools of the scripted agent, named and shaped like Kilo Code's.

Every tool becomes one command in the trial's environment, and its observation is what that command printed. A
call that does not fit gets an error text for an answer, as in a real agent.
"""

from __future__ import annotations

import shlex
from typing import ClassVar, override

from harbor.environments.base import BaseEnvironment
from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_OUTPUT = 2_000
"""Characters of an observation that the agent keeps."""

_ARGUMENTS = "import json, os; arguments = json.loads(os.environ['TOOL_ARGUMENTS'])\n"

_EDIT = """
path, old, new = arguments["filePath"], arguments["oldString"], arguments["newString"]
text = open(path, encoding="utf-8").read()
if text.count(old) != 1:
    raise SystemExit(f"Error: oldString occurs {text.count(old)} times in {path}; it must occur once.")
open(path, "w", encoding="utf-8").write(text.replace(old, new))
print("Edit applied successfully.")
"""

_WRITE = """
open(arguments["filePath"], "w", encoding="utf-8").write(arguments["content"])
print("Wrote file successfully.")
"""

_GLOB = """
import glob
print("\\n".join(sorted(glob.glob(arguments["pattern"], recursive=True))) or "No files found")
"""


class Tool(BaseModel):
    """One call of a tool, its arguments checked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    script: ClassVar[str]
    """Python that does the work and finds the call in `arguments`."""

    def command(self) -> str:
        """The shell command that does what the call asks for."""
        return f"python3 -c {shlex.quote(_ARGUMENTS + self.script)}"


class Bash(Tool):
    """Runs a shell command."""

    text: str = Field(alias="command")

    @override
    def command(self) -> str:
        return self.text


class Read(Tool):
    """Shows a file with line numbers."""

    path: str = Field(alias="filePath")

    @override
    def command(self) -> str:
        return f"cat -n {shlex.quote(self.path)}"


class Edit(Tool):
    """Replaces a text that occurs exactly once in a file."""

    script = _EDIT
    path: str = Field(alias="filePath")
    old: str = Field(alias="oldString")
    new: str = Field(alias="newString")


class Write(Tool):
    """Writes a whole file."""

    script = _WRITE
    path: str = Field(alias="filePath")
    content: str


class Glob(Tool):
    """Lists the files that a pattern matches."""

    script = _GLOB
    pattern: str


TOOLS: dict[str, type[Tool]] = {"bash": Bash, "edit": Edit, "glob": Glob, "read": Read, "write": Write}


async def call(environment: BaseEnvironment, name: str, arguments: dict[str, str]) -> str:
    """Runs one tool call in the environment.

    Returns:
        What the agent gets to see: the output, with the exit code at its end when that is not 0, or an error
        text when there is no such tool or the arguments do not fit it.
    """
    tool = TOOLS.get(name)
    if tool is None:
        return f"Error: there is no tool '{name}'. Available tools: {', '.join(TOOLS)}."
    try:
        checked = tool.model_validate(arguments)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors())
        return f"Error: invalid arguments for tool '{name}': {problems}."
    result = await environment.exec(
        f"exec 2>&1\n{checked.command()}", env={"TOOL_ARGUMENTS": checked.model_dump_json(by_alias=True)}
    )
    output = (result.stdout or "").rstrip()[:MAX_OUTPUT]
    if result.return_code and not output.startswith("Error:"):
        return f"{output}\nExit code: {result.return_code}".lstrip()
    return output or "(no output)"
