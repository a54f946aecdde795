"""Trials into the numbers of each variant on one dataset.

A trial that is no attempt of the agent (its status does not count) is counted by its status and left out of
every number. A regrade is not counted at all: its grade stands in the row of the attempt that it graded. A value
that is not known is left out of its mean and counted as missing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from adapter.trial import Status, Variant
from views import statistics
from views.error_rates import ErrorRates, corrected
from views.results import Estimate, VariantResult
from views.tables import CRITERIA

_USED = (
    *("variant", "agent", "agent_version", "model", "provider", "effort", "digest", "job", "task", "task_checksum"),
    *("status", "graded_by", "cost_usd", "seconds", "tokens", "agent_steps"),
    *(f"flagged_{name}" for name in CRITERIA),
    *(f"judge_{name}" for name in CRITERIA),
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One trial that counts.

    Attributes:
        tokens: everything sent and received; None when the input or the output is not known.
        steps: steps in which the agent acted.
        flagged: share of agent steps flagged, per criterion that was judged.
        judges: which model, with which prompt, flagged them, per criterion; rules alone are not named.
    """

    task: str
    checksum: str | None
    passed: bool
    cost_usd: float | None
    seconds: float | None
    tokens: float | None
    steps: float | None
    flagged: dict[str, float]
    judges: dict[str, str]


@dataclass(frozen=True, slots=True)
class Runs:
    """All trials of one variant on one dataset.

    Attributes:
        tasks: its attempts by task; tasks and attempts are in a fixed order.
        tried: how many trials there are of each task, those that do not count among them.
        excluded: how many trials do not count, by status.
        regraded: how many of all these trials have the grade of a later regrade.
    """

    variant: Variant
    name: str
    jobs: tuple[str, ...]
    tasks: dict[str, tuple[Attempt, ...]]
    tried: dict[str, int]
    excluded: dict[str, int]
    regraded: int


def pass_share(attempts: Sequence[Attempt]) -> float:
    """The share of one task's attempts, of which there is at least one, that passed."""
    return sum(attempt.passed for attempt in attempts) / len(attempts)


def without_regrades(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials that are not only a new grade of another's work."""
    return trials[trials["regrade_of"].isna()]


def attempts_of(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials that are attempts of their agent: no regrades, and none whose status does not count."""
    counting = [status.value for status in Status if status.counts]
    return trials[trials["regrade_of"].isna() & trials["status"].isin(counting)]


def by_dataset(trials: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The trials of each dataset, which is named with its version where several versions are there.

    Regrades are left out.
    """
    trials = without_regrades(trials)
    versions = trials.groupby("dataset")["dataset_version"].nunique(dropna=False)
    parts: dict[str, pd.DataFrame] = {}
    for (dataset, version), part in trials.groupby(["dataset", "dataset_version"], dropna=False):
        name, known = str(dataset), _text(version)
        parts[name if versions[name] == 1 else f"{name}@{known or 'unknown'}"] = part
    return dict(sorted(parts.items()))


def runs(trials: pd.DataFrame) -> list[Runs]:
    """The trials of one dataset by variant, in the order of the variants' names.

    Args:
        trials: rows of `views.tables.TRIALS`, in any order.

    Raises:
        ValueError: the trials are of several datasets; `by_dataset` takes them apart.
    """
    trials = without_regrades(trials)
    if trials["dataset"].nunique() > 1:
        raise ValueError("trials of several datasets cannot share one pass rate: take them apart first")
    rows: dict[str, list[dict[Hashable, object]]] = {}
    table = trials.assign(tokens=tokens_in_all(trials)).sort_values("trial")
    # The other columns only make it slow.
    for row in table[[*_USED]].to_dict("records"):
        rows.setdefault(str(row["variant"]), []).append(row)
    return [_runs(name, rows[name]) for name in sorted(rows)]


def variant_results(
    trials: pd.DataFrame, judges: Mapping[str, ErrorRates] = MappingProxyType({})
) -> list[VariantResult]:
    """The numbers of every variant on one dataset, in the order of the variants' names.

    Args:
        trials: rows of `views.tables.TRIALS`, of one dataset, in any order.
        judges: how often each judge errs, as far as that was measured.

    Raises:
        ValueError: the trials are of several datasets; `by_dataset` takes them apart.
    """
    return [result(one, judges) for one in runs(trials)]


def result(one: Runs, judges: Mapping[str, ErrorRates] = MappingProxyType({})) -> VariantResult:
    """The numbers of one variant; `judges` as in `variant_results`."""
    attempts = [attempt for task in one.tasks.values() for attempt in task]
    variant = one.variant
    passes = [sum(attempt.passed for attempt in task) for task in one.tasks.values()]
    tried = [len(task) for task in one.tasks.values()]
    return VariantResult(
        variant=one.name,
        agent=variant.agent,
        agent_version=variant.agent_version,
        model=variant.model,
        provider=variant.provider,
        effort=variant.effort,
        digest=variant.digest,
        jobs=one.jobs,
        tasks=len(one.tasks),
        attempts=len(attempts),
        passes=sum(passes),
        excluded=one.excluded,
        regraded=one.regraded,
        pass_rate=statistics.pass_rate(passes, tried),
        pass_at_k=statistics.pass_at_k(passes, tried),
        pass_hat_k=statistics.pass_hat_k(passes, tried),
        cost_per_attempt_usd=_mean(one, lambda attempt: attempt.cost_usd, "no cost is known"),
        cost_to_complete_usd=_cost_to_complete(one),
        tokens_per_attempt=_mean(one, lambda attempt: attempt.tokens, "no tokens are known"),
        seconds_per_attempt=_mean(one, lambda attempt: attempt.seconds, "no time is known"),
        steps_per_attempt=_mean(one, lambda attempt: attempt.steps, "no steps are known"),
        scores={name: _flagged(one, name) for name in CRITERIA},
        corrected={
            name: corrected(_flagged(one, name), judges[judge])
            for name in CRITERIA
            if (judge := _judge(one, name)) is not None and judge in judges
        },
    )


def _judge(one: Runs, criterion: str) -> str | None:
    """The judge of all attempts that were judged by a criterion; None where several did, or rules alone."""
    attempts = [attempt for task in one.tasks.values() for attempt in task if criterion in attempt.flagged]
    judges = {attempt.judges.get(criterion) for attempt in attempts}
    return judges.pop() if len(judges) == 1 else None


def _mean(
    one: Runs, value: Callable[[Attempt], float | None], unknown: str, *, highest: float | None = None
) -> Estimate:
    """Mean over the attempts whose value is known; the others are counted as missing."""
    found = [[value(attempt) for attempt in task] for task in one.tasks.values()]
    known = [[number for number in task if number is not None] for task in found]
    missing = sum(number is None for task in found for number in task)
    if missing and not any(known):
        return Estimate(value=None, missing=missing, reason=unknown)
    estimate = statistics.mean(known) if highest is None else statistics.mean(known, highest=highest)
    return estimate.model_copy(update={"missing": missing})


def _flagged(one: Runs, criterion: str) -> Estimate:
    return _mean(one, lambda attempt: attempt.flagged.get(criterion), "not judged", highest=1.0)


def _cost_to_complete(one: Runs) -> Estimate:
    """Total spend over successes; a lower bound where the cost of some attempts is not known."""
    tasks = one.tasks.values()
    missing = sum(attempt.cost_usd is None for task in tasks for attempt in task)
    successes = [float(sum(attempt.passed for attempt in task)) for task in tasks]
    if missing == sum(len(task) for task in tasks) and any(successes):
        return Estimate(value=None, missing=missing, reason="no cost is known")
    spend = [sum(attempt.cost_usd or 0.0 for attempt in task) for task in tasks]
    estimate = statistics.ratio(spend, successes).model_copy(update={"missing": missing})
    if not missing or estimate.value is None:
        return estimate
    reason = f"the cost of {missing} attempt{'s' if missing > 1 else ''} is not known: a lower bound"
    return estimate.model_copy(update={"at_least": True, "high": None, "reason": reason})


def _runs(name: str, rows: list[dict[Hashable, object]]) -> Runs:
    tasks: dict[str, list[Attempt]] = {}
    excluded: dict[str, int] = {}
    for row in rows:
        status = Status(str(row["status"]))
        if status.counts:
            tasks.setdefault(str(row["task"]), []).append(_attempt(row, status))
        else:
            excluded[status.value] = excluded.get(status.value, 0) + 1
    first = rows[0]
    variant = Variant(
        agent=str(first["agent"]),
        agent_version=_text(first["agent_version"]),
        model=_text(first["model"]),
        provider=_text(first["provider"]),
        effort=_text(first["effort"]),
        digest=_text(first["digest"]),
    )
    return Runs(
        variant=variant,
        name=name,
        jobs=tuple(sorted({str(row["job"]) for row in rows})),
        tasks={task: tuple(tasks[task]) for task in sorted(tasks)},
        tried=dict(sorted(Counter(str(row["task"]) for row in rows).items())),
        excluded=dict(sorted(excluded.items())),
        regraded=sum(_text(row["graded_by"]) is not None for row in rows),
    )


def _attempt(row: Mapping[Hashable, object], status: Status) -> Attempt:
    flagged = {name: _number(row[f"flagged_{name}"]) for name in CRITERIA}
    judges = {name: _text(row[f"judge_{name}"]) for name in CRITERIA}
    return Attempt(
        task=str(row["task"]),
        checksum=_text(row["task_checksum"]),
        passed=status is Status.PASSED,
        cost_usd=_number(row["cost_usd"]),
        seconds=_number(row["seconds"]),
        tokens=_number(row["tokens"]),
        steps=_number(row["agent_steps"]),
        flagged={name: share for name, share in flagged.items() if share is not None},
        judges={name: judge for name, judge in judges.items() if judge is not None},
    )


def tokens_in_all(trials: pd.DataFrame) -> pd.Series:
    """Everything sent and received in rows of `views.tables.TRIALS`; missing where input or output is not known.

    As in `adapter.trial.Tokens.prompt`, what is not recorded of a cache is taken for none.
    """
    cached = trials["cache_read"].fillna(0) + trials["cache_write"].fillna(0)
    return trials["input"] + cached + trials["output"]


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
