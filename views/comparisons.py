"""Which variants differ in one respect only, and whether the difference is real.

`model`: dataset, agent, version, effort and settings are equal. `version`: dataset, agent, model, effort and
settings are equal. `agent`: dataset and model are equal; version, effort and settings belong to an agent and
may differ with it. `effort`: all but the effort is equal. A field that is not recorded equals another that is not
recorded. But where models (or versions, or efforts) are compared, a variant whose own is not recorded takes no part:
nobody can say what differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import get_args

import pandas as pd
from packaging.version import InvalidVersion, Version

from adapter.trial import Variant
from views import format as fmt
from views import metrics, statistics
from views.complementarity import complementarity
from views.metrics import Attempt, Runs
from views.results import By, Comparison, Flip, Metric, Pair, PairMetric, VariantResult, Verdict

RULE = (
    "b is called better (worse) than a in a metric when the 95 % BCa bootstrap interval of the mean paired "
    "difference b - a over the tasks both ran lies wholly on the good (bad) side of 0 (above 0 is good for "
    "the pass rate, below 0 for cost, time and tokens) and the two-sided paired permutation test on the same "
    f"differences gives p < {statistics.ALPHA}, adjusted by Holm's method for the pairs of this comparison. "
    f"It takes at least {statistics.MIN_TASKS} tasks. Where the "
    "difference is the same on every task there is no interval and the test alone decides. Not adjusted for "
    "looking at several metrics or comparisons."
)
"""How verdicts are given. The interval alone calls 10 to 25 % of equal pairs different where tasks are few or
costs are spread widely (simulated); the permutation test holds that at 5 %."""

METRICS: tuple[Metric, ...] = get_args(Metric.__value__)
_METRIC_NAMES: dict[Metric, str] = {
    "pass_rate": "pass rate",
    "cost_usd": "cost",
    "seconds": "time",
    "tokens": "number of tokens",
}
_KINDS: tuple[By, ...] = get_args(By.__value__)
_MOST_NAMES = 5
"""How many variants a headline names before it says how many more there are."""


def compare(trials: pd.DataFrame) -> list[Comparison]:
    """Every comparison that the trials allow, in a fixed order whatever the order of the trials.

    Args:
        trials: rows of `views.tables.TRIALS`, of any number of datasets.
    """
    found: list[Comparison] = []
    for dataset, part in metrics.by_dataset(trials).items():
        runs = metrics.runs(part)
        results = {one.name: metrics.result(one) for one in runs}
        for by in _KINDS:
            found += _comparisons(dataset, by, runs, results)
    return found


def _comparisons(dataset: str, by: By, runs: Sequence[Runs], results: dict[str, VariantResult]) -> list[Comparison]:
    groups: dict[tuple[tuple[str, str | None], ...], list[Runs]] = {}
    for one in runs:
        if _compared(one.variant, by) is not None:
            groups.setdefault(tuple(_fixed(one.variant, by).items()), []).append(one)
    found: list[Comparison] = []
    for fixed, group in groups.items():
        ordered = _in_order(group, by)
        pairs = [(a, b) for a, b in combinations(ordered, 2) if _compared(a.variant, by) != _compared(b.variant, by)]
        if pairs:
            found.append(
                Comparison(
                    name=_name(by, dataset, ordered[0].variant),
                    by=by,
                    dataset=dataset,
                    fixed=dict(fixed),
                    rule=RULE,
                    variants=tuple(results[one.name] for one in ordered),
                    pairs=_judged([_pair(a, b) for a, b in pairs]),
                    complementarity=complementarity(ordered),
                )
            )
    return sorted(found, key=lambda comparison: comparison.name)


def _compared(one: Variant, by: By) -> str | None:
    """What is compared; None where it is not recorded."""
    match by:
        case "model":
            return one.model_name
        case "version":
            return one.agent_version
        case "agent":
            return one.agent
        case "effort":
            return one.effort


def _fixed(one: Variant, by: By) -> dict[str, str | None]:
    """What is held equal."""
    if by == "agent":
        return {"model": one.model_name}
    if by == "effort":
        return {
            "agent": one.agent,
            "agent_version": one.agent_version,
            "model": one.model_name,
            "digest": one.digest,
        }
    settings = {"effort": one.effort, "digest": one.digest}
    if by == "model":
        return {"agent": one.agent, "agent_version": one.agent_version, **settings}
    return {"agent": one.agent, "model": one.model_name, **settings}


def _name(by: By, dataset: str, one: Variant) -> str:
    model = one.model_name or "unknown model"
    digest = f"#{one.digest}" if one.digest else ""
    version = one.agent_version or "unknown"
    if by == "effort":
        return f"effort-vs-effort on {dataset}, {one.agent}@{version} with {model}{digest}"
    settings = (f"+{one.effort}" if one.effort else "") + digest
    if by == "model":
        return f"model-vs-model on {dataset}, {one.agent}@{version}{settings}"
    if by == "version":
        return f"version-vs-version on {dataset}, {one.agent} with {model}{settings}"
    return f"agent-vs-agent on {dataset} with {model}"


def _in_order(group: Iterable[Runs], by: By) -> list[Runs]:
    """Older versions first where versions are compared, else by name."""
    by_name = sorted(group, key=lambda one: one.name)
    if by != "version":
        return by_name
    order = version_order([one.variant.agent_version or "" for one in by_name])
    return sorted(by_name, key=lambda one: order[one.variant.agent_version or ""])


def version_order(versions: Iterable[str]) -> dict[str, int]:
    """The place of each version, oldest first: 1.9 before 1.10, 2.0rc1 before 2.0.

    Where one of them is no version by Python's rules (PEP 440), all are ordered as text with numbers in it.
    """
    names = sorted(set(versions))
    try:
        ordered = sorted(names, key=Version)
    except InvalidVersion:
        ordered = sorted(names, key=_natural)
    return {name: place for place, name in enumerate(ordered)}


def _natural(text: str) -> list[tuple[int, int, str]]:
    parts: list[str] = re.findall(r"[0-9]+|[^0-9]+", text)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _pair(a: Runs, b: Runs) -> Pair:
    left_out = {
        task: reason for task in sorted({*a.tasks, *b.tasks}) if (reason := _not_comparable(task, a, b)) is not None
    }
    common = [task for task in sorted({*a.tasks, *b.tasks}) if task not in left_out]
    rise = {task: metrics.pass_share(b.tasks[task]) - metrics.pass_share(a.tasks[task]) for task in common}
    return Pair(
        a=a.name,
        b=b.name,
        tasks=len(common),
        metrics=tuple(_metric(metric, a, b, common) for metric in METRICS),
        gained=tuple(task for task in common if rise[task] > 0),
        lost=tuple(task for task in common if rise[task] < 0),
        flips=_flips(a, b, [task for task in common if rise[task]]),
        left_out=left_out,
        unequal=tuple(task for task in common if len(a.tasks[task]) != len(b.tasks[task])),
    )


def _judged(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """The pairs of one comparison with their verdicts: of each metric, all pairs are tested together."""
    columns = zip(*(pair.metrics for pair in pairs), strict=True)
    judged = [
        [
            one.model_copy(update={"p_adjusted": p, "verdict": _verdict(one, p)})
            for one, p in zip(column, statistics.holm([one.p for one in column]), strict=True)
        ]
        for column in columns
    ]
    return tuple(
        pair.model_copy(update={"metrics": tuple(metrics)})
        for pair, metrics in zip(pairs, zip(*judged, strict=True), strict=True)
    )


def _flips(a: Runs, b: Runs, tasks: Sequence[str]) -> tuple[Flip, ...]:
    flips: list[Flip] = []
    for task in tasks:
        (before, tried), (after, tried_again) = (
            (sum(one.passed for one in side.tasks[task]), len(side.tasks[task])) for side in (a, b)
        )
        p = statistics.flip_p(before, tried, after, tried_again)
        flips.append(Flip(task=task, a_passes=before, a_attempts=tried, b_passes=after, b_attempts=tried_again, p=p))
    return tuple(sorted(flips, key=lambda flip: (flip.p, flip.task)))


def _not_comparable(task: str, a: Runs, b: Runs) -> str | None:
    for side in (a, b):
        if task not in side.tasks:
            return f"no attempt of {side.name} counts"
    checksums = {one.checksum for side in (a, b) for one in side.tasks[task] if one.checksum is not None}
    return "the task itself differs: other task checksums" if len(checksums) > 1 else None


def _metric(metric: Metric, a: Runs, b: Runs, tasks: Sequence[str]) -> PairMetric:
    """One metric of a pair, on the mean of each task's known values."""
    means = [(_task_mean(a.tasks[task], metric), _task_mean(b.tasks[task], metric)) for task in tasks]
    known = [(before, after) for before, after in means if before is not None and after is not None]
    found = statistics.paired_difference([before for before, _ in known], [after for _, after in known])
    reasons = [found.reason] if found.reason is not None else []
    if unknown := len(tasks) - len(known):
        name = _METRIC_NAMES[metric]
        reasons.insert(0, f"the {name} is not known on both sides for {unknown} of {len(tasks)} tasks")
    return PairMetric(
        metric=metric,
        difference=found.value,
        low=found.low,
        high=found.high,
        tasks=len(known),
        p=found.p,
        smallest_visible=found.smallest_visible,
        reason="; ".join(reasons) or None,
    )


def _task_mean(attempts: Sequence[Attempt], metric: Metric) -> float | None:
    values = [_value(attempt, metric) for attempt in attempts]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _value(attempt: Attempt, metric: Metric) -> float | None:
    match metric:
        case "pass_rate":
            return float(attempt.passed)
        case "cost_usd":
            return attempt.cost_usd
        case "seconds":
            return attempt.seconds
        case "tokens":
            return attempt.tokens


def _verdict(found: PairMetric, p: float | None) -> Verdict | None:
    """`RULE`, applied to a metric of a pair and its adjusted p."""
    if found.difference is None or p is None:
        return None
    low, high = (found.difference if bound is None else bound for bound in (found.low, found.high))
    if p >= statistics.ALPHA or low <= 0 <= high:
        return "no difference shown"
    return "better" if (low > 0) == (found.metric == "pass_rate") else "worse"


def headline(comparison: Comparison) -> str:
    """The answer in one sentence: who passes more, whether that is shown by the rule, what a success costs.

    Plain text with the variants' own names in it, which are hostile like all that comes from a job.
    """
    if comparison.by == "version":
        # A bare version number would not read as a name.
        names = {one.variant: f"{one.agent}@{one.agent_version}" for one in comparison.variants}
    else:
        names = fmt.short_names(comparison.variants)
    if len(comparison.variants) == 2:
        return f"{_answer_of_two(comparison, names)}; {_prices(comparison.variants, names)}."
    ranked = sorted(comparison.variants, key=lambda one: -_rate(one))
    return f"{_answer_of_many(comparison, ranked[0], names)}; {_prices(ranked, names)}."


def _answer_of_two(comparison: Comparison, names: dict[str, str]) -> str:
    pair, results = comparison.pairs[0], {one.variant: one for one in comparison.variants}
    passed = pair.metrics[METRICS.index("pass_rate")]
    a, b = names[pair.a], names[pair.b]
    if passed.verdict is None:
        return (
            f"Whether {b} passes more or less than {a} cannot be said ({passed.reason}): {b} "
            f"{_passed(results[pair.b])} and {a} {_passed(results[pair.a])}"
        )
    shown = {
        "better": f"{b} passes more than {a}",
        "worse": f"{b} passes less than {a}",
        "no difference shown": f"no difference in pass rate is shown between {b} and {a}",
    }[passed.verdict]
    interval = passed.reason
    if passed.low is not None and passed.high is not None:
        interval = f"95 % interval {fmt.interval(passed.low, passed.high, fmt.points, signed=True)}"
    for_whom = f" for {b}" if passed.verdict == "no difference shown" and passed.difference else ""
    return (
        f"On the {passed.tasks} tasks both ran, {shown}: {fmt.difference(passed.difference, fmt.points)}"
        f"{for_whom} ({interval}, p = {passed.p:.2g}); "
        f"{b} {_passed(results[pair.b])} and {a} {_passed(results[pair.a])}"
    )


def _passed(one: VariantResult) -> str:
    rate = one.pass_rate.value
    return "has no attempt that counts" if rate is None else f"passed {fmt.percent(rate)} of its attempts"


def _answer_of_many(comparison: Comparison, first: VariantResult, names: dict[str, str]) -> str:
    rate = first.pass_rate.value
    if rate is None:
        return f"None of {len(names)} variants has an attempt that counts"
    equals = [one for one in comparison.variants if one.pass_rate.value == rate]
    if len(equals) > 1:
        who = _listed([names[one.variant] for one in equals])
        return f"Of {len(names)} variants, {who} passed the largest share of attempts ({fmt.percent(rate)} each)"
    others: dict[str, list[str]] = {}
    for pair in comparison.pairs:
        if first.variant in (pair.a, pair.b):
            verdict = pair.metrics[METRICS.index("pass_rate")].verdict
            if pair.a == first.variant:
                verdict = {"better": "worse", "worse": "better"}.get(verdict or "", verdict)
            others.setdefault(verdict or "", []).append(names[pair.b if pair.a == first.variant else pair.a])
    said = {
        "better": "shown to pass more than {}",
        "no difference shown": "not shown to differ from {}",
        "worse": "shown to pass less than {} on the tasks both ran",
        "": "with too few tasks in common to be told from {}",
    }
    against = ", ".join(text.format(_listed(others[key])) for key, text in said.items() if key in others)
    return (
        f"Of {len(names)} variants, {names[first.variant]} passed the largest share of attempts "
        f"({fmt.percent(rate)}), {against}"
    )


def _prices(variants: Sequence[VariantResult], names: dict[str, str]) -> str:
    """What a success costs with each variant."""
    prices: list[str] = []
    for one in variants:
        cost = one.cost_to_complete_usd
        at_least = "at least " if cost.at_least else ""
        price = "an unknown amount" if cost.value is None else f"{at_least}{fmt.money(cost.value)}"
        if one.passes:
            prices.append(f"{price} with {names[one.variant]}")
    without = [names[one.variant] for one in variants if not one.passes]
    parts = [f"a success costs {_listed(prices)}"] if prices else []
    if without:
        parts.append(f"{_listed(without)} {'has' if len(without) == 1 else 'have'} no success")
    return ", ".join(parts)


def _rate(one: VariantResult) -> float:
    """For ranking only: a variant whose pass rate is not known comes last."""
    return -1.0 if one.pass_rate.value is None else one.pass_rate.value


def _listed(parts: Sequence[str]) -> str:
    if len(parts) > _MOST_NAMES + 1:
        parts = [*parts[:_MOST_NAMES], f"{len(parts) - _MOST_NAMES} more"]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
