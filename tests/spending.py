"""Trials that spend money, for the tests of what they cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from builder import JobBuilder, agent_step, user_step

LISTING = "a.py\n" * 500


def spending(job: JobBuilder, name: str = "task-a__1", **more: Any) -> Path:
    """A trial of three calls: a listing, a look at a file, an answer; none says what it cost."""
    steps = [
        user_step(),
        agent_step("", ("bash", {"command": "ls -R"}, LISTING), tokens=(1000, 100, 0)),
        agent_step("", ("read", {"path": "a.py"}, "x = 1"), tokens=(3100, 50, 1000), at="2026-03-01T10:02:00Z"),
        agent_step("Done.", tokens=(3200, 10, 3100), at="2026-03-01T10:03:00Z"),
    ]
    return job.trial(name, **{"steps": steps} | more)


def regraded(tmp_path: Path) -> tuple[JobBuilder, JobBuilder]:
    """A job whose trial failed, and one that only grades that trial again: it passed."""
    first, again = JobBuilder(tmp_path, "first"), JobBuilder(tmp_path, "again")
    folder = spending(first, reward=0.0)
    result = json.loads((folder / "result.json").read_text())
    copied = spending(again, reward=1.0)
    grade = json.loads((copied / "result.json").read_text())
    grade["config"]["source_trial"] = {"trial_id": result["id"], "path": str(folder)}
    for name, value in (("result.json", grade), ("config.json", grade["config"])):
        (copied / name).write_text(json.dumps(value))
    return first, again
