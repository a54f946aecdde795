"""Whether the workers can read the jobs at all: they may be on other machines, and have other keys."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from adapter.errors import BadInputError, KilobenchError
from adapter.jobs import Job
from adapter.remote import RemotePath
from pipelines.engine import Engine


def check_reading(engine: Engine, jobs: Sequence[Job]) -> None:
    """To be asked before any work: one trial of each store, and of each folder of jobs, is looked for.

    Raises:
        BadInputError: a worker does not find one, may not look at it, or lacks the library for its store.
    """
    places: dict[Path | tuple[str, ...], Path] = {}
    for job in jobs:
        if job.trials:
            where = job.path.parts[:2] if isinstance(job.path, RemotePath) else job.path.parent
            places.setdefault(where, job.trials[0])
    if not places:
        return
    for worker, why in engine.ask_workers(partial(_why_unread, tuple(places.values()))).items():
        if why is not None:
            raise BadInputError(
                f"The worker {worker} cannot read {why}.",
                "Workers read the jobs themselves: give them the same folders, or the store's library and keys.",
            )


def _why_unread(paths: Sequence[Path]) -> str | None:
    """The first of these that this process cannot look at, and why; None where it can look at all."""
    for path in paths:
        try:
            path.lstat()
        except OSError as error:
            return f"{path}: {error.strerror or error}"
        except KilobenchError as error:
            return f"{path}: {error.what.rstrip('.')}"
    return None
