"""What each step of a trial cost, and where each number comes from.

The recorded cost where there is one; else tokens times price; else unknown, which is None and never 0.
"""

from __future__ import annotations

from collections import defaultdict

from adapter.prices import Price, find_price
from adapter.tokens import total
from adapter.trial import Provenance, Step, StepCost, Tokens, Trial, TrialCost


def price_trial(trial: Trial) -> TrialCost:
    """The cost of a trial and of each of its agent steps.

    A call's cost is shared over the steps that it produced by the length of what each said and asked for. The
    trial's own total is the recorded one; else the sum of its calls where all are known; else the run's total
    tokens times price, where one model served them all. A regrade spent nothing new: its cost is left unknown,
    so that no attempt counts twice.
    """
    steps = [step for step in trial.agent_steps if step.call is not None]
    if trial.source_trial_id is not None:
        unknown = tuple(StepCost(step.number, None, Provenance.UNKNOWN) for step in trial.agent_steps)
        return TrialCost(None, Provenance.UNKNOWN, unknown)
    calls: dict[int, list[Step]] = defaultdict(list)
    for step in steps:
        calls[step.call or 0].append(step)
    costs: dict[int, StepCost] = {}
    prices: dict[str, None] = {}
    sums: list[float | None] = []
    provenances: set[Provenance] = set()
    for members in calls.values():
        usd, provenance, price = _call_cost(members, trial)
        if price is not None:
            prices[str(price)] = None
        sums.append(usd)
        provenances.add(provenance)
        costs.update((cost.step, cost) for cost in _shared(members, usd, provenance))
    per_step = tuple(
        costs.get(step.number, StepCost(step.number, None, Provenance.UNKNOWN)) for step in trial.agent_steps
    )
    of_steps = None if not sums or None in sums else sum(usd for usd in sums if usd is not None)
    usd, provenance, price = _trial_cost(trial, of_steps, provenances)
    if price is not None:
        prices[str(price)] = None
    residual = None if trial.recorded_cost_usd is None or of_steps is None else trial.recorded_cost_usd - of_steps
    return TrialCost(usd, provenance, per_step, residual, ", ".join(prices) or None)


def _price(model: str | None, trial: Trial) -> Price | None:
    """The price of a step's model; its provider is the trial's where the step names none."""
    if model is None or model == trial.variant.model:
        return None if trial.variant.model is None else find_price(trial.variant.provider, trial.variant.model)
    provider, slash, name = model.partition("/")
    if slash:
        return find_price(provider, name) or find_price(trial.variant.provider, model)
    return find_price(trial.variant.provider, model)


def _call_cost(members: list[Step], trial: Trial) -> tuple[float | None, Provenance, Price | None]:
    recorded = next((step.recorded_cost_usd for step in members if step.recorded_cost_usd is not None), None)
    if recorded is not None:
        return recorded, Provenance.RECORDED, None
    tokens = next((step.tokens for step in members if step.tokens is not None), None)
    price = _price(members[0].model, trial)
    usd = None if tokens is None or price is None else price.cost(tokens)
    return (None, Provenance.UNKNOWN, None) if usd is None else (usd, Provenance.PRICED, price)


def _shared(members: list[Step], usd: float | None, provenance: Provenance) -> list[StepCost]:
    if usd is None or len(members) == 1:
        return [StepCost(step.number, usd, provenance) for step in members]
    weights = [_output_length(step) for step in members]
    whole = sum(weights)
    return [
        StepCost(step.number, usd * (weight / whole if whole else 1 / len(members)), Provenance.APPORTIONED)
        for step, weight in zip(members, weights, strict=True)
    ]


def _output_length(step: Step) -> int:
    """Characters the model wrote for this step; reasoning is left out, as split turns repeat it."""
    return len(step.message) + sum(len(call.name) + len(str(call.arguments)) for call in step.tool_calls)


def _trial_cost(
    trial: Trial, of_steps: float | None, of_calls: set[Provenance]
) -> tuple[float | None, Provenance, Price | None]:
    if trial.recorded_cost_usd is not None:
        return trial.recorded_cost_usd, Provenance.RECORDED, None
    if of_steps is not None:
        provenance = Provenance.RECORDED if of_calls == {Provenance.RECORDED} else Provenance.PRICED
        return of_steps, provenance, None
    models = {step.model for step in trial.agent_steps if step.model is not None}
    price = _price(next(iter(models), None), trial) if len(models) <= 1 else None
    usd = None if trial.recorded_tokens is None or price is None else price.cost_of_run(trial.recorded_tokens)
    return (None, Provenance.UNKNOWN, None) if usd is None else (usd, Provenance.PRICED, price)


def trial_tokens(trial: Trial) -> Tokens | None:
    """All tokens of a trial: the sum over its calls where every call's are known, else the run's own totals."""
    of_calls: dict[int, Tokens | None] = {}
    for step in trial.agent_steps:
        if step.call is not None:
            of_calls[step.call] = of_calls.get(step.call) or step.tokens
    return total(of_calls.values()) or trial.recorded_tokens
