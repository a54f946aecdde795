"""What was submitted as batches and is not collected yet: one file for each submission, in kilobench's home.

A file is written before anything is sent, and after each thing that was: whatever a process dies of, the next one knows
what may be on its way. It holds keys of calls, which are hashes, and no key of an API.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from adapter.errors import BadInputError
from adapter.home import home
from judges.llm.call import FORM
from judges.llm.request import Form
from pipelines.judge_request import JudgeRequest


class State(StrEnum):
    """How far a part got."""

    NEW = "new"
    """nothing was started"""
    ASKED = "asked"
    """its batch may have been taken: only the provider knows"""
    TAKEN = "taken"


class TicketPart(BaseModel):
    """One batch: the calls to one model."""

    model_config = ConfigDict(extra="forbid")

    model: str
    api_base: str | None
    form: Form
    keys: tuple[str, ...]
    most_usd: float | None
    """What it can cost at most."""
    state: State = State.NEW
    batch: str | None = None
    """The provider's id."""


class Ticket(BaseModel):
    """What one `--batch` submitted."""

    model_config = ConfigDict(extra="forbid")

    id: str
    created_at: datetime
    request: JudgeRequest
    made_by: dict[str, str]
    """What determines the prompts: another kilobench, or other criteria, would ask other calls."""
    parts: list[TicketPart] = []
    left: dict[str, str] = {}
    """Keys of calls that were not submitted, and why."""

    @property
    def path(self) -> Path:
        """Its file."""
        return _folder() / f"{self.id}.json"

    def save(self) -> None:
        """Writes it, so that it is either as before or as now.

        Raises:
            BadInputError: the home folder cannot be written to.
        """
        beside = self.path.with_suffix(".part")
        try:
            beside.touch(mode=0o600)
            with beside.open("w", encoding="utf-8") as file:
                file.write(self.model_dump_json())
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        except OSError as error:
            raise _unwritable(error) from error

    def mark(self, part: TicketPart) -> str:
        """What a batch of it is known by at its provider."""
        return f"{self.id}/{self.parts.index(part)}"


def made_by(prompt_versions: Iterator[str]) -> dict[str, str]:
    """What determines the prompts, beside what was asked for."""
    return {"kilobench": version("kilobench"), "form": str(FORM), "prompts": " ".join(prompt_versions)}


@contextmanager
def tickets() -> Generator[list[Ticket]]:
    """The open tickets, oldest first, while no other process submits or collects.

    Raises:
        BadInputError: another does, or a ticket cannot be read.
    """
    try:
        _folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(_folder() / "batches.lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BadInputError(
            "Another kilobench submits or collects batches.", "Run this one again when that one is done."
        ) from error
    except OSError as error:
        raise _unwritable(error) from error
    try:
        yield sorted(map(_read, _folder().glob("*.json")), key=lambda ticket: ticket.created_at)
    finally:
        lock.release()


def _folder() -> Path:
    return home() / "batches"


def _read(path: Path) -> Ticket:
    try:
        return Ticket.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise BadInputError(
            f"{path}: what was submitted as a batch cannot be read.",
            "It may have been written by another kilobench; move it away to forget its batches.",
        ) from error


def _unwritable(error: OSError) -> BadInputError:
    return BadInputError(
        f"{_folder()} cannot be written to: {error.strerror or error}.",
        "Free some space or give another KILOBENCH_HOME.",
    )
