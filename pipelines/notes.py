"""What a run keeps of each trial once it is forgotten: its rows in the tables, its grade, and what is counted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

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
from views.tables import ACTIONS, CALLS, CRITERIA, STEPS, Parts

_SHARES = frozenset(f"{name}_flagged" for name in CRITERIA)
_SCHEMAS = {"steps": STEPS, "calls": CALLS, "actions": ACTIONS}

DETAILS = tuple(_SCHEMAS)
"""The tables of what is below a trial."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is noted of each trial.

    Attributes:
        details: which of `DETAILS`.
        categories: what decides a task's category.
    """

    details: tuple[str, ...] = ()
    categories: Categories = field(default_factory=Categories)


@dataclass(frozen=True, slots=True)
class Noted:
    """A trial's row, and its rows in the tables of `DETAILS` that are wanted."""

    row: TableRow
    details: Mapping[str, list[TableRow]]


def noted(
    trial: Trial, cost: TrialCost, judged: Judged | None, wanted: Wanted, spent: Attribution | None = None
) -> Noted:
    """What is noted of a trial. A stage of one trial: see `pipelines.engine`.

    Args:
        trial: the trial.
        cost: what it cost.
        judged: what is said of its steps; None when it was not judged.
        wanted: what is noted.
        spent: where its money went, where that is at hand; it is found out where details are wanted.
    """
    if spent is None and wanted.details:
        spent = attribute(trial, cost, wasted=wasted(trial, judged))
    row = trial_row(trial, cost, judged, spent, wanted.categories.of(trial))
    if spent is None:
        return Noted(row, {})
    rows = {
        "steps": lambda: step_rows(trial, spent, judged),
        "calls": lambda: call_rows(trial, spent),
        "actions": lambda: action_rows(trial),
    }
    return Noted(row, {name: list(rows[name]()) for name in wanted.details})


class Notes:
    """Grows by a few short values per trial, whatever their texts are like; rows of what is below it go to disk.

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
        self._details = Parts({name: schema for name, schema in _SCHEMAS.items() if name in details})

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
        self.take(trial, judged, noted(trial, cost, judged, self.wanted, spent))

    @property
    def wanted(self) -> Wanted:
        """What is noted of each trial."""
        return Wanted(self._details.names, self._categories)

    def take(self, trial: Trial, judged: Judged | None, found: Noted) -> None:
        """Takes what was noted of a trial, wherever that was.

        Args:
            trial: the trial.
            judged: what is said of its steps; None when it was not judged.
            found: its rows.
        """
        self._rows.append(found.row)
        self._grades.append(Graded.of(trial))
        self.findings.add(trial)
        self.reward_keys.add(trial)
        if judged is not None:
            self.verdicts.add(judged.verdicts)
        self._details.add(found.details)

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

    def standings(self) -> dict[str, Standing]:
        """How each trial counts, by its key, once all were noted."""
        return standings(self._grades)

    def trials(self, standing: dict[str, Standing]) -> pd.DataFrame:
        """The table of trials."""
        return trials_table(self._rows, standing)

    def details(self) -> Parts:
        """The tables of `DETAILS` that were wanted."""
        return self._details
