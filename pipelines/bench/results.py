"""What `kilobench bench` says: the models behind its `--json`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from adapter.errors import ExitCode
from pipelines.gate.results import GateResult
from pipelines.results import RunResult


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class State(StrEnum):
    """How far a variant's job is."""

    NEW = "new"
    UNFINISHED = "unfinished"
    """it was stopped: what is missing is run, and nothing twice"""
    FINISHED = "finished"


class Forecast(_Result):
    """What attempts may cost, in US dollars, with a 95 % prediction interval; None for what is not known.

    `rests_on` says what it was computed from.
    """

    attempts: int | None
    usd_per_attempt: float | None
    usd: float | None
    low: float | None
    high: float | None
    rests_on: str


class BenchJob(_Result):
    """One variant and its job.

    `command` runs it, or takes it up again. `trials` ended, of `expected`, None while Harbor has not said; `kept`
    attempts failed for the infrastructure's reasons, were put aside and tried again, now or before. They cost
    `kept_usd` US dollars, which no comparison counts; None while nothing was run, or where it is not known.
    `is_capped`: what is left was not run, as it might have passed `--max-spend`. `exit_code` is Harbor's own; None
    where nothing had to be run. `forecast` is of the attempts that are left, in a dry run.
    """

    variant: str
    job: str
    folder: Path
    state: State
    command: str
    trials: int = 0
    expected: int | None = None
    kept: int = 0
    kept_usd: float | None = None
    is_capped: bool = False
    exit_code: int | None = None
    forecast: Forecast | None = None


class BenchResult(_Result):
    """A matrix: its jobs, and what `kilobench run` said of all of them, with the comparisons; None for a dry run.

    `gate` is what a gate said last, where one was to decide. `max_spend` is the cap, in US dollars, if there was one.
    `forecast` is of all that is left of the matrix; None where it is run.
    """

    dry_run: bool
    jobs: tuple[BenchJob, ...]
    max_spend: float | None = None
    run: RunResult | None
    gate: GateResult | None = None
    forecast: Forecast | None = None
    exit_code: ExitCode
