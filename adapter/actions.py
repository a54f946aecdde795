"""What a tool call does, said the same way for every harness.

Four questions about a call: what kind of action it is (`verb`), what it is about (`target`), what it does to files
(`effects`), and how it ended (`exit_status`, `failed`). Each is answered only from names and texts that the harnesses
are known to write. Where they say nothing, the answer is None.
"""

from __future__ import annotations

import json
import re
import shlex
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from adapter.shell_effects import Effects, command_effects, patched_file, shortest

if TYPE_CHECKING:
    from adapter.trial import JsonValue, ToolCall

# How much of an output's beginning and end is searched for a status: outputs can be megabytes.
_WINDOW = 400


class Verb(StrEnum):
    """What a tool call does."""

    SH = "sh"
    """runs a shell command"""
    READ = "read"
    """shows a file"""
    EDIT = "edit"
    """changes part of a file"""
    WRITE = "write"
    """writes a whole file"""
    SEARCH = "search"
    """looks for files or for text in files"""
    PLAN = "plan"
    """keeps the agent's own list of what to do, or thinks aloud"""
    WEB = "web"
    """fetches or searches the web"""
    DELEGATE = "delegate"
    """starts another agent"""
    OTHER = "other"
    """none of these, or not known"""


# Tool names in lower case without `_`, `-` and blanks.
_NAMES: dict[Verb, str] = {
    Verb.SH: "bash bashcommand shell shellcommand sh exec execcommand executecommand executebash command "
    "runcommand runshellcommand runinterminal runterminalcmd terminal localshell containerexec",
    Verb.READ: "read readfile readfiles view viewfile openfile cat viewimage notebookread",
    Verb.EDIT: "edit editfile multiedit strreplace strreplaceeditor strreplacebasededittool replace replaceinfile "
    "searchreplace applypatch applydiff patch notebookedit insert texteditor",
    Verb.WRITE: "write writefile writetofile createfile create savefile",
    Verb.SEARCH: "grep glob search searchfiles searchfilecontent codebasesearch grepsearch filesearch findfiles "
    "list ls listfiles listdir listdirectory",
    Verb.PLAN: "todowrite todoread todo todolist updatetodolist updateplan plan think enterplanmode exitplanmode",
    Verb.WEB: "webfetch websearch fetch fetchurl browse googlewebsearch codesearch",
    Verb.DELEGATE: "task agent newtask subagent spawnagent delegate delegatetoagent",
}
_VERBS = {name: verb for verb, names in _NAMES.items() for name in names.split()}

# One editor tool does several things and says which in its `command` argument.
_EDITOR_COMMANDS = {
    "view": Verb.READ,
    "create": Verb.WRITE,
    "str_replace": Verb.EDIT,
    "insert": Verb.EDIT,
    "undo_edit": Verb.EDIT,
}

_COMMAND_KEYS = ("command", "cmd", "keystrokes", "script")
_PATH_KEYS = (
    "file_path",
    "filePath",
    "path",
    "filename",
    "file",
    "target_file",
    "absolute_path",
    "notebook_path",
)
_OTHER_KEYS = ("pattern", "query", "url")


def verb(call: ToolCall) -> Verb:
    """What the call does, from its tool's name (and its `command`, for editor tools)."""
    found = _VERBS.get(_plain_name(call), Verb.OTHER)
    if found is Verb.EDIT and isinstance(call.arguments, dict):
        command = call.arguments.get("command")
        return _EDITOR_COMMANDS.get(command, found) if isinstance(command, str) else found
    return found


def _plain_name(call: ToolCall) -> str:
    return re.sub(r"[\s_-]+", "", call.name.lower())


def target(call: ToolCall) -> str | None:
    """What the call is about: the command of a shell call, else the file's path, else a pattern, query or URL."""
    if not isinstance(call.arguments, dict):
        return None
    keys = _COMMAND_KEYS if verb(call) is Verb.SH else (*_PATH_KEYS, *_OTHER_KEYS)
    for key in keys:
        text = _command_text(call.arguments.get(key))
        if text is not None:
            return text
    return None


def _command_text(value: JsonValue) -> str | None:
    """A text argument; a list of words (`["bash", "-lc", "make"]`) becomes the command it runs."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        return None
    words = cast("list[str]", value)
    if len(words) == 3 and words[0].rpartition("/")[2] in ("bash", "sh", "zsh") and words[1] in ("-c", "-lc"):
        return words[2]
    return shlex.join(words)


_TEST_TOOLS = frozenset({"test", "tests", "runtest", "runtests", "pytest"})
_PATCH_KEYS = ("patch", "input", "patchText", "diff")


def effects(call: ToolCall) -> Effects:
    """What the call does to files; that of a shell call is read from its command (`adapter.shell_effects`)."""
    action = verb(call)
    match action:
        case Verb.SH:
            command = target(call)
            return Effects() if command is None else command_effects(command)
        case Verb.READ | Verb.SEARCH:
            return Effects(reads=True)
        case Verb.EDIT | Verb.WRITE:
            return Effects(writes=True, file=_changed_file(call))
        case _:
            return Effects(is_test=_plain_name(call) in _TEST_TOOLS)


def _changed_file(call: ToolCall) -> str | None:
    """The file that a tool for edits changes: it is named, or stands in the patch."""
    if isinstance(call.arguments, str):
        return patched_file(call.arguments)
    named = (call.arguments.get(key) for key in _PATH_KEYS)
    path = next((path for path in named if isinstance(path, str)), None)
    if path is not None:
        return shortest(path)
    patches = (call.arguments.get(key) for key in _PATCH_KEYS)
    return next((file for text in patches if isinstance(text, str) and (file := patched_file(text))), None)


def identity(call: ToolCall) -> tuple[str, str]:
    """Tool and arguments; equal for identical calls."""
    if isinstance(call.arguments, str):
        return call.name, call.arguments
    return call.name, json.dumps(call.arguments, sort_keys=True)


# How harnesses write a command's exit status: at the very beginning or at the very end of the observation.
_STATUS_AT_START = re.compile(
    r"\s*(?:Exit code:? (\d+)(?:\n|$)"  # Claude Code (a failure only), Codex
    r"|<returncode>(\d+)</returncode>"  # mini-swe-agent
    r"|(?:Chunk ID: \S+\n)?Wall time: [^\n]+\nProcess exited with code (\d+)\n)"  # Codex
)
_STATUS_AT_END = re.compile(
    r"(?:^\[exit_code\] (\d+)(?=\n\[|\s*\Z)"  # Claude Code, as Harbor writes it down
    r"|\[Command finished with exit code (\d+)\]\s*\Z"  # OpenHands
    r"|\((?:Command )?exit(?:ed with)? code:? (\d+)\)\s*\Z"  # pi, OpenClaw and others
    r"|^Command exited with code (\d+)\s*\Z"  # pi
    # Gemini CLI, and harnesses that add nothing but this line
    r"|^Exit [Cc]ode: (\d+)(?:\n(?:Error|Signal|Background PIDs|Process Group PGID): [^\n]*)*\s*\Z)",
    re.MULTILINE,
)
_STATUS_KEYS = ("exit_code", "exitCode", "returncode", "return_code")
_OUTPUT_KEYS = frozenset({"output", "stdout", "stderr"})


def exit_status(call: ToolCall) -> int | None:
    """The exit status of a shell call as its harness wrote it into the observation; None where it did not."""
    if call.output is None or verb(call) is not Verb.SH:
        return None
    match = _STATUS_AT_END.search(call.output[-_WINDOW:])
    if match is None and _is_claude_success(call.output):
        # It does not say which status: Claude Code takes that of a `grep` without a hit for a success, too.
        return None
    match = match or _STATUS_AT_START.match(call.output[:_WINDOW])
    if match is not None:
        return int(next(group for group in match.groups() if group is not None))
    return _json_status(call.output)


def _json_status(output: str) -> int | None:
    """The status in an observation that is a JSON object with the command's output and its status."""
    text = output.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return None
    try:
        record: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or _OUTPUT_KEYS.isdisjoint(record):
        return None
    metadata = record.get("metadata")
    for fields in (record, metadata if isinstance(metadata, dict) else {}):
        for key in _STATUS_KEYS:
            value = fields.get(key)
            if isinstance(value, int) and not isinstance(value, bool):
                return value
    return None


_FAILURE_AT_END = "[error] tool reported failure"
_FAILURE_AT_START = (
    "<tool_use_error>",  # Claude Code
    "Model tried to call unavailable tool '",  # Kilo Code from here on
    "The arguments provided to the tool are invalid: ",
    "Invalid input for tool ",
    "File not found: ",
    "Error: File not found: ",
    "Could not find oldString in the file.",
    "unsupported call: ",  # Codex
    "failed to parse function arguments: ",
)
_SUCCESS_AT_START = ("Edit applied successfully.", "Wrote file successfully.")  # Kilo Code


def failed(call: ToolCall) -> bool | None:
    """Whether the call failed, by its exit status or by its harness's own words; None where neither says so."""
    if call.output is None:
        return None
    # A shell's own output may say anything: its beginning counts for the other tools only.
    is_shell = verb(call) is Verb.SH
    text = call.output
    if text.endswith(_FAILURE_AT_END) or text.startswith("<tool_use_error>"):
        return True
    if text.startswith(_FAILURE_AT_START if not is_shell else _FAILURE_AT_START[1:4]):
        return True
    status = exit_status(call)
    if status is not None:
        return status != 0
    if not is_shell and text.startswith(_SUCCESS_AT_START):
        return False
    return False if _is_claude_success(text) else None


def _is_claude_success(text: str) -> bool:
    """Whether it ends with Claude Code's metadata: Harbor adds one more line where the tool reported failure."""
    return text.startswith("[metadata] {", text.rfind("\n") + 1)
