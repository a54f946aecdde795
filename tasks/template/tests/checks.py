"""Runs /app/slug.py on titles that the instruction does not name, and compares what it prints."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CASES = {
    "Release notes, 7th edition": "release-notes-7th-edition",
    "  -- Was ist neu? --  ": "was-ist-neu",
    "Crème brûlée für İzmir": "cr-me-br-l-e-f-r-zmir",
    "A___B": "a-b",
    "42": "42",
    "?!": "",
    "Straße №5 ②": "stra-e-5",
}
# For all runs together: well below the limit in task.toml, past which there would be no grade at all.
SECONDS = 30
BEGUN = time.monotonic()
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)


def end_all() -> None:
    """Ends all that the agent's code started; what left its parents became ours, by the first call of `main`."""
    while True:
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                if int(stat.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                    os.kill(int(stat.parent.name), signal.SIGKILL)
            except (OSError, ValueError):
                continue
        try:
            # What it ended leaves its own children to us: again, until there are none.
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def run(*command: str, given: str) -> str | None:
    """What a program prints; None where it fails or takes too long. All that it started is ended."""
    # Files, not pipes: a process that it left behind would keep those open.
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as out:
        source.write(given.encode())
        source.seek(0)
        process = subprocess.Popen(command, stdin=source, stdout=out, cwd="/app")
        try:
            code = process.wait(max(0.0, SECONDS - (time.monotonic() - BEGUN)))
        except subprocess.TimeoutExpired:
            code = None
        end_all()
        out.seek(0)
        return out.read().decode(errors="replace") if code == 0 else None


def main() -> int:
    ctypes.CDLL(None).prctl(SUBREAPER, 1)
    # From here on the agent's code runs: the answers must not lie where it can read them.
    Path(__file__).unlink()
    wrong = 0
    for title, slug in CASES.items():
        printed = run(sys.executable, "/app/slug.py", given=f"{title}\n")
        if printed is None or printed.rstrip("\n") != slug:
            print(f"FAIL: {title!r}: expected {slug!r}, printed {printed!r}")
            wrong += 1
    print(f"{len(CASES) - wrong} of {len(CASES)} titles are right")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
