"""`kilobench calibrate`: how far judges agree with people, and what of it is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adapter.errors import BadInputError, ExitCode
from adapter.opik_annotation import Annotation
from adapter.opik_connection import Connection, connect
from judges.calibration.first_errors import BANDS, FirstErrors, decisive
from judges.calibration.kept import Calibration, keep
from judges.calibration.labels import DECISIVE, NOT_NAMED, Labels, StepLabel
from judges.calibration.metrics import Score, score
from judges.calibration.reference import between_people, decisive_steps, reference
from judges.criteria import in_force
from judges.final import RULE
from pipelines.calibrate_stored import InOpik, labels_project, stored
from pipelines.calibrated import (
    BadLineResult,
    CalibrateResult,
    DecisiveCalibration,
    FirstErrorsResult,
    FoundByLength,
    FoundResult,
    JudgeCalibration,
    LabelSource,
    PeopleResult,
)
from pipelines.judge_request import Which
from pipelines.label_files import Form, read_labels
from prompts import Criterion, CriterionError
from views.confusion import Matrix, confusion

_PROJECT = "kilobench"
_IN_OPIK = "opik"


@dataclass(frozen=True, slots=True)
class CalibrateRequest:
    """What is compared with what.

    Attributes:
        labels: the file of labels; None for those that people left in Opik.
        form: how they stand in it.
        predictions: a file of predictions; None for what judges said of the experiments' trials.
        experiments: names of experiments.
        queue: an annotation queue: labels that people left in it alone.
        opik: `embedded`, the address of an Opik, or None for the configured one.
        criteria: a folder of criteria of one's own.
        only: the criteria that are looked at; all where empty.
        keep_as: the judge's name, where the predictions do not say it.
        prompt_version: its prompt's version, where they do not say it: `criterion@version`, or the version alone.
        keep: whether calibrations are kept.
        picture: where the confusion matrices are drawn.
    """

    labels: Path | None = None
    form: Form = Form.JSONL
    predictions: Path | None = None
    experiments: tuple[str, ...] = ()
    queue: str | None = None
    opik: str | None = None
    criteria: Path | None = None
    only: tuple[str, ...] = ()
    keep_as: str | None = None
    prompt_version: str | None = None
    keep: bool = True
    picture: Path | None = None


type _Judge = tuple[str | None, str | None]
"""Name and prompt version."""


def calibrate(request: CalibrateRequest) -> CalibrateResult:
    """Compares predictions with labels, and keeps what comes of it.

    Raises:
        BadInputError: a file cannot be read, or nothing can be compared; the message says why.
        IncompleteError: Opik does not answer or refuses.
    """
    criteria = wanted_criteria(request.criteria, request.only)
    in_opik = bool(request.experiments or request.queue)
    if request.labels is None and not in_opik:
        raise BadInputError(
            "Whose labels are meant is not clear.", "Give a file of labels, or --experiment with labels in Opik."
        )
    if request.predictions is None and not in_opik:
        raise BadInputError(
            "There is nothing to compare the labels with.", "Give --predictions FILE or --experiment NAME."
        )
    found = None
    with _open(request) as connection:
        if connection is not None:
            found = stored(connection, _which(request, connection), criteria, request.queue)
    labels = _labels(request, criteria, found)
    predictions = _predictions(request, criteria, found)
    return _compared(request, criteria, labels, predictions, found)


def _which(request: CalibrateRequest, connection: Connection) -> Which:
    """The trials in Opik: of the experiments, or of the project whose steps wait in the queue."""
    if request.experiments:
        return Which(experiments=request.experiments)
    queue = Annotation(connection).find_queue(request.queue or "")
    if queue is None:
        raise BadInputError(
            f"Opik holds no annotation queue {request.queue!a}.", "kilobench calibrate --export makes one."
        )
    return Which(project=queue.project.removesuffix(labels_project("")))


def _open(request: CalibrateRequest) -> AbstractContextManager[Connection | None]:
    return connect(request.opik, _PROJECT) if request.experiments or request.queue else nullcontext()


def wanted_criteria(folder: Path | None, only: Sequence[str]) -> Mapping[str, Criterion]:
    """The criteria in force.

    Raises:
        BadInputError: the folder cannot be used, or one of `only` is none of them.
    """
    try:
        known = in_force(folder)
    except CriterionError as error:
        raise BadInputError(str(error), "See the guide to criteria of your own.") from error
    unknown = [name for name in only if name not in (*known, DECISIVE)]
    if unknown:
        names = ", ".join((*known, DECISIVE))
        raise BadInputError(f"There is no criterion {unknown[0]!a}.", f"Give one of {names} with --criterion.")
    return known


def _labels(request: CalibrateRequest, criteria: Mapping[str, Criterion], opik: InOpik | None) -> Labels:
    if request.labels is not None:
        return read_labels(request.labels, request.form, criteria)
    found = Labels(()) if opik is None else opik.people
    if not found.labels:
        raise BadInputError(
            "People have left no label on the steps of these trials.",
            "Score steps by a criterion in Opik's pages, or give a file of labels.",
        )
    return found


def _predictions(request: CalibrateRequest, criteria: Mapping[str, Criterion], opik: InOpik | None) -> Labels:
    if request.predictions is not None:
        return read_labels(request.predictions, Form.JSONL, criteria)
    return Labels(()) if opik is None else opik.predictions


def _compared(
    request: CalibrateRequest,
    criteria: Mapping[str, Criterion],
    labels: Labels,
    predictions: Labels,
    opik: InOpik | None,
) -> CalibrateResult:
    wanted = set(request.only or (*criteria, DECISIVE))
    lengths = {**predictions.lengths, **labels.lengths, **({} if opik is None else opik.lengths)}
    usable = [one for one in labels.labels if one.criterion in wanted]
    unknown = 0
    if opik is not None:
        known = [one for one in usable if one.place in opik.steps]
        unknown, usable = len(usable) - len(known), known
    judges = _by_judge(request, predictions.labels)
    by_criterion = _by_criterion(usable)
    found: list[JudgeCalibration] = []
    kept: list[Calibration] = []
    for name, its in by_criterion.items():
        if name == DECISIVE:
            continue
        truth = reference(its)
        for judge, said in judges.items():
            mine = {one.place: one.label for one in said if one.criterion == name}
            if not mine:
                continue
            scored = score(criteria[name], truth, mine, lengths)
            calibration = _calibration(request, judge, scored)
            if isinstance(calibration, Calibration):
                kept.append(calibration)
            found.append(_judge_result(criteria[name], judge, scored, calibration))
    by_decisive = _decisive(by_criterion.get(DECISIVE, ()), judges, criteria, wanted, lengths)
    if not any(one.compared for one in found) and not any(_any(one) for one in by_decisive):
        raise BadInputError(_nothing_in_common(labels, usable, predictions), "Name trials as `job/trial` in both.")
    picture = None if request.picture is None else _draw(request.picture, found)
    if kept:
        keep(kept)
    bad_lines = [*_bad(_name(request.labels), labels), *_bad(_name(request.predictions), predictions)]
    return CalibrateResult(
        labels=_source(_name(request.labels), labels),
        predictions=_source(_name(request.predictions), predictions),
        judges=tuple(found),
        decisive=tuple(by_decisive),
        people=tuple(
            PeopleResult(
                criterion=name, annotators=one.annotators, steps=one.steps, agreement=one.agreement, kappa=one.kappa
            )
            for name, its in by_criterion.items()
            if name != DECISIVE
            for one in between_people(its)
        ),
        bad_lines=tuple(bad_lines),
        unknown_steps=None if opik is None else unknown,
        picture=picture,
        exit_code=ExitCode.INCOMPLETE if bad_lines else ExitCode.DONE,
    )


def _by_judge(request: CalibrateRequest, predictions: Iterable[StepLabel]) -> dict[_Judge, list[StepLabel]]:
    """Predictions by who made them; with `--keep-as`, by the one that it names."""
    found: dict[_Judge, list[StepLabel]] = {}
    for one in predictions:
        name = one.by or (None if one.annotator == NOT_NAMED else one.annotator)
        found.setdefault((name, one.prompt_version), []).append(one)
    if request.keep_as is None:
        return found
    names = {name for name, _ in found}
    if len(names) > 1:
        told = ", ".join(sorted(name or NOT_NAMED for name in names))
        raise BadInputError(
            f"--keep-as names one judge, and the predictions are by {len(names)}: {told}.", "Keep one at a time."
        )
    return {(request.keep_as, version): said for (_, version), said in found.items()}


def _by_criterion(labels: Iterable[StepLabel]) -> dict[str, list[StepLabel]]:
    found: dict[str, list[StepLabel]] = {}
    for one in labels:
        found.setdefault(one.criterion, []).append(one)
    return found


def _calibration(request: CalibrateRequest, judge: _Judge, scored: Score) -> Calibration | str:
    """What is kept of a judge's figures, or why nothing is."""
    name, version = judge
    if not request.keep:
        return "--no-keep was given"
    if not scored.compared:
        return "no labelled step has a mark by it"
    if name is None:
        return "the predictions do not name their judge: give --keep-as MODEL"
    if version is None and request.prompt_version is not None:
        given = request.prompt_version
        version = given if "@" in given else f"{scored.criterion}@{given}"
        if version.partition("@")[0] != scored.criterion:
            return f"--prompt-version {given} is of another criterion"
    if version is None and name.startswith(RULE):
        version = scored.criterion  # A rule has no prompt.
    if version is None:
        return "the predictions do not say their prompt's version: give --prompt-version"
    return Calibration(
        model=name,
        prompt_version=version,
        kappa=scored.kappa.value,
        low=scored.kappa.low,
        high=scored.kappa.high,
        agreement=scored.agreement.value,
        flagged=_flagged(scored),
        steps=scored.compared,
        trials=scored.trials,
        labels=_name(request.labels),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _flagged(scored: Score) -> tuple[int, int, int, int]:
    """Steps that both flag, the judge alone, people alone, neither."""
    (best, *missed), *bad = scored.confusion.counts
    return sum(sum(row[1:]) for row in bad), sum(missed), sum(row[0] for row in bad), best


def _judge_result(
    criterion: Criterion, judge: _Judge, scored: Score, calibration: Calibration | str
) -> JudgeCalibration:
    name, version = judge
    is_kept = isinstance(calibration, Calibration)
    return JudgeCalibration.model_validate(
        {
            "by": name,
            "prompt_version": calibration.prompt_version if is_kept and not _is_rule(name) else version,
            "bad": criterion.worst.label,
            "calibration": calibration.summary if is_kept else None,
            "not_kept": None if is_kept else calibration,
            **{one: getattr(scored, one) for one in Score.__slots__ if one != "first_errors"},
            "first_errors": _first_errors(scored.first_errors),
        }
    )


def _is_rule(name: str | None) -> bool:
    return name is not None and name.startswith(RULE)


def _first_errors(found: FirstErrors) -> FirstErrorsResult:
    return FirstErrorsResult(
        overall=FoundResult.model_validate(found.overall),
        by_length=tuple(
            FoundByLength(shortest=low, longest=high, found=FoundResult.model_validate(one))
            for (low, high), one in zip(BANDS, found.by_length, strict=True)
        ),
        not_known=found.not_known,
    )


def _decisive(
    labels: Sequence[StepLabel],
    judges: Mapping[_Judge, Sequence[StepLabel]],
    criteria: Mapping[str, Criterion],
    wanted: set[str],
    lengths: Mapping[str, int],
) -> list[DecisiveCalibration]:
    """Of files that name one step in each trial: how often each judge names it, or calls it its first bad one."""
    truth, ties = decisive_steps(labels)
    if not truth:
        return []
    found: list[DecisiveCalibration] = []
    for judge, said in judges.items():
        for name, its in _by_criterion(said).items():
            if name not in wanted:
                continue
            bad = DECISIVE if name == DECISIVE else criteria[name].worst.label
            first: dict[str, int | None] = {}
            for one in its:
                before = first.setdefault(one.trial, None)
                if one.label == bad and (before is None or one.step < before):
                    first[one.trial] = one.step
            found.append(
                DecisiveCalibration(
                    criterion=name,
                    by=judge[0],
                    prompt_version=judge[1],
                    labelled=len(truth),
                    ties=ties,
                    first_errors=_first_errors(decisive(truth, first, lengths)),
                )
            )
    return found


def _any(one: DecisiveCalibration) -> bool:
    return one.first_errors.overall.all_trials.n > 0


def _nothing_in_common(labels: Labels, usable: Sequence[StepLabel], predictions: Labels) -> str:
    """Why nothing could be compared, with an example of each side."""
    if not labels.labels or not predictions.labels:
        what, bad = ("label", labels.bad) if not labels.labels else ("prediction", predictions.bad)
        why = f": {bad[0].where}: {bad[0].reason}" if bad else ""
        return f"There is no {what} that can be used{why}."
    if not usable:
        one = labels.labels[0]
        return f"No label is on a step that is looked at; there is one on step {one.step} of {one.trial!a}."
    one, other = usable[0], predictions.labels[0]
    return (
        f"No labelled step has a prediction: there is a label by {one.criterion} on step {one.step} of {one.trial!a}, "
        f"a prediction by {other.criterion} on step {other.step} of {other.trial!a}."
    )


def _name(path: Path | None) -> str:
    return _IN_OPIK if path is None else path.name


def _source(name: str, labels: Labels) -> LabelSource:
    return LabelSource(
        source=name,
        labels=len(labels.labels),
        trials=len({one.trial for one in labels.labels}),
        repeated=labels.repeated,
        who=tuple(sorted({one.by or one.annotator for one in labels.labels})),
    )


def _bad(name: str, labels: Labels) -> list[BadLineResult]:
    return [BadLineResult(source=name, where=one.where, reason=one.reason) for one in labels.bad]


def _draw(path: Path, found: Sequence[JudgeCalibration]) -> str | None:
    """Draws the confusion matrices; None where there is none."""
    from views.charts import svg

    spec = confusion(
        [
            Matrix(
                f"{one.criterion}, {one.by or 'the predictions'}: {one.compared} steps",
                one.confusion.labels,
                one.confusion.counts,
            )
            for one in found
        ]
    )
    if spec is None:
        return None
    try:
        path.write_text(svg(spec), encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"--picture {path}: {error.strerror}.", "Name a file that can be written.") from error
    return str(path)
