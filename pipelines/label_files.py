"""Label files, read from disk in whichever form they are."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from adapter.errors import BadInputError, UnreadableError
from adapter.files import read_bytes
from judges.calibration.labels import Labels, parse_labels
from judges.calibration.sources import agentrx, who_and_when
from prompts import Criterion


class Form(StrEnum):
    """How labels stand in a file."""

    JSONL = "jsonl"
    """one JSON object a line"""
    WHO_AND_WHEN = "who-and-when"
    AGENTRX = "agentrx"


def read_labels(path: Path, form: Form, criteria: Mapping[str, Criterion]) -> Labels:
    """The labels in a file; of Who&When and AgentRx, also those in a folder.

    Raises:
        BadInputError: there is no such file, or it cannot be read.
    """
    if not path.exists():
        raise BadInputError(f"{path}: there is no such file.", "Name a file of labels.")
    match form:
        case Form.WHO_AND_WHEN:
            return who_and_when.load(path)
        case Form.AGENTRX:
            return agentrx.load(path)
        case Form.JSONL:
            try:
                data = read_bytes(path)
            except UnreadableError as error:
                raise BadInputError(f"{path}: {error}.", "Name a file with one JSON object a line.") from error
            return parse_labels(data.split(b"\n"), criteria)
