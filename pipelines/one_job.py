"""One job, trial by trial: each is read, priced, judged and sent, and then forgotten but for its notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from adapter.errors import IncompleteError, UnreadableError
from adapter.harbor import read_trial
from adapter.jobs import Job
from adapter.opik_prompts import StoredPrompt
from adapter.opik_reach import Reach
from adapter.opik_rows import trial_key
from adapter.opik_store import OpikStore
from adapter.prices import BUNDLED, PriceBook
from adapter.status import Grading
from adapter.trial import Trial
from pipelines.cost import price_trial
from pipelines.engine import IN_PROCESS, Engine
from pipelines.judge import Judgement, store_verdicts
from pipelines.live import LiveJob
from pipelines.notes import Notes
from pipelines.progress import Advance
from pipelines.read import Skipped, each_trial, place, why_not, without_trials
from pipelines.refused import drain_refused
from pipelines.trial_work import How, work
from pipelines.upload import Priced, Uploaded, now, upload
from pipelines.worker_upload import Sent, Target, attach_files


class OneJob:
    """A job on its way from its folder into Opik.

    What is held of it at one time: one trial's record, the rows that fill one request, and of each trial its verdicts'
    texts, the digests of its rows and what Opik says of them.

    Args:
        job: the job.
        grading: what decides whether a trial passed.
        prompts: what the trials are judged by, by `criterion@version`; None for not judging them.
        notes: keeps what is needed of each trial once it is forgotten.
        skipped: is told of what cannot be read.
        book: where prices are looked up.
        engine: what works on each trial, and sends it where it is new.
    """

    def __init__(
        self,
        job: Job,
        grading: Grading,
        *,
        prompts: Mapping[str, StoredPrompt] | None,
        notes: Notes,
        skipped: list[Skipped],
        book: PriceBook = BUNDLED,
        engine: Engine = IN_PROCESS,
    ) -> None:
        self._job = job
        self._grading = grading
        self._prompts = prompts
        self._is_judged = prompts is not None
        self._notes = notes
        self._skipped = skipped
        self._book = book
        self._engine = engine
        self._target: Target | None = None
        self._judgements: list[Judgement] = []
        self._folders: dict[str, Path] = {}

    def store(self, store: OpikStore, on_trial: Advance, on_row: Advance) -> Uploaded:
        """Reads, prices, judges and stores all trials of the job.

        Args:
            store: where to.
            on_trial: told of each trial that was looked at.
            on_row: told how many rows are in place.

        Raises:
            IncompleteError: Opik refuses, does not answer, or does not hold what it took.
        """
        live = LiveJob(self._job, store)
        self._target = self._workers_target(store, live)
        uploaded = upload(
            self._job.id,
            self._trials(on_trial, live),
            self._again,
            store,
            on_row,
            keep=live.keep,
            attach=lambda trial, trace_id: self._attach(trial, trace_id, store),
            prompts=self._prompts,
        )
        self._skipped += live.finish(uploaded)
        if self._is_judged:
            uploaded.written.scores += store_verdicts(self._judgements, uploaded.traces, uploaded.spans, store)
        self._skipped.extend(drain_refused(store, uploaded))
        return uploaded

    def _workers_target(self, store: OpikStore, live: LiveJob) -> Target | None:
        """Where workers send trials: only such of a job that Opik does not know, as they do not see what it holds."""
        if not self._engine.spreads(len(self._job.trials)) or live.has_traces or store.find_traces(self._job.id):
            return None
        return Target(Reach.of(store), now())

    def _trials(self, on_trial: Advance, live: LiveJob) -> Iterator[Priced | Sent]:
        how = How(
            without_trials(self._job), self._grading, self._book, self._is_judged, self._notes.wanted, self._target
        )
        working = partial(work, how)
        for folder, done in each_trial(
            self._job, self._skipped, on_trial, self._engine, working, lambda done: done.trial
        ):
            trial = done.trial
            if done.noted is None:
                self._skipped.append(Skipped(trial.name, why_not(trial) or "It has no result."))
                continue
            self._folders[trial_key(trial)] = folder
            if done.judgement is not None:
                self._judgements.append(done.judgement)
            self._notes.take(trial, done.judgement, done.noted)
            if done.sent is not None:
                self._skipped += [Skipped(trial.name, reason) for reason in done.sent.left_out]
                live.keep(trial)
                yield done.sent
            elif done.cost is not None:
                yield trial, done.cost

    def _again(self, key: str) -> Priced:
        folder = self._folders[key]
        try:
            trial = read_trial(self._job, folder, self._grading)
        except UnreadableError as error:
            raise self._changed(folder, str(error)) from error
        reason = why_not(trial)
        if reason is not None:
            raise self._changed(folder, reason)
        return trial, price_trial(trial, self._book)

    def _attach(self, trial: Trial, trace_id: str, store: OpikStore) -> list[str]:
        """Puts a trial's trajectory files at its trace; one that cannot be is named."""
        names, reasons = attach_files(trial, self._job, self._folders[trial_key(trial)], trace_id, store)
        self._skipped += [Skipped(trial.name, reason) for reason in reasons]
        return names

    def _changed(self, folder: Path, reason: str) -> IncompleteError:
        return IncompleteError(
            f"{place(self._job, folder)} changed while it was sent: {reason}",
            "Run the same command again when nothing writes to the job's folder.",
        )
