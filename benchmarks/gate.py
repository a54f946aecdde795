"""How often the gate errs and how much it sees, on simulated releases: twelve tasks, one to five attempts at each.

The tasks are fixed, flaky ones among them, and the attempts are drawn: the claim of the gate is about these tasks.
Beside each figure stands that of the best test of a difference in pass rates: a z test that is told its true variance.
(One that is told which tasks are sure would take a single failure there for proof; nobody is told that.) Nothing is
read or sent, and the seed is fixed: the tables are always the same.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special, stats

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from gate_releases import SHAPES, counts, dropped, release

from views.gate import decide
from views.gate_interval import Passes, bounds, spread
from views.gate_rule import Rule
from views.gate_sequential import Spending, levels, spent
from views.resampling import ALPHA

TIMES = 2_000
DROPS = (0.0, 0.05, 0.1, 0.2)
ATTEMPTS = (1, 2, 3, 5)
MARGIN = 0.10
SEED = 9

type Bounds = tuple[float, float]
Z = float(special.ndtri(1 - ALPHA))


def main(seed: int = SEED) -> None:
    """Prints all tables, as Markdown.

    Args:
        seed: another one (`python -m benchmarks.gate SEED`) tells chance from a fault.
    """
    _rule(seed)
    _methods(seed)
    _looks(seed)
    _spending(seed)
    _amounts(seed)


def _rule(seed: int) -> None:
    print(f"gate: pass rate, 12 tasks, {TIMES} releases each, margin {MARGIN:g}; the best test in brackets")
    print(
        "| attempts | tasks before | regression at a drop of 0 (aim: at most 5 %) | 5 | 10 | 20 points "
        "| pass at a drop of 10 (aim: at most 5 %) | pass at no drop |"
    )
    print("| --- " * 8 + "|")
    alarms: list[float] = []
    passes: list[float] = []
    for attempts in ATTEMPTS:
        for name, before in SHAPES.items():
            cells: list[str] = []
            false_pass = right_pass = ""
            for drop in DROPS:
                after = dropped(before, drop)
                found = _bounds(before, after, attempts, seed)
                caught = sum(high < 0 for _, high in found) / TIMES
                passed = sum(low > -MARGIN for low, _ in found) / TIMES
                if not drop:
                    alarms.append(caught)
                    best = _best(before, after, attempts, MARGIN)
                    right_pass = f"{passed:.0%} ({best:.0%})"
                    cells.append(f"{caught:.1%}")
                else:
                    cells.append(f"{caught:.0%} ({_best(before, after, attempts, drop):.0%})")
                if drop == MARGIN:
                    # Where few tasks lose all, there is less chance in it, and fewer such releases pass.
                    few = _bounds(before, dropped(before, drop, spread=False), attempts, seed)
                    each = [passed, sum(low > -MARGIN for low, _ in few) / TIMES]
                    passes.append(max(each))
                    false_pass = f"{max(each):.1%}"
            print(f"| {attempts} | {name} | {' | '.join(cells)} | {false_pass} | {right_pass} |")
    print(f"gate: false alarms: at most {max(alarms):.1%} (aim: 5 %); false passes: at most {max(passes):.1%}")


def _bounds(before: Any, after: Any, attempts: int, seed: int) -> list[Bounds]:
    rng = np.random.default_rng(seed)
    found = (bounds(counts(before, after, attempts, rng), ALPHA) for _ in range(TIMES))
    return [(one.low, one.high) for one in found]


def _best(before: Any, after: Any, attempts: int, room: float) -> float:
    """How often a difference is shown to be so far from its threshold, by the test that knows its variance."""
    deviation = math.sqrt(float((before * (1 - before) + after * (1 - after)).sum()) / attempts) / len(before)
    return float(special.ndtr(room / deviation - Z)) if deviation else 1.0


def _methods(seed: int, times: int = 1_000) -> None:
    """Other ways to make the bounds, on the same releases."""
    print(f"gate: ways to make the bounds, {times} releases each, 1, 3 and 5 attempts, all shapes")
    print("| bounds | highest false alarm | highest false pass | drop of 20 caught, 5 attempts | pass at no drop, 5 |")
    print("| --- " * 5 + "|")
    drawn: dict[tuple[str, int, float], list[list[Passes]]] = {}
    for name, before in SHAPES.items():
        for attempts in (1, 3, 5):
            for drop in (0.0, MARGIN, 0.2):
                rng = np.random.default_rng(seed)
                after = dropped(before, drop)
                drawn[name, attempts, drop] = [counts(before, after, attempts, rng) for _ in range(times)]
    for label, method in _METHODS.items():
        alarm = wrong = 0.0
        caught: list[float] = []
        passed: list[float] = []
        for (_, attempts, drop), several in drawn.items():
            found = [method(one) for one in several]
            below = sum(high < 0 for _, high in found) / times
            above = sum(low > -MARGIN for low, _ in found) / times
            if drop == 0:
                alarm = max(alarm, below)
            if drop == MARGIN:
                wrong = max(wrong, above)
            if attempts == 5 and drop == 0.2:
                caught.append(below)
            if attempts == 5 and drop == 0:
                passed.append(above)
        print(
            f"| {label} | {alarm:.1%} | {wrong:.1%} | {min(caught):.0%} to {max(caught):.0%} "
            f"| {min(passed):.0%} to {max(passed):.0%} |"
        )


def _own(tasks: Sequence[Passes]) -> Bounds:
    found = bounds(tasks, ALPHA)
    return found.low, found.high


def _of_tasks(tasks: Sequence[Passes]) -> Bounds:
    """The t interval of the tasks' differences."""
    apart = np.array([one.difference for one in tasks])
    reach = float(stats.t.ppf(1 - ALPHA, len(apart) - 1)) * float(apart.std(ddof=1)) / math.sqrt(len(apart))
    return float(apart.mean()) - reach, float(apart.mean()) + reach


def _bootstrap(tasks: Sequence[Passes]) -> Bounds:
    """The percentile bootstrap over tasks."""
    apart = np.array([one.difference for one in tasks])
    drawn = np.sort(apart[_DRAWS].mean(axis=1))
    return float(drawn[int(ALPHA * len(drawn))]), float(drawn[int((1 - ALPHA) * len(drawn))])


def _wald(tasks: Sequence[Passes]) -> Bounds:
    """The normal interval with the spread within tasks."""
    found = spread(tasks)
    reach = Z * math.sqrt(found.variance)
    return found.difference - reach, found.difference + reach


def _newcombe(tasks: Sequence[Passes]) -> Bounds:
    """Newcombe's hybrid score interval, of all attempts as if they were of one task."""
    sides = [
        (sum(one.baseline for one in tasks), sum(one.baseline_attempts for one in tasks)),
        (sum(one.candidate for one in tasks), sum(one.candidate_attempts for one in tasks)),
    ]
    (first, low_1, high_1), (second, low_2, high_2) = (_wilson(*one) for one in sides)
    return (
        second - first - math.hypot(second - low_2, high_1 - first),
        second - first + math.hypot(high_2 - second, first - low_1),
    )


def _wilson(passes: int, n: int) -> tuple[float, float, float]:
    share = passes / n
    centre, scale = share + Z**2 / (2 * n), 1 + Z**2 / n
    reach = Z * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return share, (centre - reach) / scale, (centre + reach) / scale


_DRAWS = np.random.default_rng(SEED).integers(0, 12, (999, 12))
_METHODS: dict[str, Callable[[Sequence[Passes]], Bounds]] = {
    "the gate's: Tango's score, spread within tasks, exact test": _own,
    "normal, spread within tasks": _wald,
    "t of the tasks' differences": _of_tasks,
    "percentile bootstrap over tasks": _bootstrap,
    "Newcombe's, all attempts as of one task": _newcombe,
}


def _looks(seed: int, most: int = 5, times: int = 1_000) -> None:
    """Looking after each attempt, against one look at the end."""
    planned = levels(most)
    said = ", ".join(f"{one:.4f}" for one in planned)
    print(f"gate: a look after each of {most} attempts, levels {said}; {times} releases")
    print(
        "| tasks before | drop | regression, looking each time | one look at the end | pass, looking each time "
        "| one look | attempts, mean | saved |"
    )
    print("| --- " * 8 + "|")
    worst_alarm = worst_pass = 0.0
    for name, before in SHAPES.items():
        for drop in (*DROPS, 0.4):
            after = dropped(before, drop)
            if after is None:
                continue
            rng = np.random.default_rng(seed)
            tally = np.zeros(4)
            used = 0
            for _ in range(times):
                first = np.cumsum(rng.random((most, len(before))) < before, axis=0)
                second = np.cumsum(rng.random((most, len(before))) < after, axis=0)
                at, said = _until_decided(first, second, planned)
                end = _said(first[-1], second[-1], most, ALPHA)
                used += at
                tally += [said == "regression", end == "regression", said == "pass", end == "pass"]
            shares = tally / times
            if not drop:
                worst_alarm = max(worst_alarm, shares[0])
            if drop == MARGIN:
                worst_pass = max(worst_pass, shares[2])
            mean = used / times
            cells = [f"{one:.1%}" for one in shares]
            print(f"| {name} | {drop:.0%} | {' | '.join(cells)} | {mean:.2f} | {1 - mean / most:.0%} |")
    print(f"gate: looking each time: false alarms at most {worst_alarm:.1%}, false passes at most {worst_pass:.1%}")


def _spending(seed: int, most: int = 5, times: int = 1_000) -> None:
    """Other ways to spend the error, on the first of the shapes."""
    before = SHAPES["five of twelve flaky"]
    print(f"gate: ways to spend the error over {most} looks, five of twelve tasks flaky, {times} releases each")
    print("| spending | levels | drop | regression | pass | attempts, mean |")
    print("| --- " * 6 + "|")
    for name, spending in _SPENDINGS.items():
        planned = levels(most, ALPHA, spending)
        for drop in (0.0, MARGIN, 0.2, 0.4):
            rng = np.random.default_rng(seed)
            after = dropped(before, drop)
            found = [
                _until_decided(
                    *(np.cumsum(rng.random((most, 12)) < rates, axis=0) for rates in (before, after)), planned
                )
                for _ in range(times)
            ]
            shares = [sum(said == one for _, said in found) / times for one in ("regression", "pass")]
            mean = sum(at for at, _ in found) / times
            said = ", ".join(f"{one:.4f}" for one in planned)
            print(f"| {name} | {said} | {drop:.0%} | {shares[0]:.1%} | {shares[1]:.1%} | {mean:.2f} |")


_SPENDINGS: dict[str, Spending] = {
    "the gate's: square of the share": spent,
    "O'Brien and Fleming's": lambda share, alpha: 2 * float(special.ndtr(special.ndtri(alpha / 2) / math.sqrt(share))),
    "Pocock's": lambda share, alpha: alpha * math.log1p((math.e - 1) * share),
}


def _until_decided(first: Any, second: Any, planned: Sequence[float]) -> tuple[int, str]:
    said = "inconclusive"
    for number, level in enumerate(planned, 1):
        said = _said(first[number - 1], second[number - 1], number, level)
        if said != "inconclusive":
            return number, said
    return len(planned), said


def _said(first: Any, second: Any, attempts: int, level: float) -> str:
    found = bounds([Passes(int(x), attempts, int(y), attempts) for x, y in zip(first, second, strict=True)], level)
    if found.high < 0:
        return "regression"
    return "pass" if found.low > -MARGIN else "inconclusive"


def _amounts(seed: int, times: int = 2_000) -> None:
    """All checks together, costs with a heavy tail among them: the tasks are five flaky ones of twelve."""
    print(f"gate: all checks, costs with a lognormal spread (sigma 0.5 within a task), {times} releases each")
    print(
        "| attempts | dearer by | the gate: regression | pass rate: regression | cost per attempt: regression | pass "
        "| cost to complete: regression | pass | steps flagged: regression | pass |"
    )
    print("| --- " * 10 + "|")
    before, rule = SHAPES["five of twelve flaky"], Rule(margin=MARGIN)
    for attempts in (1, 3, 5):
        for dearer in (1.0, 1.25, 1.6):
            rng = np.random.default_rng(seed)
            tally: dict[str, int] = {}
            for _ in range(times):
                decided = decide(release(before, before, attempts, rng, dearer), rule)
                for key in (decided.decision, *(f"{one.metric} {one.decision}" for one in decided.checks)):
                    tally[key] = tally.get(key, 0) + 1
            wanted = ["regression", "pass_rate regression"]
            for metric in ("cost_usd", "cost_to_complete_usd", "efficiency_flagged"):
                wanted += [f"{metric} regression", f"{metric} pass"]
            cells = [f"{tally.get(one, 0) / times:.1%}" for one in wanted]
            print(f"| {attempts} | {dearer - 1:.0%} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
