"""The commands `kilobench tasks ...`: they only wire."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipelines.cli_options import Json, PassAt, Reward, tell

tasks = typer.Typer(
    help="Make tasks of one's own, and prove that they can be solved and not by chance.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@tasks.command("new")
def new(
    name: Annotated[str, typer.Argument(help="The task's name, NAME or ORG/NAME.", metavar="NAME", show_default=False)],
    template: Annotated[
        Literal["template", "refactoring", "debugging", "terminal"],
        typer.Option("--from", help="What it begins as: the template, or a worked example."),
    ] = "template",
    into: Annotated[
        Path, typer.Option("-o", "--output", help="The task set's folder, begun if it is not there.", metavar="DIR")
    ] = Path("tasks"),
    json: Json = False,
) -> None:
    """Write a new task to a task set, and enter it in the set's dataset.toml."""
    from pipelines.tasks.new import new_task
    from pipelines.terminal_tasks import show_new

    tell(new_task(name, template, into), show_new, json=json)


@tasks.command("check")
def check(
    folder: Annotated[Path, typer.Argument(help="A task, or a folder of tasks.", metavar="DIR", show_default=False)],
    environment: Annotated[
        str | None,
        typer.Option(
            "-e",
            "--environment",
            help="Harbor's environment.",
            metavar="ENVIRONMENT",
            show_default="Harbor's own, docker",
        ),
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--ek", help="An option of the environment; repeat it.", metavar="KEY=VALUE", show_default=False),
    ] = None,
    attempts: Annotated[
        int, typer.Option("-k", "--attempts", help="Attempts at each task by each agent.", metavar="N", min=2)
    ] = 2,
    concurrent: Annotated[
        int | None,
        typer.Option("-n", "--concurrent", help="Trials at a time.", metavar="N", min=1, show_default="Harbor's 4"),
    ] = None,
    jobs: Annotated[
        Path | None,
        typer.Option("--jobs", help="Keep the jobs in this folder.", metavar="DIR", show_default=False),
    ] = None,
    no_run: Annotated[bool, typer.Option("--no-run", help="Only check what can be read.")] = False,
    reward: Reward = None,
    pass_at: PassAt = 1.0,
    json: Json = False,
) -> None:
    """Check tasks by running them: Harbor's oracle must pass, its nop must fail, each time alike and in time."""
    from adapter.status import Grading
    from pipelines.tasks.check import CheckRequest, check_tasks
    from pipelines.tasks.trials import How
    from pipelines.terminal_tasks import show_check

    how = How(
        environment=environment,
        options=tuple(options or ()),
        attempts=attempts,
        concurrent=concurrent,
        grading=Grading(key=reward, pass_at=pass_at),
    )
    request = CheckRequest(folder=folder, how=None if no_run else how, jobs=jobs)
    result = check_tasks(request, lambda said: typer.echo(said, err=True))
    tell(result, show_check, json=json)
    raise typer.Exit(result.exit_code)
