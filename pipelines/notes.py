"""What a run keeps of each trial once it is forgotten: its rows in the tables, its grade, and what is counted."""

from __future__ import annotations

import pandas as pd

from adapter.costs import TrialCost
from adapter.trial import Trial
from pipelines.findings import FindingCounter
from pipelines.judge import Judgement
from pipelines.regrades import Graded, Standing, standings
from pipelines.reward_keys import RewardKeys
from pipelines.tables import TableRow, step_rows, trial_row, trials_table
from pipelines.verdicts import VerdictCounter
from views.tables import STEPS, Columns


class Notes:
    """Grows by a few short values per trial and step, whatever their texts are like.

    Attributes:
        findings: counted by code.
        verdicts: counted by criterion, category and judge.
        reward_keys: the rewards that are there.

    Args:
        with_steps: whether the table of steps is wanted.
        reward: the reward that decides whether a trial passed; None for Harbor's own choice.
    """

    def __init__(self, *, with_steps: bool, reward: str | None = None) -> None:
        self.reward_keys = RewardKeys(reward)
        self.findings = FindingCounter()
        self.verdicts = VerdictCounter()
        self._rows: list[TableRow] = []
        self._grades: list[Graded] = []
        self._with_steps = with_steps
        self._steps = Columns(STEPS)

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(self, trial: Trial, cost: TrialCost, judgement: Judgement | None) -> None:
        """Notes what is needed of a trial.

        Args:
            trial: the trial.
            cost: what it cost.
            judgement: what is said of its steps; None when it was not judged.
        """
        self._rows.append(trial_row(trial, cost, judgement))
        self._grades.append(Graded.of(trial))
        self.findings.add(trial)
        self.reward_keys.add(trial)
        if judgement is not None:
            self.verdicts.add(judgement.verdicts)
        if self._with_steps:
            for row in step_rows(trial, cost, judgement):
                self._steps.add(row)

    def standings(self) -> dict[str, Standing]:
        """How each trial counts, by its key, once all were noted."""
        return standings(self._grades)

    def trials(self, standing: dict[str, Standing]) -> pd.DataFrame:
        """The table of trials."""
        return trials_table(self._rows, standing)

    def steps(self) -> pd.DataFrame:
        """The table of steps; empty where it was not wanted."""
        return self._steps.frame()
