"""What the gate decides: the models behind its `--json`. What cannot be had is None, with the reason beside it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

type Decision = Literal["pass", "regression", "inconclusive"]
type GateMetric = Literal[
    "pass_rate",
    "cost_usd",
    "cost_to_complete_usd",
    "tool_choice_flagged",
    "reasoning_quality_flagged",
    "efficiency_flagged",
]


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Check(_Result):
    """One metric of the gate.

    `baseline` and `candidate` are its values, means over the `tasks` that it could be computed on. `difference` is the
    candidate's less the baseline's, for a pass rate and a flagged share, and the relative increase for costs (0.25: a
    quarter more); `low` and `high` are its one-sided bounds, each at the gate's `level`. `threshold` is what the bounds
    are held against, as `rule` says. An inconclusive check decides nothing unless it is `required`: the pass rate is,
    and each other whose threshold was asked for. `needed_attempts` per task and side would decide it, were everything
    else as it is seen now; None where that is not known, or where no number would.
    """

    metric: GateMetric
    baseline: float | None
    candidate: float | None
    difference: float | None
    low: float | None
    high: float | None
    threshold: float
    decision: Decision
    required: bool
    tasks: int
    needed_attempts: int | None = None
    reason: str | None = None


class Decided(_Result):
    """What the rule says of one baseline and one candidate.

    `tasks` were compared. `excluded` trials of them, on both sides together, are no attempts of their agent (the
    infrastructure failed, mostly); `excluded_by` says how many by side and status. `left_out` names the tasks that are
    not compared, each with the reason. `attempts` is how many of a task there are on each
    side (the median). `level`
    is the one-sided level of the bounds: 0.05, or less where this is one `look` of at most `looks`. `needed_attempts`
    per task and side would decide it; None where it is decided, not known, or where no number would. `reasons` say why
    it is not decided, or what else there is to know.
    """

    decision: Decision
    rule: str
    checks: tuple[Check, ...]
    tasks: int
    attempts: int
    excluded: int
    excluded_by: dict[str, dict[str, int]]
    left_out: dict[str, str]
    level: float
    look: int | None = None
    looks: int | None = None
    needed_attempts: int | None
    reasons: tuple[str, ...] = ()
