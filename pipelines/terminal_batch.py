"""What a person sees of batches that are submitted and collected."""

from __future__ import annotations

from rich.console import Console

from pipelines.judge_batch import BatchResult
from pipelines.judge_collect import CollectResult
from pipelines.terminal import line
from pipelines.terminal_judge import show_judge
from views import format as fmt


def show_batch(result: BatchResult, console: Console) -> None:
    """Prints what was submitted, and what was not."""
    for one in result.batches:
        name = one.batch or "no confirmation came; --collect finds out whether it was taken"
        most = "no price" if one.most_usd is None else f"{fmt.money(one.most_usd)} at most"
        console.print(line(f"{one.model}: ", f"{one.calls} calls, {most} (batch {name})"))
    for reason, count in result.left.items():
        console.print(line("not submitted: ", f"{count} calls: {reason}"))
    told = f"{result.trials} trials; {result.cached_calls} calls answered before"
    console.print(line("submitted: ", f"{told}, {result.waiting_calls} in an earlier batch"))
    if result.batches or result.waiting_calls:
        console.print(line("", "Within a day, kilobench judge --collect brings the verdicts."))


def show_collect(result: CollectResult, console: Console) -> None:
    """Prints what was collected, and what waits."""
    for one in result.batches:
        at = one.submitted_at.strftime("%Y-%m-%d %H:%M UTC")
        if one.result is None:
            console.print(line("not collected: ", f"submitted {at}, {one.done} of {one.calls} calls: {one.reason}"))
        else:
            console.print(line("collected: ", f"submitted {at}, {one.calls} calls"))
            show_judge(one.result, console)
