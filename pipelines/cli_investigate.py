"""The command `kilobench investigate`: it only wires."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli_options import (
    JOBS,
    EngineName,
    Json,
    JudgeApiBase,
    MaxSpend,
    Opik,
    PassAt,
    Prices,
    Project,
    Report,
    Reward,
    Scheduler,
    Workers,
    one_place,
    tell,
    usd,
)


def _name(help_: str, metavar: str) -> typer.models.OptionInfo:
    return typer.Option(help=help_, metavar=metavar, show_default=False)


def investigate(
    jobs: Annotated[
        list[Path] | None,
        typer.Argument(
            help=JOBS,
            metavar="[JOB]...",
            parser=one_place,
            show_default="what the project holds",
        ),
    ] = None,
    task: Annotated[str | None, _name("Only failing runs of this task.", "TASK")] = None,
    trial: Annotated[str | None, _name("Only this failing run: job/trial.", "TRIAL")] = None,
    against: Annotated[str | None, _name("Compare it with this run.", "TRIAL")] = None,
    baseline: Annotated[
        str | None, _name("What passed before: an experiment (dataset/variant/job), a variant or a job.", "NAME")
    ] = None,
    candidate: Annotated[str | None, _name("What fails now; likewise.", "NAME")] = None,
    judge_model: Annotated[
        str | None,
        typer.Option(
            help="A model that names the decisive step, as LiteLLM spells it: one question per run.",
            metavar="MODEL",
            show_default="none: rules, milestones and verdicts",
        ),
    ] = None,
    judge_api_base: JudgeApiBase = None,
    max_spend: MaxSpend = "5.00",
    concurrency: Annotated[int, typer.Option(help="Runs that are asked about at a time.", metavar="N", min=1)] = 16,
    report: Report = None,
    project: Project = None,
    opik: Opik = None,
    reward: Reward = None,
    pass_at: PassAt = 1.0,
    prices: Prices = None,
    engine: EngineName = "local",
    scheduler: Scheduler = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Find the step at which failing runs went wrong, each against a run of its task that passed."""
    from adapter.status import Grading
    from pipelines.cause_judging import CauseJudge
    from pipelines.engine.choice import engine_of
    from pipelines.investigate import InvestigateRequest
    from pipelines.investigate import investigate as find_out
    from pipelines.progress import Bars
    from pipelines.terminal_investigate import show

    judge = None if judge_model is None else CauseJudge(judge_model, judge_api_base, usd(max_spend), concurrency)
    request = InvestigateRequest(
        paths=tuple(jobs or ()),
        task=task,
        trial=trial,
        against=against,
        baseline=baseline,
        candidate=candidate,
        project=project,
        opik=opik,
        grading=Grading(key=reward, pass_at=pass_at),
        prices=prices,
        report=report,
        judge=judge,
    )
    with engine_of(engine, scheduler, workers) as working:
        result = find_out(request, Bars(), working)
    tell(result, show, json=json)
    raise typer.Exit(result.exit_code)
