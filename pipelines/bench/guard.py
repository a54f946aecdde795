"""Keeps a job that runs within what may be spent: as hooks of Harbor's, in its own process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from adapter.errors import KilobenchError
from adapter.jobs import read_job
from adapter.prices import PriceBook
from pipelines.bench.budget import May, expected_usd, may_start, spent_usd
from pipelines.bench.spending import costs
from views import format as fmt

if TYPE_CHECKING:
    from harbor.job import Job
    from harbor.trial.hooks import TrialHookEvent


class SpendGuard:
    """Lets a trial start, wait, or ends the job so that it can be resumed: nothing that runs is cut off.

    What a trial cost is known only when it has ended, so the cap is kept as well as what is expected holds.

    Args:
        job: Harbor's; the guard hooks into it.
        cap: what may be spent on this job, in US dollars, with what was spent on it before.
        history: what an attempt is expected to cost until one has ended; None if unknown.
        book: where prices are looked up.
    """

    def __init__(self, job: Job, cap: float, history: float | None, book: PriceBook) -> None:
        self._folder = job.job_dir
        self._cap = cap
        self._history = history
        self._book = book
        self._costs = self._before()
        self._running: set[str] = set()
        self._changed = asyncio.Condition()
        self._is_over = False
        job.on_trial_started(self._on_trial_started)
        job.on_trial_ended(self._on_trial_ended)

    async def _on_trial_started(self, event: TrialHookEvent) -> None:
        async with self._changed:
            while (now := self._decided()) is not May.START:
                if now is May.STOP and not self._is_over:
                    self._is_over = True
                    self._end_job()
                await self._changed.wait()
            self._running.add(event.trial_name)
        # What it waited is none of its own time.
        event.result.started_at = datetime.now(UTC)

    async def _on_trial_ended(self, event: TrialHookEvent) -> None:
        found = await asyncio.to_thread(self._read, [self._folder / event.trial_name])
        async with self._changed:
            if event.trial_name in self._running:
                self._costs += found
            self._running.discard(event.trial_name)
            self._changed.notify_all()

    def _decided(self) -> May:
        return May.STOP if self._is_over else may_start(self._cap, self._costs, len(self._running), self._history)

    def _before(self) -> list[float | None]:
        """What the trials cost that ended before the job was taken up again."""
        if not self._folder.is_dir():
            return []
        return self._read(sorted(path for path in self._folder.iterdir() if path.is_dir()))

    def _read(self, trials: list[Path]) -> list[float | None]:
        try:
            return costs(read_job(self._folder), trials, self._book)
        except (KilobenchError, OSError):
            # A hook that fails would end the job. What cannot be read is not known.
            return [None for path in trials if (path / "result.json").is_file()]

    def _end_job(self) -> None:
        each = expected_usd(self._costs, self._history)
        if each is None:
            why = "what an attempt costs is not known, so no cap can be kept: give its model a price (docs/prices.md)"
        else:
            spent = spent_usd(self._costs, each) or 0.0
            why = (
                f"{fmt.money(spent)} of {fmt.money(self._cap)} are spent, and another trial may cost {fmt.money(each)}"
            )
        print(f"kilobench: no further trial is started: {why}.", file=sys.stderr, flush=True)
        # As by Ctrl-C: Harbor ends the job so that it can be resumed.
        os.kill(os.getpid(), signal.SIGINT)
