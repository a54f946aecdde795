"""A size that is measured in a process of its own: its peak memory, and its caches, are nobody else's."""

from __future__ import annotations

import json
import subprocess
import sys


def apart(module: str, size: int) -> dict[str, float]:
    """What `python -m MODULE SIZE` prints, which is one JSON object of numbers."""
    done = subprocess.run([sys.executable, "-m", module, str(size)], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)
