"""A Kilo session as ATIF, in Harbor's own models: its steps, its totals, its sub-agents' trajectories within.

Tokens in a trajectory's totals are those of its own steps; its cost holds its sub-agents' too, as ATIF asks for. What
is not known is left out and said in `notes`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import fsum

from harbor.models.trajectories import Agent, FinalMetrics, Step, Trajectory

from adapter.errors import BadInputError
from adapter.kilo.records import Log, Message, Session
from adapter.kilo.steps import steps_of, unknown_kinds
from adapter.kilo.times import iso

AGENT = "kilo"
VERSION = "ATIF-v1.7"
"""The first that has all that is written here; every Harbor since 0.24 reads it."""
_DEEPEST = 20
"""How deep sub-agents may start sub-agents."""


def trajectory_of(log: Log) -> Trajectory:
    """The session with its sub-agents, as one trajectory.

    Raises:
        BadInputError: nothing was said in it, and nothing went wrong.
    """
    notes = (f"Converted from Kilo's {log.origin}.", *log.notes)
    found = _trajectory(log.sessions[log.root], log.children(), (log.root,), notes)
    if found is None:
        what = f"Session {log.root[:80]} holds no message: it ended before it began."
        raise BadInputError(what, "Look into Kilo's own log for the reason: <data folder>/log.")
    return found


def _trajectory(
    session: Session, children: Mapping[str, Sequence[Session]], path: tuple[str, ...], notes: Sequence[str] = ()
) -> Trajectory | None:
    """A session's trajectory; None for one without any step.

    Args:
        session: the session.
        children: the sessions that each session started.
        path: the sessions from the root down to it.
        notes: of the log as a whole.
    """
    steps = [step for message in session.messages for step in steps_of(message, session.variant)]
    steps = steps or _failed(session)
    if not steps:
        return None
    for number, step in enumerate(steps, 1):
        step.step_id = number
    started = [] if len(path) > _DEEPEST else [one for one in children.get(session.id, ()) if one.id not in path]
    below = [one for child in started if (one := _trajectory(child, children, (*path, child.id))) is not None]
    missing = _referred(steps) - {one.trajectory_id for one in below}
    models = [step.model_name for step in steps] + [message.model for message in session.messages]
    return Trajectory(
        schema_version=VERSION,
        session_id=session.id,
        trajectory_id=session.id,
        agent=Agent(name=AGENT, version=session.version or "unknown", model_name=next(filter(None, models), None)),
        steps=steps,
        notes="\n".join((*notes, *_notes(session.messages, steps, len(missing)))) or None,
        final_metrics=_totals(steps, below, is_whole=not missing),
        extra=_extra(session),
        subagent_trajectories=below or None,
    )


def _failed(session: Session) -> list[Step]:
    """A step that says why there is no other: a trajectory has at least one."""
    if not session.failures:
        return []
    said = "\n".join(f"{one.name}: {one.message}" for one in session.failures)
    stamp = iso(session.created)
    return [Step(step_id=1, timestamp=stamp, source="system", message=said, extra={"kind": "error"})]


def _extra(session: Session) -> dict[str, object]:
    failures = [one.failure for one in session.messages if one.failure is not None]
    errors = [one.fields() for one in dict.fromkeys((*failures, *session.failures))]
    known: dict[str, object | None] = {
        "title": session.title,
        "agent": session.agent,
        "directory": session.directory,
        "parent_session_id": session.parent,
        "errors": errors or None,
    }
    return {key: value for key, value in known.items() if value is not None}


def _referred(steps: Iterable[Step]) -> set[str | None]:
    """The sub-agents that the steps say they started."""
    results = (result for step in steps if step.observation for result in step.observation.results)
    return {one.trajectory_id for result in results for one in result.subagent_trajectory_ref or ()}


def _totals(steps: Sequence[Step], below: Sequence[Trajectory], *, is_whole: bool) -> FinalMetrics:
    """The sums, each known only where all that it sums is.

    A call that never ended has no metrics: what it used is nowhere recorded, and the sum is that of the others.

    Args:
        steps: the trajectory's own.
        below: its sub-agents' trajectories.
        is_whole: whether all of these are known.
    """
    counted = [step.metrics for step in steps if step.metrics is not None]
    extras = [one.extra or {} for one in counted]
    costs = [one.cost_usd for one in counted]
    for one in below:
        final = one.final_metrics
        if final is not None and (final.total_cost_usd is not None or final.total_prompt_tokens is not None):
            costs.append(final.total_cost_usd)
    extra: dict[str, object] = {}
    if counted:
        for key in ("reasoning_output_tokens", "cache_write_input_tokens"):
            extra[f"total_{key}"] = sum(one.get(key, 0) for one in extras)
    known = [one for one in costs if one is not None]
    return FinalMetrics(
        total_prompt_tokens=sum(one.prompt_tokens or 0 for one in counted) if counted else None,
        total_completion_tokens=sum(one.completion_tokens or 0 for one in counted) if counted else None,
        total_cached_tokens=sum(one.cached_tokens or 0 for one in counted) if counted else None,
        total_cost_usd=fsum(known) if known and len(known) == len(costs) and is_whole else None,
        total_steps=len(steps),
        extra=extra or None,
    )


def _notes(messages: Sequence[Message], steps: Sequence[Step], missing: int) -> list[str]:
    """What a reader of the numbers should know about a session's own steps, a sentence each."""
    notes: list[str] = []
    if any((step.extra or {}).get("incomplete") for step in steps):
        notes.append("The run ended within an LLM call: what that call used and cost is not known, and in no total.")
    if any((step.extra or {}).get("usage_missing") for step in steps):
        notes.append("A call came back without its usage: its tokens and its cost are not known.")
    if any((step.metrics.extra or {}).get("reasoning_charged_twice") for step in steps if step.metrics):
        notes.append(
            "This version of Kilo counts reasoning within its output and charges both: the costs, which are kept as "
            "recorded, hold the reasoning twice (the steps' metrics say `reasoning_charged_twice`)."
        )
    if unpriced := sum(step.metrics.cost_usd is None for step in steps if step.metrics):
        notes.append(f"Kilo knew no price for {unpriced} calls: their cost, and the total, is not known.")
    if missing:
        notes.append(
            f"The sessions of {missing} sub-agents are not here: what they did, and the total cost, is not known."
        )
    kinds = Counter(kind for message in messages for kind in unknown_kinds(message))
    if kinds:
        listed = ", ".join(f"{count} {kind:.40}" for kind, count in kinds.most_common(10))
        notes.append(f"Parts of unknown kinds were left out: {listed}.")
    return notes
