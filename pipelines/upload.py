"""Stage 3: the trials of a job as traces, spans, dataset items and experiments in Opik.

What is stored is looked up first, by key; only what is missing or differs is sent, and then looked up again. So a
run that was stopped at any moment is completed by the next one, and one that finds everything writes nothing. What two
machines stored twice, because they uploaded the same job at once, is found by that look, and the later of it removed.

The trials stream by: of each, only the digests of its rows are kept, and what its experiment needs to know. What Opik
does not hold after all is asked for once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_chain, wait_fixed

from adapter import opik_rest
from adapter.costs import TrialCost
from adapter.errors import IncompleteError
from adapter.opik_prompts import StoredPrompt
from adapter.opik_rows import trace_of, trial_key
from adapter.opik_store import OpikStore, Stored
from adapter.trial import Trial
from pipelines.doubles import Held, sort_out
from pipelines.experiments import Experiment, Members, member_of, store_experiments, until_stored
from pipelines.progress import Advance
from pipelines.scores import KeyedScore, is_trial_score, trial_scores, write_scores
from pipelines.sending import Attach, OnItsWay, Sender
from pipelines.worker_upload import Sent
from pipelines.written import Written

ROUNDS = 4
"""How often what is not found after sending, or found twice, is sent."""
PATIENCE = (1.0, 2.0, 4.0)
"""Seconds waited for what was sent and is not found yet: an Opik on many machines shows new rows a little later."""

type Clock = Callable[[], datetime]
type Priced = tuple[Trial, TrialCost]
type Again = Callable[[str], Priced]
"""Reads a trial once more, by its key."""
type Keep = Callable[[Trial], str | None]


def now() -> datetime:
    """The current time."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Uploaded:
    """What is stored now of one job.

    Attributes:
        traces: stored traces by the trial's key.
        spans: stored spans by key.
        experiments: all experiments of the job.
        written: what this run wrote.
        strangers: how many stored traces of the job are of no trial that was read.
        removed: how many rows of what the job does not hold any more were stored, and are so no longer.
        names: the trials' names, by their keys.
    """

    traces: dict[str, Stored] = field(default_factory=dict[str, Stored])
    spans: dict[str, Stored] = field(default_factory=dict[str, Stored])
    experiments: list[Experiment] = field(default_factory=list[Experiment])
    written: Written = field(default_factory=Written)
    strangers: int = 0
    removed: int = 0
    names: dict[str, str] = field(default_factory=dict[str, str])


def upload(
    job_id: str,
    trials: Iterable[Priced | Sent],
    again: Again,
    store: OpikStore,
    advance: Advance,
    clock: Clock = now,
    patience: Sequence[float] = PATIENCE,
    keep: Keep = lambda _: None,
    attach: Attach = lambda _trial, _trace_id: (),
    prompts: Mapping[str, StoredPrompt] | None = None,
) -> Uploaded:
    """Stores the trials of one job.

    Args:
        job_id: the job's id.
        trials: its trials with their costs, one after the other, or what is to be known of those that a worker has
            sent; no trial is kept.
        again: reads one of them once more.
        store: where to.
        advance: told how many rows were sent or found in place.
        clock: the current time, for the ids of what is new.
        patience: seconds to wait before each further look for what was sent.
        keep: the id of the trace that Opik has for a trial under no key of ours; None where it has none.
        attach: called before a trace is sent or changed, so that a trace which is there has its files.
        prompts: what the trials are judged by, by `criterion@version`; None where they are not judged.

    Raises:
        IncompleteError: Opik refuses, does not answer, or does not hold what it took.
    """
    result, at = Uploaded(), clock()
    members, scores = Members(prompts), list[KeyedScore]()

    def noted() -> Iterator[Priced]:
        for one in trials:
            if isinstance(one, Sent):
                members.add(*one.member)
                scores.extend(one.scores)
                job.take_sent(one)
                advance(len(one.on_its_way.digests))
                continue
            trial, cost = one
            members.add(*member_of(trial))
            job.keep(trial_key(trial), keep(trial))
            scores.extend(trial_scores(trial, cost))
            yield trial, cost

    job = _JobRows(job_id, store, result.written, at, attach)
    job.send(noted(), advance)
    job.settle(again, patience)
    result.names, result.removed = job.names, len(job.removed)
    members.keep(job.wanted.keys())
    if not members:
        return result
    for key, digests in job.wanted.items():
        held = job.stored[key]
        result.traces[key] = held[key]
        result.spans |= {row: held[row] for row in digests if row != key}
    trace_ids = {held[key].id for key, held in job.stored.items() if key in held}
    result.strangers = sum(key in held for key, held in job.stored.items() if key not in job.names)
    result.experiments = until_stored(
        lambda: store_experiments(members, result.traces, trace_ids, store, result.written, at),
        store,
        result.written,
        patience,
    )
    result.written.scores += write_scores(
        scores, result.traces, is_trial_score, store.score_traces, store.delete_trace_score
    )
    return result


class _JobRows:
    """The rows of one job: what of them is stored, and what should be.

    Attributes:
        stored: what Opik held when it was last asked.
        wanted: the digest of each row that should be there, by the trial's key and then by the row's; without what
            Opik does not take.
        names: the trials' names, by their keys.
        removed: the keys of stored rows of what the job does not hold any more, each once however often it is sent.
    """

    def __init__(self, job_id: str, store: OpikStore, written: Written, at: datetime, attach: Attach) -> None:
        self._job_id = job_id
        self._attach = attach
        self._store = store
        self._written = written
        self._at = at
        self._minted: dict[str, str] = {}
        self._strays: frozenset[str] = frozenset()
        self.removed: set[str] = set()
        self.names: dict[str, str] = {}
        self.wanted: dict[str, dict[str, str]] = {}
        self.stored: Held = self._look()

    def keep(self, key: str, trace_id: str | None) -> None:
        """Lets a trial's trace, where it is not stored yet, take the place of one that is stored under no key."""
        if trace_id is not None:
            self._minted[key] = trace_id

    def send(self, trials: Iterable[Priced], advance: Advance = lambda _: None) -> None:
        """Sends what of these trials is missing or differs."""
        sender = Sender(self._store, self._written, self._at, self._attach)
        for trial, cost in trials:
            sent = sender.send(trial, cost, self.stored.get(trial_key(trial), {}), self._minted)
            self._take(sent)
            advance(len(sent.digests))
        sender.flush()
        refused = self._store.refused
        if refused:
            self.wanted = {
                key: {row: digest for row, digest in digests.items() if row not in refused}
                for key, digests in self.wanted.items()
                if key not in refused
            }

    def take_sent(self, sent: Sent) -> None:
        """Takes what is to be known of a trial that a worker has sent."""
        self._take(sent.on_its_way)
        self._store.refused |= sent.refused
        self._written.add(sent.written)

    def _take(self, sent: OnItsWay) -> None:
        self.names[sent.key] = sent.name
        self.wanted[sent.key] = sent.digests
        self.removed |= sent.removed
        self._minted |= sent.minted

    def settle(self, again: Again, patience: Sequence[float]) -> None:
        """Looks whether all is there once, waits a little for what is not, and sends that once more.

        Raises:
            IncompleteError: Opik does not hold what it took.
        """
        settled = Retrying(
            retry=retry_if_result(lambda stored: bool(self._left(stored))),
            wait=wait_chain(*map(wait_fixed, patience)),
            stop=stop_after_attempt(len(patience) + 1),
            sleep=lambda seconds: opik_rest.sleep(seconds),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        for turn in range(ROUNDS):
            left = self._left(self.stored)
            if not left and not self._strays:
                return
            if turn:
                self.send(again(key) for key in dict.fromkeys(map(trace_of, left)))
            self._store.delete_traces(sorted(self._strays))
            self._written.traces += len(self._strays)
            self.stored = settled(self._look)
        left = self._left(self.stored)
        if left or self._strays:
            trials = ", ".join(sorted({self.names[trace_of(key)] for key in left})[:5])
            raise IncompleteError(
                f"Opik took {len(left)} rows and does not hold them as they were sent (trials {trials}).",
                "Run the same command again; if it stays so, look at the Opik server's log.",
            )

    def _look(self) -> Held:
        found = sort_out(self._store.find_traces(self._job_id), self._store.find_spans(self._job_id))
        self._strays = found.strays
        return found.held

    def _left(self, stored: Held) -> list[str]:
        """The keys of rows that are not as they should be, or should not be there, or are there twice."""
        left: list[str] = []
        for trial, digests in self.wanted.items():
            held = stored.get(trial, {})
            left += [key for key, digest in digests.items() if key not in held or held[key].digest != digest]
            left += [key for key, row in held.items() if self._is_too_much(key, row, digests)]
        return list(dict.fromkeys(left))

    def _is_too_much(self, key: str, row: Stored, digests: Mapping[str, str]) -> bool:
        return bool(row.twins) or (key not in digests and key not in self._store.refused)
