"""What a matrix may cost, from what finished jobs did: an interval, and what it rests on. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from pipelines.bench.matrix import Planned
from pipelines.bench.results import Forecast

_GLOB = frozenset("*?[")
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Spent:
    """What an attempt of a finished job cost.

    Attributes:
        agent: the agent's own name.
        model: `provider/name`.
        dataset: without its version.
        usd: US dollars.
    """

    agent: str
    model: str | None
    effort: str | None
    dataset: str
    task: str
    usd: float


def forecast(one: Planned, history: Sequence[Spent], left: int | None) -> Forecast:
    """What the attempts of a variant that are left may cost.

    The interval is the prediction interval for the sum of n further draws from a normal population, m of which are
    known (Hahn and Meeker, Statistical Intervals, chapter 4): n times the mean, plus and minus t(m-1) times s times the
    root of n + n²/m. The draws are the tasks' mean costs. What is new in a version can fall outside of it.

    Args:
        one: the variant.
        history: what attempts cost.
        left: how many attempts are left; None where that is not known.
    """
    if left == 0:
        return Forecast(attempts=0, usd_per_attempt=None, usd=0.0, low=0.0, high=0.0, rests_on="nothing is left to run")
    found, basis = _like(one, history)
    if not found:
        return Forecast(attempts=left, usd_per_attempt=None, usd=None, low=None, high=None, rests_on=basis)
    by_task: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for spent in found:
        by_task[spent.dataset, spent.task].append(spent.usd)
    means = [sum(costs) / len(costs) for costs in by_task.values()]
    m, mean = len(means), sum(means) / len(means)
    rests_on = f"{len(found)} attempts of {basis} at {m} tasks"
    if left is None:
        why = f"{rests_on}; how many tasks there are is not known"
        return Forecast(attempts=None, usd_per_attempt=mean, usd=None, low=None, high=None, rests_on=why)
    low = high = None
    if m > 1:
        variance = sum((cost - mean) ** 2 for cost in means) / (m - 1)
        reach = float(stats.t.ppf((1 + _LEVEL) / 2, m - 1)) * math.sqrt(variance * (left + left**2 / m))
        low, high = max(0.0, left * mean - reach), left * mean + reach
    return Forecast(attempts=left, usd_per_attempt=mean, usd=left * mean, low=low, high=high, rests_on=rests_on)


def together(several: Sequence[Forecast]) -> Forecast:
    """What all variants may cost together; not known where that of one is not.

    Their errors are taken to be independent of each other, so the intervals add up as roots of squares.
    """
    attempts = [one.attempts for one in several]
    known = [one.usd for one in several]
    total = None if None in known else math.fsum(usd for usd in known if usd is not None)
    reaches = [
        (one.usd - one.low, one.high - one.usd)
        for one in several
        if one.usd is not None and one.low is not None and one.high is not None
    ]
    is_whole = total is not None and len(reaches) == len(several)
    unknown = sum(one.usd is None for one in several)
    return Forecast(
        attempts=None if None in attempts else sum(one for one in attempts if one is not None),
        usd_per_attempt=None,
        usd=total,
        low=max(0.0, total - math.hypot(*(below for below, _ in reaches))) if is_whole and total is not None else None,
        high=total + math.hypot(*(above for _, above in reaches)) if is_whole and total is not None else None,
        rests_on=f"not known for {unknown} of {len(several)} variants" if unknown else f"all {len(several)} variants",
    )


def tasks_of(one: Planned, history: Sequence[Spent]) -> int | None:
    """How many tasks a variant is tried at: as they are named or lie in the folder, else as the history knows them.

    None where nothing says.
    """
    tasks = one.matrix.tasks
    if tasks.subset and not any(_GLOB.intersection(name) for name in tasks.subset):
        return len(tasks.subset)
    if tasks.subset:
        return None
    if tasks.path is not None:
        if (tasks.path / "task.toml").is_file():
            return 1
        return sum(1 for _ in tasks.path.glob("*/task.toml")) or None
    seen = {spent.task for spent in history if spent.dataset == _name(tasks.dataset)}
    return len(seen) or None


def _like(one: Planned, history: Sequence[Spent]) -> tuple[list[Spent], str]:
    """The attempts that are most like a variant's, and what they are of."""
    model, dataset = one.model, _name(one.matrix.tasks.dataset)
    same_model = [spent for spent in history if model is not None and spent.model == model]
    same_agent = [spent for spent in same_model if spent.agent == one.agent.own_name]
    same_effort = [spent for spent in same_agent if one.effort is None or spent.effort == one.effort]
    same_tasks = [spent for spent in same_effort if spent.dataset == dataset]
    agent = f"{one.agent.own_name}/{model}"
    ways = (
        (same_tasks, f"{agent}, in whatever version,"),
        (same_effort, f"{agent}, in whatever version, on other tasks too,"),
        (same_agent, f"{agent}, at whatever effort,"),
        (same_model, f"{model} with whatever agent"),
    )
    nothing: list[Spent] = []
    why = "no model is named, so no attempt is like it" if model is None else f"no finished attempt of {model} is known"
    return next(((found, what) for found, what in ways if found), (nothing, why))


def _name(dataset: str | None) -> str:
    return (dataset or "").partition("@")[0]
