"""The engine that a command line names."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

from adapter.errors import BadInputError
from pipelines.engine.local import Engine, LocalEngine

type EngineName = Literal["local", "dask"]


@contextmanager
def engine_of(name: EngineName, scheduler: str | None, workers: int | None) -> Generator[Engine]:
    """The engine, ready while the block runs.

    Args:
        name: which.
        scheduler: the address of Dask's; None for a cluster of this machine's own.
        workers: how many processes on this machine; None for as many as there are processors.

    Raises:
        BadInputError: the two do not go together, or Dask cannot be used.
    """
    if scheduler is not None and name != "dask":
        raise BadInputError("--scheduler is Dask's.", "Give --engine dask with it.")
    if scheduler is not None and workers is not None:
        raise BadInputError("--workers is for this machine, and a scheduler has its own.", "Leave one of the two out.")
    if name == "local":
        with LocalEngine(workers) as engine:
            yield engine
        return
    from pipelines.engine.dask_engine import DaskEngine

    with DaskEngine(scheduler, workers) as engine:
        yield engine
