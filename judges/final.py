"""Which verdict counts where rules and models speak of the same step: the model's, with a rule's that differs kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from judges.verdict import Verdict

RULE = "rule:"
"""Begins the name of every judge that is a rule."""


@dataclass(frozen=True, slots=True)
class Final:
    """What counts on one step by one criterion.

    Attributes:
        verdict: the model's, or the rule's where no model gave a mark.
        other: what the other says, where that is another label.
    """

    verdict: Verdict
    other: Verdict | None = None


def is_rule(verdict: Verdict) -> bool:
    """Whether a rule gave this verdict."""
    return verdict.by.startswith(RULE)


def final(verdicts: Iterable[Verdict]) -> tuple[Final, ...]:
    """What counts, by step and criterion, in the order of the steps and then as they were given.

    Args:
        verdicts: on one trial: at most one of a rule and one of a model (or a panel) by step and criterion.
    """
    said: dict[tuple[int, str], dict[bool, Verdict]] = {}
    for verdict in verdicts:
        said.setdefault((verdict.step, verdict.criterion), {})[is_rule(verdict)] = verdict
    found: list[Final] = []
    for pair in sorted(said, key=lambda pair: pair[0]):
        model, rule = said[pair].get(False), said[pair].get(True)
        if model is None or rule is None:
            found += [Final(one) for one in (model, rule) if one is not None]
        elif model.value is None:
            # No mark is no objection to what a rule shows.
            found.append(Final(rule, model))
        else:
            found.append(Final(model, rule if rule.label != model.label else None))
    return tuple(found)


def disagreements(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """On how many steps a model and a rule give different labels, by criterion."""
    return dict(Counter(one.verdict.criterion for one in final(verdicts) if one.other is not None))
