"""What `kilobench upload` did in Opik: the model behind its `--json`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from adapter.errors import ExitCode
from pipelines.results import FindingCount, RowsWritten, SkippedItem, Totals


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StoredExperimentItem(_Result):
    """An experiment in Opik."""

    name: str
    id: str


class UploadResult(_Result):
    """What `kilobench upload` left in Opik.

    `traces` and `spans` count what Opik holds of the jobs' trials now, whoever wrote it; `written` what this run wrote.
    `exit_code` is 0, or 3 when something is left to do and named in `skipped`.
    """

    project: str
    opik: str
    embedded: bool
    totals: Totals
    traces: int
    spans: int
    experiments: tuple[StoredExperimentItem, ...]
    findings: tuple[FindingCount, ...]
    skipped: tuple[SkippedItem, ...]
    written: RowsWritten
    exit_code: ExitCode
