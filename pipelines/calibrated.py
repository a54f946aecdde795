"""What `kilobench calibrate` says: how far judges agree with people."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from adapter.errors import ExitCode


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class FigureResult(_Result):
    """A figure with its 95 % interval. `n` is what it is a figure of: steps, or trials.

    `value` is None where it is not defined, `low` and `high` where there are too few trials for an interval.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int


class FoundResult(_Result):
    """How often a judge finds the first bad step, over some trials.

    `all_trials` is the share on which judge and people say the same, the same first bad step or none; `exact` and
    `within` (at most so many steps away) are over the trials with a bad step, and `found_none` counts those of them in
    which the judge finds none, each a miss; `false_alarms` is over the trials without one.
    """

    all_trials: FigureResult
    exact: FigureResult
    within: dict[int, FigureResult]
    found_none: int
    false_alarms: FigureResult


class FoundByLength(_Result):
    """The same over trials of some length, in steps; `longest` is None for the last band."""

    shortest: int
    longest: int | None
    found: FoundResult


class FirstErrorsResult(_Result):
    """First bad steps, over all trials and by their length; `not_known` trials are in no figure."""

    overall: FoundResult
    by_length: tuple[FoundByLength, ...]
    not_known: int


class ConfusionResult(_Result):
    """A row for each label of people, in it a count for each label of the judge."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


class JudgeCalibration(_Result):
    """How far one judge agrees with people by one criterion.

    Of the `labelled` steps `compared` have a mark by both; `missing` have no prediction, and to `predicted_no_mark` the
    judge gave a label that is no mark. `no_mark` steps have none by people, on `ties` they are split; neither is in a
    figure. `precision`, `recall` and `f1` are of the worst label, `bad`; `prevalence` is its share by people,
    `predicted_prevalence` by the judge. `calibration` is the phrase that stands beside the judge's scores; None where
    the calibration was not kept, and `not_kept` says why.
    """

    criterion: str
    by: str | None
    prompt_version: str | None
    bad: str
    labelled: int
    compared: int
    missing: int
    predicted_no_mark: int
    no_mark: int
    ties: int
    not_labelled: int
    trials: int
    agreement: FigureResult
    kappa: FigureResult
    weighted_kappa: FigureResult
    quadratic_kappa: FigureResult
    precision: FigureResult
    recall: FigureResult
    f1: FigureResult
    prevalence: float | None
    predicted_prevalence: float | None
    confusion: ConfusionResult
    first_errors: FirstErrorsResult
    calibration: str | None
    not_kept: str | None


class DecisiveCalibration(_Result):
    """How often one judge names the decisive step of a trial.

    `criterion` is that of its predictions: `decisive`, or the criterion by which its first step with the worst label
    is taken for the decisive one. `labelled` trials have one by people; on `ties` they are split.
    """

    criterion: str
    by: str | None
    prompt_version: str | None
    labelled: int
    ties: int
    first_errors: FirstErrorsResult


class PeopleResult(_Result):
    """How far two annotators agree by one criterion, over the steps that both labelled."""

    criterion: str
    annotators: tuple[str, str]
    steps: int
    agreement: float | None
    kappa: float | None


class BadLineResult(_Result):
    """What of a file cannot be used, and why."""

    source: str
    where: str
    reason: str


class LabelSource(_Result):
    """Where labels or predictions come from; `repeated` were replaced by a later one of the same annotator."""

    source: str
    labels: int
    trials: int
    repeated: int
    who: tuple[str, ...]


class CalibrateResult(_Result):
    """What `kilobench calibrate` says.

    `unknown_steps` counts labels on trials that are not among those in Opik, or on steps that their trial has not; None
    where no experiment was named.
    """

    labels: LabelSource
    predictions: LabelSource
    judges: tuple[JudgeCalibration, ...]
    decisive: tuple[DecisiveCalibration, ...]
    people: tuple[PeopleResult, ...]
    bad_lines: tuple[BadLineResult, ...]
    unknown_steps: int | None
    picture: str | None
    exit_code: ExitCode
