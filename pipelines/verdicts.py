"""Verdicts by kind: counted as the trials stream by, with one example of each kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from judges.verdict import Verdict
from pipelines.results import VerdictCount
from views.report_model import VerdictTotal

type _Kind = tuple[str, str, str]
"""Criterion, category and who gave it."""


class VerdictCounter:
    """Counts flagged steps by criterion, category and judge; the first of a kind by trial and step is its example."""

    def __init__(self) -> None:
        self._count: Counter[_Kind] = Counter()
        self._example: dict[_Kind, tuple[str, int, str]] = {}

    def add(self, verdicts: Iterable[Verdict]) -> None:
        """Counts those of these verdicts that flag a step."""
        for verdict in verdicts:
            if verdict.value is None or verdict.value >= 1:
                continue
            kind = (verdict.criterion, "" if verdict.category is None else verdict.category.value, verdict.by)
            self._count[kind] += 1
            example = (verdict.trial, verdict.step, verdict.explanation)
            self._example[kind] = min(self._example.get(kind, example), example)

    def counts(self) -> list[VerdictCount]:
        """One entry per kind."""
        return [
            VerdictCount(criterion=criterion, category=category, by=by, count=count)
            for (criterion, category, by), count in sorted(self._count.items())
        ]

    def totals(self) -> list[VerdictTotal]:
        """The same with an example each, for the report."""
        examples = {kind: f"{trial}, step {step}: {said}" for kind, (trial, step, said) in self._example.items()}
        return [
            VerdictTotal(criterion, f"{category} ({by})", count, examples[criterion, category, by])
            for (criterion, category, by), count in sorted(self._count.items())
        ]
