"""Root causes by a model: one question per investigation, under a cap; every call is kept in `<project>.judges`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from adapter.errors import UnreadableError
from adapter.opik_connection import Connection
from adapter.opik_read import OpikReader
from adapter.prices import PriceBook
from adapter.trial import Trial
from judges.asking import Asker, Made
from judges.root_cause.asking import decide
from judges.root_cause.case import CRITERION, Blamed, Case, Decided, Lead, Undecided
from pipelines.ask_together import ask_together
from pipelines.inspected import TokenCounts
from pipelines.investigate_results import CauseJudging
from pipelines.judge_pass import calls_of
from pipelines.judge_request import DEFAULT_CAP_USD
from pipelines.judge_run import JudgeRun
from pipelines.judge_runs import RunKeeper
from pipelines.progress import Advance
from pipelines.results import SkippedItem
from pipelines.to_judge import ToJudge
from prompts import root_cause_prompt
from views.course import Course
from views.pages.investigation import Looked
from views.root_cause import Cause

_NAMED, _NEXT = 5.0, 4.0
"""Weights of what a model names: it was given all that the ranking rests on, and more."""


@dataclass(frozen=True, slots=True)
class CauseJudge:
    """Who is asked for root causes, and within which limits.

    Attributes:
        model: as LiteLLM spells it.
        api_base: address of an OpenAI-compatible endpoint; None for the provider's own.
        max_spend_usd: what all calls together may cost; None lifts the cap.
        concurrency: investigations at a time.
    """

    model: str
    api_base: str | None = None
    max_spend_usd: float | None = DEFAULT_CAP_USD
    concurrency: int = 16


@dataclass(slots=True)
class _Heard:
    """What the model said, by the failing run's name."""

    decided: dict[str, Decided] = field(default_factory=dict[str, Decided])
    undecided: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class _Open:
    """A case that is to be asked, with where its failing run is stored."""

    case: Case
    found: ToJudge


def judge_causes(
    looked: Sequence[Looked],
    traces: Mapping[str, str],
    connection: Connection,
    project: str,
    judge: CauseJudge,
    book: PriceBook,
    advance: Advance,
) -> tuple[list[Looked], CauseJudging]:
    """Has a model name the decisive step of each investigation, and puts its word first.

    Args:
        looked: the investigations, as rules, milestones and verdicts leave them.
        traces: the ids of the runs' traces, by their keys.
        connection: to the Opik that holds them.
        project: whose `.judges` keeps the calls.
        judge: who is asked.
        book: where prices are looked up.
        advance: is told of each investigation that is over.

    Returns:
        The investigations, in their order, and what the judging came to.

    Raises:
        IncompleteError: Opik does not answer or refuses; what was answered until then is kept.
    """
    from judges.llm.cache import Cache
    from judges.llm.gateway import Gateway, Limits
    from judges.llm.known import model_of

    heard = _Heard()
    prompt = root_cause_prompt().prompt_version
    run = JudgeRun(str(uuid.uuid4()), datetime.now(UTC), (judge.model,), {CRITERION: prompt})
    keeper = RunKeeper(run, connection, project)
    model = model_of(judge.model, judge.api_base)

    async def ask(one: _Open, asker: Asker) -> tuple[_Open, Decided | Undecided, list[Made]]:
        made: list[Made] = []
        return one, await decide(one.case, model, asker, made.append), made

    def done(_: int, came: tuple[_Open, Decided | Undecided, list[Made]]) -> None:
        one, said, made = came
        if isinstance(said, Decided):
            heard.decided[one.case.failing.name] = said
        else:
            heard.undecided[one.case.failing.name] = said.reason
        for call in calls_of(one.found, made):
            keeper.add(call)
        advance(1)

    with Cache.open() as cache:
        gateway = Gateway(
            book=book, max_spend_usd=judge.max_spend_usd, cache=cache, limits=Limits(concurrency=judge.concurrency)
        )
        try:
            cases = _cases(looked, traces, OpikReader(connection), heard)
            ask_together(cases, ask, gateway, judge.concurrency, done)
        finally:
            # What was answered before a stop is kept, too.
            keeper.flush()
    refused = [SkippedItem(path=what, reason=reason) for what, reason in keeper.refused.items()]
    said = CauseJudging(
        id=run.id,
        model=judge.model,
        prompt_version=prompt,
        calls=gateway.sent,
        cached_calls=gateway.cached,
        tokens=TokenCounts.of(gateway.tokens),
        spend_usd=gateway.spent_usd,
        held_usd=gateway.held_usd,
        max_spend_usd=judge.max_spend_usd,
        undecided=(*(SkippedItem(path=name, reason=why) for name, why in sorted(heard.undecided.items())), *refused),
    )
    return [_with_word(one, heard, judge.model, prompt) for one in looked], said


def _cases(looked: Sequence[Looked], traces: Mapping[str, str], reader: OpikReader, heard: _Heard) -> Iterator[_Open]:
    """The cases, their runs read in full from Opik; what cannot be read is undecided."""
    for one in looked:
        if not one.failing.steps:
            continue
        try:
            found = reader.trial(traces[one.failing.key])
            against = None if one.against is None else reader.trial(traces[one.against.key]).trial
        except KeyError:
            heard.undecided[one.failing.trial] = "its trace, or the other run's, is not in Opik"
            continue
        except UnreadableError as error:
            heard.undecided[one.failing.trial] = f"its trace, or the other run's, cannot be read: {error}"
            continue
        yield _Open(case_of(one, found.trial, against), ToJudge(found.trial, found.project, found.trace, found.spans))


def case_of(one: Looked, failing: Trial, against: Trial | None) -> Case:
    """An investigation as it is put to a judge.

    Args:
        one: the investigation.
        failing: its failing run, in full.
        against: the other run, likewise.
    """
    divergence = None if one.parted is None else one.parted.divergence
    return Case(
        failing=failing,
        outcome=_outcome(one.failing, failing),
        against=against,
        against_passed=None if one.against is None else one.against.passed,
        parts_at=None if divergence is None else divergence.step_failing,
        other_at=None if divergence is None else divergence.step_against,
        difference="" if divergence is None else f"{divergence.kind.value}: {divergence.why}",
        leads=tuple(Lead(cause.step, cause.category, cause.explanation) for cause in one.causes),
    )


def _outcome(course: Course, trial: Trial) -> str:
    """How a run ended, by its latest grade, with the rewards and the exception of its own."""
    said = [course.status.replace("_", " ")]
    said += [f"{name} {value:g}" for name, value in trial.rewards.items()]
    if trial.exception is not None:
        said.append(f"{trial.exception.type}: {trial.exception.message}")
    return "; ".join(said)


def _with_word(one: Looked, heard: _Heard, model: str, prompt: str) -> Looked:
    """An investigation with the model's word before all others, or with why there is none."""
    decided = heard.decided.get(one.failing.trial)
    if decided is None:
        reason = heard.undecided.get(one.failing.trial)
        note = f"{model} was asked and named no step: {reason}"
        return one if reason is None else replace(one, notes=(*one.notes, note))
    named = [(decided.first, _NAMED), *(() if decided.runner_up is None else ((decided.runner_up, _NEXT),))]
    steps = {blamed.step for blamed, _ in named}
    causes = [_cause(blamed, weight, decided.by, prompt) for blamed, weight in named]
    causes += [cause for cause in one.causes if cause.step not in steps]
    note = f"the word of {model} (prompt {prompt}), which is not calibrated against people's"
    return replace(one, causes=tuple(causes), notes=(*one.notes, note))


def _cause(blamed: Blamed, weight: float, by: str, prompt: str) -> Cause:
    return Cause(
        step=blamed.step,
        category=blamed.category,
        explanation=blamed.explanation,
        evidence=tuple((quote.step, quote.quote) for quote in blamed.evidence),
        better_action=blamed.better_action,
        by=by,
        weight=weight,
        confidence=blamed.confidence,
        prompt_version=prompt,
    )
