"""Which tool call a result belongs to: results stand in the call's own step, in a later one, or for several calls."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain

from adapter.atif_steps import CallDraft, StepDraft, call_id, content_text
from adapter.loose import Json, mapping
from adapter.trial import Finding, JsonValue, Severity, Source
from adapter.words import Words

_CUT = Words(
    r"\[\.\.\. (?:output limited to \d+ bytes|content truncated)|<elided_chars>|\[std(?:out|err) truncated\]"
    r"|[\[<(](?:\.\.\. ?|… ?)?\d[\d,]* (?:characters|chars|bytes|lines) (?:were )?(?:truncated|omitted|elided)"
)
"""Marks that agents leave where they cut a result."""
_LIMITS = (2_000, 10_000, 40_000)
"""Lengths in characters at which agents cut results without a mark."""
_SHORTEST = 500
"""Results of fewer characters are not looked at: nobody cuts these."""
_PARTS = ("text", "image", "audio", "image_url", "input_text", "output_text")
"""Kinds of the parts that one result's content may have."""
_OF_RESULT = frozenset(
    (
        "source_call_id",
        "tool_call_id",
        "tool_use_id",
        "content",
        "subagent_trajectory_ref",
        "extra",
        "role",
        "type",
        "name",
    )
)
"""What a result without `content` may hold and still be one that says nothing."""


def give_all_results(
    steps: Sequence[StepDraft], raw: Sequence[Json], *, repeats_calls: bool = False
) -> Iterator[Finding]:
    """Gives each result to its call, and says what was unusual about that.

    Args:
        steps: the steps, with their calls.
        raw: the same steps as the file has them, with their observations.
        repeats_calls: whether the agent writes a late result as a step that holds its call once more.
    """
    taken = _take_announced(steps)
    if taken:
        message = f"{len(taken)} tool calls stand only in their step's message: taken as the step's."
        yield Finding("calls_in_message", Severity.INFO, message, taken[0])
    giving = _Giving()
    for step, value in zip(steps, raw, strict=True):
        if value.get("observation"):
            giving.give(step, value, giving.drop_repeated(step) if repeats_calls else [])
        giving.wait(step)
    yield from giving.findings()


def _take_announced(steps: Sequence[StepDraft]) -> list[int]:
    """Gives steps the calls that their messages announce, but for those that steps of their own hold.

    Returns:
        The step of each call that was given.
    """
    taken: list[int] = []
    for place, step in enumerate(steps):
        if not step.announced:
            continue
        written = Counter(map(_said_by, chain(step.tool_calls, _calls_after(steps, place))))
        for call in step.announced:
            said = _said_by(call)
            if written[said]:
                written[said] -= 1
            else:
                step.tool_calls.append(call)
                step.asked -= 1
                taken.append(step.position)
    return taken


def _calls_after(steps: Sequence[StepDraft], place: int) -> Iterator[CallDraft]:
    """The calls in the steps that may hold what the step at this place announces: up to the agent's next LLM call."""
    for later in range(place + 1, len(steps)):
        step = steps[later]
        if step.source is Source.USER or step.has_metrics or step.asked:
            return
        yield from step.tool_calls


def _said_by(call: CallDraft) -> tuple[str, str]:
    return call.name, json.dumps(call.arguments, sort_keys=True)


def _listed(observation: JsonValue) -> tuple[Sequence[JsonValue], bool]:
    """The results that an observation holds, and whether it is in another shape than ATIF's list of them."""
    if isinstance(observation, dict):
        results = observation.get("results")
        if isinstance(results, list) and len(observation) == 1:
            return results, False
        return _beside(observation, results)
    if isinstance(observation, list) and not all(_is_part(one) for one in observation):
        return observation, True
    return [{"content": observation}], True


def _beside(observation: Json, results: JsonValue) -> tuple[Sequence[JsonValue], bool]:
    """The results of an observation that holds something beside them, or no list of them."""
    listed = results if isinstance(results, list) else [] if results is None else [results]
    own: Json = {key: value for key, value in observation.items() if key != "results"}
    says = bool(_content(own)[0]) or (results is None and isinstance(own.get("content"), str))
    return ([*listed, own] if says else listed), says or not isinstance(results, list)


def _is_part(value: JsonValue) -> bool:
    """Whether it is a part of one result's content, and no result."""
    return mapping(value).get("type") in _PARTS


def _by_id(calls: Sequence[CallDraft]) -> dict[str | None, list[CallDraft]]:
    """Calls by their ids; of one id, the last first."""
    if len(calls) == 1:
        return {calls[0].id: [calls[0]]}
    found: dict[str | None, list[CallDraft]] = defaultdict(list)
    for call in reversed(calls):
        found[call.id].append(call)
    return found


def _name(result: Json) -> str | None:
    """The tool call that a result names."""
    name = result.get("source_call_id")
    if name is None or name == "":
        name = mapping(result.get("extra")).get("tool_call_id") or result.get("tool_call_id")
        name = name or result.get("tool_use_id")
    return call_id(name)


def _content(result: Json) -> tuple[str, bool]:
    """A result's text, and whether it stands elsewhere than in `content`."""
    content = result.get("content")
    if content is not None or _OF_RESULT.issuperset(result):
        return content_text(content), False
    other: JsonValue = {key: value for key, value in result.items() if key not in _OF_RESULT and value is not None}
    return (content_text([other]), True) if other else ("", False)


def references(result: Json) -> list[Json]:
    """The sub-agents' trajectories that a result refers to; a reference that is only a text names a file."""
    found = result.get("subagent_trajectory_ref")
    listed = found if isinstance(found, list) else [found]
    return [{"trajectory_path": one} if isinstance(one, str) else mapping(one) for one in listed if one]


class _Giving:
    """The state of one trajectory: which calls wait for a result, and what has been seen."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[CallDraft]] = defaultdict(list)
        self._late = 0
        self._shared: list[int] = []
        self._by_place: list[int] = []
        self._odd: list[int] = []
        self._further: list[int] = []
        self._cut: Counter[str] = Counter()

    def wait(self, step: StepDraft) -> None:
        """Keeps the step's calls that have no result yet."""
        for call in step.tool_calls:
            if call.id is not None and call.output is None:
                self._waiting[call.id].append(call)

    def drop_repeated(self, step: StepDraft) -> list[str]:
        """Takes away the calls of a step that all wait for their result already: it is these that it repeats.

        Returns:
            Their ids.
        """
        if step.has_metrics or not step.tool_calls:
            return []
        ids = [call.id for call in step.tool_calls if call.id is not None and self._waiting.get(call.id)]
        if len(ids) < len(step.tool_calls):
            return []
        step.tool_calls.clear()
        return ids

    def give(self, step: StepDraft, value: Json, dropped: Sequence[str]) -> None:
        """Gives each of a step's results to the call it names, here or else the latest that waits, or the only one.

        Results that name no call go to the step's calls in their order where there are as many. A further result of
        a call stands below the one before; one that finds no call is the step's own.

        Args:
            step: the step, with its calls.
            value: the same step as the file has it.
            dropped: the calls that were taken away from it because it repeats them.
        """
        given, is_odd = _listed(value.get("observation"))
        calls, extra = step.tool_calls, value.get("extra")
        if len(given) == len(calls) == 1 and not is_odd:
            # Nearly all steps are so: the rest is not done for them.
            only, call = given[0], calls[0]
            if isinstance(only, dict) and call.id is not None and only.get("source_call_id") == call.id:
                content = only.get("content")
                if isinstance(content, str):
                    call.output = content
                    self._see(content, only, call)
                    return
        results = self._results(step, given, is_odd=is_odd)
        of_step = call_id(mapping(extra).get("tool_call_id")) if extra else None
        names = [_name(result) for result in results]
        nameless = of_step is None and not any(names)
        if dropped and nameless and len(dropped) in (1, len(results)):
            names[: len(dropped)] = dropped
        in_order = nameless and len(calls) == len(results) > 1
        if in_order:
            self._by_place.extend([step.position] * len(results))
        here = _by_id(calls)
        further: dict[int, tuple[CallDraft, list[str]]] = {}
        for place, (result, own) in enumerate(zip(results, names, strict=True)):
            content = result.get("content")
            if not isinstance(content, str):
                content = self._text(step, result)
            chosen = calls[place] if in_order else self._call(here, own or of_step)
            if chosen is None and own is None and len(calls) == 1 and (nameless or calls[0].output is None):
                chosen = calls[0]
            if chosen is None:
                if content:
                    step.observations.append(content)
                    if own is None and len(calls) + len(dropped) > 1 and step.position not in self._shared[-1:]:
                        self._shared.append(step.position)
            elif chosen.output is None:
                chosen.output = content
                if of_step is not None and not step.has_metrics and not calls:
                    step.is_dispatch = True  # the step is the result, and whoever wrote it made no LLM call
            else:
                further.setdefault(id(chosen), (chosen, [chosen.output]))[1].append(content)
            self._see(content, result, chosen or step)
        for call, parts in further.values():
            call.output = "\n".join(filter(None, parts))
            self._further.extend([step.position] * (len(parts) - 1))

    def _call(self, here: dict[str | None, list[CallDraft]], named: str | None) -> CallDraft | None:
        """The call of this name: the step's own, the last of them for every further result, else the latest to wait."""
        if named is None:
            return None
        own = here.get(named)
        if own:
            return own.pop() if len(own) > 1 else own[0]
        if self._waiting.get(named):
            self._late += 1
            return self._waiting[named].pop()
        return None

    def _results(self, step: StepDraft, given: Sequence[JsonValue], *, is_odd: bool) -> list[Json]:
        """A step's results as objects."""
        results: list[Json] = []
        for one in given:
            if isinstance(one, dict):
                results.append(one)
            else:
                results.append({"content": one})
                is_odd = True
        if is_odd:
            self._odd.append(step.position)
        return results

    def _text(self, step: StepDraft, result: Json) -> str:
        """The text of a result whose `content` is no text."""
        content, is_elsewhere = _content(result)
        if is_elsewhere and step.position not in self._odd[-1:]:
            self._odd.append(step.position)
        return content

    def _see(self, content: str, result: Json, owner: CallDraft | StepDraft) -> None:
        """Notes what a result tells beside its text: that it was cut, and what its owner started and when it ran."""
        reference, extra = result.get("subagent_trajectory_ref"), result.get("extra")
        if reference:
            owner.started.extend(references(result))
        if extra and isinstance(owner, CallDraft):
            owner.take_time(extra)
        if len(content) in _LIMITS:
            self._cut[f"at {len(content):,} characters"] += 1
        elif len(content) >= _SHORTEST and _CUT.found_in(content):
            self._cut["with a mark"] += 1

    def findings(self) -> Iterator[Finding]:
        """What was unusual."""
        if self._late:
            message = f"{self._late} results stand in a later step than their call: given to the call."
            yield Finding("result_in_later_step", Severity.INFO, message)
        if self._shared:
            message = f"{len(self._shared)} steps have results that do not say of which of several calls: kept there."
            yield Finding("result_for_several_calls", Severity.INFO, message, self._shared[0])
        if self._by_place:
            message = f"{len(self._by_place)} results name no call: given to their step's calls in order."
            yield Finding("results_paired_by_position", Severity.INFO, message, self._by_place[0])
        if self._further:
            message = f"{len(self._further)} results are further ones of a call: they stand below its first."
            yield Finding("several_results_for_call", Severity.INFO, message, self._further[0])
        if self._odd:
            message = f"{len(self._odd)} observations are not in ATIF's shape: read as results all the same."
            yield Finding("observation_shape", Severity.INFO, message, self._odd[0])
        if self._cut:
            how = ", ".join(f"{count} {what}" for what, count in self._cut.items())
            message = f"The agent cut {self._cut.total()} results ({how}): what was left out is not known."
            yield Finding("results_cut", Severity.INFO, message)
