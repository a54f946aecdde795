"""A progress bar on standard error for each stage."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

type Advance = Callable[[int], None]
"""Called with how many more are done."""


class Bars:
    """Progress bars, one below the other as the stages come."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<9}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=quiet,
        )

    @contextmanager
    def showing(self) -> Generator[Bars]:
        """Shows the bars while the block runs."""
        with self._progress:
            yield self

    def stage(self, name: str, unit: str, total: int | None) -> Advance:
        """Begins a stage.

        Args:
            name: what is done, such as `Read`.
            unit: what is counted, such as `trials`.
            total: how many there are; None when that is not known beforehand.
        """
        task = self._progress.add_task(name, total=total, unit=unit)
        return lambda done: self._progress.advance(task, done)
