"""Stage 3: the trials of each job as traces, spans, dataset items and experiments in Opik.

What is stored is looked up first, by key; only what is missing or differs is sent, and then looked up again. So a
run that was stopped at any moment is completed by the next one, and one that finds everything writes nothing.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from adapter.errors import IncompleteError
from adapter.opik_ids import fixed, mint, minted_at
from adapter.opik_rows import JOB, KEY, Object, Row, rows, step_key, trial_key
from adapter.opik_store import OpikStore, Score, Stored
from adapter.trial import Trial, TrialCost
from pipelines.cost import trial_tokens
from pipelines.progress import Advance

ROUNDS = 2
"""How often what is not found after sending is sent."""
PATIENCE = (0.0, 1.0, 2.0, 4.0)
"""Seconds waited before each look for what was sent: an Opik on many machines shows new rows a little later."""
_FRESH = timedelta(hours=12)
"""Up to this age of its id a row may be sent again as a whole; Opik Cloud refuses ids older than a day."""

type Clock = Callable[[], datetime]


def now() -> datetime:
    """The current time."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Written:
    """How many rows of each kind this run wrote."""

    traces: int = 0
    spans: int = 0
    scores: int = 0
    dataset_items: int = 0
    experiments: int = 0
    experiment_items: int = 0
    dashboards: int = 0


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment that holds this job's trials of one variant."""

    id: str
    name: str
    job_id: str
    variant: str
    dataset: str
    metadata: Object
    scores: dict[str, float]
    """as they were stored before this run"""
    is_new: bool


@dataclass(slots=True)
class Uploaded:
    """What is stored now.

    Attributes:
        traces: stored traces by the trial's key.
        spans: stored spans by key.
        experiments: all experiments of the jobs.
        written: what this run wrote.
    """

    traces: dict[str, Stored] = field(default_factory=dict[str, Stored])
    spans: dict[str, Stored] = field(default_factory=dict[str, Stored])
    experiments: list[Experiment] = field(default_factory=list[Experiment])
    written: Written = field(default_factory=Written)


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
        patience: seconds to wait before each look for what was sent.

    Raises:
        IncompleteError: Opik refuses, does not answer, or does not hold what it took.
    """
    result = Uploaded()
    jobs: dict[str, list[tuple[Trial, TrialCost]]] = defaultdict(list)
    for trial, cost in trials:
        jobs[trial.job_id].append((trial, cost))
    for job_id, members in jobs.items():
        wanted = [row for trial, cost in members for row in rows(trial, cost)]
        _send(job_id, wanted, store, result, advance, clock, patience)
        _experiments([trial for trial, _ in members], store, result, clock)
    scores = [
        score for trial, cost in trials for score in trial_scores(trial, cost, result.traces[trial_key(trial)].id)
    ]
    result.written.scores += write_scores(scores, result.traces, (), store.score_traces, store.delete_trace_score)
    return result


def row_count(trial: Trial) -> int:
    """How many rows a trial is: its trace, its agent steps and their tool calls."""
    return 1 + sum(1 + len(step.tool_calls) for step in trial.agent_steps)


def _send(
    job_id: str,
    wanted: list[Row],
    store: OpikStore,
    result: Uploaded,
    advance: Advance,
    clock: Clock,
    patience: Sequence[float],
) -> None:
    """Looks up, sends what is missing or differs, looks up again."""
    traces, spans, todo = _look(job_id, wanted, store)
    advance(len(wanted) - len(todo))
    for _ in range(ROUNDS):
        if not todo:
            break
        before = len(todo)
        _write(todo, {**traces, **spans}, store, result.written, clock)
        for seconds in patience:
            time.sleep(seconds)
            traces, spans, todo = _look(job_id, wanted, store)
            if not todo:
                break
        advance(before - len(todo))
    if todo:
        names = ", ".join(sorted({row.trace_key.rsplit("/", 1)[-1] for row in todo})[:5])
        raise IncompleteError(
            f"Opik took {len(todo)} rows of job {job_id} and does not hold them (trials {names}).",
            "Run the same command again; if it stays so, look at the Opik server's log.",
        )
    result.traces |= traces
    result.spans |= spans


def _look(
    job_id: str, wanted: Sequence[Row], store: OpikStore
) -> tuple[dict[str, Stored], dict[str, Stored], list[Row]]:
    """The stored traces and spans of a job, and the rows that are missing or differ."""
    traces, spans = store.find_traces(job_id), store.find_spans(job_id)
    stored = {**traces, **spans}
    todo = [row for row in wanted if row.key not in stored or stored[row.key].digest != row.digest]
    return traces, spans, todo


def _write(todo: list[Row], stored: Mapping[str, Stored], store: OpikStore, written: Written, clock: Clock) -> None:
    ids = {key: row.id for key, row in stored.items()}
    at = clock()
    whole: list[Row] = []
    for row in todo:
        if row.key not in ids:
            ids[row.key] = mint(f"{store.project}|{row.key}", at)
            whole.append(row)
        elif at - minted_at(ids[row.key]) <= _FRESH:
            whole.append(row)
        elif row.kind == "trace":
            store.update_trace(ids[row.key], row)
        else:
            store.update_span(ids[row.key], row, ids)
    written.traces += sum(row.kind == "trace" for row in todo)
    written.spans += sum(row.kind != "trace" for row in todo)
    store.send_traces([(ids[row.key], row) for row in whole if row.kind == "trace"])
    store.send_spans([(ids[row.key], row) for row in whole if row.kind != "trace"], ids)


def _experiments(trials: list[Trial], store: OpikStore, result: Uploaded, clock: Clock) -> None:
    """One experiment per variant and job, one dataset item per task, one experiment item per trial."""
    by_dataset: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        by_dataset[trial.dataset].append(trial)
    for dataset, members in by_dataset.items():
        dataset_id, tasks = store.dataset(dataset)
        new = {trial.task: trial for trial in members if trial.task not in tasks}
        if new:
            items = {fixed(f"{dataset}|{task}"): _dataset_item(trial) for task, trial in new.items()}
            store.send_dataset_items(dataset, items)
            tasks |= {task: fixed(f"{dataset}|{task}") for task in new}
            result.written.dataset_items += len(new)
        stored = store.find_experiments(dataset_id)
        by_variant: dict[str, list[Trial]] = defaultdict(list)
        for trial in members:
            by_variant[trial.variant.name].append(trial)
        for attempts in by_variant.values():
            first = attempts[0]
            metadata = _configuration(first, store.project)
            key = str(metadata[KEY])
            found = stored.get(key)
            experiment = Experiment(
                id=found.id if found else mint(key, clock()),
                name=f"{dataset}/{first.variant.name}/{first.job}",
                job_id=first.job_id,
                variant=first.variant.name,
                dataset=dataset,
                metadata=metadata,
                scores=found.scores if found else {},
                is_new=found is None,
            )
            if found is None:
                tags = ["kilobench", *(f"{kind}:{name}" for kind, name in _tags(first))]
                store.create_experiment(experiment.id, dataset, experiment.name, metadata, [tag[:100] for tag in tags])
                result.written.experiments += 1
            result.experiments.append(experiment)
            present = store.experiment_traces(found.name, found.id) if found else set[str]()
            traces = {result.traces[trial_key(trial)].id: trial.task for trial in attempts}
            items = [
                (mint(f"{key}|{trace}", clock()), experiment.id, tasks[task], trace)
                for trace, task in traces.items()
                if trace not in present
            ]
            if items:
                store.send_experiment_items(items)
            result.written.experiment_items += len(items)


def _dataset_item(trial: Trial) -> Object:
    asked = next((step.message for step in trial.steps if step.source.value == "user"), None)
    return {"task": trial.task, "instruction": asked, "dataset": trial.dataset}


def _tags(trial: Trial) -> list[tuple[str, str]]:
    variant = trial.variant
    return [("job", trial.job), ("agent", variant.agent), ("model", variant.model_name or "unknown")]


def _configuration(trial: Trial, project: str) -> Object:
    """An experiment's configuration: every field of the variant, so that Opik can group and filter by it."""
    variant = trial.variant
    return {
        JOB: trial.job_id,
        KEY: f"{project}|experiment|{trial.job_id}|{trial.dataset}|{variant.name}",
        "variant": variant.name,
        "agent": variant.agent,
        "agent_version": variant.agent_version,
        "model": variant.model,
        "provider": variant.provider,
        "effort": variant.effort,
        "settings_digest": variant.digest,
        "dataset": trial.dataset,
        "dataset_version": trial.dataset_version,
        "job": trial.job,
        "project": project,
    }


def trial_scores(trial: Trial, cost: TrialCost, row_id: str) -> list[Score]:
    """A trace's own scores: its rewards, cost, steps and tokens; what is not known has none."""
    tokens = trial_tokens(trial)
    whole = None if tokens is None or tokens.prompt is None or tokens.output is None else tokens.prompt + tokens.output
    values: dict[str, float | None] = {
        "reward": trial.reward,
        **{f"reward.{key}": value for key, value in trial.rewards.items() if key != "reward"},
        "cost_usd": cost.usd,
        "steps": len(trial.agent_steps) or None,
        "tokens": whole,
    }
    reasons = {"reward": f"{trial.status.value}", "cost_usd": cost.provenance.value}
    return [
        Score(row_id, name, round(value, 9), reason=reasons.get(name))
        for name, value in values.items()
        if value is not None
    ]


def write_scores(
    wanted: Sequence[Score],
    stored: Mapping[str, Stored],
    ours: Sequence[str],
    send: Callable[[Sequence[Score]], None],
    delete: Callable[[Score], None],
) -> int:
    """Brings scores to what they should be, touching only those that differ.

    Args:
        wanted: the scores that should be there.
        stored: the rows with the scores that are there.
        ours: names of scores that are removed where they are stored and not wanted.
        send: stores scores.
        delete: removes one.

    Returns:
        How many were written or removed.
    """
    there = {(row.id, score.name): score for row in stored.values() for score in row.scores.values()}
    changed = [score for score in wanted if there.get((score.row_id, score.name)) != score]
    if changed:
        send(changed)
    kept = {(score.row_id, score.name) for score in wanted}
    stale = [score for key, score in there.items() if score.name in ours and key not in kept]
    for score in stale:
        delete(score)
    return len(changed) + len(stale)


def span_id(uploaded: Uploaded, trial: Trial, step: int) -> str:
    """The id of a step's span."""
    return uploaded.spans[step_key(trial, step)].id
