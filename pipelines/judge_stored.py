"""`kilobench judge`: trials that Opik holds are read from it and judged, with no job folder on the machine."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from adapter.errors import BadInputError, ExitCode, UnreadableError
from adapter.loose import text
from adapter.opik_connection import Connection, connect
from adapter.opik_read import FoundExperiment, FoundTrial, OpikReader
from adapter.opik_rows import KEY, trial_key
from adapter.opik_store import OpikStore, Stored
from adapter.trial import Object
from judges.verdict import Verdict
from pipelines.alone import alone
from pipelines.inspected import InspectedFinding
from pipelines.judge import Judgement, judge_trial, store_verdicts
from pipelines.progress import Advance, Bars
from pipelines.prompt_library import PROMPTS, named, store_prompts
from pipelines.results import SkippedItem
from pipelines.stored_results import JudgedTrial, JudgeResult
from pipelines.verdicts import VerdictCounter
from pipelines.written import Written

TOGETHER = 20
"""Trials whose scores are written at a time: what is written of them is not judged again after a stop."""


@dataclass(frozen=True, slots=True)
class Which:
    """Which stored traces: of experiments, or of a project, or by their ids.

    Attributes:
        experiments: names of experiments.
        project: the name of a project.
        oql: a filter on the project's traces, in Opik's query language.
        traces: ids of traces.
    """

    experiments: tuple[str, ...] = ()
    project: str | None = None
    oql: str | None = None
    traces: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises `BadInputError` unless exactly one kind is named."""
        if sum(map(bool, (self.experiments, self.project, self.traces))) != 1:
            raise BadInputError(
                "What is to be judged is not clear.", "Give one of --experiment NAME, --project NAME and --trace ID."
            )
        if self.oql is not None and self.project is None:
            raise BadInputError("--filter goes with --project.", "Name the project whose traces it filters.")


@dataclass(slots=True)
class _Judged:
    """What a run came to so far."""

    trials: list[JudgedTrial] = field(default_factory=list[JudgedTrial])
    verdicts: list[Verdict] = field(default_factory=list[Verdict])
    counts: VerdictCounter = field(default_factory=VerdictCounter)
    skipped: list[SkippedItem] = field(default_factory=list[SkippedItem])
    written: int = 0
    is_incomplete: bool = False

    def add(self, found: FoundTrial, judgement: Judgement) -> None:
        trial = found.trial
        self.trials.append(
            JudgedTrial(
                trial=trial.name,
                trace_id=next(iter(found.trace.values())).id,
                project=found.project,
                status=trial.status.value,
                agent_steps=len(trial.agent_steps),
                flagged=judgement.shares,
                findings=tuple(
                    InspectedFinding(code=one.code, severity=one.severity, step=one.step, message=one.message)
                    for one in trial.findings
                ),
            )
        )
        self.verdicts.extend(judgement.verdicts)
        self.counts.add(judgement.verdicts)

    def skip_refused(self, store: OpikStore) -> None:
        """Names what Opik did not take."""
        self.skipped += [SkippedItem(path=what, reason=reason) for what, reason in store.refused.items()]
        self.is_incomplete = self.is_incomplete or bool(store.refused)
        store.refused.clear()


def judge_stored(which: Which, opik: str | None, bars: Bars) -> JudgeResult:
    """Judges stored traces, and writes the verdicts as feedback scores where they are.

    Args:
        which: the traces.
        opik: `embedded`, the address of an Opik, or None for the configured one.
        bars: shows how far it is.

    Raises:
        BadInputError: what was given cannot be used, or nothing of it is a trial.
        IncompleteError: Opik does not answer or refuses; the same command takes it up again.
    """
    which.check()
    with connect(opik, which.project or "kilobench") as connection, alone(connection.address), bars.showing():
        reader = OpikReader(connection)
        done = _Judged()
        experiments = [one for name in which.experiments for one in reader.experiments(name)]
        ids = _ids(which, experiments, reader)
        _judge(ids, reader, connection, done, bars.stage("Judge", "traces", None))
        if not done.trials:
            reasons = "; ".join(f"{one.path}: {one.reason}" for one in done.skipped[:3]) or "no trace matches"
            raise BadInputError(f"No stored trial was found: {reasons}.", "Name others, or upload the job first.")
        _name_prompts(experiments, connection, done)
        # A project may hold other traces than trials; of those that were named, each was meant.
        is_open = done.is_incomplete or (bool(done.skipped) and which.project is None)
        return JudgeResult(
            opik=connection.address,
            embedded=connection.is_embedded,
            trials=tuple(done.trials),
            verdicts=tuple(done.verdicts),
            counts=tuple(done.counts.counts()),
            scores_written=done.written,
            skipped=tuple(done.skipped),
            exit_code=ExitCode.INCOMPLETE if is_open else ExitCode.DONE,
        )


def _ids(which: Which, experiments: Sequence[FoundExperiment], reader: OpikReader) -> Iterable[str]:
    if which.project is not None:
        # Opik names a trace once for each experiment that it is in.
        return dict.fromkeys(reader.of_project(which.project, which.oql))
    return dict.fromkeys(which.traces or [one for found in experiments for one in reader.of_experiment(found)])


def _name_prompts(experiments: Sequence[FoundExperiment], connection: Connection, done: _Judged) -> None:
    """Says in the configuration of experiments that kilobench made what they were judged by now."""
    for one in experiments:
        project = text(one.metadata.get("project"))
        if KEY not in one.metadata or project is None:
            continue
        store = OpikStore(connection, project)
        prompts = named(store_prompts(store, Written()))
        if one.metadata.get(PROMPTS) != prompts:
            configuration: Object = {**one.metadata, PROMPTS: prompts}
            store.update_experiment(one.id, configuration)
        done.skip_refused(store)


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be written of one trial, and where: its project, its trace and its spans by key."""

    project: str
    traces: dict[str, Stored]
    spans: dict[str, Stored]
    judgement: Judgement


def _judge(ids: Iterable[str], reader: OpikReader, connection: Connection, done: _Judged, advance: Advance) -> None:
    stores: dict[str, OpikStore] = {}
    for some in itertools.batched(_read(ids, reader, done, advance), TOGETHER):
        for project in sorted({one.project for one in some}):
            if project not in stores:
                stores[project] = OpikStore(connection, project)
            store = stores[project]
            of_project = [one for one in some if one.project == project]
            done.written += store_verdicts(
                [one.judgement for one in of_project],
                {key: row for one in of_project for key, row in one.traces.items()},
                {key: row for one in of_project for key, row in one.spans.items()},
                store,
            )
            done.skip_refused(store)


def _read(ids: Iterable[str], reader: OpikReader, done: _Judged, advance: Advance) -> Iterator[_Work]:
    """What is to be written of each trial; what is no trial is named. Of a trial itself nothing is held."""
    seen: dict[str, str] = {}
    for trace_id in ids:
        try:
            found = reader.trial(trace_id)
        except UnreadableError as error:
            done.skipped.append(SkippedItem(path=f"trace {trace_id}", reason=str(error)))
            advance(1)
            continue
        twin = seen.setdefault(trial_key(found.trial), trace_id)
        if twin != trace_id:
            reason = f"Its trial is in Opik twice, also as trace {twin}: upload its job again."
            done.skipped.append(SkippedItem(path=f"trace {trace_id}", reason=reason))
        else:
            judgement = judge_trial(found.trial)
            done.add(found, judgement)
            yield _Work(found.project, found.trace, found.spans, judgement)
        advance(1)
