"""The LLM calls of each agent of a trial, in order, with the steps that each produced and what was said before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from adapter.costs import CallCost
from adapter.trial import Step, Trial


@dataclass(frozen=True, slots=True)
class Turn:
    """A call, the steps that it produced, and who spoke before it, from the first step of the call before on."""

    call: CallCost
    members: tuple[Step, ...]
    spoke: tuple[Step, ...]

    @property
    def prompt(self) -> int | None:
        """Tokens that the call was sent; None where that is not known."""
        return None if self.call.tokens is None else self.call.tokens.prompt

    @property
    def output(self) -> int:
        """Tokens that came back; 0 where that is not known."""
        return 0 if self.call.tokens is None else self.call.tokens.output or 0

    @property
    def visible(self) -> int:
        """The output but for its reasoning."""
        reasoning = None if self.call.tokens is None else self.call.tokens.reasoning
        return max(0, self.output - (reasoning or 0))


def threads_of(trial: Trial, found: Sequence[CallCost]) -> list[list[Turn]]:
    """The calls of every agent and sub-agent that made any.

    A step of a multi-step trial goes on with the one before if its first prompt is no smaller than the last.

    Args:
        trial: the trial.
        found: its calls.
    """
    by_call = {one.call: one for one in found}
    threads = [list(_turns(steps, by_call)) for steps in _threads(trial)]
    return [turns for turns in _joined(threads) if turns]


def _threads(trial: Trial) -> list[list[Step]]:
    """The steps of each agent and sub-agent, in order."""
    threads: dict[tuple[object, ...], list[Step]] = {}
    for step in trial.steps:
        threads.setdefault((step.segment, step.subagent, step.parent, step.parent_call), []).append(step)
    return list(threads.values())


def _turns(steps: Sequence[Step], by_call: Mapping[int, CallCost]) -> Iterator[Turn]:
    members: dict[int, list[Step]] = {}
    for step in steps:
        if step.is_agent and step.call is not None:
            members.setdefault(step.call, []).append(step)
    begun: set[int] = set()
    spoke: list[Step] = []
    for step in steps:
        if step.is_agent and step.call in members and step.call not in begun:
            begun.add(step.call)
            yield Turn(by_call[step.call], tuple(members[step.call]), tuple(spoke))
            spoke = []
        spoke.append(step)


def _joined(threads: Sequence[list[Turn]]) -> list[list[Turn]]:
    """The threads, with those of one agent in several steps of a task that go on with one another as one."""
    joined: list[list[Turn]] = []
    main: list[Turn] | None = None
    for turns in threads:
        if not turns or turns[0].members[0].subagent:
            joined.append(turns)
        elif main is not None and _last_prompt(main) <= (turns[0].prompt or -1):
            main.extend(turns)
        else:
            main = list(turns)
            joined.append(main)
    return joined


def _last_prompt(turns: Sequence[Turn]) -> int:
    """Of the last call whose tokens are known: a time-out cuts off the one after it. 0 where none are."""
    return next((prompt for turn in reversed(turns) if (prompt := turn.prompt) is not None), 0)
