"""Which step decided that a run failed: a ranking from judges' verdicts, missed milestones and where the runs part."""

from __future__ import annotations

from dataclasses import dataclass

from views.course import Course, Fault
from views.divergence import Divergence, Kind, Parted

ALIGNMENT, OUTCOME = "alignment", "outcome"
"""Who says so where no judge does: the comparison with the other run alone, or how a call ended."""

_CATEGORIES = {
    Kind.STOPPED: "premature stop",
    Kind.OBSERVATION: "environment fault",
    Kind.MISSING: "needed step left out",
    Kind.TOOL: "another action",
    Kind.ARGUMENTS: "another action",
    Kind.INSERTED: "another action",
}
"""What a divergence is called where no judge names a category."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A step that may have decided the run.

    Attributes:
        step: of the failing run.
        category: the kind of mistake.
        evidence: words that it rests on, each with its step.
        by: the judge who named it, or `alignment`, or `outcome`.
        weight: how much speaks for it, for ranking alone: it is no probability.
        confidence: how sure a model says it is, from 0 to 1; None for what no model named, or does not say.
        prompt_version: which text the model that named it was given; None for what none did.
    """

    step: int
    category: str
    explanation: str
    evidence: tuple[tuple[int, str], ...]
    better_action: str | None
    by: str
    weight: float
    confidence: float | None = None
    prompt_version: str | None = None


def causes(failing: Course, parted: Parted | None) -> list[Cause]:
    """The steps that may have decided a failing run, the likeliest first.

    A judge's worst label up to the divergence counts 3, and a later one 2: it may be what followed. The divergence
    itself counts 2.5 where it had consequences, and 1 where none shows. The first call that failed, and never succeeded
    later, counts 0.5: it is said where there is nothing better. Of equals the earlier comes first.

    Args:
        failing: the run.
        parted: it beside another run of its task; None where there is none.
    """
    divergence = None if parted is None else parted.divergence
    found = [_of_fault(step, fault, divergence) for step, fault in failing.faults.items()]
    if divergence is not None and divergence.step_failing is not None and divergence.fault is None:
        found.append(_of_divergence(divergence, divergence.step_failing, failing))
    failed = _first_failure(failing)
    if failed is not None and all(one.step != failed.step for one in found):
        found.append(failed)
    return sorted(found, key=lambda one: (-one.weight, one.step))


def _first_failure(failing: Course) -> Cause | None:
    """The first call that failed and did not succeed later."""
    for place, act in enumerate(failing.acts):
        later = (one.failed for one in failing.acts[place + 1 :] if one.signature == act.signature)
        if act.failed and all(later):
            why = f"{act.signature} fails, and never succeeds later"
            return Cause(act.step, "failed call", why, (), None, OUTCOME, 0.5)
    return None


def _of_fault(step: int, fault: Fault, divergence: Divergence | None) -> Cause:
    is_later = (
        divergence is not None
        and divergence.is_consequential
        and divergence.step_failing is not None
        and divergence.step_failing < step
    )
    return Cause(
        step=step,
        category=fault.category or fault.label,
        explanation=fault.explanation,
        evidence=fault.evidence,
        better_action=fault.better_action,
        by=fault.by,
        weight=2.0 if is_later else 3.0,
    )


def _of_divergence(one: Divergence, step: int, failing: Course) -> Cause:
    category = _CATEGORIES[one.kind]
    acts = [act for act in failing.acts if act.step == step]
    if one.kind is Kind.OBSERVATION and any(act.failed for act in acts):
        tries = {act.signature for act in failing.acts if act.step > step}
        following = next((number for number in failing.steps if number > step), None)
        if following is not None and tries.isdisjoint(act.signature for act in acts if act.failed):
            # That a call fails may be nobody's mistake; to go on as if it had not is one.
            step, category = following, "ignored error"
    return Cause(
        step=step,
        category=category,
        explanation=one.why,
        evidence=(),
        better_action=None,
        by=ALIGNMENT,
        weight=2.5 if one.is_consequential else 1.0,
    )
