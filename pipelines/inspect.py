"""`kilobench inspect`: what was read, trial by trial, with what the reader noticed.

Nothing is uploaded, judged or kept: one trial at a time is read, said in short, and let go.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from adapter.costs import TrialCost
from adapter.errors import ExitCode
from adapter.jobs import Job, find_jobs
from adapter.prices import BUNDLED, PriceBook
from adapter.status import BY_REWARD, Grading
from adapter.trial import Status, Trial
from pipelines.cost import price_trial
from pipelines.engine import IN_PROCESS, Engine
from pipelines.findings import FindingCounter
from pipelines.inspected import inspected
from pipelines.progress import Bars
from pipelines.read import Skipped, read_trials
from pipelines.regrades import Graded, standings
from pipelines.results import SkippedItem
from pipelines.reward_keys import RewardKeys
from pipelines.worker_reading import check_reading

_OPEN = (Status.RUNNING, Status.UNREADABLE)


@dataclass
class Inspection:
    """The trials of some jobs as they pass by, and what they come to together, which is complete at the end.

    Attributes:
        jobs: the jobs.
        grading: what decides whether a trial passed.
        book: where prices are looked up.
        trials: how many were read.
        cost_usd: what the trials whose cost is known cost together; None while there is none.
        cost_unknown: how many trials have an unknown cost.
        regrades: how many only grade another trial again: no money was newly spent on them, and none is unknown.
        findings: what the reader noticed, by code.
        skipped: what is not among the trials.
        is_open: whether a trial has no end yet, or could not be read.
        engine: what reads the trials.
    """

    jobs: list[Job]
    grading: Grading = BY_REWARD
    book: PriceBook = BUNDLED
    trials: int = 0
    cost_usd: float | None = None
    cost_unknown: int = 0
    regrades: int = 0
    findings: FindingCounter = field(default_factory=FindingCounter)
    skipped: list[Skipped] = field(default_factory=list[Skipped])
    is_open: bool = False
    engine: Engine = IN_PROCESS

    def __post_init__(self) -> None:
        self._reward_keys = RewardKeys(self.grading.key)
        self._steps: list[tuple[Graded, int]] = []

    @property
    def steps(self) -> int:
        """The ATIF steps of all trials; those of a regrade are its source's, and count once where that was read."""
        standing = standings(graded for graded, _ in self._steps)
        return sum(steps for graded, steps in self._steps if standing[graded.key].regrade_of is None)

    @classmethod
    def of(
        cls,
        paths: list[Path],
        grading: Grading = BY_REWARD,
        book: PriceBook = BUNDLED,
        engine: Engine = IN_PROCESS,
    ) -> Inspection:
        """The jobs at these paths, of which nothing was read yet.

        Raises:
            BadInputError: a path is no job and holds none, or the engine's workers cannot read it.
        """
        jobs = find_jobs(paths)
        check_reading(engine, jobs)
        return cls(jobs, grading, book, engine=engine)

    def read(self, bars: Bars) -> Iterator[tuple[Trial, TrialCost]]:
        """Every trial with its cost, one after the other; only the last one is held."""
        advance = bars.stage("Read", "trials", sum(len(job.trials) for job in self.jobs))
        for trial in read_trials(self.jobs, self.skipped, advance, self.grading, self.engine):
            cost = price_trial(trial, self.book)
            self._count(trial, cost)
            yield trial, cost

    def _count(self, trial: Trial, cost: TrialCost) -> None:
        self.trials += 1
        self._steps.append((Graded.of(trial), len(trial.steps)))
        if trial.source_trial_id is not None:
            self.regrades += 1
        elif cost.usd is None:
            self.cost_unknown += 1
        else:
            self.cost_usd = (self.cost_usd or 0.0) + cost.usd
        self.findings.add(trial)
        self.is_open = self.is_open or trial.status in _OPEN
        self._reward_keys.add(trial)

    def finish(self) -> ExitCode:
        """Whether something is left to do, once all was read.

        Raises:
            BadInputError: no trial has the reward that was to decide, and some have others.
        """
        self._reward_keys.check()
        is_open = self.is_open or any(one.is_open for one in self.skipped)
        return ExitCode.INCOMPLETE if is_open else ExitCode.DONE


def write_json(inspection: Inspection, bars: Bars, out: TextIO) -> None:
    """Writes `InspectResult` as one JSON object, each trial as soon as it was read: none is kept.

    Only ASCII is written: what a trial's names and messages hold cannot move a terminal's cursor, nor be lost where
    the terminal cannot show it.
    """
    with bars.showing():
        out.write('{"trials": [')
        for number, (trial, cost) in enumerate(inspection.read(bars)):
            out.write(",\n" if number else "\n")
            out.write(json.dumps(inspected(trial, cost).model_dump(mode="json")))
        skipped = [SkippedItem(path=one.path, reason=one.reason).model_dump() for one in inspection.skipped]
        out.write(f'],\n"skipped": {json.dumps(skipped)}}}\n')
    out.flush()
