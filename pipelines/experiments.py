"""Experiments: one per variant and job, with one dataset item per task and one experiment item per trial."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime

from adapter import opik_rest
from adapter.errors import IncompleteError
from adapter.opik_ids import fixed, mint
from adapter.opik_prompts import StoredPrompt
from adapter.opik_rows import JOB, KEY, trial_key
from adapter.opik_size import clip
from adapter.opik_store import OpikStore, Stored, StoredExperiment
from adapter.trial import Object, Source, Trial, Variant
from pipelines.prompt_library import PROMPTS, named
from pipelines.written import Written

LATER = (15.0, 30.0, 60.0)
"""Seconds that items are waited for beyond the ordinary: an Opik that keeps sums of its experiments shows what was
added to one when it has made the sums again, a minute later."""


@dataclass(frozen=True, slots=True)
class Member:
    """What an experiment needs to know of a trial; `key` is its trace's."""

    key: str
    job_id: str
    job: str
    task: str
    dataset: str
    dataset_version: str | None
    variant: Variant


@dataclass(frozen=True, slots=True)
class Asked:
    """What a trial's agent was asked, where it is known: the instruction of the trial's task in its dataset."""

    dataset: str
    task: str
    instruction: str | None


def member_of(trial: Trial) -> tuple[Member, Asked]:
    """What is needed of a trial."""
    member = Member(
        key=trial_key(trial),
        job_id=trial.job_id,
        job=trial.job,
        task=trial.task,
        dataset=trial.dataset,
        dataset_version=trial.dataset_version,
        variant=trial.variant,
    )
    first = next((step.message for step in trial.steps if step.source is Source.USER), None)
    return member, Asked(trial.dataset, trial.task, None if first is None else clip(first))


class Members:
    """The trials of one job as its experiments know them, with each task's instruction once.

    Attributes:
        trials: in the order they came.
        instructions: what the first trial that knows it was asked, by dataset and task; None where none knows.
        prompts: what they are judged by, by `criterion@version`; None where they are not judged this time.
    """

    def __init__(self, prompts: Mapping[str, StoredPrompt] | None = None) -> None:
        self.prompts = prompts
        self.trials: list[Member] = []
        self.instructions: dict[tuple[str, str], str | None] = {}

    def __bool__(self) -> bool:
        return bool(self.trials)

    def add(self, member: Member, asked: Asked) -> None:
        """Takes what is needed of a trial, as `member_of` has it."""
        self.trials.append(member)
        place = (asked.dataset, asked.task)
        if self.instructions.get(place) is None:
            self.instructions[place] = asked.instruction

    def keep(self, keys: AbstractSet[str]) -> None:
        """Forgets the trials of other keys: Opik does not take them."""
        self.trials = [trial for trial in self.trials if trial.key in keys]


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment that holds this job's trials of one variant."""

    id: str
    name: str
    job_id: str
    variant: str
    dataset: str
    metadata: Object
    is_new: bool
    stored: tuple[Object, dict[str, float]] | None
    """configuration and scores as they were before this run"""
    stored_name: str
    sent_items: tuple[str, ...] = ()
    """ids of the items that were just put into it"""


def until_stored(
    store_once: Callable[[], list[Experiment]], store: OpikStore, written: Written, patience: Sequence[float]
) -> list[Experiment]:
    """Stores experiments, and looks again until everything is there once.

    Another machine may have removed an experiment as the later of two while items were put into it: they go too.

    Args:
        store_once: looks at what is there and stores what is missing.
        store: where they are stored.
        written: counts what `store_once` writes.
        patience: seconds to wait before each look but the first two.

    Raises:
        IncompleteError: something is missing at every look.
    """
    new: set[str] = set()
    sent: dict[str, list[str]] = defaultdict(list)
    are_items = False
    for number, seconds in enumerate((0.0, 0.0, *patience, *LATER)):
        if number >= len(patience) + 2 and not are_items:
            break
        opik_rest.sleep(seconds)
        before = replace(written)
        experiments = store_once()
        new |= {one.id for one in experiments if one.is_new}
        for one in experiments:
            sent[one.id].extend(one.sent_items)
        if written == before:
            there = {one.id for one in experiments}
            gone = [item for experiment, items in sent.items() if experiment not in there for item in items]
            store.delete_experiment_items(gone)
            return [replace(one, is_new=one.id in new) for one in experiments]
        are_items = written == replace(before, experiment_items=written.experiment_items)
    raise IncompleteError(
        "Opik took experiments or their items and does not hold them as they were sent.",
        "Run the same command again; if it stays so, look at the Opik server's log.",
    )


def store_experiments(
    members: Members,
    stored: Mapping[str, Stored],
    trace_ids: AbstractSet[str],
    store: OpikStore,
    written: Written,
    at: datetime,
) -> list[Experiment]:
    """Stores the experiments of one job's trials.

    An item is taken away where its trial's variant or dataset was read differently before, and where its trace is no
    longer stored; an experiment that this leaves empty goes with it. Trials that were not read this time keep theirs.

    Args:
        members: trials of one job, at least one.
        stored: their traces, by the trial's key.
        trace_ids: of all stored traces of the job.
        store: where to.
        written: counts what is written.
        at: the current time, for the ids of what is new.
    """
    there = store.find_experiments(members.trials[0].job_id)
    for twin in (twin for one in there.values() for twin in one.twins):
        store.delete_experiment(twin.id)  # Another machine made it at the same time.
        written.experiments += 1
    ours = {stored[trial.key].id for trial in members.trials}
    by_dataset: dict[str, list[Member]] = defaultdict(list)
    for trial in members.trials:
        by_dataset[trial.dataset].append(trial)
    experiments: list[Experiment] = []
    for dataset, of_dataset in by_dataset.items():
        asked = {task: text for (name, task), text in members.instructions.items() if name == dataset}
        items = _dataset(dataset, asked, store, written)
        by_variant: dict[str, list[Member]] = defaultdict(list)
        for trial in of_dataset:
            by_variant[trial.variant.name].append(trial)
        for attempts in by_variant.values():
            experiment = _experiment(attempts[0], members.prompts, there, store, written, at)
            traces = {stored[trial.key].id: trial.task for trial in attempts}
            present = {} if experiment.is_new else store.experiment_items(experiment.stored_name, experiment.id)
            _take_out(present, traces.keys(), ours, trace_ids, store, written)
            held = set(present.values())
            new = [
                (mint(f"{experiment.id}|{trace}", at), experiment.id, items[task], trace)
                for trace, task in traces.items()
                if trace not in held
            ]
            if new:
                store.send_experiment_items(new)
            written.experiment_items += len(new)
            experiments.append(replace(experiment, sent_items=tuple(item for item, *_ in new)))
    kept = {one.id for one in experiments}
    for one in there.values():
        if one.id not in kept:
            present = store.experiment_items(one.name, one.id)
            if _take_out(present, set(), ours, trace_ids, store, written) == len(present):
                store.delete_experiment(one.id)
                written.experiments += 1
    return experiments


def _take_out(
    present: Mapping[str, str],
    wanted: AbstractSet[str],
    ours: AbstractSet[str],
    trace_ids: AbstractSet[str],
    store: OpikStore,
    written: Written,
) -> int:
    """Removes the items whose trace belongs elsewhere or is gone or has an older item; how many."""
    first = {trace: item for item, trace in sorted(present.items(), reverse=True)}
    gone = [
        item
        for item, trace in present.items()
        if first[trace] != item or (trace not in wanted and (trace in ours or trace not in trace_ids))
    ]
    if gone:
        store.delete_experiment_items(gone)
    written.experiment_items += len(gone)
    return len(gone)


def _dataset(
    dataset: str, instructions: Mapping[str, str | None], store: OpikStore, written: Written
) -> dict[str, str]:
    """The ids of the dataset's items by task; what is missing or says less is stored."""
    stored = store.dataset(dataset)
    ids = {task: str(item["id"]) for task, item in stored.items()}
    changed: dict[str, Object] = {}
    for task, asked in instructions.items():
        # What the first job says of a task stays: agents word what they were asked differently.
        if task in stored and (asked is None or stored[task].get("instruction") is not None):
            continue
        if f"{dataset}/{task}" in store.refused:
            continue
        ids.setdefault(task, fixed(f"{store.project}|{dataset}|{task}"))
        changed[ids[task]] = {"task": task, "instruction": asked, "dataset": dataset}
    if changed:
        store.send_dataset_items(dataset, changed)
    written.dataset_items += len(changed)
    return ids


def _experiment(
    trial: Member,
    prompts: Mapping[str, StoredPrompt] | None,
    stored: Mapping[str, StoredExperiment],
    store: OpikStore,
    written: Written,
    at: datetime,
) -> Experiment:
    """The experiment of a trial's variant in its job; it is made where there is none.

    Opik links prompts to an experiment only while it makes it: later versions stand in the configuration alone.
    """
    metadata = _configuration(trial, store.project)
    key = str(metadata[KEY])
    name = f"{trial.dataset}/{trial.variant.name}/{trial.job}"
    found = stored.get(key)
    if prompts is not None:
        metadata[PROMPTS] = named(prompts)
    elif found is not None and PROMPTS in found.metadata:
        metadata[PROMPTS] = found.metadata[PROMPTS]
    tags = [tag[:100] for tag in ("kilobench", *(f"{kind}:{value}" for kind, value in _tags(trial)))]
    if found is not None and not found.tags.issuperset(tags):
        # An earlier version gave fewer: the standing views find experiments by them.
        store.tag_experiment(found.id, sorted({*tags} - found.tags))
        written.experiments += 1
    if found is None:
        linked = [one.version_id for one in (prompts or {}).values()]
        store.create_experiment(mint(key, at), trial.dataset, name, metadata, tags, linked)
        written.experiments += 1
    return Experiment(
        id=mint(key, at) if found is None else found.id,
        name=name,
        stored_name=name if found is None else found.name,
        job_id=trial.job_id,
        variant=trial.variant.name,
        dataset=trial.dataset,
        metadata=metadata,
        is_new=found is None,
        stored=None if found is None else (found.metadata, found.scores),
    )


def _tags(trial: Member) -> list[tuple[str, str]]:
    variant = trial.variant
    return [
        ("job", trial.job),
        ("dataset", trial.dataset),
        ("agent", variant.agent),
        ("version", variant.agent_version or "unknown"),
        ("model", variant.model_name or "unknown"),
    ]


def _configuration(trial: Member, project: str) -> Object:
    """An experiment's configuration: every field of the variant, so that Opik can group and filter by it."""
    return {
        JOB: trial.job_id,
        KEY: f"{project}|experiment|{trial.job_id}|{trial.dataset}|{trial.variant.name}",
        **trial.variant.fields(),
        "dataset": trial.dataset,
        "dataset_version": trial.dataset_version,
        "job": trial.job,
        "project": project,
    }
