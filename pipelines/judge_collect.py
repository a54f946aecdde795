"""`kilobench judge --collect`: what the batches answered, judged as it was asked for when they were submitted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from adapter.errors import BadInputError, ExitCode, KilobenchError
from adapter.prices import PriceBook
from judges.llm.batch import BATCH, Batched, BatchError, Endpoint, Progress, outcome
from judges.llm.cache import Cache
from judges.llm.call import CallFailed, Reply, Why
from judges.llm.response import FILTERED
from judges.llm.spend import Terms
from pipelines.batch_tickets import State, Ticket, TicketPart, made_by, tickets
from pipelines.judge_results import JudgeResult
from pipelines.judging import criteria_of, judge
from pipelines.progress import Bars
from prompts import system_prompt


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CollectedBatch(_Result):
    """One submission: how many of its calls are answered, and, once all its batches are over, what they came to.

    `result` is None while it waits, and where it could not be collected: `reason` says why.
    """

    ticket: str
    submitted_at: datetime
    calls: int
    done: int
    reason: str | None
    result: JudgeResult | None


class CollectResult(_Result):
    """What `kilobench judge --collect` did. `exit_code` is 0, or 3 when something is left to do."""

    batches: tuple[CollectedBatch, ...]
    exit_code: ExitCode


def collect(bars: Bars) -> CollectResult:
    """Collects every submission whose batches are over.

    Raises:
        BadInputError: there is none to collect.
    """
    with tickets() as found:
        if not found:
            raise BadInputError("No batch waits to be collected.", "Submit one with kilobench judge --batch.")
        collected = tuple(
            _collected(ticket, [other for other in found if other is not ticket], bars) for ticket in found
        )
    done = all(one.result is not None and one.result.exit_code == ExitCode.DONE for one in collected)
    return CollectResult(batches=collected, exit_code=ExitCode.DONE if done else ExitCode.INCOMPLETE)


def _collected(ticket: Ticket, others: Sequence[Ticket], bars: Bars) -> CollectedBatch:
    done, reason, result = 0, None, None
    try:
        progress = [_progress(ticket, part) for part in ticket.parts]
        done = sum(one.done for one in progress if one is not None)
        running = [one.status for one in progress if one is not None and not one.is_over]
        if running:
            reason = f"the provider says: {', '.join(dict.fromkeys(running))}"
        else:
            _check_prompts(ticket)
            result = judge(ticket.request, bars, _batched(ticket, others, progress))
            ticket.path.unlink(missing_ok=True)
    except BatchError as error:
        reason = f"{error} (to forget the batch, remove {ticket.path})"
    except KilobenchError as error:
        reason = f"{error.what} {error.hint}"
    return CollectedBatch(
        ticket=ticket.id,
        submitted_at=ticket.created_at,
        calls=sum(len(part.keys) for part in ticket.parts),
        done=done,
        reason=reason,
        result=result,
    )


def _progress(ticket: Ticket, part: TicketPart) -> Progress | None:
    """How far a batch is; None where its provider never took it."""
    endpoint = Endpoint(part.model, part.api_base)
    if part.batch is None and part.state is State.ASKED:
        part.batch = endpoint.find(ticket.mark(part))
        if part.batch is not None:
            part.state = State.TAKEN
            ticket.save()
    return None if part.batch is None else endpoint.look(part.batch)


def _batched(ticket: Ticket, others: Sequence[Ticket], progress: list[Progress | None]) -> Batched:
    """The answers, which are in the cache from then on, and the calls that are not asked otherwise."""
    book = PriceBook.of(ticket.request.prices)
    replies: dict[str, Reply] = {}
    waiting = [key for other in others for part in other.parts for key in part.keys]
    failed = {key: CallFailed(Why.BATCH, "it is in another batch") for key in waiting}
    failed |= {key: CallFailed(Why.BATCH, f"it was not submitted: {reason}") for key, reason in ticket.left.items()}
    for part, one in zip(ticket.parts, progress, strict=True):
        if one is None:
            failed |= {key: CallFailed(Why.BATCH, "the provider never took it") for key in part.keys}
            continue
        said = one.status if one.reason is None else f"{one.status}: {one.reason}"
        # What no file speaks of had no turn before the batch ended.
        missing = {key: CallFailed(Why.BATCH, f"the batch ended as {said}") for key in part.keys}
        endpoint, terms = Endpoint(part.model, part.api_base), Terms.of(part.model, book, BATCH)
        for line in (line for file in one.files for line in endpoint.lines(file)):
            found = outcome(line, part.form, terms, one)
            if found is None or found[0] not in missing:
                continue
            key, what = found
            del missing[key]
            if isinstance(what, Reply):
                replies[key] = what
            elif what is not None:
                failed[key] = what
        failed |= missing
    with Cache.open() as cache:
        cache.put_all(one for one in replies.values() if one.finish != FILTERED)
    return Batched(replies, failed)


def _check_prompts(ticket: Ticket) -> None:
    """Raises `BadInputError` where judging would now ask other calls than those that were submitted."""
    criteria = criteria_of(ticket.request)
    now = made_by(iter([system_prompt().prompt_version, *(one.prompt_version for one in criteria.values())]))
    if now != ticket.made_by:
        raise BadInputError(
            f"It was submitted by kilobench {ticket.made_by.get('kilobench')} with other prompts "
            f"({ticket.made_by.get('prompts')}).",
            f"Collect it with these, or remove {ticket.path} to forget it.",
        )
