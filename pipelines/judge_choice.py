"""Choosing the trials that are judged: all are read once for it, and those that were chosen once more."""

from __future__ import annotations

from judges.final import is_rule
from judges.rules import judge as by_rules
from judges.sampling import Card, Chosen, choose, weighted_rate
from pipelines.judge_request import JudgeRequest
from pipelines.judge_results import JudgedTrial, RateEstimate, SampleResult
from pipelines.progress import Bars
from pipelines.to_judge import FromJobs, FromOpik, ToJudge


def choose_trials(request: JudgeRequest, source: FromJobs | FromOpik, bars: Bars) -> Chosen | None:
    """The trials that are to be judged; None where that is all of them, and nothing was to choose."""
    if request.only is None and request.sample is None:
        return None
    advance = bars.stage("Choose", "trials", source.total)
    cards = [_card(found) for found in source.trials(advance)]
    return choose(cards, request.only, request.sample, request.seed)


def sample_result(request: JudgeRequest, chosen: Chosen, trials: tuple[JudgedTrial, ...]) -> SampleResult:
    """What was chosen, and what its rates say of all."""
    names = dict.fromkeys(name for trial in trials for name in trial.flagged)
    rates: list[RateEstimate] = []
    for variant in dict.fromkeys(stratum[0] for stratum in chosen.population):
        for name in names:
            shares = {trial.trial: trial.flagged[name] for trial in trials if name in trial.flagged}
            rate = weighted_rate(chosen, variant, shares)
            rates.append(
                RateEstimate(
                    variant=variant,
                    criterion=name.removesuffix("_flagged"),
                    rate=rate.rate,
                    low=rate.low,
                    high=rate.high,
                    drawn=rate.drawn,
                    population=rate.population,
                )
            )
    return SampleResult(
        only=None if request.only is None else request.only.value,
        sample=request.sample,
        seed=request.seed,
        described=chosen.describe(),
        rates=tuple(rates),
    )


def _card(found: ToJudge) -> Card:
    trial = found.trial
    return Card(
        name=trial.name,
        variant=trial.variant.name,
        task=f"{trial.dataset}/{trial.task}",
        passed=trial.passed,
        flags=sum(map(is_rule, by_rules(trial))),
    )
