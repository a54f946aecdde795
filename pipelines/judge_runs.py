"""Judge runs, kept: every call is a trace in the project `<project>.judges`, and a run's calls are one thread there.

A score that is given again replaces the one before it; the calls stay, and are the history. What a run came to is
computed from its calls when it is read, so that a run that was stopped is kept as far as it went.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapter.opik_connection import Connection
from adapter.opik_ids import mint
from adapter.opik_judge_runs import calls_of_project
from adapter.opik_rows import JOB, KEY, Row, row_of
from adapter.opik_store import OpikStore
from adapter.opik_usage import opik_provider, usage
from adapter.redact import redact_text
from adapter.trial import JsonValue, Object, Tokens
from judges.verdict import FailedVerdict, Verdict
from pipelines.inspected import TokenCounts
from pipelines.judge_run import JudgedCall, JudgeRun

TAG = "kilobench-judge"
_RUN = "judge_run"
_CALL = "judge_call"
_TOGETHER = 100
"""Calls that are sent at a time."""


def judges_project(project: str) -> str:
    """The project that keeps the judge runs on another's traces."""
    return f"{project}.judges"


class RunKeeper:
    """Keeps the calls of a run as they are made.

    Args:
        run: the run.
        connection: to the Opik that keeps it.
        project: the project whose trials were judged.
    """

    def __init__(self, run: JudgeRun, connection: Connection, project: str) -> None:
        self._run = run
        self._store = OpikStore(connection, judges_project(project))
        self._waiting: list[JudgedCall] = []
        self._count = 0

    @property
    def refused(self) -> dict[str, str]:
        """Calls that Opik did not take, and why."""
        return self._store.refused

    def add(self, call: JudgedCall) -> None:
        """Takes a call that is over.

        Raises:
            IncompleteError: Opik does not answer or refuses.
        """
        self._waiting.append(call)
        if len(self._waiting) >= _TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Sends what waits; raises as `add`."""
        now = datetime.now(UTC)
        rows = [rows_of(self._run, self._count + place, call, now) for place, call in enumerate(self._waiting)]
        ids = {row.key: mint(row.key, now) for pair in rows for row in pair}
        if rows:
            self._store.send_traces((ids[trace.key], trace) for trace, _ in rows)
            self._store.send_spans(((ids[span.key], span) for _, span in rows), ids)
        self._count += len(rows)
        self._waiting.clear()


def rows_of(run: JudgeRun, number: int, one: JudgedCall, now: datetime) -> tuple[Row, Row]:
    """A call as a trace, and the LLM span in it.

    What the cache answered newly cost nothing, and says 0; a cost that is not known says nothing.
    """
    call, reply = one.call, one.reply
    provider, _, model = call.model.rpartition("/")
    key = f"{run.id}/{number}"
    cost = None if reply is None else 0.0 if reply.is_cached else reply.usd
    counted = None if reply is None or reply.is_cached else reply.tokens
    start = now if reply is None or reply.is_cached else reply.started_at
    end = start if reply is None or reply.is_cached else start + timedelta(seconds=reply.seconds)
    asked: list[JsonValue] = [[step, criterion] for step, criterion in one.asked]
    said: Object = {
        "trial": one.trial,
        "trial_key": one.trial_key,
        "trace_id": one.trace_id,
        "span_ids": {str(step): span for step, span in one.span_ids.items()},
        "asked": asked,
        "model": call.model,
        "sample": call.sample,
        "cached": None if reply is None else reply.is_cached,
        "finish": None if reply is None else reply.finish,
        "usd": cost,
        "tokens": dict(_counts(counted)),
        "error": None if one.error is None else _clean(one.error),
        "verdicts": [verdict.model_dump(mode="json") for verdict in one.verdicts],
    }
    metadata: Object = {JOB: run.id, KEY: key, _RUN: run_out(run), _CALL: said}
    steps = sorted({step for step, _ in one.asked})
    name = f"{one.trial}, step {steps[0]}" if len(steps) == 1 else f"{one.trial}, steps {steps[0]} to {steps[-1]}"
    prompt: Object = {"system": call.system, "user": call.text}
    answer: Object = {"answer": None if reply is None else _clean(reply.text)}
    # A thread is what Opik shows together; its own span holds the model, as everywhere.
    trace = row_of(
        key=key,
        kind="trace",
        name=name,
        start_time=start,
        end_time=end,
        input=prompt,
        output=answer,
        metadata=metadata,
        trace_key=key,
        tags=(TAG, f"run:{run.id}", f"model:{call.model}"),
        error=None if one.error is None else ("JudgeError", _clean(one.error), "not recorded"),
    )
    named = opik_provider(provider or None, model)
    span = row_of(
        key=f"{key}/llm",
        kind="llm",
        name=call.model,
        start_time=start,
        end_time=end,
        input=prompt,
        output=answer,
        metadata={JOB: run.id, KEY: f"{key}/llm"},
        trace_key=key,
        model=model,
        provider=named,
        usage=usage(counted, named, has_cost=cost is not None),
        cost_usd=cost,
    )
    return trace, span


def run_out(run: JudgeRun) -> Object:
    """A run as its calls' metadata say it."""
    return {
        "id": run.id,
        "started_at": run.started_at.isoformat(),
        "models": [*run.models],
        "prompt_versions": dict(run.prompt_versions),
        "experiments": [*run.experiments],
        "settings": dict(run.settings),
    }


def _counts(tokens: Tokens | None) -> Mapping[str, int | None]:
    return TokenCounts.of(tokens).model_dump()


def _clean(text: str) -> str:
    return redact_text(text, Counter())


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class StoredRunHead(_Model):
    """A run as one of its calls tells it."""

    id: str
    started_at: datetime
    models: tuple[str, ...]
    prompt_versions: dict[str, str]
    experiments: tuple[str, ...] = ()
    settings: dict[str, str | int | float | None] = Field(default_factory=dict)


class StoredCall(_Model):
    """A call as it is kept."""

    trial: str
    asked: tuple[tuple[int, str], ...]
    model: str
    sample: int = 0
    cached: bool | None = None
    usd: float | None = None
    tokens: TokenCounts
    error: str | None = None
    verdicts: tuple[Verdict, ...] = ()


@dataclass(slots=True)
class StoredRun:
    """A run as it is read back.

    Attributes:
        head: what it was.
        calls: all of its calls.
    """

    head: StoredRunHead
    calls: list[StoredCall]

    @property
    def cached_calls(self) -> int:
        """How many the cache answered."""
        return sum(call.cached is True for call in self.calls)

    @property
    def spend_usd(self) -> float | None:
        """What its calls cost; None where that of any is not known."""
        costs = [call.usd for call in self.calls if call.cached is not None]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None

    @property
    def tokens(self) -> int | None:
        """What its calls sent and received; None where that of any is not known."""
        counts = [call.tokens.in_all for call in self.calls if call.cached is False]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What each model said in its first sample; of one that was asked again, the last word."""
        said = {
            (one.by, one.trial, one.step, one.criterion): one
            for call in self.calls
            if call.sample == 0
            for one in call.verdicts
        }
        return tuple(said.values())

    @property
    def failed(self) -> tuple[FailedVerdict, ...]:
        """What was asked for in some call and came in none."""
        there = {(one.by, one.trial, one.step, one.criterion) for call in self.calls for one in call.verdicts}
        missing = {
            (call.model, call.trial, *pair): call.error or "no verdict"
            for call in self.calls
            for pair in call.asked
            if (call.model, call.trial, *pair) not in there
        }
        return tuple(
            FailedVerdict(trial=trial, step=step, criterion=criterion, reason=reason, model=model)
            for (model, trial, step, criterion), reason in missing.items()
        )


def read_runs(connection: Connection, project: str, run: str | None = None) -> list[StoredRun]:
    """The judge runs on a project's traces, newest first.

    Args:
        connection: to the Opik that keeps them.
        project: whose traces were judged.
        run: the id of one run; None for all.

    Raises:
        IncompleteError: Opik does not answer or refuses.
    """
    runs: dict[str, StoredRun] = {}
    for head, call in _calls(connection, project, run):
        runs.setdefault(head.id, StoredRun(head, [])).calls.append(call)
    return sorted(runs.values(), key=lambda one: one.head.started_at, reverse=True)


def _calls(connection: Connection, project: str, run: str | None) -> Iterator[tuple[StoredRunHead, StoredCall]]:
    for metadata in calls_of_project(connection, judges_project(project), run):
        try:
            yield StoredRunHead.model_validate(metadata.get(_RUN)), StoredCall.model_validate(metadata.get(_CALL))
        except ValidationError:
            continue  # Somebody else's trace in this project is no call of a judge.
