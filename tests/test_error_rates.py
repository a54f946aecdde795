"""A judge's known errors, taken out of the rate that it reports."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from views.error_rates import ErrorRates, corrected
from views.results import Estimate

GOOD = ErrorRates(both=90, judge_alone=20, people_alone=10, neither=180)
"""Sensitivity and specificity 0.9."""


def test_the_correction_is_worked_by_hand() -> None:
    """Of 20 % bad steps such a judge flags 0.2 · 0.9 + 0.8 · 0.1 = 26 %."""
    found = corrected(Estimate(value=0.26, low=0.20, high=0.32, n=40), GOOD)
    assert found.value == pytest.approx(0.2, abs=1e-9)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.2 - 0.06
    assert found.high > 0.2 + 0.06


def test_the_interval_holds_the_true_share_about_19_times_in_20() -> None:
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(600):
        seen = rng.binomial(400, 0.3 * 0.85 + 0.7 * 0.1) / 400
        reach = 1.96 * math.sqrt(seen * (1 - seen) / 400)
        both, alone = rng.binomial(80, 0.85), rng.binomial(120, 0.1)
        found = corrected(
            Estimate(value=seen, low=seen - reach, high=seen + reach), ErrorRates(both, alone, 80 - both, 120 - alone)
        )
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.3 <= found.high
    assert 0.93 <= held / 600 <= 0.98


@pytest.mark.parametrize(
    ("errors", "reason"),
    [
        (ErrorRates(5, 5, 5, 5), "by its calibration the judge is no better than chance"),
        (ErrorRates(0, 5, 0, 5), "the calibration has steps of one kind only"),
    ],
)
def test_a_judge_that_tells_nothing_corrects_nothing(errors: ErrorRates, reason: str) -> None:
    found = corrected(Estimate(value=0.5, low=0.4, high=0.6), errors)
    assert (found.value, found.low, found.high, found.reason) == (None, None, None, reason)


counts = st.integers(0, 50)


@given(st.floats(0, 1), st.floats(0, 0.2), st.builds(ErrorRates, counts, counts, counts, counts))
def test_a_corrected_share_is_a_share_inside_its_interval(rate: float, reach: float, errors: ErrorRates) -> None:
    found = corrected(Estimate(value=rate, low=max(0.0, rate - reach), high=min(1.0, rate + reach)), errors)
    if found.value is None:
        assert found.reason
    else:
        assert found.low is not None
        assert found.high is not None
        assert 0 <= found.low <= found.value <= found.high <= 1
