"""What a person sees at the end of `kilobench upload` and `kilobench judge`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from rich.console import Console

from pipelines.stored_results import JudgeResult, UploadResult
from pipelines.terminal import line, written

_MOST_LEFT_OUT = 20


def show_upload(result: UploadResult, console: Console) -> None:
    """Prints what is stored, where, and what is not. All names come from job folders: they are shown as plain text."""
    for one in result.experiments:
        console.print(line("experiment: ", one.name))
    for one in result.skipped:
        console.print(line("left out: ", f"{one.path}: {one.reason}"))
    _show_findings({one.code: one.count for one in result.findings}, console)
    console.print(line("stored: ", f"{result.traces} traces, {result.spans} spans, in project {result.project}"))
    console.print(line("written to Opik: ", written(result.written)))
    where = "the embedded store; `kilobench serve` shows it" if result.embedded else result.opik
    console.print(line("Opik: ", where))


def show_judge(result: JudgeResult, console: Console) -> None:
    """Prints the verdicts by kind, and what was left out."""
    for one in result.counts:
        console.print(line(f"{one.criterion}: ", f"{one.count} steps: {one.category} ({one.by})"))
    if not result.counts:
        console.print(line("", "No step is flagged."))
    _show_findings(Counter(finding.code for trial in result.trials for finding in trial.findings), console)
    for one in result.skipped[:_MOST_LEFT_OUT]:
        console.print(line("left out: ", f"{one.path}: {one.reason}"))
    if len(result.skipped) > _MOST_LEFT_OUT:
        console.print(line("left out: ", f"{len(result.skipped) - _MOST_LEFT_OUT} more; --json names all"))
    steps = sum(one.agent_steps for one in result.trials)
    console.print(line("judged: ", f"{len(result.trials)} trials, {steps} agent steps"))
    scores = f"{result.scores_written} scores" if result.scores_written else "nothing, all was there"
    console.print(line("written to Opik: ", scores))


def _show_findings(counts: Mapping[str, int], console: Console) -> None:
    if counts:
        console.print(line("findings: ", ", ".join(f"{count} {code}" for code, count in sorted(counts.items()))))
