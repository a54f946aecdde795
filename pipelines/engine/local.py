"""The engine of one machine: this process for few trials, processes beside it for many."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Protocol, Self

from adapter.errors import IncompleteError

FEW = 64
"""Fewer items than these are done sooner than processes start."""
MOST_DEATHS = 3
"""How often the processes may die over the same items before one of these is taken to be the reason."""
NICE = 5
"""By so much workers yield."""
_AHEAD = 4
"""Results per worker that may wait for those before them: so many trials are held at a time."""


class Engine(Protocol):
    """Does the same to many items."""

    def map[T, R](self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """The function's results, in the items' order; few of them are held at a time.

        Args:
            function: a plain one: it, the items and the results can be pickled, and it holds no state.
            items: each is done once, or again where its worker died.

        Raises:
            IncompleteError: workers died again and again.
        """
        ...

    def spreads(self, number: int) -> bool:
        """Whether so many items are done by other processes than this one."""
        ...

    def ask_workers[R](self, question: Callable[[], R]) -> dict[str, R]:
        """What workers that may be on other machines answer, by their addresses; without such, nothing.

        Args:
            question: a plain function that can be pickled.
        """
        ...


class LocalEngine:
    """Does few items in this process, and many in processes of its own, which live until it is closed.

    Args:
        workers: how many processes; None for as many as there are processors. With one all is done in this process.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or len(os.sched_getaffinity(0))
        self._pool: ProcessPoolExecutor | None = None

    def map[T, R](self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """See `Engine`."""
        return self._pooled(function, items) if self.spreads(len(items)) else map(function, items)

    def spreads(self, number: int) -> bool:
        """See `Engine`."""
        return self.workers > 1 and number >= FEW

    def ask_workers[R](self, question: Callable[[], R]) -> dict[str, R]:  # noqa: ARG002
        """See `Engine`: its processes begin when they are needed, and are all here."""
        return {}

    def _pooled[T, R](self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        waiting: deque[Future[R]] = deque()
        begun, done, deaths = 0, 0, 0
        while done < len(items):
            try:
                while begun < len(items) and len(waiting) < _AHEAD * self.workers:
                    waiting.append(self._started().submit(function, items[begun]))
                    begun += 1
                result = waiting[0].result()
            except BrokenProcessPool as error:
                # One of the processes was killed, and took with it what the others were doing.
                deaths += 1
                self._close_pool()
                if deaths >= MOST_DEATHS:
                    raise IncompleteError(
                        f"Worker processes died {deaths} times in a row, at {items[done]} or one of the next.",
                        "There may be too little memory: try --workers 1, or run the same command again.",
                    ) from error
                waiting.clear()
                begun = done
                continue
            waiting.popleft()
            done, deaths = done + 1, 0
            yield result

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Begun anew rather than forked: threads and locks of this process are not theirs.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_begin)
        return self._pool

    def _close_pool(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the processes."""
        self._close_pool()


def _begin() -> None:
    """A terminal tells all processes of Ctrl-C; the one that asked for the work ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield_to_the_first()


def yield_to_the_first() -> None:
    """Lets the process that asked for the work go first: it asks models at their rate, and takes what workers made."""
    os.nice(NICE)


IN_PROCESS = LocalEngine(1)
"""Does everything here."""
