"""What a judge model answered, read: each verdict is taken, or there is a sentence on what is wrong with it.

An answer is trusted in nothing. It must be one JSON object of the form that was asked for, and carry the boundary of
the trajectory, which no text in it can hold: so what a judge repeats of what it read is no answer. Each of its verdicts
must be on a step and criterion that was asked, with a label that there is and quotes that stand in the steps they name.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from adapter.redact import redact_text
from judges.verdict import Category, Quote, Verdict, check_evidence, check_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from adapter.trial import Trial
    from judges.transcript.render import Transcript
    from prompts import Criterion

type Pair = tuple[int, str]
"""A step's number and a criterion."""

_TRAJECTORY, _VERDICTS = "trajectory", "verdicts"
_WORDS = re.compile(r"\w\W*\w")
"""A quote of fewer than two letters or digits is found anywhere, and shows nothing."""
_SHOWN = 120
"""Characters of the judge's own words that a complaint repeats at most."""


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
            answered.problems[pair] = _clean(first)
        else:
            answered.verdicts[pair] = first
    return answered


class _NotReadError(Exception):
    """The answer as a whole is not what was asked for."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


def _none_if_empty(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() in ("", "none", "null", "n/a") else value


def _whole(value: object) -> object:
    """A number as some models write it: `3.0`, `"3"`."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else value


def _real(value: object) -> object:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _encodable(value: object) -> object:
    """Half characters, which JSON can carry and UTF-8 cannot, are replaced."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


type _Text = Annotated[str, BeforeValidator(_encodable)]


class _Quote(_Model):
    step: Annotated[int, BeforeValidator(_whole)]
    quote: _Text


class _Action(_Model):
    tool: _Text
    arguments: _Text


class _Item(_Model):
    explanation: Annotated[_Text, Field(pattern=r"\S")]
    evidence: Annotated[list[_Quote], BeforeValidator(lambda value: [] if value is None else value)] = []
    label: _Text
    better_action: Annotated[_Action | None, BeforeValidator(_none_if_empty)] = None
    category: Annotated[_Text | None, BeforeValidator(_none_if_empty)] = None
    confidence: Annotated[Annotated[float, Field(ge=0, le=1)] | None, BeforeValidator(_real)] = None


def _items(text: str, boundary: str) -> Iterator[dict[str, object]]:
    """The verdicts in an answer, as JSON objects. Of an answer that was cut, those before the cut.

    Raises:
        _NotReadError: it is empty, or not one JSON object about this trajectory with a list of verdicts.
    """
    stripped = text.strip()
    if not stripped:
        raise _NotReadError("The answer is empty.")
    whole = _parsed(stripped)
    if whole is not None:
        listed = whole.get(_VERDICTS)
        if not isinstance(listed, list):
            raise _NotReadError(f"The answer is JSON without a list `{_VERDICTS}`.")
        if whole.get(_TRAJECTORY) != boundary:
            raise _NotReadError(f"The answer's `{_TRAJECTORY}` is not {boundary}.")
        yield from _objects(cast("list[object]", listed))
        return
    opening = rf'\{{\s*"{_TRAJECTORY}"\s*:\s*"{boundary}"\s*,\s*"{_VERDICTS}"\s*:\s*\['
    starts = list(re.finditer(opening, stripped))
    if len(starts) != 1:
        said = "holds several JSON objects with verdicts" if starts else f"is not JSON about {boundary}"
        raise _NotReadError(f"The answer {said}.")
    yield from _objects(_until_cut(stripped, starts[0].end()))


def _parsed(text: str) -> dict[str, object] | None:
    """The text as one JSON value, an object or taken for an empty one; None where it is no JSON."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


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
    step, criterion = _whole(item.get("step")), item.get("criterion")
    return (step, criterion) if isinstance(step, int) and isinstance(criterion, str) else None


def _verdict(item: Mapping[str, object], trial: Trial, criterion: Criterion, by: str) -> Verdict | str:
    """The verdict, or what is wrong with it."""
    step = cast("int", _whole(item["step"]))
    try:
        said = _Item.model_validate({key: value for key, value in item.items() if key in _Item.model_fields})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"`{'.'.join(map(str, first['loc']))}`: {first['msg']}."
    label = criterion.label(said.label)
    if label is None:
        known = ", ".join(f"`{one.label}`" for one in criterion.labels)
        return f"`{said.label[:_SHOWN]}` is no label; the labels are {known}."
    if said.category is not None and said.category not in set(Category):
        return f"`{said.category[:_SHOWN]}` is no category."
    quotes, problem = _quotes(said.evidence, step)
    if problem is None and label.value is not None and label.value < 1 and not quotes:
        problem = f"`{label.label}` needs evidence: a quote, word for word, from step {step} or one before it."
    if problem is not None:
        return problem
    verdict = Verdict(
        trial=trial.name,
        step=step,
        criterion=criterion.criterion,
        label=label.label,
        value=label.value,
        explanation=_clean(said.explanation.strip()),
        evidence=quotes,
        better_action=_better(said.better_action),
        category=None if said.category is None else Category(said.category),
        confidence=said.confidence,
        by=by,
        prompt_version=criterion.prompt_version,
    )
    problems = [*check_label(verdict, criterion), *check_evidence(trial, verdict)]
    return problems[0] if problems else verdict


def _clean(text: str) -> str:
    """A judge's own words without secrets: it was sent none, but may have made one up that is somebody's."""
    return redact_text(text, Counter())


def _quotes(found: Sequence[_Quote], step: int) -> tuple[tuple[Quote, ...], str | None]:
    """The quotes, and what is wrong with one of them."""
    quotes: list[Quote] = []
    for one in found:
        if one.step < 1:
            return (), f"There is no step {one.step} to quote from."
        if one.step > step:
            return (), f"Step {one.step} came after step {step}: what it shows was not known then."
        if not _WORDS.search(one.quote):
            return (), f"The quote `{one.quote[:_SHOWN]}` is too short to show anything."
        quotes.append(Quote(step=one.step, quote=one.quote))
    return tuple(dict.fromkeys(quotes)), None


def _better(action: _Action | None) -> str | None:
    """The tool and its arguments as one line of text; None unless both are named."""
    if action is None or not action.tool.strip() or not action.arguments.strip():
        return None
    return _clean(f"{action.tool.strip()} {action.arguments.strip()}")
