"""What every answer of a judge model is made of, read tolerantly: numbers as models write them, quotes, actions."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Annotated, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from adapter.redact import redact_text
from judges.verdict import Quote

if TYPE_CHECKING:
    from collections.abc import Sequence

TRAJECTORY = "trajectory"
"""The field that holds the boundary, which shows that an answer is the judge's own."""

_WORDS = re.compile(r"\w\W*\w")
"""A quote of fewer than two letters or digits is found anywhere, and shows nothing."""
SHOWN = 120
"""Characters of the judge's own words that a complaint repeats at most."""


def none_if_empty(value: object) -> object:
    """None for the words by which models say that there is nothing."""
    return None if isinstance(value, str) and value.strip().lower() in ("", "none", "null", "n/a") else value


def whole(value: object) -> object:
    """A number as some models write it: `3.0`, `"3"`."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else value


def _real(value: object) -> object:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _encodable(value: object) -> object:
    """Half characters, which JSON can carry and UTF-8 cannot, are replaced."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


type Text = Annotated[str, BeforeValidator(_encodable)]
type Number = Annotated[int, BeforeValidator(whole)]
type Confidence = Annotated[Annotated[float, Field(ge=0, le=1)] | None, BeforeValidator(_real)]


class Said(BaseModel):
    """A part of an answer: what is in it beside its fields is passed over."""

    model_config = ConfigDict(extra="ignore", strict=True)


class SaidQuote(Said):
    """A quote as it was given."""

    step: Number
    quote: Text


class SaidAction(Said):
    """A better action as it was given."""

    tool: Text
    arguments: Text


type Evidence = Annotated[list[SaidQuote], BeforeValidator(lambda value: [] if value is None else value)]
type Action = Annotated[SaidAction | None, BeforeValidator(none_if_empty)]


def parsed(text: str) -> dict[str, object] | None:
    """The text as one JSON value, an object or taken for an empty one; None where it is no JSON."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def clean(text: str) -> str:
    """A judge's own words without secrets: it was sent none, but may have made one up that is somebody's."""
    return redact_text(text, Counter())


def quotes(found: Sequence[SaidQuote], last: int | None = None) -> tuple[tuple[Quote, ...], str | None]:
    """The quotes, each once, and what is wrong with one of them.

    Args:
        found: as they were given.
        last: the step after which nothing counts; None where all does.
    """
    kept: list[Quote] = []
    for one in found:
        if one.step < 1:
            return (), f"There is no step {one.step} to quote from."
        if last is not None and one.step > last:
            return (), f"Step {one.step} came after step {last}: what it shows was not known then."
        if not _WORDS.search(one.quote):
            return (), f"The quote `{one.quote[:SHOWN]}` is too short to show anything."
        kept.append(Quote(step=one.step, quote=one.quote))
    return tuple(dict.fromkeys(kept)), None


def better(action: SaidAction | None) -> str | None:
    """The tool and its arguments as one line of text; None unless both are named."""
    if action is None or not action.tool.strip() or not action.arguments.strip():
        return None
    return clean(f"{action.tool.strip()} {action.arguments.strip()}")
