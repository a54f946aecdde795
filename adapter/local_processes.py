"""Commands as processes of this machine, and the end of every process that one of them has left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from adapter.errors import IncompleteError

_PROC = Path("/proc")
_PATIENCE_S = 10.0
"""How long processes may take to go after SIGKILL. One that waits for a disk can take its time."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command left: its output as text, and its exit code, 128 + n where signal n ended it."""

    stdout: str
    stderr: str
    return_code: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A variable in the environment of processes, by which they are known again wherever they went."""

    name: str
    value: str

    @property
    def entry(self) -> bytes:
        """As it stands in `/proc/<pid>/environ`."""
        return f"{self.name}={self.value}".encode()


async def run(
    arguments: Sequence[str], *, environment: Mapping[str, str], folder: Path, mark: Mark, timeout_s: float | None
) -> Finished:
    """Runs a command until it ends by itself. Processes in its background live on.

    Args:
        arguments: the program and its arguments.
        environment: all of its variables but the mark.
        folder: where it starts.
        mark: how it and its children are known; of this command alone.
        timeout_s: seconds that it may take; None sets no limit.

    Raises:
        TimeoutError: it took longer. Then, and when the caller is cancelled, all of its processes have ended.
    """
    # Files, not pipes: whoever holds a pipe open in the background would keep the command from ending.
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                cwd=folder,
                env={**environment, mark.name: mark.value},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except asyncio.CancelledError:
            # It may have started, and have started others, before we were told of it.
            await asyncio.to_thread(end_processes, mark)
            raise
        try:
            code = await asyncio.wait_for(process.wait(), timeout_s)
        finally:
            if process.returncode is None:
                # A thread goes on where this task is cancelled a second time.
                await asyncio.to_thread(end_processes, mark, session=process.pid)
                await process.wait()
        return Finished(_text(stdout), _text(stderr), code if code >= 0 else 128 - code)


def _text(file: IO[bytes]) -> str:
    """All of a file, without moving the place at which others still write."""
    parts: list[bytes] = []
    position = 0
    while part := os.pread(file.fileno(), 1 << 20, position):
        parts.append(part)
        position += len(part)
    return b"".join(parts).decode(errors="replace")


def end_processes(mark: Mark, *, session: int | None = None) -> None:
    """Kills all processes with a mark, their descendants, and those of a session, until none is left.

    Args:
        mark: what their environment holds.
        session: id of a session whose leader has not been waited for yet, so that nobody else can have it.

    Raises:
        IncompleteError: some are still there after ten seconds.
    """
    deadline = time.monotonic() + _PATIENCE_S
    # One that forked while we looked has a child that the next look finds.
    while found := processes(mark, session=session):
        if time.monotonic() > deadline:
            raise IncompleteError(
                f"Processes of the trial do not end: {sorted(found)}", "End them by hand; look for what they wait for."
            )
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.01)


def processes(mark: Mark, *, session: int | None = None) -> set[int]:
    """Ids of the running processes with a mark, of their descendants, and of a session."""
    found: set[int] = set()
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The name of the program stands in brackets and may hold any sign.
            state, parent, _, its_session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            if state in "ZX":
                continue
            pid = int(entry.name)
            children.setdefault(int(parent), []).append(pid)
            if int(its_session) == session or mark.entry in (entry / "environ").read_bytes().split(b"\0"):
                found.add(pid)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it has just ended, or is another user's
    ahead = list(found)
    while ahead:
        new = set(children.get(ahead.pop(), ())) - found
        found |= new
        ahead.extend(new)
    return found - {os.getpid()}
