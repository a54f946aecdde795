"""Asking models about several things at a time, while what is asked about is read one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager

from judges.asking import Asker


def ask_together[T, R](
    items: Iterator[T],
    ask: Callable[[T, Asker], Awaitable[R]],
    gateway: AbstractAsyncContextManager[Asker],
    together: int,
    on_done: Callable[[int, R], None],
) -> None:
    """Asks about each item, several at the same time.

    Args:
        items: read one at a time, whenever there is room for one more.
        ask: asks about one of them.
        gateway: takes the calls.
        together: how many are asked about at the same time.
        on_done: is given each item's place, counted from 0, and what came of it, as soon as it is there. It is called
            for one at a time, and never while an item is read, so that it may use what reads them.

    Raises:
        KilobenchError: reading or storing failed; what is being asked is let go.
    """
    try:
        asyncio.run(_all(items, ask, gateway, together, on_done))
    except BaseExceptionGroup as group:
        # One failure is enough to tell: the others are its consequences, or say the same.
        raise _first(group) from group


async def _all[T, R](
    items: Iterator[T],
    ask: Callable[[T, Asker], Awaitable[R]],
    gateway: AbstractAsyncContextManager[Asker],
    together: int,
    on_done: Callable[[int, R], None],
) -> None:
    loop = asyncio.get_running_loop()
    room = asyncio.Semaphore(together)
    # Reading and storing wait for disk and network, one at a time, beside the calls.
    with ThreadPoolExecutor(1) as aside:

        async def one(place: int, item: T, asker: Asker) -> None:
            try:
                came = await ask(item, asker)
                await loop.run_in_executor(aside, on_done, place, came)
            finally:
                room.release()

        async with gateway as asker, asyncio.TaskGroup() as tasks:
            place = 0
            await room.acquire()
            while (item := await loop.run_in_executor(aside, next, items, None)) is not None:
                tasks.create_task(one(place, item, asker))
                place += 1
                await room.acquire()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
