"""What a person sees of the judge runs that there were."""

from __future__ import annotations

from rich.console import Console

from pipelines.run_history import ListedRun, RunComparison, RunList
from pipelines.terminal import line
from views import format as fmt

_MOST_FLIPS = 20


def show_runs(result: RunList, console: Console) -> None:
    """Prints judge runs, the newest first."""
    for one in result.runs:
        console.print(line(f"{one.id}: ", f"{one.started_at}; {_told(one)}"))
    if not result.runs:
        console.print(line("", "No judge run is kept there."))


def show_comparison(result: RunComparison, console: Console) -> None:
    """Prints what changed between two judge runs."""
    for lead, one in (("before: ", result.before), ("after: ", result.after)):
        console.print(line(lead, f"{one.id}; {_told(one)}"))
    for one in result.criteria:
        only = f"; judged in one alone: {one.only_before} before, {one.only_after} after"
        kappa = "not defined" if one.kappa is None else f"{one.kappa:.2f}"
        said = f"{one.flipped} of {one.common} labels flipped, κ {kappa}"
        console.print(line(f"{one.criterion}: ", said + (only if one.only_before or one.only_after else "")))
    for one in result.flips[:_MOST_FLIPS]:
        console.print(line(f"{one.trial}, step {one.step}, {one.criterion}: ", f"{one.before} → {one.after}"))
        console.print(line("  before: ", one.why_before))
        console.print(line("  after: ", one.why_after))
    if len(result.flips) > _MOST_FLIPS:
        console.print(line("", f"{len(result.flips) - _MOST_FLIPS} more; --json names all"))


def _told(one: ListedRun) -> str:
    models = ", ".join(one.models)
    prompts = ", ".join(one.prompt_versions.values())
    calls = f"{one.calls} calls, {one.cached_calls} from the cache"
    failed = f", {one.failed} failed" if one.failed else ""
    return (
        f"{models}; {prompts}; window {one.settings.get('window')}; {calls}; {fmt.tokens(one.tokens)} tokens, "
        f"{fmt.money(one.spend_usd)}; {one.verdicts} verdicts{failed}"
    )
