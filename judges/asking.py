"""One window of steps, asked of one model until each verdict is there or there is a reason why not.

What is wrong with an answer is told to the judge once; what it gives then counts. A window that does not fit, whose
answer is cut, or which a provider will not answer, is asked again in halves: one step that cannot be judged takes no
other with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from judges.answer import read_answer
from judges.llm.call import Call, CallFailed, Reply, Why
from judges.transcript.render import render
from judges.transcript.schema import schema_text
from judges.verdict import FailedVerdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from adapter.trial import Trial
    from judges.answer import Pair
    from judges.transcript.render import Transcript
    from judges.verdict import Verdict
    from prompts import Criterion

_PER_VERDICT = 500
"""Tokens that one verdict may take: three sentences, three quotes and a better action are about 300."""
_FRAME = 500
_SPLIT = (Why.CONTEXT, Why.FILTERED)
"""What a smaller window may not meet."""
_NOT_ASKED = (Why.CAPPED, Why.NO_PRICE, Why.BATCH)
"""Nothing was sent, or a batch left it unanswered: the next run takes it up."""
_CUT = "length"
_TOO_LONG = "The answer was too long and was cut: keep each explanation to one sentence."


class Asker(Protocol):
    """Whoever takes a call to a model and brings back its reply (`judges.llm.gateway.Gateway`)."""

    async def ask(self, call: Call) -> Reply:
        """The reply; raises `CallFailed`."""
        ...

    def forget(self, keys: Iterable[str]) -> None:
        """Lets the next run ask these calls anew."""
        ...


@dataclass(frozen=True, slots=True)
class Model:
    """A judge model.

    Attributes:
        name: as LiteLLM spells it.
        api_base: address of an OpenAI-compatible endpoint; None for the provider's own.
        thinking: tokens that it may think with before it answers.
        most: the longest answer that it can give, in tokens; None where that is not known.
    """

    name: str
    api_base: str | None = None
    thinking: int = 0
    most: int | None = None

    def answer_limit(self, pairs: int) -> int:
        """The tokens an answer with so many verdicts may take."""
        limit = _FRAME + _PER_VERDICT * pairs + self.thinking
        return limit if self.most is None else min(limit, self.most)


@dataclass(frozen=True, slots=True)
class Made:
    """A call that was made for a trial, and what came of it.

    Attributes:
        trial: the trial.
        asked: what was asked for: steps and criteria.
        call: the question.
        reply: the answer; None where there is none.
        error: why there is no answer, or what was wrong with it; None where all was well.
        verdicts: those that were taken from it.
    """

    trial: Trial
    asked: tuple[Pair, ...]
    call: Call
    reply: Reply | None
    error: str | None
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class NotJudged:
    """What was not sent.

    Attributes:
        step: its number.
        criterion: the criterion's identifier.
        reason: why.
        model: who was to be asked.
    """

    step: int
    criterion: str
    reason: str
    model: str


@dataclass(frozen=True, slots=True)
class Got:
    """What one model said of a window: of each verdict that was asked for, exactly one of the three."""

    verdicts: tuple[Verdict, ...] = ()
    failed: tuple[FailedVerdict, ...] = ()
    not_judged: tuple[NotJudged, ...] = ()

    @classmethod
    def all_of(cls, parts: Iterable[Got]) -> Got:
        """Several in one, in their order."""
        listed = list(parts)
        return cls(
            tuple(one for part in listed for one in part.verdicts),
            tuple(one for part in listed for one in part.failed),
            tuple(one for part in listed for one in part.not_judged),
        )


def call_of(
    transcript: Transcript,
    asked: Sequence[Pair],
    criteria: Mapping[str, Criterion],
    model: Model,
    *,
    sample: int = 0,
    window: Sequence[int] = (),
    complaints: Sequence[str] = (),
) -> Call:
    """The call that asks a model for these verdicts.

    Args:
        transcript: of the trial.
        asked: steps and criteria, in the order of the steps.
        criteria: those in force, by identifier.
        model: who is asked.
        sample: which of several samples.
        window: the steps to show in full; without them, those that are asked for.
        complaints: what was wrong with the answer before.
    """
    rendered = render(transcript, window or steps_of(asked), asked, criteria, complaints)
    return Call(
        model=model.name,
        system=rendered.system,
        parts=rendered.parts,
        schema=schema_text(tuple(criteria.values())),
        max_tokens=model.answer_limit(len(asked)),
        sample=sample,
        api_base=model.api_base,
    )


@dataclass(frozen=True, slots=True)
class Judge:
    """One model asked about one trial.

    Attributes:
        transcript: of the trial.
        criteria: those in force, by identifier.
        model: who is asked.
        asker: takes the calls.
        on_call: is told of each call that was made, once it is over.
        sample: which of several samples of the same questions this is.
    """

    transcript: Transcript
    criteria: Mapping[str, Criterion]
    model: Model
    asker: Asker
    on_call: Callable[[Made], None]
    sample: int = 0

    async def ask(self, asked: Sequence[Pair], window: Sequence[int] = (), complaints: Sequence[str] = ()) -> Got:
        """Asks for verdicts on the steps of one window.

        Args:
            asked: steps and criteria, in the order of the steps.
            window: the steps to show in full; without them, those that are asked for.
            complaints: what was wrong with the answer before; with them, this is the last time.
        """
        window = window or steps_of(asked)
        call = call_of(
            self.transcript,
            asked,
            self.criteria,
            self.model,
            sample=self.sample,
            window=window,
            complaints=complaints,
        )
        try:
            reply = await self.asker.ask(call)
        except CallFailed as failure:
            return await self._without_reply(failure, asked, call, complaints)
        answer = read_answer(reply.text, asked, self.transcript, self.criteria, self.model.name)
        good, problems = tuple(answer.verdicts.values()), answer.problems
        cut = reply.finish == _CUT
        error = None
        if problems:
            error = f"The answer was cut at {call.max_tokens} tokens." if cut else " ".join(answer.complaints)
        self.on_call(Made(self.transcript.trial, tuple(asked), call, reply, error, good))
        if not problems:
            return Got(good)
        if complaints:
            # Kept, it would answer the next run as it answered this one.
            self.asker.forget([reply.key])
            return Got(good, tuple(self._failed(pair, reason) for pair, reason in problems.items()))
        rest = list(problems)
        halves = _halves(rest) if cut else ()
        if halves:
            return Got.all_of([Got(good), *[await self.ask(half) for half in halves]])
        return Got.all_of([Got(good), await self.ask(rest, window, (_TOO_LONG,) if cut else answer.complaints)])

    async def _without_reply(
        self, failure: CallFailed, asked: Sequence[Pair], call: Call, complaints: Sequence[str]
    ) -> Got:
        if failure.why in _NOT_ASKED:
            return Got(not_judged=tuple(NotJudged(*pair, str(failure), self.model.name) for pair in asked))
        self.on_call(Made(self.transcript.trial, tuple(asked), call, None, str(failure), ()))
        halves = _halves(asked) if failure.why in _SPLIT else ()
        if halves:
            return Got.all_of([await self.ask(half, complaints=complaints) for half in halves])
        return Got(failed=tuple(self._failed(pair, str(failure)) for pair in asked))

    def _failed(self, pair: Pair, reason: str) -> FailedVerdict:
        return FailedVerdict(
            trial=self.transcript.trial.name, step=pair[0], criterion=pair[1], reason=reason, model=self.model.name
        )


def steps_of(asked: Iterable[Pair]) -> tuple[int, ...]:
    """The steps that something is asked of, in their order."""
    return tuple(sorted({step for step, _ in asked}))


def _halves(asked: Sequence[Pair]) -> tuple[Sequence[Pair], ...]:
    """The steps in two halves; nothing where there is one step only."""
    steps = steps_of(asked)
    if len(steps) < 2:
        return ()
    middle = steps[len(steps) // 2]
    return ([pair for pair in asked if pair[0] < middle], [pair for pair in asked if pair[0] >= middle])
