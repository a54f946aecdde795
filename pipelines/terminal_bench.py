"""What a person sees of `kilobench bench`."""

from __future__ import annotations

from rich.console import Console

from pipelines.bench.results import BenchJob, BenchResult, Forecast, State
from pipelines.terminal import line, show
from pipelines.terminal_gate import show_gate
from views import format as fmt


def show_bench(result: BenchResult, console: Console) -> None:
    """Prints each job's command before it is run, or what came of it; then what `kilobench run` says."""
    for one in result.jobs:
        if result.dry_run and one.forecast is not None:
            console.print(line("# ", f"{one.variant}: {_forecast(one.forecast)}"))
        if result.dry_run and one.state is State.FINISHED:
            console.print(line("# finished: ", f"{one.trials} trials in {one.folder}"))
        elif result.dry_run:
            # As it is, to be copied: wrapped lines would be several commands.
            console.print(one.command, markup=False, highlight=False, soft_wrap=True)
        else:
            console.print(line(f"{one.state.value}: ", f"{one.variant}, {_trials(one)}"))
    if result.forecast is not None and len(result.jobs) > 1:
        console.print(line("# in all: ", _forecast(result.forecast)))
    if result.run is not None:
        show(result.run, console)
    if result.gate is not None:
        show_gate(result.gate, console)
    if result.dry_run:
        return
    if any(one.is_capped for one in result.jobs):
        console.print(line("", "Run the same command again with a higher --max-spend: it goes on where it was."))
    elif any(one.state is not State.FINISHED for one in result.jobs):
        console.print(line("", "Run the same command again: it goes on where it was."))


def _forecast(one: Forecast) -> str:
    """What is left, its cost with the interval, and what that rests on."""
    what = "an unknown number of attempts" if one.attempts is None else f"{one.attempts} attempts"
    if one.usd is None and one.usd_per_attempt is not None:
        return f"{what}, {fmt.money(one.usd_per_attempt)} each; by {one.rests_on}"
    between = "" if one.low is None or one.high is None else f" ({fmt.money(one.low)} to {fmt.money(one.high)})"
    return f"{what}, {fmt.money(one.usd)}{between}; by {one.rests_on}"


def _trials(one: BenchJob) -> str:
    of = "" if one.expected in (None, one.trials) else f" of {one.expected}"
    kept = f", {one.kept} failed attempts ({fmt.money(one.kept_usd)}) put aside and tried again" if one.kept else ""
    capped = ", stopped by --max-spend" if one.is_capped else ""
    return f"{one.trials}{of} trials in {one.folder}{kept}{capped}"
