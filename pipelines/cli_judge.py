"""`kilobench judge` on the command line."""

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
    Reward,
    Scheduler,
    Workers,
    one_place,
    tell,
    usd,
)

_DEFAULT_WINDOW = 15
"""`judges.transcript.windows.DEFAULT_WINDOW`: the help text must not load the judges."""


def judge(
    jobs: Annotated[
        list[Path] | None,
        typer.Argument(help=JOBS, metavar="JOB", show_default=False, parser=one_place),
    ] = None,
    experiment: Annotated[
        list[str] | None,
        typer.Option(help="The traces of an experiment; repeat it for several.", metavar="NAME", show_default=False),
    ] = None,
    project: Annotated[
        str | None,
        typer.Option(
            help="The traces of a project. With job folders: whose .judges keeps the run.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    filter_: Annotated[
        str | None,
        typer.Option(
            "--filter",
            help="Of the project, those that match, in Opik's query language.",
            metavar="OQL",
            show_default=False,
        ),
    ] = None,
    trace: Annotated[
        list[str] | None,
        typer.Option(help="One trace; repeat it for several.", metavar="ID", show_default=False),
    ] = None,
    judge_model: Annotated[
        list[str] | None,
        typer.Option(
            help="A model that judges, as LiteLLM spells it; repeat it for a panel.",
            metavar="MODEL",
            envvar="KILOBENCH_JUDGE_MODEL",
            show_default="none: rules alone",
        ),
    ] = None,
    judge_api_base: JudgeApiBase = None,
    criteria: Annotated[
        Path | None,
        typer.Option(help="Criteria of your own, as .md files.", metavar="DIR", show_default="the three bundled ones"),
    ] = None,
    window: Annotated[
        int, typer.Option(help="Steps that are judged in one call.", metavar="N", min=1)
    ] = _DEFAULT_WINDOW,
    combine: Annotated[
        str, typer.Option(help="How a panel's verdicts become one.", metavar="union|mean|majority")
    ] = "union",
    escalate: Annotated[
        str | None,
        typer.Option(help="Who is asked where a panel disagrees.", metavar="MODEL", show_default=False),
    ] = None,
    repeat: Annotated[
        int, typer.Option(help="Ask each model so many times, to see how stable it is.", metavar="N", min=1)
    ] = 1,
    only: Annotated[
        str | None,
        typer.Option(
            help="Judge these trials alone: that did not pass; of tasks with both outcomes; with a rule's flag.",
            metavar="failed|flipped|flagged",
            show_default=False,
        ),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(help="Judge so many, drawn by variant and outcome.", metavar="N", min=1, show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws others.", metavar="N")] = 0,
    max_spend: MaxSpend = "5.00",
    concurrency: Annotated[int, typer.Option(help="Calls at a time.", metavar="N", min=1)] = 16,
    rpm: Annotated[
        int | None, typer.Option(help="Calls a minute.", metavar="N", min=1, show_default="what the provider takes")
    ] = None,
    tpm: Annotated[
        int | None, typer.Option(help="Tokens a minute.", metavar="N", min=1, show_default="what the provider takes")
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds until a call is given up.", metavar="SECONDS", min=0.1)
    ] = 120.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent and cost; send nothing.")] = False,
    batch: Annotated[
        bool, typer.Option("--batch", help="Submit to the providers' batch endpoints, at their price, and leave.")
    ] = False,
    collect: Annotated[bool, typer.Option("--collect", help="Judge by what submitted batches answered.")] = False,
    list_criteria: Annotated[bool, typer.Option("--list-criteria", help="Show the criteria in force.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="Show the judge runs of an experiment or a project.")] = False,
    compare_runs: Annotated[
        tuple[str, str] | None,
        typer.Option(help="What changed between two judge runs.", metavar="A B", show_default=False),
    ] = None,
    opik: Opik = None,
    prices: Prices = None,
    reward: Reward = None,
    pass_at: PassAt = 1.0,
    engine: EngineName = "local",
    scheduler: Scheduler = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Judge steps by rules, and by models where some are named: trials in job folders, or those that Opik holds.

    Verdicts on stored trials are written where they are; every call of a model is kept in the project's `.judges`.
    """
    from pipelines.judge_request import Which, checked
    from pipelines.progress import Bars

    if list_criteria:
        from pipelines.criteria_list import criteria_list, show_criteria

        tell(criteria_list(criteria), show_criteria, json=json)
        return
    if list_ or compare_runs is not None:
        _tell_runs(compare_runs, tuple(experiment or ()), project, opik, json=json)
        return
    if collect:
        _collect(named=bool(jobs or experiment or project or trace or batch or dry_run), json=json)
        return
    which = Which(
        paths=tuple(jobs or ()),
        experiments=tuple(experiment or ()),
        project=project,
        oql=filter_,
        traces=tuple(trace or ()),
    )
    request = checked(
        which=which,
        opik=opik,
        models=tuple(judge_model or ()),
        api_base=judge_api_base,
        criteria=criteria,
        window=window,
        combine=combine,
        escalate=escalate,
        repeat=repeat,
        only=only,
        sample=sample,
        seed=seed,
        max_spend_usd=usd(max_spend),
        concurrency=concurrency,
        rpm=rpm,
        tpm=tpm,
        timeout=timeout,
        prices=prices,
        reward=reward,
        pass_at=pass_at,
    )
    if dry_run:
        from pipelines.dry_run import dry_run as count
        from pipelines.dry_run import show_dry_run

        tell(count(request, Bars(), batch=batch), show_dry_run, json=json)
        return
    if batch:
        from pipelines.judge_batch import submit
        from pipelines.terminal_batch import show_batch

        submitted = submit(request, Bars())
        tell(submitted, show_batch, json=json)
        raise typer.Exit(submitted.exit_code)
    from pipelines.engine.choice import engine_of
    from pipelines.judging import judge as judge_all
    from pipelines.terminal_judge import show_judge

    with engine_of(engine, scheduler, workers) as working:
        result = judge_all(request, Bars(), engine=working)
    tell(result, show_judge, json=json)
    raise typer.Exit(result.exit_code)


def _collect(*, named: bool, json: bool) -> None:
    from adapter.errors import BadInputError
    from pipelines.judge_collect import collect
    from pipelines.progress import Bars
    from pipelines.terminal_batch import show_collect

    if named:
        raise BadInputError(
            "--collect judges what was submitted, as it was asked for then.", "Give it alone, or with --json."
        )
    result = collect(Bars())
    tell(result, show_collect, json=json)
    raise typer.Exit(result.exit_code)


def _tell_runs(
    two: tuple[str, str] | None, experiments: tuple[str, ...], project: str | None, opik: str | None, *, json: bool
) -> None:
    from pipelines.run_history import compare_runs, list_runs
    from pipelines.terminal_runs import show_comparison, show_runs

    if two is None:
        tell(list_runs(experiments, project, opik), show_runs, json=json)
    else:
        tell(compare_runs(two, experiments, project, opik), show_comparison, json=json)
