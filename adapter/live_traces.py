"""What a job leaves that ran under `opik harbor run`: live traces in Opik, and beside it a note of whose they are.

Opik's integration traces each trial while it runs. It says nowhere of which job, so that our plugin notes each
trace's id when its trial starts. The note is one line per trial, in a file in the job's folder that Harbor does not
know and that is no part of what is read of a job.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from adapter.errors import UnreadableError
from adapter.files import read_bytes
from adapter.loose import mapping

NOTES = "kilobench-live.jsonl"
"""The notes' file in a job's folder."""

CREATED_FROM = "created_from"
LIVE = "harbor"
"""What the metadata of all that the live integration makes say under `CREATED_FROM`."""

FLUSH_SECONDS = 60
"""How long the live integration is waited for at a job's end: what cannot be sent must not hold it up for ever."""

_TRACKER = "opik.integrations.harbor.opik_tracker"


@dataclass(frozen=True, slots=True)
class LiveNow:
    """The live trace that some code runs in: its id and its project."""

    trace_id: str
    project: str


class NotedTrace(BaseModel):
    """Which live trace a trial has.

    Attributes:
        trial_id: the id in the trial's result; every attempt at a trial has its own.
        trial: the trial's name, which Harbor gives to a further attempt again.
        trace_id: the trace's id.
        project: the Opik project that it is in.
    """

    model_config = ConfigDict(frozen=True)

    trial_id: str
    trial: str
    trace_id: str
    project: str


def note(folder: Path, noted: NotedTrace) -> None:
    """Adds a line to the notes in a job's folder: whole, whenever the process ends.

    Raises:
        OSError: it cannot be written.
    """
    descriptor = os.open(folder / NOTES, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, f"{noted.model_dump_json()}\n".encode())
    finally:
        os.close(descriptor)


def read_notes(folder: Path) -> tuple[NotedTrace, ...]:
    """What is noted in a job's folder; lines that are no notes (the last one of a full disk) are passed over."""
    try:
        lines = read_bytes(folder / NOTES, folder).splitlines()
    except UnreadableError:  # Most jobs have none.
        return ()
    found: list[NotedTrace] = []
    for line in lines:
        try:
            found.append(NotedTrace.model_validate_json(line))
        except ValidationError:
            continue
    return tuple(found)


def current_live_trace() -> LiveNow | None:
    """The live trace of the trial that this code runs in; None where the integration traces nothing."""
    if "opik.opik_context" not in sys.modules:  # Nobody has asked for traces: the SDK takes seconds to import.
        return None
    from opik import get_global_client, opik_context

    trace = opik_context.get_current_trace_data()
    if trace is None or mapping(trace.metadata).get(CREATED_FROM) != LIVE:
        return None
    return LiveNow(trace.id, trace.project_name or get_global_client().project_name)


def take_off_step_patch() -> bool:
    """Lets Harbor's `Step` be made again without a span of its own; whether there was such a patch.

    The live integration makes a span of every `Step` that is constructed. These have no end, lack what converters fill
    in afterwards, repeat with every conversion, and can never be removed one by one. All else of the integration stays
    as it is, and it does not put this patch on a second time.
    """
    if _TRACKER not in sys.modules:
        return False
    from harbor.models.trajectories import Step

    patched = Step.__init__
    original = getattr(patched, "__wrapped__", None)
    if original is None or getattr(patched, "__globals__", {}).get("__name__") != _TRACKER:
        return False
    Step.__init__ = original
    return True


def flush_live() -> None:
    """Lets the live integration send what it still holds, so that no row of it comes after ours."""
    if "opik" in sys.modules:
        import opik

        opik.flush_tracker(timeout=FLUSH_SECONDS)
