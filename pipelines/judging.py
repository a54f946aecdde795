"""`kilobench judge`: trials from job folders or from Opik, judged by rules and, where some are named, by models."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from adapter.errors import BadInputError, ExitCode
from adapter.jobs import find_jobs
from adapter.opik_connection import Connection, connect
from adapter.prices import PriceBook
from adapter.status import Grading
from judges.calibration.kept import NOT_CALIBRATED, Kept, kept
from judges.criteria import in_force
from judges.jury import Jury
from judges.sampling import Chosen
from pipelines.alone import alone
from pipelines.engine import IN_PROCESS, Engine
from pipelines.inspected import TokenCounts
from pipelines.judge import judgement_of
from pipelines.judge_choice import choose_trials, sample_result
from pipelines.judge_pass import Passed, pass_by_models, pass_by_rules
from pipelines.judge_request import JudgeRequest
from pipelines.judge_results import JudgeResult, JudgeRunResult
from pipelines.judge_run import JudgeRun
from pipelines.judge_runs import RunKeeper
from pipelines.judge_tally import Tally
from pipelines.judge_writing import Writing
from pipelines.progress import Advance, Bars
from pipelines.results import SkippedItem
from pipelines.to_judge import FromJobs, FromOpik, ToJudge
from pipelines.worker_reading import check_reading
from prompts import Criterion, CriterionError

if TYPE_CHECKING:
    from judges.llm.batch import Batched

DEFAULT_PROJECT = "kilobench"


@dataclass(frozen=True, slots=True)
class Opened:
    """What a pass reads from and writes to.

    Attributes:
        source: the trials.
        connection: to the Opik that holds them, or where the run is kept; None where none is needed.
        project: whose `.judges` keeps the run, of trials that no project holds.
    """

    source: FromJobs | FromOpik
    connection: Connection | None
    project: str


def criteria_of(request: JudgeRequest) -> Mapping[str, Criterion]:
    """The criteria in force.

    Raises:
        BadInputError: a file of the user's own cannot be used.
    """
    try:
        return in_force(request.criteria)
    except CriterionError as error:
        raise BadInputError(str(error), "See docs/criteria.md for what a criterion's file holds.") from error


def jury_of(request: JudgeRequest, criteria: Mapping[str, Criterion]) -> Jury:
    """Who judges, as it was asked for."""
    from judges.llm.known import model_of

    return Jury(
        models=tuple(model_of(name, request.api_base) for name in request.models),
        criteria=criteria,
        window=request.window,
        combine=request.combine,
        escalate=None if request.escalate is None else model_of(request.escalate, request.api_base),
        repeat=request.repeat,
    )


@contextmanager
def opened(request: JudgeRequest, bars: Bars, *, keeps: bool, engine: Engine = IN_PROCESS) -> Generator[Opened]:
    """Opens what the trials are read from.

    Args:
        request: what was asked for.
        bars: shows how far it is.
        keeps: whether the pass writes to an Opik, also where the trials are read from job folders.
        engine: what reads those.
    """
    which = request.which
    project = which.project or DEFAULT_PROJECT
    with ExitStack() as stack:
        connection = None
        jobs = find_jobs(list(which.paths)) if which.paths else None
        check_reading(engine, jobs or ())
        if jobs is None or keeps:
            connection = stack.enter_context(connect(request.opik, project))
            if keeps:
                stack.enter_context(alone(connection.address))
        stack.enter_context(bars.showing())
        if jobs is not None:
            yield Opened(FromJobs(jobs, Grading(request.reward, request.pass_at), engine), connection, project)
        elif connection is not None:
            yield Opened(FromOpik(which, connection), connection, project)


def judge(
    request: JudgeRequest, bars: Bars, batched: Batched | None = None, engine: Engine = IN_PROCESS
) -> JudgeResult:
    """Judges trials. What is said of stored ones is written where they are, and every call of a model is kept.

    Args:
        request: what was asked for.
        bars: shows how far it is.
        batched: what batches of it answered, where it was submitted as such.
        engine: what reads job folders; models are asked by this process.

    Raises:
        BadInputError: what was given cannot be used, or nothing of it is a trial.
        IncompleteError: Opik does not answer or refuses; the same command takes it up again.
    """
    request.check()
    criteria = criteria_of(request)
    book = PriceBook.of(request.prices)
    keeps = bool(request.models) or not request.which.paths
    with opened(request, bars, keeps=keeps, engine=engine) as where:
        chosen = choose_trials(request, where.source, bars)
        advance = bars.stage("Judge", "trials", where.source.total if chosen is None else len(chosen.weights))
        trials = chosen_trials(where.source, chosen, advance)
        one = _Pass(request, criteria, where, chosen, batched)
        if request.models:
            one.by_models(trials, book)
        else:
            pass_by_rules(trials, criteria, one.take)
        return one.result()


def chosen_trials(source: FromJobs | FromOpik, chosen: Chosen | None, advance: Advance) -> Iterator[ToJudge]:
    """The trials of a source that were chosen; all where nothing was to choose. Only those count as progress."""

    def silent(_: int) -> None:
        pass

    if chosen is None:
        yield from source.trials(advance)
        return
    for found in source.trials(silent):
        if found.trial.name in chosen.weights:
            yield found
            advance(1)


@dataclass(slots=True)
class _Spent:
    """What the gateway says of a pass by models."""

    calls: int = 0
    cached_calls: int = 0
    tokens: TokenCounts = field(default_factory=lambda: _NO_TOKENS)
    usd: float | None = 0.0
    held_usd: float = 0.0


_NO_TOKENS = TokenCounts(input=0, cache_read=0, cache_write=0, output=0, reasoning=0)


class _Pass:
    """One pass: it takes trials as they are judged, and ends as a result."""

    def __init__(
        self,
        request: JudgeRequest,
        criteria: Mapping[str, Criterion],
        where: Opened,
        chosen: Chosen | None,
        batched: Batched | None,
    ) -> None:
        self._batched = batched
        self._request = request
        self._criteria = criteria
        self._where = where
        self._chosen = chosen
        self._tally = Tally()
        self._spent = _Spent()
        self._kept: Kept = kept()
        self._writing = None if where.connection is None else Writing(where.connection)
        experiments = where.source.experiments if isinstance(where.source, FromOpik) else []
        self._run = JudgeRun(
            id=str(uuid.uuid4()),
            started_at=datetime.now(UTC),
            models=request.all_models,
            prompt_versions={name: one.prompt_version for name, one in criteria.items()},
            experiments=tuple(one.name for one in experiments),
            settings=request.settings,
        )
        self._keepers: dict[str, RunKeeper] = {}

    def by_models(self, trials: Iterator[ToJudge], book: PriceBook) -> None:
        """Has trials judged by models, too."""
        from judges.llm.cache import Cache
        from judges.llm.gateway import Gateway, Limits

        request = self._request
        with Cache.open() as cache:
            limits = Limits(request.concurrency, request.rpm, request.tpm, request.timeout)
            gateway = Gateway(
                book=book, max_spend_usd=request.max_spend_usd, cache=cache, limits=limits, batched=self._batched
            )
            try:
                pass_by_models(trials, jury_of(request, self._criteria), gateway, request.concurrency, self.take)
            finally:
                # What was answered before a stop is kept, too.
                for keeper in self._keepers.values():
                    keeper.flush()
            self._spent = _Spent(
                calls=gateway.sent,
                cached_calls=gateway.cached,
                tokens=TokenCounts.of(gateway.tokens),
                usd=gateway.spent_usd,
                held_usd=gateway.held_usd,
            )

    def take(self, passed: Passed) -> None:
        """Takes a trial that was judged."""
        found, heard = passed.found, passed.heard
        verdicts = [*passed.by_rule, *(() if heard is None else heard.verdicts)]
        judgement = judgement_of(found.trial, verdicts, calibrated=self._calibrated)
        weight = 1.0 if self._chosen is None else self._chosen.weights[found.trial.name]
        self._tally.add(passed, judgement, weight)
        if self._writing is not None:
            self._writing.add(found, judgement)
        if passed.calls:
            keeper = self._keeper(found.project or self._where.project)
            for call in passed.calls:
                keeper.add(call)

    def result(self) -> JudgeResult:
        """What the pass came to, once all trials were taken and are written.

        Raises:
            BadInputError: no trial was found.
            IncompleteError: Opik does not answer or refuses.
        """
        source, tally = self._where.source, self._tally
        trials = tally.trials
        skipped = [SkippedItem(path=one.path, reason=one.reason) for one in source.skipped]
        if not trials and self._chosen is None:
            reasons = "; ".join(f"{one.path}: {one.reason}" for one in skipped[:3]) or "no trace matches"
            raise BadInputError(f"No trial was found: {reasons}.", "Name others, or upload the job first.")
        refused: list[SkippedItem] = []
        if self._writing is not None:
            self._writing.flush()
            if isinstance(source, FromOpik):
                self._writing.name_prompts(source.experiments, self._criteria)
            refused = self._writing.skipped
        for keeper in self._keepers.values():
            keeper.flush()
            refused += [SkippedItem(path=what, reason=reason) for what, reason in keeper.refused.items()]
        is_open = bool(refused or tally.failed or tally.not_judged) or any(one.is_open for one in source.skipped)
        connection = self._where.connection
        return JudgeResult(
            run=self._run_result(),
            opik=None if connection is None else connection.address,
            embedded=None if connection is None else connection.is_embedded,
            trials=trials,
            verdicts=tally.verdicts,
            failed=tally.failed,
            not_judged=tally.not_judged,
            counts=tuple(tally.counts().counts()),
            scores_written=0 if self._writing is None else self._writing.scores,
            skipped=(*skipped, *refused),
            exit_code=ExitCode.INCOMPLETE if is_open else ExitCode.DONE,
        )

    def _run_result(self) -> JudgeRunResult:
        run, tally, spent = self._run, self._tally, self._spent
        return JudgeRunResult(
            id=run.id,
            models=run.models,
            prompt_versions=dict(run.prompt_versions),
            calls=spent.calls,
            cached_calls=spent.cached_calls,
            tokens=spent.tokens,
            spend_usd=spent.usd,
            held_usd=spent.held_usd,
            max_spend_usd=self._request.max_spend_usd,
            settings=dict(run.settings),
            disagreements=tally.disagreements,
            agreement=tally.agreement(),
            stability=tally.stability(),
            escalated=tally.escalated,
            calibration={
                model: {
                    name: self._calibrated(model, version) or NOT_CALIBRATED
                    for name, version in run.prompt_versions.items()
                }
                for model in run.models
            },
            sample=None if self._chosen is None else sample_result(self._request, self._chosen, tally.trials),
        )

    def _calibrated(self, model: str, prompt_version: str | None) -> str | None:
        if prompt_version is None:
            return None
        found = self._kept.find(model, prompt_version)
        return NOT_CALIBRATED if found is None else found.summary

    def _keeper(self, project: str) -> RunKeeper:
        if project not in self._keepers:
            if self._where.connection is None:
                raise ValueError("a pass by models keeps its calls, and has an Opik for it")
            self._keepers[project] = RunKeeper(self._run, self._where.connection, project)
        return self._keepers[project]
