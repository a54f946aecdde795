"""Calibrations that were kept: of each judge, by model and prompt version, how far it agrees with people."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from adapter.errors import BadInputError
from adapter.home import home

NOT_CALIBRATED = "not calibrated"
"""What is said of a judge whose verdicts nobody has compared with people's."""


class Calibration(BaseModel):
    """How far one judge, with one version of a criterion's prompt, agrees with people.

    `kappa` is Cohen's, `low` and `high` its 95 % interval; each is None where it is not defined. `agreement` is the
    share of steps with the same label.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: str
    prompt_version: str
    kappa: float | None
    low: float | None
    high: float | None
    agreement: float | None
    flagged: tuple[int, int, int, int] | None = None
    """Steps that both flag, the judge alone, people alone, neither: flagged is any label but the best. None in what was
    kept before this was."""
    steps: int
    trials: int
    labels: str
    """The name of the file they stood in, or `opik`."""
    made_at: str

    @property
    def summary(self) -> str:
        """One phrase, as it stands beside a score."""
        if self.kappa is None:
            return f"calibrated on {self.steps} steps: κ not defined"
        between = "" if self.low is None or self.high is None else f" ({self.low:.2f} to {self.high:.2f})"
        return f"calibrated: κ {self.kappa:.2f}{between}, {self.steps} steps"


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore")

    calibrations: list[Calibration] = []


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept, by model and prompt version."""

    by_judge: dict[tuple[str, str], Calibration]

    def find(self, model: str, prompt_version: str) -> Calibration | None:
        """The calibration of a judge; None where there is none."""
        return self.by_judge.get((model, prompt_version))


def _path() -> Path:
    return home() / "calibrations.json"


def kept() -> Kept:
    """The calibrations in kilobench's home.

    Raises:
        BadInputError: the file is there and cannot be read.
    """
    path = _path()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Kept({})
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}: cannot be read: {error}.", "Correct or remove it.") from error
    try:
        found = _File.model_validate_json(text)
    except ValidationError as error:
        raise BadInputError(f"{path}: it holds no calibrations.", "Correct or remove it.") from error
    return Kept({(one.model, one.prompt_version): one for one in found.calibrations})


def keep(calibrations: list[Calibration]) -> None:
    """Keeps calibrations; an older one of the same judge is replaced.

    Raises:
        BadInputError: they cannot be written.
    """
    path = _path()
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two that calibrate at a time each add theirs.
        with FileLock(path.with_suffix(".lock")):
            merged = kept().by_judge | {(one.model, one.prompt_version): one for one in calibrations}
            # Written beside it and then put in its place: whoever reads meanwhile finds the old or the new one, whole.
            new.write_text(
                _File(calibrations=[merged[judge] for judge in sorted(merged)]).model_dump_json(indent=1),
                encoding="utf-8",
            )
            new.replace(path)
    except OSError as error:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise BadInputError(
            f"{path}: cannot be written: {error.strerror or error}.", "Free some space, or let it be written."
        ) from error
