"""The gate: is a candidate worse than a baseline, on the tasks that both ran: yes, no, or cannot tell.

Pure: from the attempts of both sides at each task, and a rule that is fixed beforehand, to a decision. The rule is in
`views.gate_rule`. How the bounds are made: `views.gate_interval` for the pass rate, `views.gate_amounts` for all
else; at which level several looks decide: `views.gate_sequential`.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from views.gate_checks import Levels, amount_check, pass_check
from views.gate_pairs import Compared
from views.gate_results import Check, Decided, Decision
from views.gate_rule import DEFAULT_RULE, MOST_EXCLUDED, Rule
from views.gate_sequential import Look, level
from views.metric_names import METRIC_NAMES
from views.resampling import ALPHA


def decide(compared: Compared, rule: Rule = DEFAULT_RULE, look: Look | None = None) -> Decided:
    """What the rule says.

    Args:
        compared: the attempts so far; at least one task.
        rule: fixed before they were seen.
        look: which look this is, where several were planned; None for the only one.
    """
    levels = Levels(ALPHA, ALPHA) if look is None else Levels(level(look), level(Look(look.of, look.of)))
    pairs = compared.pairs
    attempts = round(statistics.median(len(side) for one in pairs for side in (one.baseline, one.candidate)))
    checks = [pass_check(pairs, rule.margin, attempts, levels)]
    others = (amount_check(pairs, metric, rule, attempts, levels) for metric in rule.thresholds)
    checks += [one for one in others if one is not None]
    lost = _lost(compared)
    decision = "inconclusive" if lost else _overall(checks)
    wanted = [one for one in checks if one.required and one.decision == "inconclusive"]
    needed = [one.needed_attempts for one in wanted]
    return Decided(
        decision=decision,
        rule=rule.text,
        checks=tuple(checks),
        tasks=len(pairs),
        attempts=attempts,
        excluded=sum(sum(side.values()) for side in compared.excluded),
        excluded_by={name: dict(side) for name, side in zip(("baseline", "candidate"), compared.excluded, strict=True)},
        left_out=dict(compared.left_out),
        level=levels.now,
        look=None if look is None else look.number,
        looks=None if look is None else look.of,
        needed_attempts=_largest(needed) if decision == "inconclusive" and not lost else None,
        reasons=(*lost, *(f"{METRIC_NAMES[one.metric].name}: {one.reason}" for one in checks if one.reason)),
    )


def _overall(checks: Iterable[Check]) -> Decision:
    decisions = {one.decision for one in checks if one.required or one.decision == "regression"}
    if "regression" in decisions:
        return "regression"
    return "inconclusive" if "inconclusive" in decisions else "pass"


def _largest(needed: Sequence[int | None]) -> int | None:
    known = [one for one in needed if one is not None]
    return max(known) if known and len(known) == len(needed) else None


def _lost(compared: Compared) -> tuple[str, ...]:
    """What of it the infrastructure took, where that is too much."""
    found: list[str] = []
    sides = zip(("baseline", "candidate"), compared.tried, compared.excluded, strict=True)
    for name, tried, excluded in sides:
        gone = sum(excluded.values())
        if gone > MOST_EXCLUDED * tried:
            said = ", ".join(f"{count} {status}" for status, count in sorted(excluded.items()))
            found.append(f"{gone} of the {name}'s {tried} trials do not count ({said}): too many to decide")
    tasks = len(compared.pairs) + compared.lost
    if compared.lost > MOST_EXCLUDED * tasks:
        found.append(f"{compared.lost} of {tasks} tasks have no attempt that counts on one side: too many to decide")
    return tuple(found)
