"""The marks that hold a trajectory apart from what is ours.

Every mark carries one boundary, which is taken from a hash of all text of the trial. So no text in the trial can hold
it, since it would have to hold its own hash; and the same trial always has the same one, so that a prompt begins with
the same bytes from window to window.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from judges.plain import skeleton
from judges.verdict import texts_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter.trial import JsonValue, Trial

_LENGTH = 10
"""Hexadecimal digits: 40 bits, which whoever writes a text cannot know without all texts that come after it."""


def boundary(*trials: Trial, beside: Sequence[str] = ()) -> str:
    """The boundary of trials that are shown together: ten hexadecimal digits that stand nowhere in their text.

    They stand there in no disguise either.

    Args:
        trials: mostly one.
        beside: what else is shown that is not ours.
    """
    shown = [text for trial in trials for text in _shown(trial)] + list(beside)
    return _free(json.dumps(shown).encode(), skeleton("\n".join(shown)))


def _shown(trial: Trial) -> list[str]:
    shown = [trial.name, trial.task]
    for step in trial.steps:
        shown += [step.subagent, step.segment, *texts_in(step)]
        # Arguments once more as a whole: their names and numbers are shown, too, and are no texts to quote.
        shown += [json.dumps(call.arguments) for call in step.tool_calls if not isinstance(call.arguments, str)]
        shown += [name for call in step.tool_calls for name in _names(call.arguments)]
    return shown


def _names(value: JsonValue) -> Iterator[str]:
    """All names in a JSON value, at whatever depth."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield from item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _free(seed: bytes, text: str) -> str:
    """The first boundary, of the endless row that a seed gives, that the text does not hold."""
    number = 0
    while True:
        found = hashlib.sha256(b"%d %b" % (number, seed)).hexdigest()[:_LENGTH]
        if found not in text:
            return found
        number += 1
