"""One trial on its way into Opik: planned against what is stored of it, and sent, by this process or by a worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from adapter.costs import TrialCost
from adapter.opik_rows import Row, rows, trial_key, without_files
from adapter.opik_store import OpikStore, Stored
from adapter.trial import Trial
from pipelines.outbox import Outbox
from pipelines.plan import Plan, plan
from pipelines.written import Written

type Attach = Callable[[Trial, str], Sequence[str]]
"""Puts a trial's files at the trace of this id; the names of those that Opik does not take."""


@dataclass(frozen=True, slots=True)
class OnItsWay:
    """A trial whose rows are sent, or in the outbox.

    Attributes:
        key: the trial's.
        name: the trial's.
        digests: of each row that should be stored, by key; without what Opik does not take.
        ids: of each of them, by key.
        minted: those of them that Opik did not know before.
        removed: keys of stored rows that the trial does not have any more.
    """

    key: str
    name: str
    digests: dict[str, str]
    ids: dict[str, str] = field(default_factory=dict[str, str])
    minted: dict[str, str] = field(default_factory=dict[str, str])
    removed: frozenset[str] = frozenset()


class Sender:
    """Sends what is missing of trials or differs; `flush` is to be called after the last.

    Args:
        store: where to.
        written: counts the rows.
        at: the current time, for the ids of what is new.
        attach: called before a trace is sent or changed, so that a trace which is there has its files.
    """

    def __init__(self, store: OpikStore, written: Written, at: datetime, attach: Attach) -> None:
        self._store = store
        self._outbox = Outbox(store, written)
        self._at = at
        self._attach = attach

    def send(self, trial: Trial, cost: TrialCost, stored: Mapping[str, Stored], minted: Mapping[str, str]) -> OnItsWay:
        """Sends a trial, or puts its rows to those that wait.

        Args:
            trial: the trial.
            cost: what it cost.
            stored: what Opik holds of it, by key.
            minted: ids under which rows were sent already, and may not be found yet.
        """
        made, key = list(rows(trial, cost)), trial_key(trial)
        digests = {row.key: row.digest for row in made}
        todo = plan(made, stored, minted, self._store.project, self._at)
        if any(row.kind == "trace" for _, row in (*todo.send, *todo.change)):
            todo, digests[key] = self._attached(todo, trial, made[0])
        self._outbox.put(todo)
        return OnItsWay(key, trial.name, digests, todo.ids, todo.minted, frozenset(stored.keys() - digests.keys()))

    def flush(self) -> None:
        """Sends what waits."""
        self._outbox.flush()

    def _attached(self, todo: Plan, trial: Trial, trace: Row) -> tuple[Plan, str]:
        """The plan once the trial's files are at its trace, and the trace's digest.

        A trace that lacks some says so, to be sent again next time.
        """
        left_out = self._attach(trial, todo.ids[trace.key])
        if not left_out:
            return todo, trace.digest
        short = without_files(trace, left_out)
        return todo.with_row(trace, short), short.digest
