"""One upload to one Opik at a time on this machine."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from filelock import FileLock, Timeout
from rich.console import Console

from adapter.errors import BadInputError
from adapter.opik_connection import home, is_loopback


@contextmanager
def alone(address: str) -> Generator[None]:
    """Waits until no other kilobench on this machine writes to this Opik: two would send the same rows twice.

    The lock is a file in kilobench's home, and the system lets go of it however the process ends.

    Args:
        address: the Opik's address.

    Raises:
        BadInputError: the home folder cannot be written to.
    """
    # An Opik on this machine has several addresses, and the embedded store is one behind each that serves it.
    named = "http://127.0.0.1" if is_loopback(address) else address
    name = "".join(character if character.isalnum() else "-" for character in named)
    try:
        home().mkdir(parents=True, exist_ok=True)
        lock = FileLock(home() / f"{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            Console(stderr=True).print("Waiting for another kilobench that uploads to the same Opik.")
            lock.acquire()
    except OSError as error:
        raise BadInputError(
            f"{home()} cannot be written to: {error.strerror or error}.",
            "Free some space or give another KILOBENCH_HOME.",
        ) from error
    try:
        yield
    finally:
        lock.release()
