"""Which recorded costs are not believed, and what takes their place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from adapter.costs import CallCost
from adapter.trial import Provenance, Trial
from adapter.trial_findings import OVER

_WRONG = frozenset({"reasoning_charged_twice"})
"""Findings that a trial's recorded costs are wrong, its total among them."""
_SHORT = 1.01
"""By how much recorded costs may miss the run's own total where list prices do not."""


def corrected(found: list[CallCost], trial: Trial) -> list[CallCost]:
    """The calls with other costs instead of recorded ones that are known to be wrong.

    Where a cost is wrong and cannot be priced, and the run's total is known, every call is a share of the total: by the
    output tokens where the agent shared it by these, too (mini-swe-agent takes each call's tokens over those *so far*,
    so that its shares sum to more than 1), else by the recorded costs.
    """
    total = finite(trial.recorded_cost_usd)
    recorded = finite(sum(one.recorded_usd for one in found if one.recorded_usd is not None))
    is_off = total is not None and (recorded is None or recorded > total * OVER or _falls_short(found, trial, total))
    made_up = [one.recorded_usd is not None and (is_off or one.provenance is Provenance.APPORTIONED) for one in found]
    wrong = [one.recorded_usd is not None for one in found] if is_wrong(trial) else made_up
    judged = list(zip(found, wrong, strict=True))
    if all(one.billed is not None for one, disbelieved in judged if disbelieved):
        return [_priced(one) if disbelieved else one for one, disbelieved in judged]
    if not any(made_up):
        return found  # wrong by a little, and the finding says so
    weights = None if total is None else _weights(found)
    if total is None or weights is None:
        return [
            replace(one, usd=None, provenance=Provenance.UNKNOWN, price=None) if disbelieved else one
            for one, disbelieved in judged
        ]
    return [
        replace(one, usd=total * weight, provenance=Provenance.APPORTIONED, price=None)
        for one, weight in zip(found, weights, strict=True)
    ]


def _falls_short(found: Sequence[CallCost], trial: Trial, total: float) -> bool:
    """Whether recorded costs sum to less than the run's own total, while the same calls at list price come to it."""
    recorded = [one.recorded_usd for one in found if one.recorded_usd is not None]
    priced = [one.billed.usd for one in found if one.billed is not None]
    if not trial.is_whole or not len(recorded) == len(priced) == len(found):
        return False
    return sum(recorded) < total / _SHORT and total / _SHORT <= sum(priced) <= total * _SHORT


def is_wrong(trial: Trial) -> bool:
    """Whether a finding says that a trial's recorded costs are wrong, its total among them."""
    return any(finding.code in _WRONG for finding in trial.findings)


def _priced(one: CallCost) -> CallCost:
    usd = None if one.billed is None else one.billed.usd
    return replace(one, usd=usd, provenance=Provenance.PRICED, price=one.explained_by)


def _weights(found: Sequence[CallCost]) -> list[float] | None:
    """Each call's share of the run; None where nothing tells them."""
    is_by_output = any(one.provenance is Provenance.APPORTIONED for one in found)
    outputs = [0 if one.tokens is None else one.tokens.output for one in found]
    if is_by_output and all(count is not None for count in outputs) and any(outputs):
        known: list[float] = [float(count or 0) for count in outputs]
    elif all(one.recorded_usd is not None for one in found):
        known = [one.recorded_usd or 0.0 for one in found]
    else:
        return None
    largest = max(known)
    scaled = [one / largest for one in known] if largest else []  # so that the sum of huge ones is a number
    whole = sum(scaled)
    return [one / whole for one in scaled] if whole else None


def finite(usd: float | None) -> float | None:
    """A cost that is a finite number; any other is not known."""
    return usd if usd is not None and math.isfinite(usd) else None
