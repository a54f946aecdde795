"""What a second `kilobench run` on the same job writes: requests that write, and rows, by kind (aim: 0 of each)."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from adapter.embedded_opik import EmbeddedOpik
from benchmarks import data
from pipelines.progress import Bars
from pipelines.run import Options, run

READS = ("search", "stream", "retrieve")


def writes(store: EmbeddedOpik) -> Counter[str]:
    """Requests that write, by kind of row."""
    counted: Counter[str] = Counter()
    for (method, path, _), number in store.app.state.requests.items():
        if method != "GET" and not path.endswith(READS):
            counted["/".join(path.split("/")[4:])] += number
    return counted


def main() -> None:
    """Runs twice; prints the second run's differences."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedOpik(Path(folder) / "opik.db") as store:
        options = Options((data.folder(),), "rerun", store.url, report=Path(folder) / "report")
        first = run(options, Bars(quiet=True))
        before, rows = writes(store), Counter(store.app.state.rows_written)
        second = run(options, Bars(quiet=True))
        requests = writes(store) - before
        new = Counter(store.app.state.rows_written) - rows
    print(f"rerun: first run wrote {first.written.model_dump()}")
    print(f"rerun: second run wrote {second.written.model_dump()}")
    print(
        f"rerun: second run: {requests.total()} requests that write {dict(requests)}, "
        f"{new.total()} rows new or changed {dict(new)} (aim: 0 and 0)"
    )


if __name__ == "__main__":
    main()
