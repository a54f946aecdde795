"""The engine of many machines: Dask's workers, a cluster's or two beside this process."""

from __future__ import annotations

import itertools
import logging
import os
import pickle
import platform
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from types import TracebackType
from typing import Any, Self

from adapter.errors import BadInputError, IncompleteError, KilobenchError
from adapter.redact import rules_digest
from pipelines.engine.local import yield_to_the_first

_TOGETHER = 12
"""Items that are sent to a worker together: the scheduler's own work on each costs about a millisecond."""
_AHEAD = 2
"""Such batches per worker that may wait for those before them."""
_RETRIES = 3
_PATIENCE = 20.0
"""Seconds within which a scheduler has to answer."""
_INSTALL = 'Install it: pip install "kilobench[dask]".'


class DaskEngine:
    """Gives the items to Dask's workers, and what a lost worker had to others.

    Args:
        scheduler: its address, such as `tcp://10.0.0.5:8786`; None for a cluster of this machine's own, on loopback.
        workers: how many processes that has; None for as many as there are processors.

    Raises:
        BadInputError: Dask is not installed, the scheduler does not answer or has no workers, or these have another
            Python or another kilobench.
    """

    def __init__(self, scheduler: str | None = None, workers: int | None = None) -> None:
        try:
            import distributed
            from dask import config
        except ModuleNotFoundError as error:
            raise BadInputError(f"--engine dask needs Dask, and {error.name} is not there.", _INSTALL) from error
        # What goes wrong is said here, in one line.
        for name in ("distributed", "distributed.worker", "distributed.scheduler", "distributed.nanny"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._stack = ExitStack()
        # Dask looks at what its workers do a hundred times a second, which nobody reads here.
        self._stack.enter_context(config.set({"distributed.worker.profile.enabled": False}))
        try:
            self._client = self._connected(distributed, scheduler, workers)
            self._check_workers(scheduler or "the local cluster")
        except BaseException:
            self._stack.close()
            raise

    def _connected(self, distributed: Any, scheduler: str | None, workers: int | None) -> Any:
        if scheduler is None:
            cluster = distributed.LocalCluster(
                n_workers=workers or len(os.sched_getaffinity(0)),
                threads_per_worker=1,
                host="127.0.0.1",
                # Else its page would be shown to the whole network.
                dashboard_address="127.0.0.1:0",
                worker_dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
            )
            # Results come from the workers themselves, not by way of the scheduler.
            client = distributed.Client(self._stack.enter_context(cluster), direct_to_workers=True)
            self._stack.enter_context(client)
            client.register_worker_callbacks(yield_to_the_first)
            return client
        try:
            return self._stack.enter_context(distributed.Client(scheduler, timeout=_PATIENCE))
        except (OSError, TimeoutError, ValueError) as error:
            said = (str(error).splitlines() or ["time-out"])[0]
            raise BadInputError(
                f"The scheduler {scheduler} does not answer: {said}.",
                "Check that `dask scheduler` runs and the address, such as tcp://10.0.0.5:8786.",
            ) from error

    def _check_workers(self, where: str) -> None:
        """All of them have what this process has, or the results would not be the same."""
        if not self._client.scheduler_info()["workers"]:
            raise BadInputError(f"{where} has no workers.", "Start some: `dask worker ADDRESS`.")
        try:
            found: dict[str, Facts] = self._client.run(facts)
        except Exception as error:
            raise BadInputError(
                f"The workers of {where} cannot run kilobench: {error}.",
                f"Install kilobench {_own().kilobench} where they run.",
            ) from error
        own = _own()
        for worker, one in found.items():
            if (one.minor, one.kilobench) != (own.minor, own.kilobench):
                raise BadInputError(
                    f"The worker {worker} has Python {one.python} and kilobench {one.kilobench}, and this process "
                    f"Python {own.python} and kilobench {own.kilobench}.",
                    "Install the same where the workers run: others could read the same files in another way.",
                )
            if one.redaction != own.redaction:
                raise BadInputError(
                    f"The worker {worker} takes other secrets out than this process does.",
                    "Give the workers the same redaction settings (docs/redaction.md).",
                )

    def map[T, R](self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """See `Engine`."""
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        waiting: deque[Any] = deque()
        room = _AHEAD * max(1, len(self._client.scheduler_info()["workers"]))
        several = list(itertools.batched(items, _TOGETHER))
        for place, batch in enumerate(several):
            waiting.append(self._client.submit(packed, function, batch, pure=False, retries=_RETRIES))
            while len(waiting) >= room or (place + 1 == len(several) and waiting):
                try:
                    result: bytes = waiting[0].result()
                except (KilledWorker, FutureCancelledError) as error:
                    raise IncompleteError(
                        f"Workers died again and again over one trial, or the scheduler is gone: {error}.",
                        "Give the workers more memory, or run the same command again.",
                    ) from error
                waiting.popleft()
                for one in pickle.loads(result):  # noqa: S301  (our own worker's)
                    if isinstance(one, KilobenchError):
                        raise one
                    yield one

    def spreads(self, number: int) -> bool:
        """See `Engine`."""
        return number > 0

    def ask_workers[R](self, question: Callable[[], R]) -> dict[str, R]:
        """See `Engine`."""
        return self._client.run(question)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the scheduler; a cluster of this machine's own is ended."""
        self._stack.close()


def packed[T, R](function: Callable[[T], R], items: Sequence[T]) -> bytes:
    """The function's results as one piece: Dask looks into what it carries, and a trial has many parts.

    An error that is meant for the user is the last of them: Dask would have the work done again, with the same end.
    """
    return pickle.dumps(list(_until_an_error(function, items)), protocol=pickle.HIGHEST_PROTOCOL)


def _until_an_error[T, R](function: Callable[[T], R], items: Sequence[T]) -> Iterator[R | KilobenchError]:
    try:
        yield from map(function, items)
    except KilobenchError as error:
        yield error


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides how a file is read, where this was made.

    Attributes:
        python: its version.
        kilobench: its version.
        redaction: the digest of the rules by which secrets are taken out.
    """

    python: str
    kilobench: str
    redaction: str

    @property
    def minor(self) -> str:
        """Python's version without the last part: that changes nothing here."""
        return self.python.rpartition(".")[0]


def facts() -> Facts:
    """The facts of the process that this is run in."""
    return Facts(platform.python_version(), version("kilobench"), rules_digest())


_own = facts
