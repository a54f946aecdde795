"""Stage 3: the trials of each job as traces, spans, dataset items and experiments in Opik.

What is stored is looked up first, by key; only what is missing or differs is sent, and then looked up again. So a
run that was stopped at any moment is completed by the next one, and one that finds everything writes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_chain, wait_fixed

from adapter.errors import IncompleteError
from adapter.opik_ids import mint, minted_at
from adapter.opik_rows import Row, rows, step_key, trace_of, trial_key
from adapter.opik_store import OpikStore, Stored
from adapter.trial import Trial, TrialCost
from pipelines.experiments import Experiment, store_experiments
from pipelines.progress import Advance
from pipelines.scores import is_trial_score, trial_scores, write_scores
from pipelines.written import Written

ROUNDS = 2
"""How often what is not found after sending is sent."""
PATIENCE = (1.0, 2.0, 4.0)
"""Seconds waited for what was sent and is not found yet: an Opik on many machines shows new rows a little later."""
_FRESH = timedelta(hours=12)
"""Up to this age of its id a row may be sent again as a whole; Opik Cloud refuses ids older than a day."""

type Clock = Callable[[], datetime]


def now() -> datetime:
    """The current time."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Uploaded:
    """What is stored now.

    Attributes:
        traces: stored traces by the trial's key.
        spans: stored spans by key.
        experiments: all experiments of the jobs.
        written: what this run wrote.
        trace_ids: of all stored traces of these jobs, also of trials that were not read this time.
        strangers: how many stored traces of each job are of no trial that was read, by job id.
    """

    traces: dict[str, Stored] = field(default_factory=dict[str, Stored])
    spans: dict[str, Stored] = field(default_factory=dict[str, Stored])
    experiments: list[Experiment] = field(default_factory=list[Experiment])
    written: Written = field(default_factory=Written)
    trace_ids: set[str] = field(default_factory=set[str])
    strangers: dict[str, int] = field(default_factory=dict[str, int])


def upload(
    trials: Sequence[tuple[Trial, TrialCost]],
    store: OpikStore,
    advance: Advance,
    clock: Clock = now,
    patience: Sequence[float] = PATIENCE,
) -> Uploaded:
    """Stores the trials, job by job.

    Args:
        trials: each trial with its cost.
        store: where to.
        advance: told of each row that is in place.
        clock: the current time, for the ids of what is new.
        patience: seconds to wait before each further look for what was sent.

    Raises:
        IncompleteError: Opik refuses, does not answer, or does not hold what it took.
    """
    result, at = Uploaded(), clock()
    jobs: dict[str, list[tuple[Trial, TrialCost]]] = defaultdict(list)
    for trial, cost in trials:
        jobs[trial.job_id].append((trial, cost))
    for job_id, members in jobs.items():
        wanted = [row for trial, cost in members for row in rows(trial, cost)]
        _send(job_id, wanted, store, result, advance, at, patience)
        result.experiments += store_experiments(
            [trial for trial, _ in members], result.traces, result.trace_ids, store, result.written, at
        )
    scores = [
        score for trial, cost in trials for score in trial_scores(trial, cost, result.traces[trial_key(trial)].id)
    ]
    result.written.scores += write_scores(
        scores, result.traces.values(), is_trial_score, store.score_traces, store.delete_trace_score
    )
    return result


def row_count(trial: Trial) -> int:
    """How many rows a trial is: its trace, its agent steps and their tool calls."""
    return 1 + sum(1 + len(step.tool_calls) for step in trial.agent_steps)


@dataclass(frozen=True, slots=True)
class _Found:
    """What is stored of a job, against what should be.

    Attributes:
        stored: traces and spans by key.
        missing: rows that are not stored, or differ.
        vanished: keys of stored spans that the trials which were read no longer have.
    """

    stored: dict[str, Stored]
    missing: list[Row]
    vanished: list[str]

    @property
    def left(self) -> int:
        """How many rows are not as they should be."""
        return len(self.missing) + len(self.vanished)


def _look(job_id: str, wanted: Sequence[Row], store: OpikStore) -> _Found:
    stored = store.find_traces(job_id) | store.find_spans(job_id)
    keys = {row.key for row in wanted}
    traces = {row.trace_key for row in wanted}
    return _Found(
        stored=stored,
        missing=[row for row in wanted if row.key not in stored or stored[row.key].digest != row.digest],
        vanished=[key for key in stored if key not in keys and trace_of(key) in traces],
    )


def _send(
    job_id: str,
    wanted: list[Row],
    store: OpikStore,
    result: Uploaded,
    advance: Advance,
    at: datetime,
    patience: Sequence[float],
) -> None:
    """Looks up, sends what is missing or differs, looks up again."""
    settled = Retrying(
        retry=retry_if_result(lambda found: found.left > 0),
        wait=wait_chain(*map(wait_fixed, patience)),
        stop=stop_after_attempt(len(patience) + 1),
        retry_error_callback=lambda state: state.outcome and state.outcome.result(),
    )
    found = _look(job_id, wanted, store)
    advance(len(wanted) - len(found.missing))
    minted: dict[str, str] = {}
    for _ in range(ROUNDS):
        if not found.left:
            break
        before = len(found.missing)
        _write(wanted, found, minted, store, result.written, at)
        found = settled(_look, job_id, wanted, store)
        advance(before - len(found.missing))
    if found.left:
        named = {row.trace_key: row.name for row in wanted if row.kind == "trace"}
        keys = [row.trace_key for row in found.missing] + [trace_of(key) for key in found.vanished]
        trials = ", ".join(sorted({named[key] for key in keys})[:5])
        raise IncompleteError(
            f"Opik took {found.left} rows and does not hold them as they were sent (trials {trials}).",
            "Run the same command again; if it stays so, look at the Opik server's log.",
        )
    for row in wanted:
        (result.traces if row.kind == "trace" else result.spans)[row.key] = found.stored[row.key]
    of_traces = {key: row.id for key, row in found.stored.items() if trace_of(key) == key}
    result.trace_ids |= set(of_traces.values())
    result.strangers[job_id] = len(of_traces.keys() - {row.trace_key for row in wanted})


def _write(
    wanted: Sequence[Row], found: _Found, minted: dict[str, str], store: OpikStore, written: Written, at: datetime
) -> None:
    """Sends the rows that are missing or differ.

    A row keeps its id. Where that is too old to be sent as new, it is changed in place; but a change in place takes
    nothing away, and Opik removes no single span: a trial that must lose something is removed and sent anew.
    """
    ids = minted | {key: row.id for key, row in found.stored.items()}
    anew = {trace_of(key) for key in found.vanished}
    anew |= {row.trace_key for row in found.missing if _must_lose(row, found.stored.get(row.key), at)}
    if anew:
        store.delete_traces([ids[key] for key in anew if key in ids])
    todo = [row for row in wanted if row.trace_key in anew]
    todo += [row for row in found.missing if row.trace_key not in anew]
    whole: list[Row] = []
    for row in todo:
        if row.trace_key in anew:
            ids[row.key] = minted[row.key] = mint(f"{store.project}|{row.key}|{ids.get(row.key, 'new')}", at)
            whole.append(row)
        elif row.key not in ids:
            ids[row.key] = minted[row.key] = mint(f"{store.project}|{row.key}", at)
            whole.append(row)
        elif _is_fresh(ids[row.key], at):
            whole.append(row)
        elif row.kind == "trace":
            store.update_trace(ids[row.key], row)
        else:
            store.update_span(ids[row.key], row, ids)
    written.traces += sum(row.kind == "trace" for row in todo)
    written.spans += sum(row.kind != "trace" for row in todo)
    store.send_traces([(ids[row.key], row) for row in whole if row.kind == "trace"])
    store.send_spans([(ids[row.key], row) for row in whole if row.kind != "trace"], ids)


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


def span_id(uploaded: Uploaded, trial: Trial, step: int) -> str:
    """The id of a step's span."""
    return uploaded.spans[step_key(trial, step)].id
