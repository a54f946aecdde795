"""`kilobench investigate`: why runs failed where others passed. The runs are read from Opik, one at a time.

Without a model, rules, milestones and verdicts rank the steps; with one, its word comes first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from adapter.errors import BadInputError, ExitCode
from adapter.jobs import find_jobs
from adapter.opik_connection import connect
from adapter.opik_store import OpikStore
from adapter.prices import PriceBook
from adapter.status import BY_REWARD, Grading
from pipelines.alone import alone
from pipelines.cause_judging import CauseJudge, judge_causes
from pipelines.courses import Courses, read_courses
from pipelines.engine import IN_PROCESS, Engine
from pipelines.folders import writing_to
from pipelines.investigate_results import (
    CauseGroup,
    CauseJudging,
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
from pipelines.results import SkippedItem
from pipelines.root_cause_marks import mark
from pipelines.store_jobs import store_jobs
from views.course import Course
from views.divergence import Parted, noise_floor, part, shared_path
from views.pages.investigation import Looked, investigation_page, investigations_page
from views.pages.places import INDEX
from views.report import write_pages
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
        report: the folder for pages; None for none.
        judge: the model that is asked for root causes; None for none.
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
    report: Path | None = None
    judge: CauseJudge | None = None

    def check(self) -> None:
        """Raises `BadInputError` where options do not go together."""
        if self.against is not None and self.trial is None:
            raise BadInputError("--against goes with --trial.", "Name the failing run with --trial.")
        if (self.baseline is None) != (self.candidate is None):
            raise BadInputError("--baseline and --candidate go together.", "Give both of them.")
        if self.trial is not None and (self.baseline is not None or self.task is not None):
            raise BadInputError("--trial goes with neither --task nor --baseline.", "Give one of them.")


def investigate(request: InvestigateRequest, bars: Bars, engine: Engine = IN_PROCESS) -> InvestigateResult:
    """Finds out where failing runs went wrong.

    Args:
        request: what was asked for.
        bars: where progress is shown.
        engine: what works on the trials of job folders, and compares the runs.

    Raises:
        BadInputError: what was given cannot be used.
        IncompleteError: Opik does not answer or refuses; the same command takes it up again.
    """
    request.check()
    jobs = find_jobs(list(request.paths)) if request.paths else []
    book = PriceBook.of(request.prices)
    project = project_of(jobs, request.project)
    with connect(request.opik, project) as connection, alone(connection.address), bars.showing():
        store = OpikStore(connection, project)
        skipped: list[Skipped] = []
        which = Which(project=project)
        if jobs:
            done = store_jobs(jobs, request.grading, store, bars, is_judged=True, book=book, engine=engine)
            skipped += done.skipped
            which = Which(experiments=tuple(sorted({one.name for one in done.experiments})))
        courses = read_courses(which, connection, book, bars)
        skipped += courses.skipped
        choice = _choose(request, courses.runs)
        advance = bars.stage("Compare", "runs", len(choice.chosen))
        looked: list[Looked] = []
        for one in engine.map(look, choice.chosen):
            looked.append(one)
            advance(1)
        judged: CauseJudging | None = None
        if request.judge is not None:
            asked = bars.stage("Judge", "runs", len(looked))
            looked, judged = judge_causes(looked, courses.traces, connection, project, request.judge, book, asked)
        found = [investigation_of(one, chosen.repeats) for one, chosen in zip(looked, choice.chosen, strict=True)]
        keyed = [(one.failing.key, said) for one, said in zip(choice.chosen, found, strict=True)]
        written = mark(keyed, courses.held, store)
        acts = [_act(one.failing, said) for one, said in zip(looked, found, strict=True)]
        report = None if request.report is None else _write(request.report, looked, choice, courses, store)
        return InvestigateResult(
            project=project,
            opik=connection.address,
            embedded=connection.is_embedded,
            investigations=tuple(found),
            groups=tuple(_groups(found, acts)),
            scores_written=written,
            report=None if report is None else str(report).encode("utf-8", "replace").decode(),
            judge=judged,
            left_out=tuple(SkippedItem(path=path, reason=reason) for path, reason in choice.left_out),
            skipped=tuple(SkippedItem(path=one.path, reason=one.reason) for one in skipped),
            exit_code=_exit_code(skipped, judged),
        )


def _exit_code(skipped: Sequence[Skipped], judged: CauseJudging | None) -> ExitCode:
    is_open = any(one.is_open for one in skipped) or (judged is not None and bool(judged.undecided))
    return ExitCode.INCOMPLETE if is_open else ExitCode.DONE


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


def _write(folder: Path, looked: Sequence[Looked], choice: Choice, courses: Courses, store: OpikStore) -> Path:
    """Writes a page for each investigation, and their list."""
    project_id = store.project_id()

    def span_url(key: str, step: int) -> str | None:
        trace, span = courses.traces.get(key), courses.spans.get(key, {}).get(step)
        if project_id is None or trace is None or span is None:
            return None
        return f"{store.connection.trace_url(project_id, trace)}&span={span}"

    pages = {one.place: partial(investigation_page, one, span_url) for one in looked}
    pages[INDEX] = partial(investigations_page, looked, choice.left_out)
    with writing_to(folder, "--report", "; what was marked in Opik stays"):
        return write_pages(folder, pages)


def look(chosen: Chosen) -> Looked:
    """One failing run beside the other; pure."""
    failing, against = chosen.failing, chosen.against
    parted = None if against is None else part(failing, against)
    floor = noise_floor([one for one in chosen.repeats if one.passed is not None])
    return Looked(
        failing=failing,
        against=against,
        parted=parted,
        causes=tuple(causes(failing, parted)),
        floor=floor,
        notes=(*chosen.notes, *_notes(failing, parted, floor)),
    )


def investigation_of(one: Looked, repeats: Sequence[Course]) -> Investigation:
    """An investigation as `--json` says it.

    Args:
        one: the investigation.
        repeats: all runs of its task.
    """
    failing, against, parted = one.failing, one.against, one.parted
    passing = [run for run in repeats if run.passed and run.trial != failing.trial]
    shares = None if parted is None or against is None or not passing else shared_path(parted, against, passing)
    first = None if parted is None else parted.first
    divergence = None if parted is None else parted.divergence
    return Investigation(
        task=failing.task,
        dataset=failing.dataset,
        failing=failing.trial,
        variant=failing.variant,
        against=None if against is None else against.trial,
        against_passed=None if against is None else against.passed,
        first_difference=None
        if first is None
        else FirstDifference(step_failing=first.step_failing, step_against=first.step_against, kind=first.kind),
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
        noise_floor=one.floor,
        passing=len(passing),
        share_the_other_path=None if shares is None else shares[0],
        root_cause=_cause(one.causes[0]) if one.causes else None,
        runner_up=_cause(one.causes[1]) if len(one.causes) > 1 else None,
        around=() if parted is None or against is None else _around(parted, failing, against),
        cost_usd=failing.cost_usd,
        rests_on=one.notes,
    )


def _cause(one: Cause) -> RootCause:
    return RootCause(
        step=one.step,
        category=one.category,
        explanation=one.explanation,
        evidence=tuple(QuoteFound(step=step, quote=quote) for step, quote in one.evidence),
        better_action=one.better_action,
        confidence=one.confidence,
        by=one.by,
        prompt_version=one.prompt_version,
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
