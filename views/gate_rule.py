"""The gate's rule as it is fixed before anything is seen: its thresholds, and its words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from views.gate_results import GateMetric
from views.metric_names import METRIC_NAMES
from views.tables import CRITERIA

MOST_EXCLUDED = 0.2
"""The largest share of one side's trials, and of the tasks, that may be lost to the infrastructure."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What the bounds are held against.

    Attributes:
        margin: how much lower a pass rate may be and still pass, 0.05 for five points.
        max_cost_increase: how much dearer an attempt may be, relative: 0.25 for a quarter.
        max_cost_to_complete_increase: how much dearer a success may be.
        max_flagged_increase: how much larger the share of steps may be that a judge flags, for each criterion.
        asked: the metrics whose threshold was asked for: those are required beside the pass rate.
    """

    margin: float = 0.05
    max_cost_increase: float = 0.25
    max_cost_to_complete_increase: float = 0.25
    max_flagged_increase: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(CRITERIA, 0.10))
    asked: frozenset[GateMetric] = frozenset()

    @property
    def text(self) -> str:
        """The rule in words, as it is printed with each result."""
        flagged = ", ".join(f"{name.replace('_', ' ')} {limit:g}" for name, limit in self.max_flagged_increase.items())
        others = ", ".join(sorted(METRIC_NAMES[one].name for one in self.asked)) or "none"
        return (
            "On the tasks both sides ran, by the attempts that count. Pass rate: a regression if the one-sided 95 % "
            f"upper bound of candidate less baseline is below 0; a pass if the lower bound is above -{self.margin:g}; "
            "else inconclusive. Increase of the cost per attempt (geometric mean of the tasks' ratios), of the cost to "
            "complete, and of the share of steps flagged: a regression if the lower bound is above the threshold, a "
            "pass if the upper bound is at most that, else inconclusive; thresholds: cost per attempt "
            f"{self.max_cost_increase:g}, cost to complete {self.max_cost_to_complete_increase:g} (both relative), "
            f"steps flagged for {flagged}. Over all: a regression in any check is one; else inconclusive if a required "
            f"check is; else a pass. Required: the pass rate, and what was given a threshold ({others}). The tasks are "
            "fixed and the attempts are the chance: the claim is about these tasks. Failures of the infrastructure are "
            "left out, and so is a task that they left without an attempt on either side; where more than "
            f"{MOST_EXCLUDED:.0%} of a side's trials, or of the tasks, are lost that way, it is inconclusive. Where "
            "several looks were planned, each has a lower level (alpha spending after Lan and DeMets, by the square of "
            "the share of attempts), so that all of them together err as seldom as one would."
        )

    @property
    def thresholds(self) -> dict[GateMetric, float]:
        """The largest increase of each metric but the pass rate."""
        found: dict[GateMetric, float] = {
            "cost_usd": self.max_cost_increase,
            "cost_to_complete_usd": self.max_cost_to_complete_increase,
        }
        return found | {f"{name}_flagged": limit for name, limit in self.max_flagged_increase.items()}  # pyright: ignore[reportReturnType]  # the criteria's names are those of the metrics


DEFAULT_RULE = Rule()
