"""The real command line of Kilo, where this machine can have it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from adapter.kilo.install import DEFAULT_VERSION


def kilo_program(folder: Path) -> Path:
    """Kilo's program, fetched by npm into a folder; where that does not work the test is skipped, and says so."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip("Kilo's program for tests is the one for Linux on x86-64")
    if (npm := shutil.which("npm")) is None:
        pytest.skip("there is no npm to fetch Kilo with")
    package = f"@kilocode/cli-linux-x64@{DEFAULT_VERSION}"
    environment = os.environ | {"npm_config_fetch_retries": "1", "npm_config_fetch_timeout": "60000"}
    try:
        done = subprocess.run(
            [npm, "pack", "--silent", package],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm could not fetch {package} in time")
    if done.returncode != 0:
        pytest.skip(f"npm could not fetch {package}")
    with tarfile.open(folder / done.stdout.split()[-1]) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package" / "bin" / "kilo"
