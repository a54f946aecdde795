"""Options that several commands share, and how a command prints."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console


_PROTOCOL = re.compile("[A-Za-z][A-Za-z0-9+.-]+:")
"""What is left of a URL's beginning in a path's first part; one letter may be a drive."""
ANY_JOBS = "Harbor job folders, or folders of them; also by URL (s3://, gs://, abfs://)."
JOBS = "Finished Harbor job folders, or folders of them; also by URL (s3://, gs://, abfs://)."


def finite(value: float) -> float:
    """An option's number, if it is one that something can be compared with."""
    if not isfinite(value):
        raise typer.BadParameter(f"{value} is no number to compare with.")
    return value


def on_this_machine(path: Path | None) -> Path | None:
    """An option's path, unless it is a URL: only jobs are read by URL."""
    if path is not None and _PROTOCOL.fullmatch(path.parts[0] if path.parts else ""):
        raise typer.BadParameter("Only jobs are read by URL; this is a path on this machine.")
    return path


def texts(help_: str, metavar: str, *names: str) -> typer.models.OptionInfo:
    """An option that is a text, or several, and has no default to show."""
    return typer.Option(*names, help=help_, metavar=metavar, show_default=False)


def written(help_: str, metavar: str, *names: str) -> typer.models.OptionInfo:
    """An option that is a file or folder to write, and has no default to show."""
    return typer.Option(*names, help=help_, metavar=metavar, show_default=False, callback=on_this_machine)


def one_place(text: str) -> Path:
    """A job's folder: a path, or the URL of one in a store."""
    from adapter.remote import path_of

    return path_of(text)


def _cap(text: str) -> str:
    """An amount of US dollars, or `none`."""
    if text.strip().lower() != "none":
        try:
            usd = float(text)
        except ValueError as error:
            raise typer.BadParameter(f"{text} is no amount of US dollars, nor `none`.") from error
        if not isfinite(usd) or usd < 0:
            raise typer.BadParameter(f"{text} is no amount that can be spent.")
    return text


def usd(cap: str) -> float | None:
    """The amount that `MaxSpend` names; None where it lifts the cap."""
    return None if cap.strip().lower() == "none" else float(cap)


Reward = Annotated[
    str | None,
    typer.Option(
        help="The reward that decides.", metavar="KEY", show_default="`reward`, or the only one that there is"
    ),
]
PassAt = Annotated[
    float, typer.Option(help="The least value of it that is a pass.", metavar="THRESHOLD", callback=finite)
]
Jobs = Annotated[
    list[Path],
    typer.Argument(help=JOBS, metavar="JOB", show_default=False, parser=one_place),
]
Project = Annotated[
    str | None,
    typer.Option(
        help="The Opik project.",
        envvar="OPIK_PROJECT_NAME",
        show_default="that of the job's live traces, else kilobench",
        metavar="NAME",
    ),
]
Opik = Annotated[
    str | None,
    typer.Option(
        help="`embedded`, or the URL of an Opik's API.",
        show_default="the configured one, else embedded",
        metavar="embedded|URL",
    ),
]
Prices = Annotated[
    Path | None,
    typer.Option(
        help="Your own prices, before those of LiteLLM's table.",
        metavar="FILE",
        show_default="prices.toml in kilobench's home",
    ),
]
Tables = Annotated[Path | None, written("Write the tables as Parquet to this folder.", "DIR")]
Report = Annotated[Path | None, written("Write the report to this folder.", "DIR")]
Pages = Annotated[
    Literal["all", "flips", "none"],
    typer.Option(help="Which tasks and trials have a page in it: all, those that flip, none."),
]
AllowUnequal = Annotated[
    bool,
    typer.Option(
        "--allow-unequal",
        help="Give verdicts on what both variants ran where they were not run alike: other tasks or attempts.",
    ),
]
JudgeApiBase = Annotated[
    str | None,
    typer.Option(
        help="Where the model is, if behind an OpenAI-compatible API.",
        metavar="URL",
        show_default="LiteLLM's own variables",
    ),
]
MaxSpend = Annotated[
    str,
    typer.Option(help="What the models may cost together, in US dollars.", metavar="USD|none", callback=_cap),
]
EngineName = Annotated[
    Literal["local", "dask"],
    typer.Option("--engine", help="What works on the trials: processes of this machine, or Dask's workers."),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="The address of Dask's scheduler.", metavar="ADDRESS", show_default="a cluster of this machine's own"
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(help="How many processes work on this machine.", metavar="N", min=1, show_default="its processors"),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]


@contextmanager
def printing(failure: str) -> Generator[None]:
    """While something is printed; `failure` is what is said should it not be possible."""
    from adapter.errors import IncompleteError

    try:
        yield
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):
        pass  # Whoever reads has heard enough (rich says so by an exit of its own); what was done is done.
    except OSError as error:
        what = f"{failure}: {error.strerror or error}."
        raise IncompleteError(what, "Run the same command again, with another output.") from error


def tell[M: BaseModel](result: M, show: Callable[[M, Console], None], *, json: bool) -> None:
    """Prints what a command came to, as one JSON object or for a person."""
    from rich.console import Console

    with printing("All was done, but the output could not be written"):
        if json:
            typer.echo(result.model_dump_json())
        else:
            show(result, Console(width=None if sys.stdout.isatty() else 120))
