"""What an experiment shows of its traces: counts, mean scores, cost, durations. Trace-level scores only."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

# One row per experiment and trace, however many items point at that trace.
_PAIRS = (
    "(SELECT DISTINCT experiment_id, trace_id FROM experiment_items "
    "WHERE experiment_id IN (SELECT value FROM json_each(?))) i "
    "CROSS JOIN traces t ON t.id = i.trace_id"
)


def aggregate(connection: sqlite3.Connection, experiments: Sequence[str]) -> dict[str, dict[str, object]]:
    """The aggregates of each experiment, with the names of `ExperimentPublic`.

    Costs are in US dollars, durations in milliseconds. A cost that no span has stays unknown; the mean cost is
    over the traces whose cost is known.
    """
    wanted = (json.dumps(list(experiments)),)
    found: dict[str, dict[str, object]] = {
        identifier: {"trace_count": 0, "dataset_item_count": 0} for identifier in experiments
    }
    for row in connection.execute(
        "SELECT experiment_id, count(DISTINCT trace_id) AS traces, count(DISTINCT dataset_item_id) AS items "
        "FROM experiment_items WHERE experiment_id IN (SELECT value FROM json_each(?)) GROUP BY 1",
        wanted,
    ):
        found[row["experiment_id"]] |= {"trace_count": row["traces"], "dataset_item_count": row["items"]}
    for row in connection.execute(
        "SELECT experiment_id, sum(cost) AS total, avg(cost) AS mean FROM "
        f"(SELECT i.experiment_id, (SELECT sum(s.total_estimated_cost) FROM spans s "
        f"WHERE s.project_id = t.project_id AND s.trace_id = t.id) AS cost FROM {_PAIRS}) GROUP BY 1",
        wanted,
    ):
        found[row["experiment_id"]] |= {
            "total_estimated_cost": row["total"],
            "total_estimated_cost_avg": row["mean"],
        }
    scores: dict[str, list[dict[str, object]]] = {}
    for row in connection.execute(
        f"SELECT i.experiment_id, f.name, avg(f.value) AS value FROM {_PAIRS} "
        "CROSS JOIN feedback_scores f ON f.entity_type = 'trace' AND f.entity_id = t.id "
        "AND f.project_id = t.project_id GROUP BY 1, 2 ORDER BY 2",
        wanted,
    ):
        scores.setdefault(row["experiment_id"], []).append({"name": row["name"], "value": row["value"]})
    durations: dict[str, list[float]] = {}
    for row in connection.execute(
        f"SELECT i.experiment_id, t.duration FROM {_PAIRS} WHERE t.duration IS NOT NULL ORDER BY t.duration", wanted
    ):
        durations.setdefault(row["experiment_id"], []).append(row["duration"])
    for identifier, values in scores.items():
        found[identifier]["feedback_scores"] = values
    for identifier, values in durations.items():
        found[identifier]["duration"] = {f"p{p}": percentile(values, p / 100) for p in (50, 90, 99)}
    return found


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value at this share of an ordered, non-empty sequence, between neighbours by straight line."""
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)
