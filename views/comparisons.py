"""Which variants differ in one respect only, and whether the difference is real.

`model`: dataset, agent, version, effort and settings are equal. `version`: dataset, agent, model, effort and
settings are equal. `agent`: dataset and model are equal; version, effort and settings belong to an agent and
may differ with it. `effort`: all but the effort is equal. A field that is not recorded equals another that is not
recorded. But where models (or versions, or efforts) are compared, a variant whose own is not recorded takes no part:
nobody can say what differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from types import MappingProxyType
from typing import get_args

import pandas as pd
from packaging.version import InvalidVersion, Version

from adapter.trial import Variant
from views import metrics
from views.complementarity import complementarity
from views.error_rates import ErrorRates
from views.metrics import Runs
from views.pairs import RULE, pairs_of
from views.results import By, Comparison, VariantResult

KINDS: tuple[By, ...] = get_args(By.__value__)
NO_JUDGES: Mapping[str, ErrorRates] = MappingProxyType({})


def compare(
    trials: pd.DataFrame,
    *,
    kinds: Sequence[By] = KINDS,
    allow_unequal: bool = False,
    judges: Mapping[str, ErrorRates] = NO_JUDGES,
) -> list[Comparison]:
    """Every comparison that the trials allow, in a fixed order whatever the order of the trials.

    Args:
        trials: rows of `views.tables.TRIALS`, of any number of datasets.
        kinds: what is compared.
        allow_unequal: whether verdicts are given on what both variants ran where they were not run alike.
        judges: how often each judge errs, as far as that was measured, by the name in the trials' `judge_` columns.
    """
    found: list[Comparison] = []
    for dataset, part in metrics.by_dataset(trials).items():
        runs = metrics.runs(part)
        results = {one.name: metrics.result(one, judges) for one in runs}
        for by in kinds:
            found += _comparisons(dataset, by, runs, results, allow_unequal=allow_unequal)
    return found


def _comparisons(
    dataset: str, by: By, runs: Sequence[Runs], results: Mapping[str, VariantResult], *, allow_unequal: bool
) -> list[Comparison]:
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
                    pairs=pairs_of(pairs, allow_unequal=allow_unequal),
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
