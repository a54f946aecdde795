"""What a tool call does is said the same way for every harness, and unknown stays unknown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.actions import Verb, exit_status, failed, target, verb
from adapter.trial import ToolCall

METADATA = '\n\n[metadata] {"noOutputExpected": false}'


def sh(output: str | None) -> ToolCall:
    return ToolCall("Bash", {"command": "make"}, output)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("Bash bash exec bash_command shell run_command execute_bash run_shell_command exec_command", Verb.SH),
        ("Read read read_file view readFile", Verb.READ),
        ("Edit edit str_replace_editor apply_patch MultiEdit replace", Verb.EDIT),
        ("Write write write_file", Verb.WRITE),
        ("Grep Glob grep glob list_directory", Verb.SEARCH),
        ("TodoWrite todowrite update_plan think", Verb.PLAN),
        ("WebFetch WebSearch webfetch", Verb.WEB),
        ("Task task Agent new_task", Verb.DELEGATE),
        ("no_such_tool get_weather mark_task_complete", Verb.OTHER),
    ],
)
def test_tool_names_of_all_harnesses_become_one_verb(names: str, expected: Verb) -> None:
    assert {name: verb(ToolCall(name, {})) for name in names.split()} == dict.fromkeys(names.split(), expected)


@pytest.mark.parametrize(
    ("command", "expected"), [("view", Verb.READ), ("create", Verb.WRITE), ("str_replace", Verb.EDIT)]
)
def test_an_editor_tool_does_what_its_command_says(command: str, expected: Verb) -> None:
    call = ToolCall("str_replace_based_edit_tool", {"command": command, "path": "/app/a.py"})
    assert verb(call) is expected
    assert target(call) == "/app/a.py"


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("Bash", {"command": "ls", "description": "list"}, "ls"),
        ("bash_command", {"keystrokes": "ls\n", "duration": 1}, "ls\n"),
        ("shell", {"command": ["bash", "-lc", "make test"]}, "make test"),
        ("shell", {"command": ["grep", "a b", "x"]}, "grep 'a b' x"),
        ("Read", {"file_path": "/a"}, "/a"),
        ("read", {"filePath": "/a"}, "/a"),
        ("Grep", {"pattern": "x", "path": "/src"}, "/src"),
        ("Glob", {"pattern": "*.py"}, "*.py"),
        ("WebFetch", {"url": "https://example.org"}, "https://example.org"),
        ("Read", {"limit": 3}, None),
        ("Bash", '{"command": "ls', None),
        ("Bash", {"command": 7}, None),
    ],
)
def test_the_target_is_found_under_each_harness_name_for_it(name, arguments, expected) -> None:
    assert target(ToolCall(name, arguments)) == expected


@pytest.mark.parametrize(
    ("output", "status"),
    [
        ("Exit code 127\n/bin/bash: x: command not found\n\n[error] tool reported failure", 127),
        (f"a{METADATA}", None),
        (f"Exit code 3\nis what the file says{METADATA}", None),
        ('a\n\n[stdout]\na\n[exit_code] 2\n[metadata] {"x": 1}', 2),
        ("Exit code: 1\nWall time: 0.1 seconds\nOutput:\nboom", 1),
        ("Chunk ID: 12ab\nWall time: 0.1 seconds\nProcess exited with code 4\nOutput:\n", 4),
        ("<returncode>0</returncode>\n<output>\nfine</output>", 0),
        ("done\n[Current working directory: /app]\n[Command finished with exit code 2]", 2),
        ("boom\n\n(exit code: 1)", 1),
        ("boom\n\nCommand exited with code 5", 5),
        ("FAILED (failures=1)\nExit code: 1", 1),
        ("Output: boom\nError: (none)\nExit Code: 6\nSignal: (none)\nBackground PIDs: (none)", 6),
        ('{"output": "boom", "metadata": {"exit_code": 7, "duration_seconds": 0.1}}', 7),
        ('{"stdout": "", "stderr": "", "returncode": 0}', 0),
        ('{"exit_code": 1}', None),
        ('{"output": "x", "exit_code": true}', None),
        ('{"output": "x", "exit_code": ', None),
        ("the program wrote: Exit code 3\nand went on", None),
        ("ok", None),
        ("", None),
        (None, None),
    ],
)
def test_an_exit_status_is_read_where_the_harness_writes_it(output: str | None, status: int | None) -> None:
    assert exit_status(sh(output)) == status


def test_only_a_shell_call_has_an_exit_status() -> None:
    assert exit_status(ToolCall("Read", {"file_path": "/log"}, "Exit code 3\nfoo")) is None


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (sh("Exit code 1\nboom\n\n[error] tool reported failure"), True),
        (sh("<returncode>0</returncode>"), False),
        (sh(f"fine{METADATA}"), False),
        (sh("who knows"), None),
        (sh("File not found: said a program"), None),
        (sh(None), None),
        (sh("Model tried to call unavailable tool 'bash'. Available tools: read."), True),
        (ToolCall("Read", {}, "File does not exist.\n\n[error] tool reported failure"), True),
        (ToolCall("Edit", {}, "<tool_use_error>String to replace not found in file.</tool_use_error>"), True),
        (ToolCall("read", {}, "File not found: /app/x.py"), True),
        (ToolCall("edit", {}, "Edit applied successfully."), False),
        (ToolCall("Read", {}, "1\tfoo"), None),
        (ToolCall("Write", {}, f"File created{METADATA}"), False),
    ],
)
def test_a_call_failed_only_where_its_harness_says_so(call: ToolCall, expected: bool | None) -> None:
    assert failed(call) is expected


@given(st.text(), st.one_of(st.text(), st.dictionaries(st.text(), st.text())), st.none() | st.text())
def test_any_call_gets_an_answer(name: str, arguments, output: str | None) -> None:
    call = ToolCall(name, arguments, output)
    assert verb(call) in Verb
    status = exit_status(call)
    assert status is None or failed(call) is not None
    assert target(call) is None or isinstance(target(call), str)
