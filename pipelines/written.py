"""How many rows a run wrote."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(slots=True)
class Written:
    """Rows of each kind that this run wrote to Opik, changed there or removed."""

    traces: int = 0
    spans: int = 0
    scores: int = 0
    dataset_items: int = 0
    experiments: int = 0
    experiment_items: int = 0
    dashboards: int = 0
    prompts: int = 0

    def add(self, other: Written) -> None:
        """Adds what another part of the run wrote."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))
