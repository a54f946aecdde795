"""What a person sees of `kilobench inspect`: a row per trial, the findings by code, what was skipped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from sys import intern

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapter.costs import TrialCost
from adapter.jobs import Job
from adapter.times import as_utc
from adapter.trial import Span, Trial, Variant
from pipelines.inspect import Inspection
from pipelines.inspected import InspectedTrial, inspected
from pipelines.progress import Bars
from pipelines.results import FindingCount
from pipelines.terminal import line
from views import format as fmt

_GAP = 2
"""Blanks between two columns."""
_FOLDED = {"status": 14, "cost": 11, "task": 16, "variant": 16, "trial": 24}
"""The columns that give way in a narrow terminal, in that order, and how many characters each keeps."""
_WIDEST = 10_000
"""Columns that no row needs: a terminal that is narrower still breaks the lines itself, where `rich` would cut."""
_LONGEST_NAME = 100
_LONGEST_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class NamedVariant:
    """A variant's name and its parts (`views.format.Named`)."""

    variant: str
    agent: str
    agent_version: str | None
    model: str | None
    provider: str | None
    effort: str | None
    digest: str | None

    @classmethod
    def of(cls, one: Variant) -> NamedVariant:
        """The names of a variant."""
        return cls(one.name, one.agent, one.agent_version, one.model, one.provider, one.effort, one.digest)


@dataclass(frozen=True, slots=True)
class _Row:
    """All that is kept of a trial for its row: a few short texts."""

    job_id: str
    job: str
    trial: str
    task: str
    dataset: str
    variant: NamedVariant
    started_at: datetime | None
    cells: tuple[str, ...]


_CELLS = ("status", "reward", "steps", "calls", "tokens", "cost", "ATIF", "findings")


def show(inspection: Inspection, bars: Bars, console: Console) -> None:
    """Reads the trials, then prints them job by job. All texts come from job folders: they are shown as plain text."""
    variants: dict[NamedVariant, NamedVariant] = {}
    with bars.showing():
        rows = [_row(trial, cost, variants) for trial, cost in inspection.read(bars)]
    room = console.width
    console.width = max(room, _WIDEST)
    jobs = {job.id: job for job in inspection.jobs}
    for job_id, of_job in groupby(rows, attrgetter("job_id")):
        console.print(_table(list(of_job), jobs[job_id], room), "")
    console.width = room
    counts = inspection.findings.counts()
    if counts:
        console.print(_findings(counts), "")
    for one in inspection.skipped:
        console.print(line("skipped: ", f"{one.path}: {one.reason}"))
    console.print(line("read: ", _total(inspection)))


def _total(inspection: Inspection) -> str:
    """How much was read, and what of its cost is known."""
    parts = [f"{inspection.trials} trials, {inspection.steps} steps"]
    if inspection.cost_usd is not None:
        parts.append(f"{fmt.money(inspection.cost_usd)} known")
    if inspection.cost_unknown:
        parts.append(f"the cost of {inspection.cost_unknown} of {inspection.trials} trials unknown")
    if inspection.regrades:
        parts.append(f"{inspection.regrades} only grade another trial again, at no new cost")
    return "; ".join(parts)


def _row(trial: Trial, cost: TrialCost, variants: dict[NamedVariant, NamedVariant]) -> _Row:
    """The row of a trial; `variants` holds each variant once, however many trials it has."""
    variant = NamedVariant.of(trial.variant)
    return _Row(
        # Most of these are the same for many trials: one copy of each is enough for thousands of rows.
        job_id=intern(trial.job_id),
        job=intern(trial.job),
        trial=_name(trial.name),
        task=intern(_name(trial.task)),
        dataset=intern(_name(trial.dataset)),
        variant=variants.setdefault(variant, variant),
        started_at=trial.time.started_at,
        cells=tuple(map(intern, _cells(inspected(trial, cost), is_regrade=trial.source_trial_id is not None))),
    )


def _cells(one: InspectedTrial, *, is_regrade: bool) -> tuple[str, ...]:
    """The row's cells, as `_CELLS` names them."""
    no_cost = "none new" if is_regrade else one.cost_provenance.value
    return (
        one.status.value.replace("_", " "),
        fmt.UNKNOWN if one.reward is None else f"{one.reward:.4g}",
        fmt.count(one.steps),
        fmt.count(one.llm_calls),
        fmt.tokens(one.tokens.in_all),
        no_cost if one.cost_usd is None else f"{fmt.money(one.cost_usd)} {one.cost_provenance.value}",
        fmt.UNKNOWN if one.atif_version is None else _name(one.atif_version.removeprefix("ATIF-v")),
        fmt.count(len(one.findings)),
    )


def _table(rows: Sequence[_Row], job: Job, room: int) -> Table:
    """The trials of one job. What all of them share, and what a trial's name says already, has no column."""
    variants = list({row.variant: None for row in rows})
    names = {full: _name(short) for full, short in fmt.short_names(variants).items()}
    owners = {row.task.rpartition("/")[0] for row in rows}
    columns = {"trial": [row.trial for row in rows]}
    if len(owners) > 1 or not all(map(_says_task, rows)):
        columns["task"] = [row.task for row in rows]
    if len(variants) > 1:
        columns["variant"] = [names[row.variant.variant] for row in rows]
    columns |= {heading: [row.cells[at] for row in rows] for at, heading in enumerate(_CELLS)}
    widths = _widths(columns, room)
    table = _bare(f"{_name(rows[0].job)}: {_shared(rows, variants, owners)}{_when(rows, job)}")
    for heading, width in widths.items():
        is_text = heading not in _CELLS or heading == "status"
        table.add_column(heading, justify="left" if is_text else "right", overflow="fold", width=width)
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, cells))
    return table


def _widths(columns: Mapping[str, Sequence[str]], room: int) -> dict[str, int]:
    """How wide each column is: as its longest cell, or narrower where the terminal has no room for that.

    `rich` would fold the longest columns down to a character before it lets go of a short one.
    """
    widths = {heading: max(map(cell_len, [heading, *cells])) for heading, cells in columns.items()}
    over = sum(widths.values()) + _GAP * (len(widths) - 1) - room
    for heading, least in _FOLDED.items():
        if over > 0 and heading in widths:
            given = max(min(widths[heading] - least, over), 0)
            widths[heading] -= given
            over -= given
    return widths


def _says_task(row: _Row) -> bool:
    """Whether the trial's name begins with its task's, as Harbor makes it (it cuts a long one)."""
    return row.trial.rpartition("/")[2].startswith(row.task.rpartition("/")[2])


def _shared(rows: Iterable[_Row], variants: Sequence[NamedVariant], owners: set[str]) -> str:
    """The datasets, whose tasks they are, and the variant where there is only one, else the agents."""
    agents = [variants[0].variant] if len(variants) == 1 else sorted({one.agent for one in variants})
    parts = [_some(sorted({row.dataset for row in rows}))]
    if len(owners) == 1 and "" not in owners:
        parts.append(f"tasks of {owners.copy().pop()}")
    return "; ".join([*parts, _some([_name(one) for one in agents])])


def _when(rows: Sequence[_Row], job: Job) -> str:
    """When the job ran and for how long, as far as that is known."""
    first = min((row.started_at for row in rows if row.started_at is not None), default=None)
    time = as_utc(Span(*job.local_time), first)
    if time.started_at is None:
        return ""
    began = f"; {time.started_at:%Y-%m-%d %H:%M} UTC"
    return began if time.seconds is None else f"{began}, {fmt.seconds(time.seconds)}"


def _bare(title: str) -> Table:
    return Table(
        title=Text(title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, _GAP - 1, 0, 0),
    )


def _some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _findings(counts: Iterable[FindingCount]) -> Table:
    table = _bare("Findings")
    table.add_column("finding", no_wrap=True)
    table.add_column("severity", no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    table.add_column("for example", overflow="fold")
    for one in counts:
        where = one.trial if one.step is None else f"{one.trial}, step {one.step}"
        example = f"{_name(where)}: {_cut(one.message, _LONGEST_MESSAGE)}"
        table.add_row(*map(Text, (_name(one.code), one.severity, fmt.count(one.count), example)))
    return table


def _name(text: str) -> str:
    return _cut(text, _LONGEST_NAME)


def _cut(text: str, longest: int) -> str:
    """The text on one line, and not too much of it: a name is as long as whoever wrote the file wanted."""
    shown = fmt.one_line(text[: 2 * longest])
    return shown if len(shown) <= longest and len(text) <= 2 * longest else f"{shown[: longest - 1]}…"
