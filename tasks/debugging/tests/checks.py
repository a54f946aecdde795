"""Statements of books that the agent never saw. Prints the rewards; what went wrong goes to standard error.

Each of the three symptoms has books in which neither of the others shows, so that one can be gone by itself. What was
right before must be right still: where it is not, nothing counts.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# For all runs together: well below the limit in task.toml, past which there would be no grade at all.
SECONDS = 30
BEGUN = time.monotonic()
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)

# The book, the month, the accounts, what is printed.
RIGHT_BEFORE = [
    (
        "5.3.2024;till;change;20,00\n7.3.2024;till;flowers;-12,5\n6.3.2024;till;sale;1.031\n",
        "3.2024",
        ["till"],
        "till: opening 0,00\n2024-03-05 change 20,00\n2024-03-06 sale 1031,00\n2024-03-07 flowers -12,50\n"
        "till: closing 1038,50\n",
    ),
    (
        "1.2.2023;a b;x;1,01\n1.2.2023;a b;y;2,02\n\n28.2.2023; a b ;z;-1.000,03\n3.4.2023;a b;late;9,00\n",
        "3.2023",
        ["a b"],
        "a b: opening -997,00\na b: closing -997,00\n",
    ),
    ("1.1.2020;x;y;1,00\n", "1.2020", ["nobody"], "nobody: opening 0,00\nnobody: closing 0,00\n"),
]
SYMPTOMS = {
    "small amounts": [
        (
            "2.5.2024;k;fee;-0,07\n3.5.2024;k;fee;-0,5\n4.5.2024;k;gift;0,09\n5.5.2024;k;fee;-1,20\n",
            "5.2024",
            ["k"],
            "k: opening 0,00\n2024-05-02 fee -0,07\n2024-05-03 fee -0,50\n2024-05-04 gift 0,09\n"
            "2024-05-05 fee -1,20\nk: closing -1,68\n",
        ),
        ("2.5.2024;k;fee;-0,99\n", "6.2024", ["k"], "k: opening -0,99\nk: closing -0,99\n"),
    ],
    "several accounts": [
        (
            "2.5.2024;one;in;5,00\n3.5.2024;two;in;7,00\n4.5.2024;three;out;-9,00\n",
            "5.2024",
            ["two", "none", "three", "one", "two"],
            "two: opening 0,00\n2024-05-03 in 7,00\ntwo: closing 7,00\n"
            "none: opening 0,00\nnone: closing 0,00\n"
            "three: opening 0,00\n2024-05-04 out -9,00\nthree: closing -9,00\n"
            "one: opening 0,00\n2024-05-02 in 5,00\none: closing 5,00\n"
            "two: opening 0,00\n2024-05-03 in 7,00\ntwo: closing 7,00\n",
        ),
    ],
    "months with two digits": [
        (
            "4.2.2024;k;a;1,00\n9.9.2024;k;b;2,00\n30.11.2024;k;c;4,00\n1.12.2024;k;d;8,00\n",
            "12.2024",
            ["k"],
            "k: opening 7,00\n2024-12-01 d 8,00\nk: closing 15,00\n",
        ),
        ("31.12.2023;k;a;1,00\n1.10.2024;k;b;2,00\n", "2.2024", ["k"], "k: opening 1,00\nk: closing 1,00\n"),
        ("9.9.2024;k;a;1,00\n1.10.2024;k;b;2,00\n", "09.2024", ["k"], "k: opening 0,00\n2024-09-09 a 1,00\nk: closing 1,00\n"),
    ],
}


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


def run(*command: str) -> str | None:
    """What a program prints; None where it fails or takes too long. All that it started is ended."""
    # A file, not a pipe: a process that it left behind would keep that open.
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/app"
        )
        try:
            code = process.wait(max(0.0, SECONDS - (time.monotonic() - BEGUN)))
        except subprocess.TimeoutExpired:
            code = None
        end_all()
        out.seek(0)
        return out.read().decode(errors="replace") if code == 0 else None


def is_right(book: str, month: str, accounts: list, expected: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "entries.csv")
        path.write_text(book, encoding="utf-8")
        printed = run(sys.executable, "-m", "ledger", str(path), month, *accounts)
    if printed != expected:
        print(f"FAIL: {month} {accounts} of\n{book}expected\n{expected}printed\n{printed}", file=sys.stderr)
    return printed == expected


def main() -> None:
    ctypes.CDLL(None).prctl(SUBREAPER, 1)
    # From here on the agent's code runs: what is right must not lie where it can read it.
    Path(__file__).unlink()
    is_kept = all([is_right(*case) for case in RIGHT_BEFORE])
    gone = [name for name, cases in SYMPTOMS.items() if all([is_right(*case) for case in cases])]
    print("right as before:", is_kept, "| gone:", ", ".join(gone) or "none", file=sys.stderr)
    share = len(gone) / len(SYMPTOMS) if is_kept else 0.0
    print(json.dumps({"reward": int(share == 1), "symptoms_gone": round(share, 3)}))


if __name__ == "__main__":
    main()
