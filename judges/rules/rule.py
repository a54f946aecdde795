"""What a rule is, and the words it speaks in: flags, quotes, and calls as text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.actions import target
from judges.verdict import Quote, texts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapter.trial import Step, ToolCall
    from judges.rules.history import History
    from judges.verdict import Category

_QUOTE_LENGTH = 300
_CALL_LENGTH = 300
# Half of a character: JSON can carry one, UTF-8 cannot, so no quote may hold one.
_SURROGATES = re.compile(r"[\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Flag:
    """One step that a rule objects to.

    Attributes:
        step: its number.
        explanation: what the rule saw, naming the earlier step that it rests on.
        evidence: verbatim quotes.
        better_action: what should have been called; required where the rule gives the worst label.
    """

    step: int
    explanation: str
    evidence: tuple[Quote, ...]
    better_action: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One exact check.

    Attributes:
        name: how a verdict names it, as `rule:<name>`.
        criterion: the criterion it speaks on.
        label: the label it gives.
        category: the kind of mistake.
        check: finds the steps to flag, in any order.
    """

    name: str
    criterion: str
    label: str
    category: Category
    check: Callable[[History], Iterator[Flag]]


def quotes(*found: Quote | None) -> tuple[Quote, ...]:
    """The quotes that there are, each once."""
    return tuple(dict.fromkeys(quote for quote in found if quote is not None))


def quote(step: Step, text: str | None) -> Quote | None:
    """The beginning of a text of that step, verbatim; None when there is nothing to quote."""
    # Only the beginning is looked at: a text can be megabytes.
    for piece in _SURROGATES.split((text or "").lstrip()[:_QUOTE_LENGTH]):
        if piece.strip():
            return Quote(step=step.number, quote=piece.strip())
    return None


def quote_call(step: Step, call: ToolCall) -> Quote | None:
    """What the call was about: its command or path, else its longest argument, else the tool's name."""
    texts = list(texts_of(call.arguments))
    about = target(call)
    if about not in texts:  # a command made of several words is quoted by one of them
        about = max(texts, key=len, default=None)
    return quote(step, about) or quote(step, call.name)


def call_text(call: ToolCall) -> str:
    """A call as text, cut to a readable length: the tool and its arguments."""
    arguments = call.arguments
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    if len(text) > _CALL_LENGTH:
        text = f"{text[:_CALL_LENGTH]}…"
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", f"{call.name} {text}")
