"""Judging the trials of one pass: rules on all of them, models on those where there are any, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from adapter.opik_rows import trial_key
from adapter.trial import Trial
from judges.asking import Asker, Made
from judges.jury import Heard, Jury, hear
from judges.rules import judge as by_rules
from judges.verdict import Verdict
from pipelines.ask_together import ask_together
from pipelines.judge_run import JudgedCall
from pipelines.to_judge import ToJudge
from prompts import Criterion


@dataclass(frozen=True, slots=True)
class Passed:
    """A trial that was judged.

    Attributes:
        place: its place among the trials, counted from 0.
        found: the trial.
        by_rule: what the rules say.
        heard: what the models say; None where none was asked.
        calls: the calls that were made for it.
    """

    place: int
    found: ToJudge
    by_rule: tuple[Verdict, ...]
    heard: Heard | None
    calls: tuple[JudgedCall, ...] = ()


def rule_verdicts(trial: Trial, criteria: Mapping[str, Criterion]) -> tuple[Verdict, ...]:
    """What the rules say, by those criteria in force that know the rules' labels."""
    said: list[Verdict] = []
    for verdict in by_rules(trial):
        criterion = criteria.get(verdict.criterion)
        label = None if criterion is None else criterion.label(verdict.label)
        if label is not None and label.value == verdict.value:
            said.append(verdict)
    return tuple(said)


def pass_by_rules(
    trials: Iterator[ToJudge], criteria: Mapping[str, Criterion], on_trial: Callable[[Passed], None]
) -> None:
    """Judges trials by rules alone, one after the other."""
    for place, found in enumerate(trials):
        on_trial(Passed(place, found, rule_verdicts(found.trial, criteria), None))


def pass_by_models(
    trials: Iterator[ToJudge],
    jury: Jury,
    gateway: AbstractAsyncContextManager[Asker],
    together: int,
    on_trial: Callable[[Passed], None],
) -> None:
    """Judges trials by rules and by models.

    Args:
        trials: read one at a time, whenever there is room for one more.
        jury: who judges them.
        gateway: takes the calls.
        together: how many trials are judged at the same time.
        on_trial: is given each trial as soon as it is judged. It is called for one at a time, and never while a trial
            is read, so that it may use what reads them.

    Raises:
        KilobenchError: reading or storing failed; what is being asked is let go.
    """

    async def one(found: ToJudge, asker: Asker) -> tuple[ToJudge, Heard, list[Made]]:
        made: list[Made] = []
        return found, await hear(found.trial, jury, asker, made.append), made

    def done(place: int, heard: tuple[ToJudge, Heard, list[Made]]) -> None:
        found, said, made = heard
        on_trial(Passed(place, found, rule_verdicts(found.trial, jury.criteria), said, calls_of(found, made)))

    ask_together(trials, one, gateway, together, done)


def calls_of(found: ToJudge, made: Sequence[Made]) -> tuple[JudgedCall, ...]:
    """The calls that were made about a trial, as a judge run keeps them."""
    key, span_ids = trial_key(found.trial), found.span_ids
    return tuple(
        JudgedCall(
            trial=found.trial.name,
            trial_key=key,
            trace_id=found.trace_id,
            span_ids={step: span_ids[step] for step, _ in one.asked if step in span_ids},
            asked=one.asked,
            call=one.call,
            reply=one.reply,
            error=one.error,
            verdicts=one.verdicts,
        )
        for one in made
    )
