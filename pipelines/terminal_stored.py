"""What a person sees at the end of `kilobench upload`."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console

from pipelines.stored_results import UploadResult
from pipelines.terminal import line, written


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


def _show_findings(counts: Mapping[str, int], console: Console) -> None:
    if counts:
        console.print(line("findings: ", ", ".join(f"{count} {code}" for code, count in sorted(counts.items()))))
