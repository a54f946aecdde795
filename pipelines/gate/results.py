"""What `kilobench gate` says: the models behind its `--json`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from adapter.errors import ExitCode
from pipelines.results import SavedComparison
from views.gate_results import Decided


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GateVariant(_Result):
    """One side: where it was read from, and what of it there is on the tasks that are compared."""

    source: tuple[str, ...]
    variant: str
    dataset: str
    jobs: tuple[str, ...]
    tasks: int
    attempts: int
    passes: int


class GateResult(Decided):
    """The decision, with both sides.

    `headline` is the answer in a sentence. `next_command` would go on where it is inconclusive; None where no further
    attempt would help. `comparisons` are those of the two variants, with their saved views in Opik; none where one side
    is a saved baseline, or both are one variant. `warnings` name what was not read, and views that Opik did not take.
    `junit`, `summary` and `saved_baseline` are the paths of what was written. `exit_code` is 0 for a pass, 1 for a
    regression, 3 where it is inconclusive.
    """

    headline: str
    baseline: GateVariant
    candidate: GateVariant
    next_command: str | None
    comparisons: tuple[SavedComparison, ...]
    warnings: tuple[str, ...]
    junit: str | None
    summary: str | None
    saved_baseline: str | None
    exit_code: ExitCode


class SavedBaseline(_Result):
    """A baseline that was written as a file, without a candidate."""

    saved_baseline: str
    baseline: GateVariant
    excluded: int
    warnings: tuple[str, ...]
    exit_code: ExitCode
