"""The live traces of a job that ran under `opik harbor run`: each becomes its trial's trace, or makes way for it.

A trial whose live trace was noted keeps it: our rows replace it under its own id and go below it. A live trace that
holds partial spans of steps cannot lose them, so that it is removed once its trial is stored as a whole. Nothing of a
live run is removed before that, and a run that is stopped in between is completed by the next one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from adapter.errors import BadInputError
from adapter.jobs import Job
from adapter.live_traces import NotedTrace, read_notes
from adapter.opik_live import LiveTrace, find_live_experiments, find_live_traces
from adapter.opik_rows import trial_key
from adapter.opik_store import OpikStore
from adapter.trial import Trial
from pipelines.read import Skipped
from pipelines.scores import is_trial_score
from pipelines.upload import Uploaded

DEFAULT_PROJECT = "kilobench"
NEAR = timedelta(seconds=5)
"""A live trace starts moments before its trial, by the same clock."""
_ANY_ZONE = timedelta(hours=15)
"""How far a time without a zone may be from the same one in UTC, and some."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What tells a trial from others, with the rewards that the live integration scored under their bare names."""

    key: str
    trial_id: str
    trial: str
    started_at: datetime | None
    rewards: Mapping[str, float]

    @classmethod
    def of(cls, trial: Trial) -> Tried:
        """What is needed of a trial."""
        return cls(trial_key(trial), trial.trial_id, trial.trial, trial.time.started_at, dict(trial.rewards))


@dataclass(slots=True)
class Sorted:
    """What becomes of live traces, by id.

    Attributes:
        replaced: of trials that are stored as a whole.
        thrown_away: of attempts that Harbor threw away, with all that they had done.
        unclear: of none of the trials for certain; they stay. Each with the name of its trial.
    """

    replaced: list[str] = field(default_factory=list[str])
    thrown_away: list[str] = field(default_factory=list[str])
    unclear: dict[str, str] = field(default_factory=dict[str, str])


def sort_out(
    live: Iterable[LiveTrace],
    trials: Sequence[Tried],
    noted: Mapping[str, NotedTrace],
    folders: AbstractSet[str],
    *,
    has_retries: bool,
    is_complete: bool,
) -> Sorted:
    """Whose each live trace is.

    Args:
        live: those that were not made into a trial's own trace; traces of other jobs may be among them.
        trials: the job's trials that are stored.
        noted: what was noted when the job ran, by trace id.
        folders: the names of all trials that the job has, also of those that could not be read.
        has_retries: whether Harbor tried some trials again, under the same name.
        is_complete: whether the job has ended with all its trials: what was noted of another was thrown away. Else its
            folder may only be missing.
    """
    found, waiting = Sorted(), defaultdict[str, list[LiveTrace]](list)
    ids = {one.trial_id for one in trials}
    named = {one.trial: one for one in trials}
    for trace in live:
        if trace.id not in noted:
            waiting[trace.trial].append(trace)
        elif noted[trace.id].trial_id in ids:
            found.replaced.append(trace.id)
        elif trace.trial in named or (is_complete and trace.trial not in folders):
            found.thrown_away.append(trace.id)
        else:
            found.unclear[trace.id] = trace.trial
    for name in waiting.keys() & named.keys():
        _sort_out(waiting[name], named[name], found, has_retries=has_retries)
    return found


def _sort_out(traces: Sequence[LiveTrace], trial: Tried, found: Sorted, *, has_retries: bool) -> None:
    """Sorts traces of one trial's name that nothing is noted of: by when they started."""
    started_at = trial.started_at
    if started_at is None:
        found.unclear |= {trace.id: trace.trial for trace in traces}
        return
    nearest = min(traces, key=lambda trace: abs(trace.start_time - started_at))
    for trace in traces:
        if trace is nearest and abs(trace.start_time - started_at) <= NEAR:
            found.replaced.append(trace.id)
        elif has_retries and trace.start_time < started_at:
            found.thrown_away.append(trace.id)
        else:
            found.unclear[trace.id] = trace.trial


def project_of(jobs: Sequence[Job], asked: str | None) -> str:
    """The project that jobs go into: the one that was asked for, else that of their live traces, else the default.

    Raises:
        BadInputError: their live traces are in several, and none was asked for.
    """
    return asked if asked is not None else noted_project(jobs) or DEFAULT_PROJECT


def noted_project(jobs: Sequence[Job]) -> str | None:
    """The project that holds the jobs' live traces, as noted when they ran; None where nothing is noted.

    Raises:
        BadInputError: they are in several.
    """
    projects = {one.project: job.name for job in jobs for one in read_notes(job.path)}
    if len(projects) > 1:
        named = ", ".join(f"{project} ({job})" for project, job in sorted(projects.items()))
        raise BadInputError(
            f"The live traces of these jobs are in several projects: {named}.",
            "Give the jobs of one project at a time, or choose a project with --project.",
        )
    return next(iter(projects), None)


class LiveJob:
    """The live traces of one job; of most jobs there are none.

    Args:
        job: the job.
        store: the project that it is uploaded into.
    """

    def __init__(self, job: Job, store: OpikStore) -> None:
        self._job = job
        self._store = store
        notes = read_notes(job.path)
        self._elsewhere = {one.project for one in notes if not self._is_here(one.project)}
        self._noted = {one.trace_id: one for one in notes if self._is_here(one.project)}
        self._by_trial = {one.trial_id: one.trace_id for one in self._noted.values()}
        self._live = {one.id: one for one in find_live_traces(store, *_about(job))}
        self._trials: list[Tried] = []

    @property
    def has_traces(self) -> bool:
        """Whether Opik holds traces that a live run may have left."""
        return bool(self._live)

    def keep(self, trial: Trial) -> str | None:
        """The id of the live trace that becomes this trial's own; None where there is none that can."""
        self._trials.append(Tried.of(trial))
        trace = self._live.get(self._by_trial.get(trial.trial_id, ""))
        return None if trace is None or trace.has_steps or trace.trial != trial.trial else trace.id

    def finish(self, uploaded: Uploaded) -> list[Skipped]:
        """Removes what the live run left, now that all trials are stored.

        Args:
            uploaded: what is stored now; its count of what was written grows.

        Returns:
            What there is to say of live traces: those that stay, those of attempts that Harbor threw away.
        """
        trials = [one for one in self._trials if one.key in uploaded.traces]  # Opik may refuse one.
        if not trials:
            return []
        folders = {folder.name for folder in self._job.trials}
        stored = {one.id for one in uploaded.traces.values()}
        rest = [one for one in self._live.values() if one.id not in stored]
        found = sort_out(
            rest,
            trials,
            self._noted,
            folders,
            has_retries=self._job.n_retries > 0,
            is_complete=self._job.is_finished and len(folders) >= (self._job.expected_trials or 0),
        )
        said = self._remove_experiments(uploaded, stored, found)
        said += [
            self._said(f"Its live traces are in the project {name}, and stay there. --project chooses it.")
            for name in sorted(self._elsewhere)
        ]
        self._remove_scores(trials, uploaded)
        self._store.delete_traces([*found.replaced, *found.thrown_away])
        if found.thrown_away:
            number = len(found.thrown_away)
            said.append(self._said(f"{number} live trace(s) of attempts that Harbor threw away were removed."))
        if found.unclear:
            which = ", ".join(f"{trial} ({trace})" for trace, trial in list(found.unclear.items())[:3])
            number = len(found.unclear)
            said.append(self._said(f"{number} live trace(s) match no trial that is stored, and stay: {which}."))
        return said

    def _is_here(self, project: str) -> bool:
        """Whether it is the project that is uploaded into; Opik takes no notice of case."""
        return project.lower() == self._store.project.lower()

    def _said(self, reason: str) -> Skipped:
        return Skipped(self._job.name, reason, is_open=False)

    def _remove_experiments(self, uploaded: Uploaded, stored: AbstractSet[str], found: Sorted) -> list[Skipped]:
        """Removes the job's live experiments, which hold all of its variants as one; those that stay are named."""
        sorted_out = {*found.replaced, *found.thrown_away, *found.unclear}
        ours = stored | self._noted.keys() | sorted_out
        said: list[Skipped] = []
        for one in find_live_experiments(self._store, self._job.id):
            if one.traces and not one.traces & ours:
                if one.project is not None and not self._is_here(one.project):
                    self._elsewhere.add(one.project)
                else:
                    said.append(self._said(f"The live experiment {one.name} holds none of its traces, and stays."))
                continue
            self._store.delete_experiment(one.id)
            uploaded.written.experiments += 1
            others = (one.traces & self._live.keys()) - ours
            found.unclear |= {trace: self._live[trace].trial for trace in others}
        return said

    def _remove_scores(self, trials: Sequence[Tried], uploaded: Uploaded) -> None:
        """Removes the rewards that the integration scored on kept traces under names that are not ours."""
        for trial in trials:
            trace = uploaded.traces[trial.key]
            if trace.id != self._by_trial.get(trial.trial_id):
                continue
            for name, value in trial.rewards.items():
                given = trace.scores.get(name, ())
                live = next((one for one in given if one.value == value and one.reason is None), None)
                if live is not None and not is_trial_score(live):
                    self._store.delete_trace_score(live)
                    uploaded.written.scores += 1


def _about(job: Job) -> tuple[datetime | None, datetime | None]:
    """From when to when a job's trials may have started: its own times have no zone."""
    start, end = (at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at for at in job.local_time)
    return _moved(start, -_ANY_ZONE), _moved(end, _ANY_ZONE)


def _moved(at: datetime | None, by: timedelta) -> datetime | None:
    try:
        return None if at is None else at + by
    except OverflowError:  # the beginning or the end of all time
        return None
