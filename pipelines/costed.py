"""A trial and where its money went, as `kilobench cost` says it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from adapter.actions import target, verb
from adapter.costs import TrialCost
from adapter.trial import Step, Trial
from pipelines.cost import trial_tokens
from pipelines.cost.attribution import Attribution, CallSpend, Compaction, Parts, StepSpend
from pipelines.cost.breakdown import pie, summed
from pipelines.cost_results import (
    Breakdown,
    CompactionCost,
    ComparedTotal,
    CostedCall,
    CostedStep,
    CostedTrial,
    CostShares,
    Reason,
    TrialWithCalls,
    TrialWithSteps,
    Unattributed,
)
from pipelines.inspected import TokenCounts
from views import format as fmt

_LONGEST = 100
"""Characters of what a step did."""


@dataclass(frozen=True, slots=True)
class Costed:
    """A trial with its cost.

    Attributes:
        trial: the trial.
        cost: as it was priced.
        spent: where the money went.
        category: of its task; None where nothing says so.
    """

    trial: Trial
    cost: TrialCost
    spent: Attribution
    category: str | None

    @property
    def is_regrade(self) -> bool:
        """Whether it only grades another trial again, at no new cost."""
        return self.trial.source_trial_id is not None


def costed_trial(one: Costed) -> CostedTrial:
    """The trial without its steps and calls."""
    trial, spent = one.trial, one.spent
    has_trajectory = bool(trial.steps) or trial.atif_version is not None
    known = [call.parts for call in spent.calls if call.parts.known]
    whole = summed(known)
    return CostedTrial(
        trial=trial.name,
        task=trial.task,
        dataset=trial.dataset,
        variant=trial.variant.name,
        category=one.category,
        status=trial.status,
        is_regrade=one.is_regrade,
        cost_usd=spent.usd,
        provenance=spent.provenance,
        recorded_usd=spent.recorded_usd,
        residual_usd=spent.residual_usd,
        unattributed=_unattributed(spent),
        is_apportioned=spent.is_apportioned,
        prompt_usd=spent.prompt_usd,
        unexplained_usd=spent.unexplained_usd,
        wasted_usd=spent.wasted_usd,
        breakdown=_breakdown(whole if len(known) == len(spent.calls) else Parts()),
        shares=cost_shares(whole),
        llm_calls=len(spent.calls) if has_trajectory else None,
        llm_calls_explained=len(known),
        agent_steps=len(spent.steps) if has_trajectory else None,
        tokens=TokenCounts.of(trial_tokens(trial)),
        agent_s=trial.agent_seconds,
        compared=tuple(ComparedTotal(**asdict(source)) for source in spent.compared),
        compactions=tuple(_compaction(call.compaction) for call in spent.calls if call.compaction is not None),
    )


def trial_with_steps(one: Costed) -> TrialWithSteps:
    """The trial with its steps."""
    steps = {step.number: step for step in one.trial.agent_steps}
    return TrialWithSteps(
        **dict(costed_trial(one)), steps=tuple(_step(spend, steps[spend.step]) for spend in one.spent.steps)
    )


def trial_with_calls(one: Costed) -> TrialWithCalls:
    """The trial with its LLM calls."""
    return TrialWithCalls(**dict(costed_trial(one)), calls=tuple(map(_call, one.spent.calls)))


def cost_shares(whole: Parts) -> CostShares | None:
    """A breakdown as four shares; None where there is none, or nothing to share."""
    shares = pie(whole)
    return None if shares is None else CostShares(**asdict(shares))


def did(step: Step) -> str | None:
    """What a step did: the first tool call's verb and what it was about, on one line; None without any tool call."""
    if not step.tool_calls:
        return None
    call, *others = step.tool_calls
    about = target(call) or call.name
    short = fmt.one_line(f"{verb(call).value} {about[: 2 * _LONGEST]}").strip()
    if len(short) > _LONGEST or len(about) > 2 * _LONGEST:
        short = f"{short[: _LONGEST - 1]}…"
    return f"{short} (+{len(others)})" if others else short


def _step(spend: StepSpend, step: Step) -> CostedStep:
    latency = spend.latency
    return CostedStep(
        step=spend.step,
        call=spend.call,
        cost_usd=spend.usd,
        provenance=spend.provenance,
        price=spend.price,
        tokens=TokenCounts.of(spend.tokens),
        breakdown=_breakdown(spend.parts),
        own_usd=spend.own_usd,
        carried_usd=spend.carried_usd,
        carried_at_least_usd=spend.carried_at_least_usd,
        latency_s=latency.seconds,
        timing=latency.timing,
        model_s=latency.model,
        tool_s=latency.tools,
        is_wasted=spend.is_wasted,
        did=did(step),
    )


def _call(spend: CallSpend) -> CostedCall:
    return CostedCall(
        call=spend.call,
        steps=spend.steps,
        subagent=spend.subagent,
        segment=spend.segment,
        model=spend.model,
        cost_usd=spend.usd,
        provenance=spend.provenance,
        price=spend.price,
        recorded_usd=spend.recorded_usd,
        tokens=TokenCounts.of(spend.tokens),
        breakdown=_breakdown(spend.parts),
        resent_tokens=spend.resent_tokens,
        new_tokens=spend.new_tokens,
        latency_s=spend.time.seconds,
        compaction=None if spend.compaction is None else _compaction(spend.compaction),
    )


def _breakdown(parts: Parts) -> Breakdown:
    return Breakdown(**asdict(parts))


def _compaction(one: Compaction) -> CompactionCost:
    return CompactionCost(call=one.call, step=one.step, tokens_before=one.before, tokens_after=one.after, usd=one.usd)


def _unattributed(spent: Attribution) -> Unattributed | None:
    if spent.residual_usd is None:
        return None
    return Unattributed(
        cost_usd=spent.residual_usd,
        reasons=tuple(Reason(reason=name, text=text) for name, text in spent.residual_reasons),
    )
