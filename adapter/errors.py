"""What can go wrong for a user: every such error says what happened and what to do next."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command line."""

    DONE = 0
    REGRESSION = 1
    BAD_INPUT = 2
    INCOMPLETE = 3


class KilobenchError(Exception):
    """A problem that the user can do something about.

    Args:
        what: what happened, to which file or trial, in one sentence.
        hint: what to do next.
    """

    exit_code = ExitCode.BAD_INPUT

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}\n{hint}")
        self.what = what
        self.hint = hint

    def __reduce__(self) -> tuple[type[KilobenchError], tuple[str, str]]:
        """How a worker's error gets to the process that asked for the work."""
        return type(self), (self.what, self.hint)


class BadInputError(KilobenchError):
    """What was given cannot be used."""


class IncompleteError(KilobenchError):
    """Something was begun and could not be finished; the same command takes it up again."""

    exit_code = ExitCode.INCOMPLETE


class UnreadableError(Exception):
    """One file or trial cannot be read: its message is the reason, a value in the result and not the end."""
