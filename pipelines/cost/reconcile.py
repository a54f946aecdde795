"""A run's own totals against the sum of its steps, and why the two differ, where the data show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adapter.costs import TrialCost
from adapter.tokens import total
from adapter.trial import Provenance, RunTotal, Trial
from pipelines.cost.attribution import Compared
from pipelines.cost.context import Context

_SAME = 1e-9
"""US dollars that are nothing: the sums of the same numbers in another order differ by less."""


def compared(trial: Trial, cost: TrialCost) -> tuple[Compared, ...]:
    """Each source's total against the sum of the steps."""
    known = [call.usd for call in cost.calls if call.usd is not None]
    usd = sum(known) if known and len(known) == len(cost.calls) else None
    counted = [call.tokens for call in cost.calls]
    tokens = total(counted) if counted and all(one is not None for one in counted) else None
    prompt, output = (None, None) if tokens is None else (tokens.prompt, tokens.output)

    def one(source: RunTotal) -> Compared:
        own = source.tokens
        return Compared(
            source=source.source,
            usd=source.usd,
            residual_usd=None if source.usd is None or usd is None else source.usd - usd,
            prompt_tokens=_less(None if own is None else own.prompt, prompt),
            output_tokens=_less(None if own is None else own.output, output),
        )

    return tuple(one(source) for source in trial.totals)


def _less(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one - other


_BY_FINDING = {
    "bridge_trajectory": "not_read",
    "calls_of_other_models": "other_models",
    "calls_retried": "retries",
    "calls_unfinished": "calls_without_steps",
    "context_summarised": "compaction",
    "continuation_missing": "not_read",
    "metrics_of_others": "calls_without_steps",
    "reasoning_charged_twice": "reasoning_charged_twice",
    "requests_without_step": "calls_without_steps",
    "step_without_trajectory": "not_read",
    "subagent_missing": "sub_agents",
    "trajectories_left_out": "not_read",
    "trajectory_unreadable": "not_read",
}
"""Findings that say why a total is not the sum of the steps, by their codes, and what the reason is called."""


def residual_reasons(
    trial: Trial, cost: TrialCost, context: Context, sources: Sequence[Compared]
) -> tuple[tuple[str, str], ...]:
    """Why a run's own total is not the sum of its steps: a short name and a sentence each; empty where nothing shows.

    Only what stands in the data is given as a reason; where the two agree there is nothing to explain. What the steps
    do not hold explains a total that is more than their sum, and none that is less.
    """
    if cost.residual_usd is None or abs(cost.residual_usd) <= _SAME:
        return ()
    return tuple(dict.fromkeys(_reasons(trial, cost, context, sources)))


def _reasons(trial: Trial, cost: TrialCost, context: Context, sources: Sequence[Compared]) -> Iterator[tuple[str, str]]:
    more = ((one.prompt_tokens, one.output_tokens) for one in sources)
    held = next(((sent, back) for sent, back in more if sent is not None and back is not None), None)
    if cost.residual_usd is not None and cost.residual_usd > 0:
        yield from _not_in_steps(trial, cost)
        if held != (0, 0):
            yield from _compacted(cost, context)
        if held is not None and (held[0] > 0 or held[1] > 0):
            text = f"The run's own totals hold {held[0]:,} tokens sent and {held[1]:,} returned that no step has."
            yield "calls_without_steps", text
    if held == (0, 0) and any(one.provenance is not Provenance.RECORDED for one in cost.calls):
        yield "other_prices", "The tokens agree: the run's own total was computed by other prices."


def _not_in_steps(trial: Trial, cost: TrialCost) -> Iterator[tuple[str, str]]:
    """What was noticed that no step has, or that was counted elsewhere."""
    counted = {step for one in cost.calls if one.tokens is not None for step in one.steps}
    for finding in trial.findings:
        # A summary that is a step with its tokens is in the sum.
        if finding.code in _BY_FINDING and not (finding.code == "context_summarised" and finding.step in counted):
            yield _BY_FINDING[finding.code], finding.message
    copied = [usd for step in trial.steps if step.is_copied and (usd := step.raw.get("cost_usd")) is not None]
    if copied:
        text = (
            f"{len(copied)} steps were carried over from elsewhere, where {sum(copied):.6g} USD are recorded for them."
        )
        yield "copied_context", text


def _compacted(cost: TrialCost, context: Context) -> Iterator[tuple[str, str]]:
    """Whether a context was made anew, and whatever summed it up is no step."""
    anew = [call for call, flow in context.flows.items() if flow.before is not None and not flow.summary]
    if anew:
        first = next(call.steps[0] for call in cost.calls if call.call == anew[0])
        text = f"The context was made anew before step {first}, and no call that wrote a summary is among the steps."
        yield "compaction", text
