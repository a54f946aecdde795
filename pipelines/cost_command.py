"""`kilobench cost`: where the money of finished jobs went. Nothing is uploaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from pydantic import BaseModel

from adapter.errors import ExitCode
from pipelines.cost_results import CostedTrial
from pipelines.costed import Costed, costed_trial, trial_with_calls, trial_with_steps
from pipelines.costing import Costing, Request
from pipelines.engine import IN_PROCESS, Engine
from pipelines.folders import writing_to
from pipelines.progress import Bars
from pipelines.terminal import line
from pipelines.terminal_cost import show

if TYPE_CHECKING:
    from rich.console import Console

    from pipelines.notes import Notes

_TRIALS: dict[str, Callable[[Costed], CostedTrial]] = {
    "step": trial_with_steps,
    "call": trial_with_calls,
    "trial": costed_trial,
}


def cost(request: Request, bars: Bars, out: TextIO, console: Console, engine: Engine = IN_PROCESS) -> ExitCode:
    """Reads jobs and prints where their money went.

    Args:
        request: what was asked.
        bars: shows how far it is.
        out: where JSON is written.
        console: where everything else is.
        engine: what reads the trials.

    Raises:
        BadInputError: what was given cannot be used.
    """
    if request.tables is not None:
        with writing_to(request.tables, "--tables"):
            pass  # Better told now than after the work.
    costing = Costing(request, engine)
    if costing.notes is not None and not request.is_of_trials:
        code = _tell_groups(request, costing, costing.notes, bars, out, console)
    else:
        if request.json:
            write_json(costing, request.by, bars, out)
        else:
            show(costing, request.by, bars, console)
        code = costing.finish()
    if request.tables is not None and costing.notes is not None:
        _write_tables(request, costing.notes)
        if request.export is None and not request.json:
            console.print(line("tables: ", str(request.tables)))
    return code


def write_json(costing: Costing, by: str, bars: Bars, out: TextIO) -> None:
    """Writes `CostOfSteps`, `CostOfCalls` or `CostOfTrials` as one JSON object, each trial as soon as it was read.

    Only ASCII is written, as by `inspect`.
    """
    said = _TRIALS[by]
    with bars.showing():
        out.write('{"trials": [')
        for number, one in enumerate(costing.read(bars)):
            out.write(",\n" if number else "\n")
            out.write(json.dumps(said(one).model_dump(mode="json")))
        out.write("\n],\n")
        rest = json.dumps({"by": by} | costing.ending().model_dump(mode="json"))
        out.write(f"{rest[1:]}\n")
    out.flush()


def _tell_groups(
    request: Request, costing: Costing, notes: Notes, bars: Bars, out: TextIO, console: Console
) -> ExitCode:
    """Reads all trials, then prints what they come to together."""
    from pipelines.cost_groups import CostOfCategories, CostOfVariants, costed_categories, costed_variants
    from pipelines.terminal_groups import show_categories, show_variants
    from views.kilo_record import kilo_records

    with bars.showing():
        for _ in costing.read(bars):
            pass
    code = costing.finish()
    ending = dict(costing.ending())
    trials = notes.trials(notes.standings())
    if request.export == "kilo":
        records = [one.model_dump(mode="json") for one in kilo_records(trials)]
        out.write(f"{json.dumps(records, indent=1)}\n")
    elif request.by == "variant":
        variants = costed_variants(trials, notes.details(), request.baseline)
        of_variants = CostOfVariants(by="variant", variants=variants, **ending)
        _tell(of_variants, out) if request.json else show_variants(of_variants, console)
    else:
        of_categories = CostOfCategories(by="task-category", categories=costed_categories(trials), **ending)
        _tell(of_categories, out) if request.json else show_categories(of_categories, console)
    return code


def _tell(result: BaseModel, out: TextIO) -> None:
    """One JSON object, in ASCII."""
    out.write(f"{json.dumps(result.model_dump(mode='json'))}\n")


def _write_tables(request: Request, notes: Notes) -> None:
    from pipelines.all_tables import all_tables

    if request.tables is not None:
        with writing_to(request.tables, "--tables"):
            all_tables(notes, notes.trials(notes.standings()), request.baseline).write(request.tables)
