"""`kilobench calibrate` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from pipelines.cli_options import Json, Opik, tell


def calibrate(
    labels: Annotated[
        Path | None,
        typer.Argument(
            help="A file of people's labels, one JSON object a line.",
            metavar="LABELS",
            show_default="those that people left in Opik",
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="A file of a judge's predictions, in the same form, or what `judge --json` printed.",
            metavar="FILE",
            show_default="what judges said of the experiment",
        ),
    ] = None,
    experiment: Annotated[
        list[str] | None,
        typer.Option(help="The trials of an experiment; repeat it for several.", metavar="NAME", show_default=False),
    ] = None,
    format_: Annotated[
        Literal["jsonl", "who-and-when", "agentrx"],
        typer.Option("--format", help="How the labels stand in their file; of the last two, a folder may be given."),
    ] = "jsonl",
    criterion: Annotated[
        list[str] | None,
        typer.Option(
            help="Look at this criterion alone; repeat it for several.", metavar="ID", show_default="all that are there"
        ),
    ] = None,
    criteria: Annotated[
        Path | None,
        typer.Option(help="Criteria of your own, as .md files.", metavar="DIR", show_default="the three bundled ones"),
    ] = None,
    keep_as: Annotated[
        str | None,
        typer.Option(help="Who predicted, where the predictions do not say it.", metavar="MODEL", show_default=False),
    ] = None,
    prompt_version: Annotated[
        str | None,
        typer.Option(
            help="With which version of the prompt, where they do not say it.", metavar="V", show_default=False
        ),
    ] = None,
    no_keep: Annotated[
        bool, typer.Option("--no-keep", help="Do not keep the calibration: nothing is shown beside scores.")
    ] = False,
    export: Annotated[
        bool,
        typer.Option(
            "--export",
            help="Instead, put steps to label into an annotation queue: those first that judges disagree on.",
        ),
    ] = False,
    project: Annotated[
        str | None,
        typer.Option(help="With --export: the trials of a project.", metavar="NAME", show_default=False),
    ] = None,
    count: Annotated[
        int, typer.Option(help="With --export: how many steps the queue is to hold.", metavar="N", min=1)
    ] = 50,
    queue: Annotated[
        str | None,
        typer.Option(
            help="The annotation queue: that is filled, or whose labels alone are compared.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="With --export: another seed draws others.", metavar="N")] = 0,
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw the confusion matrices to this file.", metavar="FILE.svg", show_default=False),
    ] = None,
    opik: Opik = None,
    json: Json = False,
) -> None:
    """Compare judges with people: agreement, kappa, precision and recall, first errors; kept, and shown beside scores.

    Predictions come from a file, or are what judges said of an experiment's trials: no model is asked.
    """
    from adapter.errors import BadInputError

    if export:
        if labels is not None:
            raise BadInputError("With --export no labels are compared.", "Leave the file of labels out.")
        _export(
            tuple(experiment or ()),
            project,
            count,
            queue,
            seed,
            predictions,
            criteria,
            tuple(criterion or ()),
            opik,
            json=json,
        )
    if project is not None:
        raise BadInputError("--project goes with --export.", "Name the trials with --experiment.")
    from pipelines.calibrate import CalibrateRequest
    from pipelines.calibrate import calibrate as compare
    from pipelines.label_files import Form
    from pipelines.terminal_calibrate import show_calibration

    result = compare(
        CalibrateRequest(
            labels=labels,
            form=Form(format_),
            predictions=predictions,
            experiments=tuple(experiment or ()),
            queue=queue,
            opik=opik,
            criteria=criteria,
            only=tuple(criterion or ()),
            keep_as=keep_as,
            prompt_version=prompt_version,
            keep=not no_keep,
            picture=picture,
        )
    )
    tell(result, show_calibration, json=json)
    raise typer.Exit(result.exit_code)


def _export(
    experiments: tuple[str, ...],
    project: str | None,
    count: int,
    queue: str | None,
    seed: int,
    predictions: Path | None,
    criteria: Path | None,
    only: tuple[str, ...],
    opik: str | None,
    *,
    json: bool,
) -> NoReturn:
    from pipelines.label_export import QUEUE, ExportRequest, export
    from pipelines.terminal_calibrate import show_export

    result = export(
        ExportRequest(
            experiments=experiments,
            project=project,
            count=count,
            queue=queue or QUEUE,
            seed=seed,
            predictions=predictions,
            criteria=criteria,
            only=only,
            opik=opik,
        )
    )
    tell(result, show_export, json=json)
    raise typer.Exit(result.exit_code)
