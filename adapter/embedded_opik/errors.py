"""The two ways in which the store says no: to the program that opens it, and to the client that calls it."""

from __future__ import annotations


class StoreError(Exception):
    """The store cannot be opened or served; `hint` says what to do about it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class RefusedError(Exception):
    """A request that is answered with an error status, in the shape in which Opik answers it."""

    def __init__(self, status: int, *errors: str) -> None:
        super().__init__("; ".join(errors))
        self.status = status
        self.errors = errors


class UnreadableBodyError(RefusedError):
    """A body that is not the JSON the endpoint reads. Opik answers `{"code", "message", "details"}` here."""

    def __init__(self, details: str) -> None:
        super().__init__(400, details)


def not_found(kind: str, identifier: str) -> RefusedError:
    """The 404 for a row that is not there."""
    return RefusedError(404, f"{kind} id: {identifier} not found")
