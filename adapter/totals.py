"""A run's own totals: what its trajectories and Harbor say that it used and cost in all, each thing once."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from adapter.agent_log import LogTotal
from adapter.loose import Json, count, mapping, number, sequence, text
from adapter.models import normalise
from adapter.tokens import Convention, read_context, total
from adapter.trajectories import Found, Run
from adapter.trial import Finding, JsonValue, Provenance, RunTotal, Severity, Tokens

_CONTEXT_SIZE = re.compile(r"\[[^\]]*\]$")
"""Claude Code's mark behind a model's name (`[1m]`): the model is the same."""
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Totals:
    """A run's own totals.

    Attributes:
        cost_provenance: of a known cost.
        sources: what each source says by itself.
    """

    tokens: Tokens | None
    cost_usd: float | None
    cost_provenance: Provenance
    sources: tuple[RunTotal, ...] = ()


def own_totals(
    result: Json,
    found: Found,
    held: AbstractSet[str],
    findings: list[Finding],
    *,
    is_free: bool,
    log: LogTotal | None = None,
) -> Totals:
    """Tokens and cost of the whole trial as recorded, each known only where it is the whole run's.

    Cost: Harbor's for the trial; else the sum of Harbor's for the steps of a multi-step trial, if each has one; else
    the sum of the trajectories', if each has one and the whole run stands in them.

    Tokens: the trajectories' under the same condition, since these alone say what was written to the cache; else
    Harbor's for the trial, or for all of its steps.

    Args:
        result: the trial's `result.json`.
        found: its trajectories.
        held: the steps whose totals the next step's hold already.
        findings: is told of what is wrong with the numbers.
        is_free: whether the model costs nothing by its nature, so that a cost of 0 is one.
        log: what the agent's own log says.
    """
    convention = next((run.files[0].convention for run in found.walk()), Convention())

    def read(context: JsonValue) -> tuple[Tokens | None, float | None]:
        return read_context(mapping(context), findings, convention)

    provenance = convention.habits.total_cost
    harbors, cost = read(result.get("agent_result"))
    steps = [mapping(step) for step in sequence(result.get("step_results"))]
    of_steps = [read(step.get("agent_result")) for step in steps if text(step.get("step_name")) not in held]
    settings = mapping(mapping(result.get("config")).get("agent"))
    if settings.get("resume_trajectory") is True and len(found.runs) < len(steps):
        of_steps = []  # each may hold those before it, and not all trajectories are there to tell
    of_runs = [_of_run(run) for segment, run in found.runs if segment not in held] if found.has_totals else []
    of_trajectories = total(one for one, _ in of_runs)
    harbors = harbors or total(one for one, _ in of_steps)
    tokens = of_trajectories or harbors
    if of_trajectories is not None and _is_copied(result, [run for name, run in found.runs if name not in held]):
        harbors = of_trajectories  # with what Harbor has no place for: cache writes, and reasoning beside the output
    of_files = _sum([one for _, one in of_runs])
    of_file = _least([run.files[-1].cost_provenance for _, run in found.runs])
    summed = _sum([one for _, one in of_steps])
    if of_files is not None and any(one is not None and math.isclose(one, of_files) for one in (cost, summed)):
        provenance = _least([provenance, of_file])  # Harbor copied it from there
    candidates = ((cost, provenance), (summed, provenance), (of_files, of_file))
    said = (
        ("trajectory", of_trajectories, of_files, of_file),
        ("harbor", harbors, cost if cost is not None else summed, provenance),
        ("agent", log and log.tokens, log and log.usd, Provenance.RECORDED),
    )
    # Harbor writes 0 where it knows no cost.
    cost, provenance = next((one for one in candidates if one[0] or (one[0] == 0 and is_free)), (None, provenance))
    if cost is None and tokens is not None and any(one == 0 for one, _ in candidates):
        message = "The run's own total cost is 0 for tokens used: not known."
        findings.append(Finding("cost_zero_with_tokens", Severity.WARNING, message))
    return Totals(tokens, cost, provenance, tuple(_sources(said, is_free=is_free)))


def _is_copied(result: Json, runs: Sequence[Run]) -> bool:
    """Whether Harbor's counts are those of the trajectories, which hold all that was used."""
    steps = [mapping(step) for step in sequence(result.get("step_results"))]
    contexts = [context for one in (result, *steps) if (context := mapping(one.get("agent_result")))]
    counted = [(count(one.get("n_input_tokens")), count(one.get("n_output_tokens"))) for one in contexts]
    return counted == [run.files[-1].counted for run in runs] and not any(run.subagents for run in runs)


def _sources(
    said: Iterable[tuple[str, Tokens | None, float | None, Provenance]], *, is_free: bool
) -> Iterator[RunTotal]:
    """The sources that say anything; a cost of 0 is none unless the model is free."""
    for source, tokens, cost, provenance in said:
        usd = cost if cost or is_free else None
        if usd is not None or tokens is not None:
            yield RunTotal(source, usd, Provenance.UNKNOWN if usd is None else provenance, tokens)


def other_models(result: Json, log: LogTotal | None, named: Iterable[str | None]) -> Iterator[Finding]:
    """Models that the run's own totals name and no step does: calls for titles and summaries, sub-agents not read.

    Args:
        result: the trial's `result.json`, with Harbor's `model_usage`.
        log: what the agent's own log says.
        named: the models of the variant and of the steps.
    """
    known = {normalise(name).name for name in named if name is not None}
    if not known:
        return
    found = dict(_used_by_harbor(result)) | dict(log.models if log is not None else {})
    others = {
        name: usd
        for name, usd in found.items()
        if not name.startswith("<") and normalise(_CONTEXT_SIZE.sub("", name)).name not in known
    }
    if others:
        shown = [f"{name:.100}" + ("" if not usd else f" ({usd:.6g} USD)") for name, usd in others.items()]
        more = f" and {len(shown) - _MOST_NAMED} more" if len(shown) > _MOST_NAMED else ""
        message = (
            f"The run's own totals hold calls of models that no step names: {', '.join(shown[:_MOST_NAMED])}{more}."
        )
        yield Finding("calls_of_other_models", Severity.INFO, message)


def _used_by_harbor(result: Json) -> Iterator[tuple[str, float | None]]:
    """The models in Harbor's own account of the trial, and what each cost."""
    steps = [mapping(step) for step in sequence(result.get("step_results"))]
    costs: dict[str, float | None] = {}
    for one in (result, *steps):
        usage: Mapping[str, JsonValue] = mapping(mapping(one.get("agent_result")).get("model_usage"))
        for name, value in usage.items():
            usd, before = number(mapping(value).get("cost_usd")), costs.get(name, 0.0)
            costs[name] = usd + before if usd is not None and before is not None and usd >= 0 else None
    yield from costs.items()


def _least(provenances: Sequence[Provenance]) -> Provenance:
    """Of costs that are summed: priced where any of them is."""
    return Provenance.PRICED if Provenance.PRICED in provenances else Provenance.RECORDED


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _of_run(run: Run) -> tuple[Tokens | None, float | None]:
    """A run's totals, with its sub-agents'.

    Where it goes on in several files, each file's totals hold those of the files before. Agents count what their
    sub-agents used among their own, unless the totals are no more than the sum of the agent's own steps.
    """
    last = run.files[-1]
    tokens, cost = last.tokens, last.cost_usd
    if not run.subagents:
        return tokens, cost
    own = [step for step in run.steps if step.has_metrics and not step.is_copied]
    below = [_of_run(one) for one in run.subagents]
    own_tokens = total(step.tokens for step in own)
    if tokens is not None and own_tokens is not None and _counts(own_tokens) == _counts(tokens):
        tokens = total([tokens, *(one for one, _ in below)])
    own_cost = _sum([step.cost_usd for step in own])
    if cost is not None and own_cost is not None and math.isclose(own_cost, cost, rel_tol=1e-6):
        cost = _sum([cost, *(one for _, one in below)])
    return tokens, cost


def _counts(tokens: Tokens) -> tuple[int | None, int | None]:
    return tokens.prompt, tokens.output
