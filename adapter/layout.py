"""What a folder is: a job, a trial, or neither, by Harbor 0.24's and 0.25's layout and what archives leave of it."""

from __future__ import annotations

import os
from pathlib import Path

from adapter.files import is_there, scan
from adapter.remote import look_ahead

_OF_A_JOB = ("result.json", "config.json", "lock.json", "job.log")
_OF_A_TRIAL = frozenset({"agent", "verifier", "artifacts", "steps", "user-agent"})
"""Folders that Harbor makes in a trial."""


def children(folder: Path) -> list[Path]:
    """The visible folders in a folder; a symbolic link is never followed."""
    with scan(folder) as entries:
        names = [entry.name for entry in entries if entry.name[0] != "." and entry.is_dir(follow_symlinks=False)]
    return [folder / name for name in sorted(names)]


def linked(folder: Path) -> list[str]:
    """The names of the symbolic links in a folder that lead to folders."""
    with scan(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_symlink() and os.path.isdir(entry.path))  # noqa: PTH112  (never raises)


def folder_name(folder: Path) -> str:
    """A folder's name as text, also where its bytes are none."""
    return folder.name.encode("utf-8", "replace").decode()


def is_trial(folder: Path) -> bool:
    """A trial's own files; a multi-step trial's `steps` folder and a job have others.

    A folder that may not be looked into is taken for one: reading it says why it cannot be read.
    """
    try:
        if any((folder / name).is_dir() for name in ("agent", "steps", "verifier", "artifacts")):
            return True
        if any((folder / name).is_file() for name in ("trial.log", "exception.txt")):
            return True
        return any(is_there(folder / name) for name in ("result.json", "config.json")) and not _has_trials(folder)
    except OSError:
        return True


def is_job(folder: Path) -> bool:
    """Whether a folder holds trials, and either a job's own files or trials that can be nothing else.

    Raises:
        OSError: it cannot be looked into.
    """
    if is_surely_trial(folder):
        return False
    if any(is_there(folder / name) for name in _OF_A_JOB):
        return _has_trials(folder)
    below = [child for child in children(folder) if child.name not in _OF_A_TRIAL]
    look_ahead(below)
    return any(map(is_surely_trial, below)) and not any(map(_is_job_with_files, below))


def is_empty_job(folder: Path) -> bool:
    """Whether a folder has a job's own files, and nothing of a trial's."""
    if any(is_there(folder / name) for name in (*_OF_A_TRIAL, "trial.log")):
        return False
    return any(is_there(folder / name) for name in ("lock.json", "job.log", "result.json"))


def _is_job_with_files(folder: Path) -> bool:
    return any(is_there(folder / name) for name in _OF_A_JOB) and not is_surely_trial(folder) and _has_trials(folder)


def is_surely_trial(folder: Path) -> bool:
    """Whether a folder has what only trials have."""
    return any((folder / name).is_dir() for name in ("agent", "verifier")) or (folder / "trial.log").is_file()


def _has_trials(folder: Path) -> bool:
    own = ("config.json", "result.json", "agent", "verifier", "trial.log")
    below = (child for child in children(folder) if child.name not in _OF_A_TRIAL)
    return any(is_there(child / name) for child in below for name in own)
