"""The trial record: what one Harbor trial was and did, in the form everything else speaks.

Readers make it, pure functions work on it, nothing changes it. It is complete in itself: what stands in its files
is in it. `None` always means "not known"; it is never written as 0.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum

type JsonValue = str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None
type Object = dict[str, JsonValue]
"""A JSON object."""


class Severity(StrEnum):
    """How much a finding matters to someone who reads the numbers."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the reader noticed about the data.

    Attributes:
        code: a stable short name such as `cost_zero_with_tokens`; findings are grouped by it.
        severity: how much it matters.
        message: one sentence that says what was found and what was done about it.
        step: the number of the step it is about; None when it is about the whole trial.
    """

    code: str
    severity: Severity
    message: str
    step: int | None = None


class Status(StrEnum):
    """How a trial ended, from its reward and its exception together."""

    PASSED = "passed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    AGENT_ERROR = "agent_error"
    INFRASTRUCTURE_ERROR = "infrastructure_error"
    CANCELLED = "cancelled"
    UNGRADED = "ungraded"
    """it ended, and its rewards do not say whether it succeeded"""
    RUNNING = "running"
    """it has no result: Harbor has not ended it, or was killed"""
    UNREADABLE = "unreadable"
    """its result is there and cannot be read"""

    @property
    def counts(self) -> bool:
        """Whether the trial is an attempt of the agent: a failure of the infrastructure is not one."""
        return self in (Status.PASSED, Status.FAILED, Status.TIMED_OUT, Status.AGENT_ERROR)


class Source(StrEnum):
    """Who speaks in a step (ATIF's `source`)."""

    AGENT = "agent"
    USER = "user"
    SYSTEM = "system"


class Timing(StrEnum):
    """Where a step's duration comes from."""

    RECORDED = "recorded"
    """the agent wrote it down"""
    GAP = "gap"
    """the time to the neighbouring stamp, waiting included: where stamps mark the middle of steps, a step's tools and
    the answer after them"""
    UNKNOWN = "unknown"


class Provenance(StrEnum):
    """Where a cost comes from."""

    RECORDED = "recorded"
    """the agent or its provider wrote it down"""
    PRICED = "priced"
    """computed from tokens and a price table"""
    APPORTIONED = "apportioned"
    """a share of a cost that is known for several steps together"""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one LLM call in one convention, whatever the agent's own was.

    `input`, `cache_read` and `cache_write` do not overlap: their sum is what the model was sent. `reasoning`
    is part of `output`, and `cache_write_1h` is the part of `cache_write` that is kept for an hour, at a rate of its
    own.
    """

    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output: int | None = None
    reasoning: int | None = None
    cache_write_1h: int | None = None

    @property
    def prompt(self) -> int | None:
        """All that was sent to the model; None when the uncached part is not known."""
        if self.input is None:
            return None
        return self.input + (self.cache_read or 0) + (self.cache_write or 0)


@dataclass(frozen=True, slots=True)
class Service:
    """How a provider says that it served a call, where that has a price of its own; None for what is not recorded.

    Attributes:
        tier: `standard`, `batch`, `flex`, `priority`, ...
        speed: `standard` or `fast`.
        region: where the model ran (`us`, `global`).
    """

    tier: str | None = None
    speed: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class RunTotal:
    """What one source says a whole run came to.

    Attributes:
        source: `trajectory` (its `final_metrics`), `harbor` (the trial's `agent_result`) or `agent` (its own log).
        usd: US dollars; None when it does not say.
        tokens: None when it does not say.
    """

    source: str
    usd: float | None = None
    provenance: Provenance = Provenance.UNKNOWN
    tokens: Tokens | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of wall time; either end may be unknown."""

    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def seconds(self) -> float | None:
        """Its length in seconds; None unless both ends are known and in order."""
        if self.started_at is None or self.finished_at is None or self.finished_at < self.started_at:
            return None
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One tool call of a step, with what came back.

    Attributes:
        name: the tool, in the harness's own spelling.
        arguments: the parsed arguments; the text as it was when it is not a JSON object.
        output: the observation; None when the trajectory holds no result for this call.
        id: the call's own id, unique within its trajectory at best.
        seconds: how long the tool ran, as recorded; None when it was not.
        started_at: when it began, likewise: it tells which of a step's calls ran at the same time.
    """

    name: str
    arguments: dict[str, JsonValue] | str
    output: str | None = None
    id: str | None = None
    seconds: float | None = None
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One ATIF step.

    Attributes:
        number: 1-based position within the trial; unique, and what verdicts and findings refer to.
        step_id: the step's number in its own trajectory file.
        call: which LLM call of the trial produced it, 1-based; one call may have produced several steps. None
            for steps that no call produced.
        tokens: of its LLM call, on one step of that call only; None elsewhere and when not recorded.
        recorded_cost_usd: what the trajectory says that call cost; None when it does not say.
        cost_provenance: of `recorded_cost_usd`. What Harbor computed from tokens and LiteLLM's prices is priced, and
            what the agent shared out of a run's cost is apportioned: no provider billed either.
        observations: results that belong to no single tool call of this step.
        raw: every number of the step's own `metrics`, as recorded, by its path (`extra.reasoning_tokens`).
        model: as the variant spells it; with its provider (`provider/name`) where that is another than the variant's.
        service: how its LLM call was served, on the step that bears the call's tokens: what the provider said, else
            what the run's settings ask for, which a finding tells; None when neither says anything.
        model_seconds: how long its LLM call took, on one step of that call only: as recorded, or what the tools leave
            of a recorded duration of which it is known that it holds them.
        timestamp: as recorded; what it marks (a step's start, middle or end) differs by agent.
        time: when the step began and ended, as far as it is known.
        timing: where the length of `time` comes from.
        is_copied: context that was carried over from elsewhere: its cost was counted there.
        segment: name of the multi-step trial's step it belongs to; empty in an ordinary trial.
        subagent: which sub-agent acted; empty for the agent itself.
        parent: the number of the step that started the sub-agent; None when not known, and for the agent itself.
        parent_call: which tool call of that step started it, counted from 0; None when not known.
    """

    number: int
    step_id: int
    source: Source
    message: str = ""
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    observations: tuple[str, ...] = ()
    call: int | None = None
    tokens: Tokens | None = None
    recorded_cost_usd: float | None = None
    cost_provenance: Provenance = Provenance.UNKNOWN
    raw: dict[str, int | float] = field(default_factory=dict[str, int | float])
    model: str | None = None
    service: Service | None = None
    model_seconds: float | None = None
    timestamp: datetime | None = None
    time: Span = Span()
    timing: Timing = Timing.UNKNOWN
    is_copied: bool = False
    segment: str = ""
    subagent: str = ""
    parent: int | None = None
    parent_call: int | None = None

    @property
    def is_agent(self) -> bool:
        """Whether the agent acted in this step (and did not merely repeat carried-over context)."""
        return self.source is Source.AGENT and not self.is_copied


@dataclass(frozen=True, slots=True)
class Variant:
    """What is compared: one agent in one version with one model, effort and set of other settings.

    Attributes:
        digest: short hash of the other agent settings; None when all are at their defaults.
    """

    agent: str
    agent_version: str | None = None
    model: str | None = None
    provider: str | None = None
    effort: str | None = None
    digest: str | None = None

    @property
    def model_name(self) -> str | None:
        """The model with its provider, as LiteLLM and Harbor's `-m` spell it: `provider/name`."""
        if self.model is None or self.provider is None:
            return self.model
        return f"{self.provider}/{self.model}"

    @property
    def name(self) -> str:
        """`agent@version/model[+effort][#digest]`: people read and type it."""
        name = f"{self.agent}@{self.agent_version or 'unknown'}/{self.model_name or 'unknown'}"
        if self.effort is not None:
            name += f"+{self.effort}"
        return name if self.digest is None else f"{name}#{self.digest}"

    def fields(self) -> dict[str, str | None]:
        """Its name and its parts, as tables and Opik's metadata hold them."""
        return {"variant": self.name} | asdict(self)


@dataclass(frozen=True, slots=True)
class TrialException:
    """The exception that Harbor recorded for a trial; a trial with one may still have passed."""

    type: str
    message: str
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A trajectory file that a trial was read from.

    Attributes:
        path: below the trial's folder.
        size: its bytes, without the secrets that stood in it.
        digest: the beginning of the SHA-256 of these bytes, in hexadecimal digits. (That of the file itself would tell
            whoever guesses a secret whether the guess is right.)
    """

    path: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Trial:
    """One attempt at one task.

    Attributes:
        job_id: the job's UUID (or a stable stand-in where the job has none).
        trial_id: the trial's UUID (or its name where it has none).
        name: `job/trial`, as everywhere in the output.
        dataset: where the task comes from; `adhoc` for a task that was run on its own.
        reward: the deciding reward; None when the verifier gave none.
        rewards: all reward keys.
        verifier_output: the end of what the verifier printed; None where it left nothing, or that is not recorded.
        agent_time: from the agent's start to its end; between the steps of a multi-step trial lies the verifier's time.
        agent_seconds: the agent's own wall time, without set-up and verifier.
        is_whole: whether all that the run did was read; False when a finding names a part that was not, so that
            the steps do not sum to the run.
        recorded_cost_usd: the run's own total as recorded, parts that were not read among it.
        recorded_cost_provenance: of `recorded_cost_usd`: priced where Harbor computed it from LiteLLM's prices.
        recorded_tokens: the run's own total as recorded, likewise.
        totals: what each source says the whole run came to, as far as it says anything.
        category: what kind of task it is, by the task's own metadata; None when they are not there.
        source_trial_id: the trial that this one only graded again: its agent cost is not new, and its grade takes
            the place of that trial's.
        origins: where each field of the variant and of the dataset was found, by the field's name.
        files: the trajectory files that it was read from. No other field refers to a file.
        redaction: which rules it was redacted by, as a short hash; None for what was not read from files.
    """

    job_id: str
    trial_id: str
    job: str
    trial: str
    task: str
    dataset: str
    variant: Variant
    status: Status
    steps: tuple[Step, ...] = ()
    dataset_version: str | None = None
    task_checksum: str | None = None
    reward: float | None = None
    rewards: dict[str, float] = field(default_factory=dict[str, float])
    exception: TrialException | None = None
    verifier_output: str | None = None
    time: Span = Span()
    agent_time: Span = Span()
    agent_seconds: float | None = None
    is_whole: bool = True
    recorded_cost_usd: float | None = None
    recorded_cost_provenance: Provenance = Provenance.RECORDED
    recorded_tokens: Tokens | None = None
    totals: tuple[RunTotal, ...] = ()
    category: str | None = None
    atif_version: str | None = None
    source_trial_id: str | None = None
    origins: dict[str, str] = field(default_factory=dict[str, str])
    files: tuple[SourceFile, ...] = ()
    redaction: str | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def name(self) -> str:
        """`job/trial`."""
        return f"{self.job}/{self.trial}"

    @property
    def passed(self) -> bool | None:
        """Whether the attempt succeeded; None when it is no attempt of the agent."""
        return self.status is Status.PASSED if self.status.counts else None

    @property
    def agent_steps(self) -> tuple[Step, ...]:
        """The steps in which the agent acted."""
        return tuple(step for step in self.steps if step.is_agent)

    def with_findings(self, *findings: Finding) -> Trial:
        """The same trial with these findings added."""
        return replace(self, findings=(*self.findings, *findings))
