"""What `kilobench compare` says: the model behind its `--json`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from adapter.errors import ExitCode
from pipelines.results import RowsWritten, SavedComparison, SavedView, SkippedItem
from views.results import VariantResult


class CompareResult(BaseModel):
    """The comparisons, and where they are shown.

    `views` are those beside the comparisons' own: the standing ones, and that of the steps over time. `warnings` name
    the views that Opik did not take. `variants` holds every variant by dataset, those in no comparison among them.
    `report`, `csv`, `tables`, `markdown` and `charts` are the paths of what was written; None for what was not asked
    for. `exit_code` is 0, or 3 where something is left to do and named in `skipped`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: str
    opik: str
    embedded: bool
    jobs: tuple[str, ...]
    trials: int
    variants: dict[str, tuple[VariantResult, ...]]
    comparisons: tuple[SavedComparison, ...]
    views: tuple[SavedView, ...]
    warnings: tuple[str, ...]
    skipped: tuple[SkippedItem, ...]
    written: RowsWritten
    report: str | None
    csv: str | None
    tables: str | None
    markdown: str | None
    charts: str | None
    exit_code: ExitCode
