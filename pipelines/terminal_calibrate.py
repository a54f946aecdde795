"""What a person sees at the end of `kilobench calibrate`."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from judges.calibration.to_label import Why
from pipelines.calibrated import (
    CalibrateResult,
    DecisiveCalibration,
    FigureResult,
    FirstErrorsResult,
    FoundResult,
    JudgeCalibration,
)
from pipelines.label_export import ExportResult, reasons
from pipelines.terminal import line
from pipelines.terminal_table import Column, show_table
from views import format as fmt

_MOST = 20
"""Lines about bad lines; --json names all."""
_NAMELESS = "the predictions"


def show_calibration(result: CalibrateResult, console: Console) -> None:
    """Prints each judge's figures, what they are of, and what of the files could not be used."""
    for one in result.judges:
        _show_judge(one, console)
    for one in result.decisive:
        _show_decisive(one, console)
    if result.people:
        rows = [
            (
                one.criterion,
                " and ".join(one.annotators),
                fmt.count(one.steps),
                fmt.percent(one.agreement),
                _number(one.kappa),
            )
            for one in result.people
        ]
        columns = [Column("criterion", 10), Column("annotators", 10), Column("steps"), Column("agreement"), Column("κ")]
        show_table(console, "How far people agree", columns, rows)
    for what, source in (("labels: ", result.labels), ("predictions: ", result.predictions)):
        repeated = f", {source.repeated} said again later" if source.repeated else ""
        who = ", ".join(source.who)
        console.print(line(what, f"{source.labels} on {source.trials} trials, from {source.source} ({who}){repeated}"))
    if result.unknown_steps:
        said = f"{result.unknown_steps} are on steps or trials that the experiment does not have"
        console.print(line("labels left out: ", said))
    for one in result.bad_lines[:_MOST]:
        console.print(line("left out: ", f"{one.source}, {one.where}: {one.reason}"))
    if len(result.bad_lines) > _MOST:
        console.print(line("left out: ", f"{len(result.bad_lines) - _MOST} more; --json names all"))
    if result.picture is not None:
        console.print(line("picture: ", result.picture))


def show_export(result: ExportResult, console: Console) -> None:
    """Prints what waits in the queue now, and why it was chosen."""
    told = ", ".join(
        f"{count} since {why}" if why != Why.CHANCE else f"{count} {why}"
        for why, count in reasons(result).items()
        if count
    )
    console.print(line("put into the queue: ", f"{len(result.steps)} steps{f': {told}' if told else ''}"))
    console.print(line("queue: ", f"{result.queue}, {result.waiting} steps, in project {result.project}"))
    console.print(line("asked: ", ", ".join(result.criteria)))
    for one in result.skipped[:_MOST]:
        console.print(line("left out: ", f"{one.what}: {one.reason}"))
    console.print(line("Opik: ", result.opik))
    console.print(line("", "Once people have labelled them, `kilobench calibrate --queue NAME` compares."))


def _show_judge(one: JudgeCalibration, console: Console) -> None:
    name = one.by or _NAMELESS
    version = "" if one.prompt_version is None else f", prompt {one.prompt_version}"
    console.print(line(f"{one.criterion}: ", f"{name}{version}"))
    left = [
        (one.missing, "without a prediction"),
        (one.predicted_no_mark, "to which the judge gave no mark"),
    ]
    told = "".join(f"; {count} {what}" for count, what in left if count)
    console.print(line("  compared: ", f"{one.compared} of {one.labelled} labelled steps, {one.trials} trials{told}"))
    apart = [(one.no_mark, "no mark by people"), (one.ties, "on which people are split")]
    if any(count for count, _ in apart):
        console.print(line("  not among them: ", ", ".join(f"{count} {what}" for count, what in apart if count)))
    for what, figure in (
        ("agreement", one.agreement),
        ("precision of " + one.bad, one.precision),
        ("recall of " + one.bad, one.recall),
        ("F1 of " + one.bad, one.f1),
    ):
        console.print(line(f"  {what}: ", _share(figure)))
    for what, figure in (
        ("κ", one.kappa),
        ("κ, linear weights", one.weighted_kappa),
        ("κ, quadratic weights", one.quadratic_kappa),
    ):
        console.print(line(f"  {what}: ", _kappa(figure)))
    shares = f"{fmt.percent(one.prevalence)} by people, {fmt.percent(one.predicted_prevalence)} by the judge"
    console.print(line(f"  share of {one.bad}: ", shares))
    columns = [Column("people say", 10), *(Column(label) for label in one.confusion.labels)]
    rows = [
        (label, *(fmt.count(count) for count in row))
        for label, row in zip(one.confusion.labels, one.confusion.counts, strict=True)
    ]
    show_table(console, "The judge says, of what people say", columns, rows)
    _show_first_errors(f"First {one.bad} step of a trial", one.first_errors, console)
    if one.calibration is not None:
        console.print(line("  kept: ", one.calibration))
    elif one.not_kept is not None:
        console.print(line("  not kept: ", one.not_kept))


def _show_decisive(one: DecisiveCalibration, console: Console) -> None:
    name = one.by or _NAMELESS
    version = "" if one.prompt_version is None else f", prompt {one.prompt_version}"
    console.print(line("decisive step: ", f"{name}{version}, by {one.criterion}"))
    ties = f"; {one.ties} more on which people are split" if one.ties else ""
    console.print(line("  labelled: ", f"{one.labelled} trials{ties}"))
    _show_first_errors("Decisive step of a trial", one.first_errors, console)


def _show_first_errors(title: str, errors: FirstErrorsResult, console: Console) -> None:
    within = sorted(errors.overall.within)
    columns = [
        Column("steps", 5),
        Column("trials with one"),
        Column("exact"),
        *(Column(f"±{most}") for most in within),
        Column("none found"),
        Column("clean trials"),
        Column("false alarms"),
        Column("all trials"),
    ]
    rows = [_row("all", errors.overall, within)]
    for one in errors.by_length:
        if one.found.all_trials.n:
            band = f"{one.shortest}+" if one.longest is None else f"{one.shortest} to {one.longest}"
            rows.append(_row(band, one.found, within))
    show_table(console, title, columns, rows)
    if errors.not_known:
        console.print(line("  in none of these: ", f"{errors.not_known} trials that were not judged or labelled whole"))


def _row(band: str, found: FoundResult, within: Iterable[int]) -> tuple[str, ...]:
    return (
        band,
        fmt.count(found.exact.n),
        fmt.percent(found.exact.value),
        *(fmt.percent(found.within[most].value) for most in within),
        fmt.count(found.found_none),
        fmt.count(found.false_alarms.n),
        fmt.percent(found.false_alarms.value),
        fmt.percent(found.all_trials.value),
    )


def _share(figure: FigureResult) -> str:
    between = "" if figure.low is None else f" ({fmt.interval(figure.low, figure.high, fmt.percent)})"
    return f"{fmt.percent(figure.value)}{between}"


def _kappa(figure: FigureResult) -> str:
    between = "" if figure.low is None else f" ({_number(figure.low)} to {_number(figure.high)})"
    return f"{_number(figure.value)}{between}"


def _number(value: float | None) -> str:
    return fmt.UNKNOWN if value is None else f"{value:.2f}"
