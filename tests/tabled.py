"""Tables in a few words: what a test does not say is ordinary."""

from __future__ import annotations

import pandas as pd

from adapter.trial import Variant
from views.tables import ACTIONS, CALLS, STEPS, TRIALS, frame

type Row = dict[str, object]


def trial(task: str, status: str = "passed", *, version: str | None = "1.0", **more: object) -> Row:
    """One row of the trials table; `more` names further columns."""
    row: Row = {
        "job": "job",
        "job_id": "job-id",
        "task": task,
        "dataset": "bench",
        "agent": "kilo",
        "agent_version": version,
        "model": "small",
        "provider": "lab",
        "status": status,
        "cost_usd": 1.0,
        "cost_provenance": "recorded",
        "findings": 0,
        **more,
    }
    fields = ("agent", "agent_version", "model", "provider", "effort", "digest")
    return {"variant": Variant(**{name: row.get(name) for name in fields}).name, **row}  # type: ignore[arg-type]


def trials(*rows: Row) -> pd.DataFrame:
    """The table of these rows, each with ids of its own."""
    numbered = [{"trial": f"job/{place:04}", "trial_id": str(place), **row} for place, row in enumerate(rows, start=1)]
    return frame(numbered, TRIALS)


def step(number: int, trial: str = "job/0001", **more: object) -> Row:
    """One row of the steps table."""
    return {"trial": trial, "step": number, "source": "agent", **more}


def call(number: int, trial: str = "job/0001", **more: object) -> Row:
    """One row of the calls table."""
    ordinary = {"step": number, "steps": 1, "subagent": "", "segment": "", "cost_provenance": "unknown"}
    return {"trial": trial, "call": number, **ordinary, "is_compaction": False, **more}


def action(verb: str = "read", trial: str = "job/0001", **more: object) -> Row:
    """One row of the actions table but for its number; by its verb it reads or writes."""
    ordinary = {
        "tool": verb,
        "verb": verb,
        "reads": verb in ("read", "search"),
        "writes": verb in ("edit", "write"),
        "is_test": False,
        "is_repeat": False,
        "key": verb,
    }
    return {"trial": trial, **ordinary, **more}


def steps(*rows: Row) -> pd.DataFrame:
    """The table of these steps."""
    return frame(rows, STEPS)


def calls(*rows: Row) -> pd.DataFrame:
    """The table of these calls."""
    return frame(rows, CALLS)


def actions(*rows: Row) -> pd.DataFrame:
    """The table of these actions, each in a step of its own."""
    return frame(({"step": place, "action": 1, **row} for place, row in enumerate(rows, start=1)), ACTIONS)
