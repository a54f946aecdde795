"""What `kilobench investigate` says: the models behind its `--json`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from adapter.errors import ExitCode
from pipelines.inspected import TokenCounts
from pipelines.results import SkippedItem
from views.divergence import Kind


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class QuoteFound(_Result):
    """Words that stand in a step."""

    step: int
    quote: str


class FirstDifference(_Result):
    """The first place at which two runs differ: mostly chance, and no more than a measure of it."""

    step_failing: int | None
    step_against: int | None
    kind: Kind


class DivergenceFound(FirstDifference):
    """The earliest place at which two runs differ with consequences, and which these are (`why`).

    A step is None for a run without any.
    """

    consequential: bool
    why: str


class RootCause(_Result):
    """The step that decided the run, as far as that can be told.

    `by` is the judge, a rule or a model, that named it, or `alignment` where the comparison alone does, or
    `outcome` where nothing speaks but that a call failed. `confidence` is
    a model's own, and `prompt_version` says which text it was given; None otherwise.
    """

    step: int
    category: str
    explanation: str
    evidence: tuple[QuoteFound, ...]
    better_action: str | None
    confidence: float | None
    by: str
    prompt_version: str | None


class SideBySide(_Result):
    """A row of two runs side by side: an act of each, with its step; None where a run has none there."""

    step_failing: int | None
    failing: str | None
    step_against: int | None
    against: str | None
    match: str


class Investigation(_Result):
    """One failing run.

    `against` is the run that it is compared with, None where there is no other; `against_passed` whether that one
    passed. `noise_floor` is how unlike repeats of one variant at the task are (0 to 1), None without repeats;
    `difference` how unlike these two runs are, in the same measure. Of `passing` runs of the task,
    `share_the_other_path` do what the other run does at the divergence. `around` shows both runs around it. `rests_on`
    says what the answer rests on, and what it does not.
    """

    task: str
    dataset: str
    failing: str
    variant: str
    against: str | None
    against_passed: bool | None
    first_difference: FirstDifference | None
    divergence: DivergenceFound | None
    difference: float | None
    noise_floor: float | None
    passing: int
    share_the_other_path: int | None
    root_cause: RootCause | None
    runner_up: RootCause | None
    around: tuple[SideBySide, ...]
    cost_usd: float | None
    rests_on: tuple[str, ...]


class CauseJudging(_Result):
    """What asking a model for root causes came to: one question per investigation.

    `id` is the judge run's, under which the calls are kept. `calls` were sent and answered or failed, `cached_calls`
    were answered from the cache on disk; `tokens` and `spend_usd` are of what was sent, None where not known.
    `held_usd` is what calls without an answer may still come to. `undecided` names the failing runs of which the model
    named no usable step, and what Opik did not keep, with the reason: the same command takes them up again.
    """

    id: str
    model: str
    prompt_version: str
    calls: int
    cached_calls: int
    tokens: TokenCounts
    spend_usd: float | None
    held_usd: float
    max_spend_usd: float | None
    undecided: tuple[SkippedItem, ...]


class CauseGroup(_Result):
    """Investigations with the same kind of cause at the same kind of act.

    `cost_usd` is what the failing runs cost whose cost is known; None where none is.
    """

    category: str
    verb: str | None
    tool: str | None
    count: int
    tasks: tuple[str, ...]
    cost_usd: float | None


class InvestigateResult(_Result):
    """All of them. `left_out` names failing runs that were not investigated, and why.

    `scores_written` counts the traces whose `root_cause_step` was written or removed; a second run writes none.
    `report` is the path of the list of pages, `judge` what a model was asked; None for what was not asked for.
    """

    project: str
    opik: str
    embedded: bool
    investigations: tuple[Investigation, ...]
    groups: tuple[CauseGroup, ...]
    scores_written: int
    report: str | None
    judge: CauseJudging | None
    left_out: tuple[SkippedItem, ...]
    skipped: tuple[SkippedItem, ...]
    exit_code: ExitCode
