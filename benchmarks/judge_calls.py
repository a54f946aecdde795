"""Calls through the gateway beside a bare loop over LiteLLM, with a model that takes 200 ms: what ours costs on top.

The model is an HTTP server in a process of its own, so that its work is in nobody's figures. The prompts are as long as
a window's. Both ways take turns, each in the same process and event loop with the same client.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from adapter.prices import BUNDLED
from judges.criteria import criteria
from judges.llm.cache import Cache
from judges.llm.call import Call, Part
from judges.llm.gateway import Gateway, Limits
from judges.transcript.schema import schema_text

MODEL = "openai/gpt-4.1-mini"
SECONDS = 0.2
CALLS = 2_000
ROUNDS = 3
LETTERS = 20_000
"""Of a window's prompt (`python -m benchmarks judge-tokens`)."""


def _answer() -> bytes:
    usage = {"prompt_tokens": 5_000, "completion_tokens": 1_000, "total_tokens": 6_000}
    message = {"role": "assistant", "content": json.dumps({"verdicts": []})}
    body = {
        "id": "chat-1",
        "object": "chat.completion",
        "created": 0,
        "model": "gpt-4.1-mini",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": usage,
    }
    data = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(data), data)


async def _connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    answer = _answer()
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
            )
            await reader.readexactly(length)
            await asyncio.sleep(SECONDS)
            writer.write(answer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def _serve(port: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.start_server(_connected, "127.0.0.1", 0, limit=1 << 20)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


async def _all(calls: list[Call], together: int, ask: Callable[[Call], Awaitable[object]]) -> tuple[float, float]:
    """Seconds, and seconds of CPU, for calls that are asked so many at a time."""
    waiting = iter(calls)

    async def one() -> None:
        for call in waiting:
            await ask(call)

    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one() for _ in range(together)))
    return time.perf_counter() - begun, time.process_time() - cpu


async def _measure(url: str, together: int, count: int, cache: Cache, round_: int) -> dict[str, tuple[float, float]]:
    import litellm

    text = "x" * LETTERS
    plain = Call(MODEL, "You judge.", (Part(text),), schema_text(tuple(criteria().values())), 4_000, api_base=url)
    calls = [replace(plain, parts=(Part(f"{together}/{round_}/{number}"), Part(text))) for number in range(count)]
    limits = Limits(concurrency=together)

    async def bare(call: Call) -> object:
        messages = [{"role": "system", "content": call.system}, {"role": "user", "content": call.text}]
        form = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": json.loads(call.schema)}}
        return await litellm.acompletion(
            model=call.model,
            messages=messages,
            max_tokens=call.max_tokens,
            temperature=0.0,
            response_format=form,
            api_base=url,
            num_retries=0,
            max_retries=0,
        )

    warm = calls[: 2 * together]
    found: dict[str, tuple[float, float]] = {}
    async with Gateway(book=BUNDLED, max_spend_usd=1_000.0, cache=cache, limits=limits) as gateway:
        await _all([replace(call, sample=1) for call in warm], together, gateway.ask)
        ours, theirs = ("gateway", gateway.ask), ("bare", bare)
        for name, ask in (ours, theirs) if round_ % 2 else (theirs, ours):
            found[name] = await _all(calls, together, ask)
        if gateway.sent != count + len(warm):
            raise AssertionError(f"{gateway.sent} calls were sent")
    return found


def main() -> None:
    """Prints the ratios."""
    os.environ |= {"OPENAI_API_KEY": "nobodys", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ours.recv()}/v1"
    try:
        with tempfile.TemporaryDirectory() as folder, Cache.open(Path(folder) / "cache.db") as cache:
            for together, count in ((64, CALLS), (16, CALLS // 4)):
                rounds = [asyncio.run(_measure(url, together, count, cache, number)) for number in range(ROUNDS)]
                _print(together, count, rounds)
    finally:
        server.kill()


def _print(together: int, count: int, rounds: list[dict[str, tuple[float, float]]]) -> None:
    rate = {name: statistics.median(count / one[name][0] for one in rounds) for name in ("gateway", "bare")}
    cpu = {name: statistics.median(1000 * one[name][1] / count for one in rounds) for name in ("gateway", "bare")}
    ratio = statistics.median(one["bare"][0] / one["gateway"][0] for one in rounds)
    ideal = together / SECONDS
    print(
        f"judge calls, {count} at {together} at a time, of 200 ms: gateway {rate['gateway']:.0f}/s, "
        f"{rate['gateway'] / ideal:.2f} of the ideal, {ratio:.2f} of a bare loop ({rate['bare'] / ideal:.2f} of the "
        f"ideal); CPU {cpu['gateway']:.1f} ms a call, bare {cpu['bare']:.1f} ms"
    )
