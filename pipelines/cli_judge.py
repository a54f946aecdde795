"""`kilobench judge` on the command line."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pipelines.cli_options import Json, Opik, printing


def judge(
    experiment: Annotated[
        list[str] | None,
        typer.Option(help="The traces of an experiment; repeat it for several.", metavar="NAME", show_default=False),
    ] = None,
    project: Annotated[
        str | None, typer.Option(help="The traces of a project.", metavar="NAME", show_default=False)
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
    opik: Opik = None,
    json: Json = False,
) -> None:
    """Judge trials that Opik holds, and write the verdicts on their steps; no job folder is needed."""
    from rich.console import Console

    from pipelines.judge_stored import Which, judge_stored
    from pipelines.progress import Bars
    from pipelines.terminal_stored import show_judge

    which = Which(tuple(experiment or ()), project, filter_, tuple(trace or ()))
    result = judge_stored(which, opik, Bars())
    with printing("All verdicts were written, but the output could not be"):
        if json:
            typer.echo(result.model_dump_json())
        else:
            show_judge(result, Console(width=None if sys.stdout.isatty() else 120))
    raise typer.Exit(result.exit_code)
