"""What a judge's known errors do to a rate that it reports: the correction of Rogan and Gladen."""

from __future__ import annotations

import math
from dataclasses import dataclass

from views.resampling import ALPHA, normal_quantile
from views.results import Estimate

_Z = normal_quantile(1 - ALPHA / 2)


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """How a judge's flags and people's fell together, in steps that both spoke of.

    Attributes:
        both: flagged by both.
        judge_alone: flagged by the judge alone.
        people_alone: flagged by people alone.
        neither: flagged by neither.
    """

    both: int
    judge_alone: int
    people_alone: int
    neither: int

    @property
    def sensitivity(self) -> float | None:
        """Of the steps that people flag, the share that the judge flags; None where they flag none."""
        return self.both / bad if (bad := self.both + self.people_alone) else None

    @property
    def specificity(self) -> float | None:
        """Of the steps that people do not flag, the share that the judge does not flag; None where there is none."""
        return self.neither / good if (good := self.neither + self.judge_alone) else None


def corrected(rate: Estimate, errors: ErrorRates) -> Estimate:
    """The share that people would flag, from the share that a judge with these errors flags.

    (rate + specificity - 1) / (sensitivity + specificity - 1), cut at 0 and 1 (Rogan and Gladen 1978, Estimating
    prevalence from the results of a screening test). Its error, by the delta method as they give it, holds that of the
    rate and those of the two measured error rates; so its interval is wider than the rate's. Sums of shares 0 and 1
    are measured on the calibration's steps, and hold here as far as these are alike.

    Args:
        rate: a share with its interval, as the judge reports it.
        errors: of the judge, from its calibration.

    Returns:
        None as the value, with the reason, where the rate is not known or the judge is no better than chance.
    """
    sensitivity, specificity = errors.sensitivity, errors.specificity
    if rate.value is None:
        return Estimate(value=None, n=rate.n, missing=rate.missing, reason=rate.reason)
    if sensitivity is None or specificity is None:
        return Estimate(value=None, n=rate.n, reason="the calibration has steps of one kind only")
    skill = sensitivity + specificity - 1
    if skill <= 0:
        return Estimate(value=None, n=rate.n, reason="by its calibration the judge is no better than chance")
    raw = (rate.value + specificity - 1) / skill
    value = min(1.0, max(0.0, raw))
    if rate.low is None or rate.high is None:
        return Estimate(value=value, n=rate.n, missing=rate.missing, reason=rate.reason)
    of_rate = ((rate.high - rate.low) / 2 / _Z) ** 2
    of_errors = (raw * _spread(sensitivity, errors.both + errors.people_alone)) ** 2 + (
        (1 - raw) * _spread(specificity, errors.neither + errors.judge_alone)
    ) ** 2
    reach = _Z * math.sqrt(of_rate + of_errors) / skill
    return Estimate(
        value=value,
        low=min(value, max(0.0, raw - reach)),
        high=max(value, min(1.0, raw + reach)),
        n=rate.n,
        missing=rate.missing,
    )


def _spread(share: float, n: int) -> float:
    """The standard error of a share, with two of each kind added: one that was never seen to fail may yet fail."""
    adjusted = (share * n + 2) / (n + 4)
    return math.sqrt(adjusted * (1 - adjusted) / (n + 4))
