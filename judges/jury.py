"""A trial before its judges: every window asked of each model, their verdicts combined."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from judges.asking import Got, Judge, Model, call_of
from judges.criteria import applies
from judges.panel import Combine, combine
from judges.transcript.render import Transcript
from judges.transcript.windows import DEFAULT_WINDOW, windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from adapter.trial import Trial
    from judges.answer import Pair
    from judges.asking import Asker, Made, NotJudged
    from judges.llm.call import Call
    from judges.verdict import FailedVerdict, Verdict
    from prompts import Criterion


@dataclass(frozen=True, slots=True)
class Jury:
    """Who judges, by what, and how several judges become one verdict.

    Attributes:
        models: each is asked everything.
        criteria: those in force, by identifier.
        window: how many steps are judged in one call at most.
        combine: how several models' verdicts become one.
        escalate: who is asked where the models' labels differ; None for nobody.
        repeat: how many times each model is asked the same, to see how stable it is. The first answer counts.
    """

    models: tuple[Model, ...]
    criteria: Mapping[str, Criterion]
    window: int = DEFAULT_WINDOW
    combine: Combine = Combine.UNION
    escalate: Model | None = None
    repeat: int = 1


@dataclass(frozen=True, slots=True)
class Heard:
    """What the judges said of one trial.

    Attributes:
        verdicts: at most one by step and criterion, in the order of the steps: that of the only model, or the combined.
        by_model: what each member of the panel said by itself, in its first sample. Who was asked where they differ
            is not among them: of those steps alone, no agreement could be told.
        samples: what each said in each sample, where it was asked several times; by model.
        failed: verdicts that were asked for and did not come.
        not_judged: what was not sent.
        escalated: on how many steps and criteria the models' labels differed and another model was asked.
    """

    verdicts: tuple[Verdict, ...]
    by_model: tuple[Verdict, ...]
    samples: Mapping[str, tuple[tuple[Verdict, ...], ...]] = field(
        default_factory=dict[str, "tuple[tuple[Verdict, ...], ...]"]
    )
    failed: tuple[FailedVerdict, ...] = ()
    not_judged: tuple[NotJudged, ...] = ()
    escalated: int = 0


def questions(trial: Trial, criteria: Mapping[str, Criterion], window: int) -> list[list[Pair]]:
    """What is asked of a trial, window by window: its agent's steps, each by the criteria that apply to it."""
    steps = {step.number: step for step in trial.agent_steps}
    asked = [
        [
            (number, name)
            for number in numbers
            for name, criterion in criteria.items()
            if applies(criterion, trial, steps[number])
        ]
        for numbers in windows(trial, window)
    ]
    return [pairs for pairs in asked if pairs]


def first_calls(trial: Trial, jury: Jury) -> Iterator[tuple[tuple[Pair, ...], Call]]:
    """The calls that judging a trial begins with, whatever the answers; asking again comes on top."""
    transcript = Transcript.of(trial)
    for pairs in questions(trial, jury.criteria, jury.window):
        for model in jury.models:
            for sample in range(jury.repeat):
                yield tuple(pairs), call_of(transcript, pairs, jury.criteria, model, sample=sample)


async def hear(trial: Trial, jury: Jury, asker: Asker, on_call: Callable[[Made], None]) -> Heard:
    """Has a trial judged.

    Windows go out in their order, one after the other for each model, so that a later one finds its prefix in the
    provider's cache; models and samples go at the same time.

    Args:
        trial: the trial.
        jury: who judges it.
        asker: takes the calls.
        on_call: is told of each call, once it is over.
    """
    transcript = Transcript.of(trial)
    asked = questions(trial, jury.criteria, jury.window)

    async def one(model: Model, sample: int) -> Got:
        judge = Judge(transcript, jury.criteria, model, asker, on_call, sample)
        return Got.all_of([await judge.ask(pairs) for pairs in asked])

    seats = [(model, sample) for model in jury.models for sample in range(jury.repeat)]
    got = dict(zip(seats, await asyncio.gather(*(one(*seat) for seat in seats)), strict=True))
    first = [got[model, 0] for model in jury.models]
    by_model = [verdict for part in first for verdict in part.verdicts]
    differing = _differing(by_model) if jury.escalate is not None else set[tuple[int, str]]()
    third = Got()
    if jury.escalate is not None and differing:
        judge = Judge(transcript, jury.criteria, jury.escalate, asker, on_call)
        rest = [[pair for pair in pairs if pair in differing] for pairs in asked]
        third = Got.all_of([await judge.ask(pairs) for pairs in rest if pairs])
    every = [*got.values(), third]
    return Heard(
        verdicts=tuple(_combined(by_model, third.verdicts, jury)),
        by_model=tuple(by_model),
        samples={
            model.name: tuple(got[model, sample].verdicts for sample in range(jury.repeat)) for model in jury.models
        }
        if jury.repeat > 1
        else {},
        failed=tuple(one for part in every for one in part.failed),
        not_judged=tuple(one for part in every for one in part.not_judged),
        escalated=len(differing),
    )


def _by_pair(verdicts: Sequence[Verdict]) -> dict[Pair, list[Verdict]]:
    found: defaultdict[Pair, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        found[verdict.step, verdict.criterion].append(verdict)
    return dict(found)


def _differing(verdicts: Sequence[Verdict]) -> set[Pair]:
    """Where the models gave different labels."""
    return {pair for pair, said in _by_pair(verdicts).items() if len({one.label for one in said}) > 1}


def _combined(by_model: Sequence[Verdict], third: Sequence[Verdict], jury: Jury) -> Iterator[Verdict]:
    """One verdict for each step and criterion that any model gave one for: the third's word is the last."""
    last = {(verdict.step, verdict.criterion): verdict for verdict in third}
    order = list(jury.criteria)
    found = _by_pair(by_model)
    for pair in sorted(found, key=lambda pair: (pair[0], order.index(pair[1]))):
        said = found[pair]
        yield last.get(pair) or (said[0] if len(said) == 1 else combine(said, jury.combine, jury.criteria[pair[1]]))
