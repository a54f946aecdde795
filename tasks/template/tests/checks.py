"""Runs /app/slug.py on titles that the instruction does not name, and compares what it prints."""

import os
import signal
import subprocess
import sys
import tempfile
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
SECONDS = 10


def run(*command: str, given: str) -> str | None:
    """What a program prints; None where it fails or takes too long. All that it started is ended."""
    # Files, not pipes: a process that it left behind would keep those open.
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as out:
        source.write(given.encode())
        source.seek(0)
        process = subprocess.Popen(command, stdin=source, stdout=out, cwd="/app", start_new_session=True)
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        out.seek(0)
        return out.read().decode(errors="replace") if code == 0 else None


def main() -> int:
    # From here on the agent's program runs: the answers must not lie where it can read them.
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
