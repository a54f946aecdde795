"""`kilobench investigate`: why runs failed where others passed. The runs are read from Opik, one at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from adapter.errors import BadInputError, ExitCode
from adapter.jobs import find_jobs
from adapter.opik_connection import Connection, connect
from adapter.opik_rows import step_key, trial_key
from adapter.opik_store import OpikStore, Stored
from adapter.prices import PriceBook
from adapter.status import BY_REWARD, Grading
from adapter.trial import Trial
from judges.criteria import criteria
from pipelines.alone import alone
from pipelines.cost import price_trial
from pipelines.investigate_results import (
    CauseGroup,
    DivergenceFound,
    FirstDifference,
    InvestigateResult,
    Investigation,
    QuoteFound,
    RootCause,
    SideBySide,
)
from pipelines.judge_request import Which
from pipelines.live import project_of
from pipelines.pairing import Choice, Chosen, every_failure, lost_tasks, one_trial
from pipelines.progress import Bars
from pipelines.read import Skipped
from pipelines.regrades import Graded, standings
from pipelines.results import SkippedItem
from pipelines.root_cause_marks import Held, mark
from pipelines.said import chips_of
from pipelines.store_jobs import store_jobs
from pipelines.to_judge import FromOpik
from views.course import Course, Fault, course_of
from views.divergence import Parted, noise_floor, part, shared_path
from views.root_cause import Cause, causes

_AROUND = 3
"""Columns shown before and after a divergence."""


@dataclass(frozen=True, slots=True)
class InvestigateRequest:
    """What `kilobench investigate` was told.

    Attributes:
        paths: job folders, or folders of them; without any, what the project or the named experiments hold.
        task: only this one.
        trial: only this run; `against` the one that it is compared with.
        baseline: an experiment, a variant or a job; with `candidate`, the tasks that were lost between the two.
        project: the Opik project; None for the one of the jobs' live traces, else the default one.
        opik: `embedded`, the address of an Opik, or None for the configured one.
        grading: what decides whether a trial of a job folder passed.
        prices: the user's own prices.
    """

    paths: tuple[Path, ...] = ()
    task: str | None = None
    trial: str | None = None
    against: str | None = None
    baseline: str | None = None
    candidate: str | None = None
    project: str | None = None
    opik: str | None = None
    grading: Grading = BY_REWARD
    prices: Path | None = None

    def check(self) -> None:
        """Raises `BadInputError` where options do not go together."""
        if self.against is not None and self.trial is None:
            raise BadInputError("--against goes with --trial.", "Name the failing run with --trial.")
        if (self.baseline is None) != (self.candidate is None):
            raise BadInputError("--baseline and --candidate go together.", "Give both of them.")
        if self.trial is not None and (self.baseline is not None or self.task is not None):
            raise BadInputError("--trial goes with neither --task nor --baseline.", "Give one of them.")


def investigate(request: InvestigateRequest, bars: Bars) -> InvestigateResult:
    """Finds out where failing runs went wrong.

    Raises:
        BadInputError: what was given cannot be used.
        IncompleteError: Opik does not answer or refuses; the same command takes it up again.
    """
    request.check()
    jobs = find_jobs(list(request.paths)) if request.paths else []
    book = PriceBook.of(request.prices)
    project = project_of(jobs, request.project)
    with connect(request.opik, project) as connection, alone(connection.address), bars.showing():
        skipped: list[Skipped] = []
        which = Which(project=project)
        if jobs:
            store = OpikStore(connection, project)
            done = store_jobs(jobs, request.grading, store, bars, is_judged=True, book=book)
            skipped += done.skipped
            which = Which(experiments=tuple(sorted({one.name for one in done.experiments})))
        held: dict[str, Held] = {}
        courses = _read(which, connection, book, bars, skipped, held)
        choice = _choose(request, courses)
        advance = bars.stage("Compare", "runs", len(choice.chosen))
        found: list[Investigation] = []
        acts: list[tuple[str | None, str | None]] = []
        for one in choice.chosen:
            investigation = investigated(one)
            found.append(investigation)
            acts.append(_act(one.failing, investigation))
            advance(1)
        keyed = [(one.failing.key, said) for one, said in zip(choice.chosen, found, strict=True)]
        written = mark(keyed, held, OpikStore(connection, project))
        return InvestigateResult(
            project=project,
            opik=connection.address,
            embedded=connection.is_embedded,
            investigations=tuple(found),
            groups=tuple(_groups(found, acts)),
            scores_written=written,
            left_out=tuple(SkippedItem(path=path, reason=reason) for path, reason in choice.left_out),
            skipped=tuple(SkippedItem(path=one.path, reason=one.reason) for one in skipped),
            exit_code=ExitCode.INCOMPLETE if any(one.is_open for one in skipped) else ExitCode.DONE,
        )


def _read(
    which: Which,
    connection: Connection,
    book: PriceBook,
    bars: Bars,
    skipped: list[Skipped],
    held: dict[str, Held],
) -> list[Course]:
    """The courses of the stored trials, each as its latest grade says; `held` is told of those that did not pass."""
    source = FromOpik(which, connection)
    courses: dict[str, Course] = {}
    grades: list[Graded] = []
    for one in source.trials(bars.stage("Read", "trials", None)):
        grades.append(Graded.of(one.trial))
        key = trial_key(one.trial)
        if one.trial.passed is not True and key in one.trace:
            numbers = {step_key(one.trial, step.number): step.number for step in one.trial.agent_steps}
            spans = {numbers[name]: span for name, span in one.spans.items() if name in numbers}
            held[key] = Held(one.trace[key], spans)
        courses[key] = course_of(one.trial, key, faults_of(one.trial, one.spans), price_trial(one.trial, book).usd)
    skipped += source.skipped
    if not courses:
        raise BadInputError(
            "Opik holds no trial there.", "Store some with `kilobench run JOB`, or name another project."
        )
    standing = standings(grades)
    graded = [
        replace(one, passed=standing[key].passed, status=standing[key].status.value)
        for key, one in courses.items()
        if standing[key].regrade_of is None
    ]
    return sorted(graded, key=lambda one: one.trial)


def faults_of(trial: Trial, spans: Mapping[str, Stored]) -> dict[int, Fault]:
    """The worst labels on a trial's steps, as they are scored; of several on a step the first criterion's.

    Args:
        trial: the trial.
        spans: the stored spans of its agent steps, by the step's key.
    """
    worst = {name: one.worst.label for name, one in criteria().items()}
    found: dict[int, Fault] = {}
    for step in trial.agent_steps:
        for chip in chips_of(spans.get(step_key(trial, step.number))):
            if chip.value == 0 if chip.criterion not in worst else chip.label == worst[chip.criterion]:
                fault = Fault(
                    criterion=chip.criterion,
                    label=chip.label or "worst",
                    category=chip.category,
                    explanation=chip.explanation,
                    better_action=chip.better_action,
                    by=chip.by or "unknown",
                    evidence=tuple((one.step, one.quote) for one in chip.evidence),
                )
                found.setdefault(step.number, fault)
    return found


def _choose(request: InvestigateRequest, courses: Sequence[Course]) -> Choice:
    if request.trial is not None:
        return one_trial(courses, request.trial, request.against)
    if request.baseline is None or request.candidate is None:
        return every_failure(courses, request.task)
    baseline, candidate = request.baseline, request.candidate
    for name in (baseline, candidate):
        if not any(_is_of(one, name) for one in courses):
            raise BadInputError(
                f"No trial is of {name}.", "Name an experiment (dataset/variant/job), a variant or a job."
            )
    wanted = [one for one in courses if request.task in (None, one.task)]
    return lost_tasks(wanted, lambda one: _is_of(one, baseline), lambda one: _is_of(one, candidate))


def _is_of(one: Course, name: str) -> bool:
    """Whether a run is of an experiment, a variant or a job of this name."""
    job = one.trial.partition("/")[0]
    return name in (one.variant, job, f"{one.dataset}/{one.variant}/{job}")


def investigated(chosen: Chosen) -> Investigation:
    """One failing run against the other; pure."""
    failing, against = chosen.failing, chosen.against
    passing = [one for one in chosen.repeats if one.passed and one.trial != failing.trial]
    parted = None if against is None else part(failing, against)
    ranked = causes(failing, parted)
    floor = noise_floor([one for one in chosen.repeats if one.passed is not None])
    shares = None if parted is None or against is None or not passing else shared_path(parted, against, passing)
    divergence = None if parted is None else parted.divergence
    return Investigation(
        task=failing.task,
        dataset=failing.dataset,
        failing=failing.trial,
        variant=failing.variant,
        against=None if against is None else against.trial,
        against_passed=None if against is None else against.passed,
        first_difference=None
        if parted is None or parted.first is None
        else FirstDifference(
            step_failing=parted.first.step_failing, step_against=parted.first.step_against, kind=parted.first.kind
        ),
        divergence=None
        if divergence is None
        else DivergenceFound(
            step_failing=divergence.step_failing,
            step_against=divergence.step_against,
            kind=divergence.kind,
            consequential=divergence.is_consequential,
            why=divergence.why,
        ),
        difference=None if parted is None else 1 - parted.similarity,
        noise_floor=floor,
        passing=len(passing),
        share_the_other_path=None if shares is None else shares[0],
        root_cause=_cause(ranked[0]) if ranked else None,
        runner_up=_cause(ranked[1]) if len(ranked) > 1 else None,
        around=() if parted is None or against is None else _around(parted, failing, against),
        cost_usd=failing.cost_usd,
        rests_on=(*chosen.notes, *_notes(failing, parted, floor)),
    )


def _cause(one: Cause) -> RootCause:
    return RootCause(
        step=one.step,
        category=one.category,
        explanation=one.explanation,
        evidence=tuple(QuoteFound(step=step, quote=quote) for step, quote in one.evidence),
        better_action=one.better_action,
        confidence=None,
        by=one.by,
    )


def _notes(failing: Course, parted: Parted | None, floor: float | None) -> list[str]:
    """What an answer does not rest on, said aloud."""
    notes: list[str] = []
    if not failing.acts:
        notes.append("the failing run made no tool call")
    if not failing.faults:
        notes.append("no step of it has a judge's worst label")
    if floor is None:
        notes.append("there are no repeats, so how far runs part by chance is not known")
    if parted is not None and parted.first is None:
        notes.append("both runs did the same, act by act")
    elif parted is not None and (parted.divergence is None or not parted.divergence.is_consequential):
        notes.append("no difference had consequences that can be seen")
    return notes


def _around(parted: Parted, failing: Course, against: Course) -> tuple[SideBySide, ...]:
    shown = parted.divergence or parted.first
    if shown is None:
        return ()
    rows: list[SideBySide] = []
    for column in parted.columns[max(0, shown.place - _AROUND) : shown.place + _AROUND + 1]:
        mine = None if column.a is None else failing.acts[column.a]
        yours = None if column.b is None else against.acts[column.b]
        rows.append(
            SideBySide(
                step_failing=None if mine is None else mine.step,
                failing=None if mine is None else str(mine.signature),
                step_against=None if yours is None else yours.step,
                against=None if yours is None else str(yours.signature),
                match=column.match.value,
            )
        )
    return tuple(rows)


def _act(failing: Course, found: Investigation) -> tuple[str | None, str | None]:
    """The verb and the tool of the step that is the cause."""
    if found.root_cause is None:
        return None, None
    act = next((one for one in failing.acts if one.step == found.root_cause.step), None)
    return (None, None) if act is None else (act.signature.verb.value, act.tool)


def _groups(found: Sequence[Investigation], acts: Sequence[tuple[str | None, str | None]]) -> list[CauseGroup]:
    """The causes by category, verb and tool, the most frequent first."""
    groups: dict[tuple[str, str | None, str | None], list[Investigation]] = defaultdict(list)
    for one, (verb, tool) in zip(found, acts, strict=True):
        if one.root_cause is not None:
            groups[one.root_cause.category, verb, tool].append(one)
    listed: list[CauseGroup] = []
    for (category, verb, tool), several in groups.items():
        costs = [one.cost_usd for one in several if one.cost_usd is not None]
        listed.append(
            CauseGroup(
                category=category,
                verb=verb,
                tool=tool,
                count=len(several),
                tasks=tuple(sorted({one.task for one in several})),
                cost_usd=sum(costs) if costs else None,
            )
        )
    return sorted(listed, key=lambda one: (-one.count, one.category, one.verb or "", one.tool or ""))
