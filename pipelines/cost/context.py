"""What each LLM call was sent: how much of it the call before already held, and whose words the rest are.

A prompt is laid out in tokens from its beginning, as agents build it: the instructions and the task, then, call by
call, what the model answered and what came back. Providers count tokens and do not say whose they are; what is told
apart here follows from how the counts grow.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from adapter.costs import CallCost
from adapter.trial import Step, Trial
from pipelines.cost.pricing import arguments_length, shares
from pipelines.cost.turns import Turn, threads_of

_COMPACTED = 0.8
"""A prompt below this share of the one before was made anew. (Agents that clear old results, and counts that are
estimates, as those of a call that was cut off, stay above it.)"""
_SUMMARIES = ("summar", "compact")
"""In the name of a sub-agent that only writes the summary."""


@dataclass(frozen=True, slots=True)
class Item:
    """A stretch of a context.

    Attributes:
        step: whose output or observation it is; None for instructions, tasks, users' words and the rest of a context
            that was made anew.
        start: where it begins, in tokens from the beginning of the prompt.
        end: where it ends.
        since: which call of its epoch, counted from 0, was the first to be sent it.
        is_output: whether a model wrote it, and was paid for that; else it was new to the call that was sent it first.
    """

    step: int | None
    start: float
    end: float
    since: int
    is_output: bool = False


@dataclass(frozen=True, slots=True)
class Flow:
    """One call's prompt, in tokens.

    Attributes:
        resent: what the call before already held, that call's own answer among it.
        new: the rest.
        before: the prompt before it, where this context was made anew; else None.
        summary: the calls that wrote the summary it was made of, as far as they are in the trial.
    """

    resent: int
    new: int
    before: int | None = None
    summary: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Epoch:
    """The calls of one agent between two times at which its context was made anew, and what that came to hold.

    Attributes:
        calls: in order, those of unknown tokens among them.
        items: in their order within the prompt, without gaps.
    """

    calls: tuple[CallCost, ...]
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """The contexts of a trial.

    Attributes:
        flows: by call; a call whose tokens are not known has none.
        epochs: of all agents and sub-agents.
        lost: the steps whose words went to a call that nothing is known of.
    """

    flows: Mapping[int, Flow]
    epochs: tuple[Epoch, ...]
    lost: frozenset[int]


type _Part = tuple[int | None, float, int]
"""A stretch that is still to be laid: whose it is, its tokens, and `Item.since`."""


def context(trial: Trial, found: Sequence[CallCost]) -> Context:
    """What each call of a trial was sent.

    Every agent and sub-agent has a context of its own (`pipelines.cost.turns`).

    Between two calls a prompt grows by what the model answered, then by what came back. Where it grows by less than the
    answer, reasoning was left out; where that is seen once, it is taken to be left out in all of that context. What the
    answer does not explain is new. It belongs to the steps whose observations stand between the two calls, and to
    whoever else spoke there, by the lengths of their texts. A prompt that shrinks a little is taken to be the beginning
    of what was there; what it then grows by is laid only as far as it goes beyond the longest one.
    """
    threads = threads_of(trial, found)
    summaries = sorted(
        (turn.members[0].number, turn.call.call)
        for turns in threads
        for turn in turns
        if any(word in turn.members[0].subagent.lower() for word in _SUMMARIES)
    )
    flows: dict[int, Flow] = {}
    epochs: list[Epoch] = []
    lost: set[int] = set()
    for turns in threads:
        layout = _Layout(turns, summaries)
        for turn in turns:
            layout.add(turn)
        flows |= layout.flows
        epochs += layout.epochs()
        lost |= layout.lost
    return Context(flows, tuple(epochs), frozenset(lost))


class _Layout:
    """One agent's context as its calls pass by.

    Attributes:
        flows: by call.
        lost: the steps whose words went to a call that nothing is known of.
    """

    def __init__(self, turns: Sequence[Turn], summaries: Sequence[tuple[int, int]]) -> None:
        self.flows: dict[int, Flow] = {}
        self.lost: set[int] = set()
        self._drops_reasoning = _drops_reasoning(turns)
        self._summaries = summaries
        self._done: list[Epoch] = []
        self._calls: list[CallCost] = []
        self._items: list[Item] = []
        self._held = 0
        self._first: int | None = None
        self._before: Turn | None = None
        self._answered = 0
        self._spoke: list[tuple[Step, int]] = []

    def epochs(self) -> list[Epoch]:
        """All epochs, the last one among them."""
        return [*self._done, Epoch(tuple(self._calls), tuple(self._items))]

    def add(self, turn: Turn) -> None:
        """Takes the next call."""
        self._spoke += [(step, len(self._calls)) for step in turn.spoke]
        prompt = turn.prompt
        if prompt is None:
            self._calls.append(turn.call)
            self.lost |= {step.number for step in turn.spoke}
            return
        if self._before is None or self._first is None:
            self._first = prompt
            self._put([(None, prompt, 0)])
            self.flows[turn.call.call] = Flow(0, prompt)
        elif turn.output and prompt < _COMPACTED * (self._before.prompt or 0):
            self._make_anew(turn, prompt, self._before, self._first)
        else:
            self._grow(turn, prompt, self._before)
            self.lost -= {step.number for step, _ in self._spoke}  # they are laid, from that call on
        self._calls.append(turn.call)
        self._before, self._answered = turn, len(self._calls)
        self._spoke = []

    def _grow(self, turn: Turn, prompt: int, before: Turn) -> None:
        _, new = self._split(prompt - (before.prompt or 0), before)
        self.flows[turn.call.call] = Flow(prompt - new, new)
        kept, new = self._split(prompt - self._held, before)
        self._put_output(before, kept, self._answered)
        self._put(_divided(new, self._spoke, before, self._answered))

    def _split(self, growth: int, before: Turn) -> tuple[int, int]:
        """By how much a prompt grew, as the answer before it and the rest; nothing where it did not."""
        growth = max(0, growth)
        kept = before.visible if self._drops_reasoning else before.output
        kept = min(kept if kept <= growth else before.visible, growth)
        return kept, growth - kept

    def _make_anew(self, turn: Turn, prompt: int, before: Turn, first: int) -> None:
        self._done.append(Epoch(tuple(self._calls), tuple(self._items)))
        self._calls, self._items, self._held = [], [], 0
        base = min(first, prompt)
        is_summary = not any(step.tool_calls for step in before.members)
        written = min(before.visible, prompt - base) if is_summary else 0
        self._put([(None, base, 0)])
        self._put_output(before, written, 0)
        self._put([(None, prompt - base - written, 0)])
        after, until = before.members[0].number + 1, turn.members[0].number
        first_other, past = (bisect_left(self._summaries, (number,)) for number in (after, until))
        by_others = [call for _, call in self._summaries[first_other:past]]
        summary = (before.call.call, *by_others) if is_summary else tuple(by_others)
        self.flows[turn.call.call] = Flow(base, prompt - base, before.prompt, summary)

    def _put_output(self, turn: Turn, tokens: int, since: int) -> None:
        parts = zip(turn.members, shares(turn.members), strict=True)
        self._put([(step.number, tokens * share, since) for step, share in parts], is_output=True)

    def _put(self, parts: Iterable[_Part], *, is_output: bool = False) -> None:
        """Lays these stretches behind what is there."""
        start: float = self._held
        for step, tokens, since in parts:
            if tokens > 0:
                self._items.append(Item(step, start, start + tokens, since, is_output))
                start += tokens
        self._held = round(start)


def _drops_reasoning(turns: Sequence[Turn]) -> bool:
    """Whether some prompt grows by less than the answer before it, but not by less than the answer's visible part."""
    known = [turn for turn in turns if turn.prompt is not None]
    return any(
        before.visible <= (after.prompt or 0) - (before.prompt or 0) < before.output
        for before, after in pairwise(known)
        if before.visible
    )


def _divided(tokens: int, spoke: Sequence[tuple[Step, int]], before: Turn, since: int) -> list[_Part]:
    """New tokens by whose words they are: an agent's step's, or None for what no step of its own brought in."""
    known = {step.number for step in before.members}
    lengths: list[tuple[int | None, int, int]] = []
    for step, place in spoke:
        length = sum(len(call.output or "") for call in step.tool_calls) + sum(map(len, step.observations))
        if not step.is_agent:
            lengths.append((None, length + len(step.message), place))
        elif step.number in known:
            lengths.append((step.number, length, place))
        else:
            lengths.append((step.number, length + len(step.message) + arguments_length(step), place))
    whole = sum(length for _, length, _ in lengths)
    if whole:
        return [(step, tokens * (length / whole), place) for step, length, place in lengths]
    called = [step.number for step in before.members if step.tool_calls]
    return [(called[-1] if called else None, tokens, since)]
