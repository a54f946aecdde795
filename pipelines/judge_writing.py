"""Writing what was said of stored trials back to where they are, some trials at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from adapter.loose import text
from adapter.opik_connection import Connection
from adapter.opik_read import FoundExperiment
from adapter.opik_rows import KEY
from adapter.opik_store import OpikStore
from adapter.trial import Object
from pipelines.judge import Judgement, store_verdicts
from pipelines.prompt_library import PROMPTS, named, store_prompts
from pipelines.results import SkippedItem
from pipelines.to_judge import ToJudge
from pipelines.written import Written
from prompts import Criterion

TOGETHER = 20
"""Trials whose scores are written at a time: what is written of them is not judged again after a stop."""


@dataclass(slots=True)
class Writing:
    """Scores on their way to the traces and spans of their trials.

    Attributes:
        connection: to the Opik that holds them.
        scores: how many were written or removed.
        skipped: what Opik did not take.
    """

    connection: Connection
    scores: int = 0
    skipped: list[SkippedItem] = field(default_factory=list[SkippedItem])
    _stores: dict[str, OpikStore] = field(default_factory=dict[str, OpikStore])
    _waiting: list[tuple[str, ToJudge, Judgement]] = field(default_factory=list[tuple[str, ToJudge, Judgement]])

    def add(self, found: ToJudge, judgement: Judgement) -> None:
        """Takes what was said of a trial; one that is not stored has nowhere to write to."""
        if found.project is not None:
            # Of the trial itself nothing is held while it waits.
            self._waiting.append((found.project, _without_steps(found), judgement))
        if len(self._waiting) >= TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Writes what waits.

        Raises:
            IncompleteError: Opik does not answer or refuses.
        """
        for project in sorted({project for project, _, _ in self._waiting}):
            store = self._store(project)
            of_project = [(found, judgement) for name, found, judgement in self._waiting if name == project]
            self.scores += store_verdicts(
                [judgement for _, judgement in of_project],
                {key: row for found, _ in of_project for key, row in found.trace.items()},
                {key: row for found, _ in of_project for key, row in found.spans.items()},
                store,
            )
            self._take_refused(store)
        self._waiting.clear()

    def name_prompts(self, experiments: list[FoundExperiment], criteria: Mapping[str, Criterion]) -> None:
        """Says in the configuration of experiments that kilobench made what they were judged by now."""
        for one in experiments:
            project = text(one.metadata.get("project"))
            if KEY not in one.metadata or project is None:
                continue
            store = self._store(project)
            prompts = named(store_prompts(store, Written(), criteria))
            if one.metadata.get(PROMPTS) != prompts:
                configuration: Object = {**one.metadata, PROMPTS: prompts}
                store.update_experiment(one.id, configuration)
            self._take_refused(store)

    def _store(self, project: str) -> OpikStore:
        if project not in self._stores:
            self._stores[project] = OpikStore(self.connection, project)
        return self._stores[project]

    def _take_refused(self, store: OpikStore) -> None:
        self.skipped += [SkippedItem(path=what, reason=reason) for what, reason in store.refused.items()]
        store.refused.clear()


def _without_steps(found: ToJudge) -> ToJudge:
    return replace(found, trial=replace(found.trial, steps=()))
