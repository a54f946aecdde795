"""What `kilobench cost` reads: one trial at a time is read, priced and followed through its calls, and let go.

What is to be said of many trials together is noted (`pipelines.notes`), and only if it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from adapter.costs import TrialCost
from adapter.errors import ExitCode
from adapter.prices import BUNDLED, PriceBook
from adapter.status import BY_REWARD, Grading
from adapter.trial import Trial
from pipelines.categories import load_categories
from pipelines.cost import attribute
from pipelines.cost.attribution import Attribution
from pipelines.cost_results import CostTotals, Ending, Unpriced
from pipelines.costed import Costed
from pipelines.engine import IN_PROCESS, Engine
from pipelines.inspect import Inspection
from pipelines.judged import Judged, judged, wasted
from pipelines.progress import Bars
from pipelines.read import Skipped, why_not
from pipelines.results import SkippedItem

if TYPE_CHECKING:
    from pipelines.notes import Notes

type By = Literal["step", "call", "trial", "variant", "task-category"]


@dataclass(frozen=True, slots=True)
class Request:
    """What `kilobench cost` was asked.

    Attributes:
        paths: job folders, or folders of them.
        by: what has a row.
        grading: what decides whether a trial passed.
        book: where prices are looked up.
        categories: the file that says which kind of work each task is; None for the tasks' own metadata.
        baseline: the variant that the others are compared with; None for the one with the highest pass rate.
        tables: folder for the Parquet tables; None for none.
        export: the form in which the variants' results are printed instead; None for ours.
        judge: whether to judge the steps, for what was wasted.
        json: whether to print one JSON object.
    """

    paths: tuple[Path, ...]
    by: By = "trial"
    grading: Grading = BY_REWARD
    book: PriceBook = BUNDLED
    categories: Path | None = None
    baseline: str | None = None
    tables: Path | None = None
    export: Literal["kilo"] | None = None
    judge: bool = True
    json: bool = False

    @property
    def is_of_trials(self) -> bool:
        """Whether each trial is said by itself."""
        return self.export is None and self.by in ("step", "call", "trial")


class Costing:
    """The trials of some jobs with what they cost, as they pass by, and what is kept of them.

    Raises:
        BadInputError: a path is no job and holds none, or the categories cannot be read.
    """

    def __init__(self, request: Request, engine: Engine = IN_PROCESS) -> None:
        self._categories = load_categories(request.categories)
        self._judge = request.judge
        self._is_of_trials = request.is_of_trials
        self._prices: dict[str, None] = {}
        self._unpriced: dict[str, Unpriced] = {}
        self.inspection = Inspection.of(list(request.paths), request.grading, request.book, engine)
        self.notes: Notes | None = None
        if request.tables is not None or not request.is_of_trials:
            from pipelines.notes import DETAILS, Notes

            has_details = request.tables is not None or (request.export is None and request.by == "variant")
            self.notes = Notes(
                details=DETAILS if has_details else (), reward=request.grading.key, categories=self._categories
            )

    def read(self, bars: Bars) -> Iterator[Costed]:
        """Every trial with its cost, one after the other; only the last one is held."""
        for trial, cost in self.inspection.read(bars):
            said = judged(trial) if self._judge else None
            spent = attribute(trial, cost, wasted=wasted(trial, said))
            self._note(trial, cost, said, spent)
            used = [price for one in cost.calls for price in (one.price, one.explained_by)] or [cost.price]
            self._prices |= dict.fromkeys(one for one in used if one is not None)
            self._count_unpriced(trial.name, cost)
            yield Costed(trial, cost, spent, self._categories.of(trial))

    def _count_unpriced(self, trial: str, cost: TrialCost) -> None:
        for call in cost.calls:
            if call.unpriced is not None:
                seen = self._unpriced.get(call.unpriced, Unpriced(reason=call.unpriced, calls=0, trial=trial))
                self._unpriced[call.unpriced] = seen.model_copy(update={"calls": seen.calls + 1})

    def _note(self, trial: Trial, cost: TrialCost, said: Judged | None, spent: Attribution) -> None:
        """Notes a trial for what is said of many together, of which one without a result is no part."""
        if self.notes is None:
            return
        reason = why_not(trial)
        if reason is None:
            self.notes.add(trial, cost, said, spent)
        elif not self._is_of_trials:
            self.inspection.skipped.append(Skipped(trial.name, reason))

    def ending(self) -> Ending:
        """What is said of all of them, once all were read."""
        seen = self.inspection
        return Ending(
            totals=CostTotals(
                trials=seen.trials,
                cost_usd=seen.cost_usd,
                cost_known=seen.trials - seen.cost_unknown - seen.regrades,
                cost_unknown=seen.cost_unknown,
                regrades=seen.regrades,
            ),
            skipped=tuple(SkippedItem(path=one.path, reason=one.reason) for one in seen.skipped),
            findings=tuple(seen.findings.counts()),
            retries_lost=sum(job.n_retries for job in seen.jobs),
            prices=tuple(sorted(self._prices)),
            unpriced=tuple(self._unpriced[reason] for reason in sorted(self._unpriced)),
        )

    def finish(self) -> ExitCode:
        """Whether something is left to do, once all was read.

        Raises:
            BadInputError: no trial has the reward that was to decide, and some have others.
        """
        return self.inspection.finish()
