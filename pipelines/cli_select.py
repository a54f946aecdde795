"""The command `kilobench select`: it only wires."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli_options import Jobs, Json, PassAt, Reward, on_this_machine, tell


def select(
    jobs: Jobs,
    tasks: Annotated[int, typer.Option("-n", "--tasks", help="How many tasks.", metavar="N", min=1)] = 12,
    max_minutes: Annotated[
        float, typer.Option(help="The most that 9 of 10 trials of a task may take.", metavar="MINUTES", min=0)
    ] = 5.0,
    max_flaky: Annotated[
        float,
        typer.Option(
            help="The largest chance that two attempts of one variant end differently.", metavar="SHARE", min=0, max=1
        ),
    ] = 0.2,
    drop: Annotated[
        float, typer.Option(help="The drop of the pass rate whose power is told.", metavar="SHARE", min=0, max=1)
    ] = 0.2,
    dataset: Annotated[
        str | None, typer.Option(help="Whose tasks.", metavar="NAME", show_default="that of the jobs, if it is one")
    ] = None,
    categories: Annotated[
        Path | None,
        typer.Option(help="What kind of task each is.", metavar="FILE", show_default="the tasks' own metadata"),
    ] = None,
    subset: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="The file that bench and gate take.", metavar="FILE", callback=on_this_machine
        ),
    ] = Path("subset.toml"),
    reward: Reward = None,
    pass_at: PassAt = 1.0,
    json: Json = False,
) -> None:
    """Choose the tasks of a gate from history: fast, stable, telling variants apart, and of every kind."""
    from adapter.status import Grading
    from pipelines.progress import Bars
    from pipelines.select.selecting import SelectRequest, select_tasks
    from pipelines.terminal_select import show_select
    from views.selection import Wanted

    request = SelectRequest(
        paths=tuple(jobs),
        wanted=Wanted(tasks, 60 * max_minutes, max_flaky),
        dataset=dataset,
        drop=drop,
        categories=categories,
        grading=Grading(key=reward, pass_at=pass_at),
        subset=subset,
    )
    result = select_tasks(request, Bars())
    tell(result, show_select, json=json)
    raise typer.Exit(result.exit_code)
