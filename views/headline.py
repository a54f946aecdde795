"""A comparison's answer in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from views import format as fmt
from views.results import Comparison, VariantResult

_MOST_NAMES = 5
"""How many variants a headline names before it says how many more there are."""


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


def nothing_compared(variants: Mapping[str, Sequence[VariantResult]]) -> str:
    """Why there is no comparison, in a sentence.

    Args:
        variants: by dataset.
    """
    count = sum(map(len, variants.values()))
    if count < 2:
        return "There is one variant only: nothing to compare it with." if count else "There is no variant to compare."
    return "No two variants differ in one respect only on the same dataset: there is nothing to compare."


def _answer_of_two(comparison: Comparison, names: dict[str, str]) -> str:
    pair, results = comparison.pairs[0], {one.variant: one for one in comparison.variants}
    passed = pair.metric("pass_rate")
    a, b = names[pair.a], names[pair.b]
    # One sentence: a semicolon would end what it says first.
    reason = None if passed.reason is None else passed.reason.replace("; ", ", ")
    if passed.verdict is None:
        return (
            f"Whether {b} passes more or less than {a} cannot be said ({reason}): {b} "
            f"{_passed(results[pair.b])} and {a} {_passed(results[pair.a])}"
        )
    shown = {
        "better": f"{b} passes more than {a}",
        "worse": f"{b} passes less than {a}",
        "no difference shown": f"no difference in pass rate is shown between {b} and {a}",
    }[passed.verdict]
    interval = reason
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
            verdict = "refused" if pair.refused else pair.metric("pass_rate").verdict
            if pair.a == first.variant:
                verdict = {"better": "worse", "worse": "better"}.get(verdict or "", verdict)
            others.setdefault(verdict or "", []).append(names[pair.b if pair.a == first.variant else pair.a])
    said = {
        "better": "shown to pass more than {}",
        "no difference shown": "not shown to differ from {}",
        "worse": "shown to pass less than {} on the tasks both ran",
        "refused": "not run alike with {}",
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
