"""What a comparison says: the models behind `--json`, the report and the saved views.

A number that cannot be had is None with the reason beside it.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict

type By = Literal["model", "version", "agent", "effort"]
type Metric = Literal[
    "pass_rate",
    "cost_usd",
    "cost_to_complete_usd",
    "seconds",
    "tokens",
    "tool_choice_flagged",
    "reasoning_quality_flagged",
    "efficiency_flagged",
]
type Verdict = Literal["better", "worse", "no difference shown"]


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(_Result):
    """A number with its 95 % interval.

    `n` counts what it was computed from (attempts or tasks); `missing` counts attempts left out because their
    value is not known; `at_least` marks a lower bound; `infinite` that the value, which is then None, is infinite
    (JSON has no number for it); `reason` says why a bound or the value is None.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    missing: int = 0
    at_least: bool = False
    infinite: bool = False
    reason: str | None = None

    @property
    def number(self) -> float | None:
        """The value as it is shown: infinite ones, too."""
        return math.inf if self.infinite else self.value


class VariantResult(_Result):
    """One variant on one dataset.

    `attempts` are the trials that count; `excluded` counts the others by status; `regraded` of all these have the
    grade of a later regrade, which is itself no attempt and not in these numbers. Tokens are means per attempt of
    everything sent and received; `scores` holds the share of agent steps flagged, per criterion, as the judge reports
    it, and `corrected` the same less that judge's known errors, where it was calibrated (`views.error_rates`).
    `cost_to_complete_usd` is total spend over successes: infinite when there was no success. `pass_at_k` is the
    chance that at least one of k attempts passes, `pass_hat_k` (pass^k) that all of them do, for every k that the
    attempts at each task allow.
    """

    variant: str
    agent: str
    agent_version: str | None
    model: str | None
    provider: str | None
    effort: str | None
    digest: str | None
    jobs: tuple[str, ...]
    tasks: int
    attempts: int
    passes: int
    excluded: dict[str, int]
    regraded: int = 0
    pass_rate: Estimate
    pass_at_k: dict[int, Estimate] = {}
    pass_hat_k: dict[int, Estimate] = {}
    cost_per_attempt_usd: Estimate
    cost_to_complete_usd: Estimate
    tokens_per_attempt: Estimate
    seconds_per_attempt: Estimate
    steps_per_attempt: Estimate
    scores: dict[str, Estimate]
    corrected: dict[str, Estimate] = {}


class Spread(_Result):
    """A quantity over the attempts of a variant; `n` of them are known, `missing` are not.

    `sd` is the standard deviation with n - 1. None where no attempt's is known.
    """

    mean: float | None
    sd: float | None
    q25: float | None
    median: float | None
    q75: float | None
    n: int
    missing: int


class Spent(_Result):
    """What a variant takes of one thing: dollars, tokens or seconds (`views.economy`).

    `total` is the sum over the attempts; `of_task_set` that of one attempt at each task; `to_complete` what a success
    takes; `per_point` what a percentage point of pass rate takes; `efficiency` how many times less that is than with
    the baseline.
    """

    total: float | None
    per_attempt: Spread
    of_task_set: Estimate
    to_complete: Estimate
    per_point: Estimate
    efficiency: Estimate


class VariantCost(_Result):
    """What a variant costs on one dataset, and how it works: a row of `views.tables.VARIANTS`.

    `excluded` trials are no attempts of the agent. `counted` and `behaviour` hold what `views.tables.COUNTED` and
    `BEHAVIOUR` name.
    """

    dataset: str
    variant: str
    agent: str
    agent_version: str | None
    model: str | None
    provider: str | None
    effort: str | None
    digest: str | None
    baseline: str | None
    tasks: int
    attempts: int
    passes: int
    excluded: int
    pass_rate: float | None
    cost: Spent
    tokens: Spent
    seconds: Spent
    counted: dict[str, Spread]
    behaviour: dict[str, Spread]


class PairMetric(_Result):
    """A metric of `b` less that of `a`, on the tasks both ran, with a 95 % interval.

    `ratio` is `b` over `a`, with its interval: of cost, time and tokens the geometric mean of the tasks' ratios, of
    cost to complete that of the totals; None for what is compared by its difference. `p` is that of the test that the
    comparison's rule names, two-sided; `p_adjusted` the same adjusted for the comparison's other pairs (Holm), and `q`
    for all metrics and pairs of the comparison (Benjamini and Hochberg), for exploring. `verdict` follows the rule;
    None where the rule cannot be applied, with the reason.
    `smallest_visible` is the smallest difference, in either direction, that so many tasks would have shown in four of
    five cases; None where the tasks' differences say nothing of it. `tasks` counts the tasks the difference is over:
    those of the pair, less those where the value is not known on one side (said in `reason`).
    """

    metric: Metric
    difference: float | None
    low: float | None
    high: float | None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    tasks: int
    p: float | None = None
    p_adjusted: float | None = None
    q: float | None = None
    verdict: Verdict | None = None
    smallest_visible: float | None = None
    reason: str | None = None


class Flip(_Result):
    """A task whose pass rate is another with `b` than with `a`: passes and attempts of each.

    `p` is the chance that attempts which are all equally likely to pass would differ at least so much between the two
    (Fisher's exact test, two-sided): 1 where each variant tried once. `q` is the same adjusted for all flips of the
    pair (Benjamini and Hochberg).
    """

    task: str
    a_passes: int
    a_attempts: int
    b_passes: int
    b_attempts: int
    p: float
    q: float | None = None


class Pair(_Result):
    """Variant `b` against variant `a`.

    `gained` tasks are those whose pass rate rose from `a` to `b`, `lost` those where it fell; `flips` holds both with
    the chance that each is noise, the least likely first. `left_out` names the tasks that are not compared, each with
    the reason; `unequal` those that are, although the two variants have different numbers of attempts at them.
    `refused` says in what the two were not run alike, where they get no verdict for it.
    """

    a: str
    b: str
    tasks: int
    metrics: tuple[PairMetric, ...]
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    flips: tuple[Flip, ...] = ()
    left_out: dict[str, str] = {}
    unequal: tuple[str, ...] = ()
    refused: str | None = None

    @property
    def unanswered(self) -> str | None:
        """Why the pair as a whole gets no verdict; None where each metric is judged by itself."""
        no_task = None if self.tasks else "no task in common"
        return "; ".join(filter(None, (self.refused, no_task))) or None

    def reason(self, one: PairMetric) -> str | None:
        """What is to be said of a metric beside what is said of the pair as a whole."""
        told = None if one.reason is None else one.reason.removeprefix(f"refused: {self.refused}").removeprefix("; ")
        return told or None

    def metric(self, name: Metric) -> PairMetric:
        """The row of this metric; raises `KeyError` where the comparison has none."""
        for one in self.metrics:
            if one.metric == name:
                return one
        raise KeyError(name)


class Couple(_Result):
    """Two variants together.

    `oracle_rate` is the pass rate of whoever knew for each task which of the two passes it more often; `cost_usd` what
    one attempt of each at each task costs, None where that of any attempt is not known.
    """

    a: str
    b: str
    oracle_rate: float
    cost_usd: float | None


class Complementarity(_Result):
    """What the variants solve together, on the `tasks` that all of them ran.

    `only` names, by variant, the tasks at which no other variant has a pass; `unsolved` those at which none has.
    `oracle_rate` is the pass rate of whoever knew for each task which variant passes it most often, an upper bound for
    any routing; `gain` by how much it exceeds `best_rate`, that of the `best` single variant. `couple` are the two
    that solve most together, and of several such couples the cheapest. All are None, with the `reason`, where no task
    was run by all.
    """

    tasks: int
    only: dict[str, tuple[str, ...]] = {}
    unsolved: tuple[str, ...] = ()
    best: str | None = None
    best_rate: float | None = None
    oracle_rate: float | None = None
    gain: float | None = None
    couple: Couple | None = None
    reason: str | None = None


class Comparison(_Result):
    """Two or more variants on one dataset that differ in one respect only.

    `fixed` names what is held equal (for example `{"agent": "kilo", "agent_version": "7.7.9", ...}`); `rule`
    is the sentence by which `verdict`s are given, stated before the data were seen. `name` is stable and
    unique.
    """

    name: str
    by: By
    dataset: str
    fixed: dict[str, str | None]
    rule: str
    variants: tuple[VariantResult, ...]
    pairs: tuple[Pair, ...]
    complementarity: Complementarity
