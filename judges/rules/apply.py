"""The rules in force, and how a trial is judged by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judges.criteria import criteria
from judges.rules.calls import ARGUMENTS_DO_NOT_PARSE, INVALID_ARGUMENTS, UNKNOWN_TOOL
from judges.rules.claims import CLAIMED_SUCCESS_AFTER_FAILURE
from judges.rules.edits import EDIT_UNDONE
from judges.rules.history import read_history
from judges.rules.repetition import POLLING_LOOP, REPEATED_CALL, REPEATED_FAILURE, REREAD_UNCHANGED
from judges.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter.trial import Trial
    from judges.rules.rule import Flag, Rule

# Where two of the same weight flag one step by one criterion, the first here is kept.
RULES: tuple[Rule, ...] = (
    UNKNOWN_TOOL,
    ARGUMENTS_DO_NOT_PARSE,
    INVALID_ARGUMENTS,
    REPEATED_FAILURE,
    REPEATED_CALL,
    REREAD_UNCHANGED,
    EDIT_UNDONE,
    POLLING_LOOP,
    CLAIMED_SUCCESS_AFTER_FAILURE,
)


def judge(trial: Trial, rules: Sequence[Rule] = RULES) -> list[Verdict]:
    """What the rules say about a trial: at most one verdict per step and criterion, the worst one.

    The same trial and rules give the same verdicts, in the order of the steps and then of the rules.
    """
    history = read_history(trial)
    kept: dict[tuple[int, str], tuple[float, int, Verdict]] = {}
    for order, rule in enumerate(rules):
        for flag in rule.check(history):
            verdict = _verdict(trial, rule, flag)
            weight = 1.0 if verdict.value is None else verdict.value
            place = (verdict.step, verdict.criterion)
            if place not in kept or weight < kept[place][0]:
                kept[place] = (weight, order, verdict)
    ranked = sorted(kept.values(), key=lambda entry: (entry[2].step, entry[1]))
    return [verdict for _, _, verdict in ranked]


def _verdict(trial: Trial, rule: Rule, flag: Flag) -> Verdict:
    label = criteria()[rule.criterion].label(rule.label)
    if label is None:
        raise ValueError(f"rule {rule.name}: {rule.label!r} is no label of {rule.criterion}")
    return Verdict(
        trial=trial.name,
        step=flag.step,
        criterion=rule.criterion,
        label=rule.label,
        value=label.value,
        explanation=flag.explanation,
        evidence=flag.evidence,
        better_action=flag.better_action,
        category=rule.category,
        by=f"rule:{rule.name}",
    )
