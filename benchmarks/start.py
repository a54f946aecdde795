"""How long `kilobench --help` takes, against importing typer alone (at most 2 is the aim)."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 9


def seconds(*command: str) -> float:
    """Wall time of one process."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> None:
    """Runs the two in turn, so that the machine's mood hits both."""
    kilobench = str(Path(sys.executable).with_name("kilobench"))
    ratios: list[float] = []
    for _ in range(RUNS + 1):
        typer = seconds(sys.executable, "-c", "import typer")
        ratios.append(seconds(kilobench, "--help") / typer)
    # The first pair warms the file cache.
    ratio = statistics.median(ratios[1:])
    print(f"start: kilobench --help / python -c 'import typer' = {ratio:.2f} (aim: at most 2)")


if __name__ == "__main__":
    main()
