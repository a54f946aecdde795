"""Which tasks make a gate: fast, stable, telling, of every kind, and ranking the variants as all tasks do. Pure.

Nothing is left to chance: the same history gives the same tasks, in whatever order it comes.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from views import format as fmt
from views.task_history import Flakiness, TaskHistory, discriminations, flakiness, kendall, p90_seconds

DEFAULT_TASKS = 12
DEFAULT_MINUTES = 5.0
DEFAULT_FLAKY = 0.2
_MOST_TRIED = 60
"""Tasks that are not chosen, the best first, that are tried in the place of one that is."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of the subset.

    Attributes:
        tasks: how many.
        seconds: the most that 9 of 10 trials of a task may take.
        flaky: the largest chance that two attempts of one variant end differently.
    """

    tasks: int = DEFAULT_TASKS
    seconds: float = 60 * DEFAULT_MINUTES
    flaky: float = DEFAULT_FLAKY


@dataclass(frozen=True, slots=True)
class Choice:
    """A task and what is said of it.

    Attributes:
        task: with its attempts.
        is_chosen: whether it is in the subset.
        why: why it is, or is not.
        p90_seconds: 9 of 10 of its trials took no longer; None where no time is known.
        flakiness: how often the same variant gives another result.
        discrimination: see `task_history.discriminations`; None where the task was not tried by all variants.
    """

    task: TaskHistory
    is_chosen: bool
    why: str
    p90_seconds: float | None
    flakiness: Flakiness
    discrimination: float | None


@dataclass(frozen=True, slots=True)
class Selection:
    """The subset, and how well it stands for all tasks.

    Attributes:
        choices: of every task, those that are chosen first.
        variants: that tried the tasks.
        rank_correlation: Kendall's tau-b of the variants' pass rates in the subset and in all tasks that every variant
            tried. It is of the history that was chosen by, and so flatters. None where one of the two ranks nothing.
        left_out_error: how far the subset's pass rate is from that of all tasks, on average, for a variant that took no
            part in the choice; each variant is left out in turn. None for fewer than three variants.
    """

    choices: tuple[Choice, ...]
    variants: tuple[str, ...]
    rank_correlation: float | None
    left_out_error: float | None

    @property
    def chosen(self) -> tuple[Choice, ...]:
        """The tasks of the subset."""
        return tuple(one for one in self.choices if one.is_chosen)


def select(tasks: Sequence[TaskHistory], wanted: Wanted) -> Selection:
    """Chooses the tasks of a gate.

    Out are tasks that not every variant tried, that are slow or whose time is not known, that are flaky, and that
    nobody ever solved: they cannot show a loss. Of the others each category has its share of the places, and the best
    by `discriminations` have them, of equal ones the faster. Then tasks are exchanged within their category as long as
    that makes the subset rank the variants more as all tasks do.

    Args:
        tasks: with distinct names; tried by at least two variants between them.
        wanted: of the subset.
    """
    tasks = sorted(tasks, key=lambda one: one.name)
    variants = sorted({variant for task in tasks for variant in task.results})
    whole = [task for task in tasks if len(task.results) == len(variants)]
    signal = discriminations(whole)
    reasons = {task.name: _out(task, variants, wanted) for task in tasks}
    names = _chosen([task for task in whole if reasons[task.name] is None], whole, signal, wanted.tasks)
    choices = [
        Choice(
            task=task,
            is_chosen=task.name in names,
            why=_why(task, names, reasons[task.name]),
            p90_seconds=p90_seconds(task),
            flakiness=flakiness(task),
            discrimination=signal.get(task.name),
        )
        for task in tasks
    ]
    choices.sort(key=lambda one: (not one.is_chosen, one.task.name))
    return Selection(
        choices=tuple(choices),
        variants=tuple(variants),
        rank_correlation=_agreement([task for task in whole if task.name in names], whole, variants),
        left_out_error=_left_out_error(whole, variants, wanted),
    )


def _out(task: TaskHistory, variants: Sequence[str], wanted: Wanted) -> str | None:
    """Why a task is in no subset; None where it may be."""
    missing = [variant for variant in variants if variant not in task.results]
    if missing:
        return f"not tried by {missing[0]}" + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
    slow = p90_seconds(task)
    if slow is None:
        return "how long it takes is not known"
    if slow > wanted.seconds:
        return f"slow: 9 of 10 trials within {fmt.seconds(slow)}, not {fmt.seconds(wanted.seconds)}"
    flaky = flakiness(task)
    if flaky.value is not None and flaky.value > wanted.flaky:
        return f"flaky: {_flaky(flaky)}"
    if not any(any(attempts) for attempts in task.results.values()):
        return "never solved: it cannot show a loss"
    return None


def _flaky(found: Flakiness) -> str:
    between = fmt.interval(found.low, found.high, fmt.percent)
    return f"{fmt.percent(found.value)} ({between}) of {found.pairs} pairs of attempts differ"


def _why(task: TaskHistory, names: set[str], out: str | None) -> str:
    if out is not None:
        return out
    flaky = flakiness(task)
    stable = "stability not known: no variant tried it twice" if flaky.value is None else _flaky(flaky)
    return stable if task.name in names else f"others of its kind tell more; {stable}"


def _chosen(may: Sequence[TaskHistory], whole: Sequence[TaskHistory], signal: Mapping[str, float], n: int) -> set[str]:
    """The names of the tasks that are chosen."""

    def order(task: TaskHistory) -> tuple[float, float, str]:
        return -round(signal[task.name], 9), p90_seconds(task) or 0.0, task.name

    best = sorted(may, key=order)
    places = _places(Counter(task.category or "" for task in best), n)
    found: list[TaskHistory] = []
    for task in best:
        if places[task.category or ""]:
            places[task.category or ""] -= 1
            found.append(task)
    return {task.name for task in _exchanged(found, best, whole)}


def _places(sizes: Mapping[str, int], n: int) -> dict[str, int]:
    """How many of `n` places each category gets: in proportion to its size, by largest remainders, one at least."""
    total = sum(sizes.values())
    if total <= n:
        return dict(sizes)
    exact = {name: n * size / total for name, size in sizes.items()}
    found = {name: max(1, math.floor(share)) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (-(exact[name] - math.floor(exact[name])), name))
    for name in by_remainder:
        if sum(found.values()) < n and found[name] < sizes[name] and exact[name] >= 1:
            found[name] += 1
    # More categories than places, or places for small ones that large ones give up.
    while sum(found.values()) > n:
        found[max(found, key=lambda name: (found[name] - exact[name], name))] -= 1
    while sum(found.values()) < n:
        open_ = [name for name in found if found[name] < sizes[name]]
        found[min(open_, key=lambda name: (found[name] - exact[name], name))] += 1
    return found


def _exchanged(
    found: list[TaskHistory], best: Sequence[TaskHistory], whole: Sequence[TaskHistory]
) -> list[TaskHistory]:
    """The tasks, some exchanged for others of their category, so that they rank the variants more as all tasks do."""
    variants = sorted(whole[0].results) if whole else []
    now = _agreement(found, whole, variants)
    for _ in range(len(found)):
        others = [task for task in best if task not in found][:_MOST_TRIED]
        tried = [
            [other if one is task else one for one in found]
            for task in found
            for other in others
            if other.category == task.category
        ]
        ranked = [(_agreement(one, whole, variants), place) for place, one in enumerate(tried)]
        better, place = max(((value, -place) for value, place in ranked if value is not None), default=(None, 0))
        if better is None or (now is not None and better <= now + 1e-9):
            break
        found, now = tried[-place], better
    return found


def _agreement(some: Sequence[TaskHistory], whole: Sequence[TaskHistory], variants: Sequence[str]) -> float | None:
    if not some:
        return None
    return kendall([_rate(some, one) for one in variants], [_rate(whole, one) for one in variants])


def _rate(tasks: Sequence[TaskHistory], variant: str) -> float:
    return statistics.fmean(task.pass_share(variant) for task in tasks)


def _left_out_error(whole: Sequence[TaskHistory], variants: Sequence[str], wanted: Wanted) -> float | None:
    """See `Selection`."""
    if len(variants) < 3 or not whole:
        return None
    errors: list[float] = []
    for variant in variants:
        others = [one for one in variants if one != variant]
        seen = [
            TaskHistory(task.name, {one: task.results[one] for one in others}, task.seconds, task.category)
            for task in whole
        ]
        may = [task for task in seen if _out(task, others, wanted) is None]
        names = _chosen(may, seen, discriminations(seen), wanted.tasks)
        some = [task for task in whole if task.name in names]
        if not some:
            return None
        errors.append(abs(_rate(some, variant) - _rate(whole, variant)))
    return statistics.fmean(errors)
