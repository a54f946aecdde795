"""The command line: it only wires. Whatever is slow to import is imported by the command that needs it."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from pipelines import (
    cli_bench,
    cli_calibrate,
    cli_compare,
    cli_gate,
    cli_investigate,
    cli_judge,
    cli_select,
    cli_tasks,
    cli_views,
)
from pipelines.cli_options import (
    ANY_JOBS,
    AllowUnequal,
    EngineName,
    Jobs,
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
    printing,
)

_INTERRUPTED = 130
"""What a shell, and typer, say of a command that Ctrl-C ended."""
_ONE_LINE = 1000
"""Columns that no row needs."""

app = typer.Typer(
    name="kilobench",
    help="Finished Harbor jobs into Opik: every step priced and judged, the variants compared, the comparisons saved.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def _main() -> None:
    """Holds the options that all commands share; there are none."""


@app.command()
def run(
    jobs: Jobs,
    project: Project = None,
    opik: Opik = None,
    report: Report = None,
    pages: Pages = "flips",
    tables: Tables = None,
    reward: Reward = None,
    pass_at: PassAt = 1.0,
    prices: Prices = None,
    no_judge: Annotated[bool, typer.Option("--no-judge", help="Do not judge the steps.")] = False,
    allow_unequal: AllowUnequal = False,
    engine: EngineName = "local",
    scheduler: Scheduler = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Read, price, upload, judge and compare finished Harbor jobs, and save the comparisons as views in Opik."""
    from rich.console import Console

    from adapter.status import Grading
    from pipelines.engine.choice import engine_of
    from pipelines.progress import Bars
    from pipelines.run import Options
    from pipelines.run import run as run_all
    from pipelines.terminal import show

    options = Options(
        paths=tuple(jobs),
        project=project,
        opik=opik,
        judge=not no_judge,
        report=report,
        pages=pages,
        tables=tables,
        grading=Grading(key=reward, pass_at=pass_at),
        prices=prices,
        allow_unequal=allow_unequal,
    )
    with engine_of(engine, scheduler, workers) as working:
        result = run_all(options, Bars(), working)
    with printing("Everything was done, but the output could not be written"):
        if json:
            typer.echo(result.model_dump_json())
        else:
            show(result, Console(width=None if sys.stdout.isatty() else 120))
    raise typer.Exit(result.exit_code)


@app.command()
def inspect(
    jobs: Annotated[
        list[Path],
        typer.Argument(help=ANY_JOBS, metavar="JOB", show_default=False, parser=one_place),
    ],
    reward: Reward = None,
    pass_at: PassAt = 1.0,
    prices: Prices = None,
    engine: EngineName = "local",
    scheduler: Scheduler = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Show what was read, trial by trial, with what the reader noticed; nothing is uploaded or kept."""
    from rich.console import Console

    from adapter.prices import PriceBook
    from adapter.status import Grading
    from pipelines.engine.choice import engine_of
    from pipelines.inspect import Inspection, write_json
    from pipelines.progress import Bars
    from pipelines.terminal_inspect import show

    is_terminal = sys.stdout.isatty()
    with engine_of(engine, scheduler, workers) as working:
        inspection = Inspection.of(jobs, Grading(key=reward, pass_at=pass_at), PriceBook.of(prices), working)
        with printing("The output could not be written"):
            if json:
                # Bars and rows would run into each other on one screen.
                write_json(inspection, Bars(quiet=is_terminal), sys.stdout)
            else:
                # A row stays one line where it is piped, unless COLUMNS says how wide it may be.
                wide = None if is_terminal or "COLUMNS" in os.environ else _ONE_LINE
                show(inspection, Bars(), Console(width=wide))
    raise typer.Exit(inspection.finish())


@app.command()
def cost(
    jobs: Annotated[
        list[Path],
        typer.Argument(help=ANY_JOBS, metavar="JOB", show_default=False, parser=one_place),
    ],
    by: Annotated[
        Literal["step", "call", "trial", "variant", "task-category"] | None,
        typer.Option(help="What has a row.", show_default="trial"),
    ] = None,
    reward: Reward = None,
    pass_at: PassAt = 1.0,
    prices: Prices = None,
    categories: Annotated[
        Path | None,
        typer.Option(
            help="Which kind of work each task is: TOML or JSON, from tasks (or patterns of them) to categories.",
            metavar="FILE",
            show_default="the tasks' own metadata",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="The variant that the others are compared with.",
            metavar="VARIANT",
            show_default="the one with the highest pass rate",
        ),
    ] = None,
    tables: Tables = None,
    export: Annotated[
        Literal["kilo"] | None,
        typer.Option(help="Print the variants' results as records of Kilo's leaderboard (JSON) instead."),
    ] = None,
    no_judge: Annotated[
        bool, typer.Option("--no-judge", help="Do not judge the steps: what was wasted is not known then.")
    ] = False,
    engine: EngineName = "local",
    scheduler: Scheduler = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Show where the money went: by step, LLM call, trial, variant or kind of task; nothing is uploaded or kept."""
    from rich.console import Console

    from adapter.errors import ExitCode, IncompleteError
    from adapter.prices import PriceBook
    from adapter.status import Grading
    from pipelines.cost_command import cost as tell_cost
    from pipelines.costing import Request
    from pipelines.engine.choice import engine_of
    from pipelines.progress import Bars

    if export is not None and by not in (None, "variant"):
        raise typer.BadParameter(f"--export {export} has a record per variant, and goes with no other --by.")
    if baseline is not None and by != "variant" and tables is None:
        raise typer.BadParameter("--baseline is for --by variant, or for the tables.")
    request = Request(
        paths=tuple(jobs),
        by=by or "trial",
        grading=Grading(key=reward, pass_at=pass_at),
        book=PriceBook.of(prices),
        categories=categories,
        baseline=baseline,
        tables=tables,
        export=export,
        judge=not no_judge,
        json=json,
    )
    is_terminal = sys.stdout.isatty()
    codes: list[ExitCode] = []
    with engine_of(engine, scheduler, workers) as working, printing("The output could not be written"):
        # Bars and rows would run into each other on one screen.
        console = Console(width=None if is_terminal else 120)
        codes.append(tell_cost(request, Bars(quiet=is_terminal), sys.stdout, console, working))
    if not codes and tables is not None:
        raise IncompleteError("The output was closed before all was read: no table was written.", "Read all of it.")
    raise typer.Exit(codes[0] if codes else ExitCode.DONE)


@app.command()
def upload(
    jobs: Jobs,
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
    """Store the trials of finished Harbor jobs in Opik: traces, costs, experiments and their scores."""
    from rich.console import Console

    from adapter.prices import PriceBook
    from adapter.status import Grading
    from pipelines.engine.choice import engine_of
    from pipelines.progress import Bars
    from pipelines.terminal_stored import show_upload
    from pipelines.upload_jobs import upload_jobs

    grading, book = Grading(key=reward, pass_at=pass_at), PriceBook.of(prices)
    with engine_of(engine, scheduler, workers) as working:
        result = upload_jobs(jobs, project, opik, grading, Bars(), book, working)
    with printing("Everything was stored, but the output could not be written"):
        if json:
            typer.echo(result.model_dump_json())
        else:
            show_upload(result, Console(width=None if sys.stdout.isatty() else 120))
    raise typer.Exit(result.exit_code)


app.command()(cli_judge.judge)
app.command()(cli_compare.compare)
app.command()(cli_investigate.investigate)
app.command()(cli_calibrate.calibrate)
app.command()(cli_select.select)
app.command()(cli_gate.gate)
app.command()(cli_bench.bench)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})(
    cli_bench.harbor
)
app.add_typer(cli_views.views, name="views")
app.add_typer(cli_tasks.tasks, name="tasks")


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="The port on 127.0.0.1.", min=1, max=65535, metavar="PORT")] = 5173,
    opik: Annotated[
        str | None,
        typer.Option(
            help="Show the pages of what the Opik at this address holds.",
            metavar="URL",
            show_default="the embedded store, which is run",
        ),
    ] = None,
    prices: Prices = None,
) -> None:
    """Run the embedded store with its pages: saved views open there, and reports on what it holds, as it is now."""
    from adapter.prices import PriceBook
    from pipelines.serving import serve as serve_pages

    serve_pages(port, opik, PriceBook.of(prices), lambda said: typer.echo(said, err=True))


convert = typer.Typer(
    help="Turn an agent's own log into an ATIF trajectory.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(convert, name="convert")


@convert.callback()
def _convert() -> None:
    """Turn an agent's own log into an ATIF trajectory."""


@convert.command()
def kilo(
    path: Annotated[
        Path,
        typer.Argument(
            help="A kilo.db, the output of `kilo run --format json` or of `kilo export`, or a folder that holds one.",
            metavar="PATH",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write the trajectory to this file.",
            metavar="FILE",
            show_default="it is printed",
        ),
    ] = None,
    session: Annotated[
        str | None,
        typer.Option(help="Which session of several.", metavar="ID", show_default="the only one of the user's own"),
    ] = None,
    json: Json = False,
) -> None:
    """Turn a Kilo Code session, with its sub-agents, into an ATIF trajectory. Secrets in its text stay there."""
    from pipelines.convert import convert_kilo

    result = convert_kilo(path, output, session)
    with printing("The trajectory was read, but could not be printed"):
        typer.echo(result.as_json() if json else result.as_text())
    for note in () if json else result.notes:
        typer.echo(f"kilobench: {note}", err=True)


def main() -> None:
    """Runs the command line; a user's own mistake is one line and what to do next, never a traceback."""
    # Nothing here waits on a download: prices come from the table that LiteLLM brings along.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS", "True")
    _make_printable()
    from adapter.errors import KilobenchError

    try:
        app()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except KilobenchError as error:
        typer.echo(f"kilobench: {error.what}\n  {error.hint}", err=True)
        code = int(error.exit_code)
    if code == _INTERRUPTED:
        typer.echo("kilobench: stopped. Run the same command again: it goes on where it was.", err=True)
    _end(code)


def _make_printable() -> None:
    """A terminal that cannot show a character shows a question mark; a stream that is closed is no stream."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  (lives as long as the process)
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _end(code: int) -> NoReturn:
    """Ends with this code, also where the last of the output finds no reader."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)


if __name__ == "__main__":
    main()
