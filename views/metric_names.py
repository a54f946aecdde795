"""What the metrics of a pair are called, and how their amounts are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from views import format as fmt
from views.results import Metric
from views.tables import CRITERIA


@dataclass(frozen=True, slots=True)
class MetricName:
    """A metric's name, and the form of its differences."""

    name: str
    form: fmt.Form


METRIC_NAMES: Mapping[Metric, MetricName] = MappingProxyType(
    {
        "pass_rate": MetricName("pass rate", fmt.points),
        "cost_usd": MetricName("cost per attempt", fmt.money),
        "cost_to_complete_usd": MetricName("cost to complete", fmt.money),
        "seconds": MetricName("time per attempt", fmt.seconds),
        "tokens": MetricName("tokens per attempt", fmt.tokens),
        **{f"{one}_flagged": MetricName(f"steps flagged for {one.replace('_', ' ')}", fmt.points) for one in CRITERIA},
    }  # pyright: ignore[reportAssignmentType]  # the criteria's names are those of the metrics
)
