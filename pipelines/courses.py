"""The courses of stored runs, read from Opik one after the other, and what Opik holds of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from adapter.errors import BadInputError
from adapter.opik_connection import Connection
from adapter.opik_rows import step_key, trial_key
from adapter.opik_store import Stored
from adapter.prices import PriceBook
from adapter.trial import Trial
from judges.criteria import criteria
from pipelines.cost import attribute, price_trial
from pipelines.judge_request import Which
from pipelines.progress import Bars
from pipelines.read import Skipped
from pipelines.regrades import Graded, standings
from pipelines.root_cause_marks import Held
from pipelines.said import chips_of
from pipelines.to_judge import FromOpik, ToJudge
from views.course import Course, Fault, course_of


@dataclass(slots=True)
class Courses:
    """What was read.

    Attributes:
        runs: the courses, by name, each as its latest grade says. Regrades are none.
        held: what Opik holds of those that did not pass, by key.
        spans: the ids of the steps' spans, by key and step; `traces` those of the traces.
        skipped: what is no trial, or could not be read.
    """

    runs: list[Course] = field(default_factory=list[Course])
    held: dict[str, Held] = field(default_factory=dict[str, Held])
    spans: dict[str, dict[int, str]] = field(default_factory=dict[str, dict[int, str]])
    traces: dict[str, str] = field(default_factory=dict[str, str])
    skipped: list[Skipped] = field(default_factory=list[Skipped])


def read_courses(which: Which, connection: Connection, book: PriceBook, bars: Bars) -> Courses:
    """Reads the runs; one of them is held at a time.

    Raises:
        BadInputError: there is no such experiment or project, or it holds no trial.
        IncompleteError: Opik refuses, or is still in trouble after the last try.
    """
    source = FromOpik(which, connection)
    found = Courses()
    courses: dict[str, Course] = {}
    grades: list[Graded] = []
    for one in source.trials(bars.stage("Read", "trials", None)):
        grades.append(Graded.of(one.trial))
        key = trial_key(one.trial)
        courses[key] = _course(one, key, book)
        found.spans[key] = one.span_ids
        if one.trace_id is not None:
            found.traces[key] = one.trace_id
        if one.trial.passed is not True and key in one.trace:
            by_id = {span.id: span for span in one.spans.values()}
            found.held[key] = Held(one.trace[key], {step: by_id[span] for step, span in one.span_ids.items()})
    found.skipped += source.skipped
    if not courses:
        raise BadInputError(
            "Opik holds no trial there.", "Store some with `kilobench run JOB`, or name another project."
        )
    standing = standings(grades)
    found.runs = sorted(
        (
            replace(one, passed=standing[key].passed, status=standing[key].status.value)
            for key, one in courses.items()
            if standing[key].regrade_of is None
        ),
        key=lambda one: one.trial,
    )
    return found


def _course(one: ToJudge, key: str, book: PriceBook) -> Course:
    cost = price_trial(one.trial, book)
    spent = {step.step: step.usd for step in attribute(one.trial, cost).steps if step.usd is not None}
    return course_of(one.trial, key, faults_of(one.trial, one.spans), cost.usd, spent)


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
