"""The gate's checks: the rule, applied to one metric at a time."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from views import gate_amounts, gate_interval
from views.gate_amounts import Amount
from views.gate_interval import bounds, score_bounds
from views.gate_pairs import TaskPair
from views.gate_results import Check, Decision, GateMetric
from views.gate_rule import Rule
from views.metrics import Attempt, pass_share

MOST_ATTEMPTS = 1000
"""Attempts per task beyond which nobody is told to go."""


@dataclass(frozen=True, slots=True)
class Levels:
    """At which one-sided level is decided: now, and at the look that more attempts would end at."""

    now: float
    last: float


def pass_check(pairs: Sequence[TaskPair], margin: float, attempts: int, levels: Levels) -> Check:
    """The check of the pass rate.

    Args:
        pairs: at least one.
        margin: how much lower it may be.
        attempts: at a task, on each side, for what more of them would do.
        levels: of the bounds.
    """
    counts = [one.passes for one in pairs]
    found, seen = bounds(counts, levels.now), gate_interval.spread(counts)

    def said(low: float, high: float) -> Decision:
        if high < 0:
            return "regression"
        return "pass" if low > -margin else "inconclusive"

    def later(times: float) -> Decision:
        then = score_bounds(seen.grown(times), levels.last)
        return said(then.low, then.high)

    decision = said(found.low, found.high)
    return Check(
        metric="pass_rate",
        baseline=statistics.fmean(pass_share(one.baseline) for one in pairs),
        candidate=statistics.fmean(pass_share(one.candidate) for one in pairs),
        difference=found.value,
        low=found.low,
        high=found.high,
        threshold=margin,
        decision=decision,
        required=True,
        tasks=len(pairs),
        needed_attempts=_needed(attempts, later) if decision == "inconclusive" else None,
    )


def amount_check(
    pairs: Sequence[TaskPair], metric: GateMetric, rule: Rule, attempts: int, levels: Levels
) -> Check | None:
    """The check of another metric; None for a criterion by which nobody judged, unless it was asked for.

    Args:
        pairs: at least one.
        metric: any but the pass rate.
        rule: with its threshold.
        attempts: at a task, on each side, for what more of them would do.
        levels: of the bounds.
    """
    threshold, required = rule.thresholds[metric], metric in rule.asked
    amount = _amount(pairs, metric)
    if amount is None:
        if not required:
            return None
        amount = Amount(by_ratio=False, reason="not judged")

    def said(at: tuple[float, float] | None) -> Decision:
        if at is None:
            return "inconclusive"
        if at[0] > threshold:
            return "regression"
        return "pass" if at[1] <= threshold else "inconclusive"

    found = amount.bounds(levels.now)
    decision = said(found)
    may_change = decision == "inconclusive" and found is not None
    return Check(
        metric=metric,
        baseline=amount.baseline,
        candidate=amount.candidate,
        difference=amount.value,
        low=None if found is None else found[0],
        high=None if found is None else found[1],
        threshold=threshold,
        decision=decision,
        required=required,
        tasks=amount.tasks,
        needed_attempts=_needed(attempts, lambda times: said(amount.bounds(levels.last, times)))
        if may_change
        else None,
        reason=amount.reason,
    )


def _needed(attempts: int, later: Callable[[float], Decision]) -> int | None:
    """The fewest attempts per task, more than there are, that would decide; None where none up to the most would."""
    if later(MOST_ATTEMPTS / attempts) == "inconclusive":
        return None
    open_, decided = attempts, MOST_ATTEMPTS
    while decided - open_ > 1:
        middle = (open_ + decided) // 2
        open_, decided = (middle, decided) if later(middle / attempts) == "inconclusive" else (open_, middle)
    return decided


def _amount(pairs: Sequence[TaskPair], metric: GateMetric) -> Amount | None:
    """A metric's increase; None for a criterion by which nobody judged."""
    if metric == "cost_usd":
        return _cost(pairs)
    if metric == "cost_to_complete_usd":
        return _to_complete(pairs)
    return _flagged(pairs, metric.removesuffix("_flagged"))


def _cost(pairs: Sequence[TaskPair]) -> Amount:
    means = [[_known_mean(one.cost_usd for one in side) for side in (pair.baseline, pair.candidate)] for pair in pairs]
    both = [(first, second) for first, second in means if first is not None and second is not None]
    found = gate_amounts.ratio([first for first, _ in both], [second for _, second in both])
    unknown = [sum(one.cost_usd is None for one in side) for side in _sides(pairs)]
    return _saying(found, len(pairs), "cost", _unknown_costs(pairs, unknown))


def _to_complete(pairs: Sequence[TaskPair]) -> Amount:
    """Only on tasks whose every attempt has a known cost: a success costs what the failures before it cost, too."""
    whole = [pair for pair in pairs if all(one.cost_usd is not None for one in (*pair.baseline, *pair.candidate))]
    sides = [[pair.baseline for pair in whole], [pair.candidate for pair in whole]]
    costs = [[statistics.fmean(one.cost_usd or 0.0 for one in task) for task in side] for side in sides]
    passes = [[pass_share(task) for task in side] for side in sides]
    attempts = [sum(map(len, side)) for side in sides]
    found = gate_amounts.to_complete((costs[0], costs[1]), (passes[0], passes[1]), (attempts[0], attempts[1]))
    return _saying(found, len(pairs), "cost", None)


def _flagged(pairs: Sequence[TaskPair], criterion: str) -> Amount | None:
    judges = [{one.judges.get(criterion) for one in side if criterion in one.flagged} for side in _sides(pairs)]
    if not any(judges):
        return None
    if all(judges) and judges[0] != judges[1]:
        return Amount(by_ratio=False, reason="the two sides were judged by different judges")
    means = [
        [_known_mean(one.flagged.get(criterion) for one in side) for side in (pair.baseline, pair.candidate)]
        for pair in pairs
    ]
    both = [(first, second) for first, second in means if first is not None and second is not None]
    attempts = [sum(criterion in one.flagged for one in side) for side in _sides(pairs)]
    found = gate_amounts.difference(
        [first for first, _ in both], [second for _, second in both], (attempts[0], attempts[1])
    )
    return _saying(found, len(pairs), "flagged share", None)


def _sides(pairs: Sequence[TaskPair]) -> tuple[list[Attempt], list[Attempt]]:
    first = [one for pair in pairs for one in pair.baseline]
    return first, [one for pair in pairs for one in pair.candidate]


def _known_mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _unknown_costs(pairs: Sequence[TaskPair], unknown: Sequence[int]) -> str | None:
    if not any(unknown):
        return None
    sizes = map(len, _sides(pairs))
    said = [
        f"of {count} of the {side}'s {size} attempts"
        for side, count, size in zip(("baseline", "candidate"), unknown, sizes, strict=True)
        if count
    ]
    return f"the cost {' and '.join(said)} is not known"


def _saying(found: Amount, tasks: int, what: str, more: str | None) -> Amount:
    """The amount with what is to be said of the tasks that it is not of."""
    missing = tasks - found.tasks
    partly = f"{what} not known on both sides for {missing} of {tasks} tasks" if missing else None
    said = "; ".join(filter(None, (found.reason, more, partly)))
    return replace(found, reason=said or None)
