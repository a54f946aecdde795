"""One case, asked of one model until there is an answer or a reason why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judges.asking import Made
from judges.llm.call import Call, CallFailed, Why
from judges.root_cause.answer import read_answer, schema_text
from judges.root_cause.case import CRITERION, Decided, Undecided
from judges.root_cause.excerpt import Excerpt
from judges.verdict import Category, Verdict
from prompts import root_cause_prompt

if TYPE_CHECKING:
    from collections.abc import Callable

    from judges.asking import Asker, Model
    from judges.llm.call import Reply
    from judges.root_cause.case import Case

_VERDICTS = 3
"""The answer is about as long as so many verdicts."""
_NOT_SENT = (Why.CAPPED, Why.NO_PRICE, Why.BATCH)


async def decide(case: Case, model: Model, asker: Asker, on_call: Callable[[Made], None]) -> Decided | Undecided:
    """Asks which step decided a failing run.

    What is wrong with the answer is told to the judge once. A prompt that does not fit the model's context is asked
    once more with less of it in full.

    Args:
        case: the run, and what is known of it.
        model: who is asked.
        asker: takes the calls.
        on_call: is told of each call that was sent, once it is over.
    """
    if not case.failing.agent_steps:
        return Undecided("the agent made no step")
    excerpt = Excerpt(case)
    complaints: tuple[str, ...] = ()
    # Each turn ends it, or narrows the excerpt, or complains: once each.
    while True:
        call = _call(excerpt, model, complaints)
        try:
            reply = await asker.ask(call)
        except CallFailed as failure:
            if failure.why not in _NOT_SENT:
                on_call(_made(case, call, None, str(failure), None))
            if failure.why is not Why.CONTEXT or excerpt.is_narrow:
                return Undecided(str(failure))
            excerpt = Excerpt(case, narrow=True)
            continue
        answer = read_answer(reply.text, case, excerpt.boundary, model.name)
        if isinstance(answer, Decided):
            on_call(_made(case, call, reply, None, answer))
            return answer
        on_call(_made(case, call, reply, answer, None))
        if complaints:
            # Kept, it would answer the next run as it answered this one.
            asker.forget([reply.key])
            return Undecided(answer)
        complaints = (answer,)


def _call(excerpt: Excerpt, model: Model, complaints: tuple[str, ...]) -> Call:
    rendered = excerpt.rendered(complaints)
    return Call(
        model=model.name,
        system=rendered.system,
        parts=rendered.parts,
        schema=schema_text(),
        max_tokens=model.answer_limit(_VERDICTS),
        api_base=model.api_base,
    )


def _made(case: Case, call: Call, reply: Reply | None, error: str | None, decided: Decided | None) -> Made:
    """The call as judge runs keep it: the answer as a verdict without a mark."""
    asked = ((case.about, CRITERION),)
    if decided is None:
        return Made(case.failing, asked, call, reply, error, ())
    first = decided.first
    verdict = Verdict(
        trial=case.failing.name,
        step=first.step,
        criterion=CRITERION,
        label=first.category,
        value=None,
        explanation=first.explanation,
        evidence=first.evidence,
        better_action=first.better_action,
        category=Category(first.category) if first.category in set(Category) else None,
        confidence=first.confidence,
        by=decided.by,
        prompt_version=root_cause_prompt().prompt_version,
    )
    return Made(case.failing, asked, call, reply, error, (verdict,))
