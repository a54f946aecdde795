"""Running a matrix: one job after the other, each taken up where it was; then all of them together."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from adapter.errors import BadInputError, ExitCode, UnreadableError
from adapter.harbor import read_trial
from adapter.jobs import Job, read_job
from adapter.prices import PriceBook
from adapter.status import BY_REWARD, Grading
from adapter.trial import Status
from pipelines.bench.forecast import Spent, forecast, tasks_of, together
from pipelines.bench.harbor_process import harbors_environment, run_harbor, shown
from pipelines.bench.history import folders_of, history
from pipelines.bench.matrix import PLUGIN, Matrix, Planned
from pipelines.bench.results import BenchJob, BenchResult, Forecast, State
from pipelines.progress import Bars
from pipelines.run import Options, run

KEPT = "kept-attempts"
"""The folder, beside the jobs, of attempts that were tried again."""

_NO_USE = frozenset({"AgentAuthenticationError", "AuthenticationError", "ModelNotFoundError", "ApiUsageLimitError"})
"""After one of these, another try ends as the one before."""


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


def plan(request: BenchRequest, bars: Bars) -> BenchResult:
    """What running the matrix would do, and what it may cost: nothing is run.

    Raises:
        BadInputError: a folder of the history holds no job.
    """
    past = history(folders_of(request.jobs, request.history), PriceBook.of(request.prices), bars)
    jobs: list[BenchJob] = []
    forecasts: list[Forecast] = []
    for one in request.matrix.jobs():
        found = _looked_at(one, request.jobs)
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

    Raises:
        BadInputError: what was given cannot be used, or no trial was run.
        IncompleteError: Opik does not answer or refuses; the same command takes it up again.
    """
    with harbors_environment(request.opik, request.project) as environment:
        done = [_run(one, request, environment) for one in request.matrix.jobs()]
        there = [one.folder for one in done if one.trials]
        if not there:
            codes = ", ".join(f"{one.variant}: exit {one.exit_code}" for one in done)
            raise BadInputError(f"No trial was run ({codes}).", "Harbor said why, above; correct it and run it again.")
        options = Options(
            paths=tuple(there),
            project=environment["OPIK_PROJECT_NAME"],
            opik=request.opik,
            report=request.report,
            grading=request.grading,
            prices=request.prices,
        )
    came = run(options, bars)
    is_open = any(one.state is not State.FINISHED for one in done)
    code = ExitCode.INCOMPLETE if is_open else came.exit_code
    return BenchResult(dry_run=False, jobs=tuple(done), run=came, exit_code=code)


def _run(one: Planned, request: BenchRequest, environment: dict[str, str]) -> BenchJob:
    """Runs one job to its end, and again what the infrastructure failed."""
    found = _looked_at(one, request.jobs)
    code, kept = None, 0
    for _ in range(1 + request.retries):
        if found.state is State.FINISHED:
            moved = _put_aside(found.folder, request.jobs / KEPT / one.name)
            if not moved:
                break
            kept += moved
            found = _looked_at(one, request.jobs)
        code = run_harbor(_arguments(one, request.jobs, found.state), environment, output=sys.stderr)
        found = _looked_at(one, request.jobs)
        if found.state is not State.FINISHED:
            # Harbor said why; another try now would say it again.
            break
    return found.model_copy(update={"exit_code": code, "kept": kept})


def _looked_at(one: Planned, jobs: Path) -> BenchJob:
    """How far a variant's job is, as its folder says."""
    folder = jobs / one.name
    job = _job(folder)
    ended = 0 if job is None else sum((path / "result.json").is_file() for path in job.trials)
    if job is None:
        state = State.NEW
    elif job.is_finished and ended and ended == (job.expected_trials or ended):
        state = State.FINISHED
    else:
        state = State.UNFINISHED
    return BenchJob(
        variant=one.label,
        job=one.name,
        folder=folder,
        state=state,
        command=shown(_arguments(one, jobs, state)),
        trials=ended,
        expected=None if job is None else job.expected_trials,
    )


def _job(folder: Path) -> Job | None:
    """The job in a folder; None where Harbor has not begun one there."""
    if not (folder / "config.json").is_file():
        return None
    try:
        return read_job(folder)
    except UnreadableError:
        return None


def _arguments(one: Planned, jobs: Path, state: State) -> list[str]:
    if state is State.UNFINISHED:
        return ["job", "resume", "-p", str(jobs / one.name), "--plugin", PLUGIN]
    return one.arguments(jobs)


def _put_aside(folder: Path, kept: Path) -> int:
    """Moves trials that the infrastructure failed out of their job, so that Harbor runs them again; how many.

    Harbor's own retries delete what failed, and what it cost with it.
    """
    job = _job(folder)
    moved = 0
    for path in () if job is None else job.trials:
        if job is not None and _may_be_tried_again(job, path):
            kept.mkdir(parents=True, exist_ok=True)
            number = sum(1 for _ in kept.glob(f"{path.name}.*")) + 1
            shutil.move(path, kept / f"{path.name}.{number}")
            moved += 1
    return moved


def _may_be_tried_again(job: Job, path: Path) -> bool:
    try:
        trial = read_trial(job, path)
    except UnreadableError:
        return False
    kind = None if trial.exception is None else trial.exception.type
    return trial.status is Status.INFRASTRUCTURE_ERROR and kind not in _NO_USE
