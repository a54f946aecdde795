"""What a shell command does to files is read off its text, as far as that tells."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.shell_effects import Effects, command_effects, patched_file, shortest

PATCH = "*** Begin Patch\n*** Update File: src/./a.py\n@@\n-x\n+y\n*** End Patch"
DIFF = "--- a/src/a.py\n+++ b/src/a.py\n@@ -1 +1 @@\n-x\n+y\n"

LOOKS = [
    "ls -la",
    "cd /app && cat a.py | head -20",
    "sed -n 1,40p a.py",
    "sed -ne '/x/p' a.py",
    "awk '$1 > 3 {print}' a",
    'grep -rn "a > b" . 2>/dev/null | wc -l',
    "cat a 2>&1",
    "git -C /app log --oneline",
    "find . -name '*.py' -exec grep -l x {} +",
    "find . -name '*.py' | xargs grep -n x",
    "for f in *.py; do cat $f; done",
    "if [ -f a ]; then cat a; else { ls; } fi",
    "bash -lc 'cat a'",
    "echo hi; cat a # > b",
    "cat a\n",
    "FOO=1 timeout 5 cat a",
    "cat <<< word",
    "diff <(sort a) <(sort b)",
]
WRITES = [
    ("echo x > a.py", "a.py"),
    ("echo x >>./b/../a.py", "a.py"),
    ("cat <<'EOF' > a.py\nimport os\nrm x\nEOF\n", "a.py"),
    ("cat > a.py <<EOF\nls\nEOF\nls", "a.py"),
    ("cat <<EOF | tee a.py\nx\nEOF", "a.py"),
    ("make 2> errors.txt", "errors.txt"),
    ("make &> log", "log"),
    ("make >| log", "log"),
    ("echo x > 'a b.py'", "a b.py"),
    ("echo x > $FILE", None),
    ("sed -i 's/a/b/' src/a.py", "src/a.py"),
    ("sed -i.bak -e 's/a/b/' a.py b.py", None),
    ("sed -Ei 's/a/b/' a.py", "a.py"),
    ("perl -pi -e 's/a/b/' a.py", None),
    ("cp a b", None),
    ("mv a b && ls", None),
    ("rm -rf build", None),
    ("sudo rm x", None),
    ("touch a.py", "a.py"),
    ("git apply x.patch", None),
    ("git -C /app checkout -- a.py", None),
    (f"git apply <<'EOF'\n{DIFF}EOF", "src/a.py"),
    (f"apply_patch <<'EOF'\n{PATCH}\nEOF", "src/a.py"),
    (f"apply_patch '{PATCH}'", "src/a.py"),
    ("find . -name '*.pyc' -delete", None),
    ("find . -name '*.pyc' -exec rm {} +", None),
    ("grep -rl x . | xargs sed -i s/x/y/", None),
    ("bash -c 'echo x > a.py'", "a.py"),
    ("sh <<'EOF'\necho x > a.py\nEOF", "a.py"),
    ("(cd /app; echo x > a.py)", "a.py"),
    ("echo $(date > a.py)", "a.py"),
    ("python3 - <<'EOF'\nopen('a.py', 'w').write('x')\nEOF", None),
    ("python3 -c \"import pathlib; pathlib.Path('a').write_text('x')\"", None),
    ("node -e \"fs.writeFileSync('a', 'x')\"", None),
    ("curl -sLo a https://example.org", None),
    ("wget https://example.org/a", None),
    ("tar xf a.tar", None),
    ("sort -o a a", None),
]
NEITHER = [
    "",
    "make",
    "python3 a.py",
    "python3 -c 'print(open(\"a\").read() > 3)'",
    "echo hi",
    "cd /app",
    "ls && ./run",
    "make > /dev/null 2>&1",
    "curl https://example.org",
    "wget -qO- https://example.org",
    "git commit -m 'x > y'",
    "sqlite3 a 'select 1 where 2 > 1'",
    "tee /dev/stderr",
    "echo 'open",
]


@pytest.mark.parametrize("command", LOOKS)
def test_a_command_that_only_looks(command: str) -> None:
    assert command_effects(command) == Effects(reads=True)


@pytest.mark.parametrize(("command", "file"), WRITES)
def test_a_command_that_writes(command: str, file: str | None) -> None:
    assert command_effects(command) == Effects(writes=True, file=file)


@pytest.mark.parametrize("command", NEITHER)
def test_a_command_of_which_neither_is_known(command: str) -> None:
    assert command_effects(command) == Effects()


@pytest.mark.parametrize(
    "command",
    [
        "pytest -x tests",
        "cd /app && .venv/bin/pytest 2>&1 | tail -5",
        "uv run pytest",
        "python3 -m pytest -q",
        "python -m unittest discover",
        "python manage.py test app",
        "python tests/test_a.py",
        "npm test",
        "npm run test:unit",
        "yarn test --watch=false",
        "npx jest a",
        "npx vitest run",
        "node --test",
        "cargo test --release",
        "go test ./...",
        "make -j4 test",
        "make check",
        "ctest --output-on-failure",
        "mvn -q test",
        "./gradlew :app:test",
        "dotnet test",
        "bundle exec rspec",
        "./run_tests.sh",
        "bash run-tests.sh",
        "bash -ex ci/run_tests.sh",
        "CI=1 timeout 60 tox",
        "bash -c 'cd x && pytest'",
    ],
)
def test_a_command_that_runs_tests(command: str) -> None:
    assert command_effects(command).is_test


@pytest.mark.parametrize(
    "command",
    [
        "pip install pytest",
        "pytest --version",
        "grep -rn pytest .",
        "cat test_a.py",
        "cargo check",
        "cargo build",
        "make",
        "npm run build",
        "npm install jest",
        "python a.py test",
        "git add tests/test_a.py",
        "echo pytest",
        "test -f a",
    ],
)
def test_a_command_that_only_names_tests(command: str) -> None:
    assert not command_effects(command).is_test


def test_tests_whose_output_goes_to_a_file_write_it_and_are_tests_all_the_same() -> None:
    assert command_effects("pytest > log.txt") == Effects(writes=True, file="log.txt", is_test=True)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("./a/../b.py", "b.py"),
        ("/app//a.py ", "/app/a.py"),
        ("", None),
        ("/dev/null", None),
        ("*.py", None),
        ("$HOME/a", None),
        ("a" * 5_000, None),
    ],
)
def test_a_file_is_named_in_its_shortest_spelling(path: str, expected: str | None) -> None:
    assert shortest(path) == expected


@pytest.mark.parametrize(("text", "file"), [(PATCH, "src/a.py"), (DIFF, "src/a.py"), ("x +++ y", None)])
def test_the_file_of_a_patch_is_found(text: str, file: str | None) -> None:
    assert patched_file(text) == file


@given(st.text(st.sampled_from("ab >|&;<'\"\\\n$()`#-EOF/1{}=")))
def test_any_text_is_a_command(text: str) -> None:
    done = command_effects(text)
    assert not (done.reads and done.writes)
    assert done.file is None or done.writes


@pytest.mark.parametrize(
    "text",
    [
        "<<a " * 10_000 + "\n" + "b\n" * 10_000,
        "'" * 50_000,
        '"\\' * 50_000,
        "python -c 'open(" + "a," * 50_000,
        "python <<E\n" + "open(a" * 3_000,
        "bash -c '" * 5_000,
        "$(" * 50_000,
    ],
    ids=["documents", "quotes", "escapes", "arguments", "opens", "scripts", "substitutions"],
)
def test_no_text_takes_long(text: str) -> None:
    start = time.process_time()
    command_effects(text)
    assert time.process_time() - start < 2


@pytest.mark.parametrize("command", [f"tar {'x' * 19_000}1", f"perl -{'i' * 19_000}!", f"curl '-{'o' * 19_000}\n'"])
def test_no_flag_takes_long(command: str) -> None:
    start = time.process_time()
    for _ in range(10):
        command_effects(command)
    assert time.process_time() - start < 2
