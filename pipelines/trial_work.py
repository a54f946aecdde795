"""What is done to each trial of a job: read, priced, judged by rules, made into rows; and stored, by workers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from adapter.costs import TrialCost
from adapter.jobs import Job
from adapter.prices import PriceBook
from adapter.status import Grading
from adapter.trial import Trial
from pipelines.cost import price_trial
from pipelines.judge import Judgement, judge_trial
from pipelines.notes import Noted, Wanted, noted
from pipelines.read import read_one, why_not
from pipelines.worker_upload import Sent, Target, send_new


@dataclass(frozen=True, slots=True)
class How:
    """How a job's trials are worked on.

    Attributes:
        job: without its trials.
        grading: what decides whether a trial passed.
        book: where prices are looked up.
        is_judged: whether the steps are judged.
        wanted: what is noted.
        target: where a trial with a result is sent; None where this process does not send it.
    """

    job: Job
    grading: Grading
    book: PriceBook
    is_judged: bool
    wanted: Wanted
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class Worked:
    """A trial and what was made of it; of one without a result nothing is. A sent one is without its steps."""

    trial: Trial
    cost: TrialCost | None = None
    judgement: Judgement | None = None
    noted: Noted | None = None
    sent: Sent | None = None


def work(how: How, folder: Path) -> Worked | str:
    """What becomes of one trial; the reason where it cannot be read. A stage of one trial: see `pipelines.engine`.

    Args:
        how: the same for all trials of a job.
        folder: the trial's.
    """
    trial = read_one(how.job, how.grading, folder)
    if isinstance(trial, str):
        return trial
    if why_not(trial) is not None:
        return Worked(trial)
    cost = price_trial(trial, how.book)
    judgement = judge_trial(trial) if how.is_judged else None
    found = noted(trial, cost, judgement, how.wanted)
    if how.target is None:
        return Worked(trial, cost, judgement, found)
    sent = send_new(trial, cost, judgement, how.job, folder, how.target)
    return Worked(replace(trial, steps=(), verifier_output=None, files=()), None, judgement, found, sent)
