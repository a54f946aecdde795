"""What variants solve together that none of them solves alone: pure functions on the attempts of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from views.metrics import Runs, pass_share
from views.results import Complementarity, Couple

_ROUNDING = 1e-12


def complementarity(runs: Sequence[Runs]) -> Complementarity:
    """What each variant adds to the others, on the tasks that all of them ran.

    The oracle knows for each task which variant passes it most often, and takes that one: its pass rate is the mean,
    over the tasks, of the best variant's share of passes. It is an upper bound that no routing reaches, and the best
    of several shares is biased upwards where attempts are few.

    Args:
        runs: two variants or more, on one dataset.
    """
    shares = {one.name: {task: pass_share(attempts) for task, attempts in one.tasks.items()} for one in runs}
    common = sorted(set.intersection(*(set(one.tasks) for one in runs)))
    if not common:
        return Complementarity(tasks=0, reason="no task that all variants ran")
    rates = {name: _mean([found[task] for task in common]) for name, found in shares.items()}
    best = max(sorted(rates), key=lambda name: rates[name])
    oracle = _mean([max(found[task] for found in shares.values()) for task in common])
    return Complementarity(
        tasks=len(common),
        only={name: tuple(task for task in common if _alone(name, task, shares)) for name in shares},
        best=best,
        best_rate=rates[best],
        oracle_rate=oracle,
        gain=oracle - rates[best],
        unsolved=tuple(task for task in common if not any(found[task] for found in shares.values())),
        couple=_couple(runs, shares, common),
    )


def _alone(name: str, task: str, shares: Mapping[str, Mapping[str, float]]) -> bool:
    """Whether this variant is the only one with a pass at the task."""
    return [other for other, found in shares.items() if found[task] > 0] == [name]


def _couple(runs: Sequence[Runs], shares: Mapping[str, Mapping[str, float]], tasks: Sequence[str]) -> Couple:
    """The two variants whose oracle is best, and of several such couples the cheapest that is known."""
    found = [
        Couple(
            a=a.name,
            b=b.name,
            oracle_rate=_mean([max(shares[a.name][task], shares[b.name][task]) for task in tasks]),
            cost_usd=_cost((a, b), tasks),
        )
        for a, b in combinations(runs, 2)
    ]
    most = max(one.oracle_rate for one in found)
    good = [one for one in found if one.oracle_rate >= most - _ROUNDING]
    return min(good, key=lambda one: (one.cost_usd is None, one.cost_usd or 0.0, one.a, one.b))


def _cost(runs: Sequence[Runs], tasks: Sequence[str]) -> float | None:
    """What one attempt of each at each task costs, in US dollars; None where any attempt's cost is not known."""
    total = 0.0
    for one in runs:
        for task in tasks:
            costs = [attempt.cost_usd for attempt in one.tasks[task]]
            known = [cost for cost in costs if cost is not None]
            if len(known) < len(costs):
                return None
            total += _mean(known)
    return total


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
