"""What must be done so that Opik holds a trial's rows as they should be. Pure: it decides, and sends nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from adapter.opik_ids import ROUNDING_SECONDS, mint, minted_at
from adapter.opik_rows import Row
from adapter.opik_store import Stored

_FRESH = timedelta(seconds=ROUNDING_SECONDS)
"""Up to this age of its id a row may be sent again as a whole. No new id is older; Opik Cloud takes ids of up to a day,
and no Opik can be set to take only those of less than 12 hours."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What must be done for one trial, in this order.

    Attributes:
        remove: the id of the stored trace that must go first, with all that hangs on it.
        change: rows to be changed in place, each with its id.
        send: rows to be stored as a whole, each with its id, the trace before its spans.
        ids: the id of each row of the trial, by key.
        minted: those of them that Opik did not know before.
    """

    remove: str | None = None
    change: list[tuple[str, Row]] = field(default_factory=list[tuple[str, Row]])
    send: list[tuple[str, Row]] = field(default_factory=list[tuple[str, Row]])
    ids: dict[str, str] = field(default_factory=dict[str, str])
    minted: dict[str, str] = field(default_factory=dict[str, str])

    def with_row(self, row: Row, other: Row) -> Plan:
        """The same with another row in the place of one."""
        change, send = (
            [(row_id, other if one is row else one) for row_id, one in part] for part in (self.change, self.send)
        )
        return replace(self, change=change, send=send)


def plan(
    rows: Sequence[Row], stored: Mapping[str, Stored], minted: Mapping[str, str], project: str, at: datetime
) -> Plan:
    """How the rows of one trial get to be what is stored.

    A row keeps its id. Where that is too old to be sent as new, it is changed in place; but a change in place takes
    nothing away, no span is put under another, and Opik removes no single one: a trial that must lose something, or has
    a span twice or elsewhere, is removed and sent anew.

    Args:
        rows: all rows of the trial, its trace first.
        stored: what Opik holds of that trial, by key.
        minted: ids under which rows were sent in this run already, and may not be found yet.
        project: the Opik project, whose ids differ from another's.
        at: the current time, for the ids of what is new.
    """
    known = {row.key: minted[row.key] for row in rows if row.key in minted}
    known |= {key: one.id for key, one in stored.items()}
    missing = [row for row in rows if row.key not in stored or stored[row.key].digest != row.digest]
    vanished = stored.keys() - {row.key for row in rows}
    doubled = any(one.twins for one in stored.values())
    moved = any(row.key in stored and _stands_elsewhere(row, stored[row.key], known) for row in missing)
    if vanished or doubled or moved or any(_must_lose(row, stored.get(row.key), at) for row in missing):
        anew = {row.key: mint(f"{project}|{row.key}|{known.get(row.key, 'new')}", at) for row in rows}
        return Plan(known.get(rows[0].key), [], [(anew[row.key], row) for row in rows], anew, anew)
    new = {row.key: mint(f"{project}|{row.key}", at) for row in missing if row.key not in known}
    ids = known | new
    return Plan(
        change=[(ids[row.key], row) for row in missing if not _is_fresh(ids[row.key], at)],
        send=[(ids[row.key], row) for row in missing if _is_fresh(ids[row.key], at)],
        ids=ids,
        minted=new,
    )


def _stands_elsewhere(row: Row, stored: Stored, known: Mapping[str, str]) -> bool:
    """Whether a span is stored under another than it should be: Opik would keep it there, beside the new one."""
    if row.parent_key is None:
        return stored.parent_id is not None
    return stored.parent_id is None or stored.parent_id != known.get(row.parent_key)


def _is_fresh(row_id: str, at: datetime) -> bool:
    return at - minted_at(row_id) <= _FRESH


def _must_lose(row: Row, stored: Stored | None, at: datetime) -> bool:
    """Whether a row is too old to be replaced, and must lose or change what a change in place leaves as it is."""
    if stored is None or _is_fresh(stored.id, at):
        return False
    wanted = {"end_time": row.end_time, "error": row.error}
    if row.kind != "trace":  # A trace's usage and cost are the sums over its spans.
        wanted |= {"usage": row.usage, "cost": row.cost_usd}
    lost = {name for name, value in wanted.items() if not value} & stored.has
    return bool(lost) or row.start_time != stored.start_time
