"""New trials are sent to Opik by the workers that read them; what this process has to know of each comes back.

A worker that dies over a trial leaves what it has sent: the trial is sent again by another, under the same ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from adapter.costs import TrialCost
from adapter.errors import BadInputError, UnreadableError
from adapter.jobs import Job
from adapter.opik_attachments import attach
from adapter.opik_reach import Reach, store_at, why_out_of_reach
from adapter.opik_rows import trace_of
from adapter.opik_store import OpikStore
from adapter.trial import Trial
from adapter.trial_attachments import trajectory_attachment
from pipelines.engine import Engine
from pipelines.experiments import Asked, Member, member_of
from pipelines.judge import Judgement
from pipelines.scores import KeyedScore, trial_scores
from pipelines.sending import OnItsWay, Sender
from pipelines.written import Written


@dataclass(frozen=True, slots=True)
class Target:
    """Where workers send new trials.

    Attributes:
        reach: the project.
        at: the time of this run, for the ids of what is new: a trial that is sent twice has the same twice.
    """

    reach: Reach
    at: datetime


@dataclass(frozen=True, slots=True)
class Sent:
    """A trial that a worker has sent.

    Attributes:
        on_its_way: its rows.
        member: what its experiment needs to know of it, with what it was asked.
        scores: its own, which are sent, too.
        written: what was written.
        refused: what Opik does not take, with the reasons.
        left_out: of its files, those that are not attached to its trace, with the reasons.
    """

    on_its_way: OnItsWay
    member: tuple[Member, Asked]
    scores: tuple[KeyedScore, ...]
    written: Written
    refused: dict[str, str]
    left_out: tuple[str, ...]


def check_reach(engine: Engine, store: OpikStore) -> None:
    """To be asked before any work: whether the workers can store anything.

    Raises:
        BadInputError: one of them does not reach the store.
    """
    reach = Reach.of(store)
    for worker, why in engine.ask_workers(partial(why_out_of_reach, reach)).items():
        if why is not None:
            raise BadInputError(
                f"The worker {worker} does not reach the Opik at {reach.shown}: {why}.",
                "Give --opik the address of one that all workers reach, and them its key; or use --engine local.",
            )


def send_new(trial: Trial, cost: TrialCost, judgement: Judgement | None, job: Job, folder: Path, to: Target) -> Sent:
    """Sends a trial of which nothing is stored, with its files and scores.

    Args:
        trial: the trial.
        cost: what it cost.
        judgement: what is said of its steps; None where it is not judged.
        job: its job.
        folder: its folder.
        to: where to.

    Raises:
        IncompleteError: Opik refuses, or does not answer.
    """
    store, written, left_out = store_at(to.reach), Written(), list[str]()
    store.refused.clear()

    def files(trial: Trial, trace_id: str) -> list[str]:
        names, reasons = attach_files(trial, job, folder, trace_id, store)
        left_out.extend(reasons)
        return names

    sender = Sender(store, written, to.at, files)
    sent = sender.send(trial, cost, {}, {})
    sender.flush()
    scores = tuple(trial_scores(trial, cost))
    on_trace = [*scores, *(() if judgement is None else judgement.on_trace)]
    on_spans = [] if judgement is None else list(judgement.on_spans)
    for wanted, put in ((on_trace, store.score_traces), (on_spans, store.score_spans)):
        taken = [one for one in wanted if one.key not in store.refused and trace_of(one.key) not in store.refused]
        put([one.on(sent.ids[one.key]) for one in taken])
        written.scores += len(taken)
    return Sent(sent, member_of(trial), scores, written, dict(store.refused), tuple(left_out))


def attach_files(trial: Trial, job: Job, folder: Path, trace_id: str, store: OpikStore) -> tuple[list[str], list[str]]:
    """Puts a trial's trajectory files at its trace.

    Returns:
        The names of those that cannot be, and why, each in words.
    """
    names: list[str] = []
    reasons: list[str] = []
    for file in trial.files:
        try:
            attachment = trajectory_attachment(folder.parent if job.is_bare else folder, file)
            reason = attach(store.rest, store.project, trace_id, attachment)
        except UnreadableError as error:
            reason = str(error)
        if reason is not None:
            reasons.append(f"Its file {file.path} ({file.size} bytes) is not attached to its trace: {reason}")
            names.append(file.path)
    return names, reasons
