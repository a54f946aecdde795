"""One variant against another, metric by metric, and the rule by which a difference is called one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from views import metrics, paired
from views.metric_names import METRIC_NAMES
from views.metrics import Attempt, Runs
from views.paired import Between
from views.resampling import ALPHA, MIN_TASKS
from views.results import Flip, Metric, Pair, PairMetric, Verdict
from views.tables import CRITERIA

RULE = (
    "b is called better (worse) than a in a metric when two things agree: the 95 % interval over the tasks both ran "
    f"lies wholly on the good (bad) side, and the test gives p < {ALPHA}, adjusted by Holm's method for the pairs of "
    "this comparison. Pass rate and share of steps flagged: BCa bootstrap interval of the mean paired difference, "
    "paired permutation test. Cost, time and tokens: BCa bootstrap interval of the geometric mean of the ratio b / a, "
    "Wilcoxon's signed-rank test of the log-ratios; where an amount is 0 there is no ratio, and they are compared like "
    "the pass rate. Cost to complete: bootstrap interval of the ratio of the totals, paired permutation test. "
    "A higher pass rate is good; of all others, less is. "
    f"It takes at least {MIN_TASKS} tasks. Where the tasks are all alike there is no interval and the test alone "
    "decides. Variants that were not run alike (other tasks, other task checksums, other numbers of attempts) get no "
    "verdict unless that is allowed. Not adjusted for looking at several metrics or comparisons."
)
"""How verdicts are given. The interval alone calls 10 to 25 % of equal pairs different where tasks are few or
costs are spread widely (simulated); the test holds that at 5 %."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A metric of an attempt: its value, whether its ratios are compared, and whether it lies between 0 and 1."""

    value: Callable[[Attempt], float | None]
    by_ratio: bool = False
    is_share: bool = False


def _flagged(criterion: str) -> _Kind:
    return _Kind(lambda attempt: attempt.flagged.get(criterion), is_share=True)


_KINDS = MappingProxyType(
    {
        "pass_rate": _Kind(lambda attempt: float(attempt.passed), is_share=True),
        "cost_usd": _Kind(lambda attempt: attempt.cost_usd, by_ratio=True),
        "seconds": _Kind(lambda attempt: attempt.seconds, by_ratio=True),
        "tokens": _Kind(lambda attempt: attempt.tokens, by_ratio=True),
        **{f"{criterion}_flagged": _flagged(criterion) for criterion in CRITERIA},
    }
)
_TO_COMPLETE: Metric = "cost_to_complete_usd"
_ALWAYS: tuple[Metric, ...] = ("pass_rate", "cost_usd", _TO_COMPLETE, "seconds", "tokens")


@dataclass(frozen=True, slots=True)
class _Tested:
    """A metric of a pair before its verdict: what the rule looks at is `decides`, a ratio or a difference."""

    metric: PairMetric
    decides: Between
    neutral: float

    @property
    def side(self) -> int | None:
        """Whether the interval lies above (1) or below (-1) what no difference would be; 0 where it holds that."""
        value, low, high = self.decides.value, self.decides.low, self.decides.high
        if value is None:
            return None
        if low is None and high is None:
            low = high = value
        # An open side reaches as far as there is.
        if low is not None and low > self.neutral:
            return 1
        return -1 if high is not None and high < self.neutral else 0


def pairs_of(pairs: Sequence[tuple[Runs, Runs]], *, allow_unequal: bool) -> tuple[Pair, ...]:
    """The pairs of one comparison with their verdicts: of each metric, all pairs are tested together.

    Args:
        pairs: (a, b) each, at least one.
        allow_unequal: whether verdicts are given on what both ran where they were not run alike.
    """
    judged = {
        criterion
        for pair in pairs
        for runs in pair
        for attempts in runs.tasks.values()
        for one in attempts
        for criterion in one.flagged
    }
    wanted: list[Metric] = [*_ALWAYS]
    wanted += [name for name in _KINDS if name.removesuffix("_flagged") in judged]  # pyright: ignore[reportAssignmentType, reportArgumentType]
    tested = [[_tested(metric, a, b, _common(a, b)) for metric in wanted] for a, b in pairs]
    adjusted = [paired.holm([row[place].metric.p for row in tested]) for place in range(len(wanted))]
    false_discoveries = iter(paired.benjamini_hochberg([one.metric.p for row in tested for one in row]))
    found: list[Pair] = []
    for number, ((a, b), row) in enumerate(zip(pairs, tested, strict=True)):
        refused = None if allow_unequal else _unlike(a, b)
        rows = tuple(
            _with_verdict(one, adjusted[place][number], next(false_discoveries), refused)
            for place, one in enumerate(row)
        )
        found.append(_pair(a, b, rows, refused))
    return tuple(found)


def _pair(a: Runs, b: Runs, rows: tuple[PairMetric, ...], refused: str | None) -> Pair:
    common = _common(a, b)
    rise = {task: metrics.pass_share(b.tasks[task]) - metrics.pass_share(a.tasks[task]) for task in common}
    everything = sorted({*a.tasks, *b.tasks})
    return Pair(
        a=a.name,
        b=b.name,
        tasks=len(common),
        metrics=rows,
        gained=tuple(task for task in common if rise[task] > 0),
        lost=tuple(task for task in common if rise[task] < 0),
        flips=_flips(a, b, [task for task in common if rise[task]]),
        left_out={task: reason for task in everything if (reason := _not_comparable(task, a, b)) is not None},
        unequal=tuple(task for task in common if len(a.tasks[task]) != len(b.tasks[task])),
        refused=refused,
    )


def _common(a: Runs, b: Runs) -> list[str]:
    """The tasks on which the two are compared."""
    return [task for task in sorted({*a.tasks, *b.tasks}) if _not_comparable(task, a, b) is None]


def _not_comparable(task: str, a: Runs, b: Runs) -> str | None:
    for side in (a, b):
        if task not in side.tasks:
            return f"no attempt of {side.name} counts"
    return "the task itself differs: other task checksums" if _differs(task, a, b) else None


def differs(a: Sequence[Attempt], b: Sequence[Attempt]) -> bool:
    """Whether a task was changed between these attempts at it, as far as their checksums are known."""
    return len({one.checksum for one in (*a, *b) if one.checksum is not None}) > 1


def _differs(task: str, a: Runs, b: Runs) -> bool:
    return differs(a.tasks.get(task, ()), b.tasks.get(task, ()))


def _unlike(a: Runs, b: Runs) -> str | None:
    """In what the two were not run alike; None where they were.

    What the infrastructure broke was run: it is left out of both sides, and no reason to refuse.
    """
    one_sided = a.tried.keys() ^ b.tried.keys()
    both = a.tried.keys() & b.tried.keys()
    counts = {
        "run with one of the two only": len(one_sided),
        "changed in between (other task checksums)": sum(_differs(task, a, b) for task in both),
        "tried another number of times": sum(a.tried[task] != b.tried[task] for task in both),
    }
    said = [
        f"{number} {'task was' if number == 1 else 'tasks were'} {what}" for what, number in counts.items() if number
    ]
    return ", ".join(said) or None


def _flips(a: Runs, b: Runs, tasks: Sequence[str]) -> tuple[Flip, ...]:
    counts: list[tuple[str, int, int, int, int]] = []
    for task in tasks:
        (before, tried), (after, tried_again) = (
            (sum(one.passed for one in side.tasks[task]), len(side.tasks[task])) for side in (a, b)
        )
        counts.append((task, before, tried, after, tried_again))
    ps = [paired.flip_p(*numbers) for _, *numbers in counts]
    flips = [
        Flip(task=task, a_passes=before, a_attempts=tried, b_passes=after, b_attempts=again, p=p, q=q)
        for (task, before, tried, after, again), p, q in zip(counts, ps, paired.benjamini_hochberg(ps), strict=True)
    ]
    return tuple(sorted(flips, key=lambda flip: (flip.p, flip.task)))


def _tested(metric: Metric, a: Runs, b: Runs, tasks: Sequence[str]) -> _Tested:
    """One metric of a pair, on the mean of each task's known values."""
    is_total = metric == _TO_COMPLETE
    kind = _KINDS["cost_usd" if is_total else metric]
    means = {task: tuple(_task_mean(side.tasks[task], kind, complete=is_total) for side in (a, b)) for task in tasks}
    known = {task: (x, y) for task, (x, y) in means.items() if x is not None and y is not None}
    before, after = [x for x, _ in known.values()], [y for _, y in known.values()]
    ratio: Between | None = None
    if is_total:
        passes = [[metrics.pass_share(side.tasks[task]) for task in known] for side in (a, b)]
        found, ratio = paired.totals_between(paired.Totals(before, passes[0]), paired.Totals(after, passes[1]))
    else:
        found = paired.paired_difference(before, after)
        if kind.by_ratio:
            ratio = paired.paired_ratio(before, after)
    decides, neutral = (ratio, 1.0) if ratio is not None and ratio.value is not None else (found, 0.0)
    reasons: list[str | None] = []
    if unknown := len(tasks) - len(known):
        reasons.append(f"{METRIC_NAMES[metric].name} not known on both sides for {unknown} of {len(tasks)} tasks")
    visible = found.smallest_visible
    if kind.is_share and visible is not None and visible > 1:
        visible = None
        reasons.append("so few tasks would hardly have shown any difference")
    reasons += [found.reason, None if ratio is None else ratio.reason]
    return _Tested(
        PairMetric(
            metric=metric,
            difference=found.value,
            low=found.low,
            high=found.high,
            ratio=None if ratio is None else ratio.value,
            ratio_low=None if ratio is None else ratio.low,
            ratio_high=None if ratio is None else ratio.high,
            tasks=len(known),
            p=decides.p,
            smallest_visible=visible,
            reason="; ".join(dict.fromkeys(one for one in reasons if one is not None)) or None,
        ),
        decides,
        neutral,
    )


def _task_mean(attempts: Sequence[Attempt], kind: _Kind, *, complete: bool) -> float | None:
    """The mean of what is known; `complete`: None unless that is all."""
    known = [value for value in map(kind.value, attempts) if value is not None]
    if complete and len(known) < len(attempts):
        return None
    return sum(known) / len(known) if known else None


def _with_verdict(one: _Tested, p: float | None, q: float | None, refused: str | None) -> PairMetric:
    found = one.metric
    reason = found.reason if refused is None else "; ".join(filter(None, (f"refused: {refused}", found.reason)))
    verdict = None if refused is not None else _verdict(found.metric, one.side, p)
    return found.model_copy(update={"p_adjusted": p, "q": q, "verdict": verdict, "reason": reason})


def _verdict(metric: Metric, side: int | None, p: float | None) -> Verdict | None:
    """`RULE`, applied to the side on which a metric's interval lies and its adjusted p."""
    if side is None or p is None:
        return None
    if p >= ALPHA or side == 0:
        return "no difference shown"
    return "better" if (side > 0) == (metric == "pass_rate") else "worse"
