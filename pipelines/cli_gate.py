"""The command `kilobench gate`: it only wires."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli_options import (
    AllowUnequal,
    Json,
    Opik,
    PassAt,
    Prices,
    Project,
    Reward,
    finite,
    on_this_machine,
    tell,
    texts,
    written,
)

if TYPE_CHECKING:
    from views.gate_rule import Rule

_SIDE = "JOB|EXPERIMENT|FILE"


def _share(value: float | None) -> float | None:
    if value is not None and finite(value) < 0:
        raise typer.BadParameter(f"{value} is negative: it says how much worse the candidate may be.")
    return value


def _limit(help_: str, default: str) -> typer.models.OptionInfo:
    return typer.Option(help=help_, metavar="SHARE", show_default=default, callback=_share)


Margin = Annotated[
    float,
    typer.Option(help="How much lower the pass rate may be: 0.05 is 5 points.", metavar="SHARE", callback=_share),
]
MaxCostIncrease = Annotated[
    float | None, _limit("How much dearer an attempt may be: 0.25 is a quarter.", "0.25, and then not required")
]


def gate(
    baseline: Annotated[
        list[str] | None,
        texts("What is held against: a job folder, an experiment, a saved baseline; repeat it.", _SIDE, "--baseline"),
    ] = None,
    candidate: Annotated[list[str] | None, texts("What is tried; repeat it.", _SIDE, "--candidate")] = None,
    baseline_variant: Annotated[
        str | None, texts("Which variant of several in the baseline.", "NAME", "--baseline-variant")
    ] = None,
    candidate_variant: Annotated[
        str | None, texts("Which variant of several in the candidate.", "NAME", "--candidate-variant")
    ] = None,
    subset: Annotated[Path | None, texts("Only the tasks that this file names.", "FILE", "--subset")] = None,
    margin: Margin = 0.05,
    max_cost_increase: MaxCostIncrease = None,
    max_cost_to_complete_increase: Annotated[
        float | None, _limit("How much dearer a success may be.", "0.25, and then not required")
    ] = None,
    max_flagged_increase: Annotated[
        list[str] | None,
        typer.Option(
            help="How much larger the share of steps that a judge flags may be; repeat it for each criterion.",
            metavar="CRITERION=SHARE",
            show_default="0.1 each, and then not required",
        ),
    ] = None,
    look: Annotated[
        int | None,
        typer.Option(
            help="Which look this is, of the planned ones: attempts per task so far.",
            metavar="N",
            min=1,
            show_default="the only one",
        ),
    ] = None,
    max_attempts: Annotated[
        int | None,
        typer.Option(help="How many looks were planned.", metavar="N", min=1, max=100, show_default=False),
    ] = None,
    allow_unequal: AllowUnequal = False,
    save_baseline: Annotated[
        Path | None, written("Write the baseline to this file; no candidate is needed.", "FILE", "--save-baseline")
    ] = None,
    junit: Annotated[Path | None, written("Write JUnit XML to this file.", "FILE", "--junit")] = None,
    summary: Annotated[
        Path | None,
        typer.Option(
            help="Write a summary in Markdown to this file.",
            metavar="FILE",
            show_default="$GITHUB_STEP_SUMMARY is added to, where it is set",
            callback=on_this_machine,
        ),
    ] = None,
    project: Project = None,
    opik: Opik = None,
    reward: Reward = None,
    pass_at: PassAt = 1.0,
    prices: Prices = None,
    json: Json = False,
) -> None:
    """Say whether a candidate is worse than a baseline: exit 0 for a pass, 1 for a regression, 3 if inconclusive."""
    from adapter.status import Grading
    from pipelines.gate.deciding import GateRequest
    from pipelines.gate.deciding import gate as decide
    from pipelines.gate.outputs import write_outputs
    from pipelines.gate.results import GateResult
    from pipelines.progress import Bars
    from pipelines.terminal_gate import show_gate
    from views.gate_sequential import Look

    if (look is None) != (max_attempts is None):
        raise typer.BadParameter("--look and --max-attempts go together: which look, of how many.")
    if look is not None and max_attempts is not None and look > max_attempts:
        raise typer.BadParameter(f"--look {look} is beyond --max-attempts {max_attempts}.")
    request = GateRequest(
        baseline=tuple(baseline or ()),
        candidate=tuple(candidate or ()),
        baseline_variant=baseline_variant,
        candidate_variant=candidate_variant,
        subset=subset,
        rule=rule_of(margin, max_cost_increase, max_cost_to_complete_increase, max_flagged_increase or ()),
        look=None if look is None or max_attempts is None else Look(look, max_attempts),
        allow_unequal=allow_unequal,
        save_baseline=save_baseline,
        project=project,
        opik=opik,
        grading=Grading(key=reward, pass_at=pass_at),
        prices=prices,
    )
    result = decide(request, Bars())
    if isinstance(result, GateResult):
        result = write_outputs(result, junit, summary, sys.stderr)
    tell(result, show_gate, json=json)
    raise typer.Exit(result.exit_code)


def rule_of(margin: float, cost: float | None, to_complete: float | None, flagged: list[str] | tuple[str, ...]) -> Rule:
    """The rule that these options say; whatever is given a threshold is required.

    Args:
        margin: of the pass rate.
        cost: the largest increase of the cost per attempt; None where nothing was said.
        to_complete: the same of the cost to complete.
        flagged: `CRITERION=SHARE` each.

    Raises:
        typer.BadParameter: one of them is none.
    """
    from views.gate_rule import DEFAULT_RULE, Rule

    limits = dict(DEFAULT_RULE.max_flagged_increase)
    asked = {name for name, value in (("cost_usd", cost), ("cost_to_complete_usd", to_complete)) if value is not None}
    for one in flagged:
        name, _, text = one.partition("=")
        try:
            value = float(text)
        except ValueError as error:
            raise typer.BadParameter(f"{one} is not CRITERION=SHARE, such as efficiency=0.1.") from error
        if name not in limits:
            raise typer.BadParameter(f"{name} is no criterion; these are: {', '.join(limits)}.")
        _share(value)
        limits[name] = value
        asked.add(f"{name}_flagged")
    return Rule(
        margin=margin,
        max_cost_increase=DEFAULT_RULE.max_cost_increase if cost is None else cost,
        max_cost_to_complete_increase=(
            DEFAULT_RULE.max_cost_to_complete_increase if to_complete is None else to_complete
        ),
        max_flagged_increase=limits,
        asked=frozenset(asked),  # pyright: ignore[reportArgumentType]  # the names are those of the metrics
    )
