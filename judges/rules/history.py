"""A trial's tool calls in order, with what each could have changed.

The rules ask one thing again and again: could the same call have given another answer the second time? It is
answered here, once, by counting *epochs*. The epoch rises with every call that may have changed something, and
when somebody else speaks (a user's or system's step, carried-over context, a sub-agent, the next part of a
multi-step trial), since the agent then has a reason to look again. Two calls with no rise in between saw the same
world.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter import shell
from adapter.actions import Verb, failed, identity, target, verb

if TYPE_CHECKING:
    from adapter.trial import Step, ToolCall, Trial

_LOOKING = (Verb.READ, Verb.SEARCH, Verb.PLAN, Verb.WEB)


@dataclass(frozen=True, slots=True)
class Move:
    """One tool call in its place.

    Attributes:
        key: tool and arguments; equal for identical calls.
        failed: whether its harness said that it failed; None when it did not say.
        turn: which LLM call made it; calls of one turn were made before any of their results was seen.
        session: rises when somebody else than the agent speaks.
        before: the epoch when the call was made.
        after: the epoch when it had ended.
        settled: whether only the agent's own actions can change what the call gives. It is not so for a command
            that waits or asks something outside, nor for any command once the agent has left one running.
    """

    step: Step
    call: ToolCall
    key: tuple[str, str]
    verb: Verb
    target: str | None
    failed: bool | None
    turn: int
    session: int
    before: int
    after: int
    settled: bool

    @property
    def changes(self) -> bool:
        """Whether the call may have changed something."""
        return self.after > self.before


@dataclass(frozen=True, slots=True)
class History:
    """A trial with its tool calls, read once for all rules."""

    trial: Trial
    moves: tuple[Move, ...]

    def earlier(self) -> list[Move | None]:
        """For each call the latest identical one before it, if nothing can have changed since; else None."""
        found: list[Move | None] = []
        latest: dict[tuple[str, str], Move] = {}
        for move in self.moves:
            before = latest.get(move.key)
            found.append(before if before is not None and before.after == move.before else None)
            latest[move.key] = move
        return found


def read_history(trial: Trial) -> History:
    """The tool calls of the agent's own steps, in order."""
    moves: list[Move] = []
    epoch = session = 0
    is_running = False
    actor = (trial.steps[0].segment, trial.steps[0].subagent) if trial.steps else None
    for step in trial.steps:
        if not step.is_agent or (step.segment, step.subagent) != actor:
            epoch, session, actor = epoch + 1, session + 1, (step.segment, step.subagent)
        if not step.is_agent:
            continue
        for call in step.tool_calls:
            action, about, has_failed = verb(call), target(call), failed(call)
            command = about or "" if action is Verb.SH else ""
            is_running = is_running or shell.leaves_running(call, command)
            after = epoch if _changes_nothing(action, command, has_failed) else epoch + 1
            moves.append(
                Move(
                    step=step,
                    call=call,
                    key=identity(call),
                    verb=action,
                    target=about,
                    failed=has_failed,
                    turn=step.call if step.call is not None else -step.number,
                    session=session,
                    before=epoch,
                    after=after,
                    settled=_is_settled(action, command, is_running=is_running),
                )
            )
            epoch = after
    return History(trial, tuple(moves))


def _changes_nothing(action: Verb, command: str, has_failed: bool | None) -> bool:
    if action in _LOOKING:
        return True
    if action in (Verb.EDIT, Verb.WRITE):
        return has_failed is True
    return action is Verb.SH and shell.only_looks(command)


def _is_settled(action: Verb, command: str, *, is_running: bool) -> bool:
    if action is Verb.SH:
        return bool(command.strip()) and not is_running and not shell.depends_on_outside(command)
    return action in _LOOKING or action in (Verb.EDIT, Verb.WRITE)
