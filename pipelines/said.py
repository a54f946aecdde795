"""Feedback scores on a stored step as what a judge said: the inverse of how `pipelines.judge` writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from adapter.opik_stored import Score, Stored
from pipelines.judge import is_ours
from views.pages.trial_model import Chip, Quoted

_BETTER = "Better: "
_EVIDENCE = re.compile(r"^Step (\d+): “(.*?)”$", re.DOTALL | re.MULTILINE)
_PERSON = "a person"


def chips_of(stored: Stored | None) -> tuple[Chip, ...]:
    """What judges and people say of a step; scores that other programs gave are not among them.

    Args:
        stored: the step's span; None where it is not stored.
    """
    if stored is None:
        return ()
    by_judges = [_of_judge(one) for scores in stored.scores.values() for one in scores if is_ours(one)]
    return (*by_judges, *_of_people(stored.by_people))


def _of_people(scores: Iterable[Score]) -> list[Chip]:
    return [
        Chip(
            one.name,
            one.category,
            one.value,
            one.reason or "",
            by=f"{_PERSON}: {one.author}" if one.author else _PERSON,
        )
        for one in scores
    ]


def _of_judge(score: Score) -> Chip:
    body, _, last = (score.reason or "").rpartition("\n")
    category, _, by = last.strip("[]").rpartition("by ")
    quotes = [Quoted(int(step), quote) for step, quote in _EVIDENCE.findall(body)]
    rest = _EVIDENCE.sub("", body)
    lines = [line for line in rest.split("\n") if line.strip()]
    better = next((line.removeprefix(_BETTER) for line in lines if line.startswith(_BETTER)), None)
    return Chip(
        criterion=score.name,
        label=score.category,
        value=score.value,
        explanation="\n".join(line for line in lines if not line.startswith(_BETTER)),
        better_action=better,
        category=category.strip("; ") or None,
        by=by,
        evidence=tuple(quotes),
    )
