"""Labels of people, and predictions of judges, that Opik holds: scores on the spans of steps, and kept judge runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from adapter.opik_annotation import Annotation
from adapter.opik_connection import Connection
from adapter.opik_store import Score
from judges.calibration.labels import BadLine, Labels, Place, StepLabel, gathered
from judges.verdict import Verdict
from pipelines.judge_request import Which
from pipelines.judge_runs import read_runs
from pipelines.to_judge import FromOpik, ToJudge
from prompts import Criterion

_BY = re.compile(r"^\[(?:[^;\]]+; )?by (?P<by>.+?)(?:, prompt (?P<version>[^\s;,\]]+))?(?:; [^\]]*)?\]$")
"""The last line of a score's reason, as `pipelines.judge` writes it."""


@dataclass(frozen=True, slots=True)
class InOpik:
    """What is known of some stored trials.

    Attributes:
        people: labels that people left on the steps' spans.
        predictions: what judges said.
        steps: all of the agent's steps.
        lengths: how many of them a trial has.
        projects: where the trials are.
        verdicts: of the models, in the kept runs, the newest last.
        traces: the trial's trace.
    """

    people: Labels
    predictions: Labels
    steps: frozenset[Place]
    lengths: Mapping[str, int]
    projects: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    traces: Mapping[str, str]


def labels_project(project: str) -> str:
    """The project that keeps another's steps that people are to label."""
    return f"{project}.labels"


def stored(connection: Connection, which: Which, criteria: Mapping[str, Criterion], queue: str | None = None) -> InOpik:
    """What people and judges said of some stored trials.

    Args:
        connection: to the Opik that holds them.
        which: the trials.
        criteria: those in force, by name.
        queue: labels that people left in this annotation queue alone; without it, all that they left.

    Raises:
        BadInputError: there is no such experiment.
        IncompleteError: Opik refuses, or does not answer.
    """
    source = FromOpik(which, connection)
    said: list[tuple[str, int, Score]] = []
    scored: list[StepLabel] = []
    steps: set[Place] = set()
    lengths: dict[str, int] = {}
    projects: dict[str, None] = {}
    traces: dict[str, str] = {}
    for found in source.trials(lambda _: None):
        trial = found.trial
        numbers = [step.number for step in trial.agent_steps]
        steps.update((trial.name, number) for number in numbers)
        lengths[trial.name] = len(numbers)
        projects[found.project or ""] = None
        traces[trial.name] = found.trace_id or ""
        for number, scores, by_people in _spans(found):
            scored += scored_by_judges(trial.name, number, scores, criteria)
            said += [(trial.name, number, one) for one in by_people if queue is None]
    annotation = Annotation(connection)
    for project in projects:
        for one in annotation.steps(labels_project(project)):
            if (one.trial, one.step) in steps and queue in (None, one.queue):
                said += [(one.trial, one.step, score) for score in one.scores]
    people: list[StepLabel] = []
    bad = [BadLine(one.path, one.reason) for one in source.skipped if one.is_open]
    for name, number, score in said:
        label = label_of_person(name, number, score, criteria)
        if isinstance(label, StepLabel):
            people.append(label)
        elif label is not None:
            bad.append(BadLine(f"{name}, step {number}", label))
    verdicts = [
        verdict
        for project in projects
        for run in reversed(read_runs(connection, project))
        for verdict in run.verdicts
        if (verdict.trial, verdict.step) in steps
    ]
    return InOpik(
        people=gathered(people, bad),
        predictions=predictions_of(scored, verdicts),
        steps=frozenset(steps),
        lengths=lengths,
        projects=tuple(projects),
        verdicts=tuple(verdicts),
        traces=traces,
    )


def predictions_of(scored: Iterable[StepLabel], verdicts: Iterable[Verdict]) -> Labels:
    """What judges said: each member of a panel in the kept runs, the newest last, and else what stands on the spans.

    A score shows one judge's verdict, and a person's may have taken its place; the kept runs have each model's.
    """
    from_runs = [
        StepLabel(one.trial, one.step, one.criterion, one.label, one.by, one.by, one.prompt_version) for one in verdicts
    ]
    return gathered([*scored, *from_runs])


def judge_of(reason: str | None) -> tuple[str, str | None] | None:
    """Who gave a score, and with which prompt, by the last line of its reason; None where no judge of ours did."""
    found = _BY.match((reason or "").rpartition("\n")[2])
    return None if found is None else (found["by"], found["version"])


def scored_by_judges(
    trial: str, step: int, scores: Iterable[Score], criteria: Mapping[str, Criterion]
) -> list[StepLabel]:
    """The verdicts that a step's scores show."""
    found: list[StepLabel] = []
    for one in scores:
        criterion, judge = criteria.get(one.name), judge_of(one.reason)
        if criterion is None or judge is None or one.category is None or criterion.label(one.category) is None:
            continue
        by, version = judge
        found.append(StepLabel(trial, step, one.name, one.category, by, by, version))
    return found


def label_of_person(trial: str, step: int, score: Score, criteria: Mapping[str, Criterion]) -> StepLabel | str | None:
    """The label that a person's score stands for: by its category, else by its value.

    Returns:
        None where it is no score by a criterion; a text where it is none of the criterion's labels, which says so.
    """
    criterion = criteria.get(score.name)
    if criterion is None:
        return None
    known = criterion.label(score.category) if score.category is not None else None
    if known is None and score.category is None:
        known = next((label for label in criterion.labels if label.value == score.value), None)
    if known is None:
        said = score.category if score.category is not None else score.value
        return f"{said!r} is no label of {score.name}"
    return StepLabel(trial, step, score.name, known.label, score.author or "a person in Opik")


def _spans(found: ToJudge) -> Iterable[tuple[int, list[Score], tuple[Score, ...]]]:
    """Each step's number, with what programs and people scored on its span."""
    numbers = {span: number for number, span in found.span_ids.items()}
    for stored in found.spans.values():
        if stored.id in numbers:
            scores = [one for several in stored.scores.values() for one in several]
            yield numbers[stored.id], scores, stored.by_people
