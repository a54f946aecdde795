"""What a call does reads the same whatever harness made it, and whatever differs from run to run."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapter.shell_parse import Command, parse
from adapter.signatures import signatures
from adapter.trial import ToolCall


def said(name: str, **arguments: object) -> list[str]:
    return [str(one) for one in signatures(ToolCall(name, arguments))]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("tool", ["Bash", "bash_command", "exec", "shell", "run_terminal_cmd"])
def test_shells_of_all_harnesses_are_one_verb(tool: str) -> None:
    assert said(tool, command="pytest tests/x") == ["sh:pytest tests/x"]


@pytest.mark.parametrize(
    ("command", "acts"),
    [
        ("cd /app && sudo timeout 60 pytest -q tests/x 2>&1 | tail -5", ["sh:pytest tests/x"]),
        ("export A=1; B=2 make all", ["sh:make all"]),
        ("make && ./run.sh; ls | wc -l", ["sh:make", "sh:run.sh", "sh:ls", "sh:wc"]),
        ("cat /testbed/src/a.py | head -20", ["sh:cat src/a.py"]),
        ("cat > a.py <<'EOF'\nimport os\nrm x\nEOF\npython a.py", ["sh:cat >a.py", "sh:python a.py"]),
        ("python /tmp/tmp8f3k2/run.py", ["sh:python <tmp>"]),
        ("kill 1234567", ["sh:kill <n>"]),
        ("git show 0123456789abcdef0123456789abcdef01234567", ["sh:git show <id>"]),
        ("grep 2026-03-01T10:00:00Z log", ["sh:grep <time> log"]),
        ("if [ -f a ]; then make test; fi", ["sh:make test"]),
        ("bash -lc 'echo hi'", ["sh:bash echo hi"]),
        ("cd /app", ["sh:cd /app"]),
        ("'unclosed", ["sh:'unclosed"]),
        ("", ["sh:"]),
    ],
)
def test_a_command_is_its_acts_without_what_does_not_matter(command: str, acts: list[str]) -> None:
    assert said("Bash", command=command) == acts


@pytest.mark.parametrize(
    ("tool", "arguments", "act"),
    [
        ("read", {"filePath": "/app/src/a.py"}, "read:src/a.py"),
        ("str_replace_editor", {"command": "view", "path": "./src/a.py"}, "read:src/a.py"),
        ("Edit", {"file_path": "src/a.py", "old_string": "x", "new_string": "y"}, "edit:src/a.py"),
        ("write_file", {"path": "/workspace/a.py", "content": "x"}, "write:a.py"),
        ("grep", {"pattern": "def main"}, "search:def main"),
        ("Mystery", {"x": 1}, "other:mystery"),
        ("TodoWrite", {"todos": []}, "plan:"),
    ],
)
def test_other_tools_are_their_verb_and_what_it_is_about(tool: str, arguments: dict[str, object], act: str) -> None:
    assert said(tool, **arguments) == [act]


@given(st.text(max_size=300))
@example("\U000f717d\u014e{\U000c8c15\U00012dbc\x15t")  # Each of these two ended the whole process once.
@example("\x1f:\u0270r\U0005e7f9R\u012c{\U0008c19f")
def test_any_command_has_an_act(text: str) -> None:
    assert said("Bash", command=text)


@pytest.mark.parametrize("text", ["(" * 5_000, "$(" * 5_000, "a;" * 9_000, "if " * 5_000, "{" * 10_000 + "}" * 10_000])
def test_what_is_made_to_burst_is_read_in_little_time(text: str) -> None:
    begun = time.process_time()
    parse(text)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("a && b || c", [("a", ""), ("b", "&&"), ("c", "||")]),
        ("a | b\nc", [("a", ""), ("b", "|"), ("c", "\n")]),
        ("for x in 1 2; do a; done", [("a", ";")]),
        ("f() { a; }; f", [("a", ""), ("f", ";")]),
        ("echo $(a | b)", [("echo", ""), ("a", ""), ("b", "|")]),
    ],
)
def test_commands_are_found_wherever_they_stand(text: str, commands: list[tuple[str, str]]) -> None:
    assert [(one.words[0], one.joined_by) for one in parse(text).commands if one.words] == commands


def test_other_scripts_letters_are_parts_of_words() -> None:
    assert parse("cat 'a \u0142.txt' > \u4f60\u597d.md && echo \U0001f680 <<E\n\u00e9t\u00e9\nE").commands == (
        Command(("cat", "a \u0142.txt"), ("\u4f60\u597d.md",)),
        Command(("echo", "\U0001f680"), given="\u00e9t\u00e9\n", joined_by="&&"),
    )
    assert parse("git commit -m \u00fcber").is_plain


def test_redirections_and_given_texts_belong_to_their_command() -> None:
    assert parse("a > x; b 2>&1 >> y; c <<< 'text'").commands == (
        Command(("a",), ("x",)),
        Command(("b",), ("y",), joined_by=";"),
        Command(("c",), given="text", joined_by=";"),
    )
    assert parse("sh <<EOF | tee z\nls\nEOF").commands[0].given == "ls\n"
