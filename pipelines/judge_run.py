"""A judge run: one pass of the judges over some trials, and every call that it made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from judges.llm.call import Call, Reply
from judges.verdict import FailedVerdict, Verdict

__all__ = ["FailedVerdict", "JudgeRun", "JudgedCall"]


@dataclass(frozen=True, slots=True)
class JudgedCall:
    """One call of a judge run, and what came of it.

    Attributes:
        trial: `job/trial`.
        trial_key: the trial's key in Opik (`adapter.opik_rows.trial_key`).
        trace_id: its trace in Opik; None where it is not stored there.
        span_ids: the spans of the steps it judged, by step number; steps that are not stored have none.
        asked: what it asked for: step and criterion.
        call: the question.
        reply: the answer; None where there is none.
        error: why there is no answer, or what was wrong with it; None where all was well.
        verdicts: those that were taken from it.
    """

    trial: str
    trial_key: str
    trace_id: str | None
    span_ids: Mapping[int, str]
    asked: tuple[tuple[int, str], ...]
    call: Call
    reply: Reply | None
    error: str | None
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class JudgeRun:
    """One pass of the judges.

    Attributes:
        id: a UUID; it is printed, and `--compare-runs` takes it (or an unambiguous beginning).
        started_at: in UTC.
        models: the judge models, in the order they were named.
        prompt_versions: `criterion@version` by criterion, of the criteria that were asked.
        experiments: names of the experiments whose trials were judged; empty for trials from disk.
        settings: what else determines it: window, combine, repeat, sample, only.
    """

    id: str
    started_at: datetime
    models: tuple[str, ...]
    prompt_versions: Mapping[str, str]
    experiments: tuple[str, ...] = ()
    settings: Mapping[str, str | int | float | None] = field(default_factory=dict[str, str | int | float | None])
