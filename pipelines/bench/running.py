"""Running a matrix: one job after the other, each taken up where it was; then all of them together."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from adapter.errors import BadInputError, ExitCode, IncompleteError, KilobenchError
from adapter.prices import PriceBook
from adapter.status import BY_REWARD, Grading
from pipelines.bench.forecast import Spent, forecast, tasks_of, together
from pipelines.bench.harbor_process import harbors_environment, project_of_jobs, run_harbor
from pipelines.bench.history import history
from pipelines.bench.job_state import arguments, kept_usd, look_at, put_aside, to_try_again
from pipelines.bench.matrix import Matrix, Planned
from pipelines.bench.purse import Purse
from pipelines.bench.results import BenchJob, BenchResult, Forecast, State
from pipelines.bench.until import Until
from pipelines.gate.results import GateResult
from pipelines.progress import Bars
from pipelines.run import Options, run


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """What `kilobench bench` was told.

    Attributes:
        matrix: what is run with what.
        jobs: the folder of jobs.
        retries: how often what the infrastructure failed is tried again.
        opik: `embedded`, the address of an Opik, or None for the configured one.
        project: the Opik project; None for the configured one.
        report: the folder for the report; None for none.
        grading: what decides whether a trial passed.
        prices: the user's own prices.
        history: more folders of jobs for the forecast, beside `jobs`.
        max_spend: what the whole matrix may cost, in US dollars, with what was spent on it before; None for no cap.
        until: the gate that is asked after each attempt; None where the matrix is run as it is.
    """

    matrix: Matrix
    jobs: Path = Path("jobs")
    retries: int = 2
    opik: str | None = None
    project: str | None = None
    report: Path | None = None
    grading: Grading = BY_REWARD
    prices: Path | None = None
    history: tuple[Path, ...] = ()
    max_spend: float | None = None
    until: Until | None = None


def plan(request: BenchRequest, bars: Bars) -> BenchResult:
    """What running the matrix would do, and what it may cost: nothing is run.

    Raises:
        BadInputError: a folder of the history holds no job.
    """
    past = history(request.jobs, request.history, PriceBook.of(request.prices), bars)
    jobs: list[BenchJob] = []
    forecasts: list[Forecast] = []
    for one in _planned(request):
        found = look_at(one, request.jobs)
        forecasts.append(forecast(one, past, _left(one, found, past)))
        jobs.append(found.model_copy(update={"forecast": forecasts[-1]}))
    return BenchResult(dry_run=True, jobs=tuple(jobs), run=None, forecast=together(forecasts), exit_code=ExitCode.DONE)


def _left(one: Planned, found: BenchJob, past: list[Spent]) -> int | None:
    """How many attempts of a variant are still to be run."""
    if found.state is State.FINISHED:
        return 0
    tasks = tasks_of(one, past)
    expected = found.expected or (None if tasks is None else tasks * one.matrix.attempts)
    return None if expected is None else max(0, expected - found.trials)


def bench(request: BenchRequest, bars: Bars) -> BenchResult:
    """Runs the matrix, as far as it is not run yet, and compares its variants.

    Where a gate is to decide, the one variant gets an attempt at each task, the gate is asked, and so on until it has
    an answer, or the attempts that were planned are used up.

    Raises:
        BadInputError: what was given cannot be used, or no trial was run.
        IncompleteError: Opik does not answer or refuses; the same command takes it up again.
    """
    planned = _planned(request)
    purse = None
    if request.max_spend is not None:
        book = PriceBook.of(request.prices)
        past = history(request.jobs, request.history, book, bars)
        purse = Purse(request.max_spend, planned, request.jobs, past, book)
    project = project_of_jobs(request.project)
    done: list[BenchJob] = []
    answer: GateResult | None = None
    for one in planned:
        with harbors_environment(request.opik, request.project) as environment:
            done.append(_run(one, request, environment, purse))
        if request.until is not None:
            if done[-1].state is not State.FINISHED:
                break
            answer = request.until.ask([each.folder for each in done], bars)
            if answer.decision != "inconclusive":
                break
    there = [one.folder for one in done if one.trials]
    if not there:
        raise _nothing_ran(done, request.max_spend)
    came = run(
        Options(
            paths=tuple(there),
            project=project,
            opik=request.opik,
            report=request.report,
            grading=request.grading,
            prices=request.prices,
        ),
        bars,
    )
    is_open = any(one.state is not State.FINISHED or one.is_capped for one in done)
    code = ExitCode.INCOMPLETE if is_open else came.exit_code
    return BenchResult(
        dry_run=False,
        jobs=tuple(done),
        max_spend=request.max_spend,
        run=came,
        gate=answer,
        # What a gate has decided stands, whatever is left to run.
        exit_code=code if answer is None else answer.exit_code,
    )


def _planned(request: BenchRequest) -> list[Planned]:
    """The jobs of the matrix, or those of the one variant that a gate is asked about."""
    jobs = request.matrix.jobs()
    if request.until is None:
        return jobs
    if len(jobs) > 1:
        raise BadInputError(
            f"--until-decided takes one variant, and this matrix has {len(jobs)}.", "Name one agent and one model."
        )
    if request.matrix.attempts > 1:
        raise BadInputError(
            f"--until-decided adds one attempt at a time, and -k {request.matrix.attempts} asks for more.",
            "Leave -k out, and say with --max-attempts how many there may be.",
        )
    return [replace(jobs[0], round=number) for number in range(1, request.until.most + 1)]


def _nothing_ran(done: list[BenchJob], cap: float | None) -> KilobenchError:
    if cap is not None and any(one.is_capped for one in done):
        return IncompleteError(
            f"--max-spend {cap:g} lets no trial start: an attempt may cost more, or what it costs cannot be known.",
            "Give more, or a price for the model (docs/prices.md); --dry-run says what an attempt may cost.",
        )
    codes = ", ".join(f"{one.variant}: exit {one.exit_code}" for one in done)
    return BadInputError(f"No trial was run ({codes}).", "Harbor said why, above; correct it and run it again.")


def _run(one: Planned, request: BenchRequest, environment: dict[str, str], purse: Purse | None) -> BenchJob:
    """Runs one job to its end, and again what the infrastructure failed."""
    found, code, is_capped = look_at(one, request.jobs), None, False
    for _ in range(1 + request.retries):
        failed = to_try_again(one, request.jobs) if found.state is State.FINISHED else []
        if found.state is State.FINISHED and not failed:
            break
        limits: list[str] = []
        if purse is not None:
            share = purse.share(one)
            if not share.may_go_on:
                is_capped = True
                break
            limits = [*share.arguments(), *([] if request.prices is None else ["--pk", f"prices={request.prices}"])]
        put_aside(failed, one, request.jobs)
        state = look_at(one, request.jobs).state
        code = run_harbor([*arguments(one, request.jobs, state), *limits], environment, output=sys.stderr)
        found = look_at(one, request.jobs)
        if found.state is not State.FINISHED:
            is_capped = purse is not None and not purse.share(one).may_go_on
            # Else Harbor said why; another try now would say it again.
            break
    kept = kept_usd(one, request.jobs, PriceBook.of(request.prices)) if found.kept else 0.0
    return found.model_copy(update={"exit_code": code, "is_capped": is_capped, "kept_usd": kept})
