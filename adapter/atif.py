"""Reading one ATIF trajectory, whatever its version and its faults.

Harbor's own strict model says whether it keeps the schema; what it refuses is read all the same, and named. Nothing
readable is dropped, nothing unreadable becomes a number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import get_args

from harbor.models.trajectories import Trajectory as StrictTrajectory
from pydantic import ValidationError

from adapter.agents import habits_of
from adapter.atif_steps import StepDraft, read_step
from adapter.errors import UnreadableError
from adapter.loose import Json, count, mapping, sequence, text
from adapter.results import give_all_results
from adapter.tokens import Convention, convention_of, read_totals, recorded_total, total
from adapter.tool_times import give_tool_times
from adapter.trial import Finding, Provenance, Severity, Source, Tokens

MAX_STEPS = 100_000
"""How many steps of one trajectory are read. The longest real one that is known has 1,038."""
_MARKS = frozenset(("compaction_summary", "context_management", "incomplete", "muse_compaction", "retries"))
"""Names in a step's `extra` under which producers say what became of an LLM call."""
_TURNS = 3
"""From so many agent steps on, metrics on the last one alone are not that step's."""
_VERSIONS = frozenset(get_args(StrictTrajectory.model_fields["schema_version"].annotation))
"""The versions that the installed Harbor knows."""


@dataclass(frozen=True, slots=True)
class TrajectoryFile:
    """What one trajectory says. Findings name steps by their position in it.

    Attributes:
        name: of the file, or of the place in it.
        ids: what a reference to it may call it: its trajectory's id, and its session's.
        tokens: the run's own total.
        cost_usd: the run's own total; 0 where it says 0.
        convention: how its token counts were taken.
        continued: the reference to the file where the run goes on.
        embedded: the sub-agents' trajectories that it holds, as they stand.
        cost_provenance: of `cost_usd`.
        is_whole: whether all that was spent stands on the agent's steps, as far as the file shows.
        is_cut: whether the file ends in the middle.
        counted: the run's own prompt and completion tokens as they stand, in no convention but the agent's.
    """

    name: str
    version: str | None
    agent: str | None
    agent_version: str | None
    model: str | None
    provider: str | None
    ids: tuple[str | None, str | None]
    steps: tuple[StepDraft, ...]
    tokens: Tokens | None
    cost_usd: float | None
    convention: Convention
    continued: str | None
    embedded: tuple[Json, ...]
    findings: tuple[Finding, ...]
    cost_provenance: Provenance = Provenance.RECORDED
    is_whole: bool = True
    is_cut: bool = False
    counted: tuple[int | None, int | None] = (None, None)


def read_trajectory(value: Json, name: str, *, is_part: bool = False, is_cut: bool = False) -> TrajectoryFile:
    """A trajectory from its JSON object.

    Args:
        value: the object.
        name: of the file, or of the place in it.
        is_part: whether it is a part of another trajectory, which was held against the schema as a whole.
        is_cut: whether its file ends in the middle: the numbers that stand last may be cut, too, and are not read.

    Raises:
        UnreadableError: it has more steps than are read of one file.
    """
    if len(sequence(value.get("steps"))) > MAX_STEPS:
        found = len(sequence(value.get("steps")))
        raise UnreadableError(f"{name} holds {found:,} steps; at most {MAX_STEPS:,} are read")
    if is_cut:
        value = _without_last_numbers(value)
    findings = [] if is_part else list(_schema_findings(value))
    raw = [step if isinstance(step, dict) else {"message": step} for step in sequence(value.get("steps"))]
    agent, final = mapping(value.get("agent")), mapping(value.get("final_metrics"))
    habits = habits_of(text(agent.get("name")))
    counted = [mapping(metrics) for step in raw if (metrics := step.get("metrics"))]
    convention = convention_of(counted, habits, text(agent.get("version")))
    steps = tuple(read_step(step, position, findings, convention) for position, step in enumerate(raw, 1))
    findings.extend(_convention_findings(convention))
    findings.extend(give_all_results(steps, raw, repeats_calls=habits.repeats_calls))
    give_tool_times(steps, raw, text(agent.get("name")))
    findings.extend(_time_findings(raw, steps))
    findings.extend(_mark_findings(raw))
    findings.extend(_charge_findings(raw))
    tokens, cost = read_totals(final, findings, convention)
    totals = None if habits.needs_metrics else _step_with_totals(steps, tokens, cost)
    if totals is not None:
        message = "Only the last step has metrics: they are the run's totals, and its own are not known."
        findings.append(Finding("metrics_are_totals", Severity.WARNING, message, totals.position))
        tokens, cost = tokens or totals.tokens, cost if cost is not None else totals.cost_usd
        totals.tokens, totals.cost_usd, totals.has_metrics = None, None, False
        totals.cost_provenance, totals.service = Provenance.UNKNOWN, None
    of_others = _metrics_of_others(steps)
    findings.extend(_metrics_findings(steps, of_others))
    model = agent.get("model")
    return TrajectoryFile(
        name=name,
        version=text(value.get("schema_version")),
        agent=text(agent.get("name")),
        agent_version=text(agent.get("version")),
        model=text(agent.get("model_name")) or text(model) or text(mapping(model).get("name")),
        provider=text(mapping(model).get("provider")),
        ids=(text(value.get("trajectory_id")), text(value.get("session_id"))),
        steps=steps,
        tokens=_in_detail(tokens, final, steps),
        cost_usd=cost,
        convention=convention,
        continued=text(value.get("continued_trajectory_ref")),
        embedded=tuple(map(mapping, sequence(value.get("subagent_trajectories")))),
        findings=tuple(findings),
        cost_provenance=_total_provenance(final, convention),
        is_whole=not (is_cut or of_others),
        is_cut=is_cut,
        counted=(count(recorded_total(final, "prompt_tokens")), count(recorded_total(final, "completion_tokens"))),
    )


def _total_provenance(final: Json, convention: Convention) -> Provenance:
    """What a run's total cost is: some producers say that they computed it."""
    is_computed = text(mapping(final.get("extra")).get("cost_source")) is not None
    return Provenance.PRICED if is_computed else convention.habits.total_cost


def _without_last_numbers(value: Json) -> Json:
    """A trajectory that was cut, without the numbers that stand where it was cut: of its last step, or its totals."""
    last = list(value)[-1] if value else None
    steps = sequence(value.get("steps"))
    if last != "steps" or not steps:
        return {key: item for key, item in value.items() if key != last or key == "steps"}
    cut = {key: item for key, item in mapping(steps[-1]).items() if key != "metrics"}
    return {**value, "steps": [*steps[:-1], cut]}


def _metrics_of_others(steps: Sequence[StepDraft]) -> list[int]:
    """The steps that are not the agent's and used tokens or money: an agent's own, under another's name."""
    return [
        step.position
        for step in steps
        if step.source is not Source.AGENT and not step.is_copied and (step.tokens is not None or step.cost_usd)
    ]


def is_trajectory(value: Json) -> bool:
    """Whether a JSON object may be meant as an ATIF trajectory."""
    return isinstance(value.get("steps"), list) or str(value.get("schema_version")).startswith("ATIF")


def _schema_findings(value: Json) -> Iterator[Finding]:
    """What Harbor's strict model has against the file, in one finding."""
    version = text(value.get("schema_version"))
    if version is None:
        message = "The trajectory names no ATIF version: read as the newest."
        yield Finding("version_missing", Severity.INFO, message)
    elif version not in _VERSIONS:
        message = f"ATIF version {version:.40} is none that the installed Harbor knows: read as far as it is known."
        yield Finding("version_unknown", Severity.WARNING, message)
    try:
        StrictTrajectory.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the trajectory"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        yield Finding("off_schema", Severity.INFO, f"Harbor's model refuses {place:.200}: {first['msg']:.200}{more}.")
    if not sequence(value.get("steps")):
        yield Finding("no_steps", Severity.WARNING, "The trajectory holds no steps.")


def _convention_findings(convention: Convention) -> Iterator[Finding]:
    if convention.habits.mixes_cache and convention.counts_reads:
        message = (
            "Its counts of cached tokens hold those that were written: what was read and what was fresh is not known."
        )
        yield Finding("cache_mixed", Severity.INFO, message)
    if convention.excludes_cache:
        message = (
            "Its prompts hold no cached tokens: more were cached than sent on most steps that read from the cache."
        )
        yield Finding("prompt_excludes_cache", Severity.INFO, message)
    if convention.excludes_reasoning is None:
        message = "Whether its completions hold the reasoning tokens is not known: taken to hold them."
        yield Finding("reasoning_undecided", Severity.WARNING, message)
    elif convention.excludes_reasoning:
        message = "Its completions hold no reasoning tokens: these are added."
        yield Finding("output_excludes_reasoning", Severity.INFO, message)


def _time_findings(raw: Sequence[Json], steps: Sequence[StepDraft]) -> Iterator[Finding]:
    known = [step.timestamp for step in steps if step.timestamp is not None]
    if any(_is_naive(step.get("timestamp")) for step in raw):
        yield Finding("naive_timestamp", Severity.INFO, "Time stamps without a zone are taken as UTC.")
    repeated = 0
    backward = False
    for earlier, later in pairwise(known):
        repeated += earlier == later
        backward = backward or later < earlier
    if backward:
        yield Finding("timestamps_backward", Severity.INFO, "Time stamps go backward from one step to the next.")
    if repeated:
        message = f"{repeated} of {len(steps)} steps have the time stamp of the step before."
        yield Finding("timestamps_repeated", Severity.INFO, message)
    if steps and len(known) < len(steps):
        message = f"{len(steps) - len(known)} of {len(steps)} steps have no time stamp."
        yield Finding("no_timestamp", Severity.INFO, message)


def _mark_findings(raw: Sequence[Json]) -> Iterator[Finding]:
    """What producers mark their steps with that says why a run's total may be more than its steps'."""
    marked = [
        (position, extra)
        for position, step in enumerate(raw, 1)
        if not _MARKS.isdisjoint(extra := mapping(step.get("extra")))
    ]
    if not marked:
        return
    unfinished = [position for position, extra in marked if extra.get("incomplete") is True]
    if unfinished:
        message = f"{len(unfinished)} LLM calls never ended: what they used is not known."
        yield Finding("calls_unfinished", Severity.WARNING, message, unfinished[0])
    tries = [(position, number) for position, extra in marked if (number := count(extra.get("retries")))]
    if tries:
        message = f"{len(tries)} LLM calls were tried again, {sum(number for _, number in tries)} times in all."
        yield Finding("calls_retried", Severity.INFO, message, tries[0][0])
    summaries = [position for position, extra in marked if _is_summary(extra)]
    if summaries:
        message = f"The context was summarised in {len(summaries)} steps."
        yield Finding("context_summarised", Severity.INFO, message, summaries[0])


def _charge_findings(raw: Sequence[Json]) -> Iterator[Finding]:
    """Kilo's converter marks the steps of a version of Kilo that charges reasoning twice."""
    marked = [
        position
        for position, step in enumerate(raw, 1)
        if mapping(mapping(step.get("metrics")).get("extra")).get("reasoning_charged_twice") is True
    ]
    if marked:
        message = f"The recorded costs of {len(marked)} steps hold their reasoning twice: priced instead, if possible."
        yield Finding("reasoning_charged_twice", Severity.WARNING, message, marked[0])


def _is_summary(extra: Json) -> bool:
    """Whether a step is marked as a summary of the context: as Kilo does, Terminus, or Muse Code."""
    handled = mapping(extra.get("context_management")).get("type") == "compaction"
    return extra.get("compaction_summary") is True or handled or bool(extra.get("muse_compaction"))


def _is_naive(stamp: object) -> bool:
    if not isinstance(stamp, str) or stamp.endswith("Z") or stamp.isdigit():
        return False
    try:
        return datetime.fromisoformat(stamp).tzinfo is None
    except ValueError:
        return False


def _metrics_findings(steps: Sequence[StepDraft], of_others: Sequence[int]) -> Iterator[Finding]:
    if of_others:
        message = f"{len(of_others)} steps that are not the agent's have metrics: what they used is in no LLM call."
        yield Finding("metrics_of_others", Severity.WARNING, message, of_others[0])
    several = [step for step in steps if step.calls > 1]
    if several:
        calls = sum(step.calls for step in several)
        message = f"{len(several)} steps come from {calls} LLM calls together: each step counts as one."
        yield Finding("steps_of_several_calls", Severity.INFO, message, several[0].position)
    turns = [step for step in steps if step.source is Source.AGENT and not step.is_copied]
    if turns and not any(step.has_metrics for step in turns):
        message = "No step has metrics: what each used is not known."
        yield Finding("no_step_metrics", Severity.INFO, message)


def _step_with_totals(steps: tuple[StepDraft, ...], tokens: Tokens | None, cost: float | None) -> StepDraft | None:
    """The last step where the run's totals stand on it, else None.

    It is so where it alone of several turns has metrics, and the file's totals (`tokens`, `cost`) say nothing else.
    """
    turns = [step for step in steps if step.source is Source.AGENT and not step.is_copied]
    with_metrics = [step for step in turns if step.has_metrics]
    if sum(not step.says_nothing for step in turns) < _TURNS or with_metrics != turns[-1:]:
        return None
    last = turns[-1]
    if last.tokens is None and not last.cost_usd:
        return None
    same_tokens = None in (tokens, last.tokens) or _sent_and_returned(tokens) == _sent_and_returned(last.tokens)
    same_cost = cost is None or last.cost_usd is None or math.isclose(cost, last.cost_usd)
    return last if same_tokens and same_cost else None


def _sent_and_returned(tokens: Tokens | None) -> tuple[int | None, int | None] | None:
    return None if tokens is None else (tokens.prompt, tokens.output)


def _in_detail(tokens: Tokens | None, final: Json, steps: Sequence[StepDraft]) -> Tokens | None:
    """The totals with what producers leave out of them and write on the steps: cache writes, reasoning.

    They are the steps' sums where these come to the same prompt and completion counts as recorded.
    """
    if tokens is None:
        return None
    counted = [step for step in steps if step.tokens is not None and not step.is_copied]
    for key in ("prompt_tokens", "completion_tokens"):
        if recorded_total(final, key) != sum([step.raw.get(key, 0) for step in counted]):
            return tokens
    sums = total(step.tokens for step in counted)
    if sums is None:
        return tokens
    hours = [step.tokens.cache_write_1h for step in counted if step.tokens and step.tokens.cache_write_1h is not None]
    return Tokens(
        input=_known(sums.input, tokens.input),
        cache_read=_known(sums.cache_read, tokens.cache_read),
        cache_write=_known(sums.cache_write, tokens.cache_write),
        output=_known(sums.output, tokens.output),
        reasoning=_known(sums.reasoning, tokens.reasoning),
        cache_write_1h=sum(hours) if hours else tokens.cache_write_1h,
    )


def _known(first: int | None, second: int | None) -> int | None:
    return second if first is None else first
