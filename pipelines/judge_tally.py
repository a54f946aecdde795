"""What a pass of the judges comes to, trial by trial: of a trial itself nothing is held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from judges.agreement import Agreement, agreement, stability
from judges.asking import NotJudged
from judges.final import disagreements, final
from judges.verdict import FailedVerdict, Verdict
from pipelines.inspected import InspectedFinding
from pipelines.judge import Judgement
from pipelines.judge_pass import Passed
from pipelines.judge_results import CriterionAgreement, JudgedTrial, NotJudgedItem
from pipelines.verdicts import VerdictCounter


@dataclass(frozen=True, slots=True)
class _Line:
    """What is kept of a trial."""

    trial: JudgedTrial
    verdicts: tuple[Verdict, ...]
    failed: tuple[FailedVerdict, ...]
    not_judged: tuple[NotJudgedItem, ...]


@dataclass(slots=True)
class Tally:
    """Trials as they are judged, in any order.

    Attributes:
        escalated: steps and criteria on which another model was asked.
    """

    escalated: int = 0
    _lines: dict[int, _Line] = field(default_factory=dict[int, _Line])
    _by_model: list[Verdict] = field(default_factory=list[Verdict])
    _samples: defaultdict[str, list[tuple[tuple[Verdict, ...], ...]]] = field(
        default_factory=lambda: defaultdict[str, "list[tuple[tuple[Verdict, ...], ...]]"](list)
    )
    _disagreements: defaultdict[str, int] = field(default_factory=lambda: defaultdict[str, int](int))

    def add(self, passed: Passed, judgement: Judgement, weight: float) -> None:
        """Takes what was said of a trial.

        Args:
            passed: the trial, and what rules and models said.
            judgement: the verdicts that count, and its shares.
            weight: how many trials it stands for.
        """
        found, heard = passed.found, passed.heard
        verdicts: list[Verdict] = []
        for one in final(judgement.verdicts):
            verdicts += [one.verdict] if one.other is None else [one.verdict, one.other]
        self._lines[passed.place] = _Line(
            trial=JudgedTrial(
                trial=found.trial.name,
                trace_id=found.trace_id,
                project=found.project,
                status=found.trial.status.value,
                agent_steps=len(found.trial.agent_steps),
                weight=weight,
                flagged=judgement.shares,
                findings=tuple(
                    InspectedFinding(code=one.code, severity=one.severity, step=one.step, message=one.message)
                    for one in found.trial.findings
                ),
            ),
            verdicts=tuple(verdicts),
            failed=() if heard is None else heard.failed,
            not_judged=() if heard is None else tuple(_not_judged(found.trial.name, heard.not_judged)),
        )
        for criterion, count in disagreements(judgement.verdicts).items():
            self._disagreements[criterion] += count
        if heard is not None:
            self.escalated += heard.escalated
            self._by_model += heard.by_model
            for model, samples in heard.samples.items():
                self._samples[model].append(samples)

    @property
    def trials(self) -> tuple[JudgedTrial, ...]:
        """In the order they were read."""
        return tuple(line.trial for line in self._in_order())

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Those that count, each followed by a rule's that differs; by trial and step."""
        return tuple(one for line in self._in_order() for one in line.verdicts)

    @property
    def failed(self) -> tuple[FailedVerdict, ...]:
        """Verdicts that were asked for and did not come."""
        return tuple(one for line in self._in_order() for one in line.failed)

    @property
    def not_judged(self) -> tuple[NotJudgedItem, ...]:
        """What was not sent."""
        return tuple(one for line in self._in_order() for one in line.not_judged)

    @property
    def disagreements(self) -> dict[str, int]:
        """Steps on which a model and a rule give different labels, by criterion."""
        return dict(self._disagreements)

    def counts(self) -> VerdictCounter:
        """Flagged steps by kind."""
        counter = VerdictCounter()
        counter.add(self.verdicts)
        return counter

    def agreement(self) -> tuple[CriterionAgreement, ...]:
        """How far the models say the same; empty where there is one."""
        return tuple(map(_shown, agreement(self._by_model)))

    def stability(self) -> tuple[CriterionAgreement, ...]:
        """How far each model says the same when it is asked again; empty where it was not."""
        return tuple(
            _shown(one)
            for samples in self._samples.values()
            for one in stability([[v for trial in samples for v in trial[k]] for k in range(len(samples[0]))])
        )

    def _in_order(self) -> Sequence[_Line]:
        return [self._lines[place] for place in sorted(self._lines)]


def _shown(one: Agreement) -> CriterionAgreement:
    return CriterionAgreement(
        criterion=one.criterion, judges=one.judges, pairs=one.pairs, agreement=one.agreement, kappa=one.kappa
    )


def _not_judged(trial: str, items: Sequence[NotJudged]) -> list[NotJudgedItem]:
    """Steps that share model, criterion and reason, together."""
    steps: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    for one in items:
        steps[one.model, one.criterion, one.reason].append(one.step)
    return [
        NotJudgedItem(trial=trial, criterion=criterion, steps=tuple(found), model=model, reason=reason)
        for (model, criterion, reason), found in steps.items()
    ]
