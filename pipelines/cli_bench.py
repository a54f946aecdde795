"""The commands `kilobench bench` and `kilobench harbor`: they only wire."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli_gate import Margin, MaxCostIncrease, rule_of
from pipelines.cli_options import Json, Opik, PassAt, Prices, Project, Report, Reward, finite, one_place, tell, texts


def _finite(usd: float | None) -> float | None:
    return None if usd is None else finite(usd)


def bench(
    harbor_args: Annotated[
        list[str] | None,
        typer.Argument(help="After --: more for harbor run.", metavar="[-- HARBOR_ARGS]", show_default=False),
    ] = None,
    suite: Annotated[Path | None, texts("A matrix in a file; options come before it.", "FILE", "--suite")] = None,
    dataset: Annotated[str | None, texts("A dataset of Harbor's registry.", "NAME@VERSION", "-d", "--dataset")] = None,
    path: Annotated[Path | None, texts("A folder of tasks, in its place.", "DIR", "-p", "--path")] = None,
    agent: Annotated[
        list[str] | None,
        texts("kilo@7.7.9, claude-code, any agent of Harbor's; repeat it.", "NAME[@VERSION]", "-a", "--agent"),
    ] = None,
    model: Annotated[list[str] | None, texts("A model; repeat it.", "PROVIDER/NAME", "-m", "--model")] = None,
    effort: Annotated[list[str] | None, texts("A reasoning effort; repeat it.", "EFFORT", "--effort")] = None,
    attempts: Annotated[
        int | None,
        typer.Option("-k", "--attempts", help="Attempts at each task.", metavar="N", min=1, show_default="1"),
    ] = None,
    environment: Annotated[str | None, texts("Harbor's environment.", "ENVIRONMENT", "-e", "--environment")] = None,
    concurrent: Annotated[
        int | None,
        typer.Option("-n", "--concurrent", help="Trials at a time.", metavar="N", min=1, show_default="Harbor's 4"),
    ] = None,
    subset: Annotated[Path | None, texts("Only the tasks that this file names.", "FILE", "--subset")] = None,
    jobs: Annotated[Path, typer.Option("-o", "--jobs", help="The folder of jobs.", metavar="DIR")] = Path("jobs"),
    retries: Annotated[
        int, typer.Option(help="How often what the infrastructure failed is tried again.", metavar="N", min=0)
    ] = 2,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the commands and what they may cost; run none.")
    ] = False,
    history: Annotated[
        list[Path] | None,
        typer.Option(
            "--history",
            help="More jobs that the forecast rests on, also by URL; repeat it.",
            metavar="DIR",
            show_default=False,
            parser=one_place,
        ),
    ] = None,
    max_spend: Annotated[
        float | None,
        typer.Option(
            help="US dollars for the whole matrix: no trial starts that may pass it.",
            metavar="USD",
            min=0,
            callback=_finite,
        ),
    ] = None,
    until_decided: Annotated[
        bool,
        typer.Option("--until-decided", help="Add attempts, one at each task, until the gate has an answer."),
    ] = False,
    baseline: Annotated[
        list[str] | None,
        texts("What the gate holds it against; repeat it.", "JOB|EXPERIMENT|FILE", "--baseline"),
    ] = None,
    baseline_variant: Annotated[
        str | None, texts("Which variant of several in the baseline.", "NAME", "--baseline-variant")
    ] = None,
    max_attempts: Annotated[
        int, typer.Option(help="Attempts at each task, until the gate decides.", metavar="K", min=1, max=100)
    ] = 5,
    margin: Margin = 0.05,
    max_cost_increase: MaxCostIncrease = None,
    junit: Annotated[
        Path | None, texts("Write the gate's answer as JUnit XML to this file.", "FILE", "--junit")
    ] = None,
    summary: Annotated[
        Path | None, texts("Write the gate's summary in Markdown to this file.", "FILE", "--summary")
    ] = None,
    report: Report = None,
    project: Project = None,
    opik: Opik = None,
    reward: Reward = None,
    pass_at: PassAt = 1.0,
    prices: Prices = None,
    json: Json = False,
) -> None:
    """Run a matrix of agents, versions, models and efforts by opik harbor run, one job each; then compare them.

    A job that is finished is not run again, and one that was stopped goes on where it was.
    """
    from adapter.status import Grading
    from pipelines.bench.running import BenchRequest, plan
    from pipelines.bench.running import bench as run_matrix
    from pipelines.bench.suite import Suite, matrix_of, read_suite
    from pipelines.progress import Bars
    from pipelines.terminal_bench import show_bench

    matrix = matrix_of(
        Suite() if suite is None else read_suite(suite),
        dataset=dataset,
        path=path,
        subset=subset,
        agents=tuple(agent or ()),
        models=tuple(model or ()),
        efforts=tuple(effort or ()),
        attempts=attempts,
        environment=environment,
        concurrent=concurrent,
        extra=tuple(harbor_args or ()),
    )
    grading = Grading(key=reward, pass_at=pass_at)
    until = None
    if until_decided and not baseline:
        raise typer.BadParameter("--until-decided needs a --baseline: a job folder, an experiment or a saved baseline.")
    if until_decided:
        from pipelines.bench.until import Until
        from pipelines.gate.deciding import GateRequest

        gate = GateRequest(
            baseline=tuple(baseline or ()),
            baseline_variant=baseline_variant,
            subset=subset,
            rule=rule_of(margin, max_cost_increase, None, ()),
            project=project,
            opik=opik,
            grading=grading,
            prices=prices,
        )
        until = Until(gate, max_attempts)
    elif baseline:
        raise typer.BadParameter("--baseline is for --until-decided; without it, `kilobench gate` compares.")
    request = BenchRequest(
        matrix=matrix,
        jobs=jobs,
        retries=retries,
        opik=opik,
        project=project,
        report=report,
        grading=grading,
        prices=prices,
        history=tuple(history or ()),
        max_spend=max_spend,
        until=until,
    )
    result = plan(request, Bars()) if dry_run else run_matrix(request, Bars())
    if result.gate is not None:
        from pipelines.gate.outputs import write_outputs

        result = result.model_copy(update={"gate": write_outputs(result.gate, junit, summary, sys.stderr)})
    tell(result, show_bench, json=json)
    raise typer.Exit(result.exit_code)


def harbor(context: typer.Context) -> None:
    """Run opik harbor: -a NAME@VERSION understood, our plugin on, the embedded Opik where none is configured."""
    from pipelines.bench.agents import understood
    from pipelines.bench.harbor_process import harbors_environment, run_harbor, runs_trials, with_plugin

    arguments = understood(context.args)
    if not runs_trials(arguments):
        raise typer.Exit(run_harbor(arguments, dict(os.environ)))
    with harbors_environment(None, None) as environment:
        code = run_harbor(with_plugin(arguments), environment)
    raise typer.Exit(code)
