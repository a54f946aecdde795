"""`kilobench judge --list` and `--compare-runs`: the judge runs that there were, and what changed between two."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from adapter.errors import BadInputError
from adapter.loose import text
from adapter.opik_connection import Connection, connect
from adapter.opik_read import OpikReader
from judges.criteria import criteria
from judges.kappa import cohen_kappa
from judges.panel import Combine, combine
from judges.verdict import Verdict
from pipelines.judge_runs import StoredRun, judges_project, read_runs

_DEFAULT_PROJECT = "kilobench"


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ListedRun(_Result):
    """A judge run. `spend_usd` and `tokens` are None where those of any call are not known."""

    id: str
    started_at: str
    project: str
    experiments: tuple[str, ...]
    models: tuple[str, ...]
    prompt_versions: dict[str, str]
    settings: dict[str, str | int | float | None]
    calls: int
    cached_calls: int
    tokens: int | None
    spend_usd: float | None
    verdicts: int
    failed: int


class RunList(_Result):
    """Judge runs, the newest first."""

    runs: tuple[ListedRun, ...]


class Flip(_Result):
    """A step whose label changed."""

    trial: str
    step: int
    criterion: str
    before: str
    after: str
    why_before: str
    why_after: str


class CriterionChange(_Result):
    """What changed by one criterion, over the steps that both runs judged.

    `kappa` is Cohen's between the two runs; it and `agreement` are None where they are not defined.
    """

    criterion: str
    common: int
    flipped: int
    agreement: float | None
    kappa: float | None
    only_before: int
    only_after: int


class RunComparison(_Result):
    """What `kilobench judge --compare-runs A B` says: `before` is A, `after` is B."""

    before: ListedRun
    after: ListedRun
    criteria: tuple[CriterionChange, ...]
    flips: tuple[Flip, ...]


def list_runs(experiments: Sequence[str], project: str | None, opik: str | None) -> RunList:
    """The judge runs of experiments, or of a project.

    Raises:
        BadInputError: there is no such experiment, or nothing is named.
        IncompleteError: Opik does not answer or refuses.
    """
    if bool(experiments) == (project is not None):
        raise BadInputError("Whose judge runs are meant is not clear.", "Give one of --experiment and --project.")
    with connect(opik, project or _DEFAULT_PROJECT) as connection:
        found = [
            _listed(run, name)
            for name in _projects(connection, experiments, project)
            for run in read_runs(connection, name)
            if not experiments or set(run.head.experiments) & set(experiments)
        ]
    return RunList(runs=tuple(sorted(found, key=lambda one: one.started_at, reverse=True)))


def compare_runs(
    two: tuple[str, str], experiments: Sequence[str], project: str | None, opik: str | None
) -> RunComparison:
    """What changed between two judge runs.

    Args:
        two: their ids, or as much of the beginning as tells them apart.
        experiments: whose runs they are; they need not be named where a project is.
        project: the project whose traces they judged; without one, `kilobench`.
        opik: where to look.

    Raises:
        BadInputError: an id names no run, or several.
        IncompleteError: Opik does not answer or refuses.
    """
    with connect(opik, project or _DEFAULT_PROJECT) as connection:
        runs = [
            (name, run)
            for name in _projects(connection, experiments, project or (None if experiments else _DEFAULT_PROJECT))
            for run in read_runs(connection, name)
        ]
    before, after = (_named(one, runs) for one in two)
    old, new = counting(before[1]), counting(after[1])
    common = [place for place in old if place in new]
    flips = [
        Flip(
            trial=place[0],
            step=place[1],
            criterion=place[2],
            before=old[place].label,
            after=new[place].label,
            why_before=old[place].explanation,
            why_after=new[place].explanation,
        )
        for place in sorted(common)
        if old[place].label != new[place].label
    ]
    names = dict.fromkeys(place[2] for place in (*old, *new))
    return RunComparison(
        before=_listed(before[1], before[0]),
        after=_listed(after[1], after[0]),
        criteria=tuple(_change(name, old, new) for name in names),
        flips=tuple(flips),
    )


type _Place = tuple[str, int, str]
"""Trial, step, criterion."""


def counting(run: StoredRun) -> dict[_Place, Verdict]:
    """The verdicts of a run that counted: the only model's, the panel's, or that of whom it was escalated to."""
    said: dict[_Place, list[Verdict]] = {}
    for verdict in run.verdicts:
        said.setdefault((verdict.trial, verdict.step, verdict.criterion), []).append(verdict)
    how = Combine(run.head.settings.get("combine") or Combine.UNION)
    last = run.head.settings.get("escalate")
    return {place: _one(its, how, last) for place, its in said.items()}


def _one(verdicts: list[Verdict], how: Combine, last: object) -> Verdict:
    final = [verdict for verdict in verdicts if verdict.by == last]
    if final or len(verdicts) == 1:
        return (final or verdicts)[0]
    criterion = criteria().get(verdicts[0].criterion)
    if criterion is None:
        # The file of a criterion of one's own is not here: of what its judges said, the worst.
        return min(verdicts, key=lambda one: (1.0 if one.value is None else one.value, one.by))
    return combine(verdicts, how, criterion)


def _change(name: str, old: dict[_Place, Verdict], new: dict[_Place, Verdict]) -> CriterionChange:
    before = {place for place in old if place[2] == name}
    after = {place for place in new if place[2] == name}
    common = before & after
    pairs = [(old[place].label, new[place].label) for place in common]
    same = sum(one == other for one, other in pairs)
    return CriterionChange(
        criterion=name,
        common=len(common),
        flipped=len(common) - same,
        agreement=same / len(common) if common else None,
        kappa=cohen_kappa(pairs),
        only_before=len(before - after),
        only_after=len(after - before),
    )


def _projects(connection: Connection, experiments: Sequence[str], project: str | None) -> list[str]:
    """The projects whose traces were judged."""
    if project is not None:
        return [project]
    reader = OpikReader(connection)
    named = [text(one.metadata.get("project")) for name in experiments for one in reader.experiments(name)]
    return list(dict.fromkeys(one or _DEFAULT_PROJECT for one in named))


def _named(wanted: str, runs: Sequence[tuple[str, StoredRun]]) -> tuple[str, StoredRun]:
    found = [one for one in runs if wanted and one[1].head.id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if not found:
        where = ", ".join(dict.fromkeys(judges_project(name) for name, _ in runs)) or "the project"
        raise BadInputError(f"No judge run {wanted} is kept in {where}.", "See which there are with --list.")
    ids = ", ".join(run.head.id for _, run in found)
    raise BadInputError(f"{wanted} names several judge runs: {ids}.", "Give more of its id.")


def _listed(run: StoredRun, project: str) -> ListedRun:
    head = run.head
    return ListedRun(
        id=head.id,
        started_at=head.started_at.isoformat(timespec="seconds"),
        project=project,
        experiments=head.experiments,
        models=head.models,
        prompt_versions=head.prompt_versions,
        settings=head.settings,
        calls=len(run.calls) - run.cached_calls,
        cached_calls=run.cached_calls,
        tokens=run.tokens,
        spend_usd=run.spend_usd,
        verdicts=len(counting(run)),
        failed=len(run.failed),
    )
