"""What a run keeps of each trial once it is forgotten: its rows in the tables, its grade, and what is counted."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd

from adapter.costs import TrialCost
from adapter.opik_stored import Stored
from adapter.trial import Trial
from pipelines.action_rows import action_rows
from pipelines.categories import Categories
from pipelines.cost import attribute
from pipelines.cost.attribution import Attribution
from pipelines.findings import FindingCounter
from pipelines.judge import shares_by_models
from pipelines.judged import Judged, wasted
from pipelines.regrades import Graded, Standing, standing_key, standings
from pipelines.reward_keys import RewardKeys
from pipelines.tables import TableRow, call_rows, flags, step_rows, trial_row, trials_table
from pipelines.verdicts import VerdictCounter
from views.tables import ACTIONS, CALLS, CRITERIA, STEPS, Columns

_SHARES = frozenset(f"{name}_flagged" for name in CRITERIA)
_SCHEMAS = {"steps": STEPS, "calls": CALLS, "actions": ACTIONS}

DETAILS = tuple(_SCHEMAS)
"""The tables of what is below a trial."""


class Notes:
    """Grows by a few short values per trial, and per row of the tables that are wanted, whatever their texts are like.

    Attributes:
        findings: counted by code.
        verdicts: counted by criterion, category and judge.
        reward_keys: the rewards that are there.

    Args:
        details: which of `DETAILS` are wanted.
        reward: the reward that decides whether a trial passed; None for Harbor's own choice.
        categories: what decides a task's category.
    """

    def __init__(
        self, *, details: Collection[str] = (), reward: str | None = None, categories: Categories | None = None
    ) -> None:
        self.reward_keys = RewardKeys(reward)
        self.findings = FindingCounter()
        self.verdicts = VerdictCounter()
        self._categories = categories or Categories()
        self._rows: list[TableRow] = []
        self._grades: list[Graded] = []
        self._details = {name: Columns(schema) for name, schema in _SCHEMAS.items() if name in details}

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(self, trial: Trial, cost: TrialCost, judged: Judged | None, spent: Attribution | None = None) -> None:
        """Notes what is needed of a trial.

        Args:
            trial: the trial.
            cost: what it cost.
            judged: what is said of its steps; None when it was not judged.
            spent: where its money went, where that is at hand; it is found out where details are wanted.
        """
        if spent is None and self._details:
            spent = attribute(trial, cost, wasted=wasted(trial, judged))
        self._rows.append(trial_row(trial, cost, judged, spent, self._categories.of(trial)))
        self._grades.append(Graded.of(trial))
        self.findings.add(trial)
        self.reward_keys.add(trial)
        if judged is not None:
            self.verdicts.add(judged.verdicts)
        if spent is not None:
            self._add_details(trial, spent, judged)

    def take_shares(self, traces: Mapping[str, Stored]) -> None:
        """Takes what models said of stored trials in place of what rules say: it is what Opik shows.

        Args:
            traces: by the trial's key.
        """
        for row in self._rows:
            trace = traces.get(standing_key(row["job_id"], row["trial_id"]))
            if trace is not None:
                said = shares_by_models(trace)
                shares = {name: value for name, (value, _) in said.items() if name in _SHARES}
                row.update(flags(shares, {name: said[name][1] for name in shares}))

    def _add_details(self, trial: Trial, spent: Attribution, judged: Judged | None) -> None:
        rows = {
            "steps": lambda: step_rows(trial, spent, judged),
            "calls": lambda: call_rows(trial, spent),
            "actions": lambda: action_rows(trial),
        }
        for name, columns in self._details.items():
            for row in rows[name]():
                columns.add(row)

    def standings(self) -> dict[str, Standing]:
        """How each trial counts, by its key, once all were noted."""
        return standings(self._grades)

    def trials(self, standing: dict[str, Standing]) -> pd.DataFrame:
        """The table of trials."""
        return trials_table(self._rows, standing)

    def details(self) -> dict[str, pd.DataFrame]:
        """The tables of `DETAILS` that were wanted, by name."""
        return {name: columns.frame() for name, columns in self._details.items()}
