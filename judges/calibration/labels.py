"""Labels of people, and predictions of judges, as they stand in a file: one JSON object a line.

`{"trial", "step", "criterion", "label", "annotator"}`; a prediction may also say `by` (the model) and `prompt_version`,
and `steps`, how many steps its trial has. What cannot be used is a value in the result, not the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr, StringConstraints, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prompts import Criterion

DECISIVE = "decisive"
"""The criterion, and the only label, of files that name one step in each trace: the one that decided its failure."""

NOT_NAMED = "not named"
"""The annotator where a line names nobody."""

_LARGEST = 2**31 - 1
_SHOWN = 60

type Place = tuple[str, int]
"""Trial and step."""


@dataclass(frozen=True, slots=True)
class StepLabel:
    """What somebody says of one step by one criterion.

    Attributes:
        trial: as the file names it; kilobench's own name of a trial is `job/trial`.
        step: number of the step, from 1.
        criterion: the criterion's name, or `decisive`.
        label: one of the criterion's labels.
        annotator: who says so.
        by: the judge, of a prediction that names it.
        prompt_version: `criterion@version`, of a prediction that names it.
    """

    trial: str
    step: int
    criterion: str
    label: str
    annotator: str = NOT_NAMED
    by: str | None = None
    prompt_version: str | None = None

    @property
    def place(self) -> Place:
        """Trial and step."""
        return self.trial, self.step


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line, or a file, that cannot be used.

    Attributes:
        where: such as `line 3`.
        reason: why not, in a phrase.
    """

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Labels:
    """What a file says.

    Attributes:
        labels: in the order of the file; of several of one annotator on one step by one criterion, the last.
        bad: what could not be used.
        repeated: how many were replaced by a later one of the same annotator.
        lengths: how many steps a trial has, where the file says it.
    """

    labels: tuple[StepLabel, ...]
    bad: tuple[BadLine, ...] = ()
    repeated: int = 0
    lengths: Mapping[str, int] = field(default_factory=dict[str, int])


type _Name = Annotated[str, StringConstraints(strict=True, pattern=r"\S")]
type _Count = Annotated[int, Field(strict=True, ge=1, le=_LARGEST)]


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore")

    trial: _Name
    step: _Count
    criterion: _Name
    label: StrictStr | StrictInt | StrictFloat | None
    annotator: _Name | None = None
    by: _Name | None = None
    prompt_version: _Name | None = None
    steps: _Count | None = None


class _Judged(BaseModel):
    """What `kilobench judge --json` prints: its verdicts are predictions."""

    model_config = ConfigDict(extra="ignore")

    verdicts: list[_Line]


def parse_labels(lines: Iterable[bytes], criteria: Mapping[str, Criterion]) -> Labels:
    """The labels in the lines of a file.

    A line may also be what `kilobench judge --json` prints: each of its verdicts is a label then.

    Args:
        lines: of the file, in UTF-8. Blank ones do not count.
        criteria: those in force, by name.
    """
    found: list[StepLabel] = []
    bad: list[BadLine] = []
    lengths: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        text = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip()
        if not text:
            continue
        where = f"line {number}"
        try:
            said = _Judged.model_validate_json(text).verdicts if b'"verdicts"' in text else [_line(text)]
        except ValidationError as error:
            bad.append(BadLine(where, _problem(error)))
            continue
        for one in said:
            label = _label(one, criteria)
            if isinstance(label, str):
                bad.append(BadLine(where, label))
                continue
            found.append(label)
            if one.steps is not None:
                lengths[one.trial] = one.steps
    return gathered(found, bad, lengths)


def gathered(
    labels: Iterable[StepLabel], bad: Iterable[BadLine] = (), lengths: Mapping[str, int] | None = None
) -> Labels:
    """Labels with what is said twice by one annotator (or judge) said once: the last word holds."""
    said: dict[tuple[object, ...], StepLabel] = {}
    count = 0
    for one in labels:
        count += 1
        who = (one.annotator, one.by, one.prompt_version)
        # Of a decisive step there is one in a trial: another step takes the place of the first.
        said[(*who, one.criterion, one.trial, None if one.criterion == DECISIVE else one.step)] = one
    return Labels(tuple(said.values()), tuple(bad), count - len(said), dict(lengths or {}))


def label_of(said: str | float | None, criterion: Criterion) -> str | None:
    """A criterion's label for what was written; None where it has none.

    Args:
        said: a label's name; or -1, 0 or 1, as a number or a text, for the worst, the middle and the best that has a
            value; or nothing, for the label that is no mark.
        criterion: whose labels they are.
    """
    if said is None:
        return next((label.label for label in criterion.labels if label.value is None), None)
    if isinstance(said, str):
        folded = " ".join(said.split()).casefold()
        named = [label.label for label in criterion.labels if label.label.casefold() == folded]
        if named:
            return named[0]
        said = {"-1": -1, "0": 0, "1": 1, "+1": 1}.get(folded, said)
        if isinstance(said, str):
            return None
    marks = [label.label for label in criterion.labels if label.value is not None]
    if said == 1:
        return marks[0]
    if said == -1:
        return marks[-1]
    return marks[len(marks) // 2] if said == 0 and len(marks) % 2 else None


def _line(text: bytes) -> _Line:
    return _Line.model_validate_json(text)


def _label(one: _Line, criteria: Mapping[str, Criterion]) -> StepLabel | str:
    """The label that a line stands for, or why there is none."""
    if one.criterion == DECISIVE:
        label = DECISIVE if one.label in (DECISIVE, -1, "-1") else None
        known = f"{DECISIVE!r} or -1"
    else:
        criterion = criteria.get(one.criterion)
        if criterion is None:
            names = ", ".join((*criteria, DECISIVE))
            return f"there is no criterion {_cut(one.criterion)}; there are {names}"
        label = label_of(one.label, criterion)
        known = ", ".join(repr(label.label) for label in criterion.labels)
    if label is None:
        return f"{_cut(one.label)} is no label of {one.criterion}; its labels are {known}"
    annotator = one.annotator or one.by or NOT_NAMED
    return StepLabel(one.trial, one.step, one.criterion, label, annotator, one.by, one.prompt_version)


def _cut(value: str | float | None) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"


def _problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"][:1])
    return f"{where}: {first['msg']}" if where else first["msg"]
