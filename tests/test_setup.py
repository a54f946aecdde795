"""The set-up says in one line what it lacks."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from conftest import REPOSITORY


def test_a_python_that_is_too_old_gets_one_clear_line(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    old = tools / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    (tools / "sh").symlink_to(str(shutil.which("sh")))
    done = subprocess.run(
        [str(tools / "sh"), str(REPOSITORY / "scripts" / "setup"), "requirements.lock"],
        env={"PATH": str(tools), "PYTHON": "python3", "VENV": str(tmp_path / "venv"), "HOME": os.environ["HOME"]},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("kilobench: needs Python 3.12 or newer; 'python3' is Python 3.9.2.")
    assert not (tmp_path / "venv").exists()
