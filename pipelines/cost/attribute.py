"""Where a trial's money went: its cost, broken down, followed through later calls, and held against its totals."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from adapter.costs import CallCost, TrialCost
from adapter.latency import step_latency
from adapter.trial import Provenance, Span, Step, Trial
from pipelines.cost.attribution import Attribution, CallSpend, Compaction, Parts, StepSpend
from pipelines.cost.breakdown import parts, scaled
from pipelines.cost.carried import Carried, carried
from pipelines.cost.context import Context, Flow, context
from pipelines.cost.pricing import shares
from pipelines.cost.reconcile import compared, residual_reasons
from pipelines.cost.tokens import calls


def attribute(trial: Trial, cost: TrialCost, *, wasted: Collection[int] | None = None) -> Attribution:
    """Where a trial's money went.

    Own and carried cost of all steps, `prompt_usd` and `unexplained_usd` sum to what all calls cost, where that is
    known: to 1e-9 US dollars, but for the order of the additions.

    Args:
        trial: the trial.
        cost: what `price_trial` made of it.
        wasted: numbers of the steps that the judges labelled redundant or wrong; None when it was not judged.
    """
    members = calls(trial)
    where = context(trial, cost.calls)
    again = carried(where)
    of_call = {one.call: parts(one, where.flows.get(one.call), members[one.call]) for one in cost.calls}
    steps = _steps(trial, cost, of_call, again, wasted)
    sources = compared(trial, cost)
    costs = {one.call: one.usd for one in cost.calls}
    is_known = bool(cost.calls) and all(one.known for one in of_call.values())
    unexplained = [one.unexplained for one in of_call.values() if one.unexplained is not None]
    return Attribution(
        usd=cost.usd,
        provenance=cost.provenance,
        recorded_usd=None if trial.source_trial_id is not None else trial.recorded_cost_usd,
        residual_usd=cost.residual_usd,
        residual_reasons=residual_reasons(trial, cost, where, sources),
        is_apportioned=any(one.provenance is Provenance.APPORTIONED for one in cost.calls),
        steps=steps,
        calls=tuple(_call(one, members[one.call], of_call[one.call], where, costs) for one in cost.calls),
        prompt_usd=again.prompt if is_known else None,
        unexplained_usd=sum(unexplained) if is_known else None,
        wasted_usd=_wasted(steps),
        compared=sources,
    )


def _steps(
    trial: Trial,
    cost: TrialCost,
    of_call: Mapping[int, Parts],
    again: Carried,
    wasted: Collection[int] | None,
) -> tuple[StepSpend, ...]:
    share = {
        step.number: part
        for members in calls(trial).values()
        for step, part in zip(members, shares(members), strict=True)
    }
    by_call = {one.call: one for one in cost.calls}
    costs = {one.step: one for one in cost.steps}
    # Where no call has a cost, a step that no call produced is not known to have cost nothing either.
    nothing_known = all(one.usd is None for one in cost.calls)

    def one(step: Step) -> StepSpend:
        own = costs[step.number]
        call = None if step.call is None else by_call.get(step.call)
        output = None if nothing_known else _output(call, share.get(step.number, 0.0))
        entry = again.entry.get(step.number, 0.0)
        at_least = again.again.get(step.number, 0.0)
        is_open = output is None or step.number in again.open
        return StepSpend(
            step=step.number,
            call=step.call,
            usd=own.usd,
            provenance=own.provenance,
            price=own.price,
            tokens=step.tokens,
            parts=Parts() if call is None else scaled(of_call[call.call], share[step.number]),
            own_usd=None if output is None or step.number in again.open_entry else output + entry,
            carried_usd=None if is_open else at_least,
            carried_at_least_usd=None if output is None else at_least,
            latency=step_latency(step),
            is_wasted=None if wasted is None else step.number in wasted,
        )

    return tuple(map(one, trial.agent_steps))


def _output(call: CallCost | None, share: float) -> float | None:
    """What a step's share of its call's output cost; 0 for a step that no call produced."""
    if call is None:
        return 0.0
    if call.billed is None or call.usd is None:
        return None
    return (call.billed.output + call.billed.reasoning) * share


def _wasted(steps: Sequence[StepSpend]) -> float | None:
    """What the wasted steps cost in all; None where nothing was judged, or one of them has an unknown cost."""
    if not steps or any(step.is_wasted is None for step in steps):
        return None
    wasted = [step for step in steps if step.is_wasted]
    known = [
        step.own_usd + step.carried_usd for step in wasted if step.own_usd is not None and step.carried_usd is not None
    ]
    return sum(known) if len(known) == len(wasted) else None


def _call(
    cost: CallCost, members: Sequence[Step], broken: Parts, where: Context, costs: Mapping[int, float | None]
) -> CallSpend:
    first = members[0]
    flow = where.flows.get(cost.call)
    return CallSpend(
        call=cost.call,
        steps=cost.steps,
        subagent=first.subagent,
        segment=first.segment,
        model=first.model,
        usd=cost.usd,
        provenance=cost.provenance,
        price=cost.price,
        recorded_usd=cost.recorded_usd,
        tokens=cost.tokens,
        parts=broken,
        resent_tokens=None if flow is None else flow.resent,
        new_tokens=None if flow is None else flow.new,
        time=Span(first.time.started_at, members[-1].time.finished_at),
        compaction=None if flow is None else _compaction(cost, first, broken, flow, costs),
    )


def _compaction(
    cost: CallCost, first: Step, broken: Parts, flow: Flow, costs: Mapping[int, float | None]
) -> Compaction | None:
    """What making this call's context anew cost: its new input, and the calls that wrote the summary."""
    if flow.before is None:
        return None
    spent = [broken.new, broken.new_cached, broken.new_written, *map(costs.get, flow.summary)]
    usd = None if None in spent else sum(one for one in spent if one is not None)
    return Compaction(cost.call, first.number, flow.before, flow.resent + flow.new, usd)
