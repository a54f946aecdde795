"""What `kilobench upload` and `kilobench judge` did in Opik: the models behind their `--json`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from adapter.errors import ExitCode
from judges.verdict import Verdict
from pipelines.inspected import InspectedFinding
from pipelines.results import FindingCount, RowsWritten, SkippedItem, Totals, VerdictCount


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


class JudgedTrial(_Result):
    """A stored trial that was judged: where it is, and the share of its agent steps that is flagged, by criterion."""

    trial: str
    trace_id: str
    project: str
    status: str
    agent_steps: int
    flagged: dict[str, float]
    findings: tuple[InspectedFinding, ...]


class JudgeResult(_Result):
    """What `kilobench judge` said of stored traces.

    `scores_written` counts the feedback scores that were set or removed; those that stood there already are not among
    them. `exit_code` is 0, or 3 when something is left to do and named in `skipped`.
    """

    opik: str
    embedded: bool
    trials: tuple[JudgedTrial, ...]
    verdicts: tuple[Verdict, ...]
    counts: tuple[VerdictCount, ...]
    scores_written: int
    skipped: tuple[SkippedItem, ...]
    exit_code: ExitCode
