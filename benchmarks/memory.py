"""How much memory a process has used."""

from __future__ import annotations

import resource
from pathlib import Path


def peak_kilobytes() -> int:
    """Peak resident memory of this process."""
    # Not ru_maxrss where it can be helped: a new process starts with its parent's.
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
