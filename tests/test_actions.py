"""What a tool call does is said the same way for every harness, and unknown stays unknown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.actions import Verb, effects, exit_status, failed, target, verb
from adapter.shell_effects import Effects
from adapter.trial import Source, Status, Step, ToolCall, Trial, Variant
from pipelines.action_rows import action_rows
from views.tables import ACTIONS, frame

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


PATCH = "*** Begin Patch\n*** Update File: src/a.py\n@@\n-x\n+y\n*** End Patch"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (ToolCall("Read", {"file_path": "/a"}), Effects(reads=True)),
        (ToolCall("grep", {"pattern": "x"}), Effects(reads=True)),
        (ToolCall("Edit", {"file_path": "/app/./a.py"}), Effects(writes=True, file="/app/a.py")),
        (ToolCall("write", {"filePath": "a.py"}), Effects(writes=True, file="a.py")),
        (ToolCall("str_replace_editor", {"command": "view", "path": "a.py"}), Effects(reads=True)),
        (ToolCall("apply_patch", {"input": PATCH}), Effects(writes=True, file="src/a.py")),
        (ToolCall("apply_patch", PATCH), Effects(writes=True, file="src/a.py")),
        (ToolCall("shell", {"command": ["apply_patch", PATCH]}), Effects(writes=True, file="src/a.py")),
        (ToolCall("Write", {"content": "x"}), Effects(writes=True)),
        (ToolCall("bash_command", {"keystrokes": "pytest\n"}), Effects(is_test=True)),
        (ToolCall("run_tests", {}), Effects(is_test=True)),
        (ToolCall("Bash", '{"command": "ls'), Effects()),
        (ToolCall("TodoWrite", {"todos": []}), Effects()),
        (ToolCall("WebFetch", {"url": "https://example.org"}), Effects()),
        (ToolCall("Task", {"prompt": "x > y"}), Effects()),
    ],
)
def test_what_a_call_does_to_files_is_said_the_same_way_for_every_harness(call: ToolCall, expected: Effects) -> None:
    assert effects(call) == expected


def actions_of(*steps: tuple[ToolCall, ...] | str) -> dict[str, list[object]]:
    """The table of actions of a trial; a text is what the user says in between."""
    made = [
        Step(number, number, Source.USER, step)
        if isinstance(step, str)
        else Step(number, number, Source.AGENT, tool_calls=step, call=number)
        for number, step in enumerate(steps, start=1)
    ]
    trial = Trial("j", "t", "job", "trial", "task", "set", Variant("agent"), Status.FAILED, tuple(made))
    return frame(action_rows(trial), ACTIONS).astype(object).to_dict("list")


def test_every_call_of_a_trial_is_a_row_of_the_table() -> None:
    read, write = ToolCall("Read", {"file_path": "a.py"}, "1\tx"), ToolCall("Write", {"file_path": "a.py"})
    table = actions_of("Do it.", (read, sh("<returncode>2</returncode>")), (write,), ())
    assert table["trial"] == ["job/trial"] * 3
    assert (table["step"], table["action"], table["call"]) == ([2, 2, 3], [1, 2, 1], [2, 2, 3])
    assert (table["tool"], table["verb"]) == (["Read", "Bash", "Write"], ["read", "sh", "write"])
    assert (table["target"][1], table["file"][2]) == ("make", "a.py")
    assert (table["reads"], table["writes"]) == ([True, False, False], [False, False, True])
    assert [value is True for value in table["failed"]] == [False, True, False]
    assert len(set(table["key"])) == 3


LS = ToolCall("Bash", {"command": "ls", "why": "a"}, "x")
REPEATS = [
    ([(LS,), (ToolCall("Bash", {"why": "a", "command": "ls"}, "y"),)], [False, True]),
    ([(LS, LS)], [False, True]),
    ([(LS,), (ToolCall("Read", {"file_path": "a"}),), (LS,)], [False, False, True]),
    ([(LS,), (sh("fine"),), (LS,)], [False, False, False]),
    ([(LS,), (ToolCall("Write", {"file_path": "a"}),), (LS,), (LS,)], [False, False, False, True]),
    ([(LS,), "Look again.", (LS,)], [False, False]),
    ([(sh("x"),), (sh("x"),), (sh("y"),)], [False, True, True]),
    ([(LS,), (ToolCall("shell", {"command": "ls", "why": "a"}, "x"),)], [False, False]),
]


@pytest.mark.parametrize(("steps", "repeats"), REPEATS)
def test_a_call_repeats_an_identical_one_unless_something_was_changed_since(steps, repeats: list[bool]) -> None:
    assert actions_of(*steps)["is_repeat"] == repeats


def test_the_key_of_a_call_is_the_same_in_every_run_and_a_long_target_is_cut() -> None:
    script = ToolCall("Bash", {"command": "echo " + "x" * 10_000})
    table = actions_of((script, LS))
    assert len(str(table["target"][0])) == 500
    assert table["key"][1] == "045584e54f07313f"


@given(st.text(), st.one_of(st.text(), st.dictionaries(st.text(), st.text())), st.none() | st.text())
def test_any_call_gets_an_answer(name: str, arguments, output: str | None) -> None:
    call = ToolCall(name, arguments, output)
    assert verb(call) in Verb
    status = exit_status(call)
    assert status is None or failed(call) is not None
    assert target(call) is None or isinstance(target(call), str)
    assert effects(call).file is None or effects(call).writes
