"""What a person sees of `kilobench bench`."""

from __future__ import annotations

from rich.console import Console

from pipelines.bench.results import BenchJob, BenchResult, State
from pipelines.terminal import line, show


def show_bench(result: BenchResult, console: Console) -> None:
    """Prints each job's command before it is run, or what came of it; then what `kilobench run` says."""
    for one in result.jobs:
        if result.dry_run and one.state is State.FINISHED:
            console.print(line("finished: ", f"{one.variant}, {one.trials} trials in {one.folder}"))
        elif result.dry_run:
            # As it is, to be copied: wrapped lines would be several commands.
            console.print(one.command, markup=False, highlight=False, soft_wrap=True)
        else:
            console.print(line(f"{one.state.value}: ", f"{one.variant}, {_trials(one)}"))
    if result.run is not None:
        show(result.run, console)
    if any(one.state is not State.FINISHED for one in result.jobs) and not result.dry_run:
        console.print(line("", "Run the same command again: it goes on where it was."))


def _trials(one: BenchJob) -> str:
    of = "" if one.expected in (None, one.trials) else f" of {one.expected}"
    kept = f", {one.kept} failed attempts put aside and tried again" if one.kept else ""
    return f"{one.trials}{of} trials in {one.folder}{kept}"
