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
    from adapter.trial import Trial

_LENGTH = 10
"""Hexadecimal digits: 40 bits, which whoever writes a text cannot know without all texts that come after it."""


def boundary(trial: Trial) -> str:
    """The boundary of a trial: ten hexadecimal digits that stand nowhere in its text, in whatever disguise."""
    texts = [trial.name, trial.task, *(text for step in trial.steps for text in texts_in(step))]
    names = [name for step in trial.steps for name in (step.subagent, step.segment)]
    return _free(json.dumps([texts, names]).encode(), skeleton("\n".join([*texts, *names])))


def _free(seed: bytes, text: str) -> str:
    """The first boundary, of the endless row that a seed gives, that the text does not hold."""
    number = 0
    while True:
        found = hashlib.sha256(b"%d %b" % (number, seed)).hexdigest()[:_LENGTH]
        if found not in text:
            return found
        number += 1
