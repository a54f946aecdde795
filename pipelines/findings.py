"""Findings by code: counted as the trials stream by, with one example of each kept."""

from __future__ import annotations

from collections import Counter

from adapter.trial import Finding, Severity, Trial
from pipelines.results import FindingCount

_ORDER = (Severity.ERROR, Severity.WARNING, Severity.INFO)


def _place(trial: str, finding: Finding) -> tuple[str, int]:
    return trial, finding.step or 0


class FindingCounter:
    """Counts the findings of trials; of each code the example is that of the first trial by name, however they come."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()
        self._example: dict[str, tuple[str, Finding]] = {}

    def add(self, trial: Trial) -> None:
        """Counts a trial's findings; nothing else of the trial is kept."""
        for finding in trial.findings:
            self._count[finding.code] += 1
            known = self._example.get(finding.code)
            if known is None or _place(trial.name, finding) < _place(*known):
                self._example[finding.code] = (trial.name, finding)

    def counts(self) -> list[FindingCount]:
        """One entry per code, the most severe first and of those the most frequent."""
        groups = [
            FindingCount(
                code=code,
                severity=finding.severity.value,
                count=self._count[code],
                trial=name,
                step=finding.step,
                message=finding.message,
            )
            for code, (name, finding) in self._example.items()
        ]
        return sorted(groups, key=lambda one: (_ORDER.index(Severity(one.severity)), -one.count, one.code))
