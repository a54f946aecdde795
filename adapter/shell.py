"""Simple shell commands, told apart with care, and what running them means.

A command that holds anything beyond words, quotes, `;`, `&&`, `||`, `|` and line ends is not taken apart: the rules
then assume the most cautious thing of it. What is only counted is told by `adapter.shell_effects`, which takes apart
more and may be wrong.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from adapter.shell_parse import parse

if TYPE_CHECKING:
    from adapter.trial import ToolCall

# Longer commands are scripts: nothing is gained from taking them apart.
_LONGEST = 4_000


def simple_commands(text: str) -> tuple[tuple[str, ...], ...] | None:
    """The words of each simple command, in order, without its outer quotes; None when it is not that simple."""
    if len(text) > _LONGEST:
        return None
    script = parse(text)
    return tuple(command.words for command in script.commands) if script.is_plain else None


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LOOKERS = _words("""
    : [ basename cat cmp cut df diff dirname du echo egrep false fgrep file grep head hexdump id jq ls
    md5sum nl nproc od printenv printf pwd readelf readlink realpath rg sha256sum stat strings test tr
    true type uname wc whereis which whoami
""")
_GIT_LOOKERS = _words("blame diff grep log ls-files ls-tree rev-parse show status")
_FIND_ACTS = frozenset({"-delete", "-exec", "-execdir", "-ok", "-okdir", "-fprint", "-fprintf", "-fls"})


def only_looks(text: str) -> bool:
    """Whether running it surely changes nothing."""
    commands = simple_commands(text)
    return commands is not None and all(_only_looks(words) for words in commands)


def _only_looks(words: tuple[str, ...]) -> bool:
    name, rest = words[0], words[1:]
    match name:
        case "git":
            return bool(rest) and rest[0] in _GIT_LOOKERS and not any("--output" in word for word in rest)
        case "find":
            return _FIND_ACTS.isdisjoint(rest)
        case "sort" | "tree":  # may write their result
            return not any(word.startswith(("-o", "--output")) for word in rest)
        case "tail":  # may wait for more
            return not any(word.startswith("-") and "f" in word.lower() for word in rest)
        case "uniq":  # its second operand is written
            return all(word.startswith("-") for word in rest)
        case _:
            return name in _LOOKERS


# As a word of its own, and not as a part of a file's name.
_OUTSIDE = re.compile(
    r"(?<![\w-])(?:"
    # time
    r"sleep|wait|watch|date|timeout|uptime|inotifywait"
    # processes, services, and the end of a file that one of them may be writing
    r"|ps|pgrep|pidof|top|jobs|kill|pkill|lsof|ss|netstat|systemctl|service|supervisorctl|docker|kubectl|podman"
    r"|tmux|screen|nvidia-smi|free|nohup|tail"
    # the network
    r"|curl|wget|nc|ncat|netcat|telnet|ssh|scp|rsync|ping|dig|nslookup|apt|apt-get|pip3?|uv|conda|npm|npx|pnpm|yarn"
    r"|gem|cargo (?:install|fetch)|go (?:get|install|mod)|clone|fetch|pull|push"
    r")(?![\w/-]|\.\w)"
)


def depends_on_outside(text: str) -> bool:
    """Whether time, another process or the network may change what it gives: such a word is in it somewhere."""
    return _OUTSIDE.search(text) is not None


_BACKGROUND = re.compile(r"(?<![&>|\\])&(?![&>\d])|\b(?:nohup|setsid|disown|daemon|screen|tmux)\b")
_BACKGROUND_ARGUMENTS = ("run_in_background", "background", "is_background", "isBackground")


def leaves_running(call: ToolCall, text: str) -> bool:
    """Whether the call may leave a process running, which can then change things by itself."""
    arguments = call.arguments if isinstance(call.arguments, dict) else {}
    return (
        any(arguments.get(name) is True for name in _BACKGROUND_ARGUMENTS)
        or "background" in call.name.lower()
        or (call.output or "").startswith("Command running in background")
        or _BACKGROUND.search(text) is not None
    )


_WRAPPERS = _words("sudo npx time nice nohup env command exec xvfb-run stdbuf")
_RUNNERS = frozenset({("uv", "run"), ("poetry", "run"), ("pipenv", "run"), ("pdm", "run"), ("bundle", "exec")})
_CHECKS = _words("""
    pytest py.test tox nox ctest jest vitest mocha rspec phpunit ninja mvn gradle gradlew tsc gcc g++ cc
    c++ clang clang++ rustc javac
""")
_CHECKS_BY_COMMAND: dict[str, set[str]] = {
    "cargo": {"test", "build", "check", "nextest"},
    "go": {"test", "build", "vet"},
    "npm": {"test", "t"},
    "pnpm": {"test"},
    "yarn": {"test", "build"},
    "bun": {"test"},
    "dotnet": {"test", "build"},
    "cmake": {"--build"},
}
_MAKE_TARGETS = frozenset({"all", "build", "check", "test", "tests"})
_NO_RUN = frozenset({"--version", "-version", "--help", "--collect-only", "--co", "clean"})


def is_check(words: tuple[str, ...]) -> bool:
    """Whether a simple command runs a known test runner or build tool."""
    words = unwrapped(words)
    if not words or not _NO_RUN.isdisjoint(words):
        return False
    name, rest = words[0].rpartition("/")[2], words[1:]
    if name in _CHECKS:
        return True
    if re.fullmatch(r"python[\d.]*", name):
        return rest[:1] == ("-m",) and rest[1:2] in (("pytest",), ("unittest",), ("tox",), ("nox",))
    if name in ("npm", "pnpm", "yarn", "bun") and rest[:1] == ("run",):
        return rest[1:2] in (("test",), ("build",))
    if name == "make":
        targets = [word for word in rest if not word.startswith("-") and "=" not in word]
        return all(target in _MAKE_TARGETS or target.isdigit() for target in targets)
    return bool(rest) and rest[0] in _CHECKS_BY_COMMAND.get(name, ())


_TESTS = _words("pytest py.test tox nox nosetests ctest jest vitest mocha ava rspec phpunit prove bats behave")
_TEST_COMMANDS = _words("""
    artisan bazel bun cabal cargo dart deno dotnet flutter go gradle gradlew hatch lein meson mix mvn mvnw npm
    playwright pnpm rails rake sbt stack swift yarn zig
""")
_TEST_TARGETS = _words("check nextest spec t test tests verify")
_TEST_MODULES = frozenset({"pytest", "unittest", "tox", "nox", "nose", "nose2", "test", "doctest"})
_TEST_SCRIPT = re.compile(
    r"(?:(?:run|manage)[-_]?)?(?:unit[-_]?|all[-_]?)?tests?(?:\.(?:sh|py|js|ts|rb|pl))?", re.IGNORECASE
)
_TEST_FILE = re.compile(r"(?:test_\w+|\w+_test|\w+[._](?:test|spec))\.(?:py|js|mjs|ts|rb|sh)")
_INTERPRETERS = re.compile(r"(?:python|node|ruby|perl|bash|sh|php|tsx|ts-node)[\d.]*")


def runs_tests(words: tuple[str, ...]) -> bool:
    """Whether a simple command runs tests: by a known runner, a target of that name, or a script of such a name."""
    words = unwrapped(words)
    if not words or not _NO_RUN.isdisjoint(words):
        return False
    name, rest = words[0].rpartition("/")[2], words[1:]
    if name in _TESTS:
        return True
    if _INTERPRETERS.fullmatch(name):
        return _interpreter_runs_tests(rest)
    operands = [word for word in rest if not word.startswith(("-", "+")) and "=" not in word]
    if name in ("npm", "pnpm", "yarn", "bun", "hatch") and operands[:1] == ["run"]:
        return any(operand.partition(":")[0] == "test" for operand in operands[1:2])
    if name == "make":
        return not _TEST_TARGETS.isdisjoint(operands)
    if name in _TEST_COMMANDS:
        targets = {operand.rpartition(":")[2] for operand in operands[:2]}
        # `cargo check` only compiles.
        return not (_TEST_TARGETS - ({"check"} if name == "cargo" else set())).isdisjoint(targets)
    return "/" in words[0] and _TEST_SCRIPT.fullmatch(name) is not None


def _interpreter_runs_tests(rest: tuple[str, ...]) -> bool:
    if "--test" in rest:  # Node
        return True
    if "-m" in rest[:3]:
        module = rest[rest.index("-m") + 1 :][:1]
        return bool(module) and module[0].partition(".")[0] in _TEST_MODULES
    script = next((word for word in rest if not word.startswith("-")), "").rpartition("/")[2]
    if script in ("manage.py", "artisan", "setup.py"):
        return "test" in rest
    return _TEST_SCRIPT.fullmatch(script) is not None or _TEST_FILE.fullmatch(script) is not None


def unwrapped(words: tuple[str, ...]) -> tuple[str, ...]:
    """The command without assignments and wrappers before it, such as `A=1 sudo timeout 60`."""
    while words:
        if words[0] in _WRAPPERS or re.match(r"[A-Za-z_]\w*=", words[0]):
            words = words[1:]
        elif words[:2] in _RUNNERS or (words[0] == "timeout" and re.match(r"\d", "".join(words[1:2]))):
            words = words[2:]
        else:
            break
    return words
