"""The folders that a command writes to."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from adapter.errors import BadInputError


@contextmanager
def writing_to(folder: Path, option: str, beside: str = "") -> Generator[None]:
    """Makes a folder, and names it, and the option that chose it, where it cannot be written to.

    Args:
        folder: the folder.
        option: as in `--tables`.
        beside: what more there is to say of what was done.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise BadInputError(
            f"{folder} cannot be written to: {error.strerror or error}.",
            f"Free some space or give another {option}{beside}.",
        ) from error
