"""A trial's steps in one order, with their numbers, their LLM calls and their times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from adapter.atif import TrajectoryFile
from adapter.atif_steps import CallDraft, StepDraft
from adapter.cache_writes import with_writes
from adapter.calls import number_calls
from adapter.latency import left_by_tools
from adapter.litellm_prices import find_price
from adapter.price_rates import INPUT, WRITE
from adapter.service import on_bearers
from adapter.times import step_times
from adapter.trajectories import Run
from adapter.trial import Finding, Provenance, Severity, Span, Step, Timing, ToolCall

_NO_TIME = (Span(), Timing.UNKNOWN)


@dataclass(slots=True)
class _Placed:
    """A step in its place: which run of which step of the task it is of, its number, its LLM call, its time."""

    draft: StepDraft
    file: TrajectoryFile
    run: Run
    segment: str
    number: int = 0
    call: int | None = None
    time: tuple[Span, Timing] = _NO_TIME


def assemble(
    runs: Sequence[tuple[str, Run]], within: Mapping[str, Span], findings: list[Finding], model: str | None
) -> tuple[Step, ...]:
    """All steps of a trial; the files' findings get the steps' numbers in the trial.

    A sub-agent's steps follow the step that started it; those of one that nothing is known to have started stand at
    the end of the run that holds it.

    Args:
        runs: the agent's runs, each with the name of the multi-step trial's step it belongs to.
        within: the agent's own time in each of these steps.
        findings: is told of what was found.
        model: the variant's, for steps that name none.
    """
    placed = [one for segment, run in runs for one in _in_order(run, segment)]
    for number, one in enumerate(placed, 1):
        one.number = number
    threads = _threads(placed)
    _give_calls(placed, threads)
    _give_times(threads, within)
    findings.extend(_count_once(placed))
    findings.extend(_give_writes(threads, model))
    _give_services(placed)
    findings.extend(_call_findings(placed))
    findings.extend(_file_findings(placed, runs))
    numbers = {id(one.draft): one.number for one in placed if one.draft.started or one.draft.tool_calls}
    parents = {id(run): _parent(run.starter, numbers) for _, top in runs for run in top.walk()}
    return tuple([_frozen(one, *parents[id(one.run)]) for one in placed])


def _in_order(run: Run, segment: str) -> Iterator[_Placed]:
    started: dict[int, list[Run]] = {}
    for one in run.subagents:
        started.setdefault(0 if one.starter is None else id(one.starter[0]), []).append(one)
    for file in run.files:
        for draft in file.steps:
            yield _Placed(draft, file, run, segment)
            for below in started.get(id(draft), ()) if started else ():
                yield from _in_order(below, segment)
    for below in started.get(0, ()):
        yield from _in_order(below, segment)


def _threads(placed: Sequence[_Placed]) -> list[list[_Placed]]:
    """The steps of each agent and sub-agent: those of one run, and apart from them the ones marked within it."""
    threads: dict[tuple[int, str], list[_Placed]] = {}
    for one in placed:
        threads.setdefault((id(one.run), one.draft.subagent), []).append(one)
    return list(threads.values())


def _give_calls(placed: Sequence[_Placed], threads: Sequence[Sequence[_Placed]]) -> None:
    """Numbers the LLM calls of the trial in the order in which they appear."""
    of_thread: dict[int, tuple[int, int]] = {}
    for number, thread in enumerate(threads):
        calls = number_calls([one.draft for one in thread], thread[0].file.convention.habits)
        for one, call in zip(thread, calls, strict=True):
            if call is not None:
                of_thread[one.number] = number, call
    order: dict[tuple[int, int], int] = {}
    for one in placed:
        own = of_thread.get(one.number)
        if own is not None:
            one.call = order.setdefault(own, len(order) + 1)


def _give_times(threads: Sequence[Sequence[_Placed]], within: Mapping[str, Span]) -> None:
    for thread in threads:
        first = thread[0]
        is_main = not (first.run.subagent or first.draft.subagent)
        agent_time = within.get(first.segment, Span()) if is_main else Span()
        stamps = [(one.draft.timestamp, one.draft.duration) for one in thread]
        times = step_times(stamps, first.file.convention.habits.stamp, agent_time)
        for one, time in zip(thread, times, strict=True):
            one.time = time


def _count_once(placed: Sequence[_Placed]) -> Iterator[Finding]:
    """Takes away metrics that a call's later steps repeat."""
    bearer: dict[int, StepDraft] = {}
    repeated: list[int] = []
    for one in placed:
        draft = one.draft
        if one.call is None or not draft.has_metrics:
            continue
        if bearer.setdefault(one.call, draft) is not draft:
            draft.tokens, draft.cost_usd, draft.cost_provenance = None, None, Provenance.UNKNOWN
            repeated.append(one.number)
    if repeated:
        message = f"{len(repeated)} steps repeat the metrics of their LLM call: these count once."
        yield Finding("metrics_repeated", Severity.WARNING, message, repeated[0])


def _bills_writes(model: str) -> bool:
    """Whether input that is written to the cache costs more: Anthropic's, and OpenAI's since GPT-5.6."""
    if "claude" in model.lower():
        return True
    price = find_price(None, model)
    return price is not None and price.rates.get(WRITE, 0.0) > price.rates.get(INPUT, 0.0)


def _give_writes(threads: Sequence[Sequence[_Placed]], model: str | None) -> Iterator[Finding]:
    """Gives calls what they wrote to the cache, where that has a price and their trajectory has no place for it."""
    steps: list[int] = []
    unknown = 0
    for thread in threads:
        file = thread[0].file
        if file.convention.counts_writes or not file.convention.habits.drops_writes:
            continue
        own = [one for one in thread if one.call is not None and one.draft.tokens is not None]
        if not own or not all(_bills_writes(one.draft.model or file.model or model or "") for one in own):
            continue
        before = [one.draft.tokens for one in own if one.draft.tokens is not None]
        after = with_writes(before, beside_input=file.convention.excludes_cache)
        for one, tokens in zip(own, after, strict=True):
            one.draft.tokens = tokens
        steps += [one.number for one, was, now in zip(own, before, after, strict=True) if was != now]
        unknown += sum(was.input is not None and now.input is None for was, now in zip(before, after, strict=True))
    if steps:
        less = f"; of {unknown}, and what they were sent, it is not known" if unknown else ""
        message = f"What {len(steps)} LLM calls wrote to the cache is not counted: taken from what the next read{less}."
        yield Finding("cache_writes_inferred", Severity.INFO, message, steps[0])


def _give_services(placed: Sequence[_Placed]) -> None:
    """What is said of how a call was served, or how long it took, stands on one of its steps."""
    if any(one.draft.service is not None for one in placed):
        said = [one.draft.service for one in placed]
        on_bearers([one.call for one in placed], [one.draft.tokens is not None for one in placed], said)
        for one, service in zip(placed, said, strict=True):
            one.draft.service = service
    timed: set[int | None] = {None}
    for one in placed:
        if one.draft.model_seconds is not None:
            one.draft.model_seconds = None if one.call in timed else one.draft.model_seconds
            timed.add(one.call)


def _call_findings(placed: Sequence[_Placed]) -> Iterator[Finding]:
    counted = {one.call for one in placed if one.call is not None and one.draft.tokens is not None}
    bare = [one for one in placed if one.call is not None and one.call not in counted]
    if counted and bare:
        calls = len({one.call for one in bare})
        message = f"{calls} of {calls + len(counted)} LLM calls have no token counts: what they used is not known."
        yield Finding("calls_without_tokens", Severity.WARNING, message, bare[0].number)
    sizes = Counter([one.call for one in placed if one.call is not None])
    split = {call: size for call, size in sizes.items() if size > 1}
    if split:
        first = next(one.number for one in placed if one.call in split)
        message = f"{len(split)} LLM calls are written as {sum(split.values())} steps: each call counts once."
        yield Finding("split_calls", Severity.INFO, message, first)


def _file_findings(placed: Sequence[_Placed], runs: Sequence[tuple[str, Run]]) -> Iterator[Finding]:
    """What was found in the files, with steps by their number in the trial."""
    segments = {id(file): segment for segment, top in runs for run in top.walk() for file in run.files}
    files = [file for _, top in runs for run in top.walk() for file in run.files]
    numbers: dict[tuple[int, int], int] = {}
    if any(finding.step is not None for file in files for finding in file.findings):
        numbers = {(id(one.file), one.draft.position): one.number for one in placed}
    for file in files:
        segment = segments[id(file)]
        for finding in file.findings:
            if segment and finding.step is None:
                yield replace(finding, message=f"In {segment:.100}: {finding.message}")
            else:
                yield finding if finding.step is None else replace(finding, step=numbers.get((id(file), finding.step)))


def _frozen(placed: _Placed, parent: int | None, parent_call: int | None) -> Step:
    draft = placed.draft
    is_spent = not draft.is_copied
    step = Step(
        number=placed.number,
        step_id=draft.step_id,
        source=draft.source,
        message=draft.message,
        reasoning=draft.reasoning,
        tool_calls=tuple(
            [
                ToolCall(one.name, one.arguments, one.output, one.id, one.seconds, one.started_at)
                for one in draft.tool_calls
            ]
        ),
        observations=tuple(draft.observations),
        call=placed.call,
        tokens=draft.tokens if is_spent else None,
        recorded_cost_usd=draft.cost_usd if is_spent else None,
        cost_provenance=draft.cost_provenance if is_spent else Provenance.UNKNOWN,
        raw=draft.raw,
        model=draft.model,
        service=draft.service,
        model_seconds=draft.model_seconds,
        timestamp=draft.timestamp,
        time=placed.time[0],
        timing=placed.time[1],
        is_copied=draft.is_copied,
        segment=placed.segment,
        subagent=placed.run.subagent or draft.subagent,
        parent=parent,
        parent_call=parent_call,
    )
    if placed.time[1] is Timing.RECORDED and placed.call is not None and draft.model_seconds is None:
        habits = placed.file.convention.habits
        return replace(step, model_seconds=left_by_tools(step)) if habits.times_tools else step
    return step


def _parent(
    starter: tuple[StepDraft, CallDraft | None] | None, numbers: Mapping[int, int]
) -> tuple[int | None, int | None]:
    """The number of the step that started a sub-agent, and the place of the tool call among that step's."""
    if starter is None:
        return None, None
    step, call = starter
    place = next((place for place, one in enumerate(step.tool_calls) if one is call), None)
    return numbers.get(id(step)), place
