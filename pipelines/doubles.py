"""What is stored more than once, and which of it goes. Pure, and on every machine the same.

Two machines that upload one job at once, in two of the 6-hour windows that ids are minted in, store its rows under two
ids. Of two traces the one with the smaller id stays, whoever looks; so both take away the same one, and one remains.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from adapter.opik_rows import trace_of
from adapter.opik_stored import Stored

type Held = dict[str, dict[str, Stored]]
"""What Opik holds, by the trial's key and then by row."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at a job's rows found.

    Attributes:
        held: each row that counts. The twins of a span that are left to it stand under the same trace, and cannot be
            taken away by themselves.
        strays: ids of traces that must go, with all that hangs on them: later ones of a trial that has an earlier one,
            and such as have spans and are gone themselves.
    """

    held: Held
    strays: frozenset[str] = frozenset()


def sort_out(traces: Mapping[str, Stored], spans: Mapping[str, Stored]) -> Found:
    """Which of the rows that were found count, and what must go.

    A span counts where it stands under its trial's trace. Where that is not found, nothing of the trial counts and
    nothing is said to be stray: an Opik on many machines may show spans before their trace.

    Args:
        traces: by key.
        spans: by key.
    """
    held: Held = {key: {key: replace(trace, twins=())} for key, trace in traces.items()}
    strays = {twin.id for trace in traces.values() for twin in trace.twins}
    for key, span in spans.items():
        trace = traces.get(trace_of(key))
        if trace is None:
            continue
        rows = (span, *span.twins)
        strays.update(row.trace_id for row in rows if row.trace_id != trace.id)
        here = [replace(row, twins=()) for row in rows if row.trace_id == trace.id]
        if here:
            held[trace_of(key)][key] = replace(here[0], twins=tuple(here[1:]))
    return Found(held, frozenset(strays))
