"""What redaction costs: the time to read a job and to send all its spans, with it over without it.

Without means `KILOBENCH_REDACT=off`, in the same run. The second figure is for a copy of the job with a secret in every
trial, so that no quick look spares a trial the patterns.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapter.jobs import find_jobs
from adapter.opik_connection import connect
from adapter.opik_rows import trial_key
from adapter.opik_store import OpikStore
from adapter.redact import may_hold_secrets, redact_json_bytes
from adapter.redact_settings import VARIABLE
from benchmarks import data
from benchmarks.reading import make_copies, read
from benchmarks.sending import server
from pipelines.cost import price_trial
from pipelines.read import read_trials
from pipelines.upload import Priced, upload

ROUNDS = 5
SENDING_ROUNDS = 3
SECRET = "ghp_" + "a1B2" * 9


@contextmanager
def redaction(said: str) -> Iterator[None]:
    """Redaction by this word of the environment's; by the built-in patterns where it is empty."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = said
    try:
        yield
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before


def with_secrets(folder: Path) -> None:
    """Puts a key into the last text of every trajectory below a folder."""
    for path in folder.rglob("trajectory.json"):
        value = json.loads(path.read_bytes())
        value["steps"][-1]["message"] = f"{value['steps'][-1].get('message')} {SECRET}"
        path.unlink()  # It may be a hard link to the original.
        path.write_text(json.dumps(value))


def sent(folder: Path) -> float:
    """Seconds to read the jobs in a folder, and to make and send all their spans to a fresh store."""
    with server() as store, connect(store.url, "redaction") as connection:
        begun = time.perf_counter()
        for job in find_jobs([folder]):
            trials: dict[str, Priced] = {
                trial_key(trial): (trial, price_trial(trial)) for trial in read_trials([job], [], lambda _: None)
            }
            upload(job.id, trials.values(), trials.__getitem__, OpikStore(connection, "redaction"), lambda _: None)
        took = time.perf_counter() - begun
        store.requests()
        return took


def spent_reading(folder: Path) -> float:
    """Seconds to read the jobs in a folder."""
    begun = time.perf_counter()
    read(folder)
    return time.perf_counter() - begun


def against_none(name: str, folder: Path) -> None:
    """Prints both ratios for the jobs in a folder; the first round warms the caches."""
    for what, measured, rounds in (("read", spent_reading, ROUNDS), ("read and send", sent, SENDING_ROUNDS)):
        pairs: list[tuple[float, float]] = []
        for _ in range(rounds + 1):
            with redaction(""):
                on = measured(folder)
            with redaction("off"):
                pairs.append((on, measured(folder)))
        ratios = [on / off for on, off in pairs[1:]]
        on, off = (statistics.median(times) for times in zip(*pairs[1:], strict=True))
        print(
            f"redaction: {name}: to {what} {on:.2f} s with redaction, {off:.2f} s without: ratio "
            f"{statistics.median(ratios):.2f} (median of {rounds}, {min(ratios):.2f} to {max(ratios):.2f}"
            f"{'; aim: at most 2' if measured is sent else ''})"
        )


def looks(folder: Path) -> None:
    """Prints what the quick look over all files' bytes costs, and what the patterns do."""
    files = [path.read_bytes() for path in sorted(folder.rglob("*.json"))]
    size = sum(map(len, files)) / 1e6
    times: list[float] = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        hits = sum(map(may_hold_secrets, files))
        times.append(time.perf_counter() - begun)
    best = min(times)
    print(
        f"redaction: quick look: {size:.1f} MB in {best * 1000:.0f} ms, {size / best:.0f} MB/s; "
        f"{hits} of {len(files)} files are worth a closer one"
    )
    found: Counter[str] = Counter()
    begun = time.perf_counter()
    for file in files:
        redact_json_bytes(file, found)
    print(f"redaction: all files as attachments: {(time.perf_counter() - begun) * 1000:.0f} ms, found {dict(found)}")


def main() -> None:
    """Prints all of it."""
    with redaction(""):
        looks(data.folder())
    against_none("the job as it is", data.folder())
    with tempfile.TemporaryDirectory() as folder:
        copy = make_copies(1, Path(folder))
        with_secrets(copy)
        with redaction(""):
            looks(copy)
        against_none("a secret in every trial", copy)


if __name__ == "__main__":
    main()
