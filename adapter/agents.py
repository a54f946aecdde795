"""What is particular about each agent's trajectories.

How it counts tokens, what its time stamps mark, and how one LLM call becomes steps.

The table follows Harbor 0.24's converters (`harbor/agents/installed`, `agents/terminus_2`), and older files of the
same agents. An agent that is not in it is read by what its numbers show and else as ATIF has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from adapter.trial import Provenance

if TYPE_CHECKING:
    from adapter.atif import StepDraft

type SameCall = Callable[["StepDraft", "StepDraft", "StepDraft"], bool]
"""Whether a step belongs to the LLM call of the step before it: the call's first step, the one before, the step."""


class Stamp(StrEnum):
    """What a step's time stamp marks."""

    START = "start"
    """the call had not begun"""
    MIDDLE = "middle"
    """the answer was there, and the tools had not run"""
    END = "end"
    """the tools had run"""
    NONE = "none"
    """nothing of the step"""


def one_step_each(_first: StepDraft, _before: StepDraft, _step: StepDraft) -> bool:
    """For agents that write every call as one step."""
    return False


def split_by_stamp(first: StepDraft, before: StepDraft, step: StepDraft) -> bool:
    """For agents that split a turn, repeat its time stamp or reasoning, and put the metrics on its first step.

    So does a step with tool calls after a call's first step without any: an agent that calls no tool is done. Equal
    time stamps say nothing where no metrics tell that a call began.
    """
    if step.has_metrics:
        return False
    same_time = first.has_metrics and step.timestamp is not None and step.timestamp == before.timestamp
    same_reasoning = bool(step.reasoning) and step.reasoning == before.reasoning
    is_answer = bool(step.tool_calls) and before.has_metrics and not before.tool_calls
    is_asked = 0 < len(step.tool_calls) <= first.asked
    return same_time or same_reasoning or is_answer or is_asked


def split_without_metrics(first: StepDraft, before: StepDraft, step: StepDraft) -> bool:
    """As `split_by_stamp`, for agents that record no metrics at all: the repeated time stamp is all there is."""
    same_time = step.timestamp is not None and step.timestamp == before.timestamp
    return same_time or split_by_stamp(first, before, step)


def metrics_on_first(first: StepDraft, _before: StepDraft, step: StepDraft) -> bool:
    """For agents that write each tool call of a call as a step, and metrics on the first of them alone."""
    return first.has_metrics and not step.has_metrics and bool(step.tool_calls or step.says_nothing)


def metrics_on_last(_first: StepDraft, before: StepDraft, _step: StepDraft) -> bool:
    """For agents that write the parts of a call as they come, and its metrics on the last of them."""
    return not before.has_metrics


def same_key(before: StepDraft, step: StepDraft) -> bool:
    """Whether both name the same call; two that count different tokens are two calls all the same."""
    if before.call_key is None or before.call_key != step.call_key:
        return False
    return not (before.has_metrics and step.has_metrics) or before.raw == step.raw


@dataclass(frozen=True, slots=True)
class Habits:
    """How one agent writes its trajectories.

    Attributes:
        writes_in_prompt: keys of cache writes that its prompt counts hold.
        writes_beside_prompt: keys of cache writes that they do not hold.
        input_in_output: keys of input that its converter counts as output: what Gemini's own tools put into a prompt.
        stamp: what its time stamps mark.
        same_call: which steps one LLM call became.
        needs_metrics: whether `same_call` rests on metrics, so that without any in the file the general rule holds.
        costs: what its step costs are: priced where they are Harbor's own, from LiteLLM's prices, without saying so;
            apportioned where a run's cost was shared over its steps.
        total_cost: what the cost of a whole run is, likewise.
        repeats_calls: whether it writes a late result as a step that holds its call once more.
        mixes_cache: whether its counts of cached tokens hold those that were written, too.
        drops_writes: whether its trajectories have no place for what was written to a cache, though it asks for one.
        times_tools: whether the duration that it records of a step holds its tools' time.
        reasoning_beside: whether a version of it counts reasoning beside the output and not in it (None: nothing
            tells); None for an agent that never does.
    """

    writes_in_prompt: tuple[str, ...] = ("cache_creation_input_tokens", "cache_write_input_tokens")
    writes_beside_prompt: tuple[str, ...] = ("cache_write_tokens",)
    input_in_output: tuple[str, ...] = ()
    stamp: Stamp = Stamp.MIDDLE
    same_call: SameCall = field(default=split_by_stamp)
    needs_metrics: bool = False
    costs: Provenance = Provenance.RECORDED
    total_cost: Provenance = Provenance.RECORDED
    repeats_calls: bool = False
    mixes_cache: bool = False
    drops_writes: bool = False
    times_tools: bool = False
    reasoning_beside: Callable[[str | None], bool | None] | None = None


def _nothing_tells(_version: str | None) -> bool | None:
    """MiMo Code is an OpenCode, and does not say of which version."""
    return None


def _opencode_reasons_beside(version: str | None) -> bool | None:
    """OpenCode counts reasoning beside the output since 1.3.16 (its pull request 21047)."""
    seen = _numbers(version)
    return None if seen is None else seen >= (1, 3, 16)


def _kilo_reasons_beside(version: str | None) -> bool | None:
    """Kilo's versions as they were seen: 7.0.33 counts reasoning in the output, 7.7.9 beside it."""
    seen = _numbers(version)
    if seen is None:
        return None
    return True if seen >= (7, 7, 9) else False if seen <= (7, 0, 33) else None


def _numbers(version: str | None) -> tuple[int, ...] | None:
    found = re.match(r"v?(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?", version or "")
    return None if found is None else tuple(int(number or 0) for number in found.groups())


GENERIC = Habits()
_OPENCODE = Habits(stamp=Stamp.START, same_call=one_step_each, reasoning_beside=_opencode_reasons_beside)
_GEMINI = Habits(input_in_output=("tool_tokens",), same_call=one_step_each, total_cost=Provenance.PRICED)
_KILO = Habits(stamp=Stamp.START, same_call=one_step_each, times_tools=True, reasoning_beside=_kilo_reasons_beside)
_TERMINUS = Habits(
    stamp=Stamp.END,
    same_call=one_step_each,
    costs=Provenance.PRICED,
    total_cost=Provenance.PRICED,
    drops_writes=True,
)
_WRITES = ("cache_creation_input_tokens", "cache_write_input_tokens", "cache_write_tokens")
_LITELLM_DETAILS = ("prompt_tokens_details.cache_creation_tokens", "prompt_tokens_details.cache_write_tokens")

AGENTS: dict[str, Habits] = {
    "antigravity-cli": _GEMINI,
    "claude-code": GENERIC,
    "codex": Habits(same_call=one_step_each, costs=Provenance.PRICED, total_cost=Provenance.PRICED),
    "computer-1": _TERMINUS,
    "copilot-cli": Habits(same_call=metrics_on_last, needs_metrics=True),
    "cortex-code": Habits(same_call=split_without_metrics, mixes_cache=True),
    "cursor-cli": Habits(writes_in_prompt=("usage_totals.cacheWriteTokens",)),
    "devin": Habits(drops_writes=True),
    "eve": Habits(same_call=metrics_on_last, needs_metrics=True, drops_writes=True),
    "gemini-cli": _GEMINI,
    "goose": Habits(writes_in_prompt=_WRITES, writes_beside_prompt=()),
    "junie": Habits(same_call=one_step_each, mixes_cache=True),
    "kilo": _KILO,
    "kimi-cli": Habits(writes_in_prompt=("input_cache_creation",), same_call=one_step_each),
    "mimo": replace(_OPENCODE, reasoning_beside=_nothing_tells),
    "mini-swe-agent": Habits(writes_in_prompt=_LITELLM_DETAILS, same_call=one_step_each, costs=Provenance.APPORTIONED),
    "muse-code": Habits(stamp=Stamp.START, same_call=one_step_each),
    "openclaw": Habits(same_call=one_step_each),
    "opencode": _OPENCODE,
    "openhands": Habits(same_call=metrics_on_first, needs_metrics=True, repeats_calls=True, drops_writes=True),
    "pi": Habits(writes_in_prompt=_WRITES, writes_beside_prompt=(), same_call=one_step_each),
    "qwen-code": Habits(same_call=one_step_each, reasoning_beside=lambda _: False, drops_writes=True),
    "rovodev-cli": Habits(same_call=one_step_each),
    "swe-agent": Habits(stamp=Stamp.NONE, same_call=one_step_each),
    "terminus-2": _TERMINUS,
    "trae-agent": Habits(same_call=one_step_each, drops_writes=True),
}
"""By the name that stands in the trajectory."""


def habits_of(agent: str | None) -> Habits:
    """How this agent writes; the general way for one that is not known. A sub-agent writes as its agent does."""
    if agent is None:
        return GENERIC
    found = AGENTS.get(agent)
    if found is None and agent.startswith("terminus-2-"):
        found = _TERMINUS
    return found or GENERIC
