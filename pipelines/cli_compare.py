"""The command `kilobench compare`: it only wires."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipelines.cli_options import (
    JOBS,
    AllowUnequal,
    EngineName,
    Json,
    Opik,
    Pages,
    PassAt,
    Prices,
    Project,
    Report,
    Reward,
    Scheduler,
    Tables,
    Workers,
    one_place,
    tell,
    written,
)


def compare(
    jobs: Annotated[
        list[Path] | None,
        typer.Argument(
            help=JOBS,
            metavar="[JOB]...",
            parser=one_place,
            show_default="what the project holds",
        ),
    ] = None,
    experiment: Annotated[
        list[str] | None,
        typer.Option(
            help="Compare this stored experiment with others that are named.", metavar="NAME", show_default=False
        ),
    ] = None,
    by: Annotated[
        Literal["model", "version", "agent", "effort"] | None,
        typer.Option(help="What is compared, all else being equal.", show_default="all of them"),
    ] = None,
    allow_unequal: AllowUnequal = False,
    project: Project = None,
    opik: Opik = None,
    report: Report = None,
    pages: Pages = "flips",
    csv: Annotated[Path | None, written("Write the results as CSV to this folder.", "DIR")] = None,
    tables: Tables = None,
    markdown: Annotated[
        Path | None,
        written("Write a summary for a pull request to this file.", "FILE"),
    ] = None,
    charts: Annotated[
        Path | None,
        written("Write the charts as Vega-Lite specs to this folder.", "DIR"),
    ] = None,
    reward: Reward = None,
    pass_at: PassAt = 1.0,
    prices: Prices = None,
    engine: EngineName = "local",
    scheduler: Scheduler = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Compare models, versions, agents and efforts, from job folders or from Opik, and save each comparison there."""
    from adapter.status import Grading
    from pipelines.comparing import CompareRequest, Files, compare_all
    from pipelines.engine.choice import engine_of
    from pipelines.progress import Bars
    from pipelines.terminal_compare import show

    request = CompareRequest(
        paths=tuple(jobs or ()),
        experiments=tuple(experiment or ()),
        project=project,
        opik=opik,
        by=by,
        allow_unequal=allow_unequal,
        files=Files(report=report, pages=pages, csv=csv, tables=tables, markdown=markdown, charts=charts),
        grading=Grading(key=reward, pass_at=pass_at),
        prices=prices,
    )
    with engine_of(engine, scheduler, workers) as working:
        result = compare_all(request, Bars(), working)
    tell(result, show, json=json)
    raise typer.Exit(result.exit_code)
