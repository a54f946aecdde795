"""What `kilobench judge` says: the models behind its `--json`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from adapter.errors import ExitCode
from judges.verdict import FailedVerdict, Verdict
from pipelines.inspected import InspectedFinding, TokenCounts
from pipelines.results import SkippedItem, VerdictCount


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JudgedTrial(_Result):
    """A trial that was judged, and the share of its agent steps that is flagged, by criterion.

    `trace_id` and `project` are None where it was read from a job folder. `weight` is how many trials of its stratum
    it stands for: 1 unless `--sample` drew it.
    """

    trial: str
    trace_id: str | None
    project: str | None
    status: str
    agent_steps: int
    weight: float
    flagged: dict[str, float]
    findings: tuple[InspectedFinding, ...]


class NotJudgedItem(_Result):
    """Steps that a model was not asked about by a criterion, and why; the same command asks it."""

    trial: str
    criterion: str
    steps: tuple[int, ...]
    model: str
    reason: str


class CriterionAgreement(_Result):
    """How far several judges, or several samples of one, say the same by one criterion.

    `agreement` is the share of the `pairs` (steps that all of them judged) on which all give the same label; `kappa` is
    Cohen's for two judges. Both are None where they are not defined.
    """

    criterion: str
    judges: tuple[str, ...]
    pairs: int
    agreement: float | None
    kappa: float | None


class RateEstimate(_Result):
    """The share of steps that is flagged in a variant, estimated for all trials from those that were drawn.

    `low` and `high` bound its 95 % interval; None where it has none. `drawn` of `population` trials were judged.
    """

    variant: str
    criterion: str
    rate: float | None
    low: float | None
    high: float | None
    drawn: int
    population: int


class SampleResult(_Result):
    """Which trials were chosen, and what their rates say of all.

    `described` is one sentence. `rates` rest on weights, so that they are unbiased for all trials that were to choose
    from, whatever was drawn.
    """

    only: str | None
    sample: int | None
    seed: int
    described: str
    rates: tuple[RateEstimate, ...]


class JudgeRunResult(_Result):
    """One pass of the judges.

    `calls` were sent and answered or failed, `cached_calls` were answered from the cache on disk. `tokens` and
    `spend_usd` are of what was sent; each is None where it is not known. `held_usd` is what calls without an answer may
    still come to: it counts under the cap. `disagreements` counts, by criterion, the steps on which a model and a rule
    give different labels; `escalated` those on which models differed and another was asked. `calibration` says, by
    model and criterion, how far its verdicts agree with people's, or `not calibrated`.
    """

    id: str
    models: tuple[str, ...]
    prompt_versions: dict[str, str]
    calls: int
    cached_calls: int
    tokens: TokenCounts
    spend_usd: float | None
    held_usd: float
    max_spend_usd: float | None
    settings: dict[str, str | int | float | None]
    disagreements: dict[str, int]
    agreement: tuple[CriterionAgreement, ...]
    stability: tuple[CriterionAgreement, ...]
    escalated: int
    calibration: dict[str, dict[str, str]]
    sample: SampleResult | None


class JudgeResult(_Result):
    """What `kilobench judge` said.

    `verdicts` holds, for each step and criterion, the one that counts (the model's, else the rule's), and after it a
    rule's that differs. Of steps in `failed` and `not_judged` a model has said nothing, good or bad; `failed` had
    answers that could not be used, or none; `not_judged` was not sent. `opik` and `embedded` are None where no Opik was
    used. `scores_written` counts the feedback scores that were set or removed; those that stood there already are not
    among them. `exit_code` is 0, or 3 when something is left to do and named in `failed`, `not_judged` or `skipped`.
    """

    run: JudgeRunResult
    opik: str | None
    embedded: bool | None
    trials: tuple[JudgedTrial, ...]
    verdicts: tuple[Verdict, ...]
    failed: tuple[FailedVerdict, ...]
    not_judged: tuple[NotJudgedItem, ...]
    counts: tuple[VerdictCount, ...]
    scores_written: int
    skipped: tuple[SkippedItem, ...]
    exit_code: ExitCode
