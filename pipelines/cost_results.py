"""What `kilobench cost` says of trials, their LLM calls and their steps: the models behind its `--json`.

US dollars, seconds and tokens. What is not known is None, and never 0.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from adapter.trial import Provenance, Status, Timing
from pipelines.inspected import TokenCounts
from pipelines.results import FindingCount, SkippedItem


class CostModel(BaseModel):
    """What all of these models are."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Breakdown(CostModel):
    """What a cost was spent on: a partition of it. All are None where tokens or their price are not known."""

    resent: float | None
    """Input that the call before already held, at the full price."""
    resent_cached: float | None
    """The same, read from a cache."""
    resent_written: float | None
    """The same, written to a cache."""
    new: float | None
    """The rest of the input, at the full price."""
    new_cached: float | None
    new_written: float | None
    reasoning: float | None
    """None where the agent records none: it is then among `tool_calls` and `message`."""
    tool_calls: float | None
    """The names and arguments of tool calls."""
    message: float | None
    """What was said."""
    unexplained: float | None
    """The cost less what the prices explain of it; may be negative."""


class CostShares(CostModel):
    """The cost in KiloBench's four parts, as shares of what the prices explain of it; in all, 1."""

    resent_context: float
    tool_overhead: float
    """All new input: what tools returned, for the most part."""
    reasoning: float | None
    """None where the agent records none: it is then among the useful output."""
    useful_output: float
    """What was said, and the tools' arguments."""


class CostedStep(CostModel):
    """One step of the agent or of a sub-agent."""

    step: int
    """Its number within the trial, from 1."""
    call: int | None
    """The LLM call that produced it; None when none did."""
    cost_usd: float | None
    """Its own; its share by length, where its call produced several steps."""
    provenance: Provenance
    price: str | None
    """Which entry of which version of which price table; None for a recorded or unknown cost."""
    tokens: TokenCounts
    """Of its call, on the first step of that call only."""
    breakdown: Breakdown
    own_usd: float | None
    """Its output, and the first time that what came back was sent, as new input."""
    carried_usd: float | None
    """What its output and what came back cost in every later call; None where one of these has an unknown cost."""
    carried_at_least_usd: float | None
    """The part of that which is known."""
    latency_s: float | None
    timing: Timing
    """Where `latency_s` comes from."""
    model_s: float | None
    """Of it, the model's; None when the data do not tell."""
    tool_s: float | None
    """Of it, the tools'; None likewise."""
    is_wasted: bool | None
    """Whether the judges labelled it redundant, or its tool choice wrong; None when it was not judged."""
    did: str | None
    """What it did, in short: the first tool call's verb and what it was about; None for a step that called no tool."""


class CompactionCost(CostModel):
    """An agent's context was made anew."""

    call: int
    """The first call with the new context."""
    step: int
    """Its first step."""
    tokens_before: int
    """Of the prompt before."""
    tokens_after: int
    usd: float | None
    """What making it anew cost: the call that wrote the summary, where it is there, and the new input after it."""


class CostedCall(CostModel):
    """One LLM call."""

    call: int
    """Its number within the trial, from 1."""
    steps: tuple[int, ...]
    """The steps that it produced."""
    subagent: str
    """Whose call it was; empty for the agent itself."""
    segment: str
    """In which step of a multi-step trial; empty in an ordinary one."""
    model: str | None
    """As the trajectory names it."""
    cost_usd: float | None
    provenance: Provenance
    price: str | None
    recorded_usd: float | None
    """What the trajectory says that it cost, also where that is not believed."""
    tokens: TokenCounts
    breakdown: Breakdown
    resent_tokens: int | None
    """Of its prompt, what the call before already held."""
    new_tokens: int | None
    """The rest of its prompt."""
    latency_s: float | None
    compaction: CompactionCost | None
    """Where its context was made anew before it."""


class Reason(CostModel):
    """Why a run's own total is not the sum of its steps, as far as the data show it."""

    reason: str
    """A short name."""
    text: str


class Unattributed(CostModel):
    """The residual as a row of its own: what the run's total has over (or under) the sum of its steps."""

    cost_usd: float
    reasons: tuple[Reason, ...]


class ComparedTotal(CostModel):
    """What one source says the run came to, against the sum of the steps."""

    source: str
    """`trajectory` (its `final_metrics`), `harbor` (the trial's `agent_result`) or `agent` (its own log)."""
    usd: float | None
    residual_usd: float | None
    """`usd` less the sum of the steps."""
    prompt_tokens: int | None
    """The source's less the steps'."""
    output_tokens: int | None
    """Likewise."""


class CostedTrial(CostModel):
    """One trial, as `--by trial` has it."""

    trial: str
    """`job/trial`."""
    task: str
    dataset: str
    variant: str
    category: str | None
    """What kind of task it is; None where nothing says so."""
    status: Status
    is_regrade: bool
    """Whether it only grades another trial again: its cost is that trial's, unknown here and in no sum."""
    cost_usd: float | None
    """Of the whole trial: the run's own total where it is recorded, else the sum of the steps where all are known."""
    provenance: Provenance
    recorded_usd: float | None
    """The run's own total as recorded."""
    residual_usd: float | None
    """That less the sum of the steps."""
    unattributed: Unattributed | None
    """The same as a row, with its reasons; None where it is not known."""
    is_apportioned: bool
    """Whether the calls' costs are shares of a total."""
    prompt_usd: float | None
    """What instructions, the task and contexts made anew cost, over all calls."""
    unexplained_usd: float | None
    """Recorded costs less what prices explain of them. Own and carried cost of all steps, this and `prompt_usd` sum to
    the cost of all steps."""
    wasted_usd: float | None
    """Own and carried cost of the steps that are wasted; None when it was not judged, or one's is not known."""
    breakdown: Breakdown
    """Of all calls; None where one of them has none."""
    shares: CostShares | None
    """Over the calls that have a breakdown."""
    llm_calls: int | None
    """None where there is no trajectory."""
    llm_calls_explained: int
    """How many of them have a breakdown."""
    agent_steps: int | None
    """None where there is no trajectory."""
    tokens: TokenCounts
    """Of the whole trial."""
    agent_s: float | None
    """The agent's own wall time."""
    compared: tuple[ComparedTotal, ...]
    compactions: tuple[CompactionCost, ...]


class TrialWithSteps(CostedTrial):
    """One trial with its steps, as `--by step` has it."""

    steps: tuple[CostedStep, ...]
    """In order."""


class TrialWithCalls(CostedTrial):
    """One trial with its LLM calls, as `--by call` has it."""

    calls: tuple[CostedCall, ...]
    """In order."""


class CostTotals(CostModel):
    """What was read, in all. A regrade is neither known nor unknown: it cost nothing new."""

    trials: int
    cost_usd: float | None
    """Of the `cost_known` trials; None when there is none."""
    cost_known: int
    cost_unknown: int
    regrades: int


class Unpriced(CostModel):
    """LLM calls whose tokens are counted and have no price: what they cost is known only if recorded, and not why."""

    reason: str
    """Why they have no price."""
    calls: int
    trial: str
    """One that has such a call."""


class Ending(CostModel):
    """What every `--by` ends with."""

    totals: CostTotals
    skipped: tuple[SkippedItem, ...]
    """What was asked for and is not in the numbers."""
    findings: tuple[FindingCount, ...]
    """What the reader noticed, by code."""
    retries_lost: int
    """Attempts that Harbor threw away and tried again: they are not among the trials, and their costs are unknown."""
    prices: tuple[str, ...]
    """The prices that were used, each with its table's version."""
    unpriced: tuple[Unpriced, ...]
    """What has no price, by reason."""


class CostOfSteps(Ending):
    """`kilobench cost --by step --json`."""

    by: Literal["step"]
    trials: tuple[TrialWithSteps, ...]


class CostOfCalls(Ending):
    """`kilobench cost --by call --json`."""

    by: Literal["call"]
    trials: tuple[TrialWithCalls, ...]


class CostOfTrials(Ending):
    """`kilobench cost --by trial --json`."""

    by: Literal["trial"]
    trials: tuple[CostedTrial, ...]
