"""The trials that are to be judged, from job folders or from Opik, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from adapter.errors import UnreadableError
from adapter.jobs import Job
from adapter.opik_connection import Connection
from adapter.opik_read import FoundExperiment, FoundTrial, OpikReader
from adapter.opik_rows import step_key, trial_key
from adapter.opik_store import Stored
from adapter.status import Grading
from adapter.trial import Trial
from pipelines.engine import IN_PROCESS, Engine
from pipelines.judge_request import Which
from pipelines.progress import Advance
from pipelines.read import Skipped, read_trials


@dataclass(frozen=True, slots=True)
class ToJudge:
    """A trial that is to be judged.

    Attributes:
        trial: the record.
        project: the project in Opik that it is in; None where it was read from a job folder.
        trace: its stored trace, by the trial's key; empty where it is not stored.
        spans: the stored spans of its agent steps, by the step's key.
    """

    trial: Trial
    project: str | None = None
    trace: dict[str, Stored] = field(default_factory=dict[str, Stored])
    spans: dict[str, Stored] = field(default_factory=dict[str, Stored])

    @property
    def trace_id(self) -> str | None:
        """The id of its trace; None where it is not stored."""
        return next((one.id for one in self.trace.values()), None)

    @property
    def span_ids(self) -> dict[int, str]:
        """The ids of its steps' spans, by the step's number."""
        numbers = {step_key(self.trial, step.number): step.number for step in self.trial.agent_steps}
        return {numbers[key]: row.id for key, row in self.spans.items() if key in numbers}


class FromJobs:
    """The trials of job folders.

    Args:
        jobs: the folders.
        grading: what decides whether a trial passed.
        engine: what reads them.

    Attributes:
        skipped: what could not be read.
    """

    def __init__(self, jobs: list[Job], grading: Grading, engine: Engine = IN_PROCESS) -> None:
        self._jobs = jobs
        self._grading = grading
        self._engine = engine
        self.skipped: list[Skipped] = []

    def trials(self, advance: Advance) -> Iterator[ToJudge]:
        """Reads them; it may be called again."""
        self.skipped.clear()
        trials = read_trials(self._jobs, self.skipped, advance, self._grading, self._engine)
        return (ToJudge(trial) for trial in trials)

    @property
    def total(self) -> int | None:
        """How many there are."""
        return sum(len(job.trials) for job in self._jobs)


class FromOpik:
    """Trials that are stored.

    Args:
        which: the traces.
        connection: to the Opik that holds them.

    Attributes:
        experiments: those that were named.
        skipped: what is no trial, or could not be read.

    Raises:
        BadInputError: there is no such experiment.
        IncompleteError: Opik refuses, or does not answer.
    """

    def __init__(self, which: Which, connection: Connection) -> None:
        self._which = which
        self._reader = OpikReader(connection)
        self.experiments: list[FoundExperiment] = [
            one for name in which.experiments for one in self._reader.experiments(name)
        ]
        self.skipped: list[Skipped] = []

    def trials(self, advance: Advance) -> Iterator[ToJudge]:
        """Reads them; what is no trial is named. It may be called again."""
        self.skipped.clear()
        seen: dict[str, str] = {}
        # A project may hold other traces than trials; of those that were named, each was meant.
        is_open = self._which.project is None
        for trace_id in self._ids():
            try:
                found: FoundTrial | str = self._reader.trial(trace_id)
            except UnreadableError as error:
                found = str(error)
            if not isinstance(found, str):
                twin = seen.setdefault(trial_key(found.trial), trace_id)
                if twin == trace_id:
                    yield ToJudge(found.trial, found.project, found.trace, found.spans)
                else:
                    found = f"Its trial is in Opik twice, also as trace {twin}: upload its job again."
            if isinstance(found, str):
                self.skipped.append(Skipped(f"trace {trace_id}", found, is_open=is_open))
            advance(1)

    @property
    def total(self) -> int | None:
        """Not known beforehand."""
        return None

    def _ids(self) -> Iterable[str]:
        which = self._which
        if which.project is not None:
            # Opik names a trace once for each experiment that it is in.
            return dict.fromkeys(self._reader.of_project(which.project, which.oql))
        listed = [one for found in self.experiments for one in self._reader.of_experiment(found)]
        return dict.fromkeys(which.traces or listed)
