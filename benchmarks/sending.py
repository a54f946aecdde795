"""How fast a job's rows are sent, against the SDK's own loop: `client.trace()`, `.span()`, `flush()`.

Both send the same rows, with the same ids' form, to an embedded store of their own in a process of its own, in turn.
Requests are counted by the store.
"""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import opik
from opik.types import ErrorInfoDict

from adapter.costs import TrialCost
from adapter.opik_connection import connect
from adapter.opik_ids import mint
from adapter.opik_rows import Row, rows, trial_key
from adapter.opik_store import OpikStore
from adapter.trial import Trial
from benchmarks import data
from pipelines.upload import Priced, upload

RUNS = 3

_SERVER = """
import json, sys
from pathlib import Path
from adapter.embedded_opik import EmbeddedOpik
with EmbeddedOpik(Path(sys.argv[1])) as store:
    print(store.url, flush=True)
    sys.stdin.readline()
    print(json.dumps([[*key, number] for key, number in store.app.state.requests.items()]), flush=True)
"""


@dataclass(frozen=True)
class Job:
    """The trials, and the rows that they become."""

    priced: list[tuple[Trial, TrialCost]]
    rows: list[Row]


class Server:
    """An embedded store in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVER, str(folder / "opik.db")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def requests(self) -> Counter[tuple[str, str]]:
        """Ends it; how many requests it got by method and path."""
        out, _ = self._process.communicate("\n")
        counted: Counter[tuple[str, str]] = Counter()
        for method, path, _status, number in json.loads(out):
            counted[method, path] += number
        return counted


@contextmanager
def server() -> Iterator[Server]:
    """A fresh store."""
    with tempfile.TemporaryDirectory() as folder:
        yield Server(Path(folder))


def ours(url: str, job: Job) -> None:
    """The upload as `kilobench run` does it: looked up before, read back after, experiments and all."""
    with connect(url, "ours") as connection:
        store = OpikStore(connection, "ours")
        by_job: dict[str, dict[str, Priced]] = defaultdict(dict)
        for trial, cost in job.priced:
            by_job[trial.job_id][trial_key(trial)] = (trial, cost)
        for job_id, trials in by_job.items():
            upload(job_id, trials.values(), trials.__getitem__, store, lambda _: None)


def theirs(url: str, job: Job) -> None:
    """The SDK's loop over the same rows; it makes no experiments and reads nothing back."""
    client = opik.Opik(project_name="theirs", host=url, workspace="default", _show_misconfiguration_message=False)
    now = datetime.now(UTC)
    ids = {row.key: mint(row.key, now) for row in job.rows}
    for row in job.rows:
        if row.kind == "trace":
            error: ErrorInfoDict | None = None
            if row.error is not None:
                error = {"exception_type": row.error[0], "message": row.error[1], "traceback": row.error[2]}
            client.trace(
                id=ids[row.key],
                name=row.name,
                start_time=row.start_time,
                end_time=row.end_time,
                input=row.input,
                output=row.output,
                metadata=row.metadata,
                tags=list(row.tags),
                error_info=error,
            )
        else:
            client.span(
                id=ids[row.key],
                trace_id=ids[row.trace_key],
                parent_span_id=None if row.parent_key is None else ids[row.parent_key],
                name=row.name,
                type="llm" if row.kind == "llm" else "tool",
                start_time=row.start_time,
                end_time=row.end_time,
                input=row.input,
                output=row.output,
                metadata=row.metadata,
                model=row.model,
                provider=row.provider,
                usage=row.usage,
                total_cost=row.cost_usd,
            )
    client.flush()
    client.end()


def timed(send: Callable[[str, Job], None], job: Job) -> tuple[float, Counter[tuple[str, str]]]:
    """Seconds, and the requests that were made."""
    with server() as store:
        httpx.get(f"{store.url}/is-alive/ping").raise_for_status()
        gc.collect()
        begun = time.perf_counter()
        send(store.url, job)
        took = time.perf_counter() - begun
        return took, store.requests()


def main() -> None:
    """Prints steps per second of both, the ratio, and the requests."""
    priced = data.trials()
    job = Job(priced, [row for trial, cost in priced for row in rows(trial, cost)])
    steps = sum(len(trial.steps) for trial, _ in priced)
    spans = sum(row.kind != "trace" for row in job.rows)
    ratios: list[float] = []
    requests: Counter[tuple[str, str]] = Counter()
    for _ in range(RUNS):
        mine, requests = timed(ours, job)
        other, _ = timed(theirs, job)
        ratios.append(other / mine)
        print(f"sending: {steps} steps, {spans} spans: ours {steps / mine:.0f} steps/s, SDK loop {steps / other:.0f}")
    sent = sum(number for (_, path), number in requests.items() if path.endswith(("spans/batch", "traces/batch")))
    for (method, path), number in sorted(requests.items()):
        print(f"  {number:4d} {method} {path}")
    print(
        f"sending: ours / SDK loop = {statistics.median(ratios):.2f} (aim: at least 2); "
        f"{sent} requests that send rows for {spans} spans (aim: at most {spans // 500} and a constant)"
    )


if __name__ == "__main__":
    main()
