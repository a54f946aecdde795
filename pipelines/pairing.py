"""Which failing run is compared with which other: pure functions on the courses of the runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from adapter.errors import BadInputError
from views.course import Course
from views.divergence import furthest, nearest

type Place = tuple[str, str]
"""A dataset and a task."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A failing run, and what it is compared with.

    Attributes:
        against: None where there is no other run of its task.
        repeats: all runs of its task.
        notes: what the choice rests on.
    """

    failing: Course
    against: Course | None
    repeats: tuple[Course, ...]
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Choice:
    """What is investigated, and which failing runs are not, with the reason."""

    chosen: list[Chosen] = field(default_factory=list[Chosen])
    left_out: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


def by_task(courses: Iterable[Course]) -> dict[Place, list[Course]]:
    """The runs of each task, in the order of their names."""
    found: dict[Place, list[Course]] = defaultdict(list)
    for one in sorted(courses, key=lambda one: one.trial):
        found[one.dataset, one.task].append(one)
    return dict(sorted(found.items()))


def every_failure(courses: Sequence[Course], task: str | None = None) -> Choice:
    """Every failing run that has a passing run of its task.

    Raises:
        BadInputError: no run is of the task.
    """
    _check_task(courses, task)
    choice = Choice()
    for (_, name), runs in by_task(courses).items():
        if task is not None and name != task:
            continue
        for one in runs:
            if one.passed is False:
                if any(other.passed for other in runs):
                    choice.chosen.append(choose(one, runs))
                else:
                    choice.left_out.append((one.trial, "no run of its task passed; name it with --trial"))
    return choice


def one_trial(courses: Sequence[Course], trial: str, against: str | None) -> Choice:
    """The run of this name, against another of its task or the one that is chosen.

    Raises:
        BadInputError: there is no such run, or the two are of different tasks, or it did not fail.
    """
    failing = _named(courses, trial)
    runs = by_task(courses)[failing.dataset, failing.task]
    if against is None:
        if failing.passed:
            raise BadInputError(f"{trial} passed.", "Name a run that failed, or another one with --against.")
        return Choice([choose(failing, runs)])
    other = _named(courses, against)
    if other not in runs:
        raise BadInputError(
            f"{trial} is a run of {failing.task}, and {against} of {other.task}.", "Name two runs of one task."
        )
    if other is failing:
        raise BadInputError(f"{trial} is named twice.", "Name another run of its task with --against.")
    return Choice([Chosen(failing, other, tuple(runs), ("the other run was named",))])


def lost_tasks(
    courses: Sequence[Course], is_baseline: Callable[[Course], bool], is_candidate: Callable[[Course], bool]
) -> Choice:
    """The tasks that the baseline passes each time and the candidate never: one failing run of each.

    A task that one of the two passes only sometimes may have flipped by chance: it is left out, and named.
    """
    choice = Choice()
    for (_, task), runs in by_task(courses).items():
        before = [one for one in runs if is_baseline(one) and one.passed is not None]
        after = [one for one in runs if is_candidate(one) and one.passed is not None]
        failed = [one for one in after if not one.passed]
        passed = [one for one in before if one.passed]
        if not before or not after or not failed or not passed:
            continue
        if len(failed) < len(after) or len(passed) < len(before):
            said = (
                f"{len(passed)}/{len(before)} passed with the baseline, {len(after) - len(failed)}/{len(after)} after"
            )
            choice.left_out.append((failed[0].trial, f"{task} may have flipped by chance: {said}"))
            continue
        pairs = [(one, nearest(one, passed)) for one in failed]
        failing, against = min(pairs, key=lambda pair: pair[0].trial)
        choice.chosen.append(Chosen(failing, against, tuple(runs), ("against the baseline's nearest passing run",)))
    return choice


def choose(failing: Course, runs: Sequence[Course]) -> Chosen:
    """The nearest passing run of the same variant, else of another; without any, the run that got furthest.

    Args:
        failing: the run.
        runs: all of its task.
    """
    passing = [one for one in runs if one.passed and one.trial != failing.trial]
    own = [one for one in passing if one.variant == failing.variant]
    if own or passing:
        note = "the nearest passing run of the same variant" if own else "the nearest passing run, of another variant"
        return Chosen(failing, nearest(failing, own or passing), tuple(runs), (note,))
    others = [one for one in runs if one.trial != failing.trial and one.passed is not None]
    note = "no run of the task passed: the one that got furthest" if others else "there is no other run of the task"
    return Chosen(failing, furthest(others), tuple(runs), (note,))


def _named(courses: Sequence[Course], trial: str) -> Course:
    found = [one for one in courses if trial in (one.trial, one.trial.partition("/")[2])]
    if len(found) == 1:
        return found[0]
    if found:
        raise BadInputError(f"Several jobs have a trial {trial}.", f"Name one as {found[0].trial}.")
    raise BadInputError(f"No trial {trial} was read.", "Name it as job/trial; `kilobench inspect` lists them.")


def _check_task(courses: Sequence[Course], task: str | None) -> None:
    if task is not None and all(one.task != task for one in courses):
        names = sorted({one.task for one in courses})
        raise BadInputError(f"No run is of the task {task}.", f"Name one of: {', '.join(names[:8])}.")
