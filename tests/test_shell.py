"""Shell commands are taken apart only where that is certain; the rules assume the worst of the rest."""

from __future__ import annotations

import pytest

from adapter.shell import depends_on_outside, is_check, leaves_running, only_looks, simple_commands
from adapter.trial import ToolCall


def sh(command: str, output: str | None = "some output") -> ToolCall:
    return ToolCall("Bash", {"command": command}, output)


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("", ()),
        ("ls -la", (("ls", "-la"),)),
        ("cd /app && make; ls | head", (("cd", "/app"), ("make",), ("ls",), ("head",))),
        ("grep 'a b' \"$HOME/x\" 2>/dev/null", (("grep", "a b", "$HOME/x"),)),
        ("ls # the list\npwd", (("ls",), ("pwd",))),
        ("make 2>&1 | tail -5", (("make",), ("tail", "-5"))),
        ("echo a#b", (("echo", "a#b"),)),
        ("echo $(date)", None),
        ("echo `date`", None),
        ('echo "$(date)"', None),
        ("echo x > y", None),
        ("./serve &", None),
        ("cat << EOF", None),
        ("(cd x)", None),
        ("echo 'open", None),
        ("ls" * 3_000, None),
    ],
)
def test_simple_commands_are_told_apart_or_left_alone(text: str, commands: object) -> None:
    assert simple_commands(text) == commands


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("ls && cat a | sort | uniq -c", True),
        ("git log --oneline | head", True),
        ("find . -name '*.py' 2>/dev/null", True),
        (":", True),
        ("git commit -m x", False),
        ("git", False),
        ("git diff --output=x", False),
        ("find . -delete", False),
        ("sort -o a a", False),
        ("sort -oa a", False),
        ("uniq a b", False),
        ("tail -f log", False),
        ("ls; rm x", False),
        ("cd /app", False),
        ("ls > x", False),
        ("cat /dev/null >/dev/nullx", False),
    ],
)
def test_only_known_commands_only_look(text: str, looks: bool) -> None:
    assert only_looks(text) is looks


@pytest.mark.parametrize(
    ("text", "outside"),
    [
        ("sleep 5", True),
        ("python -c 'import time; time.sleep(5)'", True),
        ("/usr/bin/curl x", True),
        ("git fetch", True),
        ("tail log", True),
        ("cat service.log", False),
        ("cat service/app.py", False),
        ("grep -n my-service x", False),
        ("python3 -m unittest", False),
    ],
)
def test_what_depends_on_something_outside(text: str, outside: bool) -> None:
    assert depends_on_outside(text) is outside


@pytest.mark.parametrize(
    ("call", "runs"),
    [
        (sh("./serve &"), True),
        (sh("./serve > log 2>&1 & sleep 1"), True),
        (sh("nohup ./serve"), True),
        (sh("./serve", "Command running in background with ID: x"), True),
        (ToolCall("background_process", {"command": "x"}), True),
        (sh("make && ls 2>&1"), False),
        (sh("make &> log"), False),
        (ToolCall("Bash", {"command": "make", "run_in_background": False}), False),
    ],
)
def test_what_leaves_a_process_running(call: ToolCall, runs: bool) -> None:
    command = call.arguments["command"]
    assert leaves_running(call, command) is runs


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("pytest tests -x", True),
        ("/app/.venv/bin/pytest", True),
        ("CI=1 sudo timeout 60 python3.12 -m pytest", True),
        ("uv run pytest", True),
        ("npx jest", True),
        ("npm run build", True),
        ("cargo test --release", True),
        ("make -j 4 all", True),
        ("cmake --build out", True),
        ("gcc -o x x.c", True),
        ("pytest --version", False),
        ("pip install pytest", False),
        ("make clean", False),
        ("make run", False),
        ("python3 pytest.py", False),
        ("npm install", False),
        ("go", False),
        ("timeout", False),
        ("A=1", False),
    ],
)
def test_which_commands_test_or_build(text: str, check: bool) -> None:
    (words,) = simple_commands(text) or ()
    assert is_check(words) is check
