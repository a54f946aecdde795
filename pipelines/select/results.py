"""What `kilobench select` says: the models behind its `--json`."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from adapter.errors import ExitCode
from pipelines.results import SkippedItem


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SelectedTask(_Result):
    """A task, whether it is chosen, and why.

    `attempts` are those that count, by variants. `p90_seconds`: 9 of 10 trials took no longer. `flaky` is the share of
    pairs of attempts of one variant that ended differently, with its 95 % interval, of `pairs` pairs. `discrimination`
    is the item reliability index (docs/gate.md). None is what is not known.
    """

    task: str
    chosen: bool
    why: str
    category: str | None
    attempts: int
    pass_rate: float
    p90_seconds: float | None
    flaky: float | None
    flaky_low: float | None
    flaky_high: float | None
    pairs: int
    discrimination: float | None


class Power(_Result):
    """With so many attempts at each task of the subset on both sides, the chance that the gate calls the drop one."""

    attempts: int
    power: float


class SelectResult(_Result):
    """The subset, and how well it stands for all tasks.

    `minutes` is the sum of the chosen tasks' `p90_seconds`, in minutes.

    `rank_correlation` is Kendall's tau-b of the variants' pass rates in the subset and in all tasks that every variant
    tried: it is of the history that was chosen by. `left_out_error` is how far the two pass rates are apart, on
    average, for a variant that took no part in the choice. `power` is for a pass rate that drops by `drop` from that
    of `reference`, the best variant. `older` attempts were at older versions of their task, and left out.
    """

    dataset: str
    subset: Path
    variants: tuple[str, ...]
    tasks: tuple[SelectedTask, ...]
    minutes: float
    rank_correlation: float | None
    left_out_error: float | None
    reference: str
    drop: float
    power: tuple[Power, ...]
    older: int
    skipped: tuple[SkippedItem, ...]
    exit_code: ExitCode
