"""`kilobench calibrate --export`: steps that people should label, put into an annotation queue in Opik."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from adapter.errors import BadInputError, ExitCode, UnreadableError
from adapter.opik_annotation import LABELS, STEP, Annotation
from adapter.opik_connection import Connection, connect
from adapter.opik_ids import mint
from adapter.opik_read import OpikReader
from adapter.opik_rows import JOB, KEY, Row, row_of, step_key
from adapter.opik_store import OpikStore
from adapter.trial import JsonValue, Object, Step, Trial
from judges.calibration.labels import StepLabel
from judges.calibration.to_label import Opinion, ToLabel, Why, to_label
from judges.transcript.render import Transcript
from judges.verdict import Verdict
from pipelines.calibrate import wanted_criteria
from pipelines.calibrate_stored import InOpik, labels_project, stored
from pipelines.judge_request import Which
from pipelines.label_files import Form, read_labels
from prompts import Criterion

QUEUE = "steps to label"
"""The queue's name where none is given."""
_WHAT_IT_IS = (
    "Each trace is one step of an agent: its input is the task and, in short, the steps before; its output is the "
    "step. Judge the step by what was known then."
)
_NO_MARK = -1.0
"""What Opik keeps for a label that is no mark: it needs a number, and the label is what counts."""
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Which steps are to be labelled.

    Attributes:
        experiments: names of experiments, or else
        project: a project: its trials.
        count: how many steps the queue is to hold.
        queue: its name.
        seed: another one draws others, where chance decides.
        predictions: a file with what judges said, beside what Opik holds.
        criteria: a folder of criteria of one's own.
        only: the criteria that people are asked about; all where empty.
        opik: `embedded`, the address of an Opik, or None for the configured one.
    """

    experiments: tuple[str, ...] = ()
    project: str | None = None
    count: int = 50
    queue: str = QUEUE
    seed: int = 0
    predictions: Path | None = None
    criteria: Path | None = None
    only: tuple[str, ...] = ()
    opik: str | None = None


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExportedStep(_Result):
    """A step that was put into the queue now, and why it was chosen."""

    trial: str
    step: int
    why: str
    trace_id: str


class NotExported(_Result):
    """A step or trace that was not, and why not."""

    what: str
    reason: str


class ExportResult(_Result):
    """What `kilobench calibrate --export` did: `waiting` steps are in the queue, with those of earlier runs."""

    opik: str
    queue: str
    queue_id: str
    project: str
    criteria: tuple[str, ...]
    waiting: int
    steps: tuple[ExportedStep, ...]
    skipped: tuple[NotExported, ...]
    exit_code: ExitCode


type ReadVerdicts = Callable[[InOpik], Iterable[Verdict]]
"""Where the judges' verdicts on stored trials come from."""


def export(request: ExportRequest, read_verdicts: ReadVerdicts = lambda found: found.verdicts) -> ExportResult:
    """Puts steps into the queue until it holds as many as were asked for; a step that is in one is not put in again.

    Args:
        request: which.
        read_verdicts: gives the verdicts of models; by default those of the kept judge runs.

    Raises:
        BadInputError: nothing is named that could be labelled, or several projects are.
        IncompleteError: Opik does not answer or refuses.
    """
    known = wanted_criteria(request.criteria, request.only)
    criteria = {name: one for name, one in known.items() if not request.only or name in request.only}
    if bool(request.experiments) == (request.project is not None) or not criteria:
        raise BadInputError("What is to be labelled is not clear.", "Give one of --experiment and --project.")
    which = Which(experiments=request.experiments, project=request.project)
    with connect(request.opik, request.project or "kilobench") as connection:
        found = stored(connection, which, criteria)
        if len(found.projects) != 1:
            what = "No trial was found" if not found.projects else f"They are in {len(found.projects)} projects"
            raise BadInputError(f"{what}: {', '.join(found.projects) or 'nothing matches'}.", "Export one at a time.")
        return _export(request, criteria, connection, found, read_verdicts(found))


def _export(
    request: ExportRequest,
    criteria: Mapping[str, Criterion],
    connection: Connection,
    found: InOpik,
    verdicts: Iterable[Verdict],
) -> ExportResult:
    project = labels_project(found.projects[0])
    annotation = Annotation(connection)
    there = annotation.steps(project)
    waiting = [one.id for one in there if one.queue == request.queue]
    taken = {(one.trial, one.step) for one in there}
    predicted = () if request.predictions is None else read_labels(request.predictions, Form.JSONL, criteria).labels
    chosen = to_label(
        [*_opinions(verdicts), *map(_opinion, (*found.predictions.labels, *predicted))],
        criteria,
        found.steps - taken,
        max(0, request.count - len(waiting)),
        request.seed,
    )
    skipped: list[NotExported] = []
    now = datetime.now(UTC)
    rows = {
        one.place: (mint(row.key, now), row)
        for one, row in _rows(request, criteria, connection, found, chosen, skipped)
    }
    store = OpikStore(connection, project)
    store.send_traces(rows.values())
    skipped += [NotExported(what=key, reason=reason) for key, reason in store.refused.items()]
    new = [one for one in chosen if one.place in rows and rows[one.place][1].key not in store.refused]
    for criterion in criteria.values():
        annotation.define(criterion.criterion, criterion.question, categories(criterion))
    if not (waiting or new):
        raise BadInputError("There is no step to label: all of them wait in another queue.", "Name other trials.")
    queue = annotation.fill_queue(
        request.queue,
        project,
        instructions(criteria.values()),
        list(criteria),
        # Those of earlier runs, too: one may have been stopped before it put them there.
        [*waiting, *(rows[one.place][0] for one in new)],
    )
    return ExportResult(
        opik=connection.address,
        queue=queue.name,
        queue_id=queue.id,
        project=project,
        criteria=tuple(criteria),
        waiting=len(waiting) + len(new),
        steps=tuple(
            ExportedStep(trial=one.place[0], step=one.place[1], why=one.why.value, trace_id=rows[one.place][0])
            for one in new
        ),
        skipped=tuple(skipped),
        exit_code=ExitCode.INCOMPLETE if skipped else ExitCode.DONE,
    )


def categories(criterion: Criterion) -> dict[str, float]:
    """A criterion's labels, and the number that Opik keeps for each."""
    return {label.label: _NO_MARK if label.value is None else label.value for label in criterion.labels}


def instructions(criteria: Iterable[Criterion]) -> str:
    """What people are told: the question of each criterion, and what its labels mean."""
    told = [_WHAT_IT_IS]
    for one in criteria:
        told.append(f"{one.criterion}: {one.question}")
        told += [f"- {label.label}: {label.meaning}" for label in one.labels]
    return "\n".join(told)


def _opinions(verdicts: Iterable[Verdict]) -> list[Opinion]:
    return [Opinion((one.trial, one.step), one.criterion, one.label, one.by, one.confidence) for one in verdicts]


def _opinion(one: StepLabel) -> Opinion:
    return Opinion(one.place, one.criterion, one.label, one.by or one.annotator)


def _rows(
    request: ExportRequest,
    criteria: Mapping[str, Criterion],
    connection: Connection,
    found: InOpik,
    chosen: Sequence[ToLabel],
    skipped: list[NotExported],
) -> Iterable[tuple[ToLabel, Row]]:
    """The small trace of each chosen step. Each trial is read again: only one is held at a time."""
    reader = OpikReader(connection)
    by_trial: dict[str, list[ToLabel]] = {}
    for one in chosen:
        by_trial.setdefault(one.place[0], []).append(one)
    for name, its in by_trial.items():
        try:
            trial = reader.trial(found.traces[name]).trial
        except UnreadableError as error:
            skipped.append(NotExported(what=name, reason=str(error)))
            continue
        transcript = Transcript.of(trial)
        steps = {step.number: step for step in trial.agent_steps}
        for one in its:
            step = steps.get(one.place[1])
            if step is not None:
                yield one, row_to_label(transcript, step, found.traces[name], request.queue, criteria.values())


def row_to_label(transcript: Transcript, step: Step, trace_id: str, queue: str, criteria: Iterable[Criterion]) -> Row:
    """A step as a trace of its own: the task, the steps before in short, and the step whole.

    What came after, how the trial ended, and what judges said is not there: people are to judge as judges do, and by
    themselves.

    Args:
        transcript: of its trial, without secrets.
        step: the step.
        trace_id: the trial's trace.
        queue: the queue that it waits in.
        criteria: what people are asked.
    """
    trial = transcript.trial
    key = f"{LABELS}/{step_key(trial, step.number)}"
    asked: Object = {one.criterion: one.question for one in criteria}
    of: Object = {
        "trial": trial.name,
        "step": step.number,
        "queue": queue,
        "trace_id": trace_id,
        "step_key": step_key(trial, step.number),
    }
    now = datetime.now(UTC)
    return row_of(
        key=key,
        kind="trace",
        name=f"{trial.name}, step {step.number}"[:_LONGEST_NAME],
        start_time=step.timestamp or now,
        end_time=step.timestamp or now,
        input={
            "task": _task(trial),
            "earlier_steps": "".join(text for text, _ in transcript.earlier(step.number)),
            "judge_by": asked,
        },
        output=_whole(step),
        metadata={JOB: LABELS, KEY: key, STEP: of},
        trace_key=key,
        tags=("kilobench-label",),
    )


def _task(trial: Trial) -> str:
    """What was said before the agent's first step."""
    texts: list[str] = []
    for step in trial.steps:
        if step.is_agent:
            break
        texts.append(step.message)
    return "\n\n".join(texts)


def _whole(step: Step) -> Object:
    calls: list[JsonValue] = [
        {"tool": call.name, "arguments": call.arguments, "output": call.output} for call in step.tool_calls
    ]
    return {
        "message": step.message,
        "reasoning": step.reasoning,
        "tool_calls": calls,
        "observations": list(step.observations),
    }


def reasons(result: ExportResult) -> dict[str, int]:
    """How many steps were chosen for each reason."""
    return {why.value: sum(one.why == why.value for one in result.steps) for why in Why}
