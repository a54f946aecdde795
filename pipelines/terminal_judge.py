"""What a person sees at the end of `kilobench judge`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from rich.console import Console

from pipelines.investigate_results import CauseJudging
from pipelines.judge_results import JudgeResult, JudgeRunResult
from pipelines.terminal import line
from views import format as fmt

_MOST = 20
"""Lines about things of one kind; --json names all."""


def show_judge(result: JudgeResult, console: Console) -> None:
    """Prints the verdicts by kind, what the models took, and what is left to do."""
    run = result.run
    for one in result.counts:
        by = f"{one.by}; {_calibration(run, one.by, one.criterion)}" if not one.by.startswith("rule:") else one.by
        console.print(line(f"{one.criterion}: ", f"{one.count} steps: {one.category or 'no category'} ({by})"))
    if not result.counts:
        console.print(line("", "No step is flagged."))
    _show_sample(run, console)
    _show_judges(run, console)
    findings = Counter(finding.code for trial in result.trials for finding in trial.findings)
    if findings:
        counts = ", ".join(f"{count} {code}" for code, count in sorted(findings.items()))
        console.print(line("findings: ", counts))
    failed = _by_reason(
        [(f"{one.trial}, step {one.step}, {one.criterion}", one.reason, one.model) for one in result.failed]
    )
    left = _by_reason(
        [
            (f"{one.trial}, step {step}, {one.criterion}", one.reason, one.model)
            for one in result.not_judged
            for step in one.steps
        ]
    )
    skipped = [(one.path, one.reason) for one in result.skipped]
    for lead, items in (("no verdict: ", failed), ("not judged: ", left), ("left out: ", skipped)):
        for what, why in items[:_MOST]:
            console.print(line(lead, f"{what}: {why}"))
        if len(items) > _MOST:
            console.print(line(lead, f"{len(items) - _MOST} more; --json names all"))
    steps = sum(one.agent_steps for one in result.trials)
    console.print(line("judged: ", f"{len(result.trials)} trials, {steps} agent steps"))
    if run.models:
        console.print(line("judge run: ", f"{run.id}; {spent(run)}"))
    if result.opik is not None and any(one.project is not None for one in result.trials):
        scores = f"{result.scores_written} scores" if result.scores_written else "nothing, all was there"
        console.print(line("written to Opik: ", scores))
    if failed or left:
        console.print(line("", "Run the same command again: it asks for what is missing, and pays for nothing twice."))


def _by_reason(items: Sequence[tuple[str, str, str]]) -> list[tuple[str, str]]:
    """What has one reason, on one line: the first of it, and how many more."""
    places: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for place, reason, model in items:
        places[reason, model].append(place)
    return [
        (found[0] if len(found) == 1 else f"{found[0]}, and {len(found) - 1} more", f"{reason} ({model})")
        for (reason, model), found in places.items()
    ]


def _show_sample(run: JudgeRunResult, console: Console) -> None:
    if run.sample is None:
        return
    console.print(line("sample: ", run.sample.described))
    for one in run.sample.rates:
        if one.rate is None:
            continue
        between = "" if one.low is None or one.high is None else f" ({fmt.percent(one.low)} to {fmt.percent(one.high)})"
        drawn = f"{one.drawn} of {one.population} trials"
        console.print(line(f"{one.variant}, {one.criterion}: ", f"{fmt.percent(one.rate)} flagged{between}, {drawn}"))


def _show_judges(run: JudgeRunResult, console: Console) -> None:
    for lead, found in (("agreement: ", run.agreement), ("same again: ", run.stability)):
        for one in found:
            share = "not known" if one.agreement is None else fmt.percent(one.agreement)
            kappa = "" if one.kappa is None else f", κ {one.kappa:.2f}"
            console.print(line(lead, f"{one.criterion}: {share} of {one.pairs} steps{kappa} ({', '.join(one.judges)})"))
    if run.escalated:
        console.print(line("escalated: ", f"{run.escalated} verdicts"))
    if run.disagreements:
        counts = ", ".join(f"{count} by {name}" for name, count in run.disagreements.items())
        console.print(line("rule and model differ: ", counts))


def _calibration(run: JudgeRunResult, by: str, criterion: str) -> str:
    return run.calibration.get(by, {}).get(criterion, "not calibrated")


def spent(run: JudgeRunResult | CauseJudging) -> str:
    """Calls, tokens and dollars of a judge run, in a phrase."""
    tokens = run.tokens.in_all
    held = f", and up to {fmt.money(run.held_usd)} for calls without an answer" if run.held_usd else ""
    cap = "no cap" if run.max_spend_usd is None else f"cap {fmt.money(run.max_spend_usd)}"
    calls = f"{run.calls} calls, {run.cached_calls} from the cache"
    return f"{calls}; {fmt.tokens(tokens)} tokens, {fmt.money(run.spend_usd)}{held} ({cap})"
