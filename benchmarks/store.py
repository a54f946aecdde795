"""The embedded store under many spans: how fast it takes them, whether time stays linear and memory flat.

2,000 traces of 50 spans each go up in batches of 1,000, as `kilobench upload` sends them, and come back page by page.
Each batch goes to the store and, in turn, to a server that answers 204 and stores nothing: what the client itself
takes stands in both times. Servers and client are processes of their own.
"""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import opik
import uvicorn
from opik.api_objects.rest_stream_parser import read_and_parse_stream
from opik.rest_api.types import SpanPublic
from starlette.types import Receive, Scope, Send

from adapter.embedded_opik import EmbeddedOpik
from adapter.embedded_opik.server import HOST
from adapter.opik_connection import Connection
from adapter.opik_ids import mint
from adapter.opik_rows import JOB, KEY, Row
from adapter.opik_store import OpikStore
from benchmarks import data
from benchmarks.memory import peak_kilobytes
from benchmarks.reading import Spent, spent

FEW, MANY = 25_000, 100_000
PER_TRACE = 50
BATCH = 1000
PAGE = 2000
PROJECT = "store"
_LONG_EVERY = 50
_WORDS = [f"{word}{number}" for word in ("file", "error", "line ", "/app/src/", "return ") for number in range(80)]


@dataclass(frozen=True)
class Measured:
    """What one client saw: seconds of wall time and of CPU time (its own and the store's), peaks in kilobytes."""

    null: float
    write: float
    read: float
    write_cpu: float
    read_cpu: float
    client_peak: int
    server_peak: int


def batches(spans: int) -> Iterator[tuple[list[Row], list[Row]]]:
    """Traces and their spans, batch by batch: of about 2 kB each, one in fifty of 30 kB."""
    chance = random.Random(1)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    for first in range(0, spans // PER_TRACE, BATCH // PER_TRACE):
        traces, rows = [], []
        for trace in range(first, first + BATCH // PER_TRACE):
            key = f"job-{trace // 100}/{trace}"
            traces.append(_row(key, key, at, chance.choices(_WORDS, k=100)))
            for number in range(PER_TRACE):
                is_long = number % _LONG_EVERY == _LONG_EVERY - 1
                words = chance.choices(_WORDS, k=3500 if is_long else 180)
                rows.append(_row(f"{key}/{number}", key, at + timedelta(seconds=number), words))
        yield traces, rows


def _row(key: str, trace: str, at: datetime, words: list[str]) -> Row:
    said = {"input": {"message": " ".join(words[:60])}, "output": {"results": [{"content": " ".join(words[60:])}]}}
    return Row(
        key=key,
        kind="trace" if key == trace else "llm",
        name="step",
        start_time=at,
        end_time=at + timedelta(seconds=1),
        **said,
        metadata={JOB: trace.partition("/")[0], KEY: key, "cost": {"usd": 0.01, "provenance": "recorded"}},
        digest="0" * 64,
        size=sum(map(len, words)),
        trace_key=trace,
        model="gpt-5",
        provider="openai",
        usage={"prompt_tokens": 9000, "completion_tokens": 300, "total_tokens": 9300},
        cost_usd=0.01,
    )


class Server:
    """A server in a process of its own: the store over this file, or with None one that stores nothing."""

    def __init__(self, database: Path | None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.store", "serve", str(database or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=data.REPOSITORY,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def spent(self) -> tuple[float, int]:
        """Its CPU seconds and its peak in kilobytes until now."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("spent\n")
        self._process.stdin.flush()
        cpu, peak = json.loads(self._process.stdout.readline())
        return cpu, peak

    def stop(self) -> None:
        """Ends it."""
        self._process.communicate()


def serve(database: str) -> None:
    """The server's process: prints its address, then its CPU time and its peak for each line it is sent."""
    if database:
        with EmbeddedOpik(Path(database)) as store:
            _tell(store.url)
    else:
        _serve_nothing()


def _tell(url: str) -> None:
    print(url, flush=True)
    for _ in sys.stdin:
        print(json.dumps([time.process_time(), peak_kilobytes()]), flush=True)


def _serve_nothing() -> None:
    # As the store's own: with its protocol named, small answers leave at once.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind((HOST, 0))
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(_nothing, log_level="warning", lifespan="off"))
    threading.Thread(target=server.run, args=([listener],), daemon=True).start()
    _tell(f"http://{HOST}:{listener.getsockname()[1]}/api")


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    # The client asks how the project is spelt: there is none.
    status = 404 if scope["path"].endswith("/retrieve") else 204
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def _client(url: str) -> opik.Opik:
    return opik.Opik(project_name=PROJECT, host=url, workspace="default", _show_misconfiguration_message=False)


def write(stores: list[OpikStore], spans: int) -> list[Spent]:
    """Sends so many spans with their traces to each; what the calls alone took."""
    took = [Spent(0.0, 0.0)] * len(stores)
    now = datetime.now(UTC)
    for traces, rows in batches(spans):
        ids = {row.key: mint(row.key, now) for row in (*traces, *rows)}
        for at, store in enumerate(stores):
            wall, cpu = time.perf_counter(), time.process_time()
            store.send_traces([(ids[row.key], row) for row in traces])
            store.send_spans([(ids[row.key], row) for row in rows], ids)
            took[at] = Spent(
                took[at].wall + time.perf_counter() - wall,
                took[at].cpu + time.process_time() - cpu,
            )
    return took


def read(client: opik.Opik, spans: int) -> None:
    """Reads all spans whole, page by page, and lets each page go."""
    found, last = 0, None
    while True:
        stream = client.rest_client.spans.search_spans(
            project_name=PROJECT, limit=PAGE, last_retrieved_id=last, truncate=False
        )
        page = read_and_parse_stream(stream=stream, item_class=SpanPublic)
        found += len(page)
        if len(page) < PAGE:
            break
        last = page[-1].id
    assert found == spans, f"{found} of {spans} spans came back"


def measure(spans: int, database: Path) -> Measured:
    """The client's process: sends to both servers in turn, reads back."""
    nothing, server = Server(None), Server(database)
    clients = [_client(one.url) for one in (nothing, server)]
    stores = [OpikStore(Connection(client, "", "default", is_embedded=True), PROJECT) for client in clients]
    begun, _ = server.spent()
    null, wrote = write(stores, spans)
    written, _ = server.spent()
    reading = spent(lambda: read(clients[1], spans))
    ended, server_peak = server.spent()
    for client, one in zip(clients, (nothing, server), strict=True):
        client.end()
        one.stop()
    return Measured(
        null=null.wall,
        write=wrote.wall,
        read=reading.wall,
        write_cpu=wrote.cpu + written - begun,
        read_cpu=reading.cpu + ended - written,
        client_peak=peak_kilobytes(),
        server_peak=server_peak,
    )


def measured(spans: int) -> Measured:
    """`measure` in a fresh process, on a fresh file."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.store", "measure", str(spans), str(Path(folder) / "opik.db")],
            stdout=subprocess.PIPE,
            cwd=data.REPOSITORY,
            text=True,
            check=True,
        )
    return Measured(**json.loads(done.stdout))


def main() -> None:
    """Prints the ratios."""
    few, many = measured(FEW), measured(MANY)
    print(
        f"store: {MANY} spans in {MANY // PER_TRACE} traces: written at {many.null / many.write:.2f} of the speed of a "
        f"server that stores nothing (aim: at least 0.4; {FEW}: {few.null / few.write:.2f})"
    )
    for what in ("write", "read", "write_cpu", "read_cpu"):
        ratio = getattr(many, what) / getattr(few, what) / (MANY / FEW)
        told = (
            f"{what.removesuffix('_cpu')}, {'CPU time of client and server' if what.endswith('_cpu') else 'wall time'}"
        )
        print(f"store: {told}: a span of {MANY} takes {ratio:.2f} of what one of {FEW} takes (aim: about 1)")
    for what in ("server", "client"):
        small, large = (getattr(one, f"{what}_peak") / 1024 for one in (few, many))
        print(
            f"store: peak memory of the {what}: {small:.0f} MB with {FEW} spans, {large:.0f} MB with {MANY}: "
            f"{(large / small - 1) * 100:+.1f} % (aim: about 0)"
        )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", database]:
            serve(database)
        case ["measure", spans, database]:
            print(json.dumps(asdict(measure(int(spans), Path(database)))))
        case _:
            main()
