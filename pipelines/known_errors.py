"""How often each judge errs, as far as `kilobench calibrate` measured it."""

from __future__ import annotations

from judges.calibration.kept import kept
from views.error_rates import ErrorRates


def known_errors() -> dict[str, ErrorRates]:
    """By the judge's name as the table of trials has it: `model, prompt version`.

    Raises:
        BadInputError: the file of calibrations is there and cannot be read.
    """
    return {
        f"{model}, prompt {version}": ErrorRates(*one.flagged)
        for (model, version), one in kept().by_judge.items()
        if one.flagged is not None
    }
