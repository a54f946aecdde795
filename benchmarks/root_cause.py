"""Whether `kilobench investigate` finds the step at which a fault was planted, how often it cries wolf, and how fast.

Planted: passing runs of the examples, each against the other passing runs of its task, and passing runs of real jobs,
each against itself with other looks around. Unplanted: two passing runs of one variant at one task.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import numpy as np
from rapidfuzz.distance import Levenshtein

from adapter.actions import Verb
from adapter.harbor import read_trial
from adapter.jobs import find_jobs
from adapter.redact import redact
from adapter.signatures import Signature
from adapter.trial import Trial
from benchmarks.data import REAL, REPOSITORY
from benchmarks.memory import peak_kilobytes
from benchmarks.planted import Planted, planted, with_detours
from judges.criteria import criteria
from judges.rules import judge
from views.alignment import align
from views.course import Act, Course, Fault, course_of
from views.divergence import nearest, part
from views.root_cause import causes

ROUNDS = 4
LENGTH = 1_000


def course(trial: Trial, *, passed: bool | None = None) -> Course:
    """The course of a run, judged by rules."""
    worst = {name: one.worst.label for name, one in criteria().items()}
    faults = {
        one.step: Fault(
            criterion=one.criterion,
            label=one.label,
            category=None if one.category is None else one.category.value,
            explanation=one.explanation,
            better_action=one.better_action,
            by=one.by,
        )
        for one in judge(trial)
        if one.label == worst[one.criterion]
    }
    made = course_of(trial, trial.name, faults, None)
    return made if passed is None else replace(made, passed=passed)


def read(*folders: object) -> list[Trial]:
    """The passing runs of some jobs."""
    found: list[Trial] = []
    for folder in folders:
        for job in find_jobs([folder]):  # pyright: ignore[reportArgumentType]
            found += [one for path in job.trials if (one := redact(read_trial(job, path))).passed and one.steps]
    return found


@dataclass(slots=True)
class Tally:
    """How often the step was found."""

    asked: int = 0
    exact: int = 0
    near: int = 0
    none: int = 0

    def add(self, said: int | None, right: int) -> None:
        """Counts an answer."""
        self.asked += 1
        self.none += said is None
        self.exact += said == right
        self.near += said is not None and abs(said - right) <= 1

    def __str__(self) -> str:
        return (
            f"{self.exact / self.asked:.0%} exact, {self.near / self.asked:.0%} within 1 of {self.asked}"
            f"{f', no answer for {self.none}' if self.none else ''}"
        )


def find(one: Planted, passing: Iterable[Course]) -> int | None:
    """The step that is called the cause."""
    failing = course(one.trial, passed=False)
    against = nearest(failing, list(passing))
    ranked = causes(failing, None if against is None else part(failing, against))
    return ranked[0].step if ranked else None


def faults_planted(name: str, trials: list[Trial], *, is_alone: bool) -> None:
    """Prints how often planted faults are found.

    Args:
        name: of the runs.
        trials: passing runs.
        is_alone: whether a run has no other of its task, and is compared with itself with other looks around.
    """
    rng = np.random.default_rng(40)
    courses = {one.name: course(one, passed=True) for one in trials}
    tasks: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for one in trials:
        tasks[one.dataset, one.task].append(one)
    by_kind: dict[str, Tally] = defaultdict(Tally)
    last, guess = Tally(), Tally()
    for _ in range(ROUNDS):
        for one in trials:
            others = [courses[other.name] for other in tasks[one.dataset, one.task] if other.name != one.name]
            passing = [course(with_detours(one, rng), passed=True)] if is_alone else others
            for made in planted(one, rng) if passing else ():
                by_kind[made.kind].add(find(made, passing), made.step)
                numbers = [step.number for step in made.trial.agent_steps]
                last.add(numbers[-1], made.step)
                guess.add(int(rng.choice(numbers)), made.step)
    whole = Tally()
    for kind, tally in sorted(by_kind.items()):
        print(f"root cause, planted in {name}: {kind}: {tally}")
        whole = Tally(*(getattr(whole, part) + getattr(tally, part) for part in ("asked", "exact", "near", "none")))
    print(f"root cause, planted in {name}: all: {whole}; the last step: {last}; a step at random: {guess}")


def false_claims(name: str, trials: list[Trial]) -> None:
    """Prints in how many pairs of passing repeats a consequential divergence is claimed."""
    groups: dict[tuple[str, str, str], list[Course]] = defaultdict(list)
    for one in trials:
        groups[one.dataset, one.task, one.variant.name].append(course(one))
    pairs = [pair for several in groups.values() for pair in combinations(several, 2)]
    both = [*pairs, *((b, a) for a, b in pairs)]
    claimed = sum((found := part(a, b).divergence) is not None and found.is_consequential for a, b in both)
    said = f"{claimed} of {len(both)} ({claimed / len(both):.0%})" if both else "there are no repeats"
    print(f"root cause: a consequential divergence between two passing runs of {name}: {said} (aim: below 10 %)")


def speed() -> None:
    """Prints what the alignment of two long runs takes, and whether memory grows with the pairs."""
    rng = np.random.default_rng(41)

    def made() -> list[Signature]:
        verbs = [Verb.READ, Verb.EDIT, Verb.SH]
        return [Signature(verbs[rng.integers(3)], f"file-{rng.integers(40)}.py") for _ in range(LENGTH)]

    a = made()
    b = [one if rng.random() < 0.7 else made()[0] for one in a]
    ratios: list[float] = []
    for _ in range(9):
        begun = time.perf_counter()
        align(a, b)
        aligned = time.perf_counter()
        for _ in range(50):
            Levenshtein.distance(a, b)
        ratios.append((aligned - begun) / ((time.perf_counter() - aligned) / 50))
    runs = [_made_up(a[place : place + 100], str(place)) for place in range(0, 900, 10)]
    for one, other in pairwise(runs):
        causes(one, part(one, other))
    before = peak_kilobytes()
    for number in range(2_000):
        one, other = runs[number % len(runs)], runs[(7 * number + 1) % len(runs)]
        causes(one, part(one, other))
    growth = (peak_kilobytes() - before) / 1024
    print(
        f"root cause: aligning two runs of {LENGTH:,} acts takes {np.median(ratios):.0f} times rapidfuzz's Levenshtein "
        f"(aim: below 2,000); 2,000 pairs of runs more let peak memory grow by {growth:.1f} MB"
    )


def _made_up(acts: list[Signature], name: str) -> Course:
    """A run of these acts, one a step."""
    return Course(
        trial=name,
        key=name,
        dataset="made up",
        task="made up",
        variant="made up",
        passed=False,
        status="failed",
        acts=tuple(Act(step, act, None, act.verb.value) for step, act in enumerate(acts, 1)),
        steps=tuple(range(1, len(acts) + 1)),
        reached={f"changed {act.target}": step for step, act in enumerate(acts, 1) if act.verb is Verb.EDIT},
    )


def main() -> None:
    """Prints all of it."""
    examples = read(REPOSITORY / "examples" / "jobs")
    faults_planted("the examples", examples, is_alone=False)
    false_claims("the examples", examples)
    if REAL.is_dir():
        faults_planted(REAL.name, read(REAL), is_alone=True)
    speed()


if __name__ == "__main__":
    main()
