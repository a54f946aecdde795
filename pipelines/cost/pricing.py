"""What each LLM call and step of a trial cost, and where each number comes from.

The recorded cost, unless it is known to be wrong; else tokens times price; else a share of what the whole run cost;
else unknown, which is None and never 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from adapter.costs import Billed, CallCost, StepCost, TrialCost
from adapter.models import normalise, price_table
from adapter.prices import BUNDLED, Price, PriceBook
from adapter.tokens import total as all_tokens
from adapter.trial import Provenance, Step, Tokens, Trial
from pipelines.cost.believed import corrected, finite, is_wrong
from pipelines.cost.tokens import calls
from pipelines.cost.unpriced import why_unpriced

_BY_HARBOR = "litellm, by Harbor at the time of the run"


def price_trial(trial: Trial, book: PriceBook = BUNDLED) -> TrialCost:
    """The cost of a trial, of each of its LLM calls and of each of its agent steps.

    A recorded cost counts unless the data show that it is wrong: where it is an agent's own share of a run's cost
    (mini-swe-agent's), where a finding says so (an old Kilo charges reasoning twice, in the run's total too), where
    the steps' recorded costs sum to more than the run's own total, or to less while their tokens at list price come to
    it. (One of 0 for tokens used is not in the record: the reader takes it for unknown.) Then, and where nothing is
    recorded, tokens are priced; if that cannot be done for all of the calls whose costs are wrong, all of the run's
    calls are given shares of the run's total, as apportioned, or are unknown where it has none. What Harbor computed
    from LiteLLM's prices is no record: a user's own price counts before it, and so does a price for what Harbor's
    formula leaves out.

    The trial's own total is the recorded one; else the sum of its calls where all are known and the whole run was
    read; else the run's total tokens times price, where one model served them all. A total that Harbor computed counts
    only where the calls, all priced here, do not hold all of its tokens.

    A call's cost is shared over the steps that it produced by the length of what each said and asked for. A regrade
    spent nothing new: its cost is left unknown, so that no attempt counts twice. A cost that is no finite number is not
    known.

    Args:
        trial: the trial.
        book: where prices are looked up.
    """
    steps_of = calls(trial)
    if trial.source_trial_id is not None:
        nothing = tuple(StepCost(step.number, None, Provenance.UNKNOWN) for step in trial.agent_steps)
        return TrialCost(None, Provenance.UNKNOWN, nothing, calls=tuple(map(_unknown, steps_of, steps_of.values())))
    found = [_call(number, members, trial, book) for number, members in steps_of.items()]
    found = corrected(found, trial)
    whole = _trial_cost(trial, found, book)
    costs = {one.step: one for cost in found for one in _shared(steps_of[cost.call], cost)}
    of_calls = _sum(found)
    recorded = finite(trial.recorded_cost_usd)
    prices = dict.fromkeys(one.price for one in [*found, whole] if one.price is not None)
    return TrialCost(
        usd=whole.usd,
        provenance=whole.provenance,
        steps=tuple(
            costs.get(step.number, StepCost(step.number, None, Provenance.UNKNOWN)) for step in trial.agent_steps
        ),
        residual_usd=None if recorded is None or of_calls is None else recorded - of_calls,
        price=", ".join(prices) or None,
        calls=tuple(found),
    )


def shares(members: Sequence[Step]) -> list[float]:
    """How much of their LLM call's output each of its steps is, by what it said and asked for; in all, 1."""
    lengths = [_output_length(step) for step in members]
    whole = sum(lengths)
    return [length / whole for length in lengths]


def _output_length(step: Step) -> int:
    """Characters the model wrote for this step, at least 1; reasoning is left out, as split turns repeat it."""
    return max(1, len(step.message) + arguments_length(step))


def arguments_length(step: Step) -> int:
    """Characters of a step's tool calls: their names and arguments."""
    return sum(len(call.name) + len(str(call.arguments)) for call in step.tool_calls)


@dataclass(frozen=True, slots=True)
class _Cost:
    """A cost, where it comes from, and the price that was used."""

    usd: float | None
    provenance: Provenance
    price: str | None = None


_UNKNOWN = _Cost(None, Provenance.UNKNOWN)


def _unknown(number: int, members: Sequence[Step]) -> CallCost:
    return CallCost(number, tuple(step.number for step in members), None, Provenance.UNKNOWN)


def _call(number: int, members: Sequence[Step], trial: Trial, book: PriceBook) -> CallCost:
    """A call as it stands: its recorded cost, else its tokens' price; with what the price says in either case."""
    bearer = next((step for step in members if step.tokens is not None), None)
    tokens = None if bearer is None else bearer.tokens
    at = members[0].timestamp or trial.time.started_at
    model = _model(members[0].model, trial)
    price = None if model is None else book.find(*model, at)
    billed: Billed | None = None
    named: str | None = None
    if bearer is not None and tokens is not None and price is not None:
        billed = price.bill(tokens, bearer.service, at)
        billed = None if billed is None or not math.isfinite(billed.usd) else billed
        named = None if billed is None else price.named(bearer.service, at)
    recorded = next((step for step in members if step.recorded_cost_usd is not None), None)
    cost = _Cost(billed.usd, Provenance.PRICED, named) if billed is not None else _UNKNOWN
    if recorded is not None and recorded.recorded_cost_usd is not None:
        is_estimate = recorded.cost_provenance is Provenance.PRICED
        spelled = members[0].model or trial.variant.model
        if not (is_estimate and price is not None and named is not None and _is_better(price, named, tokens, spelled)):
            cost = _written_down(recorded.recorded_cost_usd, recorded.cost_provenance)
    return CallCost(
        call=number,
        steps=tuple(step.number for step in members),
        usd=cost.usd,
        provenance=cost.provenance,
        price=cost.price,
        recorded_usd=None if recorded is None else finite(recorded.recorded_cost_usd),
        tokens=tokens,
        billed=billed,
        explained_by=named,
        unpriced=None
        if billed is not None
        else why_unpriced(
            None if model is None else "/".join(filter(None, model)),
            price,
            tokens,
            None if bearer is None else bearer.service,
            at,
        ),
    )


def _model(named: str | None, trial: Trial) -> tuple[str | None, str] | None:
    """A step's model by provider and name (`adapter.identity.step_model`): the variant's provider serves bare names."""
    variant = trial.variant
    name = named or variant.model
    if name is None:
        return None
    provider, slash, rest = name.partition("/")
    return (variant.provider, name) if name == variant.model or not slash else (provider, rest)


def _is_better(price: Price, named: str, tokens: Tokens | None, model: str | None) -> bool:
    """Whether a call's price here comes before Harbor's estimate.

    It does where the user has a price of their own, and where Harbor's formula leaves something out: it knows no writes
    for an hour, no speeds and regions, no service tier that was asked for, and takes the maker's price whoever serves
    the model.
    """
    is_own = price.source != price_table()[0]
    is_elsewhere = model is not None and price.provider != normalise(model).provider
    has_hour = tokens is not None and bool(tokens.cache_write_1h)
    return is_own or is_elsewhere or has_hour or named != str(price)


def _written_down(usd: float, provenance: Provenance) -> _Cost:
    """A cost that stands in the trial's files; what Harbor computed names the prices it took."""
    if not math.isfinite(usd):
        return _UNKNOWN
    if provenance is Provenance.PRICED:
        return _Cost(usd, Provenance.PRICED, _BY_HARBOR)
    return _Cost(usd, Provenance.RECORDED if provenance is Provenance.UNKNOWN else provenance)


def _shared(members: Sequence[Step], cost: CallCost) -> list[StepCost]:
    if cost.usd is None or len(members) == 1:
        return [StepCost(step.number, cost.usd, cost.provenance, cost.price) for step in members]
    return [
        StepCost(step.number, cost.usd * share, Provenance.APPORTIONED, cost.price)
        for step, share in zip(members, shares(members), strict=True)
    ]


def _trial_cost(trial: Trial, found: Sequence[CallCost], book: PriceBook) -> _Cost:
    of_calls = _sum(found)
    is_known = of_calls is not None and trial.is_whole
    if trial.recorded_cost_usd is not None and not (is_known and (is_wrong(trial) or _is_worse(trial, found))):
        return _written_down(trial.recorded_cost_usd, trial.recorded_cost_provenance)
    if any(cost.provenance is Provenance.APPORTIONED for cost in found):
        return _UNKNOWN  # shares of a total that is not there, which some producers make too large
    if of_calls is not None and trial.is_whole:
        recorded = all(cost.provenance is Provenance.RECORDED for cost in found)
        return _Cost(of_calls, Provenance.RECORDED if recorded else Provenance.PRICED)
    if any(one.tokens is not None and one.tokens.input is None for one in found):
        return _UNKNOWN  # what the calls do not tell of their input, the run's counts lack, too
    models = {step.model for step in trial.agent_steps if step.model is not None}
    model = _model(next(iter(models), None), trial) if len(models) <= 1 else None
    price = None if model is None else book.find(*model, trial.time.started_at)
    usd = None if trial.recorded_tokens is None or price is None else price.cost_of_run(trial.recorded_tokens)
    return _UNKNOWN if usd is None else _Cost(usd, Provenance.PRICED, str(price))


def _is_worse(trial: Trial, found: Sequence[CallCost]) -> bool:
    """Whether a run's total is only Harbor's estimate, and the calls hold all of its tokens and have prices here.

    Harbor prices a run of Gemini CLI as one call, without the rates of long prompts.
    """
    if trial.recorded_cost_provenance is not Provenance.PRICED or all(one.price in (None, _BY_HARBOR) for one in found):
        return False
    own, of_calls = trial.recorded_tokens, all_tokens([one.tokens for one in found])
    if own is None or of_calls is None:
        return False
    return (own.prompt, own.output) == (of_calls.prompt, of_calls.output)


def _sum(costs: Sequence[CallCost]) -> float | None:
    """What all calls cost; None when there are none, one is not known, or the sum is too large for a number."""
    known = [cost.usd for cost in costs if cost.usd is not None]
    return finite(sum(known)) if costs and len(known) == len(costs) else None
