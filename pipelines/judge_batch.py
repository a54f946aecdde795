"""`kilobench judge --batch`: the calls that judging begins with, submitted to the providers' batch endpoints."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from adapter.errors import BadInputError, ExitCode, IncompleteError
from adapter.prices import PriceBook
from judges.jury import first_calls
from judges.llm.batch import BATCH, MOST_BYTES, MOST_CALLS, BatchError, Endpoint, check_model, line_of
from judges.llm.cache import Cache
from judges.llm.call import Call, Why
from judges.llm.request import first_form
from judges.llm.spend import Terms
from pipelines.batch_tickets import State, Ticket, TicketPart, made_by, tickets
from pipelines.judge_choice import choose_trials
from pipelines.judge_request import JudgeRequest
from pipelines.judging import chosen_trials, criteria_of, jury_of, opened
from pipelines.progress import Bars
from prompts import system_prompt


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SubmittedBatch(_Result):
    """A batch that a provider took. `most_usd` is what it can cost at most; None where that is not known.

    `batch` is the provider's id; None where no confirmation came: `--collect` finds out whether it was taken.
    """

    model: str
    batch: str | None
    calls: int
    most_usd: float | None


class BatchResult(_Result):
    """What `kilobench judge --batch` did.

    `ticket` names the submission; None where nothing was to submit. `cached_calls` are answered already,
    `waiting_calls` are in a batch that was submitted before. `left` counts calls that were not submitted, by reason.
    `exit_code` is 0, or 3 where any is left.
    """

    ticket: str | None
    trials: int
    batches: tuple[SubmittedBatch, ...]
    cached_calls: int
    waiting_calls: int
    left: dict[str, int]
    max_spend_usd: float | None
    exit_code: ExitCode


def submit(request: JudgeRequest, bars: Bars) -> BatchResult:
    """Submits what judging would begin with, and leaves; `pipelines.judge_collect` does the rest.

    What is answered already, or waits in an earlier batch, is not submitted.

    Raises:
        BadInputError: what was given cannot be used, or a provider takes no batches.
        IncompleteError: no provider took any.
    """
    request.check()
    if not request.models:
        raise BadInputError("--batch is for models: rules cost nothing.", "Name one with --judge-model.")
    for model in request.models:
        check_model(model)
    criteria = criteria_of(request)
    jury = jury_of(request, criteria)
    book = PriceBook.of(request.prices)
    trials = cached = waiting = 0
    with tickets() as earlier, opened(request, bars, keeps=False) as where, Cache.open() as cache:
        ticket = Ticket(
            id=str(uuid.uuid4()),
            created_at=datetime.now(UTC),
            request=request.anywhere(),
            made_by=made_by(iter([system_prompt().prompt_version, *(one.prompt_version for one in criteria.values())])),
        )
        known = {key for one in earlier for part in one.parts for key in part.keys}
        packing = _Packing(ticket, request.max_spend_usd, book)
        chosen = choose_trials(request, where.source, bars)
        advance = bars.stage("Submit", "trials", where.source.total if chosen is None else len(chosen.weights))
        for found in chosen_trials(where.source, chosen, advance):
            trials += 1
            for _, call in first_calls(found.trial, jury):
                if cache.get(call.key) is not None:
                    cached += 1
                elif call.key in known:
                    waiting += 1
                else:
                    known.add(call.key)
                    packing.add(call)
        packing.send_all()
        if not trials:
            raise BadInputError("No trial was found.", "Name others, or upload the job first.")
        if packing.refused and not ticket.parts:
            raise IncompleteError(
                f"No batch was taken: {packing.refused[0]}", "Mend that, or judge without --batch; nothing was spent."
            )
    return BatchResult(
        ticket=ticket.id if ticket.parts else None,
        trials=trials,
        batches=tuple(
            SubmittedBatch(model=part.model, batch=part.batch, calls=len(part.keys), most_usd=part.most_usd)
            for part in ticket.parts
        ),
        cached_calls=cached,
        waiting_calls=waiting,
        left=dict(Counter(ticket.left.values())),
        max_spend_usd=request.max_spend_usd,
        exit_code=ExitCode.INCOMPLETE if ticket.left else ExitCode.DONE,
    )


@dataclass(slots=True)
class _Box:
    """The calls to one model that go out together."""

    part: TicketPart
    terms: Terms
    lines: list[bytes] = field(default_factory=list[bytes])
    keys: list[str] = field(default_factory=list[str])
    size: int = 0


class _Packing:
    """Puts calls into batches, under one cap, and sends each as it is full."""

    def __init__(self, ticket: Ticket, cap_usd: float | None, book: PriceBook) -> None:
        self.refused: list[str] = []
        self._ticket = ticket
        self._cap = cap_usd
        self._book = book
        self._held = 0.0
        self._boxes: dict[str, _Box] = {}

    def add(self, call: Call) -> None:
        box = self._boxes.get(call.model) or self._box(call)
        most = box.terms.most(call)
        if self._cap is not None and (most is None or self._held + most > self._cap):
            why = Why.NO_PRICE if most is None else Why.CAPPED
            self._ticket.left[call.key] = why.value
            return
        line = line_of(call, box.part.form)
        if len(box.keys) >= MOST_CALLS or box.size + len(line) > MOST_BYTES:
            self._send(box)
            box = self._box(call)
        self._held += most or 0.0
        box.part.most_usd = None if most is None or box.part.most_usd is None else box.part.most_usd + most
        box.lines.append(line)
        box.keys.append(call.key)
        box.size += len(line)

    def send_all(self) -> None:
        for box in self._boxes.values():
            self._send(box)

    def _box(self, call: Call) -> _Box:
        part = TicketPart(model=call.model, api_base=call.api_base, form=first_form(call.model), keys=(), most_usd=0.0)
        self._boxes[call.model] = box = _Box(part, Terms.of(call.model, self._book, BATCH))
        return box

    def _send(self, box: _Box) -> None:
        if not box.keys:
            return
        ticket, part = self._ticket, box.part
        part.keys = tuple(box.keys)
        ticket.parts.append(part)
        endpoint = Endpoint(part.model, part.api_base)
        try:
            file = endpoint.upload(b"".join(box.lines))
            # From here on it may be taken, whatever becomes of this process.
            part.state = State.ASKED
            ticket.save()
            part.batch = endpoint.create(file, ticket.mark(part))
            part.state = State.TAKEN
        except BatchError as error:
            if part.state is State.NEW or error.is_certain:
                ticket.parts.remove(part)
                ticket.left.update(dict.fromkeys(part.keys, f"{part.model}: {error}"))
                self.refused.append(f"{part.model}: {error}")
        if ticket.parts:
            ticket.save()
        else:
            ticket.path.unlink(missing_ok=True)
