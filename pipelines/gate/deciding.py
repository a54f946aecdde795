"""`kilobench gate`: both sides are read, the rule decides, and the answer is written where it was asked for."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from adapter.errors import BadInputError, ExitCode
from adapter.opik_connection import Connection, connect
from adapter.opik_store import OpikStore
from adapter.prices import PriceBook
from adapter.status import BY_REWARD, Grading
from pipelines.alone import alone
from pipelines.compare import variants_by_dataset
from pipelines.gate.attempts import GateSide, check_alike, chosen
from pipelines.gate.baseline import write_baseline
from pipelines.gate.results import GateResult, GateVariant, SavedBaseline
from pipelines.gate.sources import Loaded, Reader, Source, load_file
from pipelines.known_errors import known_errors
from pipelines.live import DEFAULT_PROJECT, project_of
from pipelines.progress import Bars
from pipelines.results import SavedComparison
from pipelines.saved_views import save_views
from pipelines.subsets import subset_of
from pipelines.written import Written
from views import format as fmt
from views.comparisons import compare
from views.gate import decide
from views.gate_pairs import CHANGED, pair_up
from views.gate_results import Check, Decided
from views.gate_rule import DEFAULT_RULE, Rule
from views.gate_sequential import Look
from views.metric_names import METRIC_NAMES

_EXIT = {"pass": ExitCode.DONE, "regression": ExitCode.REGRESSION, "inconclusive": ExitCode.INCOMPLETE}


@dataclass(frozen=True, slots=True)
class GateRequest:
    """What `kilobench gate` was told.

    Attributes:
        baseline: job folders, names of experiments, or one saved baseline.
        candidate: likewise; empty where the baseline is only to be saved.
        baseline_variant: the baseline's variant, where there are several.
        candidate_variant: likewise.
        subset: a file of tasks.
        rule: the thresholds.
        look: which look this is, of several that were planned.
        allow_unequal: whether tasks that changed are left out, in place of a refusal.
        save_baseline: where the baseline is written to.
        project: the Opik project; None for that of the jobs' live traces, else the default one.
        opik: `embedded`, the address of an Opik, or None for the configured one.
        grading: what decides whether a trial of a job folder passed.
        prices: the user's own prices.
    """

    baseline: tuple[str, ...]
    candidate: tuple[str, ...] = ()
    baseline_variant: str | None = None
    candidate_variant: str | None = None
    subset: Path | None = None
    rule: Rule = DEFAULT_RULE
    look: Look | None = None
    allow_unequal: bool = False
    save_baseline: Path | None = None
    project: str | None = None
    opik: str | None = None
    grading: Grading = BY_REWARD
    prices: Path | None = None

    def check(self) -> None:
        """Raises `BadInputError` where a side is missing."""
        if not self.baseline:
            raise BadInputError("No baseline is named.", "Name one with --baseline: a job, an experiment or a file.")
        if not self.candidate and self.save_baseline is None:
            raise BadInputError(
                "No candidate is named.", "Name one with --candidate; or save the baseline with --save-baseline FILE."
            )


def gate(request: GateRequest, bars: Bars) -> GateResult | SavedBaseline:
    """Decides; without a candidate the baseline is saved, and that is all.

    Raises:
        BadInputError: what was given cannot be used.
        IncompleteError: Opik does not answer or refuses; the same command takes it up again.
    """
    request.check()
    names = () if request.subset is None else subset_of(request.subset)
    baseline = Source.of("baseline", request.baseline, request.baseline_variant)
    sources = [baseline]
    if request.candidate:
        sources.append(Source.of("candidate", request.candidate, request.candidate_variant))
    with ExitStack() as stack:
        if all(one.file is not None for one in sources):
            loaded = [load_file(one, one.file) for one in sources if one.file is not None]
            saved: list[SavedComparison] = []
            warnings: list[str] = []
            wanted = _wanted(loaded, names, request)
        else:
            book = PriceBook.of(request.prices)
            jobs = {job.path: job for one in sources for job in one.jobs}
            project = project_of(list(jobs.values()), request.project) if jobs else request.project or DEFAULT_PROJECT
            connection = stack.enter_context(connect(request.opik, project))
            stack.enter_context(alone(connection.address))
            stack.enter_context(bars.showing())
            reader = Reader(project, request.grading, book, connection, bars)
            loaded = [reader.load(one) for one in sources]
            wanted = _wanted(loaded, names, request)
            saved, warnings = _save(loaded, connection, project, bars, allow_unequal=request.allow_unequal)
    path = request.save_baseline
    if path is not None:
        write_baseline(loaded[0].side, path)
    notes = [f"{one.side.role}: {said}" for one in loaded for said in one.side.warnings]
    if len(loaded) == 1:
        side = loaded[0].side
        return SavedBaseline(
            saved_baseline=str(path),
            baseline=_told(side, request.baseline),
            excluded=sum(sum(counts.values()) for counts in side.side.excluded.values()),
            warnings=tuple(notes),
            exit_code=ExitCode.DONE,
        )
    decided = decided_of(wanted[0], wanted[1], request.rule, request.look)
    return GateResult(
        **dict(decided),
        headline=headline(decided),
        baseline=_told(wanted[0], request.baseline),
        candidate=_told(wanted[1], request.candidate),
        next_command=next_command(request, decided, wanted[1]),
        comparisons=tuple(saved),
        warnings=(*notes, *warnings),
        junit=None,
        summary=None,
        saved_baseline=None if path is None else str(path),
        exit_code=_EXIT[decided.decision],
    )


def _wanted(loaded: Sequence[Loaded], names: Sequence[str], request: GateRequest) -> list[GateSide]:
    """Both sides, with the tasks that are wanted.

    Raises:
        BadInputError: the two were not given the same tasks, or the subset names others.
    """
    sides = [one.side for one in loaded]
    if len(sides) < 2:
        return sides
    if names:
        tasks = chosen(names, sides[0], sides[1], str(request.subset))
        sides = [one.only(tasks) for one in sides]
    found = pair_up(sides[0].side, sides[1].side)
    changed = [task for task, why in found.left_out.items() if why == CHANGED]
    check_alike(sides[0], sides[1], changed, allow_unequal=request.allow_unequal)
    if not found.pairs:
        reasons = "; ".join(f"{task}: {why}" for task, why in list(found.left_out.items())[:3])
        raise BadInputError(
            f"There is no task on which the two sides can be compared ({reasons}).",
            "`kilobench inspect JOB` says how each trial ended.",
        )
    return sides


def decided_of(baseline: GateSide, candidate: GateSide, rule: Rule, look: Look | None) -> Decided:
    """What the rule says of two sides; a side of which something is still to come passes nothing.

    Args:
        baseline: with the tasks that are wanted.
        candidate: likewise.
        rule: fixed before they were seen.
        look: which look this is, of several that were planned.
    """
    decided = decide(pair_up(baseline.side, candidate.side), rule, look)
    unfinished = [one.role for one in (baseline, candidate) if one.is_open]
    if not unfinished or decided.decision == "regression":
        return decided
    reason = f"something of the {' and the '.join(unfinished)} is not there yet, or cannot be read"
    return decided.model_copy(update={"decision": "inconclusive", "reasons": (reason, *decided.reasons)})


def headline(decided: Decided) -> str:
    """The answer in one sentence. Numbers only: no name of a job is in it."""
    passed = decided.checks[0]
    rates = (
        f"pass rate {fmt.percent(passed.candidate)} against {fmt.percent(passed.baseline)} on {decided.tasks} "
        f"{'task' if decided.tasks == 1 else 'tasks'}, {fmt.difference(passed.difference, fmt.points)} "
        f"(bounds {fmt.interval(passed.low, passed.high, fmt.points, signed=True)})"
    )
    if decided.decision == "regression":
        worse = [METRIC_NAMES[one.metric].name for one in decided.checks if one.decision == "regression"]
        return f"Regression in {', '.join(worse)}: {rates}."
    if decided.decision == "pass":
        return f"Pass: {rates}."
    open_ = [METRIC_NAMES[one.metric].name for one in decided.checks if one.required and one.decision == "inconclusive"]
    of = f" in {', '.join(open_)}" if open_ else ""
    needed = decided.needed_attempts
    what = f" About {needed} attempts per task and side would decide it." if needed is not None else ""
    return f"Inconclusive{of}: {rates}.{what}"


def next_command(request: GateRequest, decided: Decided, candidate: GateSide) -> str | None:
    """The command that would go on until it is decided; None where it is decided, or where attempts would not help.

    It begins anew: this look had the whole error for itself, and attempts that were looked at so cannot be part of a
    series of looks that share it.
    """
    helps = decided.needed_attempts is not None or _open(decided.checks)
    if decided.decision != "inconclusive" or not helps:
        return None
    variant, one = candidate.variant, candidate
    known = variant.agent if variant.agent_version is None else f"{variant.agent}@{variant.agent_version}"
    # Only a registry's dataset has a version; else it is a folder of tasks.
    where = ("-d", f"{one.dataset}@{one.versions[0]}") if len(one.versions) == 1 else ("-p", one.dataset)
    words = ["kilobench", "bench", *where, "-a", known]
    rule = request.rule
    options: Mapping[str, object] = {
        "-m": variant.model_name,
        "--effort": variant.effort,
        "--subset": request.subset,
        "--margin": None if rule.margin == DEFAULT_RULE.margin else f"{rule.margin:g}",
        "--max-cost-increase": f"{rule.max_cost_increase:g}" if "cost_usd" in rule.asked else None,
    }
    words += [str(part) for name, value in options.items() if value is not None for part in (name, value)]
    words += [part for given in request.baseline for part in ("--baseline", given)]
    most = decided.needed_attempts or 2 * decided.attempts
    return shlex.join([*words, "--until-decided", "--max-attempts", str(most)])


def _open(checks: Sequence[Check]) -> bool:
    return any(one.required and one.decision == "inconclusive" for one in checks)


def _told(one: GateSide, given: tuple[str, ...]) -> GateVariant:
    attempts = [each for several in one.side.tasks.values() for each in several]
    return GateVariant(
        source=given,
        variant=one.variant.name,
        dataset=one.dataset,
        jobs=one.jobs,
        tasks=len(one.side.tasks),
        attempts=len(attempts),
        passes=sum(each.passed for each in attempts),
    )


def _save(
    loaded: Sequence[Loaded], connection: Connection, project: str, bars: Bars, *, allow_unequal: bool
) -> tuple[list[SavedComparison], list[str]]:
    """The comparison of the two variants, with its saved view, as `kilobench compare` makes it."""
    tables = [one.trials for one in loaded if one.trials is not None]
    if len(tables) < 2:
        return [], []
    trials = pd.concat(tables).drop_duplicates(["job_id", "trial_id"], ignore_index=True)
    wanted = {one.side.variant.name for one in loaded}
    if len(wanted) < 2:
        return [], ["both sides are the same variant: there is no comparison to save as a view"]
    judges = known_errors()
    comparisons = compare(trials, allow_unequal=allow_unequal, judges=judges)
    experiments = list({one.id: one for side in loaded for one in side.experiments}.values())
    traces = {key: trace for side in loaded for key, trace in side.traces.items()}
    store, written = OpikStore(connection, project), Written()
    advance = bars.stage("Save", "views", len(comparisons))
    views = save_views(
        comparisons, variants_by_dataset(trials, judges), trials, experiments, traces, store, written, advance
    )
    return views.comparisons, views.warnings
