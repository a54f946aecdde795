"""Harbor's job plugin: `harbor run ... --plugin kilobench`, or `opik harbor run ... --plugin kilobench`.

While the job runs it only notes which live trace is whose. The work is done when the job has ended: it is what
`kilobench run JOB` does, which does it, too, where a job does not get to its end.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, override

from harbor.models.job.plugin import BaseJobPlugin
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError

from adapter.errors import KilobenchError
from adapter.live_traces import NotedTrace, current_live_trace, flush_live, note, take_off_step_patch
from adapter.opik_connection import is_configured
from adapter.prices import PriceBook

if TYPE_CHECKING:
    from harbor.job import Job
    from harbor.models.job.result import JobResult
    from harbor.trial.hooks import TrialHookEvent

_Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value)]
"""Harbor reads `--pk project=42` as a number."""


class PluginOptions(BaseModel):
    """What `--pk KEY=VALUE` can set; as the options of `kilobench run`.

    Attributes:
        project: the Opik project; that of the live traces where there are some.
        judge: whether to judge the steps.
        judge_model: not used: models are asked by `kilobench judge`, once the job is stored.
        report: folder for the report.
        tables: folder for the Parquet tables.
        reward: the reward that decides.
        pass_at: the least value of it that is a pass.
        prices: a file of the user's own prices.
        max_spend: what the job may cost, in US dollars: no trial starts that may pass it; the job ends, to be resumed.
        expected_usd: what a trial is expected to cost until one has ended; without it, the first runs alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: _Text | None = None
    judge: bool = True
    judge_model: _Text | None = None
    report: Path | None = None
    tables: Path | None = None
    reward: _Text | None = None
    pass_at: FiniteFloat = 1.0
    prices: Path | None = None
    max_spend: Annotated[FiniteFloat, Field(ge=0)] | None = None
    expected_usd: Annotated[FiniteFloat, Field(ge=0)] | None = None


class KilobenchPlugin(BaseJobPlugin):
    """Takes a job into Opik when it has ended.

    Nothing that goes wrong here touches the job: it is said in a line on standard error, with what to do next.

    Args:
        kwargs: what `--pk` gave; see `PluginOptions`.

    Raises:
        ValueError: it cannot be used; no trial has run yet.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__()
        try:
            self._options = PluginOptions.model_validate(kwargs)
        except ValidationError as error:
            wrong = "; ".join(f"--pk {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise ValueError(f"kilobench: {wrong}. It knows {', '.join(PluginOptions.model_fields)}.") from None
        for folder in filter(None, (self._options.report, self._options.tables)):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:  # Better told now than after the job.
                raise ValueError(f"kilobench: {folder} cannot be written to: {error.strerror}.") from None
        try:
            self._book = PriceBook.of(self._options.prices)
        except KilobenchError as error:
            raise ValueError(f"kilobench: {error.what}\n  {error.hint}") from None
        self._folder: Path | None = None
        self._live_project: str | None = None
        self._goes_nowhere = False
        if self._options.judge_model is not None:
            what = f"judge_model={self._options.judge_model} is not used here"
            _say(f"{what}: ask it with kilobench judge, once the job is stored.")

    @override
    async def on_job_start(self, job: Job) -> None:
        """Makes ready to note the live traces."""
        self._folder = job.job_dir
        take_off_step_patch()
        if self._options.max_spend is not None:
            from pipelines.bench.guard import SpendGuard

            # Before the hook of ours that looks at a trial that has started.
            SpendGuard(job, self._options.max_spend, self._options.expected_usd, self._book)
        job.on_trial_started(self._on_trial_started)

    async def _on_trial_started(self, event: TrialHookEvent) -> None:
        """Notes the trial's live trace. An exception in a hook would end the whole job."""
        try:
            take_off_step_patch()  # Tracking may have begun since.
            live = current_live_trace()
            if live is None or self._folder is None:
                return
            if not is_configured():
                self._goes_nowhere = True
                return
            self._live_project = live.project
            note(self._folder, NotedTrace(**asdict(live), trial_id=str(event.trial_id), trial=event.trial_name))
        except Exception as error:  # noqa: BLE001  (see above)
            _say(f"the live trace of {event.trial_name} could not be noted: {error!r}")

    @override
    async def on_job_end(self, job_result: JobResult) -> None:
        """Does for the job what `kilobench run` does."""
        if self._folder is None:
            return
        try:
            await asyncio.to_thread(self._run, self._folder)
        except KilobenchError as error:
            _say(f"{error.what}\n  {error.hint}\n  kilobench run {self._folder}")
        except Exception as error:  # noqa: BLE001  (Harbor would print a traceback, and its other plugins go on)
            _say(f"failed: {error!r}\n  kilobench run {self._folder}")

    def _run(self, folder: Path) -> None:
        from rich.console import Console

        from adapter.status import Grading
        from pipelines.progress import Bars
        from pipelines.run import Options, run
        from pipelines.terminal import show_briefly

        flush_live()
        if self._goes_nowhere:
            _say("no Opik is configured: the live traces went nowhere, and the job goes into the embedded store.")
        given = self._options
        result = run(
            Options(
                paths=(folder,),
                project=self._project(),
                judge=given.judge,
                report=given.report,
                tables=given.tables,
                grading=Grading(key=given.reward, pass_at=given.pass_at),
                prices=given.prices,
            ),
            Bars(quiet=not sys.stderr.isatty()),
        )
        show_briefly(result, Console(stderr=True, width=None if sys.stderr.isatty() else 120))

    def _project(self) -> str | None:
        """The project to upload into: where the live traces are, they are joined."""
        asked, live = self._options.project, self._live_project
        if asked is not None and live is not None and asked.lower() != live.lower():
            _say(f"project={asked} is not used: the live traces are in {live}. Set OPIK_PROJECT_NAME to choose theirs.")
        return live or asked


def _say(line: str) -> None:
    print(f"kilobench: {line}", file=sys.stderr, flush=True)
