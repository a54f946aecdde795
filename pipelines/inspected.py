"""What `kilobench inspect` says of each trial: the models behind its `--json`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from adapter.costs import TrialCost
from adapter.trial import Provenance, Severity, Status, Tokens, Trial
from pipelines.cost import calls, tokens_in_all, trial_tokens
from pipelines.results import SkippedItem


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TokenCounts(_Result):
    """Tokens in one convention; a count that is not known is None.

    `input`, `cache_read` and `cache_write` do not overlap: their sum is what was sent. `reasoning` is part of `output`.
    """

    input: int | None
    cache_read: int | None
    cache_write: int | None
    output: int | None
    reasoning: int | None

    @classmethod
    def of(cls, tokens: Tokens | None) -> TokenCounts:
        """The same as it is printed; all None where nothing is known."""
        counted = tokens or Tokens()
        return cls(
            input=counted.input,
            cache_read=counted.cache_read,
            cache_write=counted.cache_write,
            output=counted.output,
            reasoning=counted.reasoning,
        )

    @property
    def in_all(self) -> int | None:
        """Everything sent and received; None where the prompt or the output is not known."""
        return tokens_in_all(Tokens(**dict(self)))


class InspectedFinding(_Result):
    """One thing that the reader noticed; `step` is None where it is about the whole trial."""

    code: str
    severity: Severity
    step: int | None
    message: str


class InspectedTrial(_Result):
    """What was read of one trial; whatever is not known is None.

    `trial` is `job/trial`, as everywhere in the output. `reward` is the one that decided. `steps`, `agent_steps` and
    `llm_calls` are None where there is no trajectory. `cost_usd` is in US dollars, and never 0 for unknown.
    """

    trial: str
    job: str
    task: str
    dataset: str
    agent: str
    agent_version: str | None
    model: str | None
    provider: str | None
    effort: str | None
    status: Status
    reward: float | None
    atif_version: str | None
    steps: int | None
    agent_steps: int | None
    llm_calls: int | None
    tokens: TokenCounts
    cost_usd: float | None
    cost_provenance: Provenance
    findings: tuple[InspectedFinding, ...]


class InspectResult(_Result):
    """Every trial that was read, and what was asked for and is not among them."""

    trials: tuple[InspectedTrial, ...]
    skipped: tuple[SkippedItem, ...]


def inspected(trial: Trial, cost: TrialCost) -> InspectedTrial:
    """What there is to say of one trial, without any of its texts."""
    variant = trial.variant
    has_trajectory = bool(trial.steps) or trial.atif_version is not None
    return InspectedTrial(
        trial=trial.name,
        job=trial.job,
        task=trial.task,
        dataset=trial.dataset,
        agent=variant.agent,
        agent_version=variant.agent_version,
        model=variant.model,
        provider=variant.provider,
        effort=variant.effort,
        status=trial.status,
        reward=trial.reward,
        atif_version=trial.atif_version,
        steps=len(trial.steps) if has_trajectory else None,
        agent_steps=len(trial.agent_steps) if has_trajectory else None,
        llm_calls=len(calls(trial)) if has_trajectory else None,
        tokens=TokenCounts.of(trial_tokens(trial)),
        cost_usd=cost.usd,
        cost_provenance=cost.provenance,
        findings=tuple(
            InspectedFinding(code=one.code, severity=one.severity, step=one.step, message=one.message)
            for one in trial.findings
        ),
    )
