"""What each step of a trial cost, and where each number comes from.

The recorded cost where there is one; else tokens times price; else unknown, which is None and never 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from adapter.costs import StepCost, TrialCost
from adapter.prices import Price, find_price
from adapter.trial import Provenance, Step, Trial
from adapter.trial_findings import OVER
from pipelines.cost.tokens import calls


def price_trial(trial: Trial) -> TrialCost:
    """The cost of a trial and of each of its agent steps.

    A call's cost is shared over the steps that it produced by the length of what each said and asked for. The
    trial's own total is the recorded one; else the sum of its calls where all are known and the whole run was read;
    else the run's total tokens times price, where one model served them all.

    Steps that sum to more than the recorded total cannot be right (mini-swe-agent's are made up from it): they are
    then shares of that total, marked as apportioned, and the residual keeps the difference. A regrade spent nothing
    new: its cost is left unknown, so that no attempt counts twice. A cost that is no finite number is not known.
    """
    if trial.source_trial_id is not None:
        unknown = tuple(StepCost(step.number, None, Provenance.UNKNOWN) for step in trial.agent_steps)
        return TrialCost(None, Provenance.UNKNOWN, unknown)
    costs: dict[int, StepCost] = {}
    found: list[_Cost] = []
    for members in calls(trial).values():
        cost = _call_cost(members, trial)
        found.append(cost)
        costs.update((one.step, one) for one in _shared(members, cost))
    whole = _trial_cost(trial, found)
    of_steps = _sum(found)
    recorded = _finite(trial.recorded_cost_usd)
    if recorded is not None and of_steps is not None and of_steps > recorded * OVER:
        factor = recorded / of_steps
        costs = {
            number: StepCost(number, None if one.usd is None else one.usd * factor, Provenance.APPORTIONED)
            for number, one in costs.items()
        }
    return TrialCost(
        usd=whole.usd,
        provenance=whole.provenance,
        steps=tuple(
            costs.get(step.number, StepCost(step.number, None, Provenance.UNKNOWN)) for step in trial.agent_steps
        ),
        residual_usd=None if recorded is None or of_steps is None else recorded - of_steps,
        price=", ".join(dict.fromkeys(one.price for one in [*found, whole] if one.price is not None)) or None,
    )


@dataclass(frozen=True, slots=True)
class _Cost:
    """A cost, where it comes from, and the price that was used."""

    usd: float | None
    provenance: Provenance
    price: str | None = None


_UNKNOWN = _Cost(None, Provenance.UNKNOWN)


def _sum(costs: Sequence[_Cost]) -> float | None:
    """What all calls cost; None when there are none, one is not known, or the sum is too large for a number."""
    known = [cost.usd for cost in costs if cost.usd is not None]
    return _finite(sum(known)) if costs and len(known) == len(costs) else None


def _finite(usd: float | None) -> float | None:
    """A cost that is a finite number; any other is not known."""
    return usd if usd is not None and math.isfinite(usd) else None


def _price(model: str | None, trial: Trial) -> Price | None:
    """The price of a step's model (`adapter.identity.step_model`): a bare name is served by the variant's provider."""
    variant = trial.variant
    name = model or variant.model
    if name is None:
        return None
    provider, slash, rest = name.partition("/")
    if name == variant.model or not slash:
        return find_price(variant.provider, name)
    return find_price(provider, rest)


def _call_cost(members: list[Step], trial: Trial) -> _Cost:
    recorded = next((step for step in members if step.recorded_cost_usd is not None), None)
    if recorded is not None and recorded.recorded_cost_usd is not None:
        return _written_down(recorded.recorded_cost_usd, recorded.cost_provenance)
    tokens = next((step.tokens for step in members if step.tokens is not None), None)
    price = _price(members[0].model, trial)
    usd = None if tokens is None or price is None else price.cost(tokens)
    return _UNKNOWN if usd is None else _Cost(usd, Provenance.PRICED, str(price))


def _written_down(usd: float, provenance: Provenance) -> _Cost:
    """A cost that stands in the trial's files; what Harbor computed names the prices it took."""
    if not math.isfinite(usd):
        return _UNKNOWN
    if provenance is Provenance.PRICED:
        return _Cost(usd, Provenance.PRICED, "litellm, by Harbor at the time of the run")
    return _Cost(usd, Provenance.RECORDED if provenance is Provenance.UNKNOWN else provenance)


def _shared(members: list[Step], cost: _Cost) -> list[StepCost]:
    if cost.usd is None or len(members) == 1:
        return [StepCost(step.number, cost.usd, cost.provenance) for step in members]
    weights = [_output_length(step) for step in members]
    whole = sum(weights)
    return [
        StepCost(step.number, cost.usd * (weight / whole), Provenance.APPORTIONED)
        for step, weight in zip(members, weights, strict=True)
    ]


def _output_length(step: Step) -> int:
    """Characters the model wrote for this step, at least 1; reasoning is left out, as split turns repeat it."""
    written = len(step.message) + sum(len(call.name) + len(str(call.arguments)) for call in step.tool_calls)
    return max(1, written)


def _trial_cost(trial: Trial, found: Sequence[_Cost]) -> _Cost:
    if trial.recorded_cost_usd is not None:
        return _written_down(trial.recorded_cost_usd, trial.recorded_cost_provenance)
    of_calls = _sum(found)
    if any(cost.provenance is Provenance.APPORTIONED for cost in found):
        return _UNKNOWN  # shares of a total that is not there, which some producers make too large
    if of_calls is not None and trial.is_whole:
        recorded = all(cost.provenance is Provenance.RECORDED for cost in found)
        return _Cost(of_calls, Provenance.RECORDED if recorded else Provenance.PRICED)
    models = {step.model for step in trial.agent_steps if step.model is not None}
    price = _price(next(iter(models), None), trial) if len(models) <= 1 else None
    usd = None if trial.recorded_tokens is None or price is None else price.cost_of_run(trial.recorded_tokens)
    return _UNKNOWN if usd is None else _Cost(usd, Provenance.PRICED, str(price))
