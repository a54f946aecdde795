"""What the tables of `kilobench cost` have in common: shares, differences, a trial's title, and how they end."""

from __future__ import annotations

from collections.abc import Collection

from rich.console import Console

from pipelines.cost.attribution import Parts
from pipelines.cost_results import Breakdown, CostedTrial, CostShares, Ending
from pipelines.costed import cost_shares
from pipelines.terminal import line
from views import format as fmt

SHARES = ("re-sent", "new", "reason", "output")
"""The headings of `shares_of`."""
ROUNDING = 1e-9
"""US dollars that the order of an addition makes."""


def show_ending(ending: Ending, console: Console) -> None:
    """The prices, what was left out and why, and the sum."""
    for price in ending.prices:
        console.print(line("price: ", price))
    for one in ending.unpriced:
        console.print(line("no price: ", f"{one.reason} ({one.calls} LLM calls, for example in {one.trial})"))
    if ending.findings:
        count = sum(one.count for one in ending.findings)
        console.print(line("findings: ", f"{count} about the data; kilobench inspect shows them"))
    for one in ending.skipped:
        console.print(line("skipped: ", f"{one.path}: {one.reason}"))
    totals = ending.totals
    parts = [f"{totals.trials} trials"]
    if totals.cost_usd is not None:
        parts.append(f"{fmt.money(totals.cost_usd)} known")
    if totals.cost_unknown:
        parts.append(f"the cost of {totals.cost_unknown} of {totals.trials} trials unknown")
    if totals.regrades:
        parts.append(f"{totals.regrades} only grade another trial again, at no new cost")
    if ending.retries_lost:
        parts.append(f"attempts that Harbor threw away and tried again: {ending.retries_lost}, at a cost nobody knows")
    console.print(line("read: ", "; ".join(parts)))


def show_left_out(columns: Collection[str], console: Console) -> None:
    """The columns for which the terminal has no room, if there are any."""
    if columns:
        console.print(line("no room for: ", f"{', '.join(columns)}; a wider terminal and --json have them"))


def shares_of(shares: CostShares | None) -> list[str]:
    """The four shares as cells."""
    if shares is None:
        return [fmt.UNKNOWN] * len(SHARES)
    return [
        _share(one) for one in (shares.resent_context, shares.tool_overhead, shares.reasoning, shares.useful_output)
    ]


def _share(share: float | None) -> str:
    """A share to the percent, as four of them stand beside each other."""
    if share is None:
        return fmt.UNKNOWN
    return f"{share:.0%}".replace("%", " %") if share == 0 or share >= 0.005 else "<1 %"


def shares_in(breakdown: Breakdown) -> CostShares | None:
    """A breakdown as four shares."""
    return cost_shares(Parts(**dict(breakdown)))


def signed(usd: float | None) -> str:
    """A difference of sums; one that only rounding made is none."""
    return fmt.difference(0.0 if usd is not None and abs(usd) < ROUNDING else usd, fmt.money)


def title_of(one: CostedTrial) -> str:
    """What is said of a trial above its rows."""
    parts = [one.variant, one.status.value.replace("_", " ")]
    if one.is_regrade:
        parts.append("only grades another trial again, at no new cost")
    elif one.cost_usd is None:
        parts.append("cost unknown")
    else:
        parts.append(f"{fmt.money(one.cost_usd)} {one.provenance.value}")
    return fmt.one_line(f"{one.trial}: {'; '.join(parts)}")
