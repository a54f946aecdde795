"""Task sets with planted faults: each task of them is solved once the file /app/done is there, but for one thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.tasks.results import Check

_TOML = """schema_version = "1.4"
[task]
name = "planted/{name}"
version = "1.0.0"
[agent]
timeout_sec = 60.0
[verifier]
timeout_sec = 60.0
[environment]
workdir = "/app"
"""
TEST = """#!/bin/bash
test -f /app/done && reward=1 || reward=0
echo $reward > /logs/verifier/reward.txt
"""


def write_task(folder: Path, files: Mapping[str, str | None] | None = None) -> Path:
    """A task without a fault; `files` take the place of its own, None that of a file that is not there."""
    whole: dict[str, str | None] = {
        "task.toml": _TOML.format(name=folder.name),
        "instruction.md": "Make the empty file /app/done.\n",
        "environment/Dockerfile": "FROM python:3.12.11-slim-bookworm\nWORKDIR /app\n",
        "tests/test.sh": TEST,
        "solution/solve.sh": "#!/bin/bash\ntouch /app/done\n",
    }
    for name, text in (whole | dict(files or {})).items():
        if text is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return folder


@dataclass(frozen=True, slots=True)
class Fault:
    """A planted fault: the files that hold it, what is replaced in task.toml, which checks find it, what one says."""

    says: str
    found_by: set[Check]
    files: Mapping[str, str | None] = field(default_factory=dict)
    toml: tuple[str, str] = ("", "")

    def plant(self, folder: Path) -> None:
        """Writes the task with the fault."""
        toml = _TOML.format(name=folder.name)
        assert self.toml[0] in toml
        write_task(folder, {"task.toml": toml.replace(*self.toml, 1), **self.files})


def faults(shared: Path) -> dict[str, Fault]:
    """The faults by the names of their tasks; `shared` is a folder that all trials see."""
    flaky = TEST.replace(
        "echo $reward > /logs/verifier/reward.txt",
        f"mkdir {shared}/turn 2> /dev/null && first=1 || first=0\n"
        'echo "{\\"reward\\": $reward, \\"first\\": $first}" > /logs/verifier/reward.json',
    )
    return {
        "misspelt": Fault(
            "environment.memory_gb: no setting of Harbor's",
            {Check.SCHEMA},
            toml=("[environment]", "[environment]\nmemory_gb = 4"),
        ),
        "unnamed": Fault(
            "task.toml has no [task]",
            {Check.SCHEMA, Check.VERSION},
            toml=('[task]\nname = "planted/unnamed"\nversion = "1.0.0"\n', ""),
        ),
        "no-toml": Fault("task.toml is no TOML", {Check.SCHEMA}, {"task.toml": "[task\n"}),
        "no-tests": Fault("tests/test.sh", {Check.SCHEMA}, {"tests/test.sh": None}),
        "no-solution": Fault("there is no solution/solve.sh", {Check.SCHEMA}, {"solution/solve.sh": None}),
        "version": Fault("v1.0 is no semantic version", {Check.VERSION}, toml=('"1.0.0"', '"v1.0"')),
        "told": Fault(
            "instruction.md says what tests/test.sh says: test -f /app/done",
            {Check.LEAKS},
            {"instruction.md": "Make /app/done, as in `test -f /app/done && reward=1\n|| reward=0`.\n"},
        ),
        "in-image": Fault(
            "environment/Dockerfile brings tests or solution along",
            {Check.LEAKS},
            {"environment/Dockerfile": "FROM x\nWORKDIR /app\nCOPY seen.py /tests/\n", "environment/seen.py": ""},
        ),
        "unsolved": Fault(
            "the task's own solution does not pass: reward 0",
            {Check.ORACLE},
            {"solution/solve.sh": "#!/bin/bash\ntouch /app/other\n"},
        ),
        "solved-already": Fault(
            "doing nothing passes: reward 1",
            {Check.NOP},
            {"environment/Dockerfile": "FROM x\nWORKDIR /app\nCOPY done /app/done\n", "environment/done": ""},
        ),
        "ungraded": Fault(
            "doing nothing is not graded: no reward after RewardFileNotFoundError",
            {Check.NOP},
            {"tests/test.sh": "#!/bin/bash\ntest -f /app/done && echo 1 > /logs/verifier/reward.txt\n"},
        ),
        "flaky": Fault("oracle was graded first ", {Check.REPEAT}, {"tests/test.sh": flaky}),
        "slow-solution": Fault(
            "s, and 4 s are allowed",
            {Check.TIME},
            {"solution/solve.sh": "#!/bin/bash\ntouch /app/done\nsleep 60\n"},
            ("[agent]\ntimeout_sec = 60.0", "[agent]\ntimeout_sec = 4.0"),
        ),
        "slow-verifier": Fault(
            "the verifier took",
            {Check.ORACLE, Check.NOP, Check.TIME},
            {"tests/test.sh": f"{TEST}sleep 60\n"},
            ("[verifier]\ntimeout_sec = 60.0", "[verifier]\ntimeout_sec = 1.0"),
        ),
        "no-limit": Fault(
            "[agent] timeout_sec is not set", {Check.TIME}, toml=("[agent]\ntimeout_sec = 60.0\n", "[agent]\n")
        ),
    }


CHEATS = {
    "leaves-a-reward": "echo '{\"reward\": 1}' > /logs/verifier/reward.json; echo 1 > /logs/verifier/reward.txt",
    "shadows-modules": (
        "for name in subprocess tempfile signal sitecustomize usercustomize; do\n"
        "echo 'raise SystemExit(0)' > /app/$name.py; done\n"
        "cat > /app/slug.py <<'END'\nimport os\nos._exit(0)\nEND"
    ),
    "reads-the-tests": (
        "cat > /app/slug.py <<'END'\n"
        "import json, pathlib, runpy\n"
        "pathlib.Path('/logs/verifier/reward.json').write_text(json.dumps({'reward': 1}))\n"
        "print(runpy.run_path('/tests/checks.py')['CASES'][input()])\nEND"
    ),
    "stays-behind": (
        "cat > /app/slug.py <<'END'\n"
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    while os.fork() == 0:\n"
        "        while True:\n"
        "            open('/logs/verifier/reward.json', 'w').write('{\"reward\": 1}')\n"
        "            time.sleep(0.001)\n"
        "    os._exit(0)\n"
        "print('x')\nEND"
    ),
    "never-ends": "cat > /app/slug.py <<'END'\nimport time\ntime.sleep(99)\nEND",
}
"""What an agent may do in place of the template's work, by name, as a script."""
