"""One side of the gate: the attempts of one variant, from wherever they come."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from adapter.errors import BadInputError
from adapter.trial import Status, Variant
from pipelines.subsets import is_named
from views import metrics
from views.gate_pairs import Side


@dataclass(frozen=True, slots=True)
class GateSide:
    """What one variant tried, with where it comes from.

    Attributes:
        role: `baseline` or `candidate`.
        source: as it was given.
        variant: what was run.
        dataset: its dataset.
        versions: the dataset's versions, as far as they are known.
        jobs: the jobs' names.
        side: the attempts.
        warnings: what there is to say of it, such as a trial that cannot be read.
        is_open: whether something of it is still to come, or to be read: a job that has no end.
    """

    role: str
    source: str
    variant: Variant
    dataset: str
    versions: tuple[str, ...]
    jobs: tuple[str, ...]
    side: Side
    warnings: tuple[str, ...] = ()
    is_open: bool = False

    @property
    def release(self) -> str:
        """The dataset with its version, as far as that is known."""
        return f"{self.dataset}@{', '.join(self.versions)}" if self.versions else self.dataset

    def only(self, names: Collection[str]) -> GateSide:
        """The same with these tasks only."""
        side = Side(
            {task: several for task, several in self.side.tasks.items() if task in names},
            {task: counts for task, counts in self.side.excluded.items() if task in names},
        )
        return replace(self, side=side)

    def check(self) -> None:
        """Raises `BadInputError` where no attempt counts."""
        if self.side.tasks:
            return
        statuses = sorted({status for counts in self.side.excluded.values() for status in counts})
        why = f" (all of its trials are {', '.join(statuses)})" if statuses else ""
        raise BadInputError(
            f"The {self.role} {self.source} holds no attempt that counts{why}.",
            "Give a job with finished trials; `kilobench inspect JOB` says how each of them ended.",
        )


def one_variant(trials: pd.DataFrame, role: str, source: str, named: str | None) -> pd.DataFrame:
    """The trials of one variant on one dataset.

    Args:
        trials: rows of `views.tables.TRIALS`.
        role: `baseline` or `candidate`.
        source: as it was given.
        named: the variant's name, or a part of it that no other has; None for the only one.

    Raises:
        BadInputError: there are several, or none of that name; or trials of several datasets.
    """
    trials = metrics.without_regrades(trials)
    names = sorted(map(str, trials["variant"].unique()))
    found = [one for one in names if named is None or one == named]
    if named is not None and not found:
        found = [one for one in names if named in one]
    option = f"--{role}-variant"
    if not found:
        what = f"The {role} {source} holds no variant {named}" if names else f"The {role} {source} holds no attempt"
        raise BadInputError(f"{what}.", f"Name one of these with {option}: {_listed(names)}." if names else _EMPTY)
    if len(found) > 1:
        raise BadInputError(
            f"The {role} {source} holds {len(found)} variants: {_listed(found)}.", f"Name one of them with {option}."
        )
    trials = trials[trials["variant"] == found[0]]
    datasets = sorted(map(str, trials["dataset"].unique()))
    if len(datasets) > 1:
        raise BadInputError(
            f"The {role} {source} holds trials of {len(datasets)} datasets: {_listed(datasets)}.",
            "Give the jobs of one dataset at a time.",
        )
    return trials


_EMPTY = "Give the folder of a finished Harbor job."


def side_of(
    trials: pd.DataFrame, role: str, source: str, warnings: Sequence[str] = (), *, is_open: bool = False
) -> GateSide:
    """The attempts in rows of `views.tables.TRIALS` of one variant on one dataset; at least one row."""
    (runs,) = metrics.runs(trials)
    excluded: dict[str, dict[str, int]] = {}
    for row in trials.sort_values(["task", "status"])[["task", "status"]].to_dict("records"):
        if not Status(str(row["status"])).counts:
            counts = excluded.setdefault(str(row["task"]), {})
            counts[str(row["status"])] = counts.get(str(row["status"]), 0) + 1
    versions = sorted({str(one) for one in trials["dataset_version"].dropna().unique()})
    return GateSide(
        role=role,
        source=source,
        variant=runs.variant,
        dataset=str(trials["dataset"].iloc[0]),
        versions=tuple(versions),
        jobs=runs.jobs,
        side=Side(runs.tasks, excluded),
        warnings=tuple(warnings),
        is_open=is_open,
    )


def chosen(names: Sequence[str], baseline: GateSide, candidate: GateSide, where: str) -> frozenset[str]:
    """The tasks that a subset names, patterns among them, of those that either side tried.

    Raises:
        BadInputError: neither side tried one of them.
    """
    known = baseline.side.tried | candidate.side.tried
    found = {name: [one for one in known if is_named(one, name)] for name in names}
    unknown = [name for name, several in found.items() if not several]
    if unknown:
        raise BadInputError(
            f"--subset {where} names tasks that neither side has tried: {_listed(unknown)}.",
            f"Correct the names, run these tasks, or take them out. Tried were: {_listed(sorted(known))}.",
        )
    return frozenset(one for several in found.values() for one in several)


def check_alike(baseline: GateSide, candidate: GateSide, changed: Collection[str], *, allow_unequal: bool) -> None:
    """Raises `BadInputError` where the two sides were not given the same tasks."""
    common = baseline.side.tried & candidate.side.tried
    if not common:
        raise BadInputError(
            f"The two sides have no task in common: the baseline tried {_listed(sorted(baseline.side.tried))}, the "
            f"candidate {_listed(sorted(candidate.side.tried))}.",
            "Give two jobs on the same tasks.",
        )
    if allow_unequal:
        return
    hint = "Run both on the same version of the tasks, or leave out what differs with --allow-unequal."
    if changed:
        raise BadInputError(
            f"Between the two sides {len(changed)} of {len(common)} tasks changed (other task checksums): "
            f"{_listed(sorted(changed))}.",
            hint,
        )
    unsure = sorted(task for task in common if not (_summed(baseline.side, task) and _summed(candidate.side, task)))
    if unsure and baseline.release != candidate.release:
        raise BadInputError(
            f"The two sides ran other versions of the tasks, {baseline.release} and {candidate.release}; that these "
            f"stayed the same no checksum says: {_listed(unsure)}.",
            "Run both on the same version of the tasks, or compare them all the same with --allow-unequal.",
        )


def _summed(side: Side, task: str) -> bool:
    """Whether the checksum of a task is known, as far as it was tried."""
    return all(one.checksum is not None for one in side.tasks.get(task, ()))


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more or "none"
