"""Where the two sides of the gate are read from, as `kilobench compare` reads: both ways give the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from adapter.errors import BadInputError
from adapter.jobs import Job, find_jobs
from adapter.opik_connection import Connection
from adapter.opik_store import OpikStore
from adapter.prices import PriceBook
from adapter.remote import RemotePath, path_of
from adapter.status import Grading
from pipelines.compare import save_scores
from pipelines.experiments import Experiment
from pipelines.gate.attempts import GateSide, one_variant, side_of
from pipelines.gate.baseline import read_baseline
from pipelines.gather import Gathered, gather_jobs, gather_stored
from pipelines.progress import Bars
from pipelines.summary import without_source


@dataclass(frozen=True, slots=True)
class Source:
    """What one side was said to be: job folders, the names of experiments, or a saved baseline.

    Attributes:
        role: `baseline` or `candidate`.
        given: as it was given.
        variant: the variant's name, or a part of it; None for the only one.
        jobs: the jobs in its folders.
        file: the saved baseline.
    """

    role: str
    given: tuple[str, ...]
    variant: str | None = None
    jobs: tuple[Job, ...] = ()
    file: Path | None = None

    @classmethod
    def of(cls, role: str, given: Sequence[str], variant: str | None) -> Source:
        """What a side is.

        Raises:
            BadInputError: it is of several kinds, or a folder of it holds no job.
        """
        paths = {one: path_of(one) for one in given}
        # A URL is a job's: it is asked for there, not here.
        folders = [path for path in paths.values() if isinstance(path, RemotePath) or path.is_dir()]
        files = [path for path in paths.values() if not isinstance(path, RemotePath) and path.is_file()]
        if files and len(given) > 1:
            raise BadInputError(
                f"The {role} is a saved baseline, {files[0]}, and something else.", "A saved baseline stands alone."
            )
        if folders and len(folders) < len(given):
            other = next(one for one in given if paths[one] not in folders)
            raise BadInputError(
                f"The {role} is both job folders and {other}, which is none.",
                "Give folders, or names of experiments, or one saved baseline.",
            )
        return cls(
            role, tuple(given), variant, tuple(find_jobs(folders)) if folders else (), files[0] if files else None
        )

    @property
    def name(self) -> str:
        """As it was given."""
        return ", ".join(self.given)


@dataclass(frozen=True, slots=True)
class Loaded:
    """One side, read, with what its saved view needs; a saved baseline has nothing of that."""

    side: GateSide
    trials: pd.DataFrame | None = None
    experiments: list[Experiment] = field(default_factory=list[Experiment])
    traces: dict[str, str] = field(default_factory=dict[str, str])


def load_file(source: Source, path: Path) -> Loaded:
    """A side that was saved as a file.

    Raises:
        BadInputError: it is none, or holds another variant than the one that was named.
    """
    side = read_baseline(path, source.role)
    if source.variant is not None and source.variant not in side.variant.name:
        raise BadInputError(
            f"The {source.role} {path} holds {side.variant.name}, and not {source.variant}.",
            f"Leave --{source.role}-variant out, or give another file.",
        )
    return Loaded(side)


class Reader:
    """Reads sides that are not saved baselines: of one project, from one Opik; what both share it reads once.

    Args:
        project: the project.
        grading: what decides whether a trial of a job folder passed.
        book: where prices are looked up.
        connection: to the Opik.
        bars: shows how far it is.
    """

    def __init__(self, project: str, grading: Grading, book: PriceBook, connection: Connection, bars: Bars) -> None:
        self._project = project
        self._grading = grading
        self._book = book
        self._connection = connection
        self._bars = bars
        self._read: dict[tuple[str, ...], tuple[Gathered, pd.DataFrame]] = {}

    def load(self, source: Source) -> Loaded:
        """A side from its jobs, which are stored in Opik first where they are not there yet, or from experiments.

        Raises:
            BadInputError: it cannot be read, holds several variants or none that was named, or no attempt counts.
            IncompleteError: Opik refuses, or does not answer.
        """
        if source.file is not None:
            return load_file(source, source.file)
        if source.given not in self._read:
            self._read[source.given] = self._gather(source)
        found, trials = self._read[source.given]
        own = one_variant(trials, source.role, source.name, source.variant)
        warnings = [f"{one.path}: {one.reason}" for one in found.skipped]
        side = side_of(own, source.role, source.name, warnings, is_open=any(one.is_open for one in found.skipped))
        side.check()
        return Loaded(side, trials[trials["variant"] == side.variant.name], found.experiments, found.traces)

    def _gather(self, source: Source) -> tuple[Gathered, pd.DataFrame]:
        store = OpikStore(self._connection, self._project)
        if source.jobs:
            found = gather_jobs(source.jobs, self._grading, self._book, store, self._bars)
        else:
            found = self._stored(source)
        standing = found.notes.standings()
        found.skipped.extend(without_source(standing))
        trials = found.notes.trials(standing)
        if source.jobs:
            save_scores(trials, found.experiments, store, found.written)
        return found, trials

    def _stored(self, source: Source) -> Gathered:
        try:
            return gather_stored(source.given, self._project, self._book, self._connection, self._bars)
        except BadInputError as error:
            raise BadInputError(
                f"The {source.role} {source.name} is no folder and no file. As an experiment: {error.what}",
                "Give a job's folder, the name of an experiment in Opik, or a saved baseline.",
            ) from error
