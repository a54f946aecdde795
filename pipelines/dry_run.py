"""`kilobench judge --dry-run`: what judging would send and cost, of which nothing is sent."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from rich.console import Console

from adapter.errors import BadInputError
from adapter.prices import PriceBook
from judges.estimate import Estimator
from judges.jury import first_calls
from pipelines.judge_choice import choose_trials
from pipelines.judge_request import JudgeRequest
from pipelines.judging import chosen_trials, criteria_of, jury_of, opened
from pipelines.progress import Bars
from pipelines.terminal import line
from views import format as fmt


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelEstimate(_Result):
    """What one model would be asked.

    `usd` is what is expected with nothing found in the provider's cache, and without thinking; `most_usd` what the cap
    would set aside for all of it. Both are None where the model has no price.
    """

    model: str
    calls: int
    cached_calls: int
    input_tokens: int
    output_tokens: int
    usd: float | None
    most_usd: float | None


class DryRunResult(_Result):
    """What `kilobench judge --dry-run` says.

    Asking again where an answer cannot be used, and `--escalate`, come on top.
    """

    trials: int
    steps: int
    window: int
    max_spend_usd: float | None
    models: tuple[ModelEstimate, ...]


def dry_run(request: JudgeRequest, bars: Bars, *, batch: bool = False) -> DryRunResult:
    """Counts the calls that judging would begin with, at the price of a batch where that is meant.

    Raises:
        BadInputError: what was given cannot be used, or no model is named.
    """
    request.check()
    if not request.models:
        raise BadInputError("Rules cost nothing: there is nothing to estimate.", "Name a model with --judge-model.")
    from judges.llm.batch import BATCH, check_model
    from judges.llm.cache import Cache

    for model in request.models if batch else ():
        check_model(model)
    jury = jury_of(request, criteria_of(request))
    estimator = Estimator(PriceBook.of(request.prices), BATCH if batch else None)
    trials = steps = 0
    with opened(request, bars, keeps=False) as where, Cache.open() as cache:
        chosen = choose_trials(request, where.source, bars)
        advance = bars.stage("Count", "trials", where.source.total if chosen is None else len(chosen.weights))
        for found in chosen_trials(where.source, chosen, advance):
            trials += 1
            steps += len(found.trial.agent_steps)
            for asked, call in first_calls(found.trial, jury):
                estimator.add(call, len(asked), is_cached=cache.get(call.key) is not None)
    return DryRunResult(
        trials=trials,
        steps=steps,
        window=request.window,
        max_spend_usd=request.max_spend_usd,
        models=tuple(
            ModelEstimate(
                model=one.model,
                calls=one.calls,
                cached_calls=one.cached,
                input_tokens=one.input_tokens,
                output_tokens=one.output_tokens,
                usd=one.usd,
                most_usd=one.most_usd,
            )
            for one in estimator.estimates()
        ),
    )


def show_dry_run(result: DryRunResult, console: Console) -> None:
    """Prints what would be sent."""
    for one in result.models:
        cached = f", {one.cached_calls} more from the cache" if one.cached_calls else ""
        tokens = f"{fmt.tokens(one.input_tokens)} tokens in, {fmt.tokens(one.output_tokens)} out"
        cost = "no price" if one.usd is None else f"{fmt.money(one.usd)} expected, {fmt.money(one.most_usd)} at most"
        console.print(line(f"{one.model}: ", f"{one.calls} calls{cached}; {tokens}; {cost}"))
    cap = "no cap" if result.max_spend_usd is None else f"cap {fmt.money(result.max_spend_usd)}"
    console.print(line("would judge: ", f"{result.trials} trials, {result.steps} agent steps; {cap}; nothing was sent"))
