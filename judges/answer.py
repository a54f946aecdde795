"""What a judge model answered, read: each verdict is taken, or there is a sentence on what is wrong with it.

An answer is trusted in nothing. It must be one JSON object of the form that was asked for, and carry the boundary of
the trajectory, which no text in it can hold: so what a judge repeats of what it read is no answer. Each of its verdicts
must be on a step and criterion that was asked, with a label that there is and quotes that stand in the steps they name.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, cast

from pydantic import BeforeValidator, Field, ValidationError

from judges.loose_answer import (
    SHOWN,
    TRAJECTORY,
    Action,
    Confidence,
    Evidence,
    Said,
    SaidQuote,
    Text,
    better,
    clean,
    none_if_empty,
    parsed,
    quotes,
    whole,
)
from judges.verdict import Category, Verdict, check_evidence, check_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from adapter.trial import Trial
    from judges.transcript.render import Transcript
    from prompts import Criterion

type Pair = tuple[int, str]
"""A step's number and a criterion."""

_VERDICTS = "verdicts"


@dataclass(slots=True)
class Answered:
    """What was taken from an answer.

    Attributes:
        verdicts: the good ones, by step and criterion.
        problems: what is wrong, for each that was asked for and is not among them.
        unasked: how many verdicts were on steps or criteria that were not asked for.
    """

    verdicts: dict[Pair, Verdict] = field(default_factory=dict[tuple[int, str], Verdict])
    problems: dict[Pair, str] = field(default_factory=dict[tuple[int, str], str])
    unasked: int = 0

    @property
    def complaints(self) -> tuple[str, ...]:
        """What the judge is told when it is asked once more, one sentence each."""
        return tuple(f"Step {step}, {criterion}: {problem}" for (step, criterion), problem in self.problems.items())


def read_answer(
    text: str, asked: Sequence[Pair], transcript: Transcript, criteria: Mapping[str, Criterion], by: str
) -> Answered:
    """Reads the answer of one call.

    Args:
        text: as the model gave it.
        asked: what it was asked for.
        transcript: what it was asked about: quotes are looked up in the whole of its trial.
        criteria: those in force, by identifier.
        by: the model's name.
    """
    answered = Answered()
    try:
        items = list(_items(text, transcript.boundary))
    except _NotReadError as error:
        answered.problems = dict.fromkeys(asked, str(error))
        return answered
    found: dict[Pair, list[Verdict | str]] = {pair: [] for pair in asked}
    for item in items:
        pair = _pair(item)
        if pair not in found:
            answered.unasked += 1
            continue
        found[pair].append(_verdict(item, transcript.trial, criteria[pair[1]], by))
    for pair, said in found.items():
        first = said[0] if said else "There is no verdict in the answer."
        if any(other != first for other in said[1:]):
            first = "The answer holds several verdicts that differ."
        if isinstance(first, str):
            answered.problems[pair] = clean(first)
        else:
            answered.verdicts[pair] = first
    return answered


class _NotReadError(Exception):
    """The answer as a whole is not what was asked for."""


class _Item(Said):
    explanation: Annotated[Text, Field(pattern=r"\S")]
    evidence: Evidence = Field(default_factory=list[SaidQuote])
    label: Text
    better_action: Action = None
    category: Annotated[Text | None, BeforeValidator(none_if_empty)] = None
    confidence: Confidence = None


def _items(text: str, boundary: str) -> Iterator[dict[str, object]]:
    """The verdicts in an answer, as JSON objects. Of an answer that was cut, those before the cut.

    Raises:
        _NotReadError: it is empty, or not one JSON object about this trajectory with a list of verdicts.
    """
    stripped = text.strip()
    if not stripped:
        raise _NotReadError("The answer is empty.")
    read = parsed(stripped)
    if read is not None:
        listed = read.get(_VERDICTS)
        if not isinstance(listed, list):
            raise _NotReadError(f"The answer is JSON without a list `{_VERDICTS}`.")
        if read.get(TRAJECTORY) != boundary:
            raise _NotReadError(f"The answer's `{TRAJECTORY}` is not {boundary}.")
        yield from _objects(cast("list[object]", listed))
        return
    opening = rf'\{{\s*"{TRAJECTORY}"\s*:\s*"{boundary}"\s*,\s*"{_VERDICTS}"\s*:\s*\['
    starts = list(re.finditer(opening, stripped))
    if len(starts) != 1:
        said = "holds several JSON objects with verdicts" if starts else f"is not JSON about {boundary}"
        raise _NotReadError(f"The answer {said}.")
    yield from _objects(_until_cut(stripped, starts[0].end()))


def _objects(listed: list[object]) -> Iterator[dict[str, object]]:
    return (cast("dict[str, object]", item) for item in listed if isinstance(item, dict))


def _until_cut(text: str, start: int) -> list[object]:
    """The items of a JSON list that begins here, as far as they are whole."""
    decoder = json.JSONDecoder()
    items: list[object] = []
    separator = re.compile(r"[\s,]*")
    at = cast("re.Match[str]", separator.match(text, start)).end()
    while at < len(text) and text[at] == "{":
        try:
            item, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        items.append(item)
        at = cast("re.Match[str]", separator.match(text, at)).end()
    if not items:
        raise _NotReadError("The answer is not JSON, or was cut before its first verdict ended.")
    return items


def _pair(item: Mapping[str, object]) -> Pair | None:
    step, criterion = whole(item.get("step")), item.get("criterion")
    return (step, criterion) if isinstance(step, int) and isinstance(criterion, str) else None


def _verdict(item: Mapping[str, object], trial: Trial, criterion: Criterion, by: str) -> Verdict | str:
    """The verdict, or what is wrong with it."""
    step = cast("int", whole(item["step"]))
    try:
        said = _Item.model_validate({key: value for key, value in item.items() if key in _Item.model_fields})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"`{'.'.join(map(str, first['loc']))}`: {first['msg']}."
    label = criterion.label(said.label)
    if label is None:
        known = ", ".join(f"`{one.label}`" for one in criterion.labels)
        return f"`{said.label[:SHOWN]}` is no label; the labels are {known}."
    if said.category is not None and said.category not in set(Category):
        return f"`{said.category[:SHOWN]}` is no category."
    evidence, problem = quotes(said.evidence, step)
    if problem is None and label.value is not None and label.value < 1 and not evidence:
        problem = f"`{label.label}` needs evidence: a quote, word for word, from step {step} or one before it."
    if problem is not None:
        return problem
    verdict = Verdict(
        trial=trial.name,
        step=step,
        criterion=criterion.criterion,
        label=label.label,
        value=label.value,
        explanation=clean(said.explanation.strip()),
        evidence=evidence,
        better_action=better(said.better_action),
        category=None if said.category is None else Category(said.category),
        confidence=said.confidence,
        by=by,
        prompt_version=criterion.prompt_version,
    )
    problems = [*check_label(verdict, criterion), *check_evidence(trial, verdict)]
    return problems[0] if problems else verdict
